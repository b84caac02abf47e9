#!/usr/bin/env python3
"""Container images on the real Engine: what is in them is what the jobs say; unchanged ones stay, changed ones are made
anew beside running jobs, unneeded ones go; toolchains from archives, and from a Debian that has moved on.

`tiny` is a profile without a std of its own (it builds for the image's own Debian), so its image costs a second. What
needs other pins works on a copy of the tree's data.
"""

# alone: it makes shared images anew, and removes some

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from lib import (
    BUILD, Daemon, ENGINE, ROOT, SHARE, Suite, check, engine_get, equal, inline, until,
)

suite = Suite("images", seconds=900)
top = tempfile.mkdtemp(prefix="bloomery-images-")
suite.on_exit(lambda: shutil.rmtree(top, ignore_errors=True))

PACKAGE = "[package]\nname = 'hello'\nversion = '1.0.0'\nedition = '2021'\n"
# Its build script waits for a file that the test puts into the work folder.
WAITS = """fn main() {
    while !std::path::Path::new("/work/src/go").exists() {
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}
"""
TINY = {
    "name": "tiny", "title": "A program for Debian", "target": "x86_64-unknown-linux-gnu", "toolchain": "nightly-2026-05-20",
    "prefer": ["bin"], "outputs": {"bin": "{name}"}, "artifact": {"kind": "elf", "suffix": ""}, "rustflags": ["-Clinker=gcc"],
    "contract": {"host": "Debian", "type": ["exec", "dyn"], "executable": True},
}


