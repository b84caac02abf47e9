#!/usr/bin/env python3
"""Profiles unikraft and unikraft-modern on the real Engine: the archive and what comes with it, without a kit as a program for
Linux, with tests/kits/unikraft as an image that boots in qemu; and each rule of the contract seen to break.

Published crates are in unikraft_registry_test.py.
"""

import os
import subprocess
import tempfile

from lib import Daemon, Suite, check, equal, inline, nothing_left, pack, run_native
from unikraft import KIT, PROFILES, add_copy, bloomeryd, folder_of, install_kit, wait_available

suite = Suite("unikraft", seconds=1800)
SECONDS = 1200
d = None
ids = {}
# Copies with a kit. One has a link that makes what its option says, and wants a function of the crate.
BROKEN_IMAGE = """#!/bin/sh
set -eu
case $BLOOMERY_OPTION_BROKEN in
object) cp "$BLOOMERY_INPUT" "$BLOOMERY_OUTPUT" ;;
silent)
    printf '%s\\n' '.long 0x1badb002, 0, -0x1badb002' '.globl _start' '_start: ud2' > boot.s
    gcc -c boot.s -o boot.o
    ld -Ttext=0x100000 -o boot.elf boot.o
    objcopy -O elf32-i386 boot.elf "$BLOOMERY_OUTPUT"
    ;;
esac
"""
KITS = {
    "unikraft-kit": ("unikraft", {}),
    "modern-kit": ("unikraft-modern", {}),
    "modern-broken": ("unikraft-modern", {"link": BROKEN_IMAGE, "wanted_exports": ["rust_main"]}),
}
# And one without, whose program for Linux is what its option says.
PROGRAM = "modern-program"
MANIFEST = '[package]\nname = "small"\nversion = "0.1.0"\nedition = "2018"\n'
STATIC = '[lib]\ncrate-type = ["staticlib"]\n'
ENTRY = '#[no_mangle]\npub extern "C" fn %s(_: i32, _: *const *const u8) -> i32 { %s }\n'
SAYS = """rust_main: 1 argument(s), a name that is there
[("goethite", 1), ("hematite", 1), ("magnetite", 2)]
thread-local: 42
"""
ON_LINUX = SAYS + "in a thread of its own: 41\nfrom a file: iron\n"
IN_THE_KERNEL = SAYS + "the host has no threads\nthe host has no files\n"
# A library of C beside the crate's code, compiled by its build script.
WITH_C = """use std::{env, process::Command};
fn main() {
    let out = env::var("OUT_DIR").unwrap();
    std::fs::write(format!("{}/side.c", out), %s).unwrap();
    let run = |program: &str, words: &[&str]| assert!(Command::new(program).args(words).current_dir(&out).status().unwrap().success());
    run("gcc", &["-O2", "-c", %s "side.c", "-o", "side.o"]);
    run("ar", &["rcs", "libside.a", "side.o"]);
    println!("cargo:rustc-link-search=native={}", out);
    println!("cargo:rustc-link-lib=static=side");
}
"""


def lib(body="7", entry="rust_main", more="", manifest="", **files):
    return inline(MANIFEST + STATIC + manifest, src__lib=ENTRY % (entry, body) + more, **files)


def with_c(source, flags, body):
    flags = "".join(f'"{f}", ' for f in flags)
    quoted = 'r#"' + source + '"#'
    return lib(body, more='extern "C" { fn side() -> i32; }\n', build=WITH_C % (quoted, flags))


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("profile-unikraft", "profile-unikraft-modern", "trial-qemu", "base")
    d = Daemon(suite, "main", slots=2)
    broken = {"broken": {"type": "string", "default": "nothing", "doc": "what is made"}}
    for name, (profile, _) in KITS.items():
        add_copy(d, profile, name, options=broken)
    add_copy(d, "unikraft-modern", PROGRAM, lambda text: text.replace("-static -no-pie", "$BLOOMERY_OPTION_BROKEN"), options=broken)
    d.write_config(profile_dirs=os.path.join(d.dir, "profiles"))
    for name, (_, kit) in KITS.items():
        install_kit(d, name + "-kit", name, **kit)
    copies = (*KITS, PROGRAM)
    for name in copies:
        suite.on_exit(lambda name=name: bloomeryd(d, "images", "remove", name))
        bloomeryd(d, "images", "build", name)
    d.start()
    for name in copies:
        wait_available(d, name)

    for p in (*PROFILES, "unikraft-kit", "modern-kit"):
        ids["lib", p] = d.accept(p, pack("unikraft_lib"))
        ids["bin", p] = d.accept(p, pack("unikraft_bin"))
    for way in ("object", "silent", "nothing"):
        ids[way] = d.accept("modern-broken", pack("unikraft_lib"), broken=way)
    ids["exports"] = d.accept("modern-broken", pack("unikraft_bin"), broken="silent")
    ids["dynamic"] = d.accept(PROGRAM, pack("unikraft_lib"), broken="-no-pie")
    ids["part"] = d.accept(PROGRAM, pack("unikraft_lib"), broken="-nostdlib -r -Wl,-u,main")


