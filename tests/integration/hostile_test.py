#!/usr/bin/env python3
"""Bad tarballs, bad requests and hostile builds: each is refused or fails with its own reason, nothing is left of it,
and a neighbour's build succeeds meanwhile. On the real Engine, with small limits."""

import gzip
import io
import json
import os
import re
import select
import socket
import tarfile
import time

from lib import (
    Daemon, Suite, check, entry, equal, leftovers, nothing_left, pack, query, run_native, run_wasm, shorten, tar_of,
    tree_entries, read_tree, until, MIB, PATIENCE,
)

suite = Suite("hostile")
d = None  # two slots: one for the hostile job, one for its neighbour
wire = None  # gets what no client should send
ids = {}
SLOW = 15  # wall seconds of a job
MEMORY = 768 * MIB
SETTINGS = {
    "slots": 2, "job_wall_seconds": SLOW, "job_memory_bytes": MEMORY, "job_pids": 200, "work_bytes": 128 * MIB,
    "work_inodes": 6000, "max_log_bytes": 256 << 10, "max_artifact_bytes": 8 * MIB, "max_body_bytes": 4 * MIB,
    "max_unpacked_bytes": 48 * MIB, "max_files": 500, "max_path_bytes": 300, "upload_stall_seconds": 2,
    "max_upload_seconds": 5, "drain_seconds": 2,
}
HOSTILE = {
    "oom": ("oom_build", {}), "loop": ("loop_build", {}), "disk": ("fill_disk", {}),
    "files": ("fill_disk", {"features": "files"}), "flood": ("log_flood", {}),
    "endless flood": ("log_flood", {"features": "endless"}), "forks": ("fork_bomb", {}),
    "forged": ("forged_messages", {}),
    "endless forgery": ("forged_messages", {"features": "endless"}), "leftover": ("leftover_process", {}), "link": ("symlink_target", {}),
    "folder": ("symlink_target", {"features": "folder"}), "probe": ("env_probe", {"env__GREETING": "hello"}),
}


def setup():
    global d, wire
    suite.needs_programs()
    suite.needs_engine("profile-wasi", "profile-musl", "trial-node", "empty")
    d = Daemon(suite, "main", **SETTINGS).start()
    wire = Daemon(suite, "wire", **{**SETTINGS, "slots": 1}).start(ready=False)
    for name, (crate, options) in HOSTILE.items():
        ids[name] = d.accept("musl", pack(crate), priority="1", **options)
        ids[name + " neighbour"] = d.accept("wasi", pack("empty_main"), priority="1", label__beside=name.replace(" ", "-"))


# --- tarballs ---


def crate(*more, **kwargs):
    return tar_of(tree_entries(read_tree("empty_main")) + list(more), **kwargs)


def file(name, data=b"x"):
    return entry(name), data


def link(name, to, kind=tarfile.SYMTYPE):
    return entry(name, kind=kind, link=to), None


def bomb():
    """40 MiB of zeros in 40 KiB: more than 200 to 1."""
    return crate(file("zeros", b"\0" * (40 * MIB)))