class Site:
    """A state folder, a copy of the data with changes, folders of profiles: what one operator's machine has."""

    def __init__(self, name, **settings):
        self.dir = os.path.join(top, name)
        self.state, self.profiles = os.path.join(self.dir, "state"), os.path.join(self.dir, "profiles")
        os.makedirs(self.profiles)
        self.share = SHARE
        self.settings = settings

    def own_share(self):
        self.share = os.path.join(self.dir, "share")
        for folder in ("workers", "docker", "schema"):
            shutil.copytree(os.path.join(SHARE, folder), os.path.join(self.share, folder))
        return self

    def pins(self, change):
        path = os.path.join(self.share, "docker", "toolchains.json")
        with open(path, encoding="utf-8") as f:
            pins = json.load(f)
        change({t["name"]: t for t in pins["toolchains"]})
        with open(path, "w", encoding="utf-8") as f:
            json.dump(pins, f)

    def profile(self, name, dockerfile="", **fields):
        folder = os.path.join(self.profiles, name)
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "profile.json"), "w", encoding="utf-8") as f:
            json.dump({**TINY, "name": name, **fields}, f)
        with open(os.path.join(folder, "Dockerfile"), "w", encoding="utf-8") as f:
            f.write("ARG BLOOMERY_FROM\nFROM $BLOOMERY_FROM\n" + dockerfile)

    def call(self, *words, fails=False, **settings):
        argv = [os.path.join(BUILD, "bloomeryd"), "--share-dir", self.share, "--state", self.state, "--engine-socket", ENGINE,
                "--profile-dirs", self.profiles]
        for k, v in {**self.settings, **settings}.items():
            argv += ["--" + k.replace("_", "-"), v]
        p = subprocess.run(argv + list(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                           timeout=1500, check=False)
        text = p.stdout.decode("utf-8", "replace")
        check((p.returncode != 0) == fails, f"{' '.join(words)} ended with {p.returncode}", text[-3000:])
        return text

    def daemon(self, name):
        d = Daemon(suite, name, slots=2, share_dir=self.share, profile_dirs=self.profiles, **self.settings)
        d.state = self.state  # one operator's: images are collected by whom they were made for
        return d.start()


def docker(*words, data=None):
    p = subprocess.run(["docker", "-H", "unix://" + ENGINE, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, input=data,
                       timeout=600, check=False)
    check(p.returncode == 0, f"docker {' '.join(words[:4])}", p.stderr.decode("utf-8", "replace")[-800:])
    return p.stdout.decode("utf-8", "replace")


def in_image(image, script, *flags):
    return docker("run", "--rm", *flags, image, "/bin/sh", "-c", script)


def image_of(profile):
    """The newest of a profile: its id and labels."""
    i = engine_get(f"/images/bloomery/profile-{profile}:current/json")
    return i["Id"], i["Config"]["Labels"]


def ids():
    return {t: i["Id"] for i in engine_get("/images/json") for t in i.get("RepoTags") or []}


def names(image_id):
    return sorted(t for t, i in ids().items() if i == image_id)


def setup():
    suite.needs_programs()
    suite.needs_engine("profile-wasm", "profile-wasi", "profile-musl", "trial-node", "empty")


# --- what is in them ---


@suite.test
def test_a_job_says_which_rustc_compiled_it():
    d = Daemon(suite, "rustc").start()
    for profile in ("wasm", "wasi", "musl"):
        job = d.job(d.succeed(d.accept(profile, program() if profile != "wasm" else library()))["id"])
        seen = in_image(job["toolchain"]["image"], "rustc -vV", "--network=none").splitlines()[0]
        equal(job["toolchain"]["rustc"], seen, f"the job's rustc against `rustc -vV` in its container, {profile}")
        p = d.get(f"/v1/profiles/{profile}").json()["toolchain"]
        equal({k: p[k] for k in ("name", "rustc", "image", "origin")}, job["toolchain"], "toolchain in /v1/profiles")
    d.stop()


def program(**more):
    return inline(PACKAGE, **{"src__main": "fn main() { println!(\"hello\"); }\n", **more})


def library():
    return inline(PACKAGE + "[lib]\ncrate-type = ['cdylib']\n", **{"src__lib": "#[no_mangle] pub extern \"C\" fn one() -> i32 { 1 }\n"})


@suite.test
def test_layers_are_shared():
    """What is below a profile's own layer is stored once, however many stand on it."""
    site = Site("shared", toolchain_origins="debian")
    layers = []
    for name in ("left", "right"):
        site.profile(name, f"RUN echo {os.urandom(8).hex()} > /{name}\n")
        site.call("images", "build", name)
        layers.append(engine_get(f"/images/bloomery/profile-{name}:current/json")["RootFS"]["Layers"])
        site.call("images", "remove", name)
    left, right = layers
    equal(left[:-1], right[:-1], "the layers of the two without their own")
    check(len(left) >= 5 and left[-1] != right[-1], "Debian, C compilers, Rust, and one of their own", left, right)


RLIBS = "cd /opt/bloomery/sysroot/lib/rustlib && sha256sum */lib/*.rlib | sort"


@suite.test
def test_the_same_inputs_give_the_same_image():
    """A profile made twice, the second time all of it, from Debian's packages of today: std's rlibs are the same bytes, the
    digest is the same if the packages are, and what is built with it is the same."""
    site = Site("again", toolchain_origins="debian")
    folder = shutil.copytree(os.path.join(SHARE, "workers", "profiles", "wasm"), os.path.join(site.profiles, "again"))
    with open(os.path.join(folder, "profile.json"), "r+", encoding="utf-8") as f:
        text = f.read().replace('"name": "wasm"', '"name": "again"', 1)
        f.seek(0)
        f.write(text)
        f.truncate()
    site.call("images", "build", "again")
    before, labels = image_of("again")
    rlibs = in_image(before, RLIBS)
    check(rlibs.count("\n") > 15, "std has its rlibs", rlibs)
    d = site.daemon("again")
    until(lambda: d.get("/v1/profiles/again").json()["available"], "the profile is available", 30)
    built = d.artifacts(d.succeed(d.accept("again", library()))["id"])

    site.call("images", "build", "--fresh", "again")
    after, new = image_of("again")
    check(after != before, "the image was not made anew")
    equal(in_image(after, RLIBS), rlibs, "std's rlibs")
    equal(new["bloomery.inputs"], labels["bloomery.inputs"], "inputs")
    equal(new["bloomery.digest"] == labels["bloomery.digest"], new["bloomery.packages"] == labels["bloomery.packages"],
          "digests are equal if the packages are")
    check(any(t.endswith(new["bloomery.digest"][:12]) for t in names(after)), "named by its digest", names(after))

    job = d.succeed(d.accept("again", library()))
    equal(d.job(job["id"])["toolchain"]["image"], after, "the image of a job after that")
    equal({k: v["sha256"] for k, v in d.artifacts(job["id"]).items()}, {k: v["sha256"] for k, v in built.items()}, "artifacts")
    d.stop()
    site.call("images", "remove", "again")


# --- made, kept, removed ---


@suite.test
def test_unchanged_stays_and_changed_is_made_anew_beside_a_running_job():
    site = Site("tiny", toolchain_origins="debian")
    once = os.urandom(8).hex()  # no image of an earlier run is this one
    site.profile("tiny", f"RUN echo {once} > /one\n")
    text = site.call("images", "build", "tiny")
    check("==> image profile-tiny" in text, "the progress names the part", text)
    check("==> image tools" not in text and "==> image base" not in text, "shared parts are not made again", text)
    first, _ = image_of("tiny")
    equal(site.call("images", "build", "tiny"), "", "what a second build prints")
    equal(image_of("tiny")[0], first, "the image after it")

    d = site.daemon("tiny")
    waits = d.accept("tiny", program(**{"build": WAITS}))
    d.wait_state(waits, "building")
    site.profile("tiny", "RUN echo two > /two\n")
    until(lambda: not d.get("/v1/profiles/tiny").json()["available"], "the changed profile is not available", 30)
    check("older than the files" in d.get("/v1/profiles/tiny").json()["why"], "why", d.get("/v1/profiles/tiny").json()["why"])
    stale = d.fail(d.accept("tiny", program()), "toolchain_missing")
    check("bloomeryd images build tiny" in stale["error"]["hint"], "what a job on a stale image is told", stale["error"])

    site.call("images", "build", "tiny")
    second, _ = image_of("tiny")
    check(second != first, "the changed profile was not built anew")
    text = site.call("images", "remove", "--unused", fails=True)
    check("in use" in text, "an image that a job uses stays, and that is said", text)
    equal(d.job(waits)["state"], "building", "the running job")
    folder = os.path.join(d.state, "work", f"{waits}-1", "fs", "src")
    with open(os.path.join(folder, "go"), "w", encoding="utf-8"):
        pass
    job = d.succeed(waits)
    equal(d.job(waits)["toolchain"]["image"], first, "the image that it began with")

    until(lambda: d.get("/v1/profiles/tiny").json()["available"], "the new image is seen", 30)
    next_job = d.succeed(d.accept("tiny", program()))
    equal(d.job(next_job["id"])["toolchain"]["image"], second, "the image of the next job")
    check(in_image(second, "cat /two; ls /one 2>/dev/null || true").split() == ["two"], "what is in it")

    # The old one has lost its names to no one's harm; what was made for this state folder and nothing needs goes.
    listing = site.call("images", "list")
    check(re.search(r"^tiny +sha256:" + second[7:19], listing, re.M), "images list", listing)
    site.call("images", "remove", "--unused")
    check(first not in ids().values(), "the old image is still there")
    check(second in ids().values(), "the new image was removed, too")
    d.stop()
    site.call("images", "remove", "tiny")
    check(second not in ids().values(), "images remove tiny")
    equal(site.call("images", "remove", "--unused"), "nothing to remove\n", "a second time")


@suite.test
def test_bad_calls():
    site = Site("calls")
    for words in (["images"], ["images", "build", "--frsh"], ["images", "build", "a", "b"], ["images", "remove"],
                  ["images", "remove", "wasm", "--all"], ["images", "list", "wasm"]):
        check("images build [--fresh] [PROFILE]" in site.call(*words, fails=True), f"the usage after {words}")
    check("there is no profile nothing" in site.call("images", "build", "nothing", fails=True), "an unknown profile")
    check("toolchain_origins is a list of" in site.call("images", "list", fails=True, toolchain_origins="dist,moon"), "origins")


# --- toolchains ---


@suite.test
def test_debian_has_moved_on():
    """The pinned revision is gone from the mirror: what it has is taken, and every job says so."""
    site = Site("moved", toolchain_origins="debian").own_share()

    def older(pins):
        debian = next(o for o in pins["nightly-2026-05-20"]["origins"] if o["origin"] == "debian")
        debian["rustc"], debian["args"]["RUST_DEBIAN_VERSION"] = "1.95.0", "1.95.0+dfsg1-1~deb13u1"

    site.pins(older)
    site.profile("moved")
    site.call("images", "build", "moved")
    d = site.daemon("moved")
    until(lambda: d.get("/v1/profiles/moved").json()["available"], "the profile is available", 30)
    job = d.job(d.succeed(d.accept("moved", program()))["id"])
    warning = d.get("/v1/profiles/moved").json()["toolchain"]["warning"]
    check("Debian has moved on from rustc 1.95.0" in (warning or ""), "the warning in /v1/profiles", warning)
    check(warning in job["warnings"], "the job's warnings", job["warnings"])
    equal(job["toolchain"]["origin"], "debian", "origin")
    check(not job["toolchain"]["rustc"].startswith("rustc 1.95.0"), "the rustc that compiled it", job["toolchain"])
    d.stop()
    site.call("images", "remove", "moved")


@suite.test
def test_from_archives():
    """Archives in the dist server's format, made of the toolchain that is there and served on loopback."""
    site = Site("dist", dist_mirror="").own_share()
    folder = os.path.join(site.dir, "mirror")
    made = json.loads(subprocess.run(
        [sys.executable, os.path.join(ROOT, "tests", "make_dist.py"), "bloomery/profile-wasm:current", folder],
        check=True, stdout=subprocess.PIPE, timeout=600).stdout)
    right = made["components"]
    forget_archives(made["release"])  # an earlier run's
    suite.on_exit(lambda: forget_archives(made["release"]))

    def pinned(pins):
        toolchain = pins["nightly-2026-05-20"]
        toolchain["rustc"], toolchain["commit"] = made["release"], made["commit"][:9]
        dist = next(o for o in toolchain["origins"] if o["origin"] == "dist")
        for c in dist["components"]:
            c["sha256"] = right[c["name"]]

    site.pins(pinned)
    cargo = "cargo-nightly-x86_64-unknown-linux-gnu"
    path = f"/{made['path']}/{cargo}.tar.xz"
    site.profile("arch", "ARG BLOOMERY_TARGET\nARG BLOOMERY_RUSTFLAGS\nRUN build-std\n", target="wasm32-unknown-unknown",
                 prefer=["cdylib"], outputs={"cdylib": "{lib}.wasm"}, artifact={"kind": "wasm", "suffix": ".wasm"},
                 rustflags=["--sysroot=/opt/bloomery/sysroot", "-Clinker=wasm-ld-19"], contract={"host": "any", "exports": ["one"]})
    downloads = os.path.join(site.state, "downloads")

    # Not there: no other origin is allowed, so that is the end, with the file's name.
    with DistServer(site, folder, {path: [{"status": 404, "always": True}]}) as server:
        text = site.call("images", "build", "arch", fails=True, toolchain_origins="dist", dist_server=server.url)
        check(cargo in text and "404" in text and "dist_server" in text, "what a missing archive is told", text[-1500:])
    # Something else than the pin names: refused and deleted; the mirror, which has it right, is not asked instead.
    with DistServer(site, folder, {path: [{"wrong": True, "always": True}]}) as server:
        text = site.call("images", "build", "arch", fails=True, toolchain_origins="dist,mirror", dist_server=server.url,
                         dist_mirror=folder)
        check(cargo in text and right[cargo] in text, "file and expected hash are named", text[-1500:])
        check([h for h in re.findall(r"\b[0-9a-f]{64}\b", text) if h != right[cargo]], "the hash that was found", text[-1500:])
        check(not any(f.startswith(cargo) for f in os.listdir(downloads)), "the wrong archive is still there",
              os.listdir(downloads))
    # Cut in the middle once: resumed from there. What was there and right is not fetched again.
    with DistServer(site, folder, {path: [{"cut": 1 << 20}]}) as server:
        site.call("images", "build", "arch", toolchain_origins="dist", dist_server=server.url)
        asked = [line.split() for line in server.requests()]
        check(any(r[1] == path and r[2].startswith("bytes=") and r[2] != "bytes=0-" and r[4] == "206" for r in asked),
              "the cut download was resumed", server.requests())
        check(not any("rustc-nightly" in r[1] for r in asked), "an archive that was there was fetched again", server.requests())
        equal(os.listdir(downloads), [], "archives that are kept when the image is there")

    site.settings.update(toolchain_origins="dist", dist_server="http://127.0.0.1:9")  # a job needs none of it
    d = site.daemon("arch")
    until(lambda: d.get("/v1/profiles/arch").json()["available"], "the profile is available", 30)
    job = d.job(d.succeed(d.accept("arch", library()))["id"])
    equal((job["toolchain"]["origin"], job["warnings"]), ("dist", []), "origin and warnings")
    seen = in_image(job["toolchain"]["image"], "rustc -vV; rustc --print sysroot; command -v cargo", "--network=none").splitlines()
    equal(job["toolchain"]["rustc"], seen[0], "the job's rustc")
    equal(seen[-2:], ["/opt/bloomery/rust", "/opt/bloomery/rust/bin/cargo"], "sysroot and cargo")
    d.stop()
    site.call("images", "remove", "arch")


def forget_archives(release):
    """Remove what was made of this test's archives: no real pin has Debian's version and the origin dist."""
    found = docker("images", "-q", "--filter", "label=bloomery.origin=dist", "--filter", f"label=bloomery.pinned={release}")
    for image in sorted(set(found.split())):
        docker("rmi", "-f", image)


class DistServer:
    """tests/fakes/dist_server.py on a port of its own."""

    def __init__(self, site, folder, faults):
        self.log = os.path.join(site.dir, "requests")
        with open(self.log, "w", encoding="utf-8"):
            pass
        self.process = subprocess.Popen(
            [sys.executable, os.path.join(ROOT, "tests", "fakes", "dist_server.py"), folder, self.log, json.dumps(faults)],
            stdout=subprocess.PIPE, stdin=subprocess.DEVNULL)

    def __enter__(self):
        self.url = f"http://127.0.0.1:{int(self.process.stdout.readline())}"
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait()

    def requests(self):
        with open(self.log, encoding="utf-8") as f:
            return f.read().splitlines()


if __name__ == "__main__":
    suite.main(setup)
