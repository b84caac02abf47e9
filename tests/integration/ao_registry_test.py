#!/usr/bin/env python3
"""Profile ao with ao's own loader, and with published crates: needs the npm and the crate registry (make test-registry).

The loader is in the image trial-ao, as its package-lock.json pins it; it runs without network.
"""

import hashlib
import json

from ao import add_broken, process
from lib import Daemon, Suite, check, equal, inline, nothing_left, pack

suite = Suite("ao-registry", seconds=1200)
MIB = 1 << 20
METERED = "wasm32-unknown-emscripten-metering"
d = None
ids = {}
MANIFEST = '[package]\nname = "wrapped"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n'
# A published crate, wrapped for this host: DATA becomes what the expression gives.
WRAPPED = """use std::cell::RefCell;
use std::ffi::{c_char, CStr, CString};
thread_local!(static ANSWER: RefCell<CString> = RefCell::default());
fn answer(data: &str) -> String { %s }
#[no_mangle]
pub unsafe extern "C" fn handle(message: *const c_char, _: *const c_char) -> *const c_char {
    let message = CStr::from_ptr(message).to_str().unwrap();
    let data = message.split("\\"Data\\":\\"").nth(1).unwrap().split('"').next().unwrap();
    let hex: String = answer(data).bytes().map(|b| format!("{b:02x}")).collect();
    let text = format!(r#"{{"ok":true,"response":{{"Output":"{hex}","Messages":[],"Spawns":[],"Assignments":[]}}}}"#);
    ANSWER.with_borrow_mut(|a| { *a = CString::new(text).unwrap(); a.as_ptr() })
}
"""
MARKDOWN = "let mut out = String::new(); pulldown_cmark::html::push_html(&mut out, pulldown_cmark::Parser::new(data)); out"
REGEX = 'regex::Regex::new(r"(\\p{Lu}\\w+) (\\d+)").unwrap().replace_all(data, "$2 of $1").into_owned()'
SHA = 'use sha2::{Digest, Sha256}; Sha256::digest(data).iter().map(|b| format!("{b:02x}")).collect()'
CRATES = {"markdown": ('pulldown-cmark = "=0.12.2"', MARKDOWN), "regex": ('regex = "=1.11.1"', REGEX),
          "sha2": ('sha2 = "=0.10.8"', SHA)}


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("profile-ao", "trial-ao")
    d = Daemon(suite, "main", slots=2)
    # A contract without the rules that hold names: what passes it is the trial's to find.
    add_broken(suite, d, "ao-lax", rules={"imports": None, "exports": None})
    d.start()
    for name, (dependency, code) in CRATES.items():
        ids[name] = d.accept("ao", inline(MANIFEST + dependency + "\n", src__lib=WRAPPED % code))
    ids["json"] = d.accept("ao", pack("ao_json"))
    for name in ("ledger", "entry", "with_c"):
        ids[name] = d.accept("ao", pack(f"ao_{name}"))


def built(name):
    """(module, trial) of a job that has succeeded."""
    job = d.succeed(ids[name])
    a = next(a for a in d.artifacts(job["id"]).values() if a["role"] == "primary")
    equal(a["contract"]["verdict"], "pass", f"contract of {name}")
    equal((a["trial"]["verdict"], a["trial"]["host"]), ("pass", "ao-loader"), f"trial of {name}")
    return d.artifact(job["id"]), a["trial"]


def outputs(answers):
    return [a.get("output", a.get("error")) for a in answers]


@suite.test
def test_state_over_messages():
    module, trial = built("ledger")
    check("no such action: Info" in trial["reason"], "the trial tells what was answered", trial)
    messages = [("Credit", "ada 5"), ("Credit", "ada 7"), ("Balance", "ada"), ("Count", "")]
    wanted = ["ada has 5", "ada has 12", "ada has 12", "4 messages, 1 accounts"]
    equal(outputs(process(module, messages)), wanted, "answers")
    equal(outputs(process(module, messages, METERED)), wanted, f"answers under {METERED}")


@suite.test
def test_panic_and_the_message_after_it():
    module, _ = built("ledger")
    answers = process(module, [("Credit", "ada 5"), ("Panic", "x"), ("Balance", "ada"), ("Count", "")])
    check("error" in answers[1], "a panic is an error of that message", answers)
    equal([a["output"] for a in answers if "output" in a], ["ada has 5", "ada has 5", "3 messages, 1 accounts"],
          "what the others answer: with the memory from before the panic")


