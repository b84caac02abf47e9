#!/usr/bin/env python3
"""Published crates with their dependencies, as programs for lind: needs the crate registry (make test-registry)."""

from lib import Daemon, Suite, check, equal, inline, nothing_left
from lind import with_kit

suite = Suite("lind-registry", seconds=1200)
d = None
ids = {}
MANIFEST = '[package]\nname = "wrapped"\nversion = "0.1.0"\nedition = "2021"\n[dependencies]\n'
REGEX = """fn main() {
    let text = regex::Regex::new(r"(\\p{Lu}\\w+) (\\d+)").unwrap().replace_all("Iron 26, Rust 96", "$2 of $1").into_owned();
    println!("regex: {text}");
}
"""
RAYON = """use rayon::prelude::*;
fn main() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
    let sum = pool.install(|| (1..=1000u64).into_par_iter().map(|n| n * n).sum::<u64>());
    println!("rayon: {sum} by {} threads", pool.current_num_threads());
}
"""
# errno takes its numbers from the crate libc, whatever version cargo resolves.
ERRNO = """fn main() {
    let failed = std::fs::File::open("/absent").is_err();
    let e = errno::errno();
    println!("errno: {failed} {} {}", e.0, e.0 == libc::ENOENT);
}
"""
# One of before the crate was rearranged.
OLD_LIBC = """fn main() {
    println!("libc: {:o} {} {} {}", libc::O_CREAT, libc::AT_FDCWD, libc::ENOENT, std::mem::size_of::<libc::stat>());
}
"""
CRATES = {
    "regex": ('regex = "=1.11.1"', REGEX, "regex: 26 of Iron, 96 of Rust"),
    "rayon": ('rayon = "=1.10.0"', RAYON, "rayon: 333833500 by 3 threads"),
    "errno": ('errno = "=0.3.10"\nlibc = "0.2"', ERRNO, "errno: true 2 true"),
    "libc": ('libc = "=0.2.155"', OLD_LIBC, "libc: 100 -100 2 104"),
}


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("profile-lind", "trial-node")
    d = Daemon(suite, "main", slots=2)
    with_kit(d)
    d.start()
    for name, (dependencies, code, _) in CRATES.items():
        ids[name] = d.accept("lind", inline(MANIFEST + dependencies + "\n", src__main=code))


def ran(name):
    a = d.artifacts(d.succeed(ids[name])["id"])["wrapped.wasm"]
    equal(a["contract"]["verdict"], "pass", f"contract of {name}")
    equal(a["trial"]["verdict"], "pass", f"trial of {name}: {a['trial']}")
    wanted = CRATES[name][2]
    check(wanted in a["trial"]["output"].splitlines(), f"{name} does not say {wanted}", a["trial"])
    return a


@suite.test
def test_regex():
    check(ran("regex")["size"] < 2_000_000, "its size")


@suite.test
def test_rayon_in_threads():
    ran("rayon")


@suite.test
def test_a_dependency_that_takes_its_numbers_from_libc():
    ran("errno")


@suite.test
def test_an_old_libc():
    ran("libc")


@suite.test
def test_nothing_is_left():
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
