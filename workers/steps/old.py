#!/usr/bin/env python3
"""old.py - lock and vendor with the modern cargo what an old cargo will then build.

Runs before any code of the project does, and runs none itself: with network if something must be fetched, else in the
build's container. One argument, JSON: pin ("1.43.1"), manifest, target, flags
(--features=..., --no-default-features), locked, crate_type (what the lib becomes, or null), network, uploaded (there is
a Cargo.lock).

Leaves: $CARGO_HOME/vendor (every dependency, manifests as the old cargo reads them; what this build does not compile is an
empty crate), the crate's own manifests rewritten likewise, Cargo.lock in the form that cargo 1.41 introduced, the lock
as the modern cargo wrote it in $CARGO_HOME/resolved/Cargo.lock, and $CARGO_HOME/config.toml with the directory source.

Standard output: one line of JSON, {"warnings": []} or {"error": {"kind", "message", "hint"}}. Exit 1: cargo failed, and
standard error has its words.
"""

import concurrent.futures
import datetime
import http.server
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import threading
import tomllib
import urllib.error
import urllib.request

from old_manifest import old_manifest, own_tables, stub_manifest, toml_of

SOURCE, HOME = "/work/src", "/work/cargo"
VENDOR, RESOLVED = f"{HOME}/vendor", f"{HOME}/resolved"
MODERN = "/opt/bloomery/resolver/bin"
HOST = "x86_64-unknown-linux-gnu"
REGISTRY = os.environ.get("BLOOMERY_INDEX", "https://index.crates.io").rstrip("/")
MAX_INDEX = 64 << 20  # bytes of one crate's entry
FIRST_RELEASE, RELEASES = datetime.date(2015, 5, 15), datetime.timedelta(weeks=6)  # of Rust: 1.0, and every next
MAX_ROUNDS = 12  # resolutions that are tried to find older versions of dependencies
EDITIONS = {"2015": 0, "2018": 31, "2021": 56, "2024": 85}  # the minor version of Rust that brought each


class CargoFailed(Exception):
    pass


class TooNew(Exception):
    def __init__(self, kind, message, hint=None):
        super().__init__(message)
        self.report = {"kind": kind, "message": message, "hint": hint}


# --- the modern cargo, which believes that the compiler is the pinned one ---


class Cargo:
    def __init__(self, job):
        # Not the build's own flags: they are for the old compiler. What --cfg says decides about dependencies, too.
        kept = ("HOME", "TMPDIR", "LANG", "CARGO_HOME", "CARGO_NET_OFFLINE", "CARGO_HTTP_CAINFO", "CARGO_TERM_COLOR",
                "http_proxy", "https_proxy", "no_proxy")
        self.env = {k: v for k, v in os.environ.items() if k in kept}
        self.env["no_proxy"] = ",".join(filter(None, [self.env.get("no_proxy"), "127.0.0.1"]))  # our own index
        cfgs = [f for f in os.environ.get("RUSTFLAGS", "").split() if f.startswith("--cfg=")]
        shim = "/work/tmp/rustc-of-the-pin"
        with open(shim, "w", encoding="utf-8") as f:
            f.write(f"""#!/bin/sh
case $1 in
-vV|-V|--version) {MODERN}/rustc "$@" | sed 's/^release: .*/release: {job["pin"]}/;s/^rustc [^ ]*/rustc {job["pin"]}/' ;;
*) exec {MODERN}/rustc "$@" ;;
esac
""")
        os.chmod(shim, 0o755)
        self.env.update(PATH=f"{MODERN}:/usr/local/bin:/usr/bin:/bin", RUSTC=shim, CARGO_CACHE_RUSTC_INFO="0",
                        CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS="fallback", RUSTFLAGS=" ".join(cfgs),
                        CARGO_TARGET_DIR="/work/tmp/no-target")
        self.job = job
        self.flags = [f"--manifest-path={job['manifest']}"]

    def run(self, *args, quiet=False, chatty=False):
        """Its output. quiet: nobody hears why it fails; chatty: its words are for nobody unless it fails."""
        r = subprocess.run(["cargo", *args, *self.flags], env=self.env, cwd=SOURCE, stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE if quiet or chatty else None, check=False)
        if r.returncode != 0:
            if chatty:
                sys.stderr.write(r.stderr.decode("utf-8", "replace"))
            raise CargoFailed()
        return r.stdout.decode("utf-8", "replace")

    def metadata(self, quiet=False):
        """What is compiled for the target and on the host, with the job's features; brings the lock up to date."""
        args = ["metadata", "--format-version=1", f"--filter-platform={self.job['target']}", f"--filter-platform={HOST}"]
        args += self.job["flags"]
        if self.job["locked"]:
            args.append("--locked")
        return json.loads(self.run(*args, quiet=quiet))


