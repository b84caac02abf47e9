//! Compiles sum.c as the cc crate does: by CC_<target> and AR_<target>.
use std::{env, process::Command};

fn run(program: &str, args: &[String]) {
    let status = Command::new(program).args(args).status().unwrap_or_else(|e| panic!("{program}: {e}"));
    assert!(status.success(), "{program} {args:?}: {status}");
}

fn main() {
    let target = env::var("TARGET").unwrap();
    let out = env::var("OUT_DIR").unwrap();
    let of = |name: &str, other: &str| {
        env::var(format!("{name}_{}", target.replace('-', "_"))).or(env::var(name)).unwrap_or(other.to_string())
    };
    let cc = of("CC", "cc");
    let mut args: Vec<String> = of("CFLAGS", "").split_whitespace().map(String::from).collect();
    if cc.contains("clang") {
        args.push(format!("--target={target}"));
    }
    let object = format!("{out}/sum.o");
    args.extend(["-O2", "-c", "src/sum.c", "-o"].map(String::from));
    args.push(object.clone());
    run(&cc, &args);
    run(&of("AR", "ar"), &["crs".to_string(), format!("{out}/libsum.a"), object]);
    println!("cargo:rustc-link-search=native={out}");
    println!("cargo:rustc-link-lib=static=sum");
    println!("cargo:rerun-if-changed=src/sum.c");
}
