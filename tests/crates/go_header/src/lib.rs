//! A library with a header of its own, declared in Cargo.toml, and no crate type for it.

use std::ffi::{c_char, c_uint, c_void, CStr};

pub struct Slag(Vec<u32>);

#[no_mangle]
#[allow(non_upper_case_globals)]
pub static slag_version: u8 = 12;

#[no_mangle]
pub extern "C" fn slag_new(first: u32) -> *mut Slag {
    Box::into_raw(Box::new(Slag(vec![first])))
}

#[no_mangle]
pub unsafe extern "C" fn slag_add(s: *mut Slag, more: u32) {
    (*s).0.push(more)
}

#[no_mangle]
pub unsafe extern "C" fn slag_weight(s: *const Slag) -> u32 {
    (&(*s).0).iter().sum()
}

#[no_mangle]
pub unsafe extern "C" fn slag_free(s: *mut Slag) {
    drop(Box::from_raw(s))
}

#[no_mangle]
pub unsafe extern "C" fn slag_name_length(name: *const c_char) -> c_uint {
    CStr::from_ptr(name).to_bytes().len() as c_uint
}

#[no_mangle]
pub unsafe extern "C" fn slag_each(s: *mut Slag, with: extern "C" fn(u32, *mut c_void), argument: *mut c_void) {
    for tons in &(*s).0 {
        with(*tons, argument);
    }
}
