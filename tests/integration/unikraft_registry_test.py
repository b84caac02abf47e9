#!/usr/bin/env python3
"""Published crates with their dependencies as Unikraft applications, by both compilers (make test-registry): regex behind
rust_main, serde_json in a program with its own main. Each is booted in qemu with the kernel of tests/kits/unikraft.
"""

import os

from lib import Daemon, Suite, check, equal, inline, nothing_left
from unikraft import PROFILES, add_copy, bloomeryd, install_kit, wait_available

suite = Suite("unikraft-registry", seconds=1800)
SECONDS = 1500  # for one job on a slow line
d = None
ids = {}
HEAD = '[package]\nname = "%s"\nversion = "0.1.0"\nedition = "2018"\n'
REGEX = HEAD % "sieve" + '[lib]\ncrate-type = ["staticlib"]\n[dependencies]\nregex = "1"\n'
SIEVE = """use std::os::raw::{c_char, c_int};
#[no_mangle]
pub extern "C" fn rust_main(_: c_int, _: *const *const c_char) -> c_int {
    let pairs = regex::Regex::new(r"(\\w+)=(\\d+)").unwrap();
    for found in pairs.captures_iter("iron=26, rust=, tin=50, \\u{e9}tain=50") {
        println!("{} has {}", &found[1], &found[2]);
    }
    pairs.captures_iter("a=1 b=2 c=3").count() as c_int
}
"""
JSON = HEAD % "ledger" + '[dependencies]\nserde = { version = "1", features = ["derive"] }\nserde_json = "1"\n'
LEDGER = """use std::collections::BTreeMap;
#[derive(serde::Serialize, serde::Deserialize)]
struct Smelt { ore: String, kilograms: f64, found: BTreeMap<String, u32> }
fn main() {
    let mut smelt: Smelt = serde_json::from_str(r#"{"ore":"hematite","kilograms":12.5,"found":{"iron":8}}"#).unwrap();
    smelt.found.insert("slag".to_string(), 4);
    println!("{}", serde_json::to_string(&smelt).unwrap());
    println!("{}", serde_json::from_str::<Smelt>("{").err().unwrap());
}
"""
SAID = {
    "sieve": ("iron has 26\ntin has 50\n\u00e9tain has 50\n", 3),
    "ledger": ('{"ore":"hematite","kilograms":12.5,"found":{"iron":8,"slag":4}}\nEOF while parsing an object at line 1 column 1\n', 0),
}


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("profile-unikraft", "profile-unikraft-modern", "trial-qemu")
    d = Daemon(suite, "main", slots=2)
    names = [f"{p}-kit" for p in PROFILES]
    for p, name in zip(PROFILES, names):
        add_copy(d, p, name)
    d.write_config(profile_dirs=os.path.join(d.dir, "profiles"))
    install_kit(d, "unikraft-kvm", names)
    for name in names:
        suite.on_exit(lambda name=name: bloomeryd(d, "images", "remove", name))
        bloomeryd(d, "images", "build", name)
    d.start()
    for name in names:
        wait_available(d, name)
        ids["sieve", name] = d.accept(name, inline(REGEX, src__lib=SIEVE))
        ids["ledger", name] = d.accept(name, inline(JSON, src__main=LEDGER))


@suite.test
def test_they_boot():
    for (crate, profile), id in ids.items():
        job = d.wait(id, SECONDS)
        check(job["state"] == "succeeded", f"{crate} for {profile} {job['state']}: {job['error']}", d.job_log(id)[-3000:])
        a = d.artifacts(id)[f"{crate}.a"]
        equal(a["contract"]["verdict"], "pass", f"contract {a['contract']}")
        said, status = SAID[crate]
        check(said in a["trial"]["output"].replace("\r", ""), f"{crate} for {profile}: the serial port", a["trial"])
        check(f"the application returned {status}" in a["trial"]["reason"], "the trial", a["trial"])
        equal(job["lock"], "resolved", "lock")


@suite.test
def test_nothing_is_left():
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
