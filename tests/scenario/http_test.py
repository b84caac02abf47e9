"""The daemon's HTTP side, black box, without an Engine: jobs just queue. Every answer is held to openapi.json."""

import concurrent.futures
import hashlib
import http.client
import io
import os
import re
import select
import socket
import sqlite3
import subprocess
import sys
import tarfile
import threading
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import lib  # noqa: E402
from lib import BUILD, Daemon, Reply, Sse, Suite, check, equal, until  # noqa: E402
from openapi_check import Checker  # noqa: E402

suite = Suite("http", seconds=240)
checker = Checker()
MIB = 1 << 20


class Server(Daemon):
    def __init__(self, name, **settings):
        super().__init__(suite, name, engine="/nonexistent/docker.sock", **settings)

    def request(self, method, path, body=None, headers=None, timeout=60):
        r = super().request(method, path, body, headers, timeout)
        checker.answer(method, path, r.status, r.headers, r.body)
        return r

    def refused(self, status, kind, method, path, body=None, headers=None):
        r = self.request(method, path, body, headers)
        equal(r.status, status, f"status of {method} {path}: {r.body[:200]}")
        equal(r.json()["error_kind"], kind, f"error_kind of {method} {path}")
        return r

    def client(self, *words, code=0):
        """(what it printed, what it said)."""
        p = subprocess.run([os.path.join(BUILD, "bloomery"), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=60, check=False, text=True, cwd=self.dir,
                           env={**os.environ, "BLOOMERY_SERVER": f"http://127.0.0.1:{self.port}"})
        equal(p.returncode, code, f"exit code of bloomery {' '.join(words)}, which said {p.stdout} {p.stderr}")
        return p.stdout, p.stderr

    def raw(self, data, shut=False, timeout=20):
        """Bytes to the socket, all that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as s:
            try:
                s.sendall(data)
                if shut:
                    s.shutdown(socket.SHUT_WR)
            except OSError:
                pass
            return receive_all(s)

    def seed(self, jobs):
        """Put finished jobs into the store of a stopped daemon; sources and blobs are written too."""
        self.seeded = True
        db = sqlite3.connect(os.path.join(self.state, "bloomery.db"))
        for j in jobs:
            sha = self.put_file("sources", j.get("source", b"tar"))
            db.execute("INSERT OR IGNORE INTO sources VALUES (?, ?, ?)", (sha, len(j.get("source", b"tar")), 1))
            state = j.get("state", "succeeded")
            failed = state in ("failed", "canceled")
            done = j.get("finished_at", 1700000002000) if state in lib.FINISHED else 0
            db.execute(
                "INSERT INTO jobs (id, group_id, state, profile, options, crate_name, crate_version, source_sha256,"
                " submitted_by, priority, created_at, started_at, finished_at, attempt, toolchain_name, toolchain_rustc,"
                " toolchain_image, toolchain_origin, cpu_seconds, error_kind, error_message, error_hint)"
                " VALUES (?, ?, ?, ?, '{}', 'demo', '0.1.0', ?, 'local', 0, 1700000000000, 1700000001000, ?, 1,"
                " 'pin', 'rustc 1', 'sha256:1', 'debian', 1.5, ?, ?, ?)",
                (j["id"], j.get("group"), state, j.get("profile", "wasm"), sha, done,
                 *(("compile", "no such crate", "add it") if failed else (None, None, None))))
            for i, (name, role, data) in enumerate(j.get("artifacts", [])):
                blob = self.put_file("blobs", data)
                db.execute("INSERT INTO artifacts VALUES (?, ?, ?, ?, 'wasm', ?, ?, ?, '{\"imports\":[]}', NULL, NULL)",
                           (j["id"], i, name, role, len(data), len(data), blob))
            for name, data in j.get("documents", {}).items():
                db.execute("INSERT INTO documents VALUES (?, ?, ?, ?)",
                           (j["id"], name, self.put_file("blobs", data), len(data)))
            if "log" in j:
                with open(self.log_file(j["id"]), "wb") as f:
                    f.write(j["log"])
        db.commit()
        db.close()

    def put_file(self, folder, data):
        sha = hashlib.sha256(data).hexdigest()
        os.makedirs(os.path.join(self.state, folder, sha[:2]), exist_ok=True)
        with open(os.path.join(self.state, folder, sha[:2], sha), "wb") as f:
            f.write(data)
        return sha

    def log_file(self, id):
        return os.path.join(self.state, "logs", id + ".log")

    def clean_tmp(self, what):
        until(lambda: not self.files("tmp"), f"state/tmp is empty after {what}", 10)


def receive_all(s):
    data = b""
    try:
        while True:
            part = s.recv(65536)
            if not part:
                return data
            data += part
    except OSError:
        return data


def reply(data, method="POST", path="/v1/jobs"):
    """Raw bytes as a Reply, held to the document."""

    class Source:
        def makefile(self, *_):
            return io.BytesIO(data)

    r = http.client.HTTPResponse(Source(), method=method)
    r.begin()
    got = Reply(r.status, r.headers, r.read())
    checker.answer(method, path, got.status, got.headers, got.body)
    return got


def crate(name="demo", pad=0):
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz" if not pad else "w") as t:
        files = [("Cargo.toml", f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n'.encode()),
                 ("src/main.rs", b"fn main() {}\n")]
        if pad:
            files.append(("pad.bin", os.urandom(pad)))
        for path, data in files:
            info = tarfile.TarInfo(path)
            info.size, info.mode = len(data), 0o644
            t.addfile(info, io.BytesIO(data))
    return out.getvalue()


def head(length=None, path="/v1/jobs?profile=wasm", more=""):
    size = "Transfer-Encoding: chunked\r\n" if length is None else f"Content-Length: {length}\r\n"
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1:%d\r\n{size}{more}\r\n"


def chunk(data):
    return b"%x\r\n%s\r\n" % (len(data), data)


TARBALL = crate()
main = Server("main", max_body_bytes="4M", upload_stall_seconds=3)


def setup():
    suite.needs_programs()
    main.start(ready=False)


# --- what the server says about itself ---


@suite.test
def test_the_document_is_in_order_and_served():
    checker.document()
    equal(main.get("/openapi.json").json(), checker.spec, "/openapi.json")


@suite.test
def test_health_and_readiness():
    equal(main.get("/healthz").json(), {"status": "ok"}, "/healthz")
    r = main.get("/readyz")
    equal(r.status, 503, "/readyz without an Engine")
    checks = {c["name"]: c for c in r.json()["checks"]}
    equal(checks["store"]["ok"], True, "store")
    equal(checks["engine"]["ok"], False, "engine")
    for name in ("disk", "work_mode", "reaped", "images"):
        check(name in checks, f"/readyz lacks {name}")


@suite.test
def test_metrics():
    text = main.get("/metrics").text()
    for line in text.splitlines():
        check(line.startswith("# ") or re.fullmatch(r'[a-z_]+(\{[a-z_]+="[^"]*"(,[a-z_]+="[^"]*")*\})? [-+.e0-9]+', line),
              f"not a line of metrics: {line}")
    for name in ("bloomery_jobs{state=\"queued\"}", "bloomery_engine_up 0", "process_resident_memory_bytes"):
        check(name in text, f"/metrics lacks {name}")


@suite.test
def test_profiles():
    names = [p["name"] for p in main.get("/v1/profiles").json()["profiles"]]
    check({"wasm", "wasi", "musl"} <= set(names), "profiles are missing", names)
    p = main.get("/v1/profiles/musl").json()
    check(p["available"] is False and p["why"], "musl cannot be available without an Engine", p)
    equal(p["limits"]["max_body_bytes"], 4 * MIB, "the limit as it is set")
    main.refused(404, "not_found", "GET", "/v1/profiles/x")


@suite.test
def test_paths_and_methods():
    main.refused(404, "not_found", "GET", "/")
    main.refused(404, "not_found", "GET", "/v1/jobs/")
    main.refused(404, "not_found", "GET", "/v1/jobs/short")
    main.refused(404, "not_found", "GET", "/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    main.refused(404, "not_found", "DELETE", "/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV")
    main.refused(404, "not_found", "POST", "/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV/retry")
    main.refused(404, "not_found", "GET", "/v1/jobs/01ARZ3NDEKTSV4RRFFQ69G5FAV/log")
    r = main.refused(405, "bad_request", "PATCH", "/v1/jobs")
    equal(sorted(r.headers["Allow"].split(", ")), ["GET", "HEAD", "POST", "PUT"], "Allow")
    r = main.request("HEAD", "/healthz")
    check(r.status == 200 and r.body == b"", "HEAD has a body")


# --- queries ---


@suite.test
def test_queries_are_strict():
    r = main.refused(400, "bad_request", "GET", "/v1/jobs?limt=3")
    check("limit" in r.json()["hint"], "the nearest parameter is not named", r.json())
    for bad in ("limit=%zz", "limit=%4", "crate=%00", "crate=%ff", "limit=3&limit=4", "=x", "limit=", "limit=0",
                "limit=201", "limit=-1", "limit=99999999999999999999", "state=done", "cursor=x"):
        main.refused(400, "bad_request", "GET", "/v1/jobs?" + bad)
    main.refused(400, "bad_request", "GET", "/v1/jobs?" + "&".join(f"label.a{i}=b" for i in range(300)))
    main.refused(400, "bad_request", "GET", "/healthz?x=1")
    equal(main.get("/v1/jobs?label.a=%C3%A4+b&&limit=1").json(), {"jobs": [], "next": None}, "an odd but right query")


@suite.test
def test_submissions_are_checked_at_the_headers():
    before = main.job_count()
    cases = {"": "profile", "profile=": "profile", "profile=nope": "nope", "profile=wasm,wasm": "twice",
             "profile=wasm,": "profile", "profile=wasm&wait=3": "wait", "profile=wasm&feature=x": "feature",
             "profile=wasm&label.=x": "label", "profile=wasm&source=md5:1": "source",
             "profile=wasm&priority=1000": "priority", "profile=wasm&profile=musl": "twice",
             "profile=wasm&label.a=1&label.a=2": "twice", "profile=wasm&env.RUSTFLAGS=x": "env"}
    for query, word in cases.items():
        r = main.refused(400, "bad_request", "POST", "/v1/jobs?" + query, TARBALL)
        check(word in r.text(), f"the refusal of ?{query} does not tell of {word}", r.text())
    r = main.refused(400, "bad_request", "POST", "/v1/jobs?profile=nope", TARBALL)
    check("wasm" in r.json()["hint"], "the profiles are not listed", r.json())
    main.refused(404, "not_found", "POST", "/v1/jobs?profile=wasm&source=sha256:" + "0" * 64)
    main.refused(400, "bad_request", "POST", "/v1/build?profile=wasm,musl", TARBALL)
    main.refused(400, "bad_request", "POST", "/v1/build?profile=wasm&wait=9999", TARBALL)
    equal(main.job_count(), before, "jobs after refusals")
    main.clean_tmp("refusals")


# --- who may write ---


@suite.test
def test_host_and_origin():
    path, port = "/v1/jobs?profile=wasm", main.port
    for host in ("evil.example", f"evil.example:{port}", f"127.0.0.1:{port + 1}", "127.0.0.1", f"127.0.0.1.evil:{port}"):
        main.refused(403, "forbidden", "POST", path, TARBALL, {"Host": host})
    main.refused(400, "bad_request", "POST", path, TARBALL, {"Host": "a:b"})
    for origin in ("http://evil.example", "null", "https://127.0.0.1:%d" % port, "http://localhost:1"):
        main.refused(403, "forbidden", "POST", path, TARBALL, {"Origin": origin})
    main.refused(403, "forbidden", "GET", "/v1/jobs", None, {"Host": "rebound.example"})
    equal(main.request("GET", "/v1/jobs", None, {"Host": "localhost:8080"}).status, 200, "reading through a tunnel")
    for host in (f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"):
        r = main.request("POST", path, TARBALL, {"Host": host, "Origin": f"http://{host}"})
        equal(r.status, 201, f"Host {host}")
    data = main.raw(b"POST /v1/jobs?profile=wasm HTTP/1.0\r\nContent-Length: 0\r\n\r\n")
    equal(reply(data).status, 400, "a write without Host")


# --- uploads ---


@suite.test
def test_ways_to_send():
    """Content-Length, chunked, PUT, 100-continue, one byte at a time; the same source each time."""
    jobs = [main.submit("wasm", TARBALL), main.submit("wasm", TARBALL, method="PUT"),
            main.submit("wasm", (TARBALL[i:i + 7] for i in range(0, len(TARBALL), 7)))]
    for r in jobs:
        equal(r.status, 201, "status")
        job = r.json()
        equal(r.headers["Location"], f"/v1/jobs/{job['id']}", "Location")
        equal(job["source"], {"sha256": hashlib.sha256(TARBALL).hexdigest(), "size": len(TARBALL)}, "source")
        equal((job["state"], job["cached_from"], job["error"]), ("queued", None, None), "a new job")
        check("Engine" in job["queue"]["reason"], "queue.reason does not tell of the Engine", job["queue"])
    with socket.create_connection(("127.0.0.1", main.port), timeout=20) as s:
        s.sendall((head(len(TARBALL), more="Expect: 100-continue\r\nConnection: close\r\n") % main.port).encode())
        equal(s.recv(100).split(b"\r\n")[0], b"HTTP/1.1 100 Continue", "100-continue")
        for b in TARBALL:
            s.sendall(bytes([b]))
        equal(reply(receive_all(s)).status, 201, "after 100-continue")
    main.clean_tmp("uploads")


@suite.test
def test_larger_bodies_arrive_whole():
    data = crate(pad=3 * MIB)
    r = main.submit("wasm", data)
    equal(r.status, 201, "a body of 3 MiB")
    back = main.get(f"/v1/jobs/{r.json()['id']}/source")
    check(back.body == data, "the source is not what was sent")
    equal(back.headers["ETag"], '"%s"' % hashlib.sha256(data).hexdigest(), "ETag")


@suite.test
def test_what_is_not_a_crate():
    kinds = {b"": (400, "bad_request"), b"hello": (422, "bad_source"), b"\x1f\x8b\x08" + b"x" * 100: (422, "bad_source")}
    for body, (status, kind) in kinds.items():
        r = main.refused(status, kind, "POST", "/v1/jobs?profile=wasm", body)
        check(r.json()["detail"], "no detail")
    main.clean_tmp("bad bodies")


@suite.test
def test_too_large():
    """413 is readable however it is sent, and names the limit."""
    big = b"x" * (5 * MIB)
    before = main.files("sources")
    r = reply(main.raw((head(len(big), more="Expect: 100-continue\r\n") % main.port).encode()))
    equal((r.status, r.json()["error_kind"]), (413, "too_large"), "with 100-continue")
    equal(r.json()["limit"], {"name": "max_body_bytes", "value": 4 * MIB}, "limit")
    r = reply(main.raw((head(len(big)) % main.port).encode() + big))
    equal((r.status, r.headers["Connection"]), (413, "close"), "by Content-Length")
    data = (head() % main.port).encode() + b"".join(chunk(big[i:i + 65536]) for i in range(0, len(big), 65536)) + b"0\r\n\r\n"
    equal(reply(main.raw(data)).status, 413, "chunked")
    r = subprocess.run(["curl", "-s", "-T", "-", "-o", "/dev/null", "-w", "%{http_code}",
                        f"http://127.0.0.1:{main.port}/v1/jobs?profile=wasm"], input=big, capture_output=True)
    equal(r.stdout, b"413", "curl -T -")
    equal(main.files("sources"), before, "sources")
    main.clean_tmp("bodies that are too large")


@suite.test
def test_short_bodies():
    before = main.job_count()
    r = reply(main.raw((head(100000) % main.port).encode() + TARBALL, shut=True))
    equal((r.status, r.json()["error_kind"]), (400, "bad_request"), "shorter than its Content-Length")
    check("100000" in r.json()["detail"], "the detail does not say how long it should be", r.json())
    r = reply(main.raw((head() % main.port).encode() + chunk(TARBALL), shut=True))
    equal(r.status, 400, "chunked without an end")
    equal(main.job_count(), before, "jobs")
    main.clean_tmp("short bodies")


@suite.test
def test_clients_that_vanish():
    before = main.job_count()
    for cut in (0, 10, len(TARBALL) - 1):
        s = socket.create_connection(("127.0.0.1", main.port))
        s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # closes with a reset
        s.sendall((head(len(TARBALL)) % main.port).encode() + TARBALL[:cut])
        time.sleep(0.1)
        s.close()
    main.clean_tmp("clients that vanished")
    equal(main.job_count(), before, "jobs")


@suite.test
def test_stalled_uploads():
    began = time.monotonic()
    r = reply(main.raw((head(1000) % main.port).encode() + b"abc", timeout=30))
    equal((r.status, r.json()["error_kind"], r.json()["limit"]["name"]), (408, "timed_out", "upload_stall_seconds"), "stalled")
    check(time.monotonic() - began < 12, "it took too long to notice")
    main.clean_tmp("a stalled upload")


@suite.test
def test_slow_in_all():
    slow = Server("slow", max_upload_seconds=2).start(ready=False)
    with socket.create_connection(("127.0.0.1", slow.port), timeout=20) as s:
        s.sendall((head(1000) % slow.port).encode())
        end = time.monotonic() + 10
        while time.monotonic() < end and not select.select([s], [], [], 0.1)[0]:
            s.sendall(b"x")
        check(time.monotonic() < end, "a client that never stalls but takes for ever is not cut off")
        r = reply(receive_all(s))
    equal((r.status, r.json()["limit"]["name"]), (408, "max_upload_seconds"), "too slow")
    slow.clean_tmp("a slow upload")


@suite.test
def test_bodies_where_none_belongs():
    equal(main.request("GET", "/healthz", b"x" * 1000).status, 200, "a small body is ignored")
    r = reply(main.raw((head(MIB, path="/healthz") % main.port).encode().replace(b"POST", b"GET") + b"x" * MIB),
              "GET", "/healthz")
    check(r.status >= 400, "a large one is refused", r.status)
    sha = hashlib.sha256(TARBALL).hexdigest()
    main.refused(400, "bad_request", "POST", f"/v1/jobs?profile=wasm&source=sha256:{sha}", b"x")


@suite.test
def test_keep_alive():
    c = http.client.HTTPConnection("127.0.0.1", main.port, timeout=20)
    for _ in range(20):
        c.request("POST", "/v1/jobs?profile=wasm", TARBALL)
        r = c.getresponse()
        r.read()
        equal(r.status, 201, "status")
        c.request("GET", "/v1/jobs?limit=1")
        r = c.getresponse()
        r.read()
        equal(r.status, 200, "status")
    c.close()


@suite.test
def test_200_uploads_at_once():
    many = Server("many", max_uploads=8).start(ready=False)
    tarballs = [crate(f"c{i}", pad=100000) for i in range(200)]
    began = time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(200) as pool:
        got = list(pool.map(lambda t: many.submit("wasm", t), tarballs))
    print(f"     200 uploads of 100 kB: {time.monotonic() - began:.1f} s")
    equal([r.status for r in got], [201] * 200, "statuses")
    equal({r.json()["source"]["sha256"] for r in got}, {hashlib.sha256(t).hexdigest() for t in tarballs}, "sources")
    equal(many.job_count(), 200, "jobs")
    many.clean_tmp("200 uploads")


@suite.test
def test_full_queue():
    full = Server("full", max_queue=2).start(ready=False)
    r = full.request("POST", "/v1/jobs?profile=wasm,wasi,musl", TARBALL)
    equal((r.status, r.json()["limit"]), (429, {"name": "max_queue", "value": 2}), "a group larger than the queue")
    for _ in range(2):
        equal(full.submit("wasm", TARBALL).status, 201, "status")
    time.sleep(0.6)
    # Before the body is read: the answer comes though not a byte of it was sent.
    with socket.create_connection(("127.0.0.1", full.port), timeout=20) as s:
        s.sendall((head(1000) % full.port).encode())
        r = reply(receive_all(s))
    equal((r.status, r.json()["error_kind"]), (429, "queue_full"), "a full queue")
    check(int(r.headers["Retry-After"]) > 0, "Retry-After")
    full.clean_tmp("a full queue")


@suite.test
def test_full_disk():
    tight = Server("tight", min_free_bytes="1000T").start(ready=False)
    r = tight.refused(503, "unavailable", "POST", "/v1/jobs?profile=wasm", TARBALL)
    check(int(r.headers["Retry-After"]) > 0, "Retry-After")
    equal([c["ok"] for c in tight.get("/readyz").json()["checks"] if c["name"] == "disk"], [False], "/readyz")


# --- jobs ---


@suite.test
def test_groups_sources_labels():
    r = main.submit("wasm,musl", TARBALL, label__team="a b", label__x="ä", priority=5, locked="true")
    equal(r.status, 201, "a group")
    group = r.json()
    equal([j["profile"] for j in group["jobs"]], ["wasm", "musl"], "profiles")
    for j in group["jobs"]:
        equal((j["group"], j["labels"]), (group["id"], {"team": "a b", "x": "ä"}), "group and labels")
        equal(j["options"].get("locked"), True, "options are typed")
    listed = main.get(r.headers["Location"]).json()["jobs"]
    equal({j["id"] for j in listed}, {j["id"] for j in group["jobs"]}, "the group's Location")
    found = main.get("/v1/jobs?label.team=a%20b&profile=musl&state=queued").json()["jobs"]
    equal([j["id"] for j in found], [group["jobs"][1]["id"]], "found by label, profile and state")
    again = main.submit("wasi", None, source="sha256:" + hashlib.sha256(TARBALL).hexdigest())
    equal((again.status, again.json()["source"]["size"]), (201, len(TARBALL)), "the same source again")
    equal(again.json()["queue"]["position"] > 0, True, "a place in the queue")


@suite.test
def test_pages():
    ids, cursor, pages = [], "", 0
    while cursor is not None:
        r = main.get("/v1/jobs?limit=3&profile=wasm" + (f"&cursor={cursor}" if cursor else ""))
        page = r.json()
        ids += [j["id"] for j in page["jobs"]]
        cursor = page["next"]
        check((cursor is not None) == ("Link" in r.headers), "Link and next disagree")
        if cursor:
            link = re.fullmatch(r'<(/v1/jobs\?[^>]+)>; rel="next"', r.headers["Link"])[1]
            equal(dict(urllib.parse.parse_qsl(link.split("?")[1]))["cursor"], cursor, "cursor of Link")
        pages += 1
    check(pages > 2 and ids == sorted(ids, reverse=True) and len(ids) == len(set(ids)), "pages do not add up", ids)


@suite.test
def test_wait_cancel_retry():
    id = main.accept("wasm", TARBALL)
    began = time.monotonic()
    equal(main.job(id, wait=1)["state"], "queued", "after the wait")
    check(0.9 < time.monotonic() - began < 5, "the wait's length")
    waiter = concurrent.futures.ThreadPoolExecutor(1).submit(main.job, id, 60)
    time.sleep(0.3)
    r = main.request("DELETE", f"/v1/jobs/{id}")
    equal((r.status, r.json()["state"]), (202, "canceled"), "cancel")
    equal(waiter.result(10)["state"], "canceled", "the waiter is told at once")
    equal(main.request("DELETE", f"/v1/jobs/{id}").status, 202, "cancel again")
    equal(main.job(id)["error"]["kind"], "canceled", "error")
    r = main.request("POST", f"/v1/jobs/{id}/retry")
    equal((r.status, r.json()["retry_of"], r.json()["state"]), (201, id, "queued"), "retry")
    main.refused(409, "conflict", "POST", f"/v1/jobs/{r.json()['id']}/retry")
    main.refused(404, "not_found", "GET", f"/v1/jobs/{id}/artifact")
    main.refused(400, "bad_request", "GET", f"/v1/jobs/{id}?wait=301")


@suite.test
def test_build_waits():
    r = main.request("POST", "/v1/build?profile=wasm&wait=1", TARBALL)
    equal((r.status, r.headers["Location"]), (202, f"/v1/jobs/{r.json()['id']}"), "time up")
    pool = concurrent.futures.ThreadPoolExecutor(1)
    waiter = pool.submit(main.request, "POST", "/v1/build?profile=wasm&label.b=1", TARBALL)
    id = until(lambda: main.get("/v1/jobs?label.b=1").json()["jobs"], "the job is there", 10)[0]["id"]
    main.request("DELETE", f"/v1/jobs/{id}")
    r = waiter.result(10)
    equal((r.status, r.json()["error_kind"], r.json()["job"]), (422, "canceled", id), "a job that did not succeed")


@suite.test
def test_idempotency():
    key = {"Idempotency-Key": "k1"}
    first = main.submit("wasm", TARBALL, key, label__i="1", label__j="2", bypass_cache=None)
    again = main.request("PUT", "/v1/jobs?label.j=2&label.i=1&profile=wasm", TARBALL, key)
    equal((again.status, again.json()["id"]), (201, first.json()["id"]), "replay")
    equal((first.headers["Idempotent-Replayed"], again.headers["Idempotent-Replayed"]), (None, "true"), "header")
    for path, body in (("/v1/jobs?profile=wasm", TARBALL), ("/v1/jobs?profile=wasm&label.i=1&label.j=2", crate("other"))):
        equal(main.request("POST", path, body, key).status, 422, "mismatch")
    with socket.create_connection(("127.0.0.1", main.port)) as s:
        s.sendall((head(1000, more="Idempotency-Key: k2\r\n") % main.port).encode() + b"x")
        time.sleep(0.2)
        main.refused(409, "conflict", "POST", "/v1/jobs?profile=wasm", TARBALL, {"Idempotency-Key": "k2"})
    main.clean_tmp("the first request with k2")
    equal(main.submit("wasm", TARBALL, {"Idempotency-Key": "k2"}).status, 201, "the key is free again")
    group = [main.submit("wasm,wasi", TARBALL, {"Idempotency-Key": "k3"}).json() for _ in range(2)]
    equal(group[0]["id"], group[1]["id"], "a group's replay")
    main.refused(400, "bad_request", "POST", "/v1/jobs?profile=wasm", TARBALL, {"Idempotency-Key": "x" * 300})


# --- logs and artifacts of finished jobs ---

DONE, FAILED, RUNS = "01ARZ3NDEKTSV4RRFFQ69G5FA1", "01ARZ3NDEKTSV4RRFFQ69G5FA2", "01ARZ3NDEKTSV4RRFFQ69G5FA3"
LOG = ("one\ntwo\r\n\nüñí\n" + "x" * 200000 + "\n").encode() + b"bad \xff byte\rprogress\rdone\nno newline"
WASM, SIDE = b"\0asm\1\0\0\0" + bytes(range(256)) * 1000, b"lock\n"
DOCUMENTS = {"provenance": b'{"payloadType":"application/vnd.in-toto+json","payload":"e30=","signatures":'
             b'[{"keyid":"' + b"ab" * 32 + b'","sig":"AAAA"}]}\n',
             "sbom": b'{"bomFormat":"CycloneDX","specVersion":"1.6","serialNumber":"urn:uuid:0","metadata":{},"components":[]}\n'}
seeded = Server("seeded")


def seed():
    if seeded.process:
        return
    seeded.start(ready=False)
    seeded.stop()
    seeded.seed([{"id": DONE, "log": LOG, "source": TARBALL, "finished_at": int(time.time() * 1000),
                  "artifacts": [("demo-app.wasm", "primary", WASM), ("ä\" b.lock", "side", SIDE)], "documents": DOCUMENTS},
                 {"id": FAILED, "state": "failed", "log": b"error\n", "finished_at": int(time.time() * 1000)}])
    seeded.start(ready=False)


@suite.test
def test_artifacts():
    seed()
    listed = seeded.get(f"/v1/jobs/{DONE}/artifacts").json()["artifacts"]
    equal([a["role"] for a in listed], ["primary", "side"], "roles")
    equal(seeded.get(listed[1]["url"]).body, SIDE, "an odd name, by its url")
    r = seeded.get(f"/v1/jobs/{DONE}/artifacts/demo-app.wasm")
    sha = hashlib.sha256(WASM)
    import base64
    digest = "sha-256=:" + base64.b64encode(sha.digest()).decode() + ":"
    equal((r.status, r.body == WASM, r.headers["ETag"], r.headers["Content-Digest"]),
          (200, True, f'"{sha.hexdigest()}"', digest), "the whole")
    equal(r.headers["Content-Type"], "application/wasm", "type")
    check(r.headers["Content-Disposition"].startswith('attachment; filename="demo-app.wasm"'), "Content-Disposition")
    h = seeded.request("HEAD", f"/v1/jobs/{DONE}/artifact")
    equal((h.status, h.headers["Content-Length"], h.body), (200, str(len(WASM)), b""), "HEAD of the primary")
    side = seeded.get(listed[1]["url"]).headers["Content-Disposition"]
    equal(side, "attachment; filename=\"___ b.lock\"; filename*=UTF-8''%C3%A4%22%20b.lock", "an odd name")
    seeded.refused(404, "not_found", "GET", f"/v1/jobs/{DONE}/artifacts/nope")
    seeded.refused(404, "not_found", "GET", f"/v1/jobs/{DONE}/artifacts/..%2F..%2Fbloomery.db")
    seeded.refused(400, "bad_request", "GET", f"/v1/jobs/{DONE}/artifacts/%zz")


@suite.test
def test_ranges_and_conditions():
    seed()
    url, size = f"/v1/jobs/{DONE}/artifact", len(WASM)
    etag = f'"{hashlib.sha256(WASM).hexdigest()}"'
    for spec, part in {"bytes=0-0": WASM[:1], "bytes=10-19": WASM[10:20], "bytes=-5": WASM[-5:],
                       f"bytes={size - 1}-": WASM[-1:], "bytes=5-99999999": WASM[5:], "bytes=-99999999": WASM}.items():
        r = seeded.get(url, Range=spec)
        equal((r.status, r.body == part), (206, True), spec)
        first = size - len(part) if spec.startswith("bytes=-") else int(spec[6:].split("-")[0])
        equal(r.headers["Content-Range"], f"bytes {first}-{first + len(part) - 1}/{size}", spec)
    for spec in ("bytes=0-1,3-4", "bytes=5-2", "lines=1-2", "bytes=a-b", "bytes="):
        equal(seeded.get(url, Range=spec).status, 200, spec)
    for spec in (f"bytes={size}-", "bytes=-0"):
        r = seeded.get(url, Range=spec)
        equal((r.status, r.headers["Content-Range"]), (416, f"bytes */{size}"), spec)
    equal(seeded.request("GET", url, None, {"If-None-Match": f'"x", {etag}'}).status, 304, "If-None-Match")
    equal(seeded.request("GET", url, None, {"If-None-Match": '"x"'}).status, 200, "another tag")
    equal(seeded.request("GET", url, None, {"Range": "bytes=0-1", "If-Range": etag}).status, 206, "If-Range")
    equal(seeded.request("GET", url, None, {"Range": "bytes=0-1", "If-Range": '"x"'}).status, 200, "another If-Range")


@suite.test
def test_artifacts_tar_and_source():
    seed()
    r, again = (seeded.get(f"/v1/jobs/{DONE}/artifacts.tar") for _ in range(2))
    check(r.body == again.body, "the tar is not the same twice")
    with tarfile.open(fileobj=io.BytesIO(r.body)) as t:
        equal({m.name: t.extractfile(m).read() for m in t},
              {"demo-app.wasm": WASM, 'ä" b.lock': SIDE, "demo-app.wasm.intoto.json": DOCUMENTS["provenance"],
               "demo-app.wasm.cdx.json": DOCUMENTS["sbom"]}, "members")
    for name, data in DOCUMENTS.items():
        equal(seeded.get(f"/v1/jobs/{DONE}/{name}").body, data, name)
        equal(seeded.request("HEAD", f"/v1/jobs/{DONE}/{name}").headers["Content-Length"], str(len(data)), name)
        seeded.refused(404, "not_found", "GET", f"/v1/jobs/{FAILED}/{name}")
    equal(len(seeded.get("/v1/keys").json()["keys"]), 1, "keys")
    equal(seeded.get(f"/v1/jobs/{DONE}/source").body, TARBALL, "source")
    seeded.refused(404, "not_found", "GET", f"/v1/jobs/{DONE}/replay")  # a job of before there were replays
    seeded.refused(404, "not_found", "GET", f"/v1/jobs/{FAILED}/artifacts.tar")
    seeded.clean_tmp("a tar")


@suite.test
def test_finished_jobs():
    seed()
    job = seeded.job(FAILED, wait=60)
    equal((job["state"], job["error"]["kind"], job["error"]["hint"]), ("failed", "compile", "add it"), "a failed job")
    seeded.refused(409, "conflict", "DELETE", f"/v1/jobs/{DONE}")
    equal(seeded.get("/v1/jobs?crate=demo&state=succeeded").json()["jobs"][0]["crate"],
          {"name": "demo", "version": "0.1.0"}, "found by crate")
    equal(seeded.get(f"/v1/jobs/{DONE}/log").body, LOG, "log")
    equal(seeded.get(f"/v1/jobs/{DONE}/log?offset=4").body, LOG[4:], "log from an offset")
    equal(seeded.get(f"/v1/jobs/{DONE}/log?offset={len(LOG)}").body, b"", "log from its end")
    equal(seeded.get(f"/v1/jobs/{DONE}/log?offset={len(LOG) + 1}").status, 416, "log from behind its end")
    equal(seeded.get(f"/v1/jobs/{DONE}/log", Range="bytes=0-2").body, LOG[:3], "a range of the log")


@suite.test
def test_events_of_a_finished_job():
    seed()
    s = Sse(seeded, DONE)
    equal(s.end(), {"id": DONE, "state": "succeeded", "error_kind": None}, "end")
    lines = s.lines()
    equal(lines[:4], ["one", "two", "", "üñí"], "lines")
    equal("".join(lines[4:-2]), "x" * 200000, "a long line comes in pieces")
    check(all(len(p) <= 65536 for p in lines), "a piece is too long")
    equal(lines[-2:], ["bad \ufffd byte\nprogress\ndone", "no newline"], "odd bytes")
    events = [e for e in s.events if "data" in e]
    equal(events[-1]["id"], str(len(LOG)), "the last id")
    again = Sse(seeded, DONE, last=events[1]["id"])
    again.end()
    equal(again.lines()[:2], ["", "üñí"], "with Last-Event-ID")
    equal(seeded.get(f"/v1/jobs/{DONE}/log?follow=1&offset={len(LOG)}").text().count("event: end"), 1, "?follow=1")
    equal(seeded.request("GET", f"/v1/jobs/{DONE}/log?follow=0", None, {"Accept": "text/event-stream"}).body, LOG, "follow=0")


@suite.test
def test_following_live():
    id = main.accept("wasm", TARBALL)
    with open(main.log_file(id), "ab", buffering=0) as log:
        followers = [Sse(main, id) for _ in range(20)]
        log.write(b"first\nsecond, not")
        until(lambda: all(f.lines() == ["first"] for f in followers), "all see the first line", 10)
        log.write(b" whole\n")
        until(lambda: all(f.lines() == ["first", "second, not whole"] for f in followers), "and the second", 10)
        followers[0].close()
        text = main.get("/metrics").text()
        check("bloomery_log_followers 20" in text or "bloomery_log_followers 19" in text, "followers are counted")
        log.write(b"tail")
        main.request("DELETE", f"/v1/jobs/{id}")
        for f in followers[1:]:
            equal(f.end()["state"], "canceled", "end")
            equal(f.lines()[-1], "tail", "the last line")


@suite.test
def test_heartbeats():
    id = main.accept("wasm", TARBALL)
    with socket.create_connection(("127.0.0.1", main.port), timeout=25) as s:
        s.sendall(f"GET /v1/jobs/{id}/log?follow=1 HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        data = b""
        while b":\n\n" not in data:
            data += s.recv(4096)  # times out after 25 s
    until(lambda: "bloomery_log_followers 0" in main.get("/metrics").text(), "a follower that left is noticed", 40, 0.5)


# --- starting, reloading, stopping ---


@suite.test
def test_refuses_to_start():
    program = os.path.join(BUILD, "bloomeryd")

    def start(*args, env=None):
        r = subprocess.run([program, *args], capture_output=True, text=True, timeout=60, env={**os.environ, **(env or {})})
        check(r.returncode != 0, f"{args} starts")
        return r.stderr

    state = os.path.join(main.dir, "other")
    check("loopback" in start("--listen", "0.0.0.0:0", "--state", state), "an open address")
    check("another bloomeryd" in start("--listen", "127.0.0.1:0", "--state", main.state, "--share-dir", lib.ROOT),
          "two on one state folder")
    check("max_queue" in start("--max-queu", "3"), "an unknown flag")
    check("BLOOMERY_SLOTS" in start(env={"BLOOMERY_SLOTS": "many"}), "a bad variable")
    conf = os.path.join(main.dir, "bad.conf")
    with open(conf, "w", encoding="utf-8") as f:
        f.write("# fine\n\nslots = 2\nslotz = 3\n")
    check(":4:" in start("--config", conf), "a bad file is refused with its line")
    r = subprocess.run([program, "config", "--markdown"], capture_output=True, text=True, check=True)
    for name in ("listen", "max_body_bytes", "max_uploads", "work_mode"):
        check(f"| `{name}` |" in r.stdout, f"config --markdown lacks {name}")


@suite.test
def test_reload():
    main.reload(max_body_bytes="2M")
    until(lambda: main.get("/v1/profiles/wasm").json()["limits"]["max_body_bytes"] == 2 * MIB, "the new limit", 10)
    equal(reply(main.raw((head(3 * MIB) % main.port).encode())).status, 413, "above the new limit")
    main.reload(nonsense="1")
    equal(main.get("/v1/profiles/wasm").json()["limits"]["max_body_bytes"], 2 * MIB, "after a broken file")
    check("nonsense" in main.log(), "the log does not say what was wrong")
    del main.settings["nonsense"]
    main.reload(max_body_bytes="4M")


@suite.test
def test_kill_in_mid_upload():
    d = Server("kill").start(ready=False)
    s = socket.create_connection(("127.0.0.1", d.port))
    s.sendall((head(1 << 20) % d.port).encode() + b"x" * 300000)
    until(lambda: d.files("tmp"), "the upload is under way", 10)
    accepted = d.accept("wasm", TARBALL)
    d.kill9()
    s.close()
    check(d.files("tmp"), "the file that the kill left")
    d.start(ready=False)
    equal(d.files("tmp"), [], "state/tmp after the restart")
    equal(d.job(accepted)["state"], "queued", "the accepted job")
    equal(len(d.files("sources")), 1, "sources")


@suite.test
def test_housekeeping():
    d = Server("house", keep_days=1).start(ready=False)
    kept = d.accept("wasm", TARBALL)
    d.stop()
    d.seed([{"id": DONE, "log": b"old", "source": b"old tar", "finished_at": 1700000002000,
             "artifacts": [("a.wasm", "primary", b"old blob")]}])
    d.put_file("blobs", b"left by a crash between its place and the commit")
    d.start(ready=False)
    until(lambda: d.get(f"/v1/jobs/{DONE}").status == 404, "the old job is gone", 20)
    until(lambda: len(d.files("sources", "blobs")) == 1, "what nothing refers to is gone", 20)
    equal(d.job(kept)["state"], "queued", "a job that waits")
    equal(d.get(f"/v1/jobs/{kept}/source").body, TARBALL, "its source")
    equal(d.files("logs"), [], "logs")


@suite.test
def test_stop():
    d = Server("stop").start(ready=False)
    id = d.accept("wasm", TARBALL)
    follower = Sse(d, id)
    pool = concurrent.futures.ThreadPoolExecutor(2)
    waiter = pool.submit(d.job, id, 60)
    half = socket.create_connection(("127.0.0.1", d.port))
    half.sendall((head(1000) % d.port).encode() + b"x")
    time.sleep(0.5)
    began = time.monotonic()
    d.stop()
    check(time.monotonic() - began < 15, "stopping took too long")
    equal(waiter.result(5)["state"], "queued", "who waits is answered")
    check(follower.ended.wait(5), "a follower's stream ends")
    half.close()
    d.start(ready=False)
    equal(d.job(id)["state"], "queued", "the job after the restart")


@suite.test
def test_the_document_was_used():
    """Every call of openapi.json was made and answered well at least once (but those that need an Engine)."""
    done = {o for o, status in checker.seen if status < 400}
    want = {o["operationId"] for item in checker.spec["paths"].values() for o in item.values()}
    elsewhere = {"headArtifact", "headGetArtifact", "headGetSource", "putBuild", "ready",
                 "cancelGroup", "getGroupArtifactsTar",  # group_test.py
                 "compareJobs", "listMakers",  # compare_test.py
                 "getReplay"}  # life_test.py
    equal(sorted(want - done - elsewhere), [], "calls never made")


if __name__ == "__main__":
    threading.stack_size(1 << 20)
    suite.main(setup)
