#!/usr/bin/env python3
"""The link step of a profile, and its kit, on the real Engine: tests/profiles/linked with and without tests/kits/linked.

The profile stands on the toolchain's image and compiles nothing, so its image takes seconds.
"""

import json
import os
import shutil
import subprocess

from lib import (
    BUILD, ROOT, Daemon, Suite, check, equal, inline, nothing_left, run_native, until,
)

suite = Suite("link", seconds=900)
d = None
MANIFEST = """[package]
name = "iron-core"
version = "0.1.0"
edition = "2021"
[features]
secret = []
[profile.release]
panic = "abort"
"""
LIB = """#![no_std]
extern "C" { fn host_log(n: i32); #[cfg(feature = "secret")] fn host_secret(); }
#[no_mangle]
pub extern "C" fn rust_main() -> i32 { unsafe { host_log(7); #[cfg(feature = "secret")] host_secret(); } 0 }
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
"""
# What a hostile build leaves behind: a process, and files where the link will look or write.
BUILD_RS = """use std::{fs, os::unix::{fs::symlink, process::CommandExt}, process::{Command, Stdio}};
fn main() {
    let _ = fs::create_dir_all("/work/out");
    let _ = symlink("/work/src/Cargo.toml", "/work/out/iron_core.out");
    for dir in ["/work/home", "/work/tmp", "/tmp"] { fs::write(format!("{dir}/prepared"), "x").unwrap(); }
    fs::copy("/bin/sleep", "/work/target/lingerer").unwrap();
    Command::new("/work/target/lingerer").arg("3600").process_group(0)
        .stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    while !fs::read_dir("/proc").unwrap().flatten()
        .any(|e| fs::read_to_string(e.path().join("comm")).is_ok_and(|c| c.trim() == "lingerer")) {
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    println!("cargo:warning=the lingerer is alive");
}
"""


def crate(**files):
    return inline(MANIFEST, **{"src__lib": LIB, **files})


