"""What the suites share: a daemon of their own, HTTP calls, packers of crates, a switchable way to the Engine.

Python's standard library only. Environment: BUILD names the folder of the programs (build; build/asan for the
sanitizer's), ENGINE_SOCKET the Docker Engine's socket, KEEP=1 keeps the state folders.

A suite is a file: `suite = Suite("jobs")`, functions decorated with @suite.test, `suite.main()` at the end. Words on
its command line choose the tests whose names contain one of them. What a test opened with suite.on_exit() is closed
at the end of the suite.
"""

import http.client
import io
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import traceback
import urllib.parse

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
import compare_inspect  # noqa: E402

ROOT = os.path.dirname(os.path.dirname(HERE))
CRATES = os.path.join(ROOT, "tests", "crates")
BUILD = os.path.join(ROOT, os.environ.get("BUILD", "build"))
ENGINE = os.environ.get("ENGINE_SOCKET", "/var/run/docker.sock")
SHARE = os.environ.get("SHARE_DIR", ROOT)  # profiles, steps and schema
PATIENCE = 600 if "asan" in BUILD else 300  # seconds that nothing takes on any sane machine
FINISHED = ("succeeded", "failed", "canceled")
MIB = 1 << 20


class Failure(Exception):
    """A test's own verdict."""


def check(condition, why, *details):
    if not condition:
        raise Failure(why + "".join(f"\n      {shorten(d)}" for d in details))


def equal(got, wanted, what):
    check(got == wanted, f"{what}: {shorten(got)} instead of {shorten(wanted)}")


def shorten(value, most=1500):
    text = value if isinstance(value, str) else json.dumps(value, default=repr)
    return text if len(text) <= most else f"{text[:most]} ... ({len(text)} characters)"


def until(condition, what, seconds=PATIENCE, every=0.05):
    """Poll until condition() gives something true, and give that back."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise Failure(f"after {seconds} s still not: {what}")
        time.sleep(every)


def artifacts(daemons):
    """The modules, ELF files and archives that these daemons built and keep, each once."""
    found = {}
    for d in daemons:
        if d.seeded:
            continue
        for dir, _, names in os.walk(os.path.join(d.state, "blobs")):
            for name in names:
                with open(os.path.join(dir, name), "rb") as f:
                    head = f.read(8)
                if head[:4] in (b"\0asm", b"\x7fELF") or head == b"!<arch>\n":
                    found.setdefault(name, os.path.join(dir, name))
    return sorted(found.values())


def compare_artifacts(paths):
    """Their numbers, as the inspector gives them, are those of wasm-objdump, readelf, nm, size, ar and gzip."""
    for program in ("wasm-objdump", "readelf", "nm", "size", "ar", "c++filt"):
        check(shutil.which(program), f"{program} is not installed: docker/setup test")
    differ = []
    for path in paths:
        differences = compare_inspect.compare_file(os.path.join(BUILD, "bloomery-inspect"), path)[1]
        differ += [f"{path}: {text}" for text in differences]
    check(not differ, "they differ", *differ)


# --- suites ---


class Late(BaseException):
    """A test's time is over."""