def zeros_tar(size):
    """Beyond the limit on bytes, at 60 to 1."""
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="wb", compresslevel=9) as z:
        for info, data in tree_entries(read_tree("empty_main")):
            info.size = len(data)
            z.write(info.tobuf() + data + b"\0" * (-len(data) % 512))
        info = entry("zeros")
        info.size = size
        z.write(info.tobuf())
        for _ in range(size // MIB):
            z.write(os.urandom(16384) + b"\0" * (MIB - 16384))
        z.write(b"\0" * 1024)
    return out.getvalue()


def cut(data, part):
    return data[: int(len(data) * part)]


BAD = {
    # name: (bytes, kinds, what the answer's text must hold)
    "nothing": (lambda: b"", "bad_request bad_source", ""),
    "not a tarball": (lambda: b"#!/bin/sh\necho this is no tarball\n" * 50, "bad_source", "tar"),
    "random bytes": (lambda: os.urandom(20000), "bad_source", "tar"),
    "a zip": (lambda: b"PK\3\4" + b"\0" * 4000, "bad_source", "tar"),
    "gzip of no tarball": (lambda: gzip.compress(b"hello " * 1000), "bad_source", "tar"),
    "a cut gzip": (lambda: cut(crate(file("big", os.urandom(50000))), 0.6), "bad_source", ""),
    "a cut tar": (lambda: cut(crate(file("big", os.urandom(50000)), mode="w"), 0.6), "bad_source", ""),
    "no manifest": (lambda: tar_of([file("README.md"), file("src/main.rs")]), "bad_source", "Cargo.toml"),
    "a manifest elsewhere": (lambda: tar_of([file("a/b/Cargo.toml"), file("c/d/Cargo.toml"), file("x")]), "bad_source",
                             "a/b/Cargo.toml"),
    "an empty archive": (lambda: tar_of([]), "bad_source", ""),
    "dot dot": (lambda: crate(file("../evil")), "bad_source", ".."),
    "dot dot inside": (lambda: crate(file("src/../../evil")), "bad_source", ".."),
    "an absolute path": (lambda: crate(file("/etc/evil")), "bad_source", "/etc/evil"),
    "a link out": (lambda: crate(link("out", "../../etc")), "bad_source", "out"),
    "an absolute link": (lambda: crate(link("out", "/etc/passwd")), "bad_source", "out"),
    "through an earlier link": (lambda: crate(link("dir", "src"), file("dir/evil")), "bad_source", "dir"),
    "through a link out": (lambda: crate(link("dir", ".."), file("dir/evil")), "bad_source", "dir"),
    "a link by two links": (lambda: crate(link("src/a", ".."), link("b", "src/a/..")), "bad_source", "b"),
    "a hard link out": (lambda: crate(link("hard", "../../etc/passwd", tarfile.LNKTYPE)), "bad_source", "hard"),
    "an absolute hard link": (lambda: crate(link("hard", "/etc/passwd", tarfile.LNKTYPE)), "bad_source", "hard"),
    "a hard link to nothing": (lambda: crate(link("hard", "src/nothing", tarfile.LNKTYPE)), "bad_source", "hard"),
    "a device": (lambda: crate((entry("null", kind=tarfile.CHRTYPE), None)), "bad_source", "null"),
    "a block device": (lambda: crate((entry("sda", kind=tarfile.BLKTYPE), None)), "bad_source", "sda"),
    "a fifo": (lambda: crate((entry("pipe", kind=tarfile.FIFOTYPE), None)), "bad_source", "pipe"),
    "a bomb by ratio": (bomb, "too_large bad_source", "max_ratio"),
    "a bomb by bytes": (lambda: zeros_tar(64 * MIB), "too_large bad_source", "max_unpacked"),
    "a bomb by files": (lambda: crate(*[file(f"f{i}", b"") for i in range(600)]), "too_large bad_source", "max_files"),
    "a long path": (lambda: crate(file("/".join(["d" * 60] * 6) + "/f")), "too_large bad_source", "max_path"),
    "a long name": (lambda: crate(file("n" * 280)), "too_large bad_source", ""),
    "deep folders": (lambda: crate(file("d/" * 140 + "f")), "too_large bad_source", ""),
    "streams in a row": (lambda: b"".join([crate()] + [gzip.compress(b"\0" * MIB) for _ in range(200)]),
                         "too_large bad_source", ""),
    "a control character": (lambda: crate(file("src/a\nb.rs")), "bad_source", ""),
    "a file and a folder": (lambda: crate(file("thing"), file("thing/inner")), "bad_source", "thing"),
    "an impossible size": (lambda: huge_header(), "too_large bad_source", ""),
    "a tar in a gzip in a gzip": (lambda: gzip.compress(gzip.compress(b"x" * 5000)), "bad_source", ""),
}


def huge_header():
    info = entry("huge", size=1 << 40)
    return info.tobuf(tarfile.GNU_FORMAT) + b"\0" * 4096


def is_problem(r, kinds, what):
    check(400 <= r.status < 500, f"{what}: status {r.status}", r.text())
    equal(r.headers.get_content_type(), "application/problem+json", f"type of the answer to {what}")
    p = r.json()
    check(p["error_kind"] in kinds.split(), f"{what}: error_kind {p['error_kind']}", p)
    equal(p["status"], r.status, f"{what}: status within the problem")
    check(p["title"] and p["detail"] and p["type"], f"{what}: the problem says too little", p)
    return p


@suite.test
def test_bad_tarballs():
    count, sources = wire.job_count(), wire.files("sources")
    wrong = []
    for name, (make, kinds, holds) in BAD.items():
        try:
            r = wire.submit("wasi", make())
            p = is_problem(r, kinds, name)
            check(p.get("hint"), f"{name}: no hint", p)
            check(holds in json.dumps(p, ensure_ascii=False), f"{name}: {holds!r} is not in the answer", p)
        except Exception as e:  # all of them are tried
            wrong.append(f"{name}: {e}")
    check(not wrong, f"{len(wrong)} of {len(BAD)} bad tarballs", *wrong)
    equal(wire.job_count(), count, "number of jobs")
    equal(wire.files("sources"), sources, "sources kept")
    equal(wire.files("tmp"), [], "files in tmp/")


@suite.test
def test_links_that_stay_inside_are_fine():
    id = d.accept("wasi", crate(link("src/again.rs", "main.rs"), link("copy.rs", "src/main.rs", tarfile.LNKTYPE)))
    d.succeed(id)


@suite.test
def test_bad_requests():
    body = pack("empty_main")
    count = wire.job_count()
    for what, path, kinds, holds in (
        ("no profile", "/v1/jobs", "bad_request", "wasi"),
        ("an unknown profile", "/v1/jobs?profile=wasm128", "bad_request", "musl"),
        ("an unknown parameter", "/v1/jobs?profile=wasi&featurs=x", "bad_request", "featurs"),
        ("the same profile twice", "/v1/jobs?profile=wasi,wasi", "bad_request", "wasi"),
        ("a refused variable", "/v1/jobs?profile=wasi&env.RUSTFLAGS=-Clinker=x", "bad_request", "RUSTFLAGS"),
        ("a manifest outside", "/v1/jobs?profile=wasi&manifest_path=../Cargo.toml", "bad_request bad_source", "manifest_path"),
        ("a manifest that is not there", "/v1/jobs?profile=wasi&manifest_path=sub/Cargo.toml", "bad_source", "Cargo.toml"),
        ("a flag for a bin", "/v1/jobs?profile=wasi&bin=--config", "bad_request", "bin"),
        ("a flag for a feature", "/v1/jobs?profile=wasi&features=-Zx", "bad_request", "features"),
        ("a bad escape", "/v1/jobs?profile=%zz", "bad_request", ""),
        ("a number that is none", "/v1/jobs?profile=wasi&max_size=big", "bad_request", "max_size"),
    ):
        p = is_problem(wire.request("POST", path, body), kinds, what)
        check(holds in json.dumps(p), f"{what}: {holds!r} is not in the answer", p)
    equal(wire.get("/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV").status, 404, "an unknown job")
    equal(wire.get("/v1/nothing").status, 404, "an unknown path")
    equal(wire.request("PATCH", "/v1/jobs").status, 405, "another method")
    equal(wire.get("/v1/jobs?colour=red").status, 400, "an unknown parameter of a list")
    host = wire.request("POST", "/v1/jobs?profile=wasi", body, {"Host": "evil.example"})
    check(host.status in (400, 403, 421), f"another Host gives {host.status}", host.text())
    origin = wire.request("POST", "/v1/jobs?profile=wasi", body, {"Origin": "https://evil.example"})
    equal(origin.status, 403, "another Origin")
    equal(wire.job_count(), count, "number of jobs")
    equal(wire.files("tmp"), [], "files in tmp/")


# --- bodies on the wire ---


def raw(head, *parts, end=False):
    """Send a request by hand; what comes back until the server closes (or answers)."""
    with socket.create_connection(("127.0.0.1", wire.port), timeout=PATIENCE) as s:
        try:
            s.sendall(head)
            for p in parts:
                if select.select([s], [], [], 0)[0]:
                    break  # the answer is there already
                s.sendall(p)
            if end:
                s.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # the answer came before the body's end
        got = b""
        try:
            while b"\r\n\r\n" not in got or len(got.split(b"\r\n\r\n", 1)[1]) < length(got):
                data = s.recv(65536)
                if not data:
                    break
                got += data
        except ConnectionResetError:
            pass
        return got


def length(answer):
    found = re.search(rb"(?i)content-length: *(\d+)", answer)
    return int(found[1]) if found else 1 << 30


def post(headers, path="/v1/jobs?profile=wasi"):
    lines = [f"POST {path} HTTP/1.1", f"Host: 127.0.0.1:{wire.port}", *headers, "", ""]
    return "\r\n".join(lines).encode()


@suite.test
def test_a_body_over_the_limit():
    count = wire.job_count()
    got = raw(post([f"Content-Length: {5 * MIB}"]), b"x" * 100)
    check(b" 413 " in got.split(b"\r\n")[0] and b"max_body_bytes" in got, "announced", got.decode("utf-8", "replace"))
    chunk = b"40000\r\n" + b"x" * 0x40000 + b"\r\n"
    got = raw(post(["Transfer-Encoding: chunked"]), *[chunk] * 20, b"0\r\n\r\n")
    check(b" 413 " in got.split(b"\r\n")[0] and b"max_body_bytes" in got, "in chunks", got.decode("utf-8", "replace"))
    got = raw(post([f"Content-Length: {5 * MIB}", "Expect: 100-continue"]))
    check(got.startswith(b"HTTP/1.1 413"), "asked before it is sent", got.decode("utf-8", "replace"))
    equal(wire.job_count(), count, "number of jobs")
    until(lambda: wire.files("tmp") == [], "tmp/ is empty")


@suite.test
def test_a_body_shorter_than_it_says():
    count = wire.job_count()
    body = pack("empty_main")
    got = raw(post([f"Content-Length: {len(body) + 100}"]), body, end=True)
    check(not got or b" 400 " in got.split(b"\r\n")[0] or b" 408 " in got.split(b"\r\n")[0], "answer",
          got.decode("utf-8", "replace"))
    got = raw(post(["Transfer-Encoding: chunked"]), b"%x\r\n" % len(body), body[:200], end=True)
    check(not got or b" 400 " in got.split(b"\r\n")[0] or b" 408 " in got.split(b"\r\n")[0], "answer",
          got.decode("utf-8", "replace"))
    until(lambda: wire.files("tmp") == [], "tmp/ is empty")
    equal(wire.job_count(), count, "number of jobs")


@suite.test
def test_a_slow_client():
    count = wire.job_count()
    began = time.monotonic()
    got = raw(post(["Content-Length: 100000"]), b"x" * 50)  # ... and nothing more
    took = time.monotonic() - began
    check(b" 408 " in got.split(b"\r\n")[0] and b"problem+json" in got, "answer", got.decode("utf-8", "replace"))
    check(1 < took < 30, f"given up after {took:.1f} s, upload_stall_seconds is 2")
    until(lambda: wire.files("tmp") == [], "tmp/ is empty")
    equal(wire.job_count(), count, "number of jobs")
    equal(wire.get("/healthz").status, 200, "others are served")


@suite.test
def test_a_client_that_trickles():
    """Always a byte in time, and never done: max_upload_seconds ends that."""
    count = wire.job_count()
    began = time.monotonic()
    with socket.create_connection(("127.0.0.1", wire.port), timeout=PATIENCE) as s:
        s.sendall(post(["Content-Length: 100000"]))
        while not select.select([s], [], [], 0.3)[0]:
            check(time.monotonic() - began < 60, "a client that trickles is never sent away")
            s.sendall(b"x")
        got = s.recv(65536)
    check(b" 408 " in got.split(b"\r\n")[0] and b"problem+json" in got, "answer", got.decode("utf-8", "replace"))
    until(lambda: wire.files("tmp") == [], "tmp/ is empty")
    equal(wire.job_count(), count, "number of jobs")


@suite.test
def test_chunked_and_put_are_fine():
    body = pack("empty_main")
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(c), c) for c in (body[:100], body[100:101], body[101:])) + b"0\r\n\r\n"
    got = raw(post(["Transfer-Encoding: chunked", "Content-Type: text/html"]), chunks)
    check(got.startswith(b"HTTP/1.1 201"), "chunked", got.decode("utf-8", "replace"))
    wire.jobs.append(json.loads(got.split(b"\r\n\r\n", 1)[1])["id"])
    r = wire.submit("wasi", body, method="PUT")
    equal(r.status, 201, "PUT")
    for id in wire.jobs[-2:]:
        wire.succeed(id)


