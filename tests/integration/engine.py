#!/usr/bin/env python3
"""Runs engine_test against the fake Engine and against the real one, and engine_faults_test against the fake.

    engine.py FOLDER [fake] [real]       (neither: both)      FOLDER holds the two programs

The real one is at $ENGINE_SOCKET or /var/run/docker.sock; without one that part is skipped, and so it is without a
static busybox (Debian: busybox-static). Prints "N passed, N failed, N skipped"; exit 1 if anything failed.
"""

import io
import os
import re
import socket
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
BUSYBOX = "/bin/busybox"
APPLETS = ["sh", "echo", "sleep", "yes", "head", "id", "pwd", "tail", "touch", "true", "cat", "kill"]


def is_static(path):
    try:
        with open(path, "rb") as f:
            return b"ld-linux" not in f.read(4096)
    except OSError:
        return False


def write_rootfs(path):
    with tarfile.open(path, "w") as t:
        for name in ("bin", "tmp"):
            d = tarfile.TarInfo(name)
            d.type, d.mode = tarfile.DIRTYPE, 0o1777 if name == "tmp" else 0o755
            t.addfile(d)
        if is_static(BUSYBOX):
            t.add(BUSYBOX, "bin/busybox")
        else:  # good enough for the fake
            t.addfile(tarfile.TarInfo("bin/busybox"), io.BytesIO())
        for a in APPLETS:
            link = tarfile.TarInfo("bin/" + a)
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            t.addfile(link)


def answers(path):
    try:
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)
            return True
    except OSError:
        return False


def run(program, path, rootfs, what):
    name = os.path.basename(program)
    env = dict(os.environ, ENGINE_SOCKET=path, ENGINE_ROOTFS=rootfs)
    p = subprocess.run([program], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=600)
    out = p.stdout.decode(errors="replace")
    passed = re.search(r"\[  PASSED  \] (\d+) test", out)
    n = int(passed[1]) if passed else 0
    if p.returncode != 0:
        print(out)
    print(f"  {'ok   ' if p.returncode == 0 and n else 'FAIL '} {name} against {what} ({n})")
    return n, 0 if p.returncode == 0 and n else max(1, len(re.findall(r"\[  FAILED  \] test_", out)))


def main():
    folder, which = sys.argv[1], sys.argv[2:] or ["fake", "real"]
    program, faults = os.path.join(folder, "engine_test"), os.path.join(folder, "engine_faults_test")
    passed = failed = skipped = 0
    with tempfile.TemporaryDirectory(prefix="bloomery-enginetest-") as d:
        rootfs = os.path.join(d, "rootfs.tar")
        write_rootfs(rootfs)
        if "fake" in which:
            path = os.path.join(d, "docker.sock")
            argv = [sys.executable, os.path.join(HERE, "../fakes/dockerd.py"), "--socket", path]
            fake = subprocess.Popen(argv + ["--scenario", os.path.join(HERE, "engine_test.json")], stdout=subprocess.PIPE)
            fake.stdout.readline()
            try:
                for each in (program, faults):
                    p, f = run(each, path, rootfs, "the fake")
                    passed, failed = passed + p, failed + f
            finally:
                fake.terminate()
                fake.wait()
        if "real" in which:
            path = os.environ.get("ENGINE_SOCKET", "/var/run/docker.sock")
            if not answers(path) or not is_static(BUSYBOX):
                print(f"  skip  the real Engine: {'no busybox-static' if answers(path) else 'none at ' + path}")
                skipped += 1
            else:
                p, f = run(program, path, rootfs, "the real Engine")
                passed, failed = passed + p, failed + f
    print(f"engine: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
