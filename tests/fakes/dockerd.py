#!/usr/bin/env python3
"""A scripted Docker Engine on a Unix socket: enough of API 1.41 for whole jobs, and for everything that can go wrong.

    dockerd.py --socket PATH [--scenario FILE.json] [--verbose]

It prints "ready" when it listens, and ends by SIGTERM. Nothing is run but what a scenario says; the assertions of
tests/integration/engine_test.c hold for it and for the real Engine, so it cannot drift.

Scenario (all keys are optional; the first rule that matches is taken):

    {"engine": {"ApiVersion": "1.41", "CgroupVersion": "2", ...},     put over the answers to /version and /info
     "images": [{"tags": ["a/b:c"], "labels": {"k": "v"}, "created": SECONDS}],            there from the start
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
                                            written on the host, beneath the bind mount that holds PATH; as root it
                                            belongs to the process' user
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
    "restart"       with "seconds": N down, "containers": "stop" (default, as by kill -9) | "stay" | "lost" |
                    "terminate" (ended by SIGTERM, connections answered a second longer); every connection is cut

Control, on the same socket:
    GET  /_fake     {"containers": [{"id","name","state","exit_code","removed","spec":{the create body},
                     "execs":[{"command","user","env","exit_code"}]}], "images": [...],
                     "calls": [{"method","path","status"}]}      removed containers stay listed here
    POST /_fake     {"rules": [..], "faults": [..], "builds": [..]} are put before those there; {"engine": {..}} over;
                    {"clear": ["rules", "faults", "calls"]} first; {"release": true}; {"restart": {"seconds", "containers"}}
"""

import argparse
import io
import json
import os
import re
import shlex
import signal
import socketserver
import sys
import tarfile
import threading
import time
import urllib.parse
from http.server import BaseHTTPRequestHandler

sys.dont_write_bytecode = True
from dockerd_state import Engine, Image, Refusal, Sink, new_image_id


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
        with self.engine.lock:  # a start that follows the answer at once finds the sink there
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
        labels, given = {}, {}
        for n, step in enumerate(steps, 1):
            yield {"stream": f"Step {n}/{len(steps)} : {step}"}
            yield {"stream": "\n"}
            verb, _, rest = step.partition(" ")
            if verb == "ARG":
                name, _, value = rest.partition("=")
                given[name] = json.loads(self.query.get("buildargs", "{}")).get(name, value)
            elif verb == "FROM":
                try:
                    base = re.sub(r"\$\{?(\w+)\}?", lambda m: given.get(m[1], ""), rest.split()[0])
                    labels.update(self.engine.image(base).labels)
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
        if how.get("containers") == "terminate":
            engine.before_stop()
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