def checks(artifact):
    return {c["name"]: c for c in artifact["contract"]["checks"]}


def artifacts(id):
    """Without the lock."""
    return {n: a for n, a in d.artifacts(id).items() if n != "Cargo.lock"}


def succeed(id):
    """Many wait for two slots: the last ones longer than one job takes."""
    d.wait(id, SECONDS)
    return d.succeed(id)


def fail(id, kind):
    d.wait(id, SECONDS)
    return d.fail(id, kind)


def built(body, profile="unikraft-modern", **options):
    options.setdefault("trial", "off")
    return succeed(d.accept(profile, body, **options))


def refused(body, kind, profile="unikraft-modern", **options):
    options.setdefault("trial", "off")
    return fail(d.accept(profile, body, **options), kind)


def make_says(fragment, *variables):
    """What make knows after the fragment, in a tree whose addlib says what it was asked for."""
    with tempfile.TemporaryDirectory(prefix="bloomery-make-") as folder:
        os.mkdir(os.path.join(folder, "rust"))
        with open(os.path.join(folder, "rust", "app.mk"), "wb") as f:
            f.write(fragment)
        with open(os.path.join(folder, "Makefile"), "w", encoding="utf-8") as f:
            f.write("addlib = $(eval LIBS += $(1))\ninclude rust/app.mk\nall:\n")
            f.writelines(f"\t@echo '{v}: $({v})'\n" for v in ("LIBS", *variables))
        p = subprocess.run(["make", "-s", "-C", folder], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           check=False)
        text = p.stdout.decode()
        check(p.returncode == 0, "make does not take the fragment", text)
        return dict(line.split(": ", 1) if ": " in line else (line.rstrip(": "), "") for line in text.splitlines())


# --- without a kit ---


@suite.test
def test_a_library_without_a_kit():
    for p in PROFILES:
        found = artifacts(succeed(ids["lib", p])["id"])
        equal({n: (a["role"], a["kind"]) for n, a in found.items()},
              {"unikraft-lib.a": ("primary", "ar"), "unikraft-lib.mk": ("side", "text"), "unikraft-lib-main.c": ("side", "text"),
               "unikraft-lib.linux": ("side", "elf")}, f"artifacts of {p}")
        a = found["unikraft-lib.a"]
        equal({n: c["ok"] for n, c in checks(a).items()},
              {"valid": True, "machine": True, "exports": None, "not_defined": True, "undefined": True, "tls_model": True}, f"checks of {p}")
        equal(a["contract"]["verdict"], "skipped", "the verdict, as no kit says what the kernel wants")
        check("no kit unikraft-kvm is installed" in a["contract"]["reason"], "the reason", a["contract"])
        facts = a["metadata"]
        check("rust_main" in facts["defined"] and "main" not in facts["defined"], "what it defines")
        check({"_Unwind_Backtrace", "posix_spawnp", "malloc"} <= set(facts["undefined"]), "what it leaves undefined", facts["undefined"])
        equal(found["unikraft-lib.linux"]["contract"]["verdict"], "pass", "the program's verdict")
        equal(run_native(d.artifact(ids["lib", p], "unikraft-lib.linux")), (7, ON_LINUX), f"what the program of {p} says")
        equal(a["trial"]["verdict"], "pass", f"trial {a['trial']}")
        check("no kit, no image: as a program on Linux it ended with exit code 7" in a["trial"]["reason"]
              and "from a file: iron" in a["trial"]["output"], "the trial", a["trial"])


@suite.test
def test_a_program_without_a_kit():
    for p in PROFILES:
        found = artifacts(succeed(ids["bin", p])["id"])
        equal(sorted(found), ["unikraft-bin.a", "unikraft-bin.linux", "unikraft-bin.mk"], f"artifacts of {p}")
        a = found["unikraft-bin.a"]
        check({"main", "rust_bin_unikraft_bin"} <= set(a["metadata"]["defined"]), "what it defines", a["metadata"]["defined"][:30])
        equal(a["metadata"]["members_count"], 1, "members")
        equal(a["contract"]["verdict"], "skipped", f"contract {a['contract']}")
        equal(run_native(d.artifact(ids["bin", p], "unikraft-bin.linux"), "a", "b"),
              (3, "main has 2 word(s)\nsquares: 1 4 9 16 25\n"), f"what the program of {p} says")


