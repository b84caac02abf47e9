"""The state behind dockerd.py: containers, processes that follow a script, images, faults. See there."""

import base64
import os
import re
import secrets
import shutil
import select
import socket
import struct
import subprocess
import threading
import time

STDOUT, STDERR = 1, 2
KILLED, TERMINATED = 137, 143


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

    def __init__(self, engine, container, user, actions, sinks, on_end):
        super().__init__(daemon=True)
        self.engine, self.container, self.user = engine, container, user
        self.actions, self.sinks, self.on_end = actions, sinks, on_end
        self.killed = threading.Event()
        self.kill_code = KILLED
        self.running, self.code, self.oom = True, None, False
        self.leave = None

    def run(self):
        try:
            self.code = self.follow()
        except Exception as e:  # a mistake in the scenario must be seen, not hang a test
            self.say(STDERR, f"fake dockerd: {e!r}\n".encode())
            self.code = 125
        if self.killed.is_set():
            self.code = self.kill_code
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
        owner = re.fullmatch(r"(\d+):(\d+)", self.user or "")
        if owner and os.geteuid() == 0:
            os.chown(path, int(owner[1]), int(owner[2]))

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

    def kill(self, code=KILLED):
        if self.process and not self.process.killed.is_set():
            self.process.kill_code = code
        for p in [self.process] + [x.process for x in self.execs]:
            if p:
                p.killed.set()


class Exec:
    def __init__(self, id, container, config):
        self.id, self.container, self.config = id, container, config
        self.process = None


class Image:
    def __init__(self, id, tags, labels, created=None):
        self.id, self.tags, self.labels, self.created = id, set(tags), labels, created or int(time.time())


VERSION = {"Version": "20.10.24+fake", "ApiVersion": "1.41", "MinAPIVersion": "1.12", "Os": "linux", "Arch": "amd64"}
INFO = {
    "CgroupDriver": "cgroupfs", "CgroupVersion": "1", "SecurityOptions": ["name=seccomp,profile=default"],
    "Architecture": "x86_64", "OSType": "linux", "NCPU": os.cpu_count(), "MemTotal": 8 << 30,
    "ServerVersion": "20.10.24+fake", "Name": "fake", "Driver": "overlay2", "DockerRootDir": "/",
    "DriverStatus": [["Backing Filesystem", "extfs"], ["Supports d_type", "true"]],
    "MemoryLimit": True, "SwapLimit": True, "PidsLimit": True, "CpuCfsQuota": True, "CpuCfsPeriod": True,
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
                self.images.append(Image(new_image_id(), i["tags"], i.get("labels", {}), i.get("created")))
        if s.get("release"):
            self.release.set()
            self.release = threading.Event()
        if "restart" in s:
            self.restart(s["restart"])

    def restart(self, how):
        self.restart_how = how
        self.restart_asked.set()

    def before_stop(self):
        """What an Engine does that is asked to stop: it ends its containers, and answers until that is done."""
        for c in list(self.containers.values()):
            if c.state == "running":
                c.kill(TERMINATED)
                c.stopped.wait(5)
        time.sleep(1)

    def after_stop(self, how):
        """What a restart does to what was there."""
        with self.lock:
            for c in list(self.connections):
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
            c.process = Process(self, c, c.spec.get("User"), actions, c.sinks, lambda p: self.stopped(c, p))
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
            x.process = Process(self, x.container, x.config.get("User"), actions, [sink], lambda p: None)
            x.process.start()

    def exec(self, id):
        with self.lock:
            if id not in self.execs:
                raise Refusal(404, f"No such exec instance: {id}")
            return self.execs[id]


def new_image_id():
    return "sha256:" + secrets.token_hex(32)
