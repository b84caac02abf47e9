#!/usr/bin/env python3
"""Profile lind with tests/kits/lind, a small C library of our own in lind-glibc's place: from the crate to the module that node
runs; what std and libc were compiled with, read back; each rule of the host's contract seen to break."""

import os
import re
import subprocess
import textwrap

from lib import BUILD, ROOT, Daemon, Suite, check, equal, inline, nothing_left, pack
from lind import BROKEN, PROFILE, add_profile, constants, libc_source, with_kit

suite = Suite("lind", seconds=900)
d = bare = None
MANIFEST = '[package]\nname = "small"\nversion = "0.1.0"\nedition = "2021"\n'
RULES = {"valid", "imports", "exports", "memory", "features", "instrumented"}


def setup():
    global d, bare
    suite.needs_programs()
    suite.needs_engine("profile-lind", "trial-node")
    d = Daemon(suite, "main", slots=2)
    with_kit(d)
    add_profile(suite, d, "lind-broken", broken=True)
    add_profile(suite, d, "lind-plain", link=None)
    d.start()
    bare = Daemon(suite, "bare", slots=1).start()


def small(code):
    return inline(MANIFEST, src__main=code)


def refused(body, kind, profile="lind", **options):
    options.setdefault("trial", "off")
    return d.fail(d.accept(profile, body, **options), kind)["error"]


def checks(artifact):
    return {c["name"]: c for c in artifact["contract"]["checks"]}


@suite.test
def test_a_program_with_threads_and_files():
    job = d.succeed(d.accept("lind", pack("lind_smelter")))
    artifacts = d.artifacts(job["id"])
    equal({n: (a["role"], a["kind"]) for n, a in artifacts.items() if n != "Cargo.lock"},
          {"lind-smelter.wasm": ("primary", "wasm")}, "artifacts")
    a = artifacts["lind-smelter.wasm"]
    equal((a["contract"]["host"], a["contract"]["verdict"]), ("lind-wasm", "pass"), "verdict of the contract")
    equal({n for n, c in checks(a).items() if c["ok"]}, RULES, "checks")
    memory = a["metadata"]["memories"][0]
    equal([memory[k] for k in ("shared", "imported", "exported", "max")], [True, True, True, 1024], f"the memory {memory}")
    exports = {e["name"] for e in a["metadata"]["exports"]}
    check({"memory", "__stack_pointer", "__stack_low", "_start", "__tls_base"} <= exports, "exports", sorted(exports))
    equal({f"{i['module']}.{i['name']}" for i in a["metadata"]["imports"]} & {"env.memory", "lind.make-syscall"},
          {"env.memory", "lind.make-syscall"}, "imports")
    check("lind-test" in [s["name"] for s in a["metadata"]["sections"]], "the kit's tool was not run", a["metadata"]["sections"])
    check(a["size"] < 300_000, f"it has {a['size']} bytes")
    equal(job["warnings"], [], "warnings")
    check("link" in [p["name"] for p in job["phases"]], "the phase of the link step", job["phases"])
    trial = a["trial"]
    equal(trial["verdict"], "pass", f"trial {trial}")
    for words in ("4 heaps, 260 kg of iron", "arguments: 0", 'ledger: ["page"] 16 "100\\niron 26\\n"'):
        check(words in trial["output"], f"the trial's output lacks {words}", trial)
    check("exited with 3" in trial["reason"], "the trial's reason", trial)


@suite.test
def test_without_the_tool_it_is_not_instrumented():
    a = d.artifacts(d.succeed(d.accept("lind-plain", pack("lind_smelter")))["id"])["lind-smelter.wasm"]
    equal(a["contract"]["verdict"], "skipped", "verdict")
    check(a["contract"]["reason"].startswith("uninstrumented: "), "the reason", a["contract"])
    equal(checks(a)["instrumented"]["ok"], None, "the check")
    equal({n for n, c in checks(a).items() if c["ok"]}, RULES - {"instrumented"}, "the others")
    check("lind-test" not in [s["name"] for s in a["metadata"]["sections"]], "the kit's tool was run", a["metadata"]["sections"])
    equal(a["trial"]["verdict"], "pass", f"trial {a['trial']}")