# --- builds ---


def last_phase(job, name):
    """The phase in which it failed, and that has numbers."""
    p = job["phases"][-1]
    equal((p["name"], p["attempt"]), (name, job["attempt"]), "the last phase")
    check(p["seconds"] > 0 and p["cpu_seconds"] > 0 and p["peak_memory_bytes"] > MIB and p["bytes_written"] > 0,
          "a phase without numbers", p)
    return p


@suite.test
def test_out_of_memory():
    job = d.fail(ids["oom"], "out_of_memory")
    used = re.search(r"in phase build: it used ([0-9.]+) MiB, the limit is 768.0 MiB \(job_memory_bytes\)",
                     job["error"]["message"])
    check(used and float(used[1]) > 384 and job["error"]["hint"], "message and hint", job["error"])
    check(job["resources"]["peak_memory_bytes"] > MEMORY / 2, "peak memory", job["resources"])
    check(last_phase(job, "build")["peak_memory_bytes"] > MEMORY / 2, "peak memory of the phase", job["phases"])


@suite.test
def test_timed_out():
    for name in ("loop", "endless flood", "endless forgery", "forks"):
        job = d.fail(ids[name], "timed_out")
        seconds = last_phase(job, "build")["seconds"]
        check(SLOW - 1 <= seconds <= SLOW + 20, f"{name} took {seconds} s", job["phases"])
        check(re.search(rf"in phase build: the limit is {SLOW} s of wall time \(job_wall_seconds\); it used [0-9.]+ s, "
                        r"[0-9.]+ s of CPU time, [0-9.]+ MiB of memory, ", job["error"]["message"]),
              "limit and use are not named", job["error"])


