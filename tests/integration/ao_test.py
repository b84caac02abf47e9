#!/usr/bin/env python3
"""Profile ao as far as Debian's packages go: the emcc link, its options, and each rule of the host's contract seen to break.

What ao's own loader says is in ao_registry_test.py: it comes from the npm registry.
"""

import json

from ao import BROKEN, TAGS, add_broken
from lib import Daemon, Suite, check, equal, inline, nothing_left, pack

suite = Suite("ao", seconds=900)
d = None
MANIFEST = '[package]\nname = "small"\nversion = "0.1.0"\nedition = "2021"\n'
HANDLE = """use std::ffi::c_char;
#[no_mangle]
pub extern "C" fn handle(message: *const c_char, _: *const c_char) -> *const c_char { %s message }
"""
PAGE = 65536
PRESETS = {"xs": (20, 128), "sm": (36, 256), "md": (68, 512), "lg": (100, 1024)}


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("profile-ao", "profile-wasm")
    d = Daemon(suite, "main", slots=2)
    add_broken(suite, d)
    d.start()


def built(body, profile="ao", **options):
    options.setdefault("trial", "off")
    return d.succeed(d.accept(profile, body, **options))


def refused(body, kind, profile="ao", **options):
    options.setdefault("trial", "off")
    return d.fail(d.accept(profile, body, **options), kind)["error"]


def checks(artifact):
    return {c["name"]: c for c in artifact["contract"]["checks"]}


def exports(artifact):
    return {e["name"] for e in artifact["metadata"]["exports"]}


@suite.test
def test_own_handle():
    job = built(pack("ao_ledger"))
    artifacts = d.artifacts(job["id"])
    equal({n: (a["role"], a["kind"]) for n, a in artifacts.items() if n != "Cargo.lock"},
          {"ao-ledger.wasm": ("primary", "wasm"), "tags.json": ("side", "json")}, "artifacts")
    a = artifacts["ao-ledger.wasm"]
    equal(a["contract"]["verdict"], "pass", "verdict of the contract")
    equal({n for n, c in checks(a).items() if c["ok"]}, {"valid", "imports", "exports", "memory"}, "checks")
    check({"handle", "memory", "malloc"} <= exports(a), "exports", sorted(exports(a)))
    check(a["size"] < 80_000, f"a small ledger has {a['size']} bytes")
    equal(job["warnings"], [], "warnings")
    check("link" in [p["name"] for p in job["phases"]], "the phase of the link step", job["phases"])
    tags = json.loads(d.artifact(job["id"], "tags.json"))
    equal({t["name"]: t["value"] for t in tags}, TAGS, "tags")
    check(isinstance(tags, list) and all(set(t) == {"name", "value"} for t in tags), "the form of the tags", tags)


@suite.test
def test_named_entry():
    a = d.artifacts(built(pack("ao_entry"))["id"])["ao-entry.wasm"]
    check("handle" in exports(a) and "greet" not in exports(a), "exports", sorted(exports(a)))


@suite.test
def test_own_c_sources():
    a = d.artifacts(built(pack("ao_with_c"))["id"])["ao-with-c.wasm"]
    check("handle" in exports(a), "exports", sorted(exports(a)))


@suite.test
def test_memory_presets():
    ids = {m: d.accept("ao", pack("ao_entry"), trial="off", memory=m, compute_limit=1000) for m in PRESETS}
    for memory, (initial, maximum) in PRESETS.items():
        id = d.succeed(ids[memory])["id"]
        facts = d.artifacts(id)["ao-entry.wasm"]["metadata"]["memories"][0]
        equal((facts["min"], facts["max"]), (initial * 16, maximum * 16), f"pages of {memory}")
        tags = {t["name"]: t["value"] for t in json.loads(d.artifact(id, "tags.json"))}
        equal((tags["Memory-Limit"], tags["Compute-Limit"]), (f"{maximum}-mb", "1000"), f"tags of {memory}")