@suite.test
def test_std_and_libc_have_lind_s_values():
    """Read back from a program: std's own libc by what std does with it, the crate's own by name."""
    listed = constants()
    check(len(listed) > 100, "few constants are listed", listed)
    source = libc_source()
    mine = "".join(f'    println!("const {n} {{}}", libc::{n} as i64);\n' for n in sorted(listed))
    body = pack("lind_probe", extra={**{f"libc/{p}": data for p, data in source.items()},
                                     "src/list.rs": "pub fn constants() {\n" + mine + "}\n"})
    id = d.accept("lind", body)
    output = d.artifacts(d.succeed(id)["id"])["lind-probe.wasm"]["trial"]["output"]
    found = {m[1]: int(m[2]) for m in re.finditer(r"^const (\w+) (-?\d+)$", output, flags=re.M)}
    equal(found, listed, "the constants of the crate's own libc")
    # From lind-glibc's headers; the list could be wrong as a whole.
    for name, value in {"O_CREAT": 0o100, "O_EXCL": 0o200, "O_TRUNC": 0o1000, "O_CLOEXEC": 0o2000000, "AT_FDCWD": -100, "ENOENT": 2,
                        "EACCES": 13, "EAGAIN": 11, "ENOSYS": 38, "DT_DIR": 4, "POLLHUP": 16}.items():
        equal(found[name], value, name)
    lines = set(output.splitlines())
    for line in (
            "libc stat: 104 mode 16 size 40 mtim 72", "libc dirent: type 10 name 11", "libc iovec: 16 len 8",
            "libc timespec: 16 nsec 8", "libc timeval: 8 rusage 72 fd_set 128",
            "libc off_t 4 ino_t 4 nlink_t 4 blkcnt_t 4 clock_t 4", "libc FD_SET: 0 20 true false",
            f"std open rw create truncate: {0o2 | 0o100 | 0o1000 | 0o2000000:o}", f"std open append: {0o1 | 0o2000 | 0o2000000:o}",
            f"std open read: {0o2000000:o}", f"std open create_new: {0o1 | 0o100 | 0o200 | 0o2000000:o}",
            "std error 1: PermissionDenied", "std error 2: NotFound", "std error 4: Interrupted", "std error 11: WouldBlock",
            "std error 17: AlreadyExists", "std error 20: NotADirectory", "std error 22: InvalidInput",
            "std error 38: Unsupported", "std open absent: Some((Some(2), NotFound))",
            "std stat: size 5 file true read-only false modified 1500000002.0000002s",
            'std dirent: [("ingot", Some(false)), ("pile", Some(true))]', 'std iovec: 8 "pig iron"'):
        check(line in lines, f"not read back: {line}", output)


@suite.test
def test_a_libc_that_is_not_known():
    source = libc_source()
    source["src/wasi/mod.rs"] = source["src/wasi/mod.rs"].replace(b"pub const O_CREAT:", b"pub const O_KREAT:")
    body = pack("lind_probe", extra={**{f"libc/{p}": data for p, data in source.items()}, "src/list.rs": ""})
    error = refused(body, "compile")
    check("lind-glibc" in error["message"] and "O_CREAT" in error["message"] and error["hint"], "the error", error)


@suite.test
def test_std_that_is_not_known():
    """Sources of std that are not those that the profile's changes were made for, here some that have them already: no image."""
    p = subprocess.run(["docker", "run", "--rm", "--network=none", "-v", f"{PROFILE}:/profile:ro", "bloomery/profile-lind:current",
                        "sh", "-c", "mkdir /tmp/lind && cp /profile/*-for-lind /profile/*.abi /tmp/lind && /tmp/lind/std-for-lind"],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False, text=True)
    check(p.returncode == 1 and p.stdout.startswith("error: std's std/src/"), f"status {p.returncode}", p.stdout)


@suite.test
def test_c_inside():
    """Compiled for the same machine as Rust; of the kit's headers it needs none."""
    trial = d.artifacts(d.succeed(d.accept("lind", pack("c_inside")))["id"])["c-inside.wasm"]["trial"]
    check("the C part says 42" in trial["output"], "the trial's output", trial)


