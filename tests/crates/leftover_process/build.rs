//! Leaves a process behind that waits for cargo's end and then writes over whatever was built.
use std::os::unix::process::{parent_id, CommandExt};
use std::{env, fs, path::Path, process::Command, process::Stdio};

fn main() {
    if let Some(cargo) = env::var_os("LEFTOVER_CARGO") {
        haunt(&cargo.to_string_lossy(), &env::var("LEFTOVER_DIR").unwrap());
    }
    // OUT_DIR is TARGET/release/build/leftover-HASH/out
    let out = env::var("OUT_DIR").unwrap();
    let release = Path::new(&out).ancestors().nth(3).unwrap().to_owned();
    Command::new(env::current_exe().unwrap())
        .env("LEFTOVER_CARGO", parent_id().to_string())
        .env("LEFTOVER_DIR", release)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
}

fn haunt(cargo: &str, dir: &str) -> ! {
    while Path::new(&format!("/proc/{cargo}")).exists() {
        std::thread::yield_now();
    }
    loop {
        for name in ["leftover", "leftover.wasm"] {
            let path = format!("{dir}/{name}");
            if Path::new(&path).exists() {
                let _ = fs::write(&path, "evil\n");
            }
        }
    }
}