class Suite:
    def __init__(self, name, seconds=1200):
        self.name, self.seconds = name, seconds
        self.tests, self.closers, self.daemons = [], [], []

    def test(self, function):
        self.tests.append(function)
        return function

    def on_exit(self, close):
        self.closers.append(close)

    def needs(self, condition, sentence):
        """The suite cannot run without this: it fails, saying so."""
        if not condition:
            print(f"FAIL {self.name}: {sentence}")
            print(f"{self.name}: 0 passed, 1 failed", flush=True)
            sys.exit(1)

    def needs_programs(self):
        for program in ("bloomeryd", "bloomery-inspect", "bloomery-unpack"):
            self.needs(os.access(os.path.join(BUILD, program), os.X_OK), f"{BUILD}/{program} is not there: run make")

    def needs_engine(self, *images):
        try:
            tags = {t for i in engine_get("/images/json") for t in i.get("RepoTags") or []}
        except (OSError, http.client.HTTPException) as e:
            self.needs(False, f"no Docker Engine answers at {ENGINE} ({e})")
        for image in images:
            self.needs(f"bloomery/{image}:current" in tags, f"image bloomery/{image}:current is not there: make images")

    def main(self, setup=None):
        wanted = sys.argv[1:]
        passed = failed = 0
        signal.signal(signal.SIGALRM, self._late)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        try:
            why = self._run(setup) if setup else None
            if why is not None:
                failed += 1
                print(f"FAIL {self.name}: setup: {why}", flush=True)
                for d in self.daemons:
                    d.show_log()
            for t in self.tests if why is None else []:
                name = t.__name__.removeprefix("test_")
                if wanted and not any(w in name for w in wanted):
                    continue
                began = time.monotonic()
                why = self._run(t)
                took = time.monotonic() - began
                if why is None:
                    passed += 1
                    print(f"ok   {self.name}: {name} ({took:.1f} s)", flush=True)
                else:
                    failed += 1
                    print(f"FAIL {self.name}: {name} ({took:.1f} s): {why}", flush=True)
                    for d in self.daemons:
                        if d.process:
                            d.show_log()
            found = artifacts(self.daemons)
            if found:
                why = self._run(lambda: compare_artifacts(found))
                passed, failed = passed + (why is None), failed + (why is not None)
                print(f"{'ok  ' if why is None else 'FAIL'} {self.name}: inspection agrees with the public tools on "
                      f"{len(found)} artifacts{'' if why is None else ': ' + why}", flush=True)
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_IGN)
            for close in reversed(self.closers):
                try:
                    close()
                except Exception as e:  # the next ones must be closed too
                    failed += 1
                    print(f"FAIL {self.name}: closing: {e}")
                    traceback.print_exc()
        print(f"{self.name}: {passed} passed, {failed} failed", flush=True)
        sys.exit(0 if failed == 0 else 1)

    def _late(self, *_):
        raise Late()

    def _run(self, t):
        signal.alarm(self.seconds)
        try:
            t()
            return None
        except Failure as e:
            return str(e)
        except Late:
            return f"not done after {self.seconds} s\n{traceback.format_exc()}"
        except Exception:
            return traceback.format_exc()
        finally:
            signal.alarm(0)


# --- HTTP ---


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    def json(self):
        try:
            return json.loads(self.body)
        except ValueError as e:
            raise Failure(f"status {self.status}, and a body that is not JSON ({e}): {self.body[:300]!r}") from e

    def text(self):
        return self.body.decode("utf-8", "replace")


def query(**parameters):
    """label__K and env__K stand for label.K and env.K."""
    pairs = [(k.replace("__", "."), v) for k, v in parameters.items() if v is not None]
    return urllib.parse.urlencode(pairs)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path, timeout=60):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def engine_call(method, path, socket_path=ENGINE):
    c = UnixConnection(socket_path)
    try:
        c.request(method, path)
        r = c.getresponse()
        data = r.read()
        if r.status >= 400:
            raise Failure(f"the Engine answers {r.status} to {method} {path}: {data[:200]!r}")
        return json.loads(data) if data.strip() else None
    finally:
        c.close()


def engine_get(path):
    return engine_call("GET", path)


# --- the daemon ---


