#!/usr/bin/env python3
"""bloomeryd doctor against the real Engine of this machine: what it says is held against the machine itself."""

# alone: it holds what the doctor says against the whole machine, whose state must not change meanwhile

import json
import os
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lib import BUILD, ENGINE, SHARE, Daemon, Suite, check, engine_get, equal, leftovers  # noqa: E402

suite = Suite("doctor", seconds=240)
PROFILES = ("wasm", "wasi", "musl")


def doctor(d):
    """{(name, about): finding}; beside a daemon that runs, with its state folder."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("BLOOMERY_")}
    nowhere = "http://127.0.0.1:1"  # what the Internet answers is no business of this test
    env.update({"ASAN_OPTIONS": "detect_leaks=1", "http_proxy": nowhere, "https_proxy": nowhere})
    p = subprocess.run([os.path.join(BUILD, "bloomeryd"), "doctor", "--json", "--config", d.config, "--state", d.state,
                        "--engine-socket", ENGINE, "--share-dir", SHARE], env=env, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=120, check=False, text=True)
    check(p.stdout.startswith("{") and not p.stderr, f"no report, status {p.returncode}", p.stdout, p.stderr)
    checks = json.loads(p.stdout)["checks"]
    failed = [c for c in checks if c["level"] == "fail"]
    equal((p.returncode, json.loads(p.stdout)["ok"]), (1 if failed else 0, not failed), "exit status and ok")
    check(not failed, "the suites run on this machine, so nothing may fail", *failed)
    return {(c["name"], c["about"]): c for c in checks}


@suite.test
def test_this_machine():
    d = Daemon(suite, "doctor").start()
    cgroups = {n for _, dirs, _ in os.walk("/sys/fs/cgroup") for n in dirs if "bloomery" in n}
    found = doctor(d)
    info, version = engine_get("/info"), engine_get("/version")
    check(version["Version"] in found["engine", None]["detail"], "the Engine's version", found["engine", None])
    check(f"v{info.get('CgroupVersion', '1')}, driver {info['CgroupDriver']}" in found["cgroups", None]["detail"],
          "version and driver of cgroups", found["cgroups", None])
    if os.geteuid() == 0:
        check("made, read and removed" in found["cgroups", None]["detail"], "a cgroup was tried", found["cgroups", None])
    for name, key in (("limit.job_memory_bytes", "MemoryLimit"), ("limit.swap", "SwapLimit"), ("limit.job_pids", "PidsLimit")):
        equal(found[name, None]["level"] == "ok", info[key], f"{name}, where the Engine says {key}")
    check(info["Driver"] in found["storage_driver", None]["detail"], "the storage driver", found["storage_driver", None])
    # The same questions have the same answers in /readyz.
    ready = d.get("/readyz").json()
    check(found["limit.work_bytes", None]["detail"].startswith(ready["work_mode"]), "the work mode", ready["work_mode"],
          found["limit.work_bytes", None])
    there = {p["name"]: p for p in d.get("/v1/profiles").json()["profiles"]}
    equal({about for name, about in found if name == "image"}, set(there), "profiles whose image was looked at")
    for name, p in there.items():
        c = found["image", name]
        equal(c["level"] == "ok", p["available"], f"image of {name} ({c['detail']}; {p['why']})")
        if p["available"]:
            check(p["toolchain"]["rustc"] in c["detail"], f"the compiler of {name}", c, p["toolchain"])
    # Nothing is left of what was tried, and the daemon has not noticed.
    equal({n for _, dirs, _ in os.walk("/sys/fs/cgroup") for n in dirs if "bloomery" in n}, cgroups, "cgroups afterwards")
    equal({k: v for k, v in leftovers(d).items() if v}, {}, "left over")
    equal(os.listdir(os.path.join(d.state, "work")), [], "folders in work")
    equal(d.get("/readyz").status, 200, "readiness afterwards")
    d.stop()


suite.needs_programs()
suite.needs_engine(*(f"profile-{p}" for p in PROFILES))
suite.main()
