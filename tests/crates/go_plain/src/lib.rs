//! A library without a header and without cbindgen.toml, and with a function of C's that is not its own.

unsafe extern "C" {
    fn __errno_location() -> *mut i32;
}

/// How it is coloured.
#[repr(u8)]
pub enum Colour {
    Red = 1,
    Black = 2,
}

pub const LIMIT: u32 = 77;

/// Adds.
#[unsafe(no_mangle)]
pub extern "C" fn add(a: i32, b: i32) -> i32 {
    a.wrapping_add(b)
}

/// Gives errno a value.
#[unsafe(no_mangle)]
pub extern "C" fn set_errno(to: i32) {
    unsafe { *__errno_location() = to }
}

/// The other colour.
#[unsafe(no_mangle)]
pub extern "C" fn other_colour(c: Colour) -> Colour {
    match c {
        Colour::Red => Colour::Black,
        Colour::Black => Colour::Red,
    }
}

/// Fills memory.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn fill(memory: *mut u8, len: usize, with: u8) {
    unsafe { std::slice::from_raw_parts_mut(memory, len).fill(with) }
}
