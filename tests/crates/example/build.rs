//! Turns ores.txt into a table that is compiled in, and tells the program what it was built for.
use std::fmt::Write;
use std::{env, fs, path::Path};

fn main() {
    println!("cargo:rerun-if-changed=ores.txt");
    let text = fs::read_to_string("ores.txt").expect("ores.txt");
    let mut table = String::from("pub const ORES: &[(&str, f64)] = &[\n");
    for line in text.lines().filter(|l| !l.starts_with('#')) {
        let (name, iron) = line.split_once(' ').expect("a name and a number");
        writeln!(table, "    ({name:?}, {iron}_f64),").unwrap();
    }
    table.push_str("];\n");
    let out = env::var("OUT_DIR").unwrap();
    fs::write(Path::new(&out).join("ores.rs"), table).unwrap();
    println!("cargo:rustc-env=SMELT_TARGET={}", env::var("TARGET").unwrap());
    println!("cargo:rustc-env=SMELT_PROFILE={}", env::var("PROFILE").unwrap());
}
