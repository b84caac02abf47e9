#[no_mangle]
pub extern "C" fn present() -> u32 {
    1
}
