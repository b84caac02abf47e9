//! Puts a symbolic link where the artifact is expected. With feature `folder` the release folder itself becomes one;
//! else a process of ours holds cargo still once the linker is through and exchanges the file that cargo will hand out.
use std::os::unix::fs::symlink;
use std::os::unix::process::{parent_id, CommandExt};
use std::time::Duration;
use std::{env, fs, path::Path, path::PathBuf, process::Command, process::Stdio, thread};

fn main() {
    if let Some(cargo) = env::var_os("SWAP_CARGO") {
        swap(&cargo.to_string_lossy(), Path::new(&env::var_os("SWAP_DIR").unwrap()));
        return;
    }
    // OUT_DIR is TARGET/release/build/symlink-target-HASH/out
    let out = env::var("OUT_DIR").unwrap();
    let release = Path::new(&out).ancestors().nth(3).unwrap().to_owned();
    if env::var_os("CARGO_FEATURE_FOLDER").is_some() {
        let real = PathBuf::from("/work/tmp/elsewhere");
        fs::rename(&release, &real).unwrap();
        symlink(&real, &release).unwrap();
        return;
    }
    Command::new(env::current_exe().unwrap())
        .env("SWAP_CARGO", parent_id().to_string())
        .env("SWAP_DIR", release.join("deps"))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .process_group(0)
        .spawn()
        .unwrap();
}

fn signal(name: &str, pid: &str) {
    let _ = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
}

fn compiling() -> bool {
    fs::read_dir("/proc").unwrap().flatten().any(|e| {
        let line = fs::read(e.path().join("cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains("--crate-name\0symlink_target\0")
    })
}

fn swap(cargo: &str, deps: &Path) {
    let built = loop {
        let found = fs::read_dir(deps).into_iter().flatten().flatten().map(|e| e.path()).find(|p| {
            let name = p.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("symlink_target-") && (!name.contains('.') || name.ends_with(".wasm"))
        });
        match found {
            Some(path) => break path,
            None => thread::sleep(Duration::from_millis(1)),
        }
    };
    signal("STOP", cargo);
    while compiling() {
        thread::sleep(Duration::from_millis(5));
    }
    fs::remove_file(&built).unwrap();
    symlink("/etc/passwd", &built).unwrap();
    signal("CONT", cargo);
}
