"""The daemon against schema/openapi.json: schemathesis calls every operation with what the document allows and with
what it does not, and holds each answer to it. Needs the Python registry, for packages of pinned versions and hashes.

No Engine: jobs queue, and finished ones, two of them a group, lie in the store with their artifacts. Words on the command line choose
tests; the report of the last run is in build/schemathesis/.
"""

import functools
import hashlib
import json
import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree

PYTHON = "/usr/bin/python3"  # Debian's: another one that is first in PATH may lack jsonschema and venv
if __name__ == "__main__" and os.path.realpath(sys.executable) != os.path.realpath(PYTHON):
    os.execv(PYTHON, [PYTHON, *sys.argv])
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.join(HERE, "..", "integration"), os.path.join(HERE, "..", "scenario")]
import http_test  # noqa: E402
import venv_made as venv  # noqa: E402
from http_test import DONE, FAILED  # noqa: E402
from lib import ROOT, Daemon, Failure, Sse, Suite, check, equal  # noqa: E402

VENV = os.path.join(ROOT, "build", "venv")
REPORT = os.path.join(ROOT, "build", "schemathesis")
SECONDS = 480  # of a run of schemathesis, which takes two minutes
QUEUE = 40
GROUP, MEMBERS = "01ARZ3NDEKTSV4RRFFQ69G5FB0", ("01ARZ3NDEKTSV4RRFFQ69G5FB1", "01ARZ3NDEKTSV4RRFFQ69G5FB2")

for d in list(http_test.suite.daemons):  # its servers are not needed here, only their class
    d.close()
suite = Suite("schema", seconds=600)


class Server(http_test.Server):
    def __init__(self, **settings):
        Daemon.__init__(self, suite, "main", engine="/nonexistent/docker.sock", **settings)


server = Server(max_queue=QUEUE, max_body_bytes="256k", upload_stall_seconds=3, log_level="warn")
with open(os.path.join(ROOT, "schema", "openapi.json"), encoding="utf-8") as document:
    OPERATIONS = {f"{method.upper()} {path}": operation["operationId"]
                  for path, item in json.load(document)["paths"].items() for method, operation in item.items()}


def run(argv, seconds, what, **env):
    return venv.run(argv, seconds, what, cwd=REPORT, **env)


def setup():
    suite.needs_programs()
    os.makedirs(REPORT, exist_ok=True)
    equal(venv.make("venv", "requirements.txt"), VENV, "where the environment is")
    server.start(ready=False)
    server.stop()
    now = int(time.time() * 1000)  # older ones would be cleared away
    server.seed([{"id": DONE, "log": http_test.LOG, "source": http_test.TARBALL, "finished_at": now,
                  "artifacts": [("demo.wasm", "primary", http_test.WASM), ("ä\" b.lock", "side", http_test.SIDE)],
                  "documents": http_test.DOCUMENTS},
                 {"id": FAILED, "state": "failed", "log": b"error\n", "finished_at": now},
                 {"id": MEMBERS[0], "group": GROUP, "finished_at": now,
                  "artifacts": [("demo.wasm", "primary", http_test.WASM)]},
                 {"id": MEMBERS[1], "group": GROUP, "profile": "musl", "state": "failed", "finished_at": now}])
    server.start(ready=False)


# --- by hand: the document itself, and what schemathesis cannot know or would wait for ---


@suite.test
def test_document():
    path = os.path.join(ROOT, "schema", "openapi.json")
    p = run([f"{VENV}/bin/openapi-spec-validator", "--schema", "3.1", path], 120, "openapi-spec-validator")
    check(p.returncode == 0, "schema/openapi.json is no OpenAPI 3.1", p.stdout[-3000:])
    with open(path, encoding="utf-8") as f:
        equal(server.get("/openapi.json").json(), json.load(f), "what is served as /openapi.json")


@suite.test
def test_unknown_parameters_are_refused():
    """OpenAPI cannot say so of a query."""
    for label in OPERATIONS:
        method, path = label.split(" ")
        path = path.replace("{id}", DONE).replace("{name}", "wasm" if "profiles" in path else "demo.wasm")
        path = path.replace("{sha256}", hashlib.sha256(http_test.WASM).hexdigest())
        known = "profile=wasm&" if path in ("/v1/jobs", "/v1/build") and method in ("POST", "PUT") else ""
        for query, what in ((known + "nope=1", "an unknown parameter"), (known + "x=1&x=2", "one given twice"),
                            (known + "%zz=1", "a bad escape"), (known + "x=%00", "a NUL")):
            r = server.request(method, f"{path}?{query}")
            equal(r.status, 400, f"status of {label} with {what}")
            if method != "HEAD":
                equal(r.json()["error_kind"], "bad_request", f"error_kind of {label} with {what}")


@suite.test
def test_waiting():
    id = server.accept("wasm", http_test.TARBALL)
    for method, path, body, status in (("GET", f"/v1/jobs/{id}?wait=1", None, 200),
                                       ("POST", "/v1/build?profile=wasm&wait=1", http_test.TARBALL, 202),
                                       ("PUT", "/v1/build?profile=wasm&wait=1", http_test.TARBALL, 202)):
        began = time.monotonic()
        r = server.request(method, path, body)
        took = time.monotonic() - began
        equal(r.status, status, f"status of {method} {path}")
        equal(r.json()["state"], "queued", "the job that waits")
        check(0.9 < took < 10, f"{method} {path} took {took:.1f} s")
        if status == 202:
            equal(r.headers["Location"], "/v1/jobs/" + r.json()["id"], "Location")
            check(int(r.headers["Retry-After"]) > 0, "no Retry-After")
    began = time.monotonic()
    equal(server.job(DONE, wait=300)["state"], "succeeded", "a finished job")
    check(time.monotonic() - began < 5, "a finished job was waited for")