class Daemon:
    """One bloomeryd with a state folder of its own, which outlives restarts."""

    seeded = False  # bytes that nobody built were put into its store

    def __init__(self, suite, name, engine=ENGINE, slots=2, **settings):
        base = os.path.join(BUILD, "test-state")  # on a real disk: /tmp may be in memory
        os.makedirs(base, exist_ok=True)
        self.dir = tempfile.mkdtemp(prefix=f"{suite.name}-{name}-", dir=base)
        self.state = os.path.join(self.dir, "state")
        self.config = os.path.join(self.dir, "bloomery.conf")
        self.log_path = os.path.join(self.dir, "daemon.log")
        self.engine, self.share = engine, settings.pop("share_dir", SHARE)
        self.settings = {"slots": slots, "min_free_bytes": "64M", "log_level": "debug", **settings}
        self.process, self.port, self.jobs, self.status = None, None, [], None
        suite.daemons.append(self)
        suite.on_exit(self.close)
        self.suite = suite

    # --- starting and stopping ---

    def write_config(self, **settings):
        self.settings.update(settings)
        with open(self.config, "w", encoding="utf-8") as f:
            f.writelines(f"{k} = {v}\n" for k, v in self.settings.items())

    def spawn(self):
        self.write_config()
        argv = [os.path.join(BUILD, "bloomeryd"), "--config", self.config, "--listen", "127.0.0.1:0",
                "--state", self.state, "--engine-socket", self.engine, "--share-dir", self.share]
        log = open(self.log_path, "ab")
        self.log_from = log.tell()
        env = {k: v for k, v in os.environ.items() if not k.startswith("BLOOMERY_")}
        env.setdefault("ASAN_OPTIONS", "detect_leaks=1")
        self.process = subprocess.Popen(argv, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=env)
        log.close()
        return self.process

    def start(self, ready=True):
        self.spawn()
        self.port = int(until(self._port, "the daemon listens", 60))
        if ready:
            self.wait_ready()
        return self

    def _port(self):
        if self.process.poll() is not None:
            raise Failure(f"bloomeryd ended with {self.process.returncode}: {self.log()[-1500:]}")
        found = re.search(r"listening on \S*?:(\d+)\b", self.log())
        return found and found[1]

    def wait_ready(self):
        until(lambda: self.get("/readyz").status == 200, "/readyz says 200")

    def log(self):
        """Of the present run."""
        try:
            with open(self.log_path, "rb") as f:
                f.seek(self.log_from)
                return f.read().decode("utf-8", "replace")
        except FileNotFoundError:
            return ""

    def wait_exit(self, seconds=PATIENCE):
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            raise Failure(f"bloomeryd has not ended after {seconds} s") from None

    def stop(self):
        """SIGTERM; the exit status must be 0."""
        if self.process and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            status = self.wait_exit()
            if status != 0:
                raise Failure(f"bloomeryd ended with {status}: {self.log()[-3000:]}")
        self.process = None

    def kill9(self):
        self.process.kill()
        self.process.wait()
        self.process = None

    def reload(self, **settings):
        self.write_config(**settings)
        seen = len(self.log())
        self.process.send_signal(signal.SIGHUP)
        until(lambda: "reload" in self.log()[seen:], "the log tells of the reload", 30)

    def close(self):
        try:
            if self.process and self.process.poll() is None:
                self.write_config(drain_seconds=1)
                self.process.send_signal(signal.SIGHUP)
            self.stop()
        finally:
            if self.process and self.process.poll() is None:
                self.kill9()
            left = leftovers(self)
            for c in left["containers"]:
                engine_call("DELETE", f"/containers/{c}?force=1")
            for m in left["mounts"]:
                subprocess.run(["umount", "-l", m], check=False)
            if self in self.suite.daemons:
                self.suite.daemons.remove(self)
            if not os.environ.get("KEEP"):
                shutil.rmtree(self.dir, ignore_errors=True)

    def show_log(self):
        try:
            with open(self.log_path, encoding="utf-8", errors="replace") as f:
                lines = f.read().splitlines()
        except FileNotFoundError:
            return
        status = self.process.poll() if self.process else "stopped"
        print(f"    -- {'running' if status is None else f'exit status {status}'}; the last lines of {self.log_path}")
        for line in lines[-25:]:
            print(f"    | {line[:300]}")
        sys.stdout.flush()

    # --- calls ---

    def request(self, method, path, body=None, headers=None, timeout=PATIENCE):
        c = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            c.request(method, path, body=body, headers=headers or {})
            r = c.getresponse()
            return Reply(r.status, r.headers, r.read())
        except (OSError, http.client.HTTPException) as e:
            self.alive(e)
            raise
        finally:
            c.close()

    def alive(self, error="a call failed"):
        """The daemon runs; else say how it ended rather than how the call did."""
        try:
            status = self.process.wait(1) if self.process else "a stop"
        except subprocess.TimeoutExpired:
            return
        raise Failure(f"bloomeryd has ended with {status} ({error})")

    def get(self, path, **headers):
        return self.request("GET", path, headers=headers)

    def submit(self, profile, body, headers=None, method="POST", **options):
        """The answer of POST /v1/jobs. Every job is to be built, not found: bypass_cache=None for what the user gets."""
        options.setdefault("bypass_cache", "true")
        r = self.request(method, f"/v1/jobs?{query(profile=profile, **options)}", body, headers)
        if r.status == 201:
            answer = r.json()
            self.jobs += [j["id"] for j in answer["jobs"]] if "jobs" in answer else [answer["id"]]
        return r

    def accept(self, profile, body, **options):
        """The id of a job that must be accepted."""
        r = self.submit(profile, body, **options)
        check(r.status == 201, f"the job was not accepted: {r.status}", r.text())
        return r.json()["id"]

    def job(self, id, wait=None):
        r = self.get(f"/v1/jobs/{id}" + (f"?wait={wait}" if wait else ""))
        check(r.status == 200, f"GET of job {id} gives {r.status}", r.text())
        return r.json()

    def wait(self, id, seconds=PATIENCE * 2):
        """The job when it is finished."""
        end = time.monotonic() + seconds
        while True:
            job = self.job(id, wait=10)
            if job["state"] in FINISHED:
                return job
            check(time.monotonic() < end, f"job {id} is {job['state']} after {seconds} s", job, self.job_log(id)[-1500:])

    def wait_state(self, id, *states):
        """The job once it is in one of these states."""

        def there():
            job = self.job(id)
            check(job["state"] in states or job["state"] not in FINISHED,
                  f"job {id} is {job['state']} and was to be {states}", job, self.job_log(id)[-1500:])
            return job if job["state"] in states else None

        return until(there, f"job {id} is {' or '.join(states)}", every=0.02)

    def succeed(self, id):
        job = self.wait(id)
        check(job["state"] == "succeeded", f"job {id} {job['state']}: {job['error']}", self.job_log(id)[-3000:])
        return job

    def fail(self, id, kind):
        job = self.wait(id)
        check(job["state"] == "failed" and job["error"]["kind"] == kind,
              f"job {id} was to fail with {kind}, but {job['state']}: {job['error']}", self.job_log(id)[-3000:])
        return job

    def job_log(self, id):
        r = self.get(f"/v1/jobs/{id}/log")
        return r.text() if r.status == 200 else f"(no log: {r.status})"

    def artifacts(self, id):
        r = self.get(f"/v1/jobs/{id}/artifacts")
        check(r.status == 200, f"the artifacts of {id}: {r.status}", r.text())
        return {a["name"]: a for a in r.json()["artifacts"]}

    def artifact(self, id, name=None):
        r = self.get(f"/v1/jobs/{id}/artifacts/{name}" if name else f"/v1/jobs/{id}/artifact")
        check(r.status == 200, f"artifact {name or '(primary)'} of {id}: {r.status}", r.text()[:500])
        return r.body

    def job_count(self):
        count, cursor = 0, ""
        while cursor is not None:
            page = self.get("/v1/jobs?limit=200" + (f"&cursor={cursor}" if cursor else "")).json()
            count, cursor = count + len(page["jobs"]), page["next"]
        return count

    def files(self, *folders):
        """What lies in these folders of the state: uploads, work folders, sources ..."""
        found = []
        for folder in folders:
            for dir, _, names in os.walk(os.path.join(self.state, folder)):
                found += [os.path.relpath(os.path.join(dir, n), self.state) for n in names]
        return sorted(found)


