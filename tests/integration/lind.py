"""What the suites of profile lind share: the test kit, with and without a tool that instruments, and copies of the profile
that can be told to break its host's contract."""

import io
import json
import os
import shutil
import subprocess
import tarfile

from lib import BUILD, ROOT, check

KIT = os.path.join(ROOT, "tests", "kits", "lind")
PROFILE = os.path.join(ROOT, "workers", "profiles", "lind")
# value of the option `broken`: what sed does to the profile's link script.
BROKEN = {
    "no": "",
    # Threads' storage is the linker's only where memory is shared: the kit's threads get stubs.
    "unshared": "s/ -Wl,--shared-memory/ -Wl,--unresolved-symbols=ignore-all/",
    "larger": "s/max-memory=67108864/max-memory=67174400/",
    "unimported": "s/-Wl,--import-memory//",
    "unexported": "s/ -Wl,--export-memory//",
    "exports": r"s/ -Wl,--export=__stack_low//; s/^clang-19/wanted=; &/",
    "atomics": "s/^# Lind's own tool.*/llvm-objcopy-19 --remove-section=target_features module.wasm/",
    "imports": "s/ -Wl,--export=__stack_low/& -Wl,--allow-undefined/",
}


def command(argv, seconds=900):
    """Its output; it must succeed."""
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=seconds,
                       check=False)
    text = p.stdout.decode("utf-8", "replace")
    check(p.returncode == 0, f"{' '.join(argv)} gives {p.returncode}", text[-3000:])
    return text


def bloomeryd(d, *words):
    """The output of the daemon's program on the daemon's own settings."""
    return command([os.path.join(BUILD, "bloomeryd"), "--config", d.config, "--state", d.state, "--engine-socket", d.engine,
                    "--share-dir", d.share, *words])


def make_kit(d):
    """The test kit's folder, compiled; once a daemon."""
    folder = os.path.join(d.dir, "kit")
    if not os.path.exists(folder):
        command([os.path.join(KIT, "make"), folder])
    return folder


def install_kit(d, folder, profile="lind", **changes):
    """Packs the kit's folder for the profile and installs it. changes: fields of kit.json, None leaves one out."""
    path = os.path.join(folder, "kit.json")
    with open(path, encoding="utf-8") as f:
        kit = json.load(f)
    kit.pop("$schema", None)
    kit.update(profile=profile, **changes)
    with open(path, "w", encoding="utf-8") as f:
        json.dump({k: v for k, v in kit.items() if v is not None}, f)
    archive = os.path.join(d.dir, f"{profile}-kit.tar.gz")
    sha = command([os.path.join(ROOT, "tests", "kits", "pack"), folder, archive]).strip()
    return bloomeryd(d, "kit", "install", archive, "--sha256", sha)


def with_kit(d):
    """Profile lind has the test kit in this daemon, which must not run yet."""
    d.write_config()
    install_kit(d, shutil.copytree(make_kit(d), os.path.join(d.dir, "kit-lind")))
    bloomeryd(d, "images", "build", "lind")


def add_profile(suite, d, name, broken=False, **changes):
    """A copy of profile lind with a kit of its own, changed as install_kit says. broken: with an option of that name. It
    stands on lind's image, so std is not compiled again. The daemon must not run yet."""
    profiles = os.path.join(d.dir, "profiles")
    folder = os.path.join(profiles, name)
    shutil.copytree(PROFILE, folder)
    with open(os.path.join(folder, "profile.json"), "r+", encoding="utf-8") as f:
        profile = json.load(f)
        profile["name"] = name
        if broken:
            profile["options"]["broken"] = {"type": "enum", "values": list(BROKEN), "default": "no", "doc": "what is wrong"}
        f.seek(0)
        json.dump(profile, f)
        f.truncate()
    if broken:
        link = os.path.join(folder, "link")
        os.rename(link, link + ".whole")
        with open(link + ".whole", encoding="utf-8") as f:
            text = f.read()
        cases = ""
        for way, change in BROKEN.items():
            changed = subprocess.run(["sed", change], input=text, stdout=subprocess.PIPE, check=True, text=True).stdout
            check((changed != text) == bool(change), f"{way}: the profile's link script has changed", changed)
            with open(f"{link}.{way}", "w", encoding="utf-8") as f:
                f.write(changed)
        with open(link, "w", encoding="utf-8") as f:
            f.write('#!/bin/sh\nexec sh "/bloomery/profile/link.$BLOOMERY_OPTION_BROKEN"\n')
        os.chmod(link, 0o755)
    with open(os.path.join(folder, "Dockerfile"), "w", encoding="utf-8") as f:
        f.write("FROM bloomery/profile-lind:current\nRUN rm -rf /opt/bloomery/kit\nCOPY kit /opt/bloomery/kit\n")
    d.write_config(profile_dirs=profiles)
    install_kit(d, shutil.copytree(make_kit(d), os.path.join(d.dir, f"kit-{name}")), name, name=name, **changes)
    suite.on_exit(lambda: bloomeryd(d, "images", "remove", name))
    bloomeryd(d, "images", "build", name)


def constants():
    """{name: value} of workers/profiles/lind/lind-glibc.abi."""
    found = {}
    with open(os.path.join(PROFILE, "lind-glibc.abi"), encoding="utf-8") as f:
        for line in f:
            words = line.split()
            if words[:1] == ["const"]:
                found[words[1]] = int(words[2], 0)
    return found


def libc_source():
    """{path: bytes} of the crate libc as std's sources bring it, from the toolchain's image: unchanged."""
    script = ('cd $(rustc --print sysroot)/lib/rustlib/src/rust/library/vendor/libc-[0-9]*/ && '
              'tar -c --exclude=.cargo-checksum.json --exclude=tests --exclude=ci .')
    p = subprocess.run(["docker", "run", "--rm", "--network=none", "bloomery/toolchain-nightly-2026-05-20:current", "sh", "-c", script],
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=300, check=True)
    with tarfile.open(fileobj=io.BytesIO(p.stdout)) as t:
        return {m.name.removeprefix("./"): t.extractfile(m).read() for m in t if m.isfile()}