@suite.test
def test_memory_growth():
    module, _ = built("ledger")
    answers = process(module, [("Keep", "8"), ("Keep", "200"), ("Keep", "100"), ("Keep", "300"), ("Keep", "50")])
    equal(outputs(answers[:3]), ["8 MiB", "208 MiB", "308 MiB"], "what is kept")
    check(answers[0]["memory"] < answers[1]["memory"] <= answers[2]["memory"] <= 512 * MIB, "memory grows", answers)
    check("error" in answers[3], "there is an end of it: 512 MiB", answers)
    equal(answers[4].get("output"), "358 MiB", "the message after it")


@suite.test
def test_large_messages():
    """Messages lie on the module's stack: 64 MiB with memory=md."""
    module, _ = built("ledger")
    answers = process(module, [("Credit", "ada 5"), ("Length", 4 * MIB), ("Length", 32 * MIB), ("Balance", "ada")])
    equal(outputs(answers), ["ada has 5", f"{4 * MIB} bytes", f"{32 * MIB} bytes", "ada has 5"], "answers")


@suite.test
def test_memory_presets():
    for memory, stack in (("xs", 16), ("sm", 32), ("lg", 96)):
        id = d.accept("ao", pack("ao_ledger"), memory=memory)
        module = d.artifact(d.succeed(id)["id"])
        answers = process(module, [("Length", 4 * MIB), ("Length", (stack + 1) * MIB)])
        equal(answers[0].get("output"), f"{4 * MIB} bytes", f"4 MiB with {memory}")
        check("error" in answers[1], f"more than {memory}'s stack", answers[1])


@suite.test
def test_panic_immediate_abort():
    id = d.accept("ao", pack("ao_ledger"), panic="immediate-abort")
    answers = process(d.artifact(d.succeed(id)["id"]), [("Credit", "ada 5"), ("Panic", "x"), ("Balance", "ada")])
    check("error" in answers[1], "a panic is an error", answers)
    equal([answers[0]["output"], answers[2]["output"]], ["ada has 5", "ada has 5"], "the others")


@suite.test
def test_entry_and_c():
    module, _ = built("entry")
    equal(outputs(process(module, [("Any", "")] * 3)), ["greeting 1", "greeting 2", "greeting 3"], "a named entry")
    module, _ = built("with_c")
    equal(outputs(process(module, [("Any", "")] * 2)), ["IRON 1", "IRON 2"], "C of the crate's own")


@suite.test
def test_serde_json():
    module, _ = built("json")
    answers = [json.loads(o) for o in outputs(process(module, [("Any", "iron"), ("Any", 4 * MIB)]))]
    equal(answers, [{"from": "o", "count": 1, "length": 4}, {"from": "o", "count": 2, "length": 4 * MIB}], "answers")


@suite.test
def test_published_crates():
    data = "Iron 26 and Rust 56"
    wanted = {"markdown": f"<p>{data}</p>\n", "regex": "26 of Iron and 56 of Rust",
              "sha2": hashlib.sha256(data.encode()).hexdigest()}
    for name, text in wanted.items():
        module, _ = built(name)
        equal([bytes.fromhex(o).decode() for o in outputs(process(module, [("Any", data)]))], [text], name)


@suite.test
def test_trial_of_a_panic():
    """It is told, and passes: the host loaded the module and started it."""
    body = pack("ao_entry", edit={"src/lib.rs": lambda t: t.replace("let n =", 'if true { panic!("at once") } let n =')})
    id = d.succeed(d.accept("ao", body))["id"]
    trial = d.artifacts(id)["ao-entry.wasm"]["trial"]
    equal(trial["verdict"], "pass", "verdict")
    check("at a message it stopped" in trial["reason"] and "at once" in trial["output"], "the reason", trial)


@suite.test
def test_trial_of_a_loop():
    body = pack("ao_entry", edit={"src/lib.rs": lambda t: t.replace("let n =", "loop { std::hint::spin_loop() } let n =")})
    trial = d.artifacts(d.succeed(d.accept("ao", body))["id"])["ao-entry.wasm"]["trial"]
    check(trial["verdict"] == "pass" and "still at work" in trial["reason"], "the trial", trial)


@suite.test
def test_trial_of_what_does_not_load():
    """Names made short, and a host without the function: the loader says so, and the job fails."""
    error = d.fail(d.accept("ao-lax", pack("ao_entry"), broken="names"), "trial")["error"]
    check("ao-loader does not load it" in error["message"], "the message", error)
    body = pack("ao_entry", edit={"src/lib.rs": lambda t: t.replace(
        "let n =", 'println!("{}", std::fs::read_dir("/").map_or(0, |d| d.count())); let n =')})
    error = d.fail(d.accept("ao-lax", body), "trial")["error"]
    check("__syscall_getdents64" in error["message"], "the message", error)


@suite.test
def test_nothing_is_left():
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
