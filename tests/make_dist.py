#!/usr/bin/env python3
"""Archives in the Rust project's own format (rust-installer's, version 3), from a toolchain that is installed in an image.

    make_dist.py IMAGE OUT [--pin NAME] [--toolchains docker/toolchains.json] [--rustc PATH] [--cargo PATH] [--preset 0]

OUT/PATH/COMPONENT.tar.xz is made for each component of the pin's dist origin, and OUT/PATH/COMPONENT.tar.xz.sha256 as the
project's server has them. On standard output:

    {"path": "dist/2026-05-20", "components": {NAME: sha256}, "rustc": "rustc 1.96.0 (...)", "release", "commit", "date"}

What the programs need of Debian's libraries goes into lib/ beside the compiler's own, and an rpath leads there, as
in the project's. Unpacked anywhere, it runs on a Debian of the same release. Needs docker, xz and patchelf.
"""
import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))

# Of the C library, which must be the running machine's own.
SYSTEM = ("ld-linux", "libc.so", "libm.so", "libdl.so", "libpthread.so", "librt.so", "libresolv.so")

ASK = r"""
set -e
exec 3>&1 >&2
rustc=$(command -v "$1") cargo=$(command -v "$2")
sysroot=$("$rustc" --print sysroot)
{ "$rustc" -vV; echo "sysroot: $sysroot"; echo "rustc: $(readlink -f "$rustc")"; echo "cargo: $(readlink -f "$cargo")"
  [ ! -e "$sysroot/bin/rustdoc" ] || echo "rustdoc: $(readlink -f "$sysroot/bin/rustdoc")"
  ldd "$rustc" | sed -n 's/.* => \(\/.*\) (.*/rustc-lib: \1/p'
  ldd "$cargo" | sed -n 's/.* => \(\/.*\) (.*/cargo-lib: \1/p'
} >&3
"""


def run(*argv, **kw):
    return subprocess.run(argv, check=True, **kw)


def in_image(image, command, *args, **kw):
    return run("docker", "run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "/bin/sh", image, "-c",
               command, "sh", *args, stdin=subprocess.DEVNULL, **kw)


def ask(image, rustc, cargo):
    """What is installed there: {key: [values]}."""
    facts = {}
    for line in in_image(image, ASK, rustc, cargo, stdout=subprocess.PIPE, text=True).stdout.splitlines():
        key, _, value = line.partition(": ")
        facts.setdefault(key, []).append(value)
    return facts


def copy_out(image, paths, into):
    """Absolute paths of the image, links followed, into a folder as they lie."""
    script = 'for f; do [ ! -e "/$f" ] || printf "%s\\0" "$f"; done | tar -C / -chf - --null -T -'
    command = ["docker", "run", "--rm", "--network", "none", "--user", "0", "--entrypoint", "/bin/sh", image, "-c", script,
               "sh"] + [p.lstrip("/") for p in paths]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as p:
        run("tar", "-C", into, "-xf", "-", "--no-same-owner", stdin=p.stdout)
        if p.wait() != 0:
            raise RuntimeError("cannot read the image")


def libs(facts, key, but=()):
    found = {}
    for path in facts.get(key, []):
        name = os.path.basename(path)
        if not name.startswith(SYSTEM) and name not in but:
            found[name] = path
    return found


def layout(component, facts):
    """(the component's folder, {path in the installation: path in the image})."""
    sysroot = facts["sysroot"][0]
    of_rustc = libs(facts, "rustc-lib")
    if component.startswith("rustc-"):
        files = {"bin/rustc": facts["rustc"][0], "lib/rustlib/etc": sysroot + "/lib/rustlib/etc"}
        if "rustdoc" in facts:
            files["bin/rustdoc"] = facts["rustdoc"][0]
        files.update(("lib/" + name, path) for name, path in of_rustc.items())
        return "rustc", files
    if component.startswith("cargo-"):
        files = {"bin/cargo": facts["cargo"][0]}
        files.update(("lib/" + name, path) for name, path in libs(facts, "cargo-lib", of_rustc).items())
        return "cargo", files
    if component.startswith("rust-std-"):
        target = component.split("-", 3)[3]
        return "rust-std-" + target, {f"lib/rustlib/{target}/lib": f"{sysroot}/lib/rustlib/{target}/lib"}
    if component.startswith("rust-src-"):
        return "rust-src", {"lib/rustlib/src/rust/library": sysroot + "/lib/rustlib/src/rust/library"}
    raise SystemExit(f"make_dist: what is {component}?")


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


def every_file(root):
    for folder, _, names in os.walk(root):
        for name in names:
            yield os.path.relpath(os.path.join(folder, name), root)