@suite.test
def test_cpu_time():
    busy = Daemon(suite, "busy", **{**SETTINGS, "slots": 1, "job_cpu_seconds": 3, "job_wall_seconds": 120}).start()
    id = busy.accept("wasi", pack("loop_build"), features="spin")
    job = busy.fail(id, "timed_out")
    check("in phase build: the limit is 3 s of CPU time (job_cpu_seconds); it used " in job["error"]["message"],
          "message", job["error"])
    check(last_phase(job, "build")["cpu_seconds"] > 2, "CPU seconds of the phase", job["phases"])
    check(3 <= job["resources"]["cpu_seconds"] < 30, "CPU seconds", job["resources"])
    nothing_left(busy)
    busy.stop()


@suite.test
def test_a_full_disk_is_the_jobs_own():
    for name in ("disk", "files"):
        job = d.fail(ids[name], "disk_full")
        check("in phase build: it holds " in job["error"]["message"] and job["error"]["hint"], "message and hint", job["error"])
        check("128.0 MiB (work_bytes) and 6000 files (work_inodes)" in job["error"]["message"], "limits", job["error"])
        written = last_phase(job, "build")["bytes_written"]
        check(written <= job["resources"]["bytes_written"], "sum over the phases", job)
        check(name == "files" or written > 64 * MIB, "bytes written", job["phases"])


