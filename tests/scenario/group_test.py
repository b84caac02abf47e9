"""Several profiles in one upload: /v1/groups and what the client does with a group, without an Engine. What jobs would
have come to is written into the store. Every answer is held to openapi.json."""

import concurrent.futures
import io
import json
import os
import sys
import tarfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import http_test  # noqa: E402
from http_test import SIDE, TARBALL, WASM, checker  # noqa: E402
from lib import BUILD, Daemon, Suite, check, equal, until  # noqa: E402

for d in list(http_test.suite.daemons):  # its servers are not needed here, only their class
    d.close()
suite = Suite("group", seconds=120)
DAY = 86400
NAMES = ("wasm", "wasi", "musl")  # as profiles are named here; not in the order of the alphabet


class Server(http_test.Server):
    def __init__(self, name, **settings):
        Daemon.__init__(self, suite, name, engine="/nonexistent/docker.sock", **settings)

    def group(self, id, wait=None):
        r = self.get(f"/v1/groups/{id}" + (f"?wait={wait}" if wait else ""))
        equal(r.status, 200, f"status of group {id}: {r.body[:300]}")
        return r.json()


main = Server("main")
made = {}  # word: id of a group in the store


def members(word, outcomes, now, ages=None):
    """Jobs of a group as Server.seed takes them. outcomes: a state each, or the artifacts of one that succeeded."""
    n = len(made) + 1
    made[word] = f"01ARZ3NDEKTSV4RRFFQ69G{n:03}0"
    jobs = []
    for i, outcome in enumerate(outcomes):
        built = not isinstance(outcome, str)
        jobs.append({"id": f"01ARZ3NDEKTSV4RRFFQ69G{n:03}{i + 1}", "group": made[word], "profile": NAMES[i],
                     "state": "succeeded" if built else outcome, "artifacts": outcome if built else [], "source": TARBALL,
                     "finished_at": int((now - (ages[i] if ages else 0)) * 1000), "log": f"of {NAMES[i]}\n".encode()})
    return jobs


BUILT = [("demo.wasm", "primary", WASM), ("Cargo.lock", "side", SIDE)]
OTHER = [("demo.wasm", "primary", WASM + b"other")]
OUTCOMES = {
    "succeeded": ((BUILT, OTHER), "succeeded"),
    "one failed": ((BUILT, OTHER, "failed"), "failed"),
    "the same again": ((BUILT, OTHER, "failed"), "failed"),
    "failed and canceled": (("canceled", "failed"), "failed"),
    "one canceled": ((BUILT, "canceled"), "canceled"),
    "under way": (("queued", BUILT), "running"),
    "waits": (("queued", "queued"), "queued"),
}


def setup():
    suite.needs_programs()
    suite.needs(os.access(os.path.join(BUILD, "bloomery"), os.X_OK), f"{BUILD}/bloomery is not there: run make")
    main.start(ready=False)
    main.stop()
    now = time.time()
    main.seed([j for word, (outcomes, _) in OUTCOMES.items() for j in members(word, outcomes, now)])
    main.start(ready=False)


# --- the calls ---


