#!/usr/bin/env python3
"""Profile go on the real Engine: what comes back is unpacked into a Go module, and Go calls it, without network.

tests/crates/go_smelter keeps the convention of Buffer and last error, go_header brings its own header, go_plain has neither that nor
a cbindgen.toml.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess

from go import Module, WAYS, names_of, text_of
from lib import BUILD, ENGINE, ROOT, Daemon, Suite, check, equal, inline, nothing_left, pack

suite = Suite("go", seconds=1500)
d = None
built = {}
KINDS = [f"{arch}_{libc}" for arch in ("amd64", "arm64") for libc in ("gnu", "musl")]
SMELTER = ["smelter_buffer_free", "smelter_check", "smelter_deepen", "smelter_divide", "smelter_greet", "smelter_last_error",
           "smelter_may_panic", "smelter_melts", "smelter_sum"]
QUARRY = r"""package quarry

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"

	"quarry/goplain"
	"quarry/slagheap"
	"quarry/smelter"
)

func TestCalls(t *testing.T) {
	if got, err := smelter.Greet([]byte("Go")); err != nil || string(got) != "Hello, Go, from Rust" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := smelter.Greet(nil); err != nil || string(got) != "Hello, , from Rust" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := smelter.Sum([]int64{40, -1, 3}); err != nil || got != 42 {
		t.Errorf("%d, %v", got, err)
	}
	v, err := smelter.Deepen(smelter.Vein{Depth: 1.5, Width: 2, Tons: 3}, smelter.Hematite)
	if err != nil || v != (smelter.Vein{Depth: 3, Width: 2, Tons: 10}) {
		t.Errorf("%v, %v", v, err)
	}
	if got := smelter.RawDivide(84, 2); got != 42 {
		t.Errorf("%d", got)
	}
	// Memory of Rust's grows and moves; 16 MiB through it and back.
	big := strings.Repeat("iron", 4<<20)
	if got, err := smelter.Greet([]byte(big)); err != nil || string(got) != "Hello, "+big+", from Rust" {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func wantError(t *testing.T, err error, message string) {
	t.Helper()
	var failure *smelter.Error
	if !errors.As(err, &failure) || !errors.Is(err, syscall.EINVAL) || err.Error() != message {
		t.Errorf("%v instead of %q", err, message)
	}
}

func TestErrors(t *testing.T) {
	_, err := smelter.Divide(1, 0)
	wantError(t, err, "cannot divide 1 by 0")
	if got, err := smelter.Divide(84, 2); got != 42 || err != nil {
		t.Errorf("%d, %v after an error", got, err)
	}
	_, err = smelter.Greet([]byte("\xff"))
	wantError(t, err, "invalid utf-8 sequence of 1 bytes from index 0")
	wantError(t, smelter.Check(false), "it is not good")
	if err := smelter.Check(true); err != nil {
		t.Error(err)
	}
}

func TestPanics(t *testing.T) {
	for i := 0; i < 3; i++ {
		got, err := smelter.MayPanic(int32(i))
		if err == nil || len(got) != 0 || !strings.HasPrefix(err.Error(), "panic: ") ||
			!strings.Contains(err.Error(), fmt.Sprintf("the guess %d is wrong", i)) {
			t.Errorf("%q, %v", got, err)
		}
	}
	_, err := smelter.Sum([]int64{math.MaxInt64, 1})
	wantError(t, err, "panic: the sum is too large")
	if got, err := smelter.MayPanic(42); err != nil || string(got) != "You are right" {
		t.Errorf("%q, %v after panics", got, err)
	}
}

// Each of 64 goroutines sees its own errors only, whatever thread it is moved to.
func TestGoroutines(t *testing.T) {
	before, _ := smelter.Melts()
	var all sync.WaitGroup
	for g := 0; g < 64; g++ {
		all.Add(1)
		go func(g int) {
			defer all.Done()
			for i := 0; i < 50; i++ {
				name := fmt.Sprintf("%d of %d", i, g)
				if got, err := smelter.Greet([]byte(name)); err != nil || string(got) != "Hello, "+name+", from Rust" {
					t.Errorf("%q, %v", got, err)
				}
				n := int32(g*1000 + i)
				runtime.Gosched()
				if _, err := smelter.Divide(n, 0); err == nil || err.Error() != fmt.Sprintf("cannot divide %d by 0", n) {
					t.Errorf("%v for %d", err, n)
				}
				if _, err := smelter.MayPanic(-n - 1); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("the guess %d is", -n-1)) {
					t.Errorf("%v for %d", err, -n-1)
				}
			}
		}(g)
	}
	all.Wait()
	if after, _ := smelter.Melts(); after-before != 64*50 {
		t.Errorf("%d calls were counted", after-before)
	}
}

// Three libraries in Rust in one program, each with a std of its own.
func TestOthers(t *testing.T) {
	heap := slagheap.SlagNew(40)
	slagheap.SlagAdd(heap, 2)
	if got := slagheap.SlagWeight(heap); got != 42 {
		t.Errorf("%d", got)
	}
	slagheap.SlagFree(heap)
	name := []byte("slag\x00")
	if got := slagheap.SlagNameLength(&name[0]); got != 4 {
		t.Errorf("%d", got)
	}
	if goplain.Add(40, 2) != 42 || goplain.OtherColour(goplain.Red) != goplain.Black || goplain.LIMIT != 77 || slagheap.SLAG_MAX != 4096 {
		t.Error("plain")
	}
	memory := make([]byte, 9)
	goplain.Fill(&memory[1], 7, 'x')
	if string(memory) != "\x00xxxxxxx\x00" {
		t.Errorf("%q", memory)
	}
}
"""


# The convention as the demonstration has it that the go profile answers to: a Buffer of two fields goes both ways by value, and
# a text ends with a 0 byte.
NUGGET_MANIFEST = '[package]\nname = "nugget-2"\nversion = "0.1.0"\nedition = "2021"\n'
NUGGET = r"""use std::{cell::RefCell, ffi::{c_char, CStr}, panic::catch_unwind};
#[repr(C)] pub struct Buffer { ptr: *mut u8, size: usize }
thread_local! { static LAST: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) }; }
extern "C" { fn __errno_location() -> *mut i32; }
fn give(v: Vec<u8>) -> Buffer { let v = Box::leak(v.into_boxed_slice()); Buffer { ptr: v.as_mut_ptr(), size: v.len() } }
fn end<T>(r: Result<T, String>, none: T) -> T {
    let (v, m) = match r { Ok(v) => (v, None), Err(m) => (none, Some(m)) };
    unsafe { *__errno_location() = if m.is_some() { 5 } else { 0 } };
    LAST.with(|l| *l.borrow_mut() = m.unwrap_or_default().into_bytes());
    v
}
#[no_mangle] pub unsafe extern "C" fn free_rust(buf: Buffer) {
    if !buf.ptr.is_null() { drop(Box::from_raw(std::ptr::slice_from_raw_parts_mut(buf.ptr, buf.size))) }
}
#[no_mangle] pub extern "C" fn get_last_error() -> Buffer { give(LAST.with(|l| l.take())) }
#[no_mangle] pub unsafe extern "C" fn greet(name: Buffer, twice: bool) -> Buffer {
    let name = if name.size == 0 { &[][..] } else { std::slice::from_raw_parts(name.ptr, name.size) };
    let r = catch_unwind(|| { assert!(!name.is_empty(), "no name"); if twice { [name, name].concat() } else { name.to_vec() } });
    end(r.map(give).map_err(|_| "it panicked".into()), Buffer { ptr: std::ptr::null_mut(), size: 0 })
}
#[no_mangle] pub unsafe extern "C" fn length_of(text: *const c_char) -> u64 { end(Ok(CStr::from_ptr(text).to_bytes().len() as u64), 0) }
#[no_mangle] pub unsafe extern "C" fn twofold(type_: *mut u16, len: usize) { for n in std::slice::from_raw_parts_mut(type_, len) { *n *= 2 } }
"""
NUGGET_TEST = r"""package quarry

