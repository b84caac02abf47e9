#!/usr/bin/env python3
"""kill -9 at chosen moments, an Engine that goes away and comes back, drain, reload, two daemons on one state folder,
and a database of the future. Moments are seen through the API and the files, never slept for."""

import os
import signal
import socket
import sqlite3
import subprocess
import time

from lib import (
    Daemon, Suite, Way, check, engine_get, equal, leftovers, nothing_left, pack, run_wasm, until, BUILD, ENGINE,
    FINISHED, PATIENCE, SHARE,
)

suite = Suite("crash")
GATE = """
//! Waits in the build until somebody lets it go on: the server's own test needs the moment.
fn main() {
    println!("cargo:warning=the gate is closed");
    let mut here = std::env::current_dir().unwrap();
    here.push("open");
    while !here.exists() {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
}
"""
# Long enough to be seen in the trial: node gets 8 s for it.
LONG = 'fn main() { println!("still here"); loop { std::thread::sleep(std::time::Duration::from_secs(1)); } }\n'


def setup():
    suite.needs_programs()
    suite.needs_engine("profile-wasi", "trial-node")


def gated():
    """A crate whose build waits until open_gate()."""
    return pack("empty_main", extra={"build.rs": GATE})


def work_folders(d):
    work = os.path.join(d.state, "work")
    return sorted(os.listdir(work)) if os.path.isdir(work) else []


def open_gate(d, id):
    """Let the build of this job go on, through its work folder."""
    folders = [f for f in work_folders(d) if f.startswith(id)]
    check(folders, f"no work folder of {id}", work_folders(d))
    with open(os.path.join(d.state, "work", folders[-1], "fs", "src", "open"), "w", encoding="utf-8"):
        pass


def at_the_gate(d, id):
    """Its build script runs now."""
    d.wait_state(id, "building")

    def runs():
        for c in engine_get("/containers/json"):
            if c.get("Labels", {}).get("bloomery.job") == id:
                top = engine_get(f"/containers/{c['Id']}/top")
                if any("build-script" in " ".join(p) for p in top["Processes"]):
                    return True
        return False

    until(runs, "the build script runs", every=0.2)


def succeed_after(d, id, attempt, gate=False):
    if gate:
        at_the_gate(d, id)
        open_gate(d, id)
    job = d.succeed(id)
    equal(job["attempt"], attempt, "attempts")
    status, _ = run_wasm(d.artifact(id))
    equal(status, 0, "running what was built")
    return job


# --- kill -9 ---


@suite.test
def test_killed_while_uploading():
    d = Daemon(suite, "upload").start()
    body = pack("empty_main")
    with socket.create_connection(("127.0.0.1", d.port), timeout=30) as s:
        s.sendall(f"POST /v1/jobs?profile=wasi HTTP/1.1\r\nHost: 127.0.0.1:{d.port}\r\n"
                  f"Content-Length: {len(body) + 50000}\r\n\r\n".encode() + body)
        until(lambda: d.files("tmp"), "the upload lies in tmp/")
        d.kill9()
    check(d.files("tmp"), "the upload was gone before the restart")
    d.start()
    equal((d.files("tmp"), d.files("sources"), d.job_count()), ([], [], 0), "tmp/, sources/ and jobs after the restart")
    d.succeed(d.accept("wasi", body))
    nothing_left(d)
    d.stop()


@suite.test
def test_killed_at_once_after_the_answer():
    """What was answered with 201 is on disk."""
    d = Daemon(suite, "accepted").start()
    ids = []
    for _ in range(4):
        ids.append(d.accept("wasi", pack("empty_main"), trial="off"))
        d.kill9()
        d.start(ready=False)
    d.wait_ready()
    for id in ids:
        d.succeed(id)
    nothing_left(d)
    d.stop()


@suite.test
def test_killed_with_jobs_in_the_queue_and_in_the_build():
    d = Daemon(suite, "build", slots=1).start()
    running = d.accept("wasi", gated())
    waiting = [d.accept("wasi", pack("empty_main")), d.accept("wasi", pack("several_bins"), bin="alpha")]
    canceled = d.accept("wasi", pack("empty_main"))
    equal(d.request("DELETE", f"/v1/jobs/{canceled}").status, 202, "cancel")
    at_the_gate(d, running)
    mode = d.get("/readyz").json()["work_mode"]
    d.kill9()
    left = leftovers(d)
    check(left["containers"], "the container did not outlive the daemon: this test proves nothing")
    if os.geteuid() == 0 and mode == "ext4":
        check(left["mounts"] and left["loop devices"] and left["cgroups"], "what a killed daemon leaves is not seen", left)
    first = set(left["containers"])
    d.start()
    check(not first & set(leftovers(d)["containers"]), "the container of the dead daemon is still there when /readyz says 200")
    succeed_after(d, running, 2, gate=True)
    for id in waiting:
        succeed_after(d, id, 1)
    equal(d.job(canceled)["state"], "canceled", "the canceled one")
    log = d.job_log(running)
    check("attempt 1" in log and "attempt 2" in log, "the log does not hold both attempts", log)
    nothing_left(d)
    d.stop()


