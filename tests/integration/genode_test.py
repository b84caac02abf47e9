#!/usr/bin/env python3
"""Profile genode: what a bin and a lib give, without a kit and with one of our own; each rule of the host's contract seen to break;
a component that starts on Linux, on a stand-in for Genode's libraries.
"""

import io
import os
import subprocess
import tarfile
import tempfile

from ao import bloomeryd
from genode import add_broken, add_stock, bloomeryd_says, install_kit, run
from lib import Daemon, Suite, check, entry, equal, inline, nothing_left, pack, tar_of

suite = Suite("genode", seconds=1200)
d = k = None  # without a kit; with one
HELLO = "a component of genode-hello: 3 ore here, 1 there\n"
SIDES = {"hello": ("libgenode_hello.a", "genode-hello.goa.tar"), "lib": ("libgenode_lib.a", "genode-lib.goa.tar")}
RULES = {"valid", "machine", "type", "executable", "interp", "needed", "exports", "fs", "tls", "undefined_all", "undefined"}
# A thread-local and nothing else.
ONE = """#![no_std]
#![no_main]
#![feature(thread_local)]
use core::{cell::Cell, ffi::{c_char, c_int}};
#[thread_local]
static COUNT: Cell<c_int> = Cell::new(6);
#[no_mangle]
pub extern "C" fn main(_: c_int, _: *const *const c_char) -> c_int { COUNT.set(COUNT.get() + 1); COUNT.get() }
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
"""
MAIN = 'fn main() { println!("iron"); }\n'
# A program's name, which is what the link does wrong: what the check says.
WAYS = {
    "interp": "/libexec/ld-elf.so.1", "needed": "stdcxx.lib.so", "type": "its type is dyn", "executable": "a library",
    "exports": "does not export main", "fs": "in reads_fs", "tls": ".tbss", "undefined_all": "__emutls_get_address",
    "archive-undefined_all": "__emutls_get_address", "archive-tls_model": "initial-exec", "archive-exports": "main",
}
MANIFEST = '[package]\nname = "small"\nversion = "0.1.0"\nedition = "2021"\n'
LONG = 900  # seconds for a job with many programs
ids = {}


def image(daemon, profile):
    suite.on_exit(lambda: bloomeryd(daemon, "images", "remove", profile))
    bloomeryd(daemon, "images", "build", profile)


def setup():
    global d, k
    suite.needs_programs()
    suite.needs_engine("profile-genode")
    d = Daemon(suite, "main", slots=2)
    k = Daemon(suite, "with-a-kit", slots=2)
    install_kit(k)
    image(k, add_broken(k))
    d.start()
    k.start()
    ids["hello"] = d.accept("genode", pack("genode_hello"))
    ids["lib"] = d.accept("genode", pack("genode_lib"))
    ids["kit hello"] = k.accept("genode-broken", pack("genode_hello"))
    ids["broken"] = k.accept("genode-broken", inline(MANIFEST, **{f"src__bin__{way}": MAIN for way in WAYS}))
    ids["kit lib"] = k.accept("genode-broken", pack("genode_lib"))


def made(name, daemon=None):
    """The artifacts of a job that must succeed."""
    daemon = daemon or d
    daemon.succeed(ids[name])
    return daemon.artifacts(ids[name])


def checks(artifact):
    return {c["name"]: c for c in artifact["contract"]["checks"]}


def refused(body, kind, daemon=None, profile="genode", **options):
    daemon = daemon or d
    return daemon.fail(daemon.accept(profile, body, **options), kind)["error"]


@suite.test
def test_a_bin():
    artifacts = made("hello")
    equal({n: (a["role"], a["kind"]) for n, a in artifacts.items() if n != "Cargo.lock"},
          {"genode-hello": ("primary", "elf"), "libgenode_hello.a": ("side", "ar"), "genode-hello.goa.tar": ("side", "tar")},
          "artifacts")
    a = artifacts["genode-hello"]
    facts = a["metadata"]
    equal((facts["type"], facts["interp"], facts["tls"], facts["fs"]["instructions"]), ("exec", "ld.lib.so", None, 0), "facts")
    equal(facts["needed"], ["ld.lib.so", "libc.lib.so", "libm.lib.so", "posix.lib.so"], "needed")
    equal(int(facts["entry"], 16) >> 12 << 12 >= 0x1000000, True, f"its address {facts['entry']}")
    check("__emutls_get_address" in facts["undefined"] and "_Unwind_Backtrace" not in facts["undefined"], "undefined", facts)
    check("futimens" not in facts["undefined"], "what the crate does not use is still there", facts["undefined"])
    sections = [s["name"] for s in facts["sections"]]
    check(".hash" in sections and ".gnu.hash" not in sections, "the hash table that Genode's linker reads", sections)
    check(a["size"] < 500_000, f"hello has {a['size']} bytes")


