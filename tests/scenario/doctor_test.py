#!/usr/bin/env python3
"""bloomeryd doctor against a scripted Engine (tests/fakes/dockerd.py) and machines that lack this or that.

The ways out are servers of the test's own, or a proxy that nobody listens at: no test asks the Internet.
"""

import http.server
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "integration"))

from lib import BUILD, ROOT, SHARE, Daemon, Suite, check, equal, piped  # noqa: E402

suite = Suite("doctor", seconds=240)
FAKE = os.path.join(os.path.dirname(HERE), "fakes", "dockerd.py")
IS_ROOT = os.geteuid() == 0
NOBODY = 65534
NO_WAY = "http://127.0.0.1:1"  # nobody listens there
top = tempfile.mkdtemp(prefix="bloomery-doctor-")
os.chmod(top, 0o755)
suite.on_exit(lambda: shutil.rmtree(top, ignore_errors=True))
printed = set()  # every name of a check that was seen


def fake(**engine):
    """A fake Engine's socket."""
    dir = tempfile.mkdtemp(prefix="fake-", dir=top)
    path, file = os.path.join(dir, "docker.sock"), os.path.join(dir, "scenario.json")
    faults = engine.pop("faults", [])
    with open(file, "w", encoding="utf-8") as f:
        json.dump({"engine": engine, "faults": faults}, f)
    p = subprocess.Popen([sys.executable, FAKE, "--socket", path, "--scenario", file], stdout=subprocess.PIPE,
                         stderr=subprocess.DEVNULL)
    suite.on_exit(lambda: (p.terminate(), p.wait()))
    equal(p.stdout.readline(), b"ready\n", "the fake's word")
    return path


class Usual:
    path = None

    @classmethod
    def engine(cls):
        cls.path = cls.path or fake()
        return cls.path


def words(**settings):
    s = {"engine_socket": None, "state": os.path.join(top, "state"), "share_dir": SHARE, "dist_server": "",
         "debian_mirror": NO_WAY, "min_free_bytes": "1M", **settings}
    s["engine_socket"] = s["engine_socket"] or Usual.engine()
    return [f"--{k.replace('_', '-')}={v}" for k, v in s.items()]


def call(*argv, user=None, program=None, **env):
    clean = {k: v for k, v in os.environ.items() if not k.startswith("BLOOMERY_") and not k.lower().endswith("_proxy")}
    clean.update({"https_proxy": NO_WAY, "ASAN_OPTIONS": "detect_leaks=1"}, **env)
    return subprocess.run([program or os.path.join(BUILD, "bloomeryd"), *argv], env=clean, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120, check=False, text=True,
                          **({"user": user, "group": user, "extra_groups": []} if user else {}))


class Report:
    def __init__(self, p):
        check(p.stdout.startswith("{") and not p.stderr, f"no report, status {p.returncode}", p.stdout, p.stderr)
        self.text, self.checks = p.stdout, json.loads(p.stdout)["checks"]
        levels = [c["level"] for c in self.checks]
        check(set(levels) <= {"ok", "warn", "fail"}, "a level", levels)
        equal(json.loads(p.stdout)["ok"], "fail" not in levels, "ok")
        equal(p.returncode, 1 if "fail" in levels else 0, "the exit status")
        for c in self.checks:
            check(c["detail"], "a finding without detail", c)
            check(bool(c["hint"]) == (c["level"] != "ok"), "what is wrong has a hint, what is right none", c)
            printed.add(c["name"])

    def of(self, name, about=None):
        found = [c for c in self.checks if c["name"] == name and (about is None or c["about"] == about)]
        check(len(found) == 1, f"{len(found)} findings of {name} {about or ''}", self.checks)
        return found[0]

    def expect(self, name, level, word, about=None):
        c = self.of(name, about)
        check(c["level"] == level and word in c["detail"], f"{name}: {level}, and '{word}' in its detail", c)
        return c

    def failed(self):
        return sorted({c["name"] for c in self.checks if c["level"] == "fail"})


def doctor(user=None, program=None, env=None, **settings):
    return Report(call("doctor", "--json", *words(**settings), user=user, program=program, **(env or {})))


def machine():
    """What a doctor could leave behind."""
    with open("/proc/self/mountinfo", encoding="utf-8") as f:
        mounts = sorted(line.split()[4] for line in f if "doctor" in line or top in line)
    groups = [os.path.join(d, n) for d in ["/sys/fs/cgroup", *(e.path for e in os.scandir("/sys/fs/cgroup") if e.is_dir())]
              for n in os.listdir(d) if "bloomery-probe" in n]
    return mounts, groups, sorted(os.listdir(top))