class Sse(threading.Thread):
    """Follows a log as a browser does; events are dictionaries with data, id and event."""

    def __init__(self, daemon, id, last=None):
        super().__init__(daemon=True)
        self.events, self.ended, self.error = [], threading.Event(), None
        headers = {"Accept": "text/event-stream"}
        if last is not None:
            headers["Last-Event-ID"] = str(last)
        self.conn = http.client.HTTPConnection("127.0.0.1", daemon.port, timeout=PATIENCE)
        self.conn.request("GET", f"/v1/jobs/{id}/log", headers=headers)
        self.reply = self.conn.getresponse()
        if self.reply.status != 200:  # a stream that is in order is not to be read from here
            raise Failure(f"following a log gives {self.reply.status}: {self.reply.read(500)!r}")
        equal(self.reply.headers.get_content_type(), "text/event-stream", "type of a followed log")
        self.start()

    def run(self):
        event = {}
        try:
            for raw in self.reply:
                line = raw.decode("utf-8").rstrip("\n")
                if not line:
                    if event:
                        self.events.append(event)
                    event = {}
                elif not line.startswith(":"):
                    key, _, value = line.partition(": ")
                    event[key] = event[key] + "\n" + value if key in event else value
        except (OSError, http.client.HTTPException, ValueError) as e:
            self.error = e
        finally:
            self.ended.set()

    def lines(self):
        return [e["data"] for e in list(self.events) if "data" in e and "event" not in e]

    def end(self):
        check(self.ended.wait(PATIENCE), "the event stream does not end")
        ends = [e for e in self.events if e.get("event") == "end"]
        check(len(ends) == 1, f"the event stream ended without one `end` ({self.error})", self.events[-3:])
        return json.loads(ends[0]["data"])

    def close(self):
        try:
            self.conn.sock.shutdown(socket.SHUT_RDWR)
        except (OSError, AttributeError):
            pass


