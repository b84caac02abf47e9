#!/usr/bin/env python3
"""verify=1 builds twice and compares; a job's replay lets a third party do so with docker alone. On the real Engine, for a
module, a static binary, and an AO module with its link step, of crates that need no registry.
"""

import hashlib
import json
import os
import subprocess
import tempfile

import replays
from lib import Daemon, Suite, check, equal, inline, nothing_left, pack, tar_of, tree_entries, read_tree, entry

suite = Suite("replay", seconds=1500)
d = None
ids = {}
SECONDS = 1000  # for one job: others are built before it
MANIFEST = '[package]\nname = "clock-in"\nversion = "0.1.0"\nedition = "2021"\n'
BUILD_RS = """fn main() {
    let t = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_nanos();
    println!("cargo:rustc-env=BUILT={t:030}");
}
"""
MAIN = 'fn main() { println!("{}", env!("BUILT")); }\n'


def as_somebody_packs_it():
    """The example, vendored but without its lock, in a folder with what is not unpacked: git's, macOS's, cargo's own output, a
    configuration beneath."""
    tree = read_tree("example")
    del tree["Cargo.lock"]
    more = [(entry(name), b"x") for name in ("smelt-1.0/.git/HEAD", "smelt-1.0/src/._main.rs", "smelt-1.0/target/CACHEDIR.TAG",
                                             "smelt-1.0/target/old", "smelt-1.0/deep/.cargo/config.toml")]
    return tar_of(tree_entries(tree, "smelt-1.0/") + more)


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("profile-wasi", "profile-musl", "profile-ao")
    d = Daemon(suite, "main", slots=2).start()
    clock = inline(MANIFEST, build=BUILD_RS, src__main=MAIN)
    # What a trial says is no matter here.
    ids["wasi"] = d.accept("wasi", as_somebody_packs_it(), verify="1", trial="off", env__BLESSING="it's \"$HOME\" `id` \\ *")
    ids["ao"] = d.accept("ao", pack("ao_entry"), verify="1", trial="off")
    ids["clock musl"] = d.accept("musl", clock, verify="1", trial="off")
    ids["clock wasi"] = d.accept("wasi", clock, verify="1", trial="off")
    ids["plain"] = d.accept("musl", pack("empty_main"), trial="off")


def built(name):
    job = d.wait(ids[name], SECONDS)
    check(job["state"] == "succeeded", f"{name} {job['state']}: {job['error']}", d.job_log(ids[name])[-3000:])
    return job


# --- twice ---


@suite.test
def test_what_is_reproducible():
    for name, profile in (("wasi", "wasi"), ("ao", "ao")):
        job = built(name)
        v = job["verification"]
        equal((v["verdict"], v["reason"]), ("reproducible", None), f"verification for {profile}")
        hashes = {a["name"]: a["sha256"] for a in job["artifacts"] if a["kind"] != "lock"}
        equal({a["name"]: a["second_sha256"] for a in v["artifacts"]}, hashes, "the second build's")
        equal([a["first_difference"] for a in v["artifacts"]], [None] * len(hashes), "differences")
        link = ["link"] if profile == "ao" else []
        equal([p["name"] for p in job["phases"]], ["fetch", "build", *link, "check", "verify-fetch", "verify-build",
                                                   *["verify-link" for _ in link], "verify-check"], "phases")
        check(all(p["cpu_seconds"] > 0 for p in job["phases"] if "build" in p["name"]), "CPU of both builds", job["phases"])
        check("reproducible: a second build gave the same bytes" in d.job_log(ids[name]), "the log", d.job_log(ids[name]))
    equal(built("plain")["verification"], None, "of a job that was built once")


@suite.test
def test_what_is_not():
    for name, profile, section in (("clock musl", "musl", ".rodata"), ("clock wasi", "wasi", "data")):
        job = built(name)
        v = job["verification"]
        equal(v["verdict"], "different", "verdict")
        only, = v["artifacts"]
        kept = d.artifact(job["id"])
        equal(only["sha256"], hashlib.sha256(kept).hexdigest(), "what is kept is the first build's")
        check(only["second_sha256"] not in (None, only["sha256"]), "the second's", only)
        equal(only["first_difference"]["section"], section, f"section for {profile}")
        check(0 < only["first_difference"]["offset"] < len(kept), "offset", only)
        said = [w for w in job["warnings"] if "not reproducible" in w]
        check(len(said) == 1 and only["name"] in said[0] and section in said[0], "the warning", job["warnings"])