@suite.test
def test_it_starts():
    """Its threads have thread-locals of their own, by the host's emulation."""
    equal(run(d.artifact(ids["hello"]) if made("hello") else b""), (0, HELLO), "what it says")


@suite.test
def test_without_a_kit_the_abi_is_not_checked():
    for name, crate in (("hello", "genode-hello"), ("lib", "genode-lib")):
        artifacts = made(name)
        for artifact in (crate, SIDES[name][0]):
            a = artifacts[artifact]
            equal(a["contract"]["verdict"], "skipped", f"contract of {artifact}: {a['contract']}")
            check("no kit genode-abi is installed" in a["contract"]["reason"], "the reason", a["contract"])
            found = checks(a)
            equal(found["undefined"]["ok"], None, f"undefined of {artifact}")
            equal([n for n, c in found.items() if c["ok"] is not True and n != "undefined"], [], "checks that are not kept")
    equal(set(checks(made("hello")["genode-hello"])), RULES, "checks of a component")
    trial = made("hello")["genode-hello"]["trial"]
    check(trial["verdict"] == "skipped" and "no trial" in trial["reason"], "the trial", trial)


@suite.test
def test_a_lib_with_an_entry():
    artifacts = made("lib")
    equal(run(d.artifact(ids["lib"], "genode-lib"), "x")[1].rsplit(":", 1)[1], " 42\n", "what it says")
    defined = artifacts["libgenode_lib.a"]["metadata"]["defined"]
    equal(sorted(defined), ["iron_of", "main", "smelt"], "what the static library has for others")
    check("__emutls_get_address" in artifacts["libgenode_lib.a"]["metadata"]["undefined"], "undefined", artifacts)