# --- what is compiled ---


class Graph:
    """needed: the packages that this build compiles, those nearest to the crate first."""

    def __init__(self, job, metadata):
        self.packages = {p["id"]: p for p in metadata["packages"]}
        nodes = {n["id"]: n for n in metadata["resolve"]["nodes"]}
        roots = [p["id"] for p in metadata["packages"] if p["manifest_path"] == job["manifest"]]
        self.root_folder, self.needed, self.parents = metadata["workspace_root"], roots, {}
        for id in self.needed:  # grows while it is walked
            for dep in nodes[id]["deps"]:
                if all(k["kind"] == "dev" for k in dep["dep_kinds"]):
                    continue
                self.parents.setdefault(dep["pkg"], []).append(id)
                if dep["pkg"] not in self.needed:
                    self.needed.append(dep["pkg"])

    def too_new(self, pin):
        """(id, version of Rust, why) of the needed packages that are not for this compiler."""
        found = []
        for id in self.needed:
            why = newest_need(read_manifest(self.packages[id]["manifest_path"]), pin)
            if why:
                found.append((id, *why))
        return found


def read_manifest(path):
    with open(path, "rb") as f:
        return tomllib.load(f)


def numbers(version):
    return tuple(int(n) for n in (re.findall(r"\d+", version.split("-")[0].split("+")[0]) + ["0", "0"])[:3])


def inherits(table):
    return isinstance(table, dict) and (table.get("workspace") is True or any(inherits(v) for k, v in table.items()
                                                                             if k not in ("metadata", "workspace")))


def newest_need(manifest, pin):
    """(the oldest Rust that reads and compiles it, why) where the pin is older; else None."""
    package, needs = manifest.get("package", {}), []
    declared, edition = package.get("rust-version"), package.get("edition", "2015")
    if isinstance(declared, str) and re.match(r"\d+(\.\d+)*$", declared):
        needs.append((numbers(declared), declared, f'it says rust-version = "{declared}"'))
    if isinstance(edition, str) and EDITIONS.get(edition, 999):
        minor = EDITIONS.get(edition)
        needs.append(((1, minor, 0), f"1.{minor}", f"edition {edition}") if minor else
                     ((9, 0, 0), "(a later version)", f"edition {edition}"))
    values = [v for vs in manifest.get("features", {}).values() if isinstance(vs, list) for v in vs]
    if any(isinstance(v, str) and (v.startswith("dep:") or "?/" in v) for v in values):
        needs.append(((1, 60, 0), "1.60", "dep: or ?/ in its features"))
    own = {k: v for k, v in manifest.items() if k in ("package", "dependencies", "build-dependencies", "target")}
    if inherits(own):
        needs.append(((1, 64, 0), "1.64", "it inherits from its workspace"))
    needs = [n for n in needs if n[0] > numbers(pin)]
    return max(needs)[1:] if needs else None


# --- older versions of what is too new ---


