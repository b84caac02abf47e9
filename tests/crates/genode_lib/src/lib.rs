//! A lib whose entry point has a name of its own, and a function for C beside it.

use std::ffi::{c_char, c_int, CStr};

/// # Safety
/// As main of C: argc texts at argv.
#[no_mangle]
pub unsafe extern "C" fn smelt(argc: c_int, argv: *const *const c_char) -> c_int {
    let first = if argc > 0 { unsafe { CStr::from_ptr(*argv) }.to_string_lossy() } else { "nobody".into() };
    println!("smelted by {first}: {}", iron_of(7));
    0
}

#[no_mangle]
pub extern "C" fn iron_of(ore: c_int) -> c_int {
    ore * 6
}