@suite.test
def test_plain_and_tmpfs_work_folders():
    for mode in ("plain", "tmpfs"):
        other = Daemon(suite, mode, **{**SETTINGS, "slots": 1, "work_mode": mode}).start()
        ready = other.get("/readyz").json()
        equal(ready["work_mode"], mode, "work_mode in /readyz")
        good, full = other.accept("wasi", pack("empty_main")), other.accept("wasi", pack("fill_disk"))
        other.succeed(good)
        other.fail(full, "disk_full")
        nothing_left(other)
        other.stop()


@suite.test
def test_a_flooded_log_keeps_head_and_tail():
    limit = SETTINGS["max_log_bytes"]
    for name in ("flood", "endless flood", "endless forgery"):
        d.wait(ids[name])
        log = d.job_log(ids[name])
        size = len(log.encode())
        check(limit / 2 < size < limit * 1.1 + 10000, f"{name}: the log has {size} bytes, max_log_bytes is {limit}")
        if name == "endless forgery":
            continue
        numbers = [int(n) for n in re.findall(r"spout line (\d+) of", log)]
        equal(numbers[:3], [1, 2, 3], f"{name}: the log's head")
        check(numbers[-1] > 50000 and numbers == sorted(numbers), f"{name}: the log's tail", str(numbers[-3:]))
        check(re.search(r"==>.*(cut|left out|dropped|omitted)", log), f"{name}: no line says what was cut", log[:300])
    equal(d.job(ids["flood"])["state"], "succeeded", "a flood is no failure")
    log = d.job_log(ids["flood"])
    check("the spout has run dry" in log and "Finished" in log, "the end is missing", log[-500:])
    equal(run_native(d.artifact(ids["flood"])), (0, "wet\n"), "running what was built")