import (
	"testing"

	"quarry/nugget2"
	"quarry/smelter"
)

func TestNugget(t *testing.T) {
	if got, err := nugget2.Greet([]byte("au"), true); err != nil || string(got) != "auau" {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := nugget2.Greet(nil, false); err == nil || err.Error() != "it panicked" || got != nil {
		t.Errorf("%q, %v", got, err)
	}
	if got, err := nugget2.LengthOf("gold"); got != 4 || err != nil {
		t.Errorf("%d, %v", got, err)
	}
	numbers := []uint16{4, 5}
	if err := nugget2.Twofold(numbers); err != nil || numbers[0] != 8 || numbers[1] != 10 {
		t.Errorf("%v, %v", numbers, err)
	}
	if nugget2.RawLengthOf(&[]byte("gold\x00")[0]) != 4 {
		t.Error("raw")
	}
	// Each library has an error of its own.
	if _, err := smelter.Divide(1, 0); err == nil || err.Error() != "cannot divide 1 by 0" {
		t.Error(err)
	}
}
"""


def bloomeryd(*words):
    p = subprocess.run([os.path.join(BUILD, "bloomeryd"), "--config", d.config, "--state", d.state, "--engine-socket", ENGINE,
                        "--share-dir", d.share, "--toolchain-origins", "debian", *words], stdin=subprocess.DEVNULL,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=1200, check=False)
    check(p.returncode == 0, f"bloomeryd {' '.join(words)} gives {p.returncode}", p.stdout.decode("utf-8", "replace")[-3000:])


def strict_profile(folder):
    """Profile go for a host that does not exist: each rule is one that what is built breaks."""
    shutil.copytree(os.path.join(ROOT, "workers", "profiles", "go"), os.path.join(folder, "go-strict"))
    path = os.path.join(folder, "go-strict", "profile.json")
    with open(path, encoding="utf-8") as f:
        spec = json.load(f)
    spec["name"], spec["cargo_profile"] = "go-strict", {"panic": "abort"}
    sides = {s["file"]: s["contract"] for s in spec["link"]["sides"] if "contract" in s}
    for kind, rules in {"amd64_gnu.so": {"soname": "lib{lib}.so.1"}, "amd64_gnu.a": {"machine": "aarch64"},
                        "amd64_musl.so": {"needed": []}, "amd64_musl.a": {}, "arm64_gnu.so": {"libc_floor": "2.16"},
                        "arm64_gnu.a": {}, "arm64_musl.so": {"type": ["exec"]}, "arm64_musl.a": {"machine": "x86_64"}}.items():
        sides[f"lib{{lib}}-{kind}"].update(rules)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(spec, f)


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("profile-go", "trial-go")
    d = Daemon(suite, "main", slots=2)
    profiles = os.path.join(d.dir, "profiles")
    os.makedirs(profiles)
    strict_profile(profiles)
    d.write_config(profile_dirs=profiles)
    bloomeryd("images", "build", "go-strict")
    suite.on_exit(lambda: bloomeryd("images", "remove", "go-strict"))
    d.start()
    for crate in ("smelter", "header", "plain"):
        built[crate] = d.accept("go", pack(f"go_{crate}"))
    built["strict"] = d.accept("go-strict", pack("go_smelter"))


def package(crate):
    d.succeed(built[crate])
    return d.artifact(built[crate])


def checks(a):
    return {c["name"]: (c["ok"], c["detail"]) for c in a["contract"]["checks"]}


# --- what comes back ---


@suite.test
def test_the_artifacts():
    job = d.succeed(built["smelter"])
    artifacts = d.artifacts(job["id"])
    libraries = [f"libsmelter-{kind}.{suffix}" for kind in KINDS for suffix in ("so", "a")]
    equal(sorted(n for n in artifacts if n != "Cargo.lock"), sorted([*libraries, "smelter.tar", "smelter.h", "smelter.symbols"]),
          "artifacts")
    tar = artifacts["smelter.tar"]
    equal((tar["role"], tar["kind"], tar["contract"]["verdict"]), ("primary", "tar", "pass"), "the package")
    equal(tar["trial"]["verdict"], "pass", f"trial {tar['trial']}")
    for way in ("go vet", "shared library", "static program with musl", "arm64 (qemu)"):
        check(way in tar["trial"]["reason"], f"the trial says nothing of {way}", tar["trial"])
    for name in libraries:
        a = artifacts[name]
        equal((a["role"], a["contract"]["verdict"]), ("side", "pass"), f"{name}: {a['contract']}")
        exported = a["metadata"]["exports"] if name.endswith(".so") else a["metadata"]["defined"]
        equal(sorted(exported), SMELTER, f"symbols of {name}")
        check(checks(a)["machine"][0] is True, f"machine of {name}", a["contract"])
    for arch in ("amd64", "arm64"):
        facts = artifacts[f"libsmelter-{arch}_gnu.so"]["metadata"]
        equal(facts["soname"], "libsmelter.so", "soname")
        check(re.fullmatch(r"2\.[0-9]+", facts["libc_floor"].removeprefix("GLIBC_")), "the floor of glibc", facts["libc_floor"])
        for suffix in ("a", "so"):
            equal(checks(artifacts[f"libsmelter-{arch}_gnu.{suffix}"])["panic"], (True, "panics unwind"), "panic strategy")
    equal(d.artifact(job["id"], "smelter.symbols").decode().split(), SMELTER, "the list of symbols")
    # In its own Cargo.toml the crate wants to abort.
    check(any("panic" in w for w in job["warnings"]), "no warning says that panic = \"abort\" is not used", job["warnings"])


@suite.test
def test_the_package():
    tar = package("smelter")
    names = names_of(tar)
    equal(names, sorted(names), "the order of files")
    for kind in KINDS:
        for file in ("libsmelter.so", "libsmelter.a", *(["libunwind.a"] if "musl" in kind else [])):
            check(f"smelter/lib/{kind}/{file}" in names, f"{kind}/{file} is not in the package", names)
        link = text_of(tar, f"smelter/link_linux_{kind.replace('_gnu', '')}.go")
        check(f"${{SRCDIR}}/lib/{kind}/libsmelter.a" in link, "the link file", link)
    check("-lgcc_s" in text_of(tar, "smelter/link_linux_amd64.go"), "flags of native-static-libs")
    # cbindgen.toml of the crate wins.
    check("SMELTER_H" in text_of(tar, "smelter/include/smelter.h") and "size_t" in text_of(tar, "smelter/include/smelter.h"),
          "the header")
    check("__errno_location" not in text_of(package("plain"), "goplain/include/go_plain.h"), "the header")
    header = package("header")
    equal(text_of(header, "slagheap/include/slag.h"),
          open(os.path.join(ROOT, "tests/crates/go_header/include/slag.h"), encoding="utf-8").read(), "the crate's own header")
    check("slagheap/include/slag_types.h" in names_of(header), "what it includes", names_of(header))
    with Module([tar, header, package("plain")], {}) as m:
        equal(m.run("gofmt", "-l", "."), (0, ""), "what gofmt would write differently")
        equal(m.run("go", "vet", "./...")[0], 0, "go vet")


# --- Go calls it ---


def calls(way):
    with Module([package("smelter"), package("header"), package("plain")], {"quarry_test.go": QUARRY}) as m:
        out = m.test(way)
        for test in ("TestCalls", "TestErrors", "TestPanics", "TestGoroutines", "TestOthers", "TestLibraryIsLoaded"):
            check(f"--- PASS: {test}" in out, f"{test} did not run", out)


def add_calls(way):
    def test():
        calls(way)

    test.__name__ = "test_go_calls_it_" + way.replace(" ", "_")
    suite.test(test)


for each in WAYS:
    add_calls(each)


@suite.test
def test_two_that_keep_the_convention_in_one_program():
    id = d.accept("go", inline(NUGGET_MANIFEST, src__lib=NUGGET))
    d.succeed(id)
    with Module([d.artifact(id), package("smelter")], {"quarry_test.go": NUGGET_TEST}) as m:
        for way in ("static", "musl"):
            check("--- PASS: TestNugget" in m.test(way), f"TestNugget, {way}")


@suite.test
def test_a_static_program_is_static():
    main = 'package main\n\nimport "quarry/smelter"\n\nfunc main() {\n\t_, err := smelter.MayPanic(1)\n\tprintln(err.Error())\n}\n'
    with Module([package("smelter")], {"main.go": main}) as m:
        flags, env = WAYS["musl"]
        script = 'go build -o /tmp/it "$@" . && (ldd /tmp/it 2>&1; true) && env -i /tmp/it 2>&1'
        status, out = m.run("sh", "-c", script, "sh", *flags, **env)
        equal(status, 0, f"a static program ({out[-2000:]})")
        check("not a dynamic executable" in out or "statically linked" in out, "it is not static", out)
        check("panic: assertion" in out and "the guess 1 is wrong" in out, "the panic", out)


# --- bad input ---


def broken(crate, **changes):
    job = d.fail(d.accept("go", pack(crate, **changes)), "contract")
    return job["error"], d.artifacts(job["id"])


@suite.test
def test_a_symbol_that_the_header_does_not_have():
    extra = '\n#[no_mangle]\npub extern "C" fn slag_secret() -> u32 { 7 }\n'
    error, artifacts = broken("go_header", edit={"src/lib.rs": lambda t: t + extra})
    check("slag_secret" in error["message"] and "slag_new" not in error["message"], "the message", error)
    for name, a in artifacts.items():
        if name.endswith((".so", ".a")):
            ok, detail = checks(a)["exports_listed"]
            check(ok is False and detail.endswith("exports what is not listed: slag_secret"), f"the check of {name}", detail)
    equal(artifacts["slag-heap.tar"]["contract"]["verdict"], "fail", "the package's contract")


@suite.test
def test_a_function_that_only_the_header_has():
    error, artifacts = broken("go_header", edit={"include/slag.h": lambda t: t.replace("#endif", "void slag_melt(void);\n#endif")})
    check("slag_melt" in error["message"], "the message", error)
    for name, a in artifacts.items():
        if name.endswith((".so", ".a")):
            equal(checks(a)["exports_listed"], (False, "it does not export slag_melt"), f"the check of {name}")


@suite.test
def test_a_newer_glibc():
    code = '\nunsafe extern "C" { fn __isoc23_strtol(s: *const u8, e: *mut u8, base: i32) -> i64; }\n#[unsafe(no_mangle)]\n' \
        'pub unsafe extern "C" fn add_text(s: *const u8) -> i64 { #[cfg(target_env = "gnu")] return ' \
        'unsafe { __isoc23_strtol(s, std::ptr::null_mut(), 10) }; #[cfg(not(target_env = "gnu"))] return unsafe { *s as i64 } }\n'
    error, artifacts = broken("go_plain", edit={"src/lib.rs": lambda t: t + code})
    check("2.38" in error["message"] and "2.36" in error["message"], "the message", error)
    for arch in ("amd64", "arm64"):
        check(checks(artifacts[f"libgo_plain-{arch}_gnu.so"])["libc_floor"][0] is False, "the check", artifacts)


@suite.test
def test_a_library_that_the_host_does_not_have():
    script = 'fn main() { if std::env::var("TARGET").unwrap() == "x86_64-unknown-linux-gnu" ' \
        '{ println!("cargo:rustc-cdylib-link-arg=-Wl,--no-as-needed"); println!("cargo:rustc-cdylib-link-arg=-lgomp"); } }'
    error, artifacts = broken("go_plain", extra={"build.rs": script})
    check("libgomp.so.1" in error["message"], "the message", error)
    check(checks(artifacts["libgo_plain-amd64_gnu.so"])["needed"][0] is False, "the check", artifacts)
    equal(artifacts["libgo_plain-arm64_gnu.so"]["contract"]["verdict"], "pass", "the other machine's")


@suite.test
def test_each_check_can_fail():
    job = d.fail(built["strict"], "contract")
    artifacts = d.artifacts(job["id"])
    for kind, name, words in (
            ("amd64_gnu.so", "soname", "libsmelter.so.1"), ("amd64_gnu.so", "panic", "_Unwind_RaiseException"),
            ("amd64_gnu.a", "machine", "aarch64"), ("amd64_gnu.a", "panic", "_Unwind_RaiseException"),
            ("amd64_musl.so", "needed", "libc.so"), ("amd64_musl.a", "panic", "_Unwind_RaiseException"),
            ("arm64_gnu.so", "libc_floor", "2.16"), ("arm64_gnu.a", "panic", "_Unwind_RaiseException"),
            ("arm64_musl.so", "type", "dyn"), ("arm64_musl.a", "machine", "x86_64")):
        a = artifacts[f"libsmelter-{kind}"]
        equal(a["contract"]["verdict"], "fail", f"contract of {kind}")
        ok, detail = checks(a)[name]
        check(ok is False and words in detail, f"check {name} of {kind}", a["contract"])
    check(job["error"]["message"], "the message", job["error"])


@suite.test
def test_nothing_to_call():
    manifest = '[package]\nname = "mute"\nversion = "0.1.0"\nedition = "2021"\n'
    job = d.fail(d.accept("go", inline(manifest, src__lib="pub fn one() -> i32 { let unused = 2; 1 }\n")), "link")
    check("exports no C function" in job["error"]["message"], "the message", job["error"])
    equal((job["diagnostics"]["warnings_count"], d.job_log(job["id"]).count("warning: unused variable")), (1, 4),
          "a warning of four targets: counted, and in the log")
    check("#[no_mangle]" in job["error"]["hint"], "the hint", job["error"])


@suite.test
def test_headers_that_are_not_there():
    missing = lambda t: t.replace("include/slag.h", "include/slack.h")
    job = d.fail(d.accept("go", pack("go_header", edit={"Cargo.toml": missing})), "bad_source")
    check("include/slack.h" in job["error"]["message"], "the message", job["error"])
    job = d.fail(d.accept("go", pack("go_header", edit={"include/slag.h": lambda t: t + "class slag { };\n"})), "link")
    check("the header is not C: include/slag.h:" in job["error"]["message"] and "unknown type name 'class'" in
          job["error"]["message"], "the message", job["error"])
    job = d.fail(d.accept("go", pack("go_plain", extra={"cbindgen.toml": "language = 7\n"})), "link")
    check("the header could not be made" in job["error"]["message"], "the message", job["error"])


@suite.test
def test_a_library_without_std():
    manifest = '[package]\nname = "bare"\nversion = "0.1.0"\nedition = "2021"\n'
    lib = '#![no_std]\n#[no_mangle]\npub extern "C" fn one() -> i32 { 1 }\n#[panic_handler]\nfn panic(_: &core::panic::PanicInfo) -> ! ' \
        '{ loop {} }\n'
    job = d.fail(d.accept("go", inline(manifest, src__lib=lib)), "compile")
    check("cannot unwind" in (job["error"]["hint"] or ""), "the hint", job["error"])


@suite.test
def test_a_trial_that_fails():
    # The package is what it should be, but Go cannot compile what the header says.
    job = d.fail(d.accept("go", pack("go_plain", edit={"Cargo.toml": lambda t: t + '[package.metadata.bloomery]\nheader = "x.h"\n'},
                                     extra={"x.h": "#include <stdint.h>\n#include <stddef.h>\ntypedef uint8_t Colour;\n"
                                            "int32_t add(int32_t a, int32_t b);\nvoid set_errno(int32_t to);\n"
                                            "Colour other_colour(Colour c);\nvoid fill(uint8_t *memory, size_t len, uint8_t with);\n"
                                            "#ifndef __clang__\n#error only for clang\n#endif\n"})), "trial")
    check("only for clang" in job["error"]["message"], "the message", job["error"])


# --- the same bytes ---


@suite.test
def test_the_same_bytes_again_and_elsewhere():
    def sums(daemon, id):
        job = daemon.succeed(id)
        return {n: a["sha256"] for n, a in daemon.artifacts(job["id"]).items()}

    elsewhere = Daemon(suite, "elsewhere-with-a-longer-name", slots=1).start()
    there = elsewhere.accept("go", pack("go_smelter"))
    first, again = sums(d, built["smelter"]), sums(d, d.accept("go", pack("go_smelter"), trial="off"))
    check(len(first) >= 11, "artifacts", sorted(first))
    equal(again, first, "sha256 of the second build")
    equal(sums(elsewhere, there), first, "sha256 of a build with another state folder")
    equal(hashlib.sha256(package("smelter")).hexdigest(), first["smelter.tar"], "sha256 of what is downloaded")


@suite.test
def test_nothing_is_left():
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
