//! The Rust side of an ao process whose `handle` is in C: c/main.c.

/// # Safety
/// `text` has `len` bytes.
#[no_mangle]
pub unsafe extern "C" fn shout(text: *mut u8, len: usize) {
    std::slice::from_raw_parts_mut(text, len).make_ascii_uppercase();
}