def run(program, *words):
    """The output of one of the programs, which must succeed."""
    p = subprocess.run([os.path.join(BUILD, program), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=600, check=False)
    text = p.stdout.decode("utf-8", "replace")
    check(p.returncode == 0, f"{program} {' '.join(words)} gives {p.returncode}", text[-3000:])
    return text


def bloomeryd(*words):
    return run("bloomeryd", "--config", d.config, "--state", d.state, "--engine-socket", d.engine, "--share-dir", d.share,
               *words)


def profile(name):
    return d.get(f"/v1/profiles/{name}").json()


def available(name):
    until(lambda: profile(name)["available"], f"profile {name} is available")


def remove_images():
    for name in ("linked", "linked-strict"):
        bloomeryd("images", "remove", name)


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("empty")
    d = Daemon(suite, "main", slots=2)
    profiles = os.path.join(d.dir, "profiles")
    source = os.path.join(ROOT, "tests", "profiles", "linked")
    shutil.copytree(source, os.path.join(profiles, "linked"))
    # The same, but for the kit: this one cannot do without, and never gets one.
    strict = os.path.join(profiles, "linked-strict")
    shutil.copytree(source, strict)
    with open(os.path.join(strict, "profile.json"), "r+", encoding="utf-8") as f:
        data = json.load(f)
        data["name"], data["kit"]["required"] = "linked-strict", True
        f.seek(0)
        json.dump(data, f)
        f.truncate()
    d.write_config(profile_dirs=profiles)
    bloomeryd("images", "build", "linked")
    suite.on_exit(remove_images)
    bloomeryd("images", "build", "linked-strict")
    d.start()
    available("linked")
    available("linked-strict")


def link_lines(id):
    """What link.sh says of itself: {"processes": ..., "found": ...}; and the whole log."""
    log = d.job_log(id)
    return dict(line.split(": ", 1) for line in log.splitlines() if line.startswith(("processes: ", "found: "))), log


def primary(job, name="iron-core.img"):
    artifacts = d.artifacts(job["id"])
    check(name in artifacts, "the artifact is not there", sorted(artifacts))
    a = artifacts[name]
    equal((a["role"], a["kind"]), ("primary", "elf"), "role and kind")
    return a


def check_of(a, name):
    return next((c for c in a["contract"]["checks"] if c["name"] == name), None)


# --- without a kit ---


@suite.test
def test_an_archive_is_linked_into_a_program():
    id = d.accept("linked", crate(), greeting="pig iron", times="2", loud="true")
    job = d.succeed(id)
    equal([p["name"] for p in job["phases"]], ["fetch", "build", "link", "check"], "phases")
    a = primary(job)
    equal(run_native(d.artifact(id)), (0, "pig iron! 7\npig iron! 7\n"), "what the program says")
    equal(a["trial"]["verdict"], "pass", f"trial {a['trial']}")
    _, log = link_lines(id)
    check("link of iron-core for x86_64-unknown-linux-gnu in /work/out, argument -x" in log, "link.sh's own words", log)
    check("--crate-type=staticlib" in log, "cargo's command line", log)


@suite.test
def test_options_have_their_defaults():
    id = d.accept("linked", crate())
    d.succeed(id)
    equal(run_native(d.artifact(id)), (0, "iron 7\n"), "what the program says")


@suite.test
def test_without_its_kit_a_rule_is_not_checked():
    id = d.accept("linked", crate())
    a = primary(d.succeed(id))
    equal(a["contract"]["verdict"], "skipped", f"contract {a['contract']}")
    check("no kit linked-host is installed" in a["contract"]["reason"], "the reason", a["contract"])
    equal(check_of(a, "undefined")["ok"], None, "the check that was not made")
    equal(check_of(a, "type")["ok"], True, "a check of the profile's own")
    equal(profile("linked")["kit"]["required"], False, "kit of the profile")
    # The client says so too.
    tarball = os.path.join(d.dir, "crate.tar.gz")
    with open(tarball, "wb") as f:
        f.write(crate())
    shown = run("bloomery", "build", tarball, "--profile", "linked", "--server", f"http://127.0.0.1:{d.port}",
                "--out", os.path.join(d.dir, "out"))
    check("contract   skipped (the test's host): not checked: no kit linked-host" in shown, "the verdict", shown)
    check("undefined: not checked: no kit linked-host" in shown and "type:" not in shown, "the checks", shown)


@suite.test
def test_nothing_of_the_build_is_left_for_the_link():
    id = d.accept("linked", crate(build=BUILD_RS))
    job = d.succeed(id)
    said, log = link_lines(id)
    check("the lingerer is alive" in log, "the build's process did not start", log)
    check("lingerer" not in said["processes"], "a process of the build runs beside the link", said)
    check("prepared" not in said["found"] and "iron_core.out" not in said["found"], "files of the build", said)
    equal(run_native(d.artifact(id)), (0, "iron 7\n"), "what the program says")
    primary(job)


@suite.test
def test_a_symbol_that_nobody_defines():
    job = d.fail(d.accept("linked", crate(), features="secret"), "link")
    check("undefined reference to `host_secret'" in job["error"]["message"], "the message", job["error"])
    equal(job["error"]["hint"], "the host has no secrets", "the profile's hint")
    check("host_secret" in job["error"]["log_excerpt"], "the excerpt", job["error"])
    equal([p["name"] for p in job["phases"]], ["fetch", "build", "link"], "phases")
    equal(job["artifacts"], [], "artifacts of a failed link")


@suite.test
def test_a_link_that_makes_nothing():
    job = d.fail(d.accept("linked", crate(), form="nothing"), "contract")
    check("left no iron-core.img" in job["error"]["message"], "the message", job["error"])
    job = d.fail(d.accept("linked", crate(), form="symlink"), "bad_source")
    check("something else than a file" in job["error"]["message"], "the message", job["error"])


@suite.test
def test_a_link_can_be_canceled():
    id = d.accept("linked", crate(), form="wait")
    d.wait_state(id, "linking")
    equal(d.request("DELETE", f"/v1/jobs/{id}").status, 202, "status of the cancel")
    job = d.wait(id)
    equal(job["state"], "canceled", "state")
    equal([p["name"] for p in job["phases"]], ["fetch", "build", "link"], "phases")


@suite.test
def test_a_kit_that_is_needed_and_missing():
    id = d.accept("linked-strict", crate())
    job = d.fail(id, "kit_missing")
    check("linked-host" in job["error"]["message"], "the message names no kit", job["error"])
    for words in ("bloomeryd kit install FILE --sha256 HEX", "bloomeryd images build linked-strict"):
        check(words in job["error"]["hint"], f"the hint lacks {words}", job["error"])
    equal([p["name"] for p in job["phases"]], ["fetch", "build", "link", "check"], "phases")
    a = d.artifacts(id)
    equal(sorted(a), ["libiron_core.a"], "what cargo made")
    a = a["libiron_core.a"]
    equal((a["role"], a["kind"], a["contract"], a["trial"]), ("side", "ar", None, None), "the archive")
    check("host_log" in a["metadata"]["undefined"] and "rust_main" in a["metadata"]["defined"], "metadata", a["metadata"])
    equal(d.artifact(id, "libiron_core.a")[:8], b"!<arch>\n", "its first bytes")
    equal(d.get(f"/v1/jobs/{id}/artifact").status, 404, "status of a primary that was not made")
    # A fault of the crate comes first.
    d.fail(d.accept("linked-strict", crate(src__lib="fn broken(")), "compile")


# --- with it ---


@suite.test
def test_the_kit():
    archive = os.path.join(d.dir, "linked.tar.gz")
    packed = subprocess.run([os.path.join(ROOT, "tests", "kits", "pack"), os.path.join(ROOT, "tests", "kits", "linked"),
                             archive], stdout=subprocess.PIPE, check=True)
    bloomeryd("kit", "install", archive, "--sha256", packed.stdout.decode().strip())
    # The image is stale by this, and a job says so.
    until(lambda: not profile("linked")["available"], "the profile's image is stale")
    bloomeryd("images", "build", "linked")
    available("linked")

    id = d.accept("linked", crate())
    a = primary(d.succeed(id))
    equal(run_native(d.artifact(id)), (0, "the kit says 7\n"), "what the program says")
    equal((a["contract"]["verdict"], check_of(a, "undefined")["ok"]), ("pass", True), f"contract {a['contract']}")
    check("linked-host 3.1" in d.job_log(id), "the log names no kit", d.job_log(id))

    # Its list is the contract.
    kept = primary(d.succeed(d.accept("linked", crate(), form="object", trial="off")))
    equal(kept["metadata"]["undefined"], ["host_log"], "undefined symbols")
    equal(kept["contract"]["verdict"], "pass", f"contract {kept['contract']}")
    job = d.fail(d.accept("linked", crate(), form="object", features="secret"), "contract")
    check("host_secret" in job["error"]["message"] and "host_log" not in job["error"]["message"], "the message", job)
    broken = primary(job)
    equal(check_of(broken, "undefined")["ok"], False, f"contract {broken['contract']}")

    # Without it the profile is what it was, and so is its image, which is still there.
    bloomeryd("kit", "remove", "linked-host")
    id = d.accept("linked", crate())
    equal(primary(d.succeed(id))["contract"]["verdict"], "skipped", "contract without the kit")
    equal(run_native(d.artifact(id)), (0, "iron 7\n"), "what the program says")


@suite.test
def test_nothing_is_left():
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
