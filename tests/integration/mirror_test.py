#!/usr/bin/env python3
"""A private mirror of crates.io: jobs fetch from where the operator says, and locks stay as they are elsewhere.

The mirror is a sparse registry of one crate on the bridge's own address, which containers reach.
"""

import gzip
import hashlib
import http.server
import io
import ipaddress
import json
import os
import subprocess
import tarfile
import threading

from lib import BUILD, Daemon, Suite, check, engine_get, entry, equal, inline, tar_of

suite = Suite("mirror")
asked = []


def crate():
    """glow 1.2.3, as `cargo package` makes it."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        for name, text in (("Cargo.toml", "[package]\nname = \"glow\"\nversion = \"1.2.3\"\nedition = \"2018\"\n"),
                           ("src/lib.rs", "pub fn heat() -> u32 { 1538 }\n")):
            info = tarfile.TarInfo("glow-1.2.3/" + name)
            info.size = len(text)
            t.addfile(info, io.BytesIO(text.encode()))
    return gzip.compress(out.getvalue(), mtime=0)


CRATE = crate()
INDEX = json.dumps({"name": "glow", "vers": "1.2.3", "deps": [], "features": {}, "yanked": False,
                    "cksum": hashlib.sha256(CRATE).hexdigest()}) + "\n"
MANIFEST = "[package]\nname = 'user'\nversion = '0.1.0'\nedition = '2021'\n[dependencies]\nglow = '1'\n"
MAIN = "fn main() { println!(\"{}\", glow::heat()); }\n"


class Registry(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        asked.append(self.path)
        body = {"/config.json": json.dumps({"dl": f"http://{self.server.address}/dl"}).encode(), "/gl/ow/glow": INDEX.encode(),
                "/dl/glow/1.2.3/download": CRATE}.get(self.path)
        self.send_response(200 if body is not None else 404)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_):
        pass


def serve():
    network = engine_get("/networks/bridge")["IPAM"]["Config"][0]
    # An Engine of its first start does not say it: then it is the first address.
    bridge = network.get("Gateway") or str(next(ipaddress.ip_network(network["Subnet"]).hosts()))
    server = http.server.ThreadingHTTPServer((bridge, 0), Registry)
    server.address = f"{bridge}:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    suite.on_exit(server.shutdown)
    return server


def setup():
    suite.needs_programs()
    suite.needs_engine("profile-musl", "empty")


@suite.test
def test_dependencies_come_from_the_mirror():
    server = serve()
    d = Daemon(suite, "mirror", slots=1, crates_mirror=f"sparse+http://{server.address}/").start()
    id = d.accept("musl", inline(MANIFEST, src__main=MAIN))
    d.succeed(id)
    check("/dl/glow/1.2.3/download" in asked, "the mirror was not asked for the crate", asked)
    lock = d.artifact(id, "Cargo.lock").decode()
    check("registry+https://github.com/rust-lang/crates.io-index" in lock, "the lock names crates.io, as everywhere", lock)
    # The same lock, uploaded.
    asked.clear()
    d.succeed(d.accept("musl", with_lock(lock), locked="true"))
    check("/dl/glow/1.2.3/download" in asked, "the mirror was not asked with a lock", asked)
    d.stop()


def with_lock(lock):
    return tar_of([(entry("Cargo.toml"), MANIFEST.encode()), (entry("src/main.rs"), MAIN.encode()),
                   (entry("Cargo.lock"), lock.encode())])


@suite.test
def test_a_mirror_that_does_not_answer_is_the_server_s_fault():
    d = Daemon(suite, "away", slots=1, crates_mirror="sparse+http://127.0.0.1:9/", max_attempts=1).start()
    job = d.fail(d.accept("musl", inline(MANIFEST, src__main=MAIN)), "internal")
    check("registry" in job["error"]["message"], "the message names the registry", job["error"])
    d.stop()


@suite.test
def test_a_setting_that_is_none_is_refused():
    for value in ("https://mirror.example/", "sparse+https://a b/", 'sparse+https://a/"\\nx'):
        p = subprocess.run([os.path.join(BUILD, "bloomeryd"), "config", "--crates-mirror", value], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           check=False)
        equal(p.returncode, 2, f"crates_mirror = {value}")
        check(b"sparse+https://HOST/PATH/" in p.stdout, "what it must be", p.stdout.decode())


if __name__ == "__main__":
    suite.main(setup)
