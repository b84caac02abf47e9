//! A library for Go: each function is C's, and keeps the convention of boundary.rs.

mod boundary;

use boundary::{guarded, slice, Buffer};
use std::sync::atomic::{AtomicU64, Ordering};

static MELTS: AtomicU64 = AtomicU64::new(0);

/// What kind of ore it is.
#[repr(C)]
#[derive(Clone, Copy)]
pub enum Ore {
    Magnetite = 1,
    Hematite = 7,
}

/// Where a vein lies.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub struct Vein {
    pub depth: f64,
    pub width: f32,
    pub tons: u32,
}

/// Greets by name; a name that is no UTF-8 is an error.
///
/// # Safety
/// `name` is valid for `name_len` bytes.
#[no_mangle]
pub unsafe extern "C" fn smelter_greet(name: *const u8, name_len: usize) -> Buffer {
    let name = slice(name, name_len);
    guarded(|| {
        MELTS.fetch_add(1, Ordering::Relaxed);
        std::str::from_utf8(name).map(|name| format!("Hello, {name}, from Rust").into_bytes().into())
    })
}

/// Divides, which fails where the divisor is 0.
#[no_mangle]
pub extern "C" fn smelter_divide(dividend: i32, divisor: i32) -> i32 {
    guarded(|| dividend.checked_div(divisor).ok_or(format!("cannot divide {dividend} by {divisor}")))
}

/// Panics where the guess is wrong.
#[no_mangle]
pub extern "C" fn smelter_may_panic(guess: i32) -> Buffer {
    guarded(|| {
        assert_eq!(guess, 42, "the guess {guess} is wrong");
        Ok::<_, String>(b"You are right".to_vec().into())
    })
}

/// Adds numbers up; an overflow panics.
///
/// # Safety
/// `numbers` is valid for `numbers_len` numbers.
#[no_mangle]
pub unsafe extern "C" fn smelter_sum(numbers: *const i64, numbers_len: usize) -> i64 {
    let numbers = if numbers.is_null() { &[] } else { std::slice::from_raw_parts(numbers, numbers_len) };
    guarded(|| Ok::<_, String>(numbers.iter().fold(0i64, |a, n| a.checked_add(*n).expect("the sum is too large"))))
}

/// How many calls of greet there were.
#[no_mangle]
pub extern "C" fn smelter_melts() -> u64 {
    guarded(|| Ok::<_, String>(MELTS.load(Ordering::Relaxed)))
}

/// A vein that is as deep again.
#[no_mangle]
pub extern "C" fn smelter_deepen(vein: Vein, ore: Ore) -> Vein {
    guarded(|| Ok::<_, String>(Vein { depth: vein.depth * 2.0, tons: vein.tons + ore as u32, ..vein }))
}

/// Does nothing, and fails if it is told to.
#[no_mangle]
pub extern "C" fn smelter_check(good: bool) {
    guarded(|| if good { Ok(()) } else { Err("it is not good") })
}
