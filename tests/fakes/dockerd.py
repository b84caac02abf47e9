#!/usr/bin/env python3
"""A scripted Docker Engine on a Unix socket: enough of API 1.41 for whole jobs, and for everything that can go wrong.

    dockerd.py --socket PATH [--scenario FILE.json] [--verbose]

It prints "ready" when it listens, and ends by SIGTERM. Nothing is run but what a scenario says; the assertions of
tests/integration/engine_test.c hold for it and for the real Engine, so it cannot drift.

Scenario (all keys are optional; the first rule that matches is taken):

    {"engine": {"ApiVersion": "1.41", "CgroupVersion": "2", ...},     put over the answers to /version and /info
     "images": [{"tags": ["a/b:c"], "labels": {"k": "v"}}],            there from the start
     "rules":  [{RULE}, ...],                                          what a process does
     "builds": [{"match": "part of a RUN line", "output": "...", "exit": 0}],
     "faults": [{FAULT}, ...]}

RULE: {"kind": "container" | "exec" (none: both), "name": REGEX of the container's name, "command": part of the
command's words joined by blanks, "image": part of the reference, "times": N (then the rule is used up),
"do": [ACTION, ...]}. A process without a rule runs until it is killed if its command is `sleep ...`, else it exits 0.

ACTION, in order, each one of:
    {"stdout": TEXT}, {"stderr": TEXT}      also with "repeat": N
    {"sleep": SECONDS}                      a kill ends it
    {"file": PATH in the container, "text": TEXT | "base64": B64 | "copy": host path, "mode": "0644"}
                                            written on the host, beneath the bind mount that holds PATH
    {"run": [ARGV]}                         a program of the host, for what a fake cannot make up; "{/work/x}" in a word
                                            is the host's path of it; its output goes out; a failure ends the process;
                                            "stdin": PATH in the container
    {"until_killed": true}
    {"close_output": true}                  the stream ends, the process goes on
    {"leave": SECONDS, "flood": TEXT}       after the end something holds the output so long (and prints without end)
    {"oom": true}                           ends with 137 and OOMKilled
    {"exit": CODE}                          ends; the end of the list is {"exit": 0}

FAULT: {"method": "POST", "path": REGEX (searched in the path without version and query), "nth": 1, "times": 1,
"do": WHAT}. It counts the calls that match; calls nth .. nth+times-1 get WHAT ("times": 0 is for ever):
    "status" with "status": 500, "message": TEXT
    "hangup"        the connection is closed without an answer, nothing is done
    "lose_answer"   the call is done, then the connection is closed without an answer
    "hang"          never an answer (until {"release": true})
    "slow"          with "seconds": N, then as usual
    "garbage"       200 and a body that is not JSON
    "cut"           with "bytes": N: the stream (attach, exec start) is closed after N bytes, frame headers included
    "restart"       with "seconds": N down, "containers": "stop" (default) | "stay" | "lost"; every connection is cut

Control, on the same socket:
    GET  /_fake     {"containers": [{"id","name","state","exit_code","removed","spec":{the create body},
                     "execs":[{"command","user","env","exit_code"}]}], "images": [...],
                     "calls": [{"method","path","status"}]}      removed containers stay listed here
    POST /_fake     {"rules": [..], "faults": [..], "builds": [..]} are put before those there; {"engine": {..}} over;
                    {"clear": ["rules", "faults", "calls"]} first; {"release": true}; {"restart": {"seconds", "containers"}}
"""

import argparse
import base64
import io
import json
import os
import re
import secrets
import select
import shlex
import shutil
import signal
import socket
import socketserver
import struct
import subprocess
import sys
import tarfile
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

STDOUT, STDERR = 1, 2
KILLED = 137


class Refusal(Exception):
    """An answer that is not 2xx."""

    def __init__(self, status, message):
        super().__init__(message)
        self.status, self.message = status, message