@suite.test
def test_panic_immediate_abort():
    plain = d.artifacts(built(pack("ao_ledger"))["id"])["ao-ledger.wasm"]["size"]
    small = d.artifacts(built(pack("ao_ledger"), panic="immediate-abort")["id"])["ao-ledger.wasm"]["size"]
    check(small < plain * 2 / 3, f"immediate-abort gives {small} bytes, abort {plain}")


@suite.test
def test_what_the_host_decides():
    """The crate's own panic, lto and opt-level do not hold, and the job says so."""
    other = '\n[profile.release]\npanic = "unwind"\nlto = false\nopt-level = 3\ncodegen-units = 16\n'
    job = built(pack("ao_entry", edit={"Cargo.toml": lambda t: t + other}))
    text = "\n".join(job["warnings"])
    for setting in ("panic", "lto", "opt-level", "codegen-units"):
        check(setting in text, f"no warning of {setting}", job["warnings"])
    mine = d.artifacts(job["id"])["ao-entry.wasm"]["sha256"]
    equal(mine, d.artifacts(built(pack("ao_entry"))["id"])["ao-entry.wasm"]["sha256"], "sha256 with and without them")


@suite.test
def test_a_crate_for_wasm_too():
    """crate-type = ["cdylib"], as profile wasm has it: one upload for both."""
    body = inline(MANIFEST + '[lib]\ncrate-type = ["cdylib"]\n', src__lib=HANDLE % "")
    check("handle" in exports(d.artifacts(built(body)["id"])["small.wasm"]), "built from a cdylib")
    equal(built(body, "wasm")["state"], "succeeded", "the same for wasm")


@suite.test
def test_no_entry_point():
    error = refused(inline(MANIFEST, src__lib="pub fn nothing() {}\n"), "contract")
    check("handle" in error["message"], "the message", error)
    for way in ("fn handle", "entry =", "c_sources ="):
        check(way in error["hint"], f"the hint does not tell of {way}", error)


@suite.test
def test_entry_that_is_not_there():
    error = refused(pack("ao_entry", edit={"Cargo.toml": lambda t: t.replace('"greet"', '"absent_function"')}), "contract")
    check("absent_function" in error["message"] and "no_mangle" in error["hint"], "the message", error)


@suite.test
def test_entry_defined_twice():
    body = inline(MANIFEST + '[package.metadata.bloomery]\nentry = "other"\n', src__lib=HANDLE % "" + (
        '#[no_mangle]\npub extern "C" fn other(m: *const c_char, _: *const c_char) -> *const c_char { m }\n'))
    error = refused(body, "contract")
    check("handle" in error["message"] and "other" in error["message"], "the message", error)
    error = refused(pack("ao_with_c", edit={"src/lib.rs": lambda t: t + (
        '#[no_mangle]\npub extern "C" fn handle(m: *const u8, _: *const u8) -> *const u8 { m }\n')}), "contract")
    check("handle" in error["message"] and "c/main.c" in error["message"], "the message", error)


@suite.test
def test_entry_of_another_type():
    body = inline(MANIFEST + '[package.metadata.bloomery]\nentry = "short"\n', src__lib=(
        '#[no_mangle]\npub extern "C" fn short(m: *const u8) -> *const u8 { m }\n'))
    error = refused(body, "contract")
    check("short" in error["message"] and "c_char" in error["hint"], "the message", error)


@suite.test
def test_keys_that_cannot_be():
    """Known from the manifest: refused before anything is compiled."""
    for line, word in (('entry = "not a name"', "entry"), ('c_sources = ["../main.c"]', "c_sources"),
                       ('c_sources = "c/main.c"', "c_sources")):
        id = d.accept("ao", inline(f"{MANIFEST}[package.metadata.bloomery]\n{line}\n", src__lib=""))
        error = d.fail(id, "bad_source")["error"]
        check(word in error["message"], f"of {line}", error)
        check("Compiling" not in d.job_log(id), "it was compiled before", d.job_log(id))