class Index(http.server.ThreadingHTTPServer):
    """The registry's index on loopback without the versions that are too new. cargo's own resolver, which only prefers
    what says that it fits, then finds what goes together (serde and serde_derive, say). A line of versions that are too
    new throughout stays: most often nothing of it is compiled."""

    daemon_threads = True

    def __init__(self, pin):
        super().__init__(("127.0.0.1", 0), Handler)
        self.pin, self.banned, self.turns, self.given, self.failure = numbers(pin), {}, {}, {}, None
        self.trust = ssl.create_default_context(cafile=os.environ.get("CARGO_HTTP_CAINFO"))
        # Of a version that says nothing its age is a sign: a year after the compiler's release nobody tried it any more.
        self.cutoff = (FIRST_RELEASE + RELEASES * self.pin[1] + datetime.timedelta(days=365)).isoformat()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def config(self):
        return ["--config=source.crates-io.replace-with='fitting'",
                f"--config=source.fitting.registry='sparse+http://127.0.0.1:{self.server_port}/'"]

    def upstream(self, path):
        if path not in self.given:
            request = urllib.request.Request(REGISTRY + path, headers={"User-Agent": "bloomery"})
            with urllib.request.urlopen(request, timeout=60, context=self.trust) as r:
                self.given[path] = r.read(MAX_INDEX)
        return self.given[path]

    def fits(self, v):
        if numbers(v.get("rust_version") or "0") > self.pin or (v.get("features2") and self.pin < (1, 60, 0)):
            return False
        banned = self.banned.get((v["name"], line_of(v["vers"])))
        return not banned or numbers(v["vers"]) < banned

    def suspect(self, v):
        return not v.get("rust_version") and (v.get("pubtime") or "") > self.cutoff

    def versions(self, name):
        n = name.lower()
        folder = {1: "1", 2: "2", 3: f"3/{n[0]}"}.get(len(n), f"{n[:2]}/{n[2:4]}")
        return [json.loads(line) for line in self.upstream(f"/{folder}/{n}").splitlines() if line.strip()]

    def suspects(self, graph):
        """Does the graph hold one of which its line has a version that is none?"""
        packages = [graph.packages[id] for id in graph.needed]
        doubtful = [p for p in packages if (p["source"] or "").endswith("crates.io-index") and not p["rust_version"]]
        try:
            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                known = list(pool.map(self.versions, [p["name"] for p in doubtful]))
        except (OSError, ValueError):  # then they are taken as they are
            return False
        return any(self.suspect(v) and any(line_of(o["vers"]) == line_of(v["vers"]) and self.good(o) for o in versions)
                   for p, versions in zip(doubtful, known) for v in versions if v["vers"] == p["version"])

    def good(self, v):
        return self.fits(v) and not self.suspect(v) and not v.get("yanked") and "-" not in v["vers"]

    def fitting(self, text):
        """Of each line the good versions; if it has none those that may fit; else all."""
        lines = {}
        for line in text.splitlines():
            if line.strip():
                v = json.loads(line)
                lines.setdefault(line_of(v["vers"]), []).append(v)
        kept = []
        for versions in lines.values():
            good = [v for v in versions if self.good(v)]
            fitting = [v for v in versions if self.fits(v) and not v.get("yanked")]
            kept += good or fitting or versions
        return "".join(json.dumps(v) + "\n" for v in kept).encode()

    def ban(self, name, version):
        """This version and those after it; at each further turn twice as many before it."""
        key, turn = (name, line_of(version)), numbers(version)
        before = self.turns[key] = self.turns.get(key, 0) * 2 + 1 if key in self.banned else 0
        known = self.versions(name)
        older = sorted({numbers(v["vers"]) for v in known if line_of(v["vers"]) == key[1] and numbers(v["vers"]) < turn})
        self.banned[key] = older[max(0, len(older) - before)] if before and older else turn


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        status, body = 200, b""
        try:
            body = self.server.upstream(self.path)
            if self.path != "/config.json":
                body = self.server.fitting(body)
        except urllib.error.HTTPError as e:
            status = e.code
        except (OSError, ValueError) as e:
            self.server.failure, status = e, 502
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def line_of(version):
    """Versions of one line are compatible with each other."""
    a, b, c = numbers(version)
    return (a,) if a else (0, b) if b else (0, 0, c)


