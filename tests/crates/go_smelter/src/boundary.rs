//! The convention by which a Go package is made idiomatic: a Buffer that Rust allocates and frees, errno and the last error's
//! message of this thread, and no panic that leaves Rust. docs/profiles/go.md tells it; this file can be copied.

use std::any::Any;
use std::cell::RefCell;
use std::fmt::Display;
use std::panic::{catch_unwind, UnwindSafe};

/// Memory of Rust's: give it back with smelter_buffer_free.
#[repr(C)]
pub struct Buffer {
    ptr: *mut u8,
    len: usize,
    cap: usize,
}

impl From<Vec<u8>> for Buffer {
    fn from(v: Vec<u8>) -> Self {
        let mut v = std::mem::ManuallyDrop::new(v);
        Buffer { ptr: v.as_mut_ptr(), len: v.len(), cap: v.capacity() }
    }
}

impl Default for Buffer {
    fn default() -> Self {
        Buffer { ptr: std::ptr::null_mut(), len: 0, cap: 0 }
    }
}

extern "C" {
    fn __errno_location() -> *mut i32;
}

thread_local! {
    static LAST_ERROR: RefCell<String> = const { RefCell::new(String::new()) };
}

const EINVAL: i32 = 22;

/// Runs `f`: its error or its panic sets errno and the message, its success sets errno to 0.
pub fn guarded<T: Default, E: Display>(f: impl FnOnce() -> Result<T, E> + UnwindSafe) -> T {
    let (value, message) = match catch_unwind(f) {
        Ok(Ok(value)) => (value, None),
        Ok(Err(e)) => (T::default(), Some(e.to_string())),
        Err(panic) => (T::default(), Some(format!("panic: {}", words_of(&*panic)))),
    };
    let failed = message.is_some();
    LAST_ERROR.with(|e| *e.borrow_mut() = message.unwrap_or_default());
    unsafe { *__errno_location() = if failed { EINVAL } else { 0 } };
    value
}

fn words_of(panic: &(dyn Any + Send)) -> &str {
    panic.downcast_ref::<&str>().copied().or(panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("unknown")
}

/// The bytes of a slice of the caller's.
///
/// # Safety
/// `ptr` is null, or valid for `len` bytes.
pub unsafe fn slice<'a>(ptr: *const u8, len: usize) -> &'a [u8] {
    if ptr.is_null() { &[] } else { std::slice::from_raw_parts(ptr, len) }
}

/// Frees a Buffer of this library.
///
/// # Safety
/// The Buffer is from this library and not freed yet.
#[no_mangle]
pub unsafe extern "C" fn smelter_buffer_free(buffer: Buffer) {
    if !buffer.ptr.is_null() {
        drop(Vec::from_raw_parts(buffer.ptr, buffer.len, buffer.cap));
    }
}

/// The message of this thread's last failed call; empty if there was none. It is gone after this.
#[no_mangle]
pub extern "C" fn smelter_last_error() -> Buffer {
    LAST_ERROR.with(|e| std::mem::take(&mut *e.borrow_mut())).into_bytes().into()
}