@suite.test
def test_what_lind_glibc_lacks():
    """What today's std needs and lind-glibc does not have: `link`, with the call of std that brings it."""
    calls = {
        "Instant::now": ("_CLOCK_MONOTONIC", "println!(\"{:?}\", std::time::Instant::now());"),
        "SystemTime::now": ("_CLOCK_REALTIME", "println!(\"{:?}\", std::time::SystemTime::now());"),
        "env::vars": ("__wasilibc_get_environ", "println!(\"{}\", std::env::vars().count());"),
        "thread::sleep": ("clock_nanosleep", "std::thread::sleep(std::time::Duration::from_millis(1));"),
    }
    ids = {name: d.accept("lind", small("fn main() { %s }" % code), trial="off") for name, (_, code) in calls.items()}
    for name, (symbol, _) in calls.items():
        error = d.fail(ids[name], "link")["error"]
        check("undefined symbol: " in error["message"] and symbol in error["log_excerpt"], f"{name}: what is missing", error)
        check(name in error["hint"], f"{name}: the hint", error)


@suite.test
def test_nothing_defines_it():
    error = refused(small('extern "C" { fn absent_function(); }\nfn main() { unsafe { absent_function() } }\n'), "link")
    check("absent_function" in error["message"] and error["hint"], "the error", error)


@suite.test
def test_another_type_than_the_library_s():
    error = refused(small('extern "C" { fn lseek(fd: i32, at: i64, whence: i32) -> i64; }\n'
                          "fn main() { println!(\"{}\", unsafe { lseek(0, 0, 0) }) }\n"), "link")
    check("lseek" in error["message"] and "crate libc" in error["hint"], "the error", error)


@suite.test
def test_no_entry_point():
    """A lib is known from the manifest, before anything is compiled; a program without main when it is linked."""
    id = d.accept("lind", inline(MANIFEST, src__lib="pub fn smelt() {}\n"))
    error = d.fail(id, "bad_source")["error"]
    check("no bin" in error["message"] and "lind" in error["message"], "the message", error)
    check("Compiling" not in d.job_log(id), "it was compiled before", d.job_log(id))
    error = refused(small("#![no_main]\n"), "contract")
    check("main" in error["message"] and "fn main" in error["hint"], "the error", error)


@suite.test
def test_contract_imports():
    code = ('#[link(wasm_import_module = "elsewhere")] extern "C" { fn gone(); }\n'
            "fn main() { unsafe { gone() } }\n")
    error = refused(small(code), "contract")
    check("elsewhere.gone" in error["message"], "the message", error)


@suite.test
def test_contract_by_rule():
    """A link that is wrong in one way: the check of that name, and what it names."""
    wanted = {
        "unshared": ("memory", "shared"),
        "larger": ("memory", "1025"),
        "unimported": ("memory", "imported"),
        "unexported": ("memory", "exported"),
        "exports": ("exports", "__stack_low"),
        "atomics": ("features", "atomics"),
        "imports": ("imports", "env.absent_function"),
    }
    equal(set(BROKEN) - {"no"}, set(wanted), "the ways")
    bodies = {"imports": small('extern "C" { fn absent_function(); }\nfn main() { unsafe { absent_function() } }\n')}
    plain = small('fn main() { println!("iron") }\n')
    ids = {way: d.accept("lind-broken", bodies.get(way, plain), broken=way, trial="off") for way in BROKEN}
    equal(d.succeed(ids["no"])["error"], None, "not broken")
    for way, (rule, word) in wanted.items():
        error = d.fail(ids[way], "contract")["error"]
        found = checks(d.artifacts(ids[way])["small.wasm"])[rule]
        check(found["ok"] is False and word in found["detail"], f"{way}: check {rule}", found, error)
    error = d.job(ids["unshared"])["error"]
    check("lind-wasm" in error["message"], "the job's error names the host", error)