@suite.test
def test_one_upload_several_jobs():
    r = main.submit(",".join(NAMES), TARBALL, headers={"Idempotency-Key": "one"})
    equal(r.status, 201, "status")
    group = r.json()
    equal(r.headers["Location"], f"/v1/groups/{group['id']}", "Location")
    equal([j["profile"] for j in group["jobs"]], list(NAMES), "profiles, as they were named")
    equal({j["group"] for j in group["jobs"]}, {group["id"]}, "group of the jobs")
    equal((group["state"], group["created_at"]), ("queued", group["jobs"][0]["created_at"]), "state, created_at")
    again = main.get(r.headers["Location"]).json()
    equal([j["id"] for j in again["jobs"]], [j["id"] for j in group["jobs"]], "the group at its Location")
    replay = main.submit(",".join(NAMES), TARBALL, headers={"Idempotency-Key": "one"})
    equal((replay.status, replay.headers["Idempotent-Replayed"], replay.headers["Location"]),
          (201, "true", r.headers["Location"]), "sent again")
    equal([j["id"] for j in replay.json()["jobs"]], [j["id"] for j in group["jobs"]], "jobs of what was sent again")
    equal(main.request("HEAD", r.headers["Location"]).status, 200, "HEAD")
    equal({j["id"] for j in main.get(f"/v1/jobs?group={group['id']}").json()["jobs"]},
          {j["id"] for j in group["jobs"]}, "the group as a filter of the list")
    retried = main.request("DELETE", f"/v1/jobs/{group['jobs'][0]['id']}")
    retried = main.request("POST", f"/v1/jobs/{retried.json()['id']}/retry").json()
    equal(retried["group"], None, "group of a job that is tried again")
    equal(len(main.group(group["id"])["jobs"]), 3, "members after that")


@suite.test
def test_what_is_no_group():
    job = main.accept("wasm", TARBALL)
    for method, path in (("GET", ""), ("DELETE", ""), ("GET", "/artifacts.tar")):
        for id in (job, "01ARZ3NDEKTSV4RRFFQ69G5FAV", "short"):
            r = main.refused(404, "not_found", method, f"/v1/groups/{id}{path}")
            check("group" in r.json()["detail"], "the refusal does not speak of a group", r.json())
        main.refused(400, "bad_request", method, f"/v1/groups/{made['succeeded']}{path}?nope=1")
    main.refused(400, "bad_request", "GET", f"/v1/groups/{made['succeeded']}?wait=301")
    main.refused(404, "not_found", "GET", f"/v1/groups/{made['succeeded']}/jobs")
    equal(main.request("POST", f"/v1/groups/{made['succeeded']}").status, 405, "POST")
    # Nor is a group a job.
    main.refused(404, "not_found", "GET", f"/v1/jobs/{made['succeeded']}")


@suite.test
def test_states():
    for word, (outcomes, state) in OUTCOMES.items():
        group = main.group(made[word])
        equal(group["state"], state, f"state of the group '{word}'")
        equal([j["profile"] for j in group["jobs"]], list(NAMES[:len(outcomes)]), f"order of the group '{word}'")
        equal([j["state"] for j in group["jobs"]], [o if isinstance(o, str) else "succeeded" for o in outcomes],
              f"states in the group '{word}'")


@suite.test
def test_waiting_for_all():
    group = main.submit("wasm,wasi", TARBALL).json()
    began = time.monotonic()
    equal(main.group(group["id"], wait=1)["state"], "queued", "after the wait")
    check(0.9 < time.monotonic() - began < 10, "the wait's length", time.monotonic() - began)
    for order in (0, 1), (1, 0):
        group = main.submit("wasm,wasi", TARBALL).json()
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            waiter = pool.submit(main.group, group["id"], 100)
            main.request("DELETE", f"/v1/jobs/{group['jobs'][order[0]]['id']}")
            time.sleep(1.5)  # longer than the server takes to look by itself
            check(not waiter.done(), "the waiter was answered when the first job was finished")
            main.request("DELETE", f"/v1/jobs/{group['jobs'][order[1]]['id']}")
            equal(waiter.result(20)["state"], "canceled", "what the waiter is told")
    began = time.monotonic()
    main.group(made["one failed"], wait=300)
    check(time.monotonic() - began < 20, "a finished group was waited for")