# --- the whole ---


@suite.test
def test_a_machine_in_order_but_for_its_images():
    Usual.engine()
    before = machine()
    r = doctor()
    equal(machine(), before, "what is on the machine afterwards")
    for name in ("engine", "engine_kind", "storage_driver", "seccomp", "limit.job_memory_bytes", "limit.swap",
                 "limit.job_pids", "limit.job_cpus", "state", "clock", "profiles"):
        equal(r.of(name)["level"], "ok", f"level of {name}")
    for program in ("bloomery-unpack", "bloomery-inspect"):
        equal(r.of("helper", program)["level"], "ok", f"level of {program}")
    for profile in os.listdir(os.path.join(SHARE, "workers", "profiles")):
        c = r.expect("image", "fail", "", about=profile)
        check(f"images build {profile}" in c["hint"] or "images build" in c["hint"], "the command", c)
    r.expect("registry", "warn", "index.crates.io does not answer")
    equal(r.of("user")["level"], "ok" if IS_ROOT else "warn", "level of user")
    check(not os.path.exists(os.path.join(top, "state")), "the doctor made the state folder")


@suite.test
def test_for_people():
    p = call("doctor", *words())
    lines = p.stdout.splitlines()
    equal(p.returncode, 1, "status")
    check(re.fullmatch(r"\d+ ok, \d+ warnings, \d+ failures", lines[-1]), "the last line", p.stdout)
    check(any(re.match(r"ok    engine  +Docker Engine", line) for line in lines), "a line of what is right", p.stdout)
    at = next(i for i, line in enumerate(lines) if line.startswith("fail  image wasm "))
    check(lines[at + 1].startswith("      -> bloomeryd images build"), "what to do stands below", p.stdout)
    for bad in (["--jsn"], ["--json", "x"], ["x"]):
        equal(call("doctor", *bad, *words()).returncode, 2, f"status of doctor {bad}")
    check("bloomeryd doctor" in call("--help").stdout, "--help does not know it")


@suite.test
def test_beside_a_daemon():
    d = Daemon(suite, "beside", engine=Usual.engine(), work_mode="plain").start(ready=False)
    before = sorted(os.listdir(d.state))
    r = doctor(state=d.state)
    r.expect("state", "ok", d.state)
    new = [n for n in os.listdir(d.state) if n not in before and not n.endswith(".lock")]  # the daemon's housekeeping locks
    equal(new, [], "what came into the state folder")
    equal(d.files("work", "tmp"), [], "what lies in work and tmp")
    equal(os.listdir(os.path.join(d.state, "work")), [], "folders in work")
    equal(d.get("/healthz").status, 200, "the daemon's health")
    ready = {c["name"]: c for c in d.get("/readyz").json()["checks"]}
    check(ready["disk"]["ok"], "/readyz and the doctor agree on the disk", ready["disk"])
    d.stop()


# --- the Engine ---


@suite.test
def test_no_engine():
    r = doctor(engine_socket=os.path.join(top, "nowhere.sock"))
    check("start" in r.expect("engine", "fail", "No such file")["hint"], "the hint", r.of("engine"))
    r.of("not_looked_at")
    check(not any(c["name"] in ("image", "cgroups", "limit.swap") for c in r.checks), "of what it did not see", r.checks)
    with socket.socket(socket.AF_UNIX) as s:
        path = os.path.join(top, "dead.sock")
        s.bind(path)
    doctor(engine_socket=path).expect("engine", "fail", "refused")
    os.unlink(path)


@suite.test
def test_an_engine_that_this_user_may_not_ask():
    path = fake()
    os.chmod(path, 0o600 if IS_ROOT else 0)
    programs = os.path.join(top, "programs")
    os.makedirs(programs, exist_ok=True)
    for name in ("bloomeryd", "bloomery-unpack", "bloomery-inspect"):
        shutil.copy(os.path.join(BUILD, name), programs)
    r = doctor(engine_socket=path, user=NOBODY if IS_ROOT else None, program=os.path.join(programs, "bloomeryd"),
               share_dir=share())
    check("group docker" in r.expect("engine", "fail", "Permission denied")["hint"], "the hint", r.of("engine"))
    r.expect("user", "warn", "one uid")
    r.expect("limit.work_bytes", "warn", "plain")
    r.expect("state", "fail" if IS_ROOT else "ok", "")  # root's folder is not nobody's
    r = doctor(engine_socket=path, user=NOBODY if IS_ROOT else None, program=os.path.join(programs, "bloomeryd"),
               share_dir=share(), work_mode="ext4")
    r.expect("limit.work_bytes", "fail", "does not start")


