//! What a component is apt to use: standard output, the heap, a HashMap, threads, and thread-locals that each thread has for itself.

use std::cell::RefCell;
use std::collections::HashMap;
use std::thread;

thread_local! {
    /// How often this thread has seen each word.
    static SEEN: RefCell<HashMap<&'static str, u32>> = RefCell::new(HashMap::new());
}

fn count(words: &'static str) -> u32 {
    SEEN.with(|seen| {
        let mut seen = seen.borrow_mut();
        words.split(' ').for_each(|word| *seen.entry(word).or_insert(0) += 1);
        seen["ore"]
    })
}

fn main() {
    count("ore coal ore");
    let other = thread::spawn(|| count("ore")).join().expect("the thread has not panicked");
    println!("a component of {}: {} ore here, {other} there", env!("CARGO_PKG_NAME"), count("ore"));
}