# --- by somebody else ---


@suite.test
def test_somebody_else_builds_it_again():
    folders = {name: replays.fetched(suite, d, built(name)["id"]) for name in ("wasi", "ao")}
    out = tempfile.mkdtemp(prefix="bloomery-replayed-")
    suite.on_exit(lambda: subprocess.run(["rm", "-rf", out], check=False))
    # They are begun together: most of a build is waiting for one compiler.
    running = {name: replays.start(folder, *([out] if name == "ao" else [])) for name, folder in folders.items()}
    ends = {name: replays.end(p) for name, p in running.items()}
    for name, p in running.items():
        replays.reproduced(d, d.job(ids[name]), ends[name])
        replays.nothing_left(p)
        check("not held against" not in ends[name][2], "the tree was not held against the source", ends[name][2])
    job = d.job(ids["ao"])
    for a in job["artifacts"]:
        with open(os.path.join(out, a["name"]), "rb") as f:
            equal(hashlib.sha256(f.read()).hexdigest(), a["sha256"], f"{a['name']} in the folder")
    with open(os.path.join(folders["ao"], "replay.json"), encoding="utf-8") as f:
        said = json.load(f)
    equal([(s["name"], said["containers"][s["container"]]["fresh"]) for s in said["steps"]],
          [("cargo", []), ("the link step", ["out", "home", "tmp"])], "steps")


@suite.test
def test_what_comes_out_otherwise():
    status, out, err = replays.run(replays.fetched(suite, d, built("clock wasi")["id"]))
    equal(status, 1, f"status for a crate that is not reproducible ({err[-500:]})")
    a, = d.job(ids["clock wasi"])["artifacts"]
    check(out.startswith(f"different  {a['sha256']}  {a['name']}, built again: "), "what differs", out)
    check("not reproduced: 1 of 1" in out, "verdict", out)


@suite.test
def test_what_cannot_be_tried():
    folder = replays.fetched(suite, d, built("plain")["id"])
    image = d.job(ids["plain"])["toolchain"]["image"]

    def refused(words, *more, **env):
        p = replays.start(folder, *more, **env)
        status, out, err = replays.end(p)
        equal((status, out), (2, ""), f"status and output ({err[-500:]})")
        check(words in err, "the reason", err)
        replays.nothing_left(p)

    refused("no image bloomery/nowhere:1", REPLAY_IMAGE="bloomery/nowhere:1")
    refused("is no folder", os.path.join(folder, "replay.sh"))
    refused("there is no docker", PATH=folder)
    # An image that is named otherwise is said, and does.
    script = os.path.join(folder, "replay.sh")
    with open(script, encoding="utf-8") as f:
        text = f.read()
    check(f"'{image}'" in text, "the image's id is not in the script")
    with open(script, "w", encoding="utf-8") as f:
        f.write(text.replace(f"begin '{image}'", "begin 'sha256:" + "0" * 64 + "'"))
    status, out, err = replays.run(folder)
    equal(status, 0, f"with the image by its digest ({err[-500:]})")
    check(f"the image is {image}, not sha256:000" in err, "it says so", err)
    # The source is not what the job was built from.
    with open(os.path.join(folder, "source.tar.gz"), "ab") as f:
        f.write(b"\0")
    refused("is not the source that the job was built from")
    # A tree that is not in the source.
    folder = replays.fetched(suite, d, ids["plain"])
    with open(os.path.join(folder, "tree.tar"), "r+b") as f:
        data = f.read()
        f.seek(data.index(b"fn main"))
        f.write(b"fn pain")
    refused("tree.tar holds what source.tar.gz does not: ./src/main.rs")


@suite.test
def test_nothing_is_left():
    for name in ids:
        d.wait(ids[name], SECONDS)
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