@suite.test
def test_nobody_answers_anything():
    """It must come to an end by itself; call() would lose its patience."""
    silent = socket.create_server(("127.0.0.1", 0))
    url = f"http://127.0.0.1:{silent.getsockname()[1]}"
    hang = [{"method": "GET", "path": "/(version|info)", "do": "hang", "times": 0}]
    r = doctor(engine_socket=fake(faults=hang), dist_server=url, debian_mirror=url, env={"https_proxy": url})
    r.expect("engine", "fail", "in time")
    r.expect("registry", "warn", "does not answer")
    for c in r.checks:
        check(c["name"] != "toolchain" or c["level"] == "warn", "a pin that was seen nowhere", c)
    silent.close()


@suite.test
def test_engines_of_other_kinds():
    doctor(engine_socket=fake(ApiVersion="1.39")).expect("engine", "fail", "too old")
    doctor(engine_socket=fake(ApiVersion="1.60", MinAPIVersion="1.50")).expect("engine", "fail", "too new")
    doctor(engine_socket=fake(Architecture="aarch64")).expect("engine_kind", "fail", "aarch64")
    doctor(engine_socket=fake(SecurityOptions=["name=seccomp,profile=default", "name=rootless"])).expect(
        "engine_kind", "fail", "rootless")
    r = doctor(engine_socket=fake(SecurityOptions=["name=userns"], Driver="vfs", MemTotal=1 << 30, DockerRootDir="/no/such"))
    r.expect("engine_kind", "fail", "userns-remap")
    r.expect("seccomp", "warn", "system calls")
    r.expect("storage_driver", "warn", "vfs")
    r.expect("memory", "warn", "1.0 GiB")
    r.expect("disk_engine", "warn", "/no/such")


@suite.test
def test_limits_that_the_kernel_does_not_hold():
    r = doctor(engine_socket=fake(MemoryLimit=False, SwapLimit=False, PidsLimit=False, CpuCfsQuota=False), job_cpus=1)
    for name in ("limit.job_memory_bytes", "limit.job_pids"):
        r.expect(name, "fail", "one job")
    r.expect("limit.swap", "warn", "may swap")
    r.expect("limit.job_cpus", "warn", "job_cpus")
    r = doctor(engine_socket=fake(SwapLimit=False))
    check("swapaccount=1" in r.expect("limit.swap", "warn", "not accounted")["hint"], "the hint", r.of("limit.swap"))
    # The Engine speaks of the version that this machine does not have: nothing can be read, and nothing is left.
    version = "1" if os.path.exists("/sys/fs/cgroup/cgroup.controllers") else "2"
    before = machine()
    r = doctor(engine_socket=fake(CgroupVersion=version))
    equal(machine()[:2], before[:2], "what is on the machine afterwards")
    equal((r.of("cgroups")["level"], r.of("limit.job_cpu_seconds")["level"]), ("warn", "warn"), "levels")


# --- this machine ---


@suite.test
def test_state_folders():
    path = os.path.join(top, "open")
    os.mkdir(path)
    os.chmod(path, 0o777)
    doctor(state=path).expect("state", "warn", "0777")
    os.chmod(path, 0o711)
    doctor(state=path).expect("state", "ok", "0711")
    doctor(state=os.path.join(path, "a", "b")).expect("state", "ok", "not there yet")
    equal(os.listdir(path), [], "what the doctor left there")
    os.rmdir(path)
    with open(path, "w", encoding="utf-8"):
        pass
    doctor(state=path).expect("state", "fail", "not a folder")
    doctor(state=os.path.join(path, "x")).expect("state", "fail", "Not a directory")
    os.unlink(path)
    doctor(state="/proc/x").expect("state", "ok" if os.access("/proc", os.W_OK) else "fail", "/proc")


@suite.test
def test_disks_and_descriptors():
    r = doctor(min_free_bytes="1000T")
    r.expect("disk", "fail", "no job is accepted")
    r = doctor(work_bytes="1000T", max_connections=1 << 40, work_mode="plain", work_inodes=1 << 50)
    r.expect("disk", "warn", "work folders")
    r.expect("descriptors", "warn", "max_connections")
    r.expect("limit.work_bytes", "warn", "watchdog")
    r.of("disk_inodes")


@suite.test
def test_build_uids():
    if not IS_ROOT:
        check(not [c for c in doctor().checks if c["name"] == "build_uids"], "uids do not matter without root")
        return
    with open("/etc/passwd", encoding="utf-8") as f:
        accounts = {int(line.split(":")[2]): line.split(":")[0] for line in f if line.count(":") > 3}
    doctor().expect("build_uids", "ok", "nobody")
    taken = max(u for u in accounts)
    check(taken >= 1000, "no account of /etc/passwd has an uid that could be build_uid", sorted(accounts))
    doctor(build_uid=taken).expect("build_uids", "fail", accounts[taken])