@suite.test
def test_c_source_that_is_not_there():
    body = pack("ao_with_c", edit={"Cargo.toml": lambda t: t.replace("c/main.c", "c/absent.c")})
    job = d.wait(d.accept("ao", body, trial="off"))
    equal(job["state"], "failed", "state")
    check(job["error"]["kind"] == "bad_source" and "c/absent.c" in job["error"]["message"], "the message", job)
    check("build" not in [p["name"] for p in job["phases"]], "it is said before anything is compiled", job["phases"])


@suite.test
def test_c_that_does_not_compile():
    error = refused(pack("ao_with_c", edit={"c/main.c": lambda t: t.replace("int messages", "int no_messages")}), "link")
    check("messages" in error["message"] and "main.c" in error["log_excerpt"], "the message", error)


@suite.test
def test_nothing_defines_it():
    body = inline(MANIFEST, src__lib=HANDLE % "unsafe { absent_function() };" + 'extern "C" { fn absent_function(); }\n')
    error = refused(body, "link")
    check("absent_function" in error["message"] and error["hint"], "the message", error)


@suite.test
def test_contract_imports():
    """emcc knows the function, the host does not: listing a folder."""
    body = inline(MANIFEST, src__lib=HANDLE % 'println!("{}", std::fs::read_dir("/").map_or(0, |d| d.count()));')
    error = refused(body, "contract")
    check("env.__syscall_getdents64" in error["message"], "the message", error)


@suite.test
def test_contract_by_rule():
    """A link that is wrong in one way: the check of that name, and what it names."""
    wanted = {
        "names": ("imports", "a."),
        "imported": ("imports", "env.memory"),
        "smaller": ("memory", "4096"),
        "larger": ("memory", "1280"),
        "exports": ("exports", "emscripten_stack_get_free"),
    }
    equal(set(BROKEN) - {"no"}, set(wanted), "the ways")
    ids = {way: d.accept("ao-broken", pack("ao_entry"), broken=way, trial="off") for way in BROKEN}
    equal(d.succeed(ids["no"])["error"], None, "not broken")
    for way, (rule, word) in wanted.items():
        error = d.fail(ids[way], "contract")["error"]
        found = checks(d.artifacts(ids[way])["ao-entry.wasm"])[rule]
        check(found["ok"] is False and word in found["detail"], f"{way}: check {rule}", found, error)
    found = checks(d.artifacts(ids["imported"])["ao-entry.wasm"])["memory"]
    check(found["ok"] is False and "not exported" in found["detail"], "memory that is imported", found)


@suite.test
def test_too_large_statics():
    body = inline(MANIFEST, src__lib="static mut TABLE: [u8; 8 << 20] = [1; 8 << 20];\n" + HANDLE % (
        "unsafe { (&raw mut TABLE).cast::<u8>().add(message as usize % (8 << 20)).write_volatile(2) };"))
    error = refused(body, "link")
    check("4 MiB" in error["hint"], "the hint", error)


@suite.test
def test_the_same_bytes():
    """Built twice, and by a daemon with another state folder: every artifact has the same sha256."""
    def sums(daemon, crate):
        job = daemon.succeed(daemon.accept("ao", pack(crate), trial="off"))
        return {n: a["sha256"] for n, a in daemon.artifacts(job["id"]).items()}

    other = Daemon(suite, "a-second-daemon-with-a-longer-name", slots=1).start()
    for crate in ("ao_ledger", "ao_entry", "ao_with_c"):
        first = sums(d, crate)
        check(len(first) >= 2, "artifacts", first)
        equal(sums(d, crate), first, f"{crate}, again")
        equal(sums(other, crate), first, f"{crate}, by another daemon")
    other.close()


@suite.test
def test_a_bin_only():
    error = refused(pack("empty_main"), "bad_source")
    check("lib" in error["message"], "the message", error)


@suite.test
def test_nothing_is_left():
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
