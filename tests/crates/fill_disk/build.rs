//! Writes until the disk is full; with feature `files` it makes empty files until there are no more inodes.
use std::{env, fs, io::Write};

fn main() {
    let out = env::var("OUT_DIR").unwrap();
    if env::var_os("CARGO_FEATURE_FILES").is_some() {
        for i in 0u64.. {
            fs::File::create(format!("{out}/{i}")).expect("one more file");
        }
    }
    let mut file = fs::File::create(format!("{out}/big")).unwrap();
    let block = vec![0x5au8; 1 << 20];
    loop {
        file.write_all(&block).expect("one more block");
    }
}
