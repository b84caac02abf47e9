#!/usr/bin/env python3
"""Whole jobs against a scripted Engine (tests/fakes/dockerd.py) that fails in every way it can: each endpoint answers
500, hangs up, loses its answer, talks nonsense or never answers; streams are cut; the Engine restarts in mid-job;
commands end with this or that code.

What must hold (docs: the life of a job): the server's failures are retried, at most max_attempts times, then the job
is `internal`; the crate's own are not; no job is lost, no container is left, nothing succeeds that did not.

Every case has a fake and a daemon of its own; several run at the same time.
"""

import base64
import concurrent.futures
import hashlib
import http.client
import io
import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tarfile
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from lib import (  # noqa: E402
    BUILD, Daemon, FINISHED, Failure, SHARE, Suite, UnixConnection, check, equal, pack, until,
)

suite = Suite("life", seconds=900)
FAKE = os.path.join(os.path.dirname(HERE), "fakes", "dockerd.py")
AT_ONCE = 6
top = tempfile.mkdtemp(prefix="bloomery-life-")
images = []  # as the fake knows them

# (module (memory (export "memory") 1) (func (export "_start")))
MODULE = bytes.fromhex("0061736d01000000" "0104016000 00".replace(" ", "") + "03020100" "0503010001"
                       "071302066d656d6f727902 00065f73746172740000".replace(" ", "") + "0a040102000b")
METADATA = {
    "packages": [{
        "name": "empty-main", "version": "0.1.0", "id": "path+file:///work/src#empty-main@0.1.0", "dependencies": [],
        "targets": [{"kind": ["bin"], "crate_types": ["bin"], "name": "empty-main", "src_path": "/work/src/src/main.rs",
                     "edition": "2021"}],
        "features": {}, "manifest_path": "/work/src/Cargo.toml", "metadata": None, "source": None,
    }],
    "workspace_members": ["path+file:///work/src#empty-main@0.1.0"],
    "workspace_default_members": ["path+file:///work/src#empty-main@0.1.0"],
    "workspace_root": "/work/src", "target_directory": "/work/target", "version": 1, "metadata": None,
}
ARTIFACT = {"file": "/work/target/wasm32-wasip1/release/empty-main.wasm", "mode": "0755",
            "base64": base64.b64encode(MODULE).decode()}
COMPILES = {"stderr": "   Compiling empty-main v0.1.0 (/work/src)\n    Finished `release` profile in 0.10s\n"}
RULES = [
    {"kind": "exec", "command": "prepare.sh", "do": [{"stdout": "null\n" + json.dumps(METADATA) + "\nnull\n"}]},
    {"kind": "exec", "command": "packages.sh", "do": [{"stdout": (json.dumps(METADATA) + "\n") * 2 + "null\n"}]},
    {"kind": "exec", "command": "cargo build", "do": [COMPILES, ARTIFACT]},
    {"kind": "container", "command": "trial.mjs", "do": [{"stdout": "loaded and started.\n"}]},
]


# --- a fake and a daemon ---


