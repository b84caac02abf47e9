#!/usr/bin/env python3
"""Jobs for a compiler that is much older than the cargo that resolves for it: tests/profiles/old and old-lib, pinned at
1.43.1, on the real Engine, without the registry. What comes from the registry is in old_registry_test.py.

The image is that of the pin, or of what stands in for it; it is built if it is not there, which takes minutes.
"""

import json
import os
import shutil
import subprocess

from lib import BUILD, ROOT, Daemon, Suite, check, entry, equal, nothing_left, run_native, tar_of

suite = Suite("old", seconds=1800)
d = None
ids = {}
PINNED = "this profile's compiler is pinned at 1.43.1"
CONFIG = '[source.crates-io]\nreplace-with = "mine"\n[source.mine]\ndirectory = "vendor"\n'
SUM = "0123456789abcdef" * 4


def packed(files):
    return tar_of([(entry(name), text.encode()) for name, text in files.items()])


def manifest(name="iron", edition="2018", more="", **package):
    rows = "".join(f"{k.replace('_', '-')} = {json.dumps(v)}\n" for k, v in package.items())
    return f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "{edition}"\n{rows}{more}'


def vendored(name, text, edition="2018", more=""):
    """A crate as `cargo vendor` leaves it, with what newer cargos write into manifests."""
    own = (f'[package]\nname = "{name}"\nversion = "1.2.3"\nedition = "{edition}"\nreadme = false\n'
           f'autolib = false\nautobins = false\n{more}\n[lib]\nname = "{name}"\npath = "src/lib.rs"\n')
    return {f"vendor/{name}/Cargo.toml": own, f"vendor/{name}/src/lib.rs": text,
            f"vendor/{name}/.cargo-checksum.json": json.dumps({"files": {}, "package": SUM})}


def lock(version, *crates, root="iron"):
    deps = "".join(f' "{n}",\n' for n in crates)
    text = f'version = {version}\n\n' if version > 2 else ""
    for n in crates:
        text += (f'[[package]]\nname = "{n}"\nversion = "1.2.3"\n'
                 f'source = "registry+https://github.com/rust-lang/crates.io-index"\nchecksum = "{SUM}"\n\n')
    return text + f'[[package]]\nname = "{root}"\nversion = "0.1.0"\ndependencies = [\n{deps}]\n'


def with_dep(dep, *more_deps, main="fn main() { println!(\"{}\", dep::f()); }\n", wants='dep = "1"\n', **files):
    return {"Cargo.toml": manifest(more="[dependencies]\n" + wants), "src/main.rs": main, ".cargo/config.toml": CONFIG,
            **dep, **{k: v for m in more_deps for k, v in m.items()}, **files}


ANSWER = "pub fn f() -> u32 { 42 }\n"
EVERYTHING = {
    "Cargo.toml": """cargo-features = []
[workspace]
members = ["app", "made", "modern"]
resolver = "2"
[workspace.package]
version = "9.0.0"
[workspace.dependencies]
made = { path = "made" }
[profile.release]
strip = true
debug = "line-tables-only"
[profile.dist]
inherits = "release"
""",
    "app/Cargo.toml": """[package]
name = "app"
version = "0.1.0"
edition = "2018"
readme = true
rust-version = "1.40"
default-run = "app"
[package.metadata.bloomery]
features = ["loud"]
[lints.rust]
unused = "warn"
[dependencies]
made = { path = "../made", optional = true }
helper = { path = "../made/helper" }
[dev-dependencies]
modern = { path = "../modern" }
[features]
loud = ["made"]
modern = ["modern/x"]
""",
    "app/src/main.rs": """#[cfg(feature = "loud")] made::answer!();
fn main() { println!("{} {} {}", answer(), helper::built(), env!("CARGO_PKG_VERSION")); }
#[cfg(not(feature = "loud"))] fn answer() -> u32 { 0 }
""",
    "app/tests/nothing.rs": "#[test] fn t() { modern::f(); }\n",
    "made/Cargo.toml": '[package]\nname = "made"\nversion = "1.0.0"\nedition = "2018"\n[lib]\nproc-macro = true\n',
    "made/src/lib.rs": """extern crate proc_macro;
#[proc_macro] pub fn answer(_: proc_macro::TokenStream) -> proc_macro::TokenStream {
    "fn answer() -> u32 { 42 }".parse().unwrap()
}
""",
    "made/helper/Cargo.toml": '[package]\nname = "helper"\nversion = "1.0.0"\nedition = "2018"\n',
    "made/helper/build.rs": 'fn main() { println!("cargo:rustc-env=BUILT=by a script"); }\n',
    "made/helper/src/lib.rs": 'pub fn built() -> &\'static str { env!("BUILT") }\n',
    # Nothing of the app needs it but its tests: it may be as new as it likes.
    "modern/Cargo.toml": '[package]\nname = "modern"\nversion.workspace = true\nedition = "2021"\n[features]\nx = []\n',
    "modern/src/lib.rs": "pub fn f() { let Some(_) = Some(1) else { return }; }\n",
}