@suite.test
def test_following():
    end = {"id": DONE, "state": "succeeded", "error_kind": None}
    equal(Sse(server, DONE).end(), end, "end of a finished job's log")
    id = server.accept("wasm", http_test.TARBALL)
    follower = Sse(server, id)
    check(not follower.ended.wait(1), "the log of a job that waits has ended")
    equal(server.request("DELETE", f"/v1/jobs/{id}").status, 202, "status of the cancel")
    equal(follower.end(), {"id": id, "state": "canceled", "error_kind": "canceled"}, "end of a canceled job's log")


@suite.test
def test_limits():
    r = server.refused(413, "too_large", "POST", "/v1/jobs?profile=wasm", b"\0" * (300 << 10))
    equal(r.json()["limit"], {"name": "max_body_bytes", "value": 256 << 10}, "the limit in the refusal")
    source = "sha256:" + hashlib.sha256(http_test.TARBALL).hexdigest()
    ids = []
    for _ in range(QUEUE + 1):
        r = server.submit("wasm", None, source=source)
        if r.status != 201:
            break
        ids.append(r.json()["id"])
    equal((r.status, r.json()["error_kind"], r.json()["limit"]),
          (429, "queue_full", {"name": "max_queue", "value": QUEUE}), "a full queue")
    check(int(r.headers["Retry-After"]) > 0, "no Retry-After")
    for id in ids:
        equal(server.request("DELETE", f"/v1/jobs/{id}").status, 202, "status of a cancel")


# --- schemathesis ---


@functools.cache
def report():
    """{label of an operation: what is wrong}, {operationId: {status: how often}} of one run over all operations."""
    tarball, statuses = (os.path.join(server.dir, n) for n in ("crate.tar.gz", "statuses.json"))
    with open(tarball, "wb") as f:
        f.write(http_test.TARBALL)
    url, junit = f"http://127.0.0.1:{server.port}", os.path.join(REPORT, "junit.xml")
    data = {"url": url, "profiles": [p["name"] for p in server.get("/v1/profiles").json()["profiles"]],
            "jobs": [DONE, FAILED], "groups": [GROUP], "artifacts": ["demo.wasm", "ä\" b.lock"], "tarball": tarball,
            "digests": [hashlib.sha256(http_test.WASM).hexdigest()],
            "source": hashlib.sha256(http_test.TARBALL).hexdigest(), "statuses": statuses}
    if os.path.exists(junit):
        os.unlink(junit)
    p = run([f"{VENV}/bin/schemathesis", "--config-file", os.path.join(HERE, "schemathesis.toml"), "run",
             f"{url}/openapi.json", "--workers", "1", "--no-color", "--report-junit-path", junit],
            SECONDS, "schemathesis", SCHEMATHESIS_HOOKS=os.path.join(HERE, "hooks.py"), SCHEMA_TEST=json.dumps(data),
            PYTHONDONTWRITEBYTECODE="1", NO_PROXY="127.0.0.1", no_proxy="127.0.0.1")
    with open(os.path.join(REPORT, "output.txt"), "w", encoding="utf-8") as f:
        f.write(p.stdout)
    check(os.path.exists(junit) and os.path.exists(statuses),
          f"schemathesis ended with {p.returncode} without a report", p.stdout[-3000:])
    print("     " + re.search(r"Test cases:\s*([^\n]*)", p.stdout)[1] + " by schemathesis", flush=True)
    wrong = {}
    for case in xml.etree.ElementTree.parse(junit).iter("testcase"):
        bad = [e.text or e.get("message") or "?" for tag in ("failure", "error", "skipped") for e in case.iter(tag)]
        wrong[case.get("name")] = re.sub(r"\n\s*\n", "\n", "\n".join(bad))
    check(p.returncode == 0 or any(wrong.values()), f"schemathesis ended with {p.returncode}", p.stdout[-3000:])
    with open(statuses, encoding="utf-8") as f:
        return wrong, json.load(f)


def add_operation(label, id):
    def test():
        wrong, statuses = report()
        check(label in wrong, "schemathesis did not test it")
        check(not wrong[label], f"{label}:\n{wrong[label][:6000]}")
        # Answers that all are refusals would prove little. No Engine is there, and no job that was really run: life_test.py has replays.
        good = {s for s in statuses.get(id, {}) if s[0] in "23" or (id, s) in (("ready", "503"), ("getReplay", "404"))}
        check(good, f"{label} was never answered well", statuses.get(id))

    test.__name__ = id
    suite.test(test)


for operation in OPERATIONS.items():
    if operation[0] != "GET /openapi.json":  # schemathesis reads it instead; test_document has tried it
        add_operation(*operation)


@suite.test
def test_sequences():
    """Calls that use what calls before them gave; and whatever else the report holds."""
    wrong, _ = report()
    check("Stateful tests" in wrong, "schemathesis made no sequences")
    rest = {k: v for k, v in wrong.items() if k not in OPERATIONS and v}
    check(not rest, "\n".join(rest.values())[:6000])


@suite.test
def test_still_there():
    """After all that: the daemon answers, holds what it held, and its log tells of no failure of its own."""
    equal(server.get(f"/v1/jobs/{DONE}/artifact").body, http_test.WASM, "the artifact")
    server.clean_tmp("schemathesis")
    errors = [line for line in server.log().splitlines() if " error " in line]
    equal(errors, [], "errors in the log")


if __name__ == "__main__":
    suite.main(setup)