@suite.test
def test_helpers():
    dir = os.path.join(top, "helpers")
    os.mkdir(dir)
    r = doctor(helper_dir=dir)
    for name in ("bloomery-unpack", "bloomery-inspect"):
        r.expect("helper", "fail", "cannot run", about=name)
    for name, script in (("bloomery-unpack", "echo bloomery-unpack 0.0.9"), ("bloomery-inspect", "exit 2")):
        with open(os.path.join(dir, name), "w", encoding="utf-8") as f:
            f.write(f"#!/bin/sh\n{script}\n")
        os.chmod(os.path.join(dir, name), 0o755)
    r = doctor(helper_dir=dir)
    r.expect("helper", "fail", "'bloomery-unpack 0.0.9'", about="bloomery-unpack")
    r.expect("helper", "fail", "another version", about="bloomery-inspect")


@suite.test
def test_authorities():
    doctor(ca_bundle=os.path.join(top, "none.pem")).expect("ca_bundle", "fail", "none.pem")
    path = os.path.join(top, "some.pem")
    with open(path, "w", encoding="utf-8") as f:
        f.write("hello\n")
    doctor(ca_bundle=path).expect("ca_bundle", "fail", "no certificate")
    with open(path, "w", encoding="utf-8") as f:
        f.write("-----BEGIN CERTIFICATE-----\n")
    doctor(ca_bundle=path).expect("ca_bundle", "ok", path)
    doctor(ca_bundle="").expect("ca_bundle", "warn", "not set")
    os.unlink(path)


@suite.test
def test_without_mmdebstrap():
    doctor(env={"PATH": top}).expect("image_tools", "warn", "mmdebstrap")
    with open(os.path.join(top, "mmdebstrap"), "w", encoding="utf-8"):
        pass
    os.chmod(os.path.join(top, "mmdebstrap"), 0o755)
    doctor(env={"PATH": f"/nowhere:{top}"}).expect("image_tools", "ok", top)
    os.unlink(os.path.join(top, "mmdebstrap"))


# --- profiles, kits, toolchains ---


def share():
    """A share_dir of the test's own."""
    path = os.path.join(top, "share")
    if not os.path.exists(path):
        for folder in ("workers", "docker", "schema"):
            shutil.copytree(os.path.join(SHARE, folder), os.path.join(path, folder))
    return path


@suite.test
def test_profiles_and_kits():
    dir = os.path.join(top, "profiles")
    shutil.copytree(os.path.join(SHARE, "workers", "profiles", "wasm"), os.path.join(dir, "mine"))
    path = os.path.join(dir, "mine", "profile.json")
    with open(path, encoding="utf-8") as f:
        profile = json.load(f)
    profile.update(name="mine", kit={"name": "mine", "required": False, "doc": "docs/kits.md"})
    with open(path, "w", encoding="utf-8") as f:
        json.dump(profile, f)
    r = doctor(profile_dirs=dir)
    check("bloomeryd kit install" in r.expect("kit", "warn", "skipped", about="mine")["hint"], "the hint", r.of("kit", "mine"))
    check("mine" in r.of("profiles")["detail"], "the profile is loaded", r.of("profiles"))
    state, archive = os.path.join(top, "with-kit"), os.path.join(top, "kit.tar")
    kit = os.path.join(top, "kit")
    os.mkdir(kit)
    with open(os.path.join(kit, "kit.json"), "w", encoding="utf-8") as f:
        json.dump({"name": "mine", "version": "7.1", "title": "a kit of the doctor's test", "profile": "mine"}, f)
    sha = piped(os.path.join(ROOT, "tests", "kits", "pack"), kit, archive).decode().strip()
    p = call("kit", "install", archive, "--sha256", sha, *words(profile_dirs=dir, state=state))
    equal(p.returncode, 0, f"status of kit install, which said {p.stdout} {p.stderr}")
    doctor(profile_dirs=dir, state=state).expect("kit", "ok", f"mine 7.1, {sha[:12]}", about="mine")
    with open(os.path.join(state, "kits", sha, "kit.json"), "w", encoding="utf-8") as f:
        f.write("{")
    doctor(profile_dirs=dir, state=state).expect("kit", "fail", "kit.json", about="mine")
    profile["colour"] = "red"
    with open(path, "w", encoding="utf-8") as f:
        json.dump(profile, f)
    r = doctor(profile_dirs=dir)
    r.expect("profiles", "fail", "colour")
    shutil.rmtree(dir)


