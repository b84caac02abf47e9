#!/usr/bin/env python3
"""One upload for several profiles on the real Engine: members that succeed and fail beside each other, their artifacts
in one archive, a cancel of them all, and the client from the work tree to a folder for each profile."""

import io
import json
import os
import subprocess
import tarfile
import tempfile

from lib import (
    BUILD, FINISHED, PATIENCE, CrateCopy, Daemon, Suite, check, equal, nothing_left, pack, run_native, run_wasm, until,
)

suite = Suite("group")
PROFILES = ["wasm", "wasi", "musl"]
d = None
ids = {}


def setup():
    global d
    suite.needs_programs()
    suite.needs(os.access(os.path.join(BUILD, "bloomery"), os.X_OK), f"{BUILD}/bloomery is not there: run make")
    suite.needs_engine("profile-wasm", "profile-wasi", "profile-musl", "trial-node", "empty")
    d = Daemon(suite, "main", slots=2).start()
    # A lib alone: a module for two of the three, and no program for the third.
    for name in ("lib", "lib again"):
        r = d.submit(",".join(PROFILES), pack("lib_only"))
        equal(r.status, 201, f"status of the group {name}")
        ids[name] = r.json()["id"]


def group(id, wait=None):
    r = d.get(f"/v1/groups/{id}" + (f"?wait={wait}" if wait else ""))
    equal(r.status, 200, f"status of group {id}: {r.text()[:500]}")
    return r.json()


def finished(id):
    """The group at its end."""

    def at_end():
        g = group(id, wait=60)
        return g if g["state"] in FINISHED else None

    return until(at_end, f"group {id} is finished", 2 * PATIENCE)


def archive(id):
    """{name: bytes}, and the archive itself."""
    r = d.get(f"/v1/groups/{id}/artifacts.tar")
    equal(r.status, 200, f"status of the archive of {id}")
    with tarfile.open(fileobj=io.BytesIO(r.body)) as t:
        return {m.name: t.extractfile(m).read() for m in t}, r.body


def client(*words, code=0):
    """(what it printed, what it said)."""
    p = subprocess.run([os.path.join(BUILD, "bloomery"), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=2 * PATIENCE, check=False, text=True,
                       env={**os.environ, "BLOOMERY_SERVER": f"http://127.0.0.1:{d.port}"})
    equal(p.returncode, code, f"exit code of bloomery {' '.join(words)}, which said {p.stdout[-1500:]} {p.stderr[-1500:]}")
    return p.stdout, p.stderr


@suite.test
def test_one_member_fails():
    g = finished(ids["lib"])
    equal(g["state"], "failed", "state")
    equal([(j["profile"], j["state"]) for j in g["jobs"]],
          [("wasm", "succeeded"), ("wasi", "succeeded"), ("musl", "failed")], "members")
    equal(g["jobs"][2]["error"]["kind"], "bad_source", f"error of a lib as a program: {g['jobs'][2]['error']}")
    equal(len({j["source"]["sha256"] for j in g["jobs"]}), 1, "sources")
    equal(d.request("DELETE", f"/v1/groups/{g['id']}").status, 409, "cancel of what is finished")


@suite.test
def test_their_artifacts_in_one_archive():
    files, whole = archive(finished(ids["lib"])["id"])
    said = json.loads(files["group.json"])
    equal({j["profile"]: j["error"] and j["error"]["kind"] for j in said["jobs"]},
          {"wasm": None, "wasi": None, "musl": "bad_source"}, "group.json")
    modules = [a["path"] for j in said["jobs"] for a in j["artifacts"] if a["role"] == "primary"]
    equal([m.split("/")[0] for m in modules], ["wasm", "wasi"], "primary artifacts")
    for m in modules:
        check(files[m].startswith(b"\0asm"), f"{m} is no module")
    equal(run_wasm(files[modules[0]], "--call", "add", "19", "23"), (0, "42\n"), "what the module computes")
    check(archive(finished(ids["lib again"])["id"])[1] == whole, "the same upload again makes another archive")


@suite.test
def test_cancel_while_one_runs():
    r = d.submit(",".join(PROFILES), pack("loop_build"))
    id = r.json()["id"]
    until(lambda: any(j["state"] == "building" for j in group(id)["jobs"]), "one of them is built")
    equal(group(id)["state"], "running", "state while one is built")
    equal(d.get(f"/v1/groups/{id}/artifacts.tar").status, 409, "status of the archive meanwhile")
    equal(d.request("DELETE", f"/v1/groups/{id}").status, 202, "status of the cancel")
    g = finished(id)
    equal(g["state"], "canceled", "state")
    equal({(j["state"], j["error"]["kind"]) for j in g["jobs"]}, {("canceled", "canceled")}, "members")
    equal(d.request("DELETE", f"/v1/groups/{id}").status, 202, "status of another cancel")


@suite.test
def test_the_client_builds_for_all():
    with CrateCopy("example") as crate, tempfile.TemporaryDirectory(prefix="bloomery-out-") as out:
        printed, _ = client("build", crate, "--profile", "wasm,wasi", "-p", "musl", "--out", out)
        for name in PROFILES:
            check(any(line.startswith(f"{name} | ==> ") for line in printed.splitlines()), f"{name}'s log", printed)
        check("state      succeeded" in printed, "the summary", printed[-1500:])
        equal(sorted(os.listdir(out)), sorted(PROFILES), "folders")
        with open(os.path.join(out, "musl", "smelt"), "rb") as f:
            status, said = run_native(f.read(), "iron")
            equal(status, 0, f"status of the program, which said {said}")
        with open(os.path.join(out, "wasm", "smelt.wasm"), "rb") as f:
            status, said = run_wasm(f.read(), "--report", "iron")
            equal(status, 0, f"status of the module's host, which said {said}")
        # In the crate's own folder, where no other is named.
        client("build", crate, "--profile", "wasm,wasi")
        equal(sorted(os.listdir(os.path.join(crate, "target", "bloomery"))), ["wasi", "wasm"], "folders of the crate")


@suite.test
def test_the_client_when_one_fails():
    with CrateCopy("lib_only") as crate, tempfile.TemporaryDirectory(prefix="bloomery-out-") as out:
        printed, said = client("build", crate, "--profile", "musl,wasm", "--out", out, code=1)
        check("bad_source" in said and "bad_source" in printed, "what failed is named", printed[-1500:], said[-1500:])
        equal(os.listdir(out), ["wasm"], "the folders")
        printed, _ = client("build", crate, "--profile", "musl,wasm", "--out", out, "--json", code=1)
        g = json.loads(printed)
        equal((g["state"], [j["state"] for j in g["jobs"]]), ("failed", ["failed", "succeeded"]), "as JSON")
        check(g["jobs"][1]["artifacts"] and all(os.path.exists(a["file"]) for a in g["jobs"][1]["artifacts"]),
              "files of the JSON", g["jobs"][1]["artifacts"])
        equal(json.loads(client("status", g["id"], "--json")[0])["state"], "failed", "status of the group")


@suite.test
def test_nothing_is_left():
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