@suite.test
def test_forged_messages_decide_nothing():
    job = d.succeed(ids["forged"])
    equal(run_native(d.artifact(ids["forged"])), (0, "no error at all\n"), "running what was built")
    said = job["diagnostics"]
    equal((said["errors_count"], said["warnings_count"], said["truncated"]), (101, 0, True), "what was forged, counted")
    equal(len(said["errors"]), 32, "errors kept")
    check({"file": "/etc/passwd", "line": 7, "column": None, "code": "E9999",
           "text": "forged 7 [31m error: second line", "label": "here",
           "rendered": "error[E9999]: forged 7\n"} in said["errors"], "a forged error", said["errors"])
    log = d.job_log(ids["forged"])
    equal(log.count("error[E9999]: forged 7\n"), 1, "what is said twice is printed once")
    check('"rendered":"unfinished' in log and '"message":[[[' in log and "build-finished" not in log,
          "what is no message stays text", log[:2000])
    said = d.fail(ids["endless forgery"], "timed_out")["diagnostics"]
    check(said["errors_count"] > 1000 and said["truncated"] and len(said["errors"]) == 32, "counts", said["errors_count"])


@suite.test
def test_processes_that_stay_behind():
    job = d.wait(ids["leftover"])
    if job["state"] == "succeeded":
        equal(run_native(d.artifact(ids["leftover"])), (0, "the real one\n"), "running what was built")
    else:
        equal((job["state"], job["error"]["kind"]), ("failed", "contract"), "outcome")
    build = next(p["seconds"] for p in job["phases"] if p["name"] == "build")
    check(build < SLOW, "the build waited for the process", job["phases"])