class Mirror(http.server.BaseHTTPRequestHandler):
    """has: paths; password: asked for; every path that was asked is in seen."""

    def do_HEAD(self):
        s = self.server
        s.seen.append(self.path)
        status = s.trouble or (200 if self.path in s.has else 404)
        self.send_response(status)
        self.send_header("Content-Length", "62892876" if status == 200 else "0")
        self.end_headers()

    def log_message(self, *args):
        pass


def mirror():
    s = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Mirror)
    s.has, s.seen, s.trouble = set(), [], 0
    threading.Thread(target=s.serve_forever, daemon=True).start()
    suite.on_exit(lambda: (s.shutdown(), s.server_close()))
    return s, f"127.0.0.1:{s.server_address[1]}"


@suite.test
def test_origins_of_toolchains():
    with open(os.path.join(SHARE, "docker", "toolchains.json"), encoding="utf-8") as f:
        pins = json.load(f)["toolchains"]
    dist = {p["name"]: next(o for o in p["origins"] if o["origin"] == "dist") for p in pins}
    first = {name: f"/{o['path']}/{o['components'][0]['name']}.tar.xz" for name, o in dist.items()}
    check(len(first) >= 2, "toolchains.json has two pins of the dist server", first)
    name, other = sorted(first)[:2]
    server, at = mirror()
    r = doctor(dist_server=f"http://jo:geheim@{at}/")
    check("geheim" not in r.text and "jo" not in r.of("toolchain", name)["detail"], "a password is shown", r.text)
    r.expect("toolchain", "warn", f"dist: http://{at}/ does not have it: status 404; mirror: not set", about=name)
    check(set(first.values()) <= set(server.seen), "what was asked for", server.seen)
    server.has = {first[name]}
    r = doctor(dist_server=f"http://{at}")
    r.expect("toolchain", "ok", f"dist: http://{at} has it", about=name)
    r.expect("toolchain", "warn", f"dist: http://{at} does not have it", about=other)
    server.trouble = 503
    doctor(dist_server=f"http://{at}").expect("toolchain", "warn", "does not answer: status 503", about=name)
    server.trouble = 0
    doctor(dist_mirror=f"http://{at}").expect("toolchain", "ok", f"mirror: http://{at} has it", about=name)
    r = doctor(dist_server=f"http://{at}", toolchain_origins="debian")
    check("dist" not in r.of("toolchain", name)["detail"], "an origin that is not to be used", r.of("toolchain", name))
    folder = os.path.join(top, "archives")
    os.makedirs(os.path.dirname(folder + first[name]))
    with open(folder + first[name], "wb"):
        pass
    r = doctor(dist_mirror=folder)
    r.expect("toolchain", "ok", f"mirror: {folder} has it", about=name)
    r.expect("toolchain", "warn", f"mirror: {folder} does not have it", about=other)
    doctor(dist_mirror=folder + "x").expect("toolchain", "warn", "does not answer", about=name)
    server.has = {"/debian/dists/trixie/Release", "/debian/dists/bullseye/Release", "/debian/dists/bookworm/Release"}
    doctor(debian_mirror=f"http://{at}/").expect("toolchain", "ok", "has it", about=name)


@suite.test
def test_a_broken_table_of_pins():
    with open(os.path.join(share(), "docker", "toolchains.json"), "r+", encoding="utf-8") as f:
        whole = f.read()
        f.seek(0)
        f.truncate()
        f.write("{")
        f.flush()
        doctor(share_dir=share()).expect("toolchain", "fail", "toolchains.json")
        f.seek(0)
        f.truncate()
        f.write(whole)


# --- the page ---


@suite.test
def test_docs_operations_has_every_check():
    with open(os.path.join(ROOT, "docs", "operations.md"), encoding="utf-8") as f:
        section = re.search(r"^## Doctor$(.*?)^## ", f.read(), flags=re.M | re.S)[1]
    table = re.findall(r"^\| `([a-z_.]+)` \|", section, flags=re.M)
    equal(len(table), len(set(table)), "rows of the table, each once")
    doctor()
    check(printed <= set(table), "docs/operations.md lacks", sorted(printed - set(table)))
    source = ""
    for name in os.listdir(os.path.join(ROOT, "workers")):
        if re.fullmatch(r"doctor.*\.c", name):
            with open(os.path.join(ROOT, "workers", name), encoding="utf-8") as f:
                source += f.read()
    check(all(f'"{name}"' in source for name in table), "docs/operations.md has checks that there are not",
          [name for name in table if f'"{name}"' not in source])


suite.needs_programs()
suite.main()