@suite.test
def test_killed_in_the_fetch():
    d = Daemon(suite, "fetch", slots=1).start()
    for moment in range(3):  # the folder is made; the container is made; cargo metadata runs
        id = d.accept("wasi", pack("empty_main"))

        def there():
            if moment == 0:
                return any(f.startswith(id) for f in work_folders(d))
            found = [c for c in engine_get("/containers/json?all=1") if c.get("Labels", {}).get("bloomery.job") == id]
            return found and (moment == 1 or found[0]["State"] == "running")

        until(there, "the moment", every=0.005)
        state = d.job(id)["state"]
        d.kill9()
        check(state in ("fetching", "building"), f"the moment {moment} was missed: {state}")
        d.start()
        succeed_after(d, id, 2)
        nothing_left(d)
    d.stop()


@suite.test
def test_killed_in_the_check():
    d = Daemon(suite, "check", slots=1).start()
    id = d.accept("wasi", pack("empty_main", extra={"src/main.rs": LONG}))

    def trial_runs():
        check(d.job(id)["state"] not in FINISHED, "the trial was missed", d.job(id))
        return [c for c in engine_get("/containers/json")
                if c["Labels"].get("bloomery.job") == id and c["Labels"].get("bloomery.phase") == "trial"]

    until(trial_runs, "the trial runs")
    equal(d.job(id)["state"], "checking", "state")
    d.kill9()
    d.start()
    job = d.succeed(id)
    equal(job["attempt"], 2, "attempts")
    equal(d.artifacts(id)["empty-main.wasm"]["trial"]["verdict"], "pass", "a program that runs on passes its trial")
    nothing_left(d)
    d.stop()


@suite.test
def test_killed_often():
    """More often than max_attempts: a restart of the server is not the job's fault."""
    d = Daemon(suite, "often", slots=1, max_attempts=2).start()
    id = d.accept("wasi", gated())
    for _ in range(3):
        at_the_gate(d, id)
        d.kill9()
        d.start()
    succeed_after(d, id, 4, gate=True)
    nothing_left(d)
    d.stop()


# --- the Engine ---


@suite.test
def test_engine_away_at_the_start():
    way = Way()
    suite.on_exit(way.close)
    for how in (way.off, way.silent):
        how()
        d = Daemon(suite, "away-" + how.__name__, engine=way.path).start(ready=False)
        id = d.accept("wasi", pack("empty_main"))

        def told():
            r = d.get("/readyz")
            equal(r.status, 503, f"/readyz while the Engine is {how.__name__}")
            engine = next(c for c in r.json()["checks"] if c["name"] == "engine")
            job = d.job(id)
            equal(job["state"], "queued", "state")
            return not engine["ok"] and "Engine" in engine["detail"] and "Engine" in job["queue"]["reason"]

        until(told, "/readyz and queue.reason name the Engine")
        equal(d.get("/healthz").status, 200, "/healthz")
        way.on()
        succeed_after(d, id, 1)
        d.wait_ready()
        nothing_left(d)
        d.stop()


@suite.test
def test_engine_goes_away_in_mid_build():
    way = Way().on()
    suite.on_exit(way.close)
    d = Daemon(suite, "cut", slots=1, engine=way.path).start()
    id = d.accept("wasi", gated())
    at_the_gate(d, id)
    way.off()
    until(lambda: d.get("/readyz").status == 503, "/readyz says 503")

    def waits():
        job = d.job(id)
        check(job["state"] not in FINISHED, "the job did not wait for the Engine", job)
        return job["state"] == "queued" and "Engine" in job["queue"]["reason"]

    until(waits, "the job waits for the Engine")
    way.on()
    d.wait_ready()
    job = succeed_after(d, id, 2, gate=True)
    equal(job["error"], None, "error")
    nothing_left(d)
    d.stop()