@suite.test
def test_cancel():
    group = main.submit("wasm,wasi,musl", TARBALL).json()
    main.request("DELETE", f"/v1/jobs/{group['jobs'][1]['id']}")
    equal(main.group(group["id"])["state"], "running", "state after one is canceled")
    for turn in ("", " again"):
        r = main.request("DELETE", f"/v1/groups/{group['id']}")
        equal((r.status, r.json()["state"]), (202, "canceled"), f"cancel{turn}")
        equal({j["state"] for j in r.json()["jobs"]}, {"canceled"}, f"members{turn}")
    main.refused(409, "conflict", "DELETE", f"/v1/groups/{made['succeeded']}")
    equal(main.group(made["succeeded"])["state"], "succeeded", "a group that could not be canceled")
    r = main.request("DELETE", f"/v1/groups/{made['failed and canceled']}")
    equal((r.status, r.json()["state"]), (202, "failed"), "cancel of a group in which one was canceled")


def tar_of(word):
    """{name: (bytes, mode)}, in order, and the archive."""
    r = main.get(f"/v1/groups/{made[word]}/artifacts.tar")
    equal(r.status, 200, f"status of {word}: {r.body[:300]}")
    check(f'"{made[word]}.tar"' in r.headers["Content-Disposition"], "Content-Disposition", r.headers.items())
    with tarfile.open(fileobj=io.BytesIO(r.body)) as t:
        return {m.name: (t.extractfile(m).read(), m.mode) for m in t}, r.body


@suite.test
def test_all_artifacts_in_one_archive():
    files, bytes = tar_of("one failed")
    equal(list(files), ["group.json", "wasm/demo.wasm", "wasm/Cargo.lock", "wasi/demo.wasm"], "names")
    equal([files[n][0] for n in list(files)[1:]], [WASM, SIDE, WASM + b"other"], "bytes")
    said = json.loads(files["group.json"][0])
    equal(said["state"], "failed", "state in group.json")
    equal([(j["profile"], j["state"]) for j in said["jobs"]],
          [("wasm", "succeeded"), ("wasi", "succeeded"), ("musl", "failed")], "jobs in group.json")
    equal([j["error"] for j in said["jobs"]],
          [None, None, {"kind": "compile", "message": "no such crate", "hint": "add it"}], "errors in group.json")
    listed = {a["path"]: (a["sha256"], a["size"]) for j in said["jobs"] for a in j["artifacts"]}
    of_jobs = {f"{j['profile']}/{a['name']}": (a["sha256"], a["size"])
               for j in main.group(made["one failed"])["jobs"] for a in j["artifacts"]}
    equal(listed, of_jobs, "artifacts in group.json")
    equal(set(listed), set(files) - {"group.json"}, "what group.json lists")
    check(tar_of("the same again")[1] == bytes, "another group with the same outcome makes another archive")
    check(tar_of("succeeded")[1] != bytes, "a group of another outcome makes the same archive")
    main.clean_tmp("a tar")


@suite.test
def test_an_archive_before_the_end():
    files, _ = tar_of("under way")
    equal(list(files), ["group.json", "wasi/demo.wasm", "wasi/Cargo.lock"], "names")
    said = json.loads(files["group.json"][0])
    equal((said["state"], [j["state"] for j in said["jobs"]]), ("running", ["queued", "succeeded"]), "group.json")
    r = main.refused(409, "conflict", "GET", f"/v1/groups/{made['waits']}/artifacts.tar")
    check("yet" in r.json()["detail"] and "wait" in r.json()["hint"], "artifacts may still come", r.json())
    r = main.refused(409, "conflict", "GET", f"/v1/groups/{made['failed and canceled']}/artifacts.tar")
    check("yet" not in r.json()["detail"] and "wait" not in r.json()["hint"], "none will come", r.json())


@suite.test
def test_members_expire_together():
    d = Server("expiry", keep_days=1).start(ready=False)
    d.stop()
    now = time.time()
    ages = {"old": (3 * DAY, 2 * DAY), "partly old": (3 * DAY, DAY / 2), "not finished": (3 * DAY, 0)}
    for word, age in ages.items():
        d.seed(members(word, (BUILT, "queued" if word == "not finished" else OTHER), now, age))
    d.start(ready=False)
    until(lambda: d.get(f"/v1/groups/{made['old']}").status == 404, "the old group is gone", 30)
    for word in ("partly old", "not finished"):
        equal(len(d.group(made[word])["jobs"]), 2, f"jobs of the group that is {word}")
    equal(d.job_count(), 4, "jobs")