class Sink:
    """The Engine's end of one attach or exec stream. Writes block while the client does not read."""

    def __init__(self, conn, cut=None):
        self.conn, self.left = conn, cut
        self.lock = threading.Lock()
        self.closed = threading.Event()

    def write(self, channel, data):
        with self.lock:
            for i in range(0, len(data), 32768):
                part = data[i : i + 32768]
                self._send(struct.pack(">BxxxI", channel, len(part)) + part)

    def _send(self, data):
        if self.closed.is_set():
            return
        try:
            if self.left is not None and len(data) > self.left:
                self.conn.sendall(data[: self.left])
                self.close()
            else:
                self.conn.sendall(data)
                self.left = self.left - len(data) if self.left is not None else None
        except OSError:
            self.close()

    def close(self):
        self.closed.set()
        try:
            self.conn.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def serve(self):
        """Hold the connection until the stream ends or the client leaves."""
        while not self.closed.is_set():
            ready, _, _ = select.select([self.conn], [], [], 1)
            try:
                if ready and not self.conn.recv(4096):
                    break
            except OSError:
                break
        self.close()


class Process(threading.Thread):
    """A container's main process, or an exec: follows its rule's actions."""

    def __init__(self, engine, container, command, actions, sinks, on_end):
        super().__init__(daemon=True)
        self.engine, self.container, self.command = engine, container, command
        self.actions, self.sinks, self.on_end = actions, sinks, on_end
        self.killed = threading.Event()
        self.running, self.code, self.oom = True, None, False
        self.leave = None

    def run(self):
        try:
            self.code = self.follow()
        except Exception as e:  # a mistake in the scenario must be seen, not hang a test
            self.say(STDERR, f"fake dockerd: {e!r}\n".encode())
            self.code = 125
        if self.killed.is_set():
            self.code = KILLED
        self.running = False
        self.on_end(self)
        if self.leave:
            self.linger()
        for sink in list(self.sinks):
            sink.close()

    def say(self, channel, data):
        for sink in list(self.sinks):
            sink.write(channel, data)

    def follow(self):
        for action in self.actions:
            if self.killed.is_set():
                return KILLED
            code = self.act(action)
            if code is not None:
                return code
        return 0

    def act(self, a):
        if "stdout" in a or "stderr" in a:
            channel = STDOUT if "stdout" in a else STDERR
            text = a.get("stdout", a.get("stderr")).encode()
            count = a.get("repeat", 1)
            block = max(1, 65536 // max(1, len(text)))
            while count > 0 and not self.killed.is_set():
                n = min(block, count)
                self.say(channel, text * n)
                count -= n
        elif "sleep" in a:
            self.killed.wait(a["sleep"])
        elif "file" in a:
            self.write_file(a)
        elif "run" in a:
            return self.run_program(a)
        elif "until_killed" in a:
            self.killed.wait()
        elif "close_output" in a:
            for sink in list(self.sinks):
                sink.close()
        elif "leave" in a:
            self.leave = a
        elif "oom" in a:
            self.oom = True
            return KILLED
        elif "exit" in a:
            return a["exit"]
        else:
            raise ValueError(f"no such action: {a}")
        return None

    def write_file(self, a):
        path = self.container.host_path(a["file"])
        os.makedirs(os.path.dirname(path), exist_ok=True)
        if "copy" in a:
            shutil.copyfile(a["copy"], path)
        else:
            data = base64.b64decode(a["base64"]) if "base64" in a else a.get("text", "").encode()
            with open(path, "wb") as f:
                f.write(data)
        os.chmod(path, int(a.get("mode", "0644"), 8))

    def run_program(self, a):
        translate = lambda word: re.sub(r"\{(/[^}]*)\}", lambda m: self.container.host_path(m[1]), word)
        stdin = open(self.container.host_path(a["stdin"]), "rb") if "stdin" in a else subprocess.DEVNULL
        p = subprocess.Popen([translate(w) for w in a["run"]], stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        threads = []
        for pipe, channel in ((p.stdout, STDOUT), (p.stderr, STDERR)):
            pump = lambda pipe=pipe, channel=channel: [self.say(channel, d) for d in iter(lambda: pipe.read1(65536), b"")]
            threads.append(threading.Thread(target=pump, daemon=True))
            threads[-1].start()
        while p.poll() is None:
            if self.killed.wait(0.01):
                p.kill()
        for t in threads:
            t.join()
        return p.returncode or None

    def linger(self):
        until = time.monotonic() + self.leave["leave"]
        flood = self.leave.get("flood", "").encode() * 1000
        while time.monotonic() < until and not self.killed.is_set() and any(not s.closed.is_set() for s in self.sinks):
            if flood:
                self.say(STDOUT, flood)
            else:
                self.killed.wait(0.05)


class Container:
    def __init__(self, id, name, spec):
        self.id, self.name, self.spec = id, name, spec
        self.state, self.exit_code, self.oom = "created", 0, False
        self.created = time.time()
        self.sinks, self.process, self.execs = [], None, []
        self.removed = False
        self.stopped = threading.Event()

    def host_path(self, path):
        best = None
        for m in self.spec.get("HostConfig", {}).get("Mounts") or []:
            inside = path == m["Target"] or path.startswith(m["Target"].rstrip("/") + "/")
            if inside and (best is None or len(m["Target"]) > len(best["Target"])):
                best = m
        if best is None:
            raise ValueError(f"{path} is not beneath a bind mount of {self.name}")
        return best["Source"] + path[len(best["Target"]) :]

    def kill(self):
        for p in [self.process] + [x.process for x in self.execs]:
            if p:
                p.killed.set()


class Exec:
    def __init__(self, id, container, config):
        self.id, self.container, self.config = id, container, config
        self.process = None


class Image:
    def __init__(self, id, tags, labels):
        self.id, self.tags, self.labels, self.created = id, set(tags), labels, int(time.time())


VERSION = {"Version": "20.10.24+fake", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"}
INFO = {
    "CgroupDriver": "cgroupfs", "CgroupVersion": "1", "SecurityOptions": ["name=seccomp,profile=default"],
    "Architecture": "x86_64", "OSType": "linux", "NCPU": os.cpu_count(), "MemTotal": 8 << 30,
    "ServerVersion": "20.10.24+fake", "Name": "fake",
}


class Engine:
    """The state behind the socket. Every method may be called from any connection's thread."""

    def __init__(self):
        self.lock = threading.RLock()
        self.version, self.info = dict(VERSION), dict(INFO)
        self.rules, self.faults, self.builds = [], [], []
        self.containers, self.execs, self.images, self.calls = {}, {}, [], []
        self.connections = set()
        self.release = threading.Event()
        self.restart_asked = threading.Event()
        self.restart_how = {}

    # --- scenario and control ---

    def script(self, s):
        with self.lock:
            for what in s.get("clear", []):
                getattr(self, what).clear()
            for what in ("rules", "faults", "builds"):
                getattr(self, what)[:0] = s.get(what, [])
            for k, v in s.get("engine", {}).items():
                (self.version if k in VERSION else self.info)[k] = v
            for i in s.get("images", []):
                self.images.append(Image(new_image_id(), i["tags"], i.get("labels", {})))
        if s.get("release"):
            self.release.set()
            self.release = threading.Event()
        if "restart" in s:
            self.restart(s["restart"])

    def restart(self, how):
        self.restart_how = how
        self.restart_asked.set()

    def after_stop(self, how):
        """What a restart does to what was there."""
        with self.lock:
            for c in self.connections:
                try:
                    c.shutdown(socket.SHUT_RDWR)
                except OSError:
                    pass
            self.execs.clear()
            fate = how.get("containers", "stop")
            for c in self.containers.values():
                if fate != "stay":
                    c.kill()
                if fate == "lost":
                    c.removed = True

    def status(self):
        with self.lock:
            return {
                "containers": [
                    {
                        "id": c.id, "name": c.name, "state": c.state, "exit_code": c.exit_code, "removed": c.removed,
                        "spec": c.spec,
                        "execs": [
                            {
                                "command": x.config.get("Cmd"), "user": x.config.get("User"), "env": x.config.get("Env"),
                                "exit_code": x.process.code if x.process else None,
                            }
                            for x in c.execs
                        ],
                    }
                    for c in self.containers.values()
                ],
                "images": [{"id": i.id, "tags": sorted(i.tags), "labels": i.labels} for i in self.images],
                "calls": list(self.calls),
            }

    def fault_for(self, method, path):
        with self.lock:
            for f in self.faults:
                if f.get("method", method) == method and re.search(f.get("path", ""), path):
                    f["seen"] = f.get("seen", 0) + 1
                    first, times = f.get("nth", 1), f.get("times", 1)
                    if f["seen"] >= first and (times == 0 or f["seen"] < first + times):
                        return f
        return None

    def actions_for(self, kind, container, command):
        words = " ".join(command)
        with self.lock:
            for r in self.rules:
                if r.get("kind", kind) != kind or r.get("command", "") not in words:
                    continue
                if not re.search(r.get("name", ""), container.name) or r.get("image", "") not in container.spec["Image"]:
                    continue
                if "times" in r:
                    if r["times"] <= 0:
                        continue
                    r["times"] -= 1
                return r["do"]
        return [{"until_killed": True}] if command[:1] == ["sleep"] else []

    # --- images ---

    def image(self, ref):
        tagged = ref if ":" in ref.rsplit("/", 1)[-1] else ref + ":latest"
        with self.lock:
            for i in self.images:
                if ref in (i.id, i.id.split(":")[1], i.id.split(":")[1][:12]) or tagged in i.tags:
                    return i
        raise Refusal(404, f"No such image: {tagged}")

    def tag(self, image, ref):
        with self.lock:
            for i in self.images:
                i.tags.discard(ref)
            image.tags.add(ref)
            if image not in self.images:
                self.images.append(image)

    def remove_image(self, ref):
        with self.lock:
            i = self.image(ref)
            users = [c for c in self.containers.values() if not c.removed and c.spec.get("image_id") == i.id]
            if users and len(i.tags) <= 1:
                raise Refusal(
                    409,
                    f'conflict: unable to remove repository reference "{ref}" (must force) - container '
                    f"{users[0].id[:12]} is using its referenced image {i.id[7:19]}",
                )
            i.tags.discard(ref)
            if not i.tags or ref.startswith("sha256:"):
                self.images.remove(i)
            return [{"Untagged": ref}]

    # --- containers ---

    def container(self, ref):
        with self.lock:
            for c in self.containers.values():
                if not c.removed and (c.name == ref or (len(ref) >= 12 and c.id.startswith(ref))):
                    return c
        raise Refusal(404, f"No such container: {ref}")

    def create(self, name, spec):
        with self.lock:
            if not re.fullmatch(r"[a-zA-Z0-9][a-zA-Z0-9_.-]+", name):
                raise Refusal(400, f"Invalid container name ({name})")
            image = self.image(spec.get("Image", ""))
            for m in spec.get("HostConfig", {}).get("Mounts") or []:
                if m["Type"] == "bind" and not os.path.exists(m["Source"]):
                    raise Refusal(
                        400, f'invalid mount config for type "bind": bind source path does not exist: {m["Source"]}'
                    )
            for c in self.containers.values():
                if c.name == name and not c.removed:
                    raise Refusal(
                        409,
                        f'Conflict. The container name "/{name}" is already in use by container "{c.id}". You have to '
                        "remove (or rename) that container to be able to reuse that name.",
                    )
            if not spec.get("Cmd"):
                raise Refusal(400, "No command specified")
            c = Container(secrets.token_hex(32), name, dict(spec, image_id=image.id))
            self.containers[c.id] = c
            return c

    def start(self, c):
        with self.lock:
            if c.state == "running":
                return 304
            command = (c.spec.get("Entrypoint") or []) + c.spec["Cmd"]
            c.state = "running"
            c.stopped.clear()
            actions = self.actions_for("container", c, command)
            c.process = Process(self, c, command, actions, c.sinks, lambda p: self.stopped(c, p))
            c.process.start()
            return 204

    def stopped(self, c, process):
        with self.lock:
            c.kill()  # what else runs in it dies with its first process
            c.state, c.exit_code, c.oom = "exited", process.code, process.oom
        for x in list(c.execs):
            if x.process and x.process.is_alive():
                x.process.join(5)
        c.stopped.set()

    def kill(self, c):
        if c.state != "running":
            raise Refusal(409, f"Cannot kill container: {c.id}: Container {c.id} is not running")
        c.kill()
        c.stopped.wait(5)

    def remove(self, c, force):
        if c.state == "running":
            if not force:
                raise Refusal(409, f"You cannot remove a running container {c.id}. Stop the container first")
            self.kill(c)
        c.removed = True
        with self.lock:
            for x in c.execs:
                self.execs.pop(x.id, None)

    def exec_create(self, c, config):
        if c.state != "running":
            raise Refusal(409, f"Container {c.id} is not running")
        with self.lock:
            x = Exec(secrets.token_hex(32), c, config)
            self.execs[x.id] = x
            c.execs.append(x)
            return x

    def exec_start(self, x, sink):
        with self.lock:
            actions = self.actions_for("exec", x.container, x.config["Cmd"])
            x.process = Process(self, x.container, x.config["Cmd"], actions, [sink], lambda p: None)
            x.process.start()

    def exec(self, id):
        with self.lock:
            if id not in self.execs:
                raise Refusal(404, f"No such exec instance: {id}")
            return self.execs[id]


def new_image_id():
    return "sha256:" + secrets.token_hex(32)


def label_matches(labels, filters):
    for f in filters.get("label", []):
        key, eq, value = f.partition("=")
        if key not in labels or (eq and labels[key] != value):
            return False
    return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = False

    def setup(self):
        super().setup()
        self.engine = self.server.engine
        self.engine.connections.add(self.connection)

    def finish(self):
        self.engine.connections.discard(self.connection)
        try:
            super().finish()
        except OSError:
            pass

    def address_string(self):
        return "client"

    def log_message(self, fmt, *args):
        if self.server.verbose:
            sys.stderr.write(fmt % args + "\n")

    # --- one request ---

    def handle_one_request(self):
        try:
            super().handle_one_request()
        except OSError:
            self.close_connection = True

    def dispatch(self):
        url = urllib.parse.urlsplit(self.path)
        self.query = {k: v for k, v in urllib.parse.parse_qsl(url.query, keep_blank_values=True)}
        self.query_all = urllib.parse.parse_qs(url.query, keep_blank_values=True)
        path = urllib.parse.unquote(url.path)
        self.answered = None
        if path == "/_fake":
            return self.control()
        m = re.match(r"/v(\d+)\.(\d+)(/.*)", path)
        self.version = (int(m[1]), int(m[2])) if m else None
        self.plain = m[3] if m else path
        self.fault = self.engine.fault_for(self.command, self.plain)
        call = {"method": self.command, "path": self.plain, "status": None}
        self.engine.calls.append(call)
        try:
            if self.fault and not self.suffer():
                return
            self.check_version()
            self.route()
        except Refusal as r:
            self.read_body()
            self.send_json(r.status, {"message": r.message})
        finally:
            call["status"] = self.answered

    do_GET = do_POST = do_DELETE = do_PUT = do_HEAD = dispatch

    def suffer(self):
        """Act on the fault; True if the call is to be done nonetheless."""
        do = self.fault["do"]
        if do == "status":
            raise Refusal(self.fault.get("status", 500), self.fault.get("message", "a scripted failure"))
        if do == "garbage":
            self.read_body()
            self.send_bytes(200, b"<html>not JSON</html>", "text/html")
            return False
        if do == "slow":
            time.sleep(self.fault.get("seconds", 1))
            return True
        if do in ("cut", "lose_answer"):
            return True
        if do == "hang":
            self.engine.release.wait()
        if do == "restart":
            self.engine.restart(self.fault)
        self.close_connection = True
        return False

    def check_version(self):
        if not self.version:
            return
        number = lambda s: tuple(int(x) for x in s.split("."))
        most, least = self.engine.version["ApiVersion"], self.engine.version["MinAPIVersion"]
        asked = "%d.%d" % self.version
        if self.version > number(most):
            raise Refusal(400, f"client version {asked} is too new. Maximum supported API version is {most}")
        if self.version < number(least):
            raise Refusal(400, f"client version {asked} is too old. Minimum supported API version is {least}")

    def read_body(self):
        if hasattr(self, "_body_of") and self._body_of is self.headers:
            return self._body
        data = io.BytesIO()
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            while True:
                size = int(self.rfile.readline().split(b";")[0], 16)
                data.write(self.rfile.read(size))
                self.rfile.readline()
                if size == 0:
                    break
        else:
            data.write(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        self._body_of, self._body = self.headers, data.getvalue()
        return self._body

    def body_json(self):
        try:
            return json.loads(self.read_body() or b"{}")
        except ValueError as e:
            raise Refusal(400, f"invalid JSON: {e}") from e

    def lost(self):
        if getattr(self, "fault", None) and self.fault["do"] == "lose_answer":
            self.close_connection = True
            return True
        return False

    def send_bytes(self, status, data, kind="application/json"):
        self.answered = status
        if self.lost():
            return
        self.send_response(status)
        if status != 204 and status != 304:
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def send_json(self, status, value):
        self.send_bytes(status, (json.dumps(value) + "\n").encode())

    def send_nothing(self, status=204):
        self.send_bytes(status, b"")

    def send_lines(self, lines):
        """Chunked JSON lines, as builds and imports answer."""
        self.answered = 200
        if self.lost():
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        for line in lines:
            self.send_chunk(json.dumps(line).encode() + b"\r\n")
        self.send_chunk(b"")

    def send_chunk(self, data):
        self.wfile.write(b"%x\r\n%s\r\n" % (len(data), data))
        self.wfile.flush()

    def hijack(self):
        self.close_connection = True
        self.answered = 200
        self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/vnd.docker.raw-stream\r\n\r\n")
        self.wfile.flush()
        cut = self.fault.get("bytes", 4) if self.fault and self.fault["do"] == "cut" else None
        return Sink(self.connection, cut)

    def control(self):
        self.fault = None
        if self.command == "POST":
            self.engine.script(self.body_json())
        self.send_json(200, self.engine.status())

    # --- routes ---

    ROUTES = [
        ("GET", r"/_ping", "ping"),
        ("GET", r"/version", "get_version"),
        ("GET", r"/info", "get_info"),
        ("POST", r"/containers/create", "create"),
        ("GET", r"/containers/json", "list_containers"),
        ("GET", r"/containers/([^/]+)/json", "inspect"),
        ("POST", r"/containers/([^/]+)/attach", "attach"),
        ("POST", r"/containers/([^/]+)/start", "start"),
        ("POST", r"/containers/([^/]+)/kill", "kill"),
        ("POST", r"/containers/([^/]+)/wait", "wait"),
        ("POST", r"/containers/([^/]+)/exec", "exec_create"),
        ("DELETE", r"/containers/([^/]+)", "remove"),
        ("POST", r"/exec/([^/]+)/start", "exec_start"),
        ("GET", r"/exec/([^/]+)/json", "exec_inspect"),
        ("GET", r"/images/json", "list_images"),
        ("GET", r"/images/(.+)/json", "inspect_image"),
        ("POST", r"/images/create", "import_image"),
        ("POST", r"/images/(.+)/tag", "tag_image"),
        ("DELETE", r"/images/(.+)", "remove_image"),
        ("POST", r"/build", "build"),
    ]

    def route(self):
        for method, pattern, name in self.ROUTES:
            m = re.fullmatch(pattern, self.plain)
            if m and method == self.command:
                return getattr(self, "on_" + name)(*m.groups())
        raise Refusal(404, "page not found")

    def on_ping(self):
        self.send_bytes(200, b"OK", "text/plain")

    def on_get_version(self):
        self.send_json(200, self.engine.version)

    def on_get_info(self):
        running = sum(c.state == "running" and not c.removed for c in self.engine.containers.values())
        self.send_json(200, dict(self.engine.info, ContainersRunning=running))

    def on_create(self):
        c = self.engine.create(self.query.get("name", ""), self.body_json())
        self.send_json(201, {"Id": c.id, "Warnings": []})

    def on_list_containers(self):
        filters = json.loads(self.query.get("filters", "{}"))
        everything = self.query.get("all") in ("1", "true")
        self.send_json(
            200,
            [
                {
                    "Id": c.id, "Names": ["/" + c.name], "Image": c.spec["Image"], "ImageID": c.spec["image_id"],
                    "State": c.state, "Labels": c.spec.get("Labels") or {}, "Created": int(c.created),
                }
                for c in list(self.engine.containers.values())
                if not c.removed
                and (everything or c.state == "running")
                and label_matches(c.spec.get("Labels") or {}, filters)
            ],
        )

    def on_inspect(self, ref):
        c = self.engine.container(ref)
        state = {"Status": c.state, "Running": c.state == "running", "OOMKilled": c.oom, "ExitCode": c.exit_code}
        self.send_json(200, {"Id": c.id, "Name": "/" + c.name, "State": state, "HostConfig": c.spec.get("HostConfig")})

    def on_attach(self, ref):
        c = self.engine.container(ref)
        self.read_body()
        sink = self.hijack()
        c.sinks.append(sink)
        if c.state == "exited":
            sink.close()
        sink.serve()

    def on_start(self, ref):
        self.read_body()
        self.send_nothing(self.engine.start(self.engine.container(ref)))

    def on_kill(self, ref):
        self.read_body()
        self.engine.kill(self.engine.container(ref))
        self.send_nothing()

    def on_wait(self, ref):
        c = self.engine.container(ref)
        self.read_body()
        self.answered = 200
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        while c.state == "running":
            if c.stopped.wait(1):
                break
        self.send_chunk(json.dumps({"StatusCode": c.exit_code, "Error": None}).encode() + b"\n")
        self.send_chunk(b"")

    def on_exec_create(self, ref):
        x = self.engine.exec_create(self.engine.container(ref), self.body_json())
        self.send_json(201, {"Id": x.id})

    def on_exec_start(self, id):
        x = self.engine.exec(id)
        self.read_body()
        if x.container.state != "running":
            raise Refusal(409, f"Container {x.container.id} is not running")
        sink = self.hijack()
        self.engine.exec_start(x, sink)
        sink.serve()

    def on_exec_inspect(self, id):
        x = self.engine.exec(id)
        p = x.process
        running = bool(p and p.running)
        self.send_json(
            200,
            {"ID": x.id, "Running": running, "ExitCode": p.code if p and not running else None,
             "ContainerID": x.container.id, "Pid": 4711 if running else 0},
        )

    def on_remove(self, ref):
        self.engine.remove(self.engine.container(ref), self.query.get("force") in ("1", "true"))
        self.send_nothing()

    def on_list_images(self):
        filters = json.loads(self.query.get("filters", "{}"))
        self.send_json(
            200,
            [
                {"Id": i.id, "RepoTags": sorted(i.tags) or None, "Size": 1 << 20, "Created": i.created, "Labels": i.labels}
                for i in self.engine.images
                if label_matches(i.labels, filters)
            ],
        )

    def on_inspect_image(self, ref):
        i = self.engine.image(ref)
        made = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(i.created))
        self.send_json(
            200,
            {"Id": i.id, "RepoTags": sorted(i.tags), "Size": 1 << 20, "Created": made, "Config": {"Labels": i.labels}},
        )

    def on_import_image(self):
        data = self.read_body()
        try:
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as t:
                t.next()
        except (tarfile.TarError, EOFError) as e:
            text = f"Error processing tar file(exit status 1): {e}"
            return self.send_lines([{"status": "Importing"}, {"errorDetail": {"message": text}, "error": text}])
        labels = {}
        for change in self.query_all.get("changes", []):
            verb, _, rest = change.partition(" ")
            if verb == "LABEL":
                labels.update(w.partition("=")[::2] for w in shlex.split(rest))
        image = Image(new_image_id(), [], labels)
        self.engine.tag(image, self.query["repo"] + ":" + (self.query.get("tag") or "latest"))
        self.send_lines([{"status": "Importing"}, {"status": image.id}])

    def on_tag_image(self, ref):
        self.read_body()
        self.engine.tag(self.engine.image(ref), self.query["repo"] + ":" + (self.query.get("tag") or "latest"))
        self.send_nothing(201)

    def on_remove_image(self, ref):
        self.send_json(200, self.engine.remove_image(ref))

    def on_build(self):
        data = self.read_body()
        name = self.query.get("dockerfile", "Dockerfile")
        try:
            with tarfile.open(fileobj=io.BytesIO(data), mode="r:*") as t:
                text = t.extractfile(name).read().decode()
        except (tarfile.TarError, EOFError, KeyError) as e:
            raise Refusal(500, f"Cannot locate specified Dockerfile: {name}") from e
        self.send_lines(self.build_lines(text))

    def build_lines(self, text):
        steps = [s for s in re.sub(r"\\\n", "", text).splitlines() if s.strip() and not s.startswith("#")]
        labels = {}
        for n, step in enumerate(steps, 1):
            yield {"stream": f"Step {n}/{len(steps)} : {step}"}
            yield {"stream": "\n"}
            verb, _, rest = step.partition(" ")
            if verb == "FROM":
                try:
                    labels.update(self.engine.image(rest.split()[0]).labels)
                except Refusal as r:
                    yield {"errorDetail": {"message": r.message}, "error": r.message}
                    return
            elif verb == "LABEL":
                labels.update(w.partition("=")[::2] for w in shlex.split(rest))
            elif verb == "RUN":
                rule = next((b for b in self.engine.builds if b["match"] in rest), {})
                for piece in re.findall(r".{1,7}|\n", rule.get("output", "")):  # pieces are not lines
                    yield {"stream": piece}
                if rule.get("exit"):
                    message = f"The command '/bin/sh -c {rest}' returned a non-zero code: {rule['exit']}"
                    yield {"errorDetail": {"code": rule["exit"], "message": message}, "error": message}
                    return
        labels.update(json.loads(self.query.get("labels", "{}")))
        image = Image(new_image_id(), [], labels)
        self.engine.tag(image, self.query["t"])
        yield {"aux": {"ID": image.id}}
        yield {"stream": f"Successfully built {image.id[7:19]}\n"}


class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, ValueError)) or self.verbose:
            super().handle_error(request, client_address)


def serve(engine, path, verbose):
    """Listen; after a scripted restart listen again."""
    while True:
        try:
            os.unlink(path)
        except FileNotFoundError:
            pass
        server = Server(path, Handler)
        server.engine, server.verbose = engine, verbose
        engine.restart_asked.clear()
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
        thread.start()
        print("ready", flush=True)
        engine.restart_asked.wait()
        how = engine.restart_how
        server.shutdown()
        server.server_close()
        os.unlink(path)
        engine.after_stop(how)
        time.sleep(how.get("seconds", 0))


def main():
    parser = argparse.ArgumentParser(description="A scripted Docker Engine for tests")
    parser.add_argument("--socket", required=True)
    parser.add_argument("--scenario")
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    engine = Engine()
    if args.scenario:
        with open(args.scenario, encoding="utf-8") as f:
            engine.script(json.load(f))
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    serve(engine, args.socket, args.verbose)


if __name__ == "__main__":
    main()