def stage(component, name, files, copied, root, facts):
    """The archive's folder, as rust-installer's generator leaves it."""
    top = os.path.join(root, component)
    body = os.path.join(top, name)
    for to, source in files.items():
        here, there = copied + source, os.path.join(body, to)
        if not os.path.exists(here):
            if to == "lib/rustlib/etc":
                continue
            raise SystemExit(f"make_dist: {component}: the image has no {source}")
        os.makedirs(os.path.dirname(there), exist_ok=True)
        if os.path.isdir(here):
            shutil.copytree(here, there, copy_function=os.link)
        else:
            shutil.copy2(here, there)
    for program in ("rustc", "rustdoc", "cargo"):
        path = os.path.join(body, "bin", program)
        if os.path.exists(path):
            os.chmod(path, 0o755)
            run("patchelf", "--force-rpath", "--set-rpath", "$ORIGIN/../lib", path)
    write(f"{body}/share/doc/{name}/README.md", "Made by Bloomery's tests of an installed toolchain.\n")
    write(f"{body}/share/doc/{name}/html/index.html", "<p>nothing\n")
    bulk = ["share/doc/%s/html" % name] + (["lib/rustlib/src/rust"] if name == "rust-src" else [])
    lines = ["file:" + f for f in sorted(every_file(body)) if not any(f.startswith(b + "/") for b in bulk)]
    lines += ["dir:" + b for b in bulk]
    write(body + "/manifest.in", "\n".join(lines) + "\n")
    write(top + "/components", name + "\n")
    write(top + "/rust-installer-version", "3\n")
    write(top + "/version", "%s (%s %s)\n" % (facts["release"][0], facts["commit-hash"][0][:9], facts["commit-date"][0]))
    write(top + "/git-commit-hash", facts["commit-hash"][0] + "\n")
    write(top + "/install.sh", "#!/bin/sh\nexit 1\n", 0o755)
    for legal in ("COPYRIGHT", "LICENSE-APACHE", "LICENSE-MIT", "README.md"):
        write(os.path.join(top, legal), legal + "\n")
    return top


def pack(top, out, preset):
    """As rust-installer's tarballer: folders first, then files sorted by their names backwards. Returns the sha256."""
    base = os.path.dirname(top)
    names = [os.path.relpath(top, base)]
    files = []
    for folder, below, inside in os.walk(top):
        below.sort()
        names += [os.path.relpath(os.path.join(folder, d), base) for d in below]
        files += [os.path.relpath(os.path.join(folder, f), base) for f in inside]

    def plain(info):
        info.uid = info.gid = 0
        info.uname = info.gname = ""
        info.mtime = 0
        info.mode = 0o755 if info.isdir() or info.mode & 0o111 else 0o644
        if info.islnk():
            raise RuntimeError("a hard link")
        return info

    with open(out, "wb") as f, subprocess.Popen(["xz", f"-{preset}", "-T0", "-c"], stdin=subprocess.PIPE, stdout=f) as xz:
        with tarfile.open(fileobj=xz.stdin, mode="w|", format=tarfile.GNU_FORMAT) as tar:
            for name in sorted(names) + sorted(files, key=lambda n: n[::-1]):
                tar.inodes.clear()  # the same file twice is two files
                tar.add(os.path.join(base, name), arcname=name, recursive=False, filter=plain)
        xz.stdin.close()
        if xz.wait() != 0:
            raise RuntimeError("xz failed")
    with open(out, "rb") as f:
        sha256 = hashlib.file_digest(f, "sha256").hexdigest()
    with open(out + ".sha256", "w") as f:
        f.write(f"{sha256}  {os.path.basename(out)}\n")
    return sha256


def make(image, out, pin="nightly-2026-05-20", toolchains=None, rustc="rustc", cargo="cargo", preset=0):
    with open(toolchains or os.path.join(HERE, "../docker/toolchains.json")) as f:
        pins = {p["name"]: p for p in json.load(f)["toolchains"]}
    origin = next(o for o in pins[pin]["origins"] if o["origin"] == "dist")
    facts = ask(image, rustc, cargo)
    parts = {c["name"]: layout(c["name"], facts) for c in origin["components"]}
    folder = os.path.join(out, origin["path"])
    os.makedirs(folder, exist_ok=True)
    sums = {}
    with tempfile.TemporaryDirectory(prefix="make-dist-", dir=out) as tmp:
        copied, staged = tmp + "/copied", tmp + "/staged"
        os.mkdir(copied)
        os.mkdir(staged)
        copy_out(image, sorted({p for _, files in parts.values() for p in files.values()}), copied)
        for component, (name, files) in parts.items():
            top = stage(component, name, files, copied, staged, facts)
            sums[component] = pack(top, f"{folder}/{component}.tar.xz", preset)
            shutil.rmtree(top)
    line = "rustc %s (%s %s)" % (facts["release"][0], facts["commit-hash"][0][:9], facts["commit-date"][0])
    return {"path": origin["path"], "components": sums, "rustc": line, "release": facts["release"][0],
            "commit": facts["commit-hash"][0], "date": facts["commit-date"][0]}


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("image")
    p.add_argument("out")
    p.add_argument("--pin", default="nightly-2026-05-20")
    p.add_argument("--toolchains")
    p.add_argument("--rustc", default="rustc")
    p.add_argument("--cargo", default="cargo")
    p.add_argument("--preset", type=int, default=0)
    a = p.parse_args()
    json.dump(make(a.image, a.out, a.pin, a.toolchains, a.rustc, a.cargo, a.preset), sys.stdout, indent=2)
    print()


if __name__ == "__main__":
    main()