def find_older(job, cargo, graph, index):
    """Resolve again, from nothing, with an index that lacks what is too new. The graph, or None if nothing fits."""
    lock = os.path.join(graph.root_folder, "Cargo.lock")
    for _ in range(MAX_ROUNDS):
        try:
            os.unlink(lock)
            cargo.run("generate-lockfile", *index.config(), quiet=True)
            graph = Graph(job, cargo.metadata(quiet=True))
        except CargoFailed:
            if index.failure:
                sys.stderr.write(f"error: Could not connect to {REGISTRY}: {index.failure}\n")
                raise
            return None
        found = graph.too_new(job["pin"])
        if not found:
            return graph
        for id, *_ in found:
            index.ban(graph.packages[id]["name"], graph.packages[id]["version"])
    return None


def changes(was, now):
    """(name, before, now) of what both graphs hold in other versions."""
    def versions(graph):
        found = {}
        for p in graph.packages.values():
            found.setdefault(p["name"], set()).add(p["version"])
        return {name: sorted(v, key=numbers) for name, v in found.items()}

    a, b = versions(was), versions(now)
    return [(name, " and ".join(a[name]), " and ".join(b[name])) for name in sorted(b) if a.get(name, b[name]) != b[name]]


def check_age(job, cargo, graph):
    """Raises TooNew, or gives the graph, and a warning's text where older versions than the newest were taken."""
    pin, lock = job["pin"], os.path.join(graph.root_folder, "Cargo.lock")
    found = graph.too_new(pin)
    index = Index(pin) if job["network"] else None
    doubts = not found and index and not job["uploaded"] and index.suspects(graph)
    if not found and not doubts:
        return graph, []
    own = [f for f in found if graph.packages[f[0]]["source"] is None]
    if own:
        say(graph, own, pin, "bad_source", "make it build with that compiler, or choose a profile with a newer one")
    with open(lock, "rb") as f:
        saved = f.read()
    older = find_older(job, cargo, graph, index) if index else None
    if not older:
        replace(lock, saved)
        if doubts:
            return graph, []
        name = graph.packages[found[0][0]]["name"]
        say(graph, found, pin, "dependency", f"ask for an older version of {name}, or of what needs it, in Cargo.toml"
            + ("" if job["network"] else ", and vendor that"))
    changed = changes(graph, older)
    if job["uploaded"]:
        replace(lock, saved)
        say(graph, found, pin, "dependency", "older versions fit: "
            + "; ".join(f"cargo update -p {n} --precise {to}" for n, _, to in changed[:4]))
    if not changed:
        return older, []
    taken = ", ".join(f"{n} {to} instead of {had}" for n, had, to in changed[:8])
    return older, [f"older versions were taken, for Rust {pin}: {taken}" + (", ..." if len(changed) > 8 else "")]


def say(graph, found, pin, kind, hint):
    id, rust, why = found[0]
    package = graph.packages[id]
    more = f" ({len(found) - 1} more are too new)" if len(found) > 1 else ""
    raise TooNew(kind, f"{package['name']} {package['version']} needs Rust {rust} or newer ({why}); this profile's compiler "
                 f"is pinned at {pin}{more}", hint)


# --- files ---


def replace(path, data):
    """Never through a link of the tarball's: the old name goes first."""
    try:
        os.unlink(path)
    except FileNotFoundError:
        pass
    fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o644)
    with os.fdopen(fd, "wb") as f:
        f.write(data.encode() if isinstance(data, str) else data)


def empty_folder(path):
    for name in os.listdir(path):
        p = os.path.join(path, name)
        if os.path.isdir(p) and not os.path.islink(p):
            shutil.rmtree(p)
        else:
            os.unlink(p)