def daemon(suite, name):
    """One that has the profiles old and old-lib, with their images; not yet started."""
    suite.needs_programs()
    suite.needs_engine("empty")
    made = Daemon(suite, name, slots=2)
    # Only these two of the tests' profiles: the others stand on images of their own.
    for profile in ("old", "old-lib"):
        shutil.copytree(os.path.join(ROOT, "tests", "profiles", profile), os.path.join(made.dir, "profiles", profile))
    origins = os.environ.get("TOOLCHAIN_ORIGINS")  # where the compiler may come from, if not from everywhere
    made.write_config(profile_dirs=os.path.join(made.dir, "profiles"), **({"toolchain_origins": origins} if origins else {}))

    def images(verb, profile):
        argv = [os.path.join(BUILD, "bloomeryd"), "--config", made.config, "--state", made.state, "--engine-socket",
                made.engine, "--share-dir", made.share, "images", verb, profile]
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)

    for profile in ("old", "old-lib"):
        p = images("build", profile)
        suite.needs(p.returncode == 0, f"the image of profile {profile} cannot be built: {p.stdout[-2000:].decode()}")
        suite.on_exit(lambda profile=profile: images("remove", profile))
    return made


def setup():
    global d
    d = daemon(suite, "main")
    d.start()

    def job(name, files, profile="old", **options):
        ids[name] = d.accept(profile, packed(files), **options)

    hello = {"src/main.rs": 'fn main() { println!("hello"); }\n'}
    job("everything", EVERYTHING, package="app")
    job("without", EVERYTHING, manifest_path="app/Cargo.toml", no_default_features="true", features="modern", debug="1")
    job("edition", {"Cargo.toml": manifest(edition="2021"), **hello})
    job("declared", {"Cargo.toml": manifest(rust_version="1.60"), **hello})
    job("stand-in", {"Cargo.toml": manifest(rust_version="1.45"), **hello})
    job("newest", {"Cargo.toml": manifest(edition="2024"), **hello})
    job("path", {"Cargo.toml": manifest(more='[dependencies]\nlater = { path = "later" }\n'), **hello,
                 "later/Cargo.toml": manifest("later", edition="2021"), "later/src/lib.rs": ""})
    job("profile", {"Cargo.toml": manifest(more='[profile.dist]\ninherits = "release"\n'), **hello}, cargo_profile="dist")
    job("dev", {"Cargo.toml": manifest(), **hello}, cargo_profile="dev")
    job("spaces", {"Cargo.toml": manifest(), **hello,
                   ".cargo/config.toml": """[build]\nrustflags = ["--cfg", 'name="a b"']\n"""})
    job("cfg", {"Cargo.toml": manifest(), "src/main.rs": 'fn main() { println!("{}", cfg!(iron = "hot")); }\n'}, cfg='iron="hot"')
    dep = vendored("dep", ANSWER)
    job("lock 4", with_dep(dep, **{"Cargo.lock": lock(4, "dep")}), locked="true")
    job("lock 3", with_dep(dep, **{"Cargo.lock": lock(3, "dep")}), locked="true")
    job("lock 2", with_dep(dep, **{"Cargo.lock": lock(2, "dep")}), locked="true")
    job("no lock", with_dep(dep))
    job("other lock", with_dep(dep, **{"Cargo.lock": lock(3)}))
    job("other lock, locked", with_dep(dep, **{"Cargo.lock": lock(3)}), locked="true")
    later = vendored("dep", ANSWER, edition="2021")
    job("dep edition", with_dep(later))
    job("dep declared", with_dep(vendored("dep", ANSWER, more='rust-version = "1.71"\n'), **{"Cargo.lock": lock(4, "dep")}))
    job("dep features", with_dep(vendored("dep", ANSWER, more="[features]\nx = [\"dep:other\"]\n[dependencies.other]\nversion = \"1\""
                                          "\noptional = true\n")))
    job("dep of windows", with_dep(dep, vendored("later", "pub fn g() {}\n", edition="2021", more='rust-version = "1.90"\n'),
                                   wants='dep = "1"\n[target."cfg(windows)".dependencies]\nlater = { version = "1" }\n'))
    job("dep does not say", with_dep(vendored("dep", "pub fn f() -> u32 { [4, 2].into_iter().zip([1, 1].as_chunks::<2>().0).count() as u32 }\n")))
    job("patched", with_dep(dep, **{
        "Cargo.lock": "", ".cargo/config.toml": CONFIG + '[patch.crates-io]\ndep = { path = "better" }\n',
        "better/Cargo.toml": manifest("dep").replace("0.1.0", "1.2.4"), "better/src/lib.rs": "pub fn f() -> u32 { 43 }\n"}))
    job("lib", {"Cargo.toml": manifest("iron-core"), "src/lib.rs": '#[no_mangle] pub extern "C" fn smelt() -> i32 { 7 }\n'},
        "old-lib")
    job("broken", {"Cargo.toml": manifest(), "src/main.rs": "fn main() { nothing(); }\n"})


