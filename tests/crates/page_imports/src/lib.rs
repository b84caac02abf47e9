//! Wants a function that only the user's page has: compiled and checked, but not tried.
#[link(wasm_import_module = "page")]
extern "C" {
    fn tell(number: u32);
}

#[no_mangle]
pub extern "C" fn start() {
    unsafe { tell(7) }
}
