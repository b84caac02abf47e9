"""What the suites of profile genode share: copies of the profile that break its host's contract in a given way, the kit of
tests/kits/genode, and a stand-in for Genode's libraries, on which a component starts on Linux.
"""

import json
import os
import shutil
import subprocess
import tempfile

from ao import bloomeryd
from lib import BUILD, ROOT, check, piped

def edit_json(path, change):
    with open(path, encoding="utf-8") as f:
        data = json.load(f)
    change(data)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(data, f)


def edit_text(path, old, new):
    with open(path, encoding="utf-8") as f:
        text = f.read()
    check(text.count(old) == 1, f"{os.path.basename(path)} of the profile has changed: {old!r}")
    with open(path, "w", encoding="utf-8") as f:
        f.write(text.replace(old, new))


def copy_profile(d, name, change):
    """A profile `name` like genode in the daemon's own folder of profiles, which is given back; change(its JSON)."""
    profiles = os.path.join(d.dir, "profiles")
    folder = os.path.join(profiles, name)
    shutil.copytree(os.path.join(ROOT, "workers", "profiles", "genode"), folder)

    def renamed(profile):
        profile["name"] = name
        change(profile)

    edit_json(os.path.join(folder, "profile.json"), renamed)
    d.write_config(profile_dirs=profiles)
    return folder


def add_broken(d, name="genode-broken"):
    """Profile `name`: genode, but that a program with the name of a rule breaks that one; it takes tests/kits/genode."""
    folder = copy_profile(d, name, lambda profile: None)
    with open(os.path.join(ROOT, "tests", "profiles", "genode-break.sh"), encoding="utf-8") as f:
        edit_text(os.path.join(folder, "link"), "set -eu\n", "set -eu\n" + f.read())
    with open(os.path.join(folder, "Dockerfile"), "w", encoding="utf-8") as f:
        f.write("FROM bloomery/profile-genode:current\nRUN rm -rf /opt/bloomery/kit\nCOPY kit /opt/bloomery/kit\n")
    return name


def add_stock(d, name="genode-stock"):
    """Profile `name`: the same contract for what rustc makes for FreeBSD itself. Of std there is core, which is enough for a
    crate with a thread-local of its own, and is compiled without optimisation, which changes nothing of that."""
    def change(profile):
        profile["target"] = "x86_64-unknown-freebsd"
        profile["rustflags"] = [f for f in profile["rustflags"] if f != "-Zunstable-options"]

    folder = copy_profile(d, name, change)
    with open(os.path.join(folder, "Dockerfile"), "w", encoding="utf-8") as f:
        f.write("FROM bloomery/profile-genode:current\nARG BLOOMERY_TARGET\nARG BLOOMERY_RUSTFLAGS\n"
                "RUN BLOOMERY_STD_CRATES=core BLOOMERY_RUSTFLAGS=$(printf '%s\\037-Copt-level=0' \"$BLOOMERY_RUSTFLAGS\") "
                "build-std\nRUN rm -rf /opt/bloomery/kit\nCOPY kit /opt/bloomery/kit\n")
    return name


def bloomeryd_says(d, *words):
    """(status, output) of the daemon's program, which may fail."""
    p = subprocess.run([os.path.join(BUILD, "bloomeryd"), "--config", d.config, "--state", d.state, "--engine-socket", d.engine,
                        "--share-dir", d.share, "--toolchain-origins", "debian", *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=900, check=False)
    return p.returncode, p.stdout.decode("utf-8", "replace")


def install_kit(d, profiles=("genode-broken",), without=None):
    """The kit for these profiles of the daemon, less one of its files."""
    d.write_config()
    copy = os.path.join(d.dir, "kit")
    shutil.copytree(os.path.join(ROOT, "tests", "kits", "genode"), copy)
    if without:
        os.remove(os.path.join(copy, without))
    edit_json(os.path.join(copy, "kit.json"), lambda kit: kit.update(profile=list(profiles)))
    archive = os.path.join(d.dir, "kit.tar.gz")
    sha256 = piped(os.path.join(ROOT, "tests", "kits", "pack"), copy, archive).decode().strip()
    bloomeryd(d, "kit", "install", archive, "--sha256", sha256)


def run(component, *args):
    """(status, output) of a component on Linux, on tests/fakes/genode.c in place of Genode's libraries."""
    with tempfile.TemporaryDirectory(prefix="bloomery-genode-") as folder:
        program = os.path.join(folder, "component")
        with open(program, "wb") as f:
            f.write(component)
        os.chmod(program, 0o755)
        for library in ("libc", "libm", "posix"):
            piped("gcc", "-std=gnu11", "-O1", "-fPIC", "-shared", f"-DLIBRARY_{library.upper()}", f"-Wl,-soname,{library}.lib.so",
                  os.path.join(ROOT, "tests", "fakes", "genode.c"), "-o", os.path.join(folder, f"{library}.lib.so"))
        p = subprocess.run(["/lib64/ld-linux-x86-64.so.2", "--library-path", folder, program, *args], stdin=subprocess.DEVNULL,
                           stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60, check=False)
        return p.returncode, p.stdout.decode("utf-8", "replace")