class Fake:
    def __init__(self, scenario):
        self.dir = tempfile.mkdtemp(prefix="fake-", dir=top)
        self.path = os.path.join(self.dir, "docker.sock")
        file = os.path.join(self.dir, "scenario.json")
        with open(file, "w", encoding="utf-8") as f:
            json.dump(scenario, f)
        self.process = subprocess.Popen([sys.executable, FAKE, "--socket", self.path, "--scenario", file],
                                        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        equal(self.process.stdout.readline(), b"ready\n", "the fake's word")

    def call(self, method="GET", body=None):
        c = UnixConnection(self.path)
        try:
            c.request(method, "/_fake", body=json.dumps(body) if body else None)
            return json.loads(c.getresponse().read() or b"null")
        finally:
            c.close()

    def script(self, **s):
        self.call("POST", s)

    def restart(self, **how):
        try:
            self.call("POST", {"restart": how})
        except (OSError, http.client.HTTPException, ValueError):
            pass  # the connection was cut with all others

    def containers(self):
        try:
            return [c for c in self.call()["containers"] if not c["removed"]]
        except (OSError, http.client.HTTPException, ValueError):
            return ["(the fake is down)"]

    def close(self):
        self.process.terminate()
        self.process.wait()


def make_images():
    """Let `bloomeryd images build` make its images in a fake; a Debian of one file is enough there."""
    global share
    share = os.path.join(top, "share")
    for folder in ("workers", "docker", "schema"):
        shutil.copytree(os.path.join(SHARE, folder), os.path.join(share, folder))
    build = os.path.join(share, "docker", "images", "base", "build")
    with open(build, "w", encoding="utf-8") as f:
        f.write('#!/bin/sh\nexec tar -cf "$1" -C / etc/hostname\n')
    os.chmod(build, 0o755)
    facts = {"stdout": "rustc 1.96.0 (fake)\n" + "0123456789abcdef" * 4 + "\n"}
    fake = Fake({"rules": [{"kind": "container", "command": "rustc -vV", "do": [facts]}]})
    try:
        p = subprocess.run([os.path.join(BUILD, "bloomeryd"), "images", "build", "--share-dir", share, "--state",
                            os.path.join(top, "images"), "--engine-socket", fake.path, "--toolchain-origins", "debian"],
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)
        check(p.returncode == 0, "images build against the fake", p.stdout.decode())
        images.extend({"tags": i["tags"], "labels": i["labels"]} for i in fake.call()["images"] if i["tags"])
    finally:
        fake.close()


class Server(Daemon):
    def __init__(self, name, engine, **settings):
        super().__init__(suite, name, engine=engine, **{"slots": 1, "work_mode": "plain", "share_dir": share, **settings})
        suite.daemons.remove(self)  # its log is shown by run()


# --- cases ---

ENDPOINTS = {
    "create": ("POST", "/containers/create$"), "start": ("POST", "/containers/[^/]+/start$"),
    "exec": ("POST", "/containers/[^/]+/exec$"), "exec-start": ("POST", "/exec/[^/]+/start$"),
    "exec-inspect": ("GET", "/exec/[^/]+/json$"), "attach": ("POST", "/containers/[^/]+/attach$"),
    "wait": ("POST", "/containers/[^/]+/wait$"), "inspect": ("GET", "/containers/[^/]+/json$"),
    "remove": ("DELETE", "/containers/"), "image": ("GET", "/images/json$"), "list": ("GET", "/containers/json$"),
    "info": ("GET", "/info$"), "version": ("GET", "/version$"),
}
CASES = {}


def case(name, faults=(), rules=(), state="succeeded", kind=None, attempts=(1, 2), during=None, after=None, early=False,
         options=None, **settings):
    CASES[name] = dict(faults=list(faults), rules=list(rules), state=state, kind=kind, attempts=attempts, during=during,
                       after=after, early=early, options=options or {}, settings=settings)


def fault(endpoint, do, **more):
    method, path = ENDPOINTS[endpoint]
    return {"method": method, "path": path, "do": do, **more}


def run(name):
    c = CASES[name]
    fake = Fake({"images": images, "rules": c["rules"] + RULES, "faults": c["faults"] if c["early"] else []})
    d = Server(name, fake.path, **c["settings"])
    try:
        d.start()
        if not c["early"]:
            fake.script(clear=["calls"])
            fake.script(faults=c["faults"])
        id = d.accept("wasi", pack("empty_main"), **c["options"])
        if c["during"]:
            c["during"](fake, d, id)
        job = d.wait(id)
        equal((job["state"], job["error"] and job["error"]["kind"]), (c["state"], c["kind"]),
              f"outcome ({job['error']}; attempts: {job['attempt']})")
        check(c["attempts"][0] <= job["attempt"] <= c["attempts"][1], f"attempts: {job['attempt']}, not {c['attempts']}")
        if c["state"] == "succeeded":
            equal(d.artifact(id), MODULE, "the artifact")
        else:
            equal(job["artifacts"] if c["kind"] == "internal" else [], [], "artifacts of a failure of the server's")
        if c["after"]:
            c["after"](d, job)
        for f in c["faults"]:
            met = [x for x in fake.call()["calls"] if x["method"] == f["method"] and re.search(f["path"], x["path"])]
            check(len(met) >= f.get("nth", 1), f"the fault was not met: {f['method']} {f['path']}")
        # The next job is not harmed, and in the end nothing is left.
        fake.script(clear=["faults"])
        fake.script(clear=["rules"], rules=RULES, release=True)
        d.succeed(d.accept("wasi", pack("empty_main")))
        until(lambda: not fake.containers(), f"no container is left: {fake.containers()}", 60, 0.3)
        until(lambda: not os.listdir(os.path.join(d.state, "work")), "no work folder is left", 30)
        equal(d.files("tmp"), [], "files in tmp/")
        d.stop()
    except BaseException:
        d.show_log()
        raise
    finally:
        fake.close()


# One failure of the server's: it is tried again, or got over without.
for endpoint in ENDPOINTS:
    for do in ("status", "hangup", "lose_answer", "garbage"):
        if do == "garbage" and endpoint in ("start", "attach", "remove", "exec-start"):
            continue  # these answer nothing, or a stream
        # Some calls belong to the daemon's start, not to a job.
        case(f"{endpoint}-{do}", [fault(endpoint, do, **({"status": 500} if do == "status" else {}))],
             early=endpoint in ("list", "info", "version"))
# ... in the middle of the job: the second exec is cargo, the second container the trial.
case("cargo-exec-500", [fault("exec", "status", status=500, nth=3)])
case("cargo-stream-hangup", [fault("exec-start", "hangup", nth=3)])


def phases(*wanted, failed=None):
    """These phases by (attempt, name), and what was written in the one that makes the artifact."""

    def after(d, job):
        equal([(p["attempt"], p["name"]) for p in job["phases"]], list(wanted), "phases")
        equal(sum(p["bytes_written"] for p in job["phases"]), job["resources"]["bytes_written"], "bytes written")
        if job["state"] == "succeeded":
            check(job["phases"][-2]["bytes_written"] >= len(MODULE), "bytes written by the build", job["phases"])
        if failed:
            check(re.search(failed, job["error"]["message"]), "message", job["error"])

    return after


case("cargo-stream-cut", [fault("exec-start", "cut", bytes=30, nth=3)], attempts=(2, 2),
     after=phases((1, "fetch"), (1, "build"), (2, "fetch"), (2, "build"), (2, "check")))
case("cargo-stream-cut-within-a-header", [fault("exec-start", "cut", bytes=5, nth=3)], attempts=(2, 2))
case("prepare-stream-cut", [fault("exec-start", "cut", bytes=300, nth=1)], attempts=(2, 2))
case("packages-stream-cut", [fault("exec-start", "cut", bytes=300, nth=2)], attempts=(2, 2))
case("trial-create-500", [fault("create", "status", status=500, nth=2)])
case("trial-start-hangup", [fault("start", "hangup", nth=2)])
# For ever: given up after max_attempts.
case("create-for-ever", [fault("create", "status", status=500, times=0, message="no space left on device")],
     state="failed", kind="internal", attempts=(3, 3),
     after=lambda d, job: check("no space left" in job["error"]["message"], "the Engine's words", job["error"]))
case("exec-for-ever", [fault("exec", "hangup", times=0)], state="failed", kind="internal", attempts=(2, 2), max_attempts=2)
# An Engine that never answers.
case("create-hangs", [fault("create", "hang")])
case("exec-hangs", [fault("exec", "hang")])
case("remove-hangs", [fault("remove", "hang")])


def when_building(act):
    def during(fake, d, id):
        d.wait_state(id, "building")
        until(lambda: any(x for c in fake.containers() for x in c["execs"] if "cargo" in x["command"]), "cargo runs")
        act(fake, d, id)

    return during


BUSY = {"kind": "exec", "command": "cargo build", "times": 1, "do": [{"stderr": "   Compiling empty-main\n"}, {"until_killed": True}]}
for fate in ("stop", "lost", "stay"):
    case(f"restart-{fate}", rules=[BUSY], attempts=(2, 2),
         during=when_building(lambda fake, d, id, fate=fate: fake.restart(seconds=2, containers=fate)))


def long_away(fake, d, id):
    """Longer than the pauses between attempts, which must not be used up meanwhile."""
    fake.restart(seconds=12, containers="stop")
    until(lambda: d.get("/readyz").status == 503, "/readyz says 503")

    def waits():
        job = d.job(id)
        check(job["state"] not in FINISHED, "it did not wait", job)
        return job["state"] == "queued" and "Engine" in job["queue"]["reason"]

    until(waits, "queue.reason names the Engine")


case("engine-away-for-long", rules=[BUSY], during=when_building(long_away), max_attempts=1, attempts=(2, 3))


def kill_daemon(fake, d, id):
    d.kill9()
    d.start()


case("daemon-killed", rules=[BUSY], during=when_building(kill_daemon), attempts=(2, 2))


def cancel(fake, d, id):
    equal(d.request("DELETE", f"/v1/jobs/{id}").status, 202, "cancel")


# What the packages are is good to know; a job does without.
ITOA = {"name": "itoa", "version": "1.0.1", "id": "itoa", "source": "registry+https://example.org", "targets": []}
RESOLVED = {**METADATA, "packages": METADATA["packages"] + [ITOA], "resolve": {"nodes": [
    {"id": METADATA["workspace_members"][0], "features": [], "deps": [{"pkg": "itoa", "dep_kinds": [{"kind": None}]}]},
    {"id": "itoa", "features": [], "deps": []}]}}


def dependencies(d, job):
    """As a comparison with a second job shows them, whose packages are those of RULES: none but its own."""
    other = d.succeed(d.accept("wasi", pack("empty_main")))
    r = d.get(f"/v1/compare?from={job['id']}&to={other['id']}").json()
    return r["dependencies"], [w for w in r["warnings"] if "packages" in w]


def knows_packages(d, job):
    equal(dependencies(d, job), ([{"name": "itoa", "change": "removed", "from": ["1.0.1"], "to": [], "for": "target"}], []),
          "dependencies")


def knows_no_packages(d, job):
    found, warnings = dependencies(d, job)
    check(found is None and f"packages that job {job['id']} is made of are not known" in warnings[0], "a warning", warnings)


case("packages-known", rules=[{"kind": "exec", "command": "packages.sh", "times": 1, "do": [
    {"stdout": (json.dumps(RESOLVED) + "\n") * 2 + "null\n"}]}], attempts=(1, 1), after=knows_packages)
case("packages-fail", rules=[{"kind": "exec", "command": "packages.sh", "times": 1, "do": [{"stderr": "error: no\n"}, {"exit": 1}]}],
     attempts=(1, 1), after=knows_no_packages)
case("packages-too-many", rules=[{"kind": "exec", "command": "packages.sh", "times": 1, "do": [
    {"stdout": "{\"packages\":[" + "0," * 500000, "repeat": 60}]}], state="failed", kind="bad_source", attempts=(1, 1))
case("canceled", rules=[BUSY], during=when_building(cancel), state="canceled", kind="canceled", attempts=(1, 1),
     after=phases((1, "fetch"), (1, "build"), failed="^canceled while cargo ran$"))
case("timed-out", rules=[BUSY], state="failed", kind="timed_out", attempts=(1, 1), job_wall_seconds=1, after=phases(
    (1, "fetch"), (1, "build"),
    failed=r"^cargo was stopped in phase build: the limit is 1 s of wall time \(job_wall_seconds\); it used \d+\.\d s,"))
case("container-dies", rules=[{"kind": "container", "command": "sleep", "times": 1, "do": [{"sleep": 1}, {"exit": 1}]}, BUSY],
     attempts=(2, 2))

# The crate's own fault: one attempt.
ERROR = "error[E0308]: mismatched types\n --> src/main.rs:2:23\n\nerror: could not compile `empty-main` (bin) due to 1 error\n"
case("cargo-fails", rules=[{"kind": "exec", "command": "cargo build", "times": 1, "do": [{"stderr": ERROR}, {"exit": 101}]}],
     state="failed", kind="compile", attempts=(1, 1),
     after=lambda d, job: check("mismatched types" in job["error"]["message"], "message", job["error"]))


def message(rendered, level="error", **more):
    """A line as cargo prints it with --message-format=json."""
    more = {"rendered": rendered, "level": level, "message": rendered.split("\n")[0], "spans": [], "code": None, **more}
    return '{"reason":"compiler-message",' + json.dumps({"package_id": "empty-main", "message": more})[1:] + "\n"


SPANS = [{"file_name": "src/other.rs", "is_primary": False, "line_start": 1, "column_start": 1, "label": "there"},
         {"file_name": "src/main.rs", "is_primary": True, "line_start": 2, "column_start": 23, "label": "here"}]
IN_JSON = [
    {"stdout": "   Compiling empty-main\nerror: a build script's own words\n" + message("warning: unused\n", "warning")},
    {"stdout": message("warning: unused\n", "warning") + message("note: a\n", "note")[:30]}, {"sleep": 0.2},
    {"stdout": message("note: a\n", "note")[30:]},
    {"stdout": message(ERROR, message="mismatched types", spans=SPANS, code={"code": "E0308", "explanation": "x"})},
    {"stdout": '{"reason":"build-finished","success":false}\n'}, {"exit": 101}]


def told(d, job):
    equal(job["error"]["message"], "error[E0308]: mismatched types (src/main.rs:2:23)", "message")
    equal(job["diagnostics"], {
        "errors": [{"file": "src/main.rs", "line": 2, "column": 23, "code": "E0308", "text": "mismatched types",
                    "label": "here", "rendered": ERROR}],
        "errors_count": 1, "warnings_count": 1, "truncated": False}, "diagnostics")
    log = d.job_log(job["id"])
    check("   Compiling empty-main\nerror: a build script's own words\nwarning: unused\nnote: a\n" + ERROR in log, "log", log)
    check("reason" not in log, "JSON in the log", log)


case("cargo-fails-in-json", rules=[{"kind": "exec", "command": "cargo build", "times": 1, "do": IN_JSON}], state="failed",
     kind="compile", attempts=(1, 1), after=told)
case("a-million-messages", rules=[{"kind": "exec", "command": "cargo build", "times": 1, "do": [
    {"stdout": message("w\n", "warning"), "repeat": 1000000}, COMPILES, ARTIFACT]}], attempts=(1, 1),
     after=lambda d, job: equal((job["diagnostics"]["warnings_count"], d.job_log(job["id"]).count("\nw\n")), (1, 1),
                                "one warning, said a million times"))
case("cargo-lies", rules=[{"kind": "exec", "command": "cargo build", "times": 1, "do": [COMPILES]}],
     state="failed", kind="contract", attempts=(1, 1))
case("cargo-leaves-rubbish", rules=[{"kind": "exec", "command": "cargo build", "times": 1, "do": [
    COMPILES, {"file": ARTIFACT["file"], "text": "#!/bin/sh\n"}]}], state="failed", kind="contract", attempts=(1, 1))
for code in (3, 4):
    case(f"prepare-exit-{code}", rules=[{"kind": "exec", "command": "prepare.sh", "times": 1, "do": [
        {"stderr": "error: failed to parse manifest\n"}, {"exit": code}]}], state="failed", kind="bad_source", attempts=(1, 1))


def trial(code, text):
    return [{"kind": "container", "command": "trial.mjs", "times": 1, "do": [{"stdout": text + "\n"}, {"exit": code}]}]


def verdict(word, reason):
    def after(d, job):
        t = d.artifacts(job["id"])["empty-main.wasm"]["trial"]
        equal(t["verdict"], word, "verdict")
        check(reason in t["reason"], "reason", t)

    return after


case("trial-fails", rules=trial(1, "it has no _start"), state="failed", kind="trial", attempts=(1, 1),
     after=verdict("fail", "no _start"))
case("trial-skips", rules=trial(77, "only the page provides it"), attempts=(1, 1), after=verdict("skipped", "only the page"))
case("trial-passes", rules=trial(0, "it ran."), attempts=(1, 1), after=verdict("pass", "it ran"))
case("trial-host-dies", rules=trial(134, "node: fatal"), state="failed", kind="trial", attempts=(1, 1),
     after=verdict("fail", "134"))


# A second build, where the first is in order.
VERIFY = {"verify": "1"}
OTHER = MODULE.replace(bytes.fromhex("0a040102000b"), bytes.fromhex("0a05010300010b"))  # one `nop` more


def builds(*actions):
    """What cargo does at the first, the second, ... time."""
    return [{"kind": "exec", "command": "cargo build", "times": 1, "do": list(a)} for a in actions]


FIRST = [COMPILES, ARTIFACT]
BUSY_AGAIN = builds(FIRST, BUSY["do"])


def verified(verdict, reason=None, **art):
    def after(d, job):
        v = job["verification"]
        equal(v["verdict"], verdict, f"verdict of {v}")
        check(reason is None or reason in v["reason"], "reason", v)
        for key, value in art.items():
            equal(v["artifacts"][0][key], value, key)
        said = [w for w in job["warnings"] if w.startswith("not reproducible")]
        equal(len(said), 0 if verdict == "reproducible" else 1, f"warnings {job['warnings']}")
        names = [p["name"] for p in job["phases"] if p["attempt"] == job["attempt"]]
        equal(names[:5], ["fetch", "build", "check", "verify-fetch", "verify-build"], "phases")

    return after


def when_building_again(act):
    def during(fake, d, id):
        ours = lambda: [c for c in fake.call()["containers"] if id in c["name"]]
        until(lambda: d.job_log(id).count("Compiling") == 2, "cargo has begun again, and so taken its rule")
        equal(d.job(id)["state"], "checking", "state during the second build")
        held = [c for c in ours() if c["name"].endswith("-build")]
        equal([c["removed"] for c in held], [True, False], "the first container is gone, the second is another")
        work = lambda c: [m["Source"] for m in c["spec"]["HostConfig"]["Mounts"] if m["Target"] == "/work"]
        equal(work(held[0]), work(held[1]), "work folder, by its path")
        act(fake, d, id)

    return during


case("verify-same", options=VERIFY, attempts=(1, 1), after=lambda d, job: (
    verified("reproducible", sha256=job["artifacts"][0]["sha256"], second_sha256=job["artifacts"][0]["sha256"],
             first_difference=None)(d, job), replayed(d, job)))
case("verify-different", options=VERIFY, attempts=(1, 1),
     rules=builds(FIRST, [COMPILES, dict(ARTIFACT, base64=base64.b64encode(OTHER).decode())]),
     after=verified("different", second_sha256=hashlib.sha256(OTHER).hexdigest(),
                    first_difference={"section": "code", "offset": MODULE.index(b"\x0a\x04\x01\x02") + 1}))
case("verify-second-fails", options=VERIFY, attempts=(1, 1), rules=builds(FIRST, [{"stderr": ERROR}, {"exit": 101}]),
     after=verified("failed", "(compile): error[E0308]: mismatched types"))
case("verify-second-is-empty", options=VERIFY, attempts=(1, 1), rules=builds(FIRST, [COMPILES]),
     after=verified("different", second_sha256=None, first_difference=None))
case("verify-second-is-too-slow", options=VERIFY, attempts=(1, 1), rules=BUSY_AGAIN, job_wall_seconds=8,
     after=verified("failed", "timed_out"))
case("verify-canceled", options=VERIFY, rules=BUSY_AGAIN, during=when_building_again(cancel), state="canceled",
     kind="canceled", attempts=(1, 1))
case("verify-daemon-killed", options=VERIFY, rules=BUSY_AGAIN, during=when_building_again(kill_daemon), attempts=(2, 2),
     after=verified("reproducible"))
case("verify-engine-restarted", options=VERIFY, rules=BUSY_AGAIN, attempts=(2, 2), after=verified("reproducible"),
     during=when_building_again(lambda fake, d, id: fake.restart(seconds=1, containers="stop")))
# The third container is the one that holds the second build.
case("verify-create-500", [fault("create", "status", status=500, nth=3)], options=VERIFY, attempts=(2, 2),
     after=verified("reproducible"))


def replayed(d, job):
    """GET /v1/jobs/{id}/replay: what was run, and nothing else; of an older job that there is none."""
    path = f"/v1/jobs/{job['id']}/replay"
    r = d.get(path)
    equal((r.status, r.headers.get_content_type()), (200, "application/x-tar"), "the replay")
    check(f"replay-{job['id']}.tar" in r.headers["Content-Disposition"], "its name", r.headers["Content-Disposition"])
    equal(d.request("HEAD", path).body, b"", "HEAD")
    with tarfile.open(fileobj=io.BytesIO(r.body)) as t:
        top = f"replay-{job['id']}/"
        found = {m.name.removeprefix(top): t.extractfile(m).read() for m in t.getmembers()}
        equal(t.getmember(top + "replay.sh").mode, 0o755, "mode of the script")
    # The fake's cargo writes no lock.
    equal(sorted(found), ["cargo-config.toml", "mounts.tar", "replay.json", "replay.sh", "source.tar.gz", "tree.tar"], "files")
    equal(hashlib.sha256(found["source.tar.gz"]).hexdigest(), job["source"]["sha256"], "the source")
    said = json.loads(found["replay.json"])
    equal([s["name"] for s in said["steps"]], ["cargo"], "steps: neither reading the manifest nor the trial, and once")
    step, container = said["steps"][0], said["containers"][said["steps"][0]["container"]]
    check("cargo" in " ".join(step["command"]) and "build" in step["command"], "command", step["command"])
    check("CARGO_NET_OFFLINE=true" in step["env"], "env", step["env"])
    equal((container["command"], container["network"]), (["sleep", "infinity"], False), "container")
    equal(container["image"], job["toolchain"]["image"], "image")
    equal({m["target"]: (m["from"], m["read_only"]) for m in container["mounts"]},
          {"/work": ("work", False), "/tmp": ("tmp", False), "/bloomery/profile": ("profile", True),
           "/bloomery/steps": ("steps", True)}, "mounts")
    check(d.state not in json.dumps(said), "a path of the server's is in it", said)
    equal(said["artifacts"], [{"name": "empty-main.wasm", "file": "target/wasm32-wasip1/release/empty-main.wasm",
                               "sha256": hashlib.sha256(MODULE).hexdigest(), "size": len(MODULE)}], "artifacts")
    with tarfile.open(fileobj=io.BytesIO(found["mounts.tar"])) as t:
        check({"profile/profile.json", "steps/prepare.sh"} <= set(t.getnames()), "what was mounted", t.getnames())
    equal(subprocess.run(["sh", "-n"], input=found["replay.sh"], check=False).returncode, 0, "the script's syntax")

    # Of a job that is older than this.
    d.stop()
    with sqlite3.connect(os.path.join(d.state, "bloomery.db")) as db:
        db.execute("DELETE FROM replays")
    db.close()
    d.start()
    r = d.get(path)
    equal((r.status, r.json()["error_kind"]), (404, "not_found"), "of an older job")
    check("retry" in r.json()["hint"], "hint", r.json())


case("replay-of-what-runs", rules=[BUSY], state="canceled", kind="canceled", attempts=(1, 1),
     during=when_building(lambda fake, d, id: (no_replay(d, id, "building"), cancel(fake, d, id))),
     after=lambda d, job: no_replay(d, job["id"], "did not succeed"))


def no_replay(d, id, words):
    r = d.get(f"/v1/jobs/{id}/replay")
    equal((r.status, r.json()["error_kind"]), (409, "conflict"), "replay")
    check(words in r.json()["detail"], "detail", r.json())


@suite.test
def test_images_that_nothing_needs_are_collected():
    """At its start the daemon removes what was made for its state folder, is needed by no profile and is old enough."""
    d = Server("collect", None)
    maker = hashlib.sha256(os.path.realpath(os.path.dirname(d.state)).encode() + b"/state").hexdigest()[:12]
    old, young, day = int(time.time()) - 3 * 86400, int(time.time()) - 3600, "a" * 64

    def image(tag, created, by):
        return {"tags": [tag], "created": created, "labels": {"bloomery.inputs": day, "bloomery.digest": day, "bloomery.by": by}}

    ours = [dict(i, created=old, labels=dict(i["labels"], **{"bloomery.by": maker})) for i in images]
    fake = Fake({"rules": RULES, "images": ours + [
        image("bloomery/profile-gone:111111111111", old, maker), image("bloomery/profile-gone:222222222222", young, maker),
        image("bloomery/profile-gone:333333333333", old, "0123456789ab"), image("elsewhere/built-on-ours:1", old, maker)]})
    d.engine = fake.path

    def gone(tag):
        return not any(tag in i["tags"] for i in fake.call()["images"])

    try:
        d.start()
        until(lambda: gone("bloomery/profile-gone:111111111111"), "the old one is removed", 60)
        check("removed the image bloomery/profile-gone:111111111111" in d.log(), "the log says so", d.log()[-800:])
        for tag in ("bloomery/profile-gone:222222222222", "bloomery/profile-gone:333333333333", "elsewhere/built-on-ours:1"):
            check(not gone(tag), f"{tag} was removed")
        for i in ours:
            check(not all(gone(t) for t in i["tags"]), f"a needed image was removed: {i['tags']}")
        d.succeed(d.accept("wasi", pack("empty_main")))
        d.stop()
    finally:
        fake.close()


def setup():
    suite.needs_programs()
    make_images()
    wanted = [n for n in CASES if len(sys.argv) < 2 or any(w in n for w in sys.argv[1:])]
    pool = concurrent.futures.ThreadPoolExecutor(AT_ONCE)
    slow_first = sorted(wanted, key=lambda n: "hang" not in n.split("-")[-1][:4] and "for-ever" not in n)
    futures = {n: pool.submit(run, n) for n in slow_first}

    def end():
        pool.shutdown(wait=True, cancel_futures=True)
        shutil.rmtree(top, ignore_errors=True)

    suite.closers.insert(0, end)  # closed last
    for n in wanted:
        def test(future=futures[n]):
            future.result()

        test.__name__ = n
        suite.test(test)


if __name__ == "__main__":
    suite.main(setup)