@suite.test
def test_the_server_stops():
    d = Server("stop").start(ready=False)
    id = d.submit("wasm,wasi", TARBALL).json()["id"]
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        waiter = pool.submit(d.group, id, 100)
        until(lambda: "bloomery_waiters 1" in d.get("/metrics").text(), "the group is waited for", 20)
        d.stop()
        equal(waiter.result(20)["state"], "queued", "what the waiter is told")
    d.start(ready=False)
    equal(d.group(id)["state"], "queued", "the group after the restart")


# --- the client ---


@suite.test
def test_client_submits_and_steers():
    tarball = os.path.join(main.dir, "crate.tar.gz")
    with open(tarball, "wb") as f:
        f.write(TARBALL)
    id = main.client("submit", tarball, "--profile", "wasm,wasi", "-p", "musl")[0].strip()
    equal([j["profile"] for j in main.group(id)["jobs"]], list(NAMES), "the group whose id is printed")
    shown = main.client("status", id)[0]
    for name in NAMES:
        check(name in shown, f"status says nothing of {name}", shown)
    equal(json.loads(main.client("status", id, "--json")[0])["id"], id, "status as JSON")
    _, said = main.client("cancel", id)
    check(f"group {id}" in said, "cancel does not say what", said)
    equal(main.group(id)["state"], "canceled", "the group")
    main.client("cancel", made["succeeded"], code=2)
    _, said = main.client("status", "01ARZ3NDEKTSV4RRFFQ69G5FAV", code=2)
    check("no job and no group" in said, "an id that nothing has", said)
    # One that is waited for: here nothing is built.
    printed, said = main.client("build", tarball, "--profile", "wasm,wasi", "--timeout", "5", code=4)
    id = said.split("group ")[1].split()[0]
    check(f"bloomery log {id}" in said and "wasi: queued" in said, "what is said when the time is up", said)
    equal(main.group(id)["state"], "queued", "the group goes on")


@suite.test
def test_client_shows_logs_and_downloads():
    out = os.path.join(main.dir, "out")
    shown = main.client("log", made["one failed"])[0]
    equal(sorted(shown.splitlines()), ["musl | of musl", "wasi | of wasi", "wasm | of wasm"], "the logs")
    printed, said = main.client("get", made["one failed"], "--out", out, code=2)
    check("musl" in said and "no artifacts" in said, "of the one that failed", said)
    found = {os.path.relpath(os.path.join(dir, n), out) for dir, _, names in os.walk(out) for n in names}
    equal(found, {"wasm/demo.wasm", "wasm/Cargo.lock", "wasi/demo.wasm"}, "files")
    with open(os.path.join(out, "wasi", "demo.wasm"), "rb") as f:
        check(f.read() == WASM + b"other", "the bytes of wasi/demo.wasm")
    main.client("get", made["succeeded"], "--out", out)
    _, said = main.client("get", made["succeeded"], "demo.wasm", "--out", out, code=2)
    check("all artifacts are taken" in said, "names of a group's artifacts", said)
    shown = main.client("status", made["one failed"])[0]
    check("compile: no such crate" in shown and "demo.wasm" in shown, "status", shown)
    job = main.group(made["succeeded"])["jobs"][0]["id"]
    equal(main.client("log", job)[0], "of wasm\n", "the log of a member")


@suite.test
def test_the_document_was_used():
    """Every call of a group was made and answered well at least once."""
    done = {o for o, status in checker.seen if status < 400}
    want = {o["operationId"] for path, item in checker.spec["paths"].items() for o in item.values() if "/groups/" in path}
    check(len(want) >= 3, "the document has no groups", sorted(want))
    equal(sorted(want - done), [], "calls never made")


if __name__ == "__main__":
    suite.main(setup)