def built(name, out):
    job = d.succeed(ids[name])
    check("is made of is not known" not in d.job_log(ids[name]), f"the packages of {name} are listed", d.job_log(ids[name])[-3000:])
    equal(run_native(d.artifact(ids[name])), (0, out), f"what {name} prints")
    return job


def refused(name, kind, message, hint=""):
    error = d.fail(ids[name], kind)["error"]
    check(message in error["message"] and hint in (error["hint"] or ""), f"the error of {name}: {error}")
    return error


@suite.test
def test_workspace_build_script_macro_and_path():
    job = built("everything", "42 by a script 0.1.0\n")
    equal(job["lock"], "none", "lock")
    check(any("strip" in w for w in job["warnings"]) and any("resolver" in w for w in job["warnings"]), "warnings", job["warnings"])
    check("--release" in d.job_log(ids["everything"]) and "--profile" not in d.job_log(ids["everything"]), "the command")
    built("without", "0 by a script 0.1.0\n")


@suite.test
def test_the_job_says_what_compiled_it():
    tc = d.succeed(ids["everything"])["toolchain"]
    equal(tc["name"], "1.43.1", "the pin's name")
    if "1.43.1" not in tc["rustc"]:
        check(any("1.43.1" in w and "stands in" in w for w in d.succeed(ids["everything"])["warnings"]), "no warning of the stand-in",
              d.job(ids["everything"]))


@suite.test
def test_a_crate_that_is_too_new_itself():
    refused("edition", "bad_source", f"iron 0.1.0 needs Rust 1.56 or newer (edition 2021); {PINNED}", "newer")
    refused("declared", "bad_source", f'iron 0.1.0 needs Rust 1.60 or newer (it says rust-version = "1.60"); {PINNED}')
    refused("stand-in", "bad_source", "needs Rust 1.45 or newer")  # the pin counts, not what stands in for it
    refused("newest", "bad_source", "needs Rust 1.85 or newer (edition 2024)")
    refused("path", "bad_source", f"later 0.1.0 needs Rust 1.56 or newer (edition 2021); {PINNED}")


@suite.test
def test_what_the_old_cargo_cannot_be_told():
    refused("profile", "bad_source", f"cargo_profile dist needs Rust 1.57 or newer; {PINNED}", "release or dev")
    refused("spaces", "bad_source", "space", "without a space")
    built("dev", "hello\n")
    built("cfg", "true\n")


@suite.test
def test_locks_of_every_form():
    for name in ("lock 4", "lock 3", "lock 2"):
        job = built(name, "42\n")
        equal((job["lock"], job["warnings"][1:]), ("uploaded", []), f"lock and warnings of {name}")
        equal(list(d.artifacts(ids[name])), ["iron"], "artifacts")


@suite.test
def test_locks_that_are_made():
    job = built("no lock", "42\n")
    equal(job["lock"], "resolved", "lock")
    text = d.artifact(ids["no lock"], "Cargo.lock").decode()
    check('name = "dep"' in text and SUM in text, "the lock that comes back", text)
    # It is good for the next job.
    again = d.accept("old", packed(with_dep(vendored("dep", ANSWER), **{"Cargo.lock": text})), locked="true")
    equal(d.succeed(again)["lock"], "uploaded", "lock")
    job = built("other lock", "42\n")
    check(job["lock"] == "resolved" and any("did not fit" in w for w in job["warnings"]), "a lock that does not fit", job)
    refused("other lock, locked", "bad_source", "", "locked wants a Cargo.lock that fits")


@suite.test
def test_dependencies_that_are_too_new():
    refused("dep edition", "dependency", f"dep 1.2.3 needs Rust 1.56 or newer (edition 2021); {PINNED}", "older version of dep")
    refused("dep declared", "dependency", f'dep 1.2.3 needs Rust 1.71 or newer (it says rust-version = "1.71"); {PINNED}')
    refused("dep features", "dependency", "dep 1.2.3 needs Rust 1.60 or newer (dep: or ?/ in its features)")
    built("dep of windows", "42\n")
    error = refused("dep does not say", "dependency", "dep-1.2.3/src/lib.rs:1", "too new")
    check("error[" in error["message"], "the compiler's words", error)


@suite.test
def test_patches_of_the_configuration():
    built("patched", "43\n")


@suite.test
def test_a_lib_becomes_a_staticlib():
    job = d.succeed(ids["lib"])
    equal(job["lock"], "none", "lock")
    a = d.artifacts(ids["lib"])["iron-core.a"]
    equal((a["role"], a["kind"]), ("primary", "ar"), "role and kind")
    check("smelt" in a["metadata"]["defined"], "smelt is not defined", a["metadata"]["defined"][:20])


@suite.test
def test_an_error_of_its_own():
    error = refused("broken", "compile", "src/main.rs:1")
    check("nothing" in error["message"], "the compiler's words", error)
    said = d.job(ids["broken"])["diagnostics"]
    equal([(e["file"], e["line"], e["code"]) for e in said["errors"]], [("src/main.rs", 1, "E0425")], "diagnostics")
    equal((said["errors_count"], said["warnings_count"]), (1, 0), "counts")


@suite.test
def test_nothing_is_left():
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