@suite.test
def test_the_static_library_links():
    """Into a program of somebody else's that has an unwinder and a std of its own: nothing of theirs collides."""
    made("lib")
    with tempfile.TemporaryDirectory(prefix="bloomery-genode-") as folder:
        with open(os.path.join(folder, "libx.a"), "wb") as f:
            f.write(d.artifact(ids["lib"], "libgenode_lib.a"))
        with open(os.path.join(folder, "c.c"), "w", encoding="utf-8") as f:
            f.write("int iron_of(int);\nint _Unwind_Backtrace(void) { return 1; }\n"
                    "int iron(void) { return iron_of(2) + _Unwind_Backtrace(); }\n")
        p = subprocess.run(["gcc", "-shared", "-nostdlib", "-fPIC", "c.c", "libx.a", "-o", "c.so"], cwd=folder,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
        equal((p.returncode, p.stdout.decode()), (0, ""), "the link")


@suite.test
def test_goa_project():
    made("hello")
    with tarfile.open(fileobj=io.BytesIO(d.artifact(ids["hello"], "genode-hello.goa.tar"))) as tar:
        files = {m.name.removeprefix("genode-hello/"): m for m in tar.getmembers() if m.isfile()}
        text = {n: tar.extractfile(m).read() for n, m in files.items()}
        with tempfile.TemporaryDirectory(prefix="bloomery-goa-") as folder:
            tar.extractall(folder)
            source = os.path.join(folder, "genode-hello", "src")
            p = subprocess.run(["make", "-s", "-C", source], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
            equal((p.returncode, p.stdout), (0, b""), "make, as Goa calls it")
            with open(os.path.join(source, "genode-hello"), "rb") as f:
                equal(f.read(), d.artifact(ids["hello"]), "what make leaves for Goa's artifacts")
    equal(sorted(text), ["artifacts", "pkg/genode-hello/README", "pkg/genode-hello/archives", "pkg/genode-hello/runtime",
                         "src/Makefile", "src/prebuilt/genode-hello", "used_apis", "version"], "files")
    equal(text["artifacts"], b"genode-hello\n", "artifacts")
    equal(text["version"], b"0.1.0\n", "version")
    check(b'binary="genode-hello"' in text["pkg/genode-hello/runtime"], "runtime", text["pkg/genode-hello/runtime"].decode())


# --- with the kit ---


@suite.test
def test_with_the_kit():
    for name, files in (("kit hello", ("genode-hello", "libgenode_hello.a")), ("kit lib", ("genode-lib", "libgenode_lib.a"))):
        artifacts = made(name, k)
        for file in files:
            equal(artifacts[file]["contract"]["verdict"], "pass", f"contract of {file}: {artifacts[file]['contract']}")
    sections = [s["name"] for s in made("kit hello", k)["genode-hello"]["metadata"]["sections"]]
    check(".kit_was_here" in sections, "the kit's linker script was not used", sections)
    equal(run(k.artifact(ids["kit hello"])), (0, HELLO), "what it says")


@suite.test
def test_what_the_lists_lack():
    """By name, with and without a kit in the way: std::fs keeps what Genode's C library has no provider for."""
    crate = inline(MANIFEST, src__main='fn main() { std::fs::remove_dir_all("/tmp/x").unwrap(); std::fs::hard_link("a", "b").unwrap(); }')
    id = d.accept("genode", crate)
    error = refused(crate, "contract", k, "genode-broken")
    for name in ("linkat", "unlinkat"):
        check(name in error["message"], "the message", error)
    check("__emutls_get_address" not in error["message"] and "write" not in error["message"].split(), "too many names", error)
    d.succeed(id)
    facts = d.artifacts(id)["small"]
    check("unlinkat" in facts["metadata"]["undefined"], "undefined", facts["metadata"]["undefined"])
    equal(facts["contract"]["verdict"], "skipped", "without a kit")


@suite.test
def test_a_kit_that_lacks_a_file():
    """Said when the image is made, to the operator, and not to those whose crates would not link."""
    other = Daemon(suite, "half-a-kit")
    install_kit(other, profiles=("genode",), without="ld/genode_dyn.dl")
    status, said = bloomeryd_says(other, "images", "build", "genode")
    check(status != 0 and "the kit lacks ld/genode_dyn.dl" in said, f"status {status}", said)


@suite.test
def test_contract_by_rule():
    """A link that is wrong in one way: the check of that name, and what it names; the job's error is one of them."""
    error = k.wait(ids["broken"], LONG)["error"]
    equal(error and error["kind"], "contract", f"kind of {error}")
    artifacts, said = k.artifacts(ids["broken"]), []
    for way, word in WAYS.items():
        a = artifacts[f"lib{way.replace('-', '_')}.a" if way.startswith("archive-") else way]
        found = checks(a)[way.removeprefix("archive-")]
        check(found["ok"] is False and word in found["detail"], f"{way}: check {found['name']}", found)
        equal(a["contract"]["verdict"], "fail", f"{way}: verdict")
        others = [n for n, c in checks(a).items() if c["ok"] is False and n != found["name"]]
        check(way in ("type", "executable", "archive-exports", "archive-tls_model") or not others, f"{way} breaks more than it should", others)
        said.append(found["detail"])
    check(any(error["message"].endswith(detail) for detail in said), "the message", error)


@suite.test
def test_stock_freebsd_fails():
    """What rustc makes for FreeBSD, linked in the same way: its thread-locals are where Genode has none."""
    stock = Daemon(suite, "stock", slots=1)
    image(stock, add_stock(stock))
    stock.start()
    mine, theirs = d.accept("genode", inline(MANIFEST, src__main=ONE)), stock.accept("genode-stock", inline(MANIFEST, src__main=ONE))
    error = stock.fail(theirs, "contract")["error"]
    a = stock.artifacts(theirs)["small"]
    for rule, words in (("fs", "in main"), ("tls", ".t"), ("undefined_all", "__emutls_get_address")):
        c = checks(a)[rule]
        check(c["ok"] is False and words in c["detail"], f"check {rule}", c)
    equal(sorted(n for n, c in checks(a).items() if c["ok"] is False), ["fs", "tls", "undefined_all"], "what is broken")
    check(a["metadata"]["fs"]["instructions"] > 0 and a["metadata"]["tls_symbols"] > 0, "facts", a["metadata"]["fs"])
    archive = checks(stock.artifacts(theirs)["libsmall.a"])["tls_model"]
    check(archive["ok"] is False and "local-exec" in archive["detail"], "the static library's", archive)
    check("thread-local storage" in error["message"], "the message", error)
    d.succeed(mine)
    equal([n for n, c in checks(d.artifacts(mine)["small"]).items() if c["ok"] is False], [], "the same crate for Genode")


# --- bad input ---


@suite.test
def test_no_entry_point():
    error = refused(inline(MANIFEST, src__lib="#[no_mangle]\npub extern \"C\" fn other() {}\n"), "contract")
    check("main" in error["message"] and "entry =" in error["hint"], "the message", error)
    error = refused(pack("genode_lib", edit={"Cargo.toml": lambda t: t.replace('"smelt"', '"absent_function"')}), "contract")
    check("absent_function" in error["message"] and "no_mangle" in error["hint"], "the message", error)
    twice = '#[no_mangle]\npub extern "C" fn main() -> i32 { 0 }\n'
    error = refused(pack("genode_lib", edit={"src/lib.rs": lambda t: t + twice}), "contract")
    check("main" in error["message"] and "smelt" in error["message"], "the message", error)


@suite.test
def test_an_entry_that_cannot_be():
    """Known from the manifest: refused before anything is compiled."""
    id = d.accept("genode", pack("genode_lib", edit={"Cargo.toml": lambda t: t.replace('"smelt"', '"not a name"')}))
    error = d.fail(id, "bad_source")["error"]
    check("entry" in error["message"] and "Compiling" not in d.job_log(id), "the message", error)


@suite.test
def test_what_the_host_decides():
    other = '\n[profile.release]\npanic = "unwind"\n'
    id = d.accept("genode", pack("genode_hello", edit={"Cargo.toml": lambda t: t + other}))
    job = d.succeed(id)
    check(any("panic" in w for w in job["warnings"]), "no warning of panic", job["warnings"])
    equal({n: a["sha256"] for n, a in d.artifacts(id).items()},
          {n: a["sha256"] for n, a in made("hello").items()}, "sha256 with and without it")


@suite.test
def test_c_inside():
    """Its thread-locals are emulated, too, and the C library's headers are the kit's to bring."""
    manifest = MANIFEST + 'build = "build.rs"\n'
    build = r'''use std::process::Command;
fn main() {
    let out = std::env::var("OUT_DIR").unwrap();
    let cc = std::env::var("CC_x86_64_unknown_genode").unwrap();
    assert!(Command::new(cc).args(["-O2", "-c", "c.c", "-o"]).arg(format!("{out}/c.o")).status().unwrap().success());
    assert!(Command::new("ar").args(["rcsD", &format!("{out}/libc_side.a"), &format!("{out}/c.o")]).status().unwrap().success());
    println!("cargo:rustc-link-search=native={out}");
    println!("cargo:rustc-link-lib=static=c_side");
}
'''
    main = 'extern "C" { fn next() -> i32; }\nfn main() { unsafe { next(); println!("{}", next()); } }\n'
    tree = {"build": build, "src__main": main}

    def crate(c):
        files = [("Cargo.toml", manifest), ("c.c", c)] + [(n.replace("__", "/") + ".rs", t) for n, t in tree.items()]
        return tar_of([(entry(n), t.encode()) for n, t in files])

    id = d.accept("genode", crate("#include <stdint.h>\nstatic _Thread_local int32_t n = 4;\nint32_t next(void) { return ++n; }\n"))
    bad = d.accept("genode", crate("#include <stdio.h>\nint next(void) { return puts(\"\"); }\n"))
    d.succeed(id)
    equal(d.artifacts(id)["small"]["metadata"]["tls"], None, "TLS of C")
    equal(run(d.artifact(id)), (0, "6\n"), "what it says")
    error = d.fail(bad, "compile")["error"]
    check("kit" in error["hint"], "the hint", error)


@suite.test
def test_the_same_bytes():
    """Built twice, and by a daemon with another state folder: every artifact has the same sha256."""
    other = Daemon(suite, "a-second-daemon-with-a-longer-name", slots=2).start()
    jobs = [(daemon, crate, daemon.accept("genode", pack(f"genode_{crate}"))) for crate in ("hello", "lib") for daemon in (d, other)]
    for daemon, crate, id in jobs:
        daemon.succeed(id)
        first = {n: a["sha256"] for n, a in made(crate).items()}
        check(len(first) >= 3, "artifacts", first)
        equal({n: a["sha256"] for n, a in daemon.artifacts(id).items()}, first, f"{crate}, again")
    other.close()


@suite.test
def test_nothing_is_left():
    nothing_left(d)
    nothing_left(k)


if __name__ == "__main__":
    suite.main(setup)