@suite.test
def test_what_the_host_decides():
    other = '\n[profile.release]\npanic = "unwind"\nlto = true\nopt-level = "z"\n'
    job = d.succeed(d.accept("lind", pack("lind_smelter", edit={"Cargo.toml": lambda t: t + other})))
    text = "\n".join(job["warnings"])
    check("panic" in text and "lto" not in text and "opt-level" not in text, "warnings", job["warnings"])
    equal(d.artifacts(job["id"])["lind-smelter.wasm"]["trial"]["verdict"], "pass", "with lto and opt-level z")


@suite.test
def test_trial_of_what_stops():
    wanted = {
        'fn main() { println!("now"); panic!("cold") }\n': "stopped",
        "fn main() { std::thread::spawn(|| std::process::exit(7)).join().unwrap(); }\n": "exited with 7, in a thread",
        'fn main() { std::thread::spawn(|| println!("in a thread: {:?}", std::thread::current().id())).join().unwrap(); }\n':
            "exited with 0",
    }
    ids = {code: d.accept("lind", small(code)) for code in wanted}
    for code, words in wanted.items():
        trial = d.artifacts(d.succeed(ids[code])["id"])["small.wasm"]["trial"]
        check(trial["verdict"] == "pass" and words in trial["reason"], f"the trial of {code}", trial)


@suite.test
def test_without_a_kit():
    """It is compiled, and what cargo made is there: one object, which the kit's owner can link."""
    id = bare.accept("lind", pack("lind_smelter"))
    error = bare.fail(id, "kit_missing")["error"]
    check("lind-glibc" in error["message"] and "kit install" in error["hint"], "the error", error)
    artifacts = bare.artifacts(id)
    a = artifacts["lind-smelter.wasm"]
    equal((a["role"], a["kind"]), ("side", "wasm"), "the object's role and kind")
    sections = [s["name"] for s in a["metadata"]["sections"]]
    check("linking" in sections, "it is no object", sections)
    equal(bare.artifact(id, "lind-smelter.wasm")[:4], b"\0asm", "its first bytes")


@suite.test
def test_the_page_of_kits():
    """docs/kits.md, as an operator without a lind-wasm tree would: from the page alone to a module. `bare` has a kit after this."""
    with open(os.path.join(ROOT, "docs", "kits.md"), encoding="utf-8") as f:
        script = f.read().split("with the image of the toolchain at hand")[1].split("\n\n")[1]
    check(script.count("bloomeryd kit install") == 1, "the page has changed", script)
    checkout = os.path.join(bare.dir, "checkout")
    os.mkdir(checkout)
    for name in ("tests", "docs", "workers", "schema"):
        os.symlink(os.path.join(ROOT, name), os.path.join(checkout, name))
    env = dict(os.environ, PATH=f"{BUILD}:{os.environ['PATH']}", BLOOMERY_CONFIG=bare.config, BLOOMERY_STATE=bare.state,
               BLOOMERY_SHARE_DIR=bare.share, BLOOMERY_ENGINE_SOCKET=bare.engine, BLOOMERY_SERVER=f"http://127.0.0.1:{bare.port}")
    p = subprocess.run(["bash", "-euo", "pipefail", "-c", textwrap.dedent(script)], cwd=checkout, env=env, timeout=800, text=True,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    equal(p.returncode, 0, f"status of the page's commands, which said {p.stdout[-3000:]}")
    check("it ran and exited with 3" in p.stdout, "what the client says of the trial", p.stdout[-1500:])
    with open(os.path.join(checkout, "lind-smelter.wasm"), "rb") as f:
        equal(f.read(4), b"\0asm", "the module that the client wrote")


@suite.test
def test_the_same_bytes():
    """Built twice, and by a daemon with another state folder: every artifact has the same sha256."""
    def sums(daemon):
        job = daemon.succeed(daemon.accept("lind", pack("lind_smelter"), trial="off"))
        return {n: a["sha256"] for n, a in daemon.artifacts(job["id"]).items()}

    first = sums(d)
    check("lind-smelter.wasm" in first, "artifacts", first)
    equal(sums(d), first, "again")
    other = Daemon(suite, "a-second-daemon-with-a-longer-name", slots=1)
    with_kit(other)
    other.start()
    equal(sums(other), first, "by another daemon")
    other.close()


@suite.test
def test_nothing_is_left():
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