def leftovers(daemon):
    """What is on the machine of this daemon's jobs: containers, mounts, loop devices, cgroups."""
    containers = []
    try:
        for c in engine_get("/containers/json?all=1"):
            mounted = any(m.get("Source", "").startswith(daemon.dir) for m in c.get("Mounts") or [])
            if mounted or c.get("Labels", {}).get("bloomery.job") in daemon.jobs:
                containers.append(c["Id"])
    except (OSError, Failure):
        pass
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        mounts = [line.split()[4] for line in f if line.split()[4].startswith(daemon.dir + "/")]
    loops = []
    for dev in os.listdir("/sys/block"):
        try:
            with open(f"/sys/block/{dev}/loop/backing_file", encoding="utf-8") as f:
                if f.read().startswith(daemon.dir):
                    loops.append(dev)
        except OSError:
            pass
    cgroups = []
    for dir, names, _ in os.walk("/sys/fs/cgroup"):
        if "bloomery" in os.path.basename(dir) or "bloomery" in dir:
            cgroups += [os.path.join(dir, n) for n in names if any(j in n or j.lower() in n for j in daemon.jobs)]
        else:
            names[:] = [n for n in names if dir.count("/") < 5]
    return {"containers": containers, "mounts": mounts, "loop devices": loops, "cgroups": cgroups}


def nothing_left(daemon):
    """No job runs: then nothing of theirs may be on the machine."""
    last = {}

    def clean():
        last.update(leftovers(daemon))
        last["files"] = daemon.files("tmp", "work")
        return not any(last.values())

    try:
        until(clean, "nothing is left", 30, 0.2)
    except Failure:
        raise Failure(f"left over: { {k: v for k, v in last.items() if v} }") from None


# --- packing ---


def read_tree(crate):
    """{path: (bytes, mode)} of one of tests/crates."""
    top = os.path.join(CRATES, crate)
    tree = {}
    for dir, dirs, names in os.walk(top):
        dirs[:] = sorted(d for d in dirs if d != "target")
        for n in sorted(names):
            path = os.path.join(dir, n)
            with open(path, "rb") as f:
                tree[os.path.relpath(path, top)] = (f.read(), os.stat(path).st_mode & 0o777)
    check(tree, f"there is no crate {crate} in tests/crates")
    return tree


def entry(name, kind=tarfile.REGTYPE, size=0, link="", mode=0o644):
    t = tarfile.TarInfo(name)
    t.type, t.size, t.linkname, t.mode, t.mtime = kind, size, link, mode, 1700000000
    return t


