#!/usr/bin/env python3
"""Real published crates, with their dependencies from the crate registry: needs the network (make test-registry).

The .crate files are uploaded as they were published; the server fetches what they lock. The binaries are run.
"""

import hashlib
import json
import os
import re
import urllib.error
import urllib.request

import replays
from lib import Daemon, Suite, check, equal, nothing_left, pack, run_native, run_wasm

suite = Suite("registry", seconds=1200)
HOST = "https://static.crates.io/crates"
PINNED = {
    "ripgrep-14.1.1": "f77b8032dc584527975f34aa5a897d0ef5a785573fda778771a614ff9da501d9",
    "hexyl-0.14.0": "95ad72372c061e725e93c889db3633e7cb612ceb9f9b2dfa636fadbb22610b3a",
}
d = None
ids = {}
SECONDS = 1000  # for one job on a slow line


def published(name):
    """The .crate file, as the registry gives it, held to its checksum."""
    crate = name.rpartition("-")[0]
    url = f"{HOST}/{crate}/{name}.crate"
    request = urllib.request.Request(url, headers={"User-Agent": "bloomery's tests"})
    try:
        with urllib.request.urlopen(request, timeout=120) as r:
            data = r.read()
    except (urllib.error.URLError, OSError) as e:
        suite.needs(False, f"{url} cannot be downloaded ({e}): this suite needs the crate registry")
    equal(hashlib.sha256(data).hexdigest(), PINNED[name], f"sha256 of {url}")
    return data


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("profile-wasm", "profile-wasi", "profile-musl", "trial-node", "empty")
    ripgrep, hexyl = published("ripgrep-14.1.1"), published("hexyl-0.14.0")
    d = Daemon(suite, "main", slots=2).start()
    ids["ripgrep"] = d.accept("musl", ripgrep, locked="true")
    ids["ring"] = d.accept("musl", pack("with_ring"), locked="true")
    ids["sqlite"] = d.accept("musl", pack("with_sqlite"), locked="true")
    ids["json wasm"] = d.accept("wasm", pack("with_json"))
    ids["json wasi"] = d.accept("wasi", pack("with_json"))
    ids["hexyl"] = d.accept("musl", hexyl)
    ids["not locked"] = d.accept("wasi", pack("with_json"), locked="true")
    ids["nowhere"] = d.accept("wasi", pack("empty_main", edit={
        "Cargo.toml": lambda t: t + '\n[dependencies]\nthis-crate-is-not-published-by-anyone = "1"\n'}))


def built(name):
    job = d.wait(ids[name], SECONDS)
    check(job["state"] == "succeeded", f"{name} {job['state']}: {job['error']}", d.job_log(ids[name])[-3000:])
    return job, d.artifact(ids[name])


@suite.test
def test_ripgrep():
    job, data = built("ripgrep")
    equal((job["crate"], job["lock"]), ({"name": "ripgrep", "version": "14.1.1"}, "uploaded"), "crate and lock")
    a = d.artifacts(ids["ripgrep"])["rg"]
    equal((a["metadata"]["static"], a["metadata"]["needed"]), (True, []), "static and needed")
    status, out = run_native(data, "--version")
    check(status == 0 and out.startswith("ripgrep 14.1.1"), "rg --version", out)
    equal(run_native(data, "-n", "iron", "-", stdin="rust\niron\n"), (0, "2:iron\n"), "rg iron")


@suite.test
def test_ring():
    _, data = built("ring")
    equal(run_native(data, "iron"), (0, hashlib.sha256(b"iron").hexdigest() + "\n"), "a digest")


@suite.test
def test_sqlite():
    _, data = built("sqlite")
    status, out = run_native(data)
    check(status == 0 and re.fullmatch(r"SQLite 3\.\d+\.\d+ says 42\n", out), "running it", out)


@suite.test
def test_proc_macros_and_no_lock():
    job, data = built("json wasm")
    equal(job["lock"], "resolved", "lock")
    equal(run_wasm(data, "--call", "area", "6", "7"), (0, "42\n"), "area(6, 7)")
    artifacts = d.artifacts(ids["json wasm"])
    equal({n: a["role"] for n, a in artifacts.items()}, {"with-json.wasm": "primary", "Cargo.lock": "side"}, "artifacts")
    lock = d.artifact(ids["json wasm"], "Cargo.lock").decode()
    check('name = "serde_json"' in lock and "checksum" in lock, "the lock", lock[:500])
    _, data = built("json wasi")
    equal(run_wasm(data, '{"width":6,"height":7}'), (0, '{"area":42}\n'), "running it")
    # The lock that came back makes a locked build, of the same bytes.
    again = d.accept("wasm", pack("with_json", extra={"Cargo.lock": lock}), locked="true")
    equal(d.succeed(again)["lock"], "uploaded", "lock")
    equal(d.artifacts(again)["with-json.wasm"]["sha256"], artifacts["with-json.wasm"]["sha256"], "sha256 with the lock")


@suite.test
def test_derive_of_clap():
    _, data = built("hexyl")
    status, out = run_native(data, "--plain", stdin="rust")
    check(status == 0 and "72 75 73 74" in out, "hexyl", out)


@suite.test
def test_what_cannot_be_resolved():
    job = d.wait(ids["not locked"], SECONDS)
    check(job["state"] == "failed" and job["error"]["kind"] in ("bad_source", "dependency") and job["error"]["hint"],
          "locked without a lock", job)
    job = d.wait(ids["nowhere"], SECONDS)
    equal((job["state"], job["error"]["kind"]), ("failed", "dependency"), f"an unknown crate ({job['error']})")
    check("this-crate-is-not-published-by-anyone" in json.dumps(job["error"]), "the crate is not named", job["error"])


@suite.test
def test_a_replay_fetches_by_the_lock():
    job, _ = built("json wasi")
    equal(job["lock"], "resolved", "lock")
    folder = replays.fetched(suite, d, job["id"])
    replays.reproduced(d, job, replays.run(folder, **replays.ca_bundle()))
    # Without a network it says that it could not be tried.
    status, out, err = replays.run(folder, https_proxy="http://127.0.0.1:9", http_proxy="http://127.0.0.1:9")
    equal((status, out), (2, ""), f"status and output without a registry ({err[-500:]})")
    check("fetch failed" in err, "what failed", err)


@suite.test
def test_nothing_is_left():
    nothing_left(d)
    check(os.listdir(os.path.join(d.state, "work")) == [], "work folders")


if __name__ == "__main__":
    suite.main(setup)
