//! Only a lib, no crate-type: the server asks for the cdylib.
#[no_mangle]
pub extern "C" fn add(a: i32, b: i32) -> i32 {
    a + b
}

#[no_mangle]
pub extern "C" fn greeting() -> *const u8 {
    b"from the bloomery\0".as_ptr()
}
