"""A Python environment of packages of pinned versions and hashes, made once for each content of their list."""

import hashlib
import os
import subprocess
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration")]
from lib import ROOT, Failure, check  # noqa: E402

PYTHON = "/usr/bin/python3"  # Debian's: another one that is first in PATH may lack jsonschema and venv
HERE = os.path.dirname(os.path.abspath(__file__))


def run(argv, seconds, what, cwd=None, **env):
    try:
        return subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              check=False, timeout=seconds, env={**os.environ, **env}, cwd=cwd, text=True, errors="replace")
    except subprocess.TimeoutExpired as e:
        said = (e.stdout or b"").decode(errors="replace")
        raise Failure(f"{what}: not done after {seconds} s\n{said[-3000:]}") from e


def make(name, requirements):
    """The folder, build/NAME; requirements is the name of a file beside this one."""
    folder, requirements = os.path.join(ROOT, "build", name), os.path.join(HERE, requirements)
    with open(requirements, "rb") as f:
        digest = hashlib.sha256(f.read()).hexdigest()
    stamp = os.path.join(folder, "made-of")
    if os.path.exists(stamp) and open(stamp, encoding="ascii").read() == digest:
        return folder
    for argv, what in (([PYTHON, "-m", "venv", "--clear", folder], "python3 -m venv (package python3-venv)"),
                       ([f"{folder}/bin/pip", "install", "-q", "--disable-pip-version-check", "--only-binary", ":all:",
                         "--require-hashes", "-r", requirements], "pip install from the Python registry")):
        p = run(argv, 400, what)
        check(p.returncode == 0, f"{what} gives {p.returncode}", p.stdout[-3000:])
    with open(stamp, "w", encoding="ascii") as f:
        f.write(digest)
    return folder