def fit_vendored(graph):
    compiled = [graph.packages[id] for id in graph.needed]
    needed = {(p["name"], p["version"]) for p in compiled if p["source"]}
    for folder in sorted(os.listdir(VENDOR)):
        path = os.path.join(VENDOR, folder)
        if not os.path.isfile(f"{path}/Cargo.toml"):
            continue
        m = read_manifest(f"{path}/Cargo.toml")
        with open(f"{path}/.cargo-checksum.json", encoding="utf-8") as f:
            package = json.load(f).get("package")
        name, version = m["package"]["name"], m["package"].get("version", "0.0.0")
        if (name, version) in needed:
            replace(f"{path}/Cargo.toml", toml_of(old_manifest(m)))
        else:
            empty_folder(path)
            replace(f"{path}/Cargo.toml", toml_of(stub_manifest(m, name, version)))
            replace(f"{path}/bloomery-empty.rs", "")
        checksum = {"files": {}}
        if package:
            checksum["package"] = package
        replace(f"{path}/.cargo-checksum.json", json.dumps(checksum))


def fit_own(job, graph):
    """The crate's own manifests. A [patch] of the cargo configuration, which old cargos do not read, moves to the root's."""
    root = os.path.join(graph.root_folder, "Cargo.toml")
    paths = {p["manifest_path"]: id for id, p in graph.packages.items() if p["source"] is None}
    paths.setdefault(root, None)
    warnings = []
    for path, id in paths.items():
        m = read_manifest(path)
        if path == root:
            for source, table in configured().get("patch", {}).items():
                m.setdefault("patch", {}).setdefault(source, {}).update(table)
            for table in m.get("patch", {}).values():
                for d in table.values():
                    if isinstance(d, dict) and d.get("path"):
                        d["path"] = os.path.normpath(os.path.join(graph.root_folder, d["path"]))
        if id is None or id in graph.needed:
            lib = job["crate_type"] if path == job["manifest"] else None
            out = old_manifest(m, lib, warnings if path == root else None, paths)
        else:
            out = stub_manifest(m, graph.packages[id]["name"], graph.packages[id]["version"])
            if path == root:
                own_tables(m, out, warnings, paths)
            replace(os.path.join(os.path.dirname(path), "bloomery-empty.rs"), "")
        replace(path, toml_of(out))
    return warnings


def configured():
    try:
        return read_manifest(f"{HOME}/config.toml")
    except FileNotFoundError:
        return {}


def old_lock(text):
    """The form without a version: of git sources, the default branch has no name and nothing is percent-encoded."""
    def git(match):
        return re.sub(r"%([0-9A-Fa-f]{2})", lambda h: chr(int(h[1], 16)), match[0]).replace("?branch=master#", "#")

    text = re.sub(r'(?m)^version = [0-9]+\n+', "", text, count=1)
    return re.sub(r'git\+[^" )]*', git, text)


def main():
    job = json.loads(sys.argv[1])
    cargo = Cargo(job)
    graph = Graph(job, cargo.metadata())
    lock = os.path.join(graph.root_folder, "Cargo.lock")
    graph, warnings = check_age(job, cargo, graph)
    flags = [] if job["network"] else ["--respect-source-config"]
    sources = cargo.run("vendor", "--versioned-dirs", *flags, *(["--locked"] if job["locked"] else []), VENDOR,
                        chatty=True)
    os.makedirs(RESOLVED)
    with open(lock, "rb") as f:
        text = f.read()
    replace(f"{RESOLVED}/Cargo.lock", text)
    if os.path.isdir(VENDOR):
        fit_vendored(graph)
    warnings += fit_own(job, graph)
    replace(lock, old_lock(text.decode()))
    replace(f"{HOME}/config.toml", sources)
    shutil.rmtree(f"{HOME}/registry", ignore_errors=True)
    return {"warnings": warnings}


if __name__ == "__main__":
    try:
        report = main()
    except CargoFailed:
        sys.exit(1)
    except TooNew as e:
        report = {"error": e.report}
    print(json.dumps(report))
