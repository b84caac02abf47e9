"""Building a job again as a third party would: its replay unpacked into a folder, and replay.sh run there."""

import glob
import io
import os
import shutil
import subprocess
import tarfile
import tempfile

from lib import check, equal

SECONDS = 900


def fetched(suite, d, id):
    """The unpacked replay's folder."""
    r = d.get(f"/v1/jobs/{id}/replay")
    check(r.status == 200, f"the replay of {id}: {r.status}", r.text()[:500])
    top = tempfile.mkdtemp(prefix="bloomery-replayed-")
    suite.on_exit(lambda: shutil.rmtree(top, ignore_errors=True))
    with tarfile.open(fileobj=io.BytesIO(r.body)) as t:
        t.extractall(top)
    return os.path.join(top, f"replay-{id}")


def start(folder, *words, **env):
    """replay.sh begun. What it prints is small."""
    outer = {k: v for k, v in os.environ.items() if not k.startswith("REPLAY_")}
    return subprocess.Popen(["/bin/sh", os.path.join(folder, "replay.sh"), *words], env=dict(outer, **env), stdin=subprocess.DEVNULL,
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, errors="replace", cwd="/")


def end(p):
    """(exit status, standard output, standard error)"""
    try:
        out, err = p.communicate(timeout=SECONDS)
    except subprocess.TimeoutExpired:
        p.terminate()
        p.communicate()
        raise
    return p.returncode, out, err


def run(folder, *words, **env):
    return end(start(folder, *words, **env))


def ca_bundle():
    """As the daemon finds it: where a proxy answers for the registry, containers must trust it too."""
    found = glob.glob("/etc/ssl/certs/ca-certificates.crt")
    return {"CA_BUNDLE": found[0]} if found else {}


def reproduced(d, job, result):
    """Every artifact of the job came out again."""
    status, out, err = result
    check(status == 0, f"replay.sh gives {status}", out, err[-3000:])
    lines = dict(reversed(line.split()[1:3]) for line in out.splitlines() if line.startswith("same "))
    equal(lines, {a["name"]: a["sha256"] for a in job["artifacts"]}, "what is the same")
    check(f"reproduced: {len(lines)} of {len(lines)}" in out, "verdict", out)


def nothing_left(p):
    """Neither containers nor volumes of that process."""
    for what in (["ps", "-aq"], ["volume", "ls", "-q"]):
        said = subprocess.run(["docker", *what, "--filter", f"name=bloomery-replay-{p.pid}"], stdout=subprocess.PIPE, check=True)
        equal(said.stdout, b"", f"docker {' '.join(what)} of the replay")