@suite.test
def test_streams_cut_in_mid_build():
    """The Engine stays, a stream does not: the server's failure, not the job's."""
    way = Way().on()
    suite.on_exit(way.close)
    d = Daemon(suite, "stream", slots=1, engine=way.path).start()
    id = d.accept("wasi", gated())
    at_the_gate(d, id)
    way.cut()
    until(lambda: d.job(id)["attempt"] == 2 or d.job(id)["state"] in FINISHED, "a second attempt")
    succeed_after(d, id, 2, gate=True)
    nothing_left(d)
    d.stop()


# --- signals ---


@suite.test
def test_drain_lets_a_running_job_finish():
    d = Daemon(suite, "drain", slots=1, drain_seconds=120).start()
    id = d.accept("wasi", gated())
    behind = d.accept("wasi", pack("empty_main"))
    at_the_gate(d, id)
    d.process.send_signal(signal.SIGTERM)

    def refuses():
        r = d.submit("wasi", pack("empty_main"))
        return r if r.status == 503 else None

    r = until(refuses, "new jobs are refused", 30)
    equal(r.json()["error_kind"], "unavailable", "error_kind")
    check(int(r.headers["Retry-After"]) > 0, "Retry-After", str(r.headers))
    equal(d.get("/readyz").status, 503, "/readyz")
    equal(d.job(behind)["state"], "queued", "the job behind it")
    open_gate(d, id)
    equal(d.wait_exit(), 0, "exit status")
    d.jobs = [j for j in d.jobs if j in (id, behind)]
    d.start()
    equal((d.job(id)["state"], d.job(id)["attempt"]), ("succeeded", 1), "the job that was running")
    succeed_after(d, behind, 1)
    nothing_left(d)
    d.stop()


@suite.test
def test_drain_gives_up_after_its_limit():
    d = Daemon(suite, "drain-limit", slots=1, drain_seconds=1).start()
    id = d.accept("wasi", gated())
    at_the_gate(d, id)
    began = time.monotonic()
    d.stop()
    check(time.monotonic() - began < 60, "the drain took long")
    left = leftovers(d)
    check(not left["containers"] and not left["mounts"], "left after an orderly end", left)
    d.start()
    succeed_after(d, id, 2, gate=True)
    nothing_left(d)
    d.stop()


@suite.test
def test_reload():
    d = Daemon(suite, "reload", slots=1, max_body_bytes=100).start()
    body = pack("several_bins")
    equal(d.submit("wasi", body, bin="alpha").status, 413, "over max_body_bytes")
    d.reload(max_body_bytes="1M")
    id = d.accept("wasi", body, bin="alpha")
    d.reload(max_body_bytes="1x")  # a mistake: everything stays
    equal(d.get("/healthz").status, 200, "alive after a reload with a mistake")
    succeed_after(d, id, 1)
    equal(d.submit("wasi", body, bin="alpha").status, 201, "the earlier setting is still in force")
    d.write_config(max_body_bytes="1M")
    d.succeed(d.jobs[-1])
    d.stop()


# --- one state folder ---


@suite.test
def test_a_second_daemon_is_refused():
    d = Daemon(suite, "second", slots=1).start()
    argv = [os.path.join(BUILD, "bloomeryd"), "--listen", "127.0.0.1:0", "--state", d.state, "--engine-socket", ENGINE,
            "--share-dir", SHARE]
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=PATIENCE, check=False)
    check(p.returncode not in (0, -6, -11), f"the second one ended with {p.returncode}", p.stdout.decode())
    check("another" in p.stdout.decode() and d.state in p.stdout.decode(), "its sentence", p.stdout.decode())
    d.succeed(d.accept("wasi", pack("empty_main"), trial="off"))
    d.stop()


@suite.test
def test_a_newer_database_is_refused():
    d = Daemon(suite, "newer", slots=1).start()
    id = d.accept("wasi", pack("empty_main"), trial="off")
    d.succeed(id)
    d.stop()
    path = os.path.join(d.state, "bloomery.db")

    def version(new=None):
        db = sqlite3.connect(path)
        try:
            old = db.execute("PRAGMA user_version").fetchone()[0]
            if new is not None:
                db.execute(f"PRAGMA user_version = {int(new)}")
                db.commit()
            return old
        finally:
            db.close()

    old = version(9999)
    d.spawn()
    status = d.wait_exit()
    check(status not in (0, -6, -11), f"it ended with {status}", d.log())
    check("9999" in d.log() and str(old) in d.log(), "its sentence names both versions", d.log())
    d.process = None
    equal(version(old), 9999, "user_version after the refusal")
    d.start()
    equal(d.job(id)["state"], "succeeded", "the job of before")
    d.stop()


if __name__ == "__main__":
    suite.main(setup)