@suite.test
def test_the_job_says_what_compiled_it():
    job = succeed(ids["lib", "unikraft"])
    equal(job["toolchain"]["name"], "1.43.1", "the pin")
    if "1.43.1" not in job["toolchain"]["rustc"]:
        check(any("1.43.1" in w and "stands in" in w for w in job["warnings"]), "no warning of the stand-in", job)
    equal(succeed(ids["lib", "unikraft-modern"])["warnings"], [], "warnings")


@suite.test
def test_what_the_makefile_gets():
    said = make_says(d.artifact(ids["lib", "unikraft"], "unikraft-lib.mk"), "UK_ALIBS-y", "UKALIBS-y", "LIBRUST_UNIKRAFT_LIB_SRCS-y",
                     "LDFLAGS-y")
    equal(said, {"LIBS": "librust_unikraft_lib", "UK_ALIBS-y": "rust/unikraft-lib.a", "UKALIBS-y": "rust/unikraft-lib.a",
                 "LIBRUST_UNIKRAFT_LIB_SRCS-y": "rust/unikraft-lib-main.c", "LDFLAGS-y": ""}, "of a library")
    text = d.artifact(ids["lib", "unikraft"], "unikraft-lib-main.c").decode()
    check('__asm__("rust_main")' in text and "@" not in text, "the trampoline", text)
    said = make_says(d.artifact(ids["bin", "unikraft"], "unikraft-bin.mk"), "UK_ALIBS-y", "LDFLAGS-y")
    equal(said, {"LIBS": "", "UK_ALIBS-y": "rust/unikraft-bin.a", "LDFLAGS-y": "-Wl,-u,rust_bin_unikraft_bin"}, "of a program")