def tar_of(entries, mode="w:gz", format=tarfile.PAX_FORMAT):
    """entries: (TarInfo, bytes or None) each."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=format) as t:
        for info, data in entries:
            if data is not None:
                info.size = len(data)
            t.addfile(info, io.BytesIO(data) if data is not None else None)
    return out.getvalue()


def tree_entries(tree, prefix=""):
    return [(entry(prefix + path, mode=mode), data) for path, (data, mode) in tree.items()]


def pack(crate, prefix="", extra=None, drop=(), edit=None, mode="w:gz", format=tarfile.PAX_FORMAT, more=()):
    """A tarball of one of tests/crates. extra: {path: text} added; drop: paths left out; edit: {path: function of its
    text}; more: further (TarInfo, bytes)."""
    tree = read_tree(crate)
    for path in drop:
        del tree[path]
    for path, text in (extra or {}).items():
        tree[path] = (text.encode() if isinstance(text, str) else text, 0o644)
    for path, change in (edit or {}).items():
        tree[path] = (change(tree[path][0].decode()).encode(), tree[path][1])
    return tar_of(tree_entries(tree, prefix) + list(more), mode, format)


def inline(manifest, **files):
    """A tarball of a crate that is written in the test: src__main is src/main.rs."""
    entries = [(entry("Cargo.toml"), manifest.encode())]
    entries += [(entry(k.replace("__", "/") + ".rs"), v.encode()) for k, v in files.items()]
    return tar_of(entries)


def piped(*argv, cwd=None):
    p = subprocess.run(argv, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
    check(p.returncode == 0, f"{' '.join(argv)} gives {p.returncode}", p.stderr.decode(errors="replace"))
    return p.stdout


class CrateCopy:
    """A crate copied out of the repository, for tools that look around them (git, cargo)."""

    def __init__(self, crate):
        self.dir = tempfile.mkdtemp(prefix="bloomery-crate-")
        self.path = os.path.join(self.dir, crate)
        shutil.copytree(os.path.join(CRATES, crate), self.path, symlinks=True, ignore=shutil.ignore_patterns("target"))

    def __enter__(self):
        return self.path

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)


def git_archive(crate, *args):
    with CrateCopy(crate) as path:
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main", "-C", path]
        for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
            piped(*git, *words)
        return piped(*git, "archive", "--format=tar", *args, "HEAD")


# --- running what was built ---


def run_native(data, *args, stdin=""):
    """A static binary, executed here."""
    with tempfile.TemporaryDirectory(prefix="bloomery-run-") as d:
        path = os.path.join(d, "program")
        with open(path, "wb") as f:
            f.write(data)
        os.chmod(path, 0o755)
        p = subprocess.run([path, *args], input=stdin.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=60, check=False, env={})
        return p.returncode, p.stdout.decode("utf-8", "replace")


def run_wasm(data, *words):
    """(status, output) of run.mjs in node: of this machine, else of the trial's image. words: see run.mjs."""
    with tempfile.TemporaryDirectory(prefix="bloomery-run-") as d:
        os.chmod(d, 0o755)
        with open(os.path.join(d, "a.wasm"), "wb") as f:
            f.write(data)
        shutil.copy(os.path.join(HERE, "run.mjs"), d)
        if shutil.which("node"):
            argv = ["node", "--no-warnings", f"{d}/run.mjs", f"{d}/a.wasm", *words]
        else:
            argv = ["docker", "run", "--rm", "--network=none", "-v", f"{d}:/run-here:ro", "bloomery/trial-node:current",
                    "node", "--no-warnings", "/run-here/run.mjs", "/run-here/a.wasm", *words]
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=120,
                           check=False)
        return p.returncode, p.stdout.decode("utf-8", "replace")


# --- a way to the Engine that can be switched off ---


class Way:
    """A Unix socket in front of the Engine's. off(): nobody listens and every stream is cut; silent(): calls are taken
    and never answered; on(): as usual."""

    def __init__(self, target=ENGINE):
        self.dir = tempfile.mkdtemp(prefix="bloomery-way-")
        self.path = os.path.join(self.dir, "docker.sock")
        self.target, self.listener, self.mute = target, None, False
        self.lock, self.open = threading.Lock(), set()

    def on(self):
        self.off()
        self.mute = False
        self._listen()
        return self

    def silent(self):
        self.off()
        self.mute = True
        self._listen()
        return self

    def off(self):
        if self.listener:
            os.unlink(self.path)
            self.listener.shutdown(socket.SHUT_RDWR)
            self.listener.close()
            self.listener = None
        self.cut()
        return self

    def cut(self):
        with self.lock:
            for s in self.open:
                try:
                    s.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.open.clear()

    def close(self):
        self.off()
        shutil.rmtree(self.dir, ignore_errors=True)

    def _listen(self):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(self.path)
        self.listener.listen(64)
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def _accept(self, listener):
        while True:
            try:
                conn, _ = listener.accept()
            except OSError:
                return
            with self.lock:
                self.open.add(conn)
            if not self.mute:
                threading.Thread(target=self._bridge, args=(conn,), daemon=True).start()

    def _bridge(self, conn):
        far = socket.socket(socket.AF_UNIX)
        try:
            far.connect(self.target)
            with self.lock:
                self.open.add(far)
            pair = {conn: far, far: conn}
            while pair:
                ready, _, _ = select.select(list(pair), [], [])
                for s in ready:
                    data = s.recv(65536)
                    if data:
                        (far if s is conn else conn).sendall(data)
                    else:
                        pair[s].shutdown(socket.SHUT_WR)
                        del pair[s]
        except (OSError, ValueError):
            pass
        finally:
            with self.lock:
                self.open -= {conn, far}
            for s in (conn, far):
                s.close()