@suite.test
def test_links_in_place_of_artifacts():
    """Whatever the verdict: no file of the server's or the container's comes out."""
    for name in ("link", "folder"):
        job = d.wait(ids[name])
        for a in job["artifacts"]:
            data = d.artifact(ids[name], a["name"])
            check(b"root:" not in data and data[:4] == b"\x7fELF", f"{name}: {a['name']} holds {data[:60]!r}")
        if name == "link":
            check(job["state"] == "failed" and job["error"]["kind"] in ("contract", "bad_source"), f"{name}: outcome", job)
        elif job["state"] == "failed":
            check(job["error"]["kind"] in ("contract", "bad_source", "compile"), "kind", job["error"])


@suite.test
def test_what_a_build_can_see():
    d.succeed(ids["probe"])
    log = d.job_log(ids["probe"])
    facts = dict(re.findall(r"PROBE ([^=\n]+)=(.*)", log))
    check(len(facts) > 20, "the probe told little", log)
    for key in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
        equal(int(facts[key], 16), 0, key)
    equal((facts["NoNewPrivs"], facts["Seccomp"]), ("1", "2"), "NoNewPrivs and Seccomp")
    uids = set(facts["Uid"].split() + facts["Gid"].split())
    check("0" not in uids and len(uids) == 1, "user and group", facts["Uid"], facts["Gid"])
    check(facts["Groups"] in ("", *uids), "further groups", facts["Groups"])
    equal(facts["interfaces"], "lo", "network interfaces")
    for key, value in facts.items():
        if key == "dns" or key == "udp" or key.startswith(("tcp ", "write ", "/")):
            equal(value, "false", key)
    equal(facts["kill 1"], "false", "may it signal the container's own process?")
    equal(facts["GREETING"], "hello", "env.GREETING")
    names = facts["env"].split()
    check(not [n for n in names if n.startswith(("BLOOMERY", "DOCKER", "SSH", "AWS"))], "environment", facts["env"])
    state = os.path.basename(d.dir)
    check(state not in facts["mounts"], "the host's paths show", facts["mounts"])


@suite.test
def test_neighbours_are_not_disturbed():
    for name in HOSTILE:
        id = ids[name + " neighbour"]
        job = d.succeed(id)
        equal(job["attempt"], 1, f"attempts of the neighbour of {name}")
    status, _ = run_wasm(d.artifact(ids["oom neighbour"]))
    equal(status, 0, "running one of them")


@suite.test
def test_output_too_large():
    body = pack("empty_main", edit={"src/main.rs": lambda _: """
        static BIG: [u8; 12 << 20] = { let mut b = [1; 12 << 20]; b[7] = 2; b };
        fn main() { println!("{}", std::hint::black_box(&BIG)[7]); }"""})
    job = d.fail(d.accept("wasi", body), "output_too_large")
    check(re.search(r"has \d{8,} bytes, the limit is 8388608 \(max_artifact_bytes\)", job["error"]["message"]), "message",
          job["error"])


@suite.test
def test_a_full_queue_is_no_failed_build():
    small = Daemon(suite, "queue", **{**SETTINGS, "slots": 1, "max_queue": 2, "job_wall_seconds": 120}).start()
    running = small.accept("wasi", pack("loop_build"))
    small.wait_state(running, "building")
    waiting = [small.accept("wasi", pack("empty_main")) for _ in range(2)]
    r = small.submit("wasi", pack("empty_main"))
    check(r.status in (429, 503), f"a full queue gives {r.status}", r.text())
    equal(r.json()["error_kind"], "queue_full", "error_kind")
    check(int(r.headers["Retry-After"]) > 0 and r.json()["limit"]["name"] == "max_queue", "Retry-After and limit", r.text())
    equal(small.request("DELETE", f"/v1/jobs/{running}").status, 202, "cancel")
    for id in waiting:
        small.succeed(id)
    nothing_left(small)
    small.stop()


@suite.test
def test_nothing_is_left():
    for one in (d, wire):
        for id in one.jobs:
            one.wait(id)
        nothing_left(one)
        one.stop()
        left = leftovers(one)
        check(not any(left.values()), f"left after the daemon's end: {shorten(left)}")


if __name__ == "__main__":
    suite.main(setup)
