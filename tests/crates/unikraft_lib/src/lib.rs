//! What a host must have for Rust's standard library: memory, thread-local storage, random numbers, files, threads, a console.
//! Compiles with Rust 1.43.

use std::cell::Cell;
use std::collections::HashMap;
use std::ffi::CStr;
use std::os::raw::{c_char, c_int};
use std::{fs, thread};

thread_local!(static CALLS: Cell<u32> = Cell::new(40));

fn count() -> u32 {
    CALLS.with(|calls| {
        calls.set(calls.get() + 1);
        calls.get()
    })
}

#[no_mangle]
pub extern "C" fn rust_main(argc: c_int, argv: *const *const c_char) -> c_int {
    let name = if argc > 0 { unsafe { CStr::from_ptr(*argv) }.to_bytes().len() } else { 0 };
    println!("rust_main: {} argument(s), a name that is {}", argc, if name > 0 { "there" } else { "empty" });

    let mut ores = HashMap::new();
    for ore in ["hematite", "magnetite", "goethite", "magnetite"].iter() {
        *ores.entry(*ore).or_insert(0) += 1;
    }
    let mut counted: Vec<_> = ores.into_iter().collect();
    counted.sort();
    println!("{:?}", counted);

    count();
    println!("thread-local: {}", count());
    match thread::Builder::new().spawn(count) {
        Ok(other) => println!("in a thread of its own: {}", other.join().unwrap()),
        Err(_) => println!("the host has no threads"),
    }
    match fs::write("/tmp/slag", "iron").and_then(|()| fs::read_to_string("/tmp/slag")) {
        Ok(text) => println!("from a file: {}", text),
        Err(_) => println!("the host has no files"),
    }
    7
}