@suite.test
def test_the_program_takes_the_place_of_the_weak_main():
    """Unikraft's own main, which is weak, comes before the archive on the linker's line: the fragment's flag decides."""
    with tempfile.TemporaryDirectory(prefix="bloomery-weak-") as folder:
        os.chmod(folder, 0o755)
        with open(os.path.join(folder, "app.a"), "wb") as f:
            f.write(d.artifact(ids["bin", "unikraft-modern"]))
        script = """cd /tmp && echo 'int __attribute__((weak)) main(void) { return 1; }' > weak.c && gcc -c weak.c -o weak.o
            for flag in "" "-u rust_bin_unikraft_bin"; do ld -r $flag weak.o /in/app.a -o out.o && nm out.o | grep ' main$'; done"""
        p = subprocess.run(["docker", "run", "--rm", "--network=none", "-v", f"{folder}:/in:ro", "bloomery/profile-unikraft-modern:current",
                            "sh", "-euc", script], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        text = p.stdout.decode()
        equal([line.split()[1] for line in text.splitlines()], ["W", "T"], f"main without and with the flag ({text})")


@suite.test
def test_entries():
    named = ids_of({p: (p, lib("9", "short", manifest='[package.metadata.bloomery]\nentry = "short"\n')) for p in PROFILES}, trial=None)
    for p in PROFILES:
        succeed(named[p])
        equal(run_native(d.artifact(named[p], "small.linux")), (9, ""), f"a named entry, {p}")
    job = refused(lib(entry="other"), "contract")
    check("it does not define rust_main" in job["error"]["message"], "no entry point", job["error"])
    for way in ("fn rust_main", "entry =", "src/main.rs"):
        check(way in job["error"]["hint"], f"the hint does not tell of {way}", job["error"])
    error = refused(lib(manifest='[package.metadata.bloomery]\nentry = "absent_function"\n'), "contract")["error"]
    check("absent_function" in error["message"] and "no_mangle" in error["hint"], "an entry that is not there", error)
    error = refused(lib(more=ENTRY % ("main", "1")), "contract")["error"]
    check("the library defines main" in error["message"], "a library with a main", error)


def ids_of(jobs, **options):
    return {k: d.accept(p, body, **options) for k, (p, body) in jobs.items()}


@suite.test
def test_what_cannot_be_is_said_at_once():
    macro = inline(MANIFEST + "[lib]\nproc-macro = true\n", src__lib="extern crate proc_macro;\n")
    jobs = ids_of({p: (p, macro) for p in PROFILES})
    for p in PROFILES:
        job = fail(jobs[p], "bad_source")
        check("procedural macro" in job["error"]["message"], "the message", job["error"])
        check("build" not in [x["name"] for x in job["phases"]], "it is said before anything is compiled", job["phases"])
    error = refused(lib(manifest='[package.metadata.bloomery]\nentry = "not a name"\n'), "bad_source")["error"]
    check("entry" in error["message"], "a name that is none", error)


@suite.test
def test_what_the_host_decides():
    other = '\n[profile.release]\npanic = "unwind"\nlto = true\nopt-level = "s"\n'
    job = built(pack("unikraft_lib", edit={"Cargo.toml": lambda t: t + other}), trial=None)
    check(len(job["warnings"]) == 1 and "panic" in job["warnings"][0], "warnings", job["warnings"])
    equal(run_native(d.artifact(job["id"], "unikraft-lib.linux")), (7, ON_LINUX), "what the program says")
    # The compiler that the port names unwinds; its settings stay the crate's.
    job = built(pack("unikraft_lib", edit={"Cargo.toml": lambda t: t + '\n[profile.release]\npanic = "abort"\nlto = true\n'}), "unikraft")
    equal(run_native(d.artifact(job["id"], "unikraft-lib.linux")), (7, ON_LINUX), "what the program says")


@suite.test
def test_nothing_of_the_crate_changes_the_link():
    hostile = {"build.rs": """fn main() {
    for a in &["-Wl,--defsym=main=0", "-nostartfiles", "-Wl,-T,/work/src/evil.lds"] { println!("cargo:rustc-link-arg={}", a); }
}
""", "evil.lds": "SECTIONS { /DISCARD/ : { *(*) } }\n", "Makefile.uk": "$(error evil)\n", "unikraft-bin.mk": "$(error evil)\n"}
    for p in PROFILES:
        job = built(pack("unikraft_bin", extra=hostile), p)
        equal(run_native(d.artifact(job["id"], "unikraft-bin.linux"))[0], 3, f"the program of {p}")
        check(b"evil" not in d.artifact(job["id"], "unikraft-bin.mk"), "the fragment")


# --- the contract ---


@suite.test
def test_contract_by_rule():
    """A crate that is wrong in one way: the check of that name, and what it names."""
    wrong = {
        "libc": (lib(more='#[no_mangle]\npub extern "C" fn malloc(_: usize) -> *mut u8 { 8 as *mut u8 }\n'), "not_defined", "malloc"),
        "kernel": (lib(more='#[no_mangle]\npub extern "C" fn uk_sched_run() {}\n'), "not_defined", "uk_sched_run"),
        "undefined": (lib("unsafe { absent_function() }", more='extern "C" { fn absent_function() -> i32; }\n'), "undefined",
                      "absent_function"),
        "tls": (with_c("__thread int heat;\nint side(void) { return heat++; }\n", ["-fPIC"], "unsafe { side() }"), "tls_model",
                "general-dynamic"),
        "machine": (with_c("int side(void) { return 1; }\nint other(void) { return 2; }\n", ["-m32"], "8"), "machine", "i386"),
    }
    jobs = ids_of({(p, k): (p, body) for p in PROFILES for k, (body, _, _) in wrong.items() if p != "unikraft" or k in ("undefined", "tls")},
                  trial="off")
    for (p, k), id in jobs.items():
        _, rule, word = wrong[k]
        error = fail(id, "contract")["error"]
        found = checks(d.artifacts(id)["small.a"])[rule]
        check(found["ok"] is False and word in found["detail"], f"{p}, {k}: check {rule}", found, error)
        check(word in error["message"], f"{p}, {k}: the message", error)


@suite.test
def test_contract_of_the_program_and_the_image():
    def broken(name, file, rule, word):
        error = fail(ids[name], "contract")["error"]
        found = checks(d.artifacts(ids[name])[file])[rule]
        check(found["ok"] is False and word in found["detail"], f"{name}: check {rule} of {file}", found, error)

    broken("dynamic", "unikraft-lib.linux", "interp", "ld-musl")
    broken("dynamic", "unikraft-lib.linux", "needed", "libc.so")
    broken("part", "unikraft-lib.linux", "type", "rel")
    broken("object", "unikraft-lib.img", "type", "rel")
    broken("object", "unikraft-lib.img", "executable", "no program")
    broken("exports", "unikraft-bin.a", "exports", "rust_main")
    error = fail(ids["nothing"], "link")["error"]
    check("left no unikraft-lib.img" in error["message"], "a kit that makes nothing", error)


# --- with a kit ---


@suite.test
def test_an_image_that_boots():
    for kind, p, status in (("lib", "unikraft-kit", 7), ("lib", "modern-kit", 7), ("bin", "unikraft-kit", 3), ("bin", "modern-kit", 3)):
        id = succeed(ids[kind, p])["id"]
        found, name = artifacts(id), f"unikraft-{kind}"
        equal(sorted(found), sorted([f"{name}.a", f"{name}.img", f"{name}.img.dbg", f"{name}.mk"]
                                    + [f"{name}-main.c"] * (kind == "lib")), f"artifacts of {p}")
        equal({n: a["contract"]["verdict"] for n, a in found.items() if a["contract"]},
              {f"{name}.a": "pass", f"{name}.img": "pass", f"{name}.img.dbg": "pass"}, "verdicts")
        image, debug = found[f"{name}.img"]["metadata"], found[f"{name}.img.dbg"]["metadata"]
        equal((image["class"], image["stripped"], debug["class"], debug["stripped"]), (32, True, 64, False), "image and its symbols")
        trial = found[f"{name}.a"]["trial"]
        equal(trial["verdict"], "pass", f"trial {trial}")
        check(f"it booted in qemu and ended with {status} (isa-debug-exit); the last line on the serial port: "
              f"the application returned {status}" in trial["reason"], "the reason", trial)
        if kind == "lib":
            check("the test kernel is up\n" + IN_THE_KERNEL in trial["output"].replace("\r", ""), "the serial port", trial)


@suite.test
def test_an_image_that_does_not():
    error = fail(ids["silent"], "trial")["error"]
    check("triple fault" in error["message"] and "serial port never said anything" in error["message"], "the message", error)


@suite.test
def test_a_trial_without_qemu():
    """The script in an image that has none: skipped, with the reason."""
    with tempfile.TemporaryDirectory(prefix="bloomery-trial-") as folder:
        os.chmod(folder, 0o755)
        with open(os.path.join(folder, "app.img"), "wb") as f:
            f.write(d.artifact(ids["lib", "modern-kit"], "unikraft-lib.img"))

        def run(name):
            p = subprocess.run(["docker", "run", "--rm", "--network=none", "-e", f"BLOOMERY_NAME={name}",
                                "-v", f"{folder}:/bloomery/artifacts:ro", "-v", f"{folder_of('unikraft')}:/bloomery/profile:ro",
                                "bloomery/base:current", "sh", "/bloomery/profile/trial.sh", "30"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            return p.returncode, p.stdout.decode()

        status, text = run("app")
        check(status == 77 and "no qemu-system-x86_64" in text, f"status {status}", text)
        status, text = run("nothing")
        check(status == 77 and "neither an image nor a program" in text, f"status {status}", text)


# --- all ---


@suite.test
def test_the_same_bytes():
    """Built twice, and by a daemon with another state folder: every artifact has the same sha256."""
    other = Daemon(suite, "a-second-daemon-with-a-longer-name", slots=2).start()
    cases = [(kind, p) for p in PROFILES for kind in ("lib", "bin")]
    again = {c: d.accept(c[1], pack(f"unikraft_{c[0]}"), trial="off") for c in (*cases, ("lib", "modern-kit"))}
    elsewhere = {c: other.accept(c[1], pack(f"unikraft_{c[0]}"), trial="off") for c in cases}

    def sums(daemon, id):
        check(daemon.wait(id, SECONDS)["state"] == "succeeded", "the job", daemon.job(id))
        return {n: a["sha256"] for n, a in daemon.artifacts(id).items()}

    for c, id in again.items():
        first = sums(d, ids[c])
        check(len(first) >= 3, "artifacts", first)
        equal(sums(d, id), first, f"{c}, again")
        if c in elsewhere:
            equal(sums(other, elsewhere[c]), first, f"{c}, by another daemon")
    other.close()


@suite.test
def test_the_two_profiles_share_their_files():
    """A profile's folder is whole in itself, so these are copies."""
    for name in ("link", "linker", "main.c", "musl.c", "trial.sh", "host.symbols", "libc.symbols"):
        texts = []
        for p in PROFILES:
            path = os.path.join(folder_of(p), name)
            with open(path, "rb") as f:
                texts.append((f.read(), os.stat(path).st_mode & 0o111 != 0))
        equal(texts[0], texts[1], f"{name} of the two profiles")
    check(os.path.isfile(os.path.join(KIT, "kit.json")), "the test's kit")


@suite.test
def test_nothing_is_left():
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
