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

# value of the option `broken`: (the tool, a word of the call that is meant, what it is given besides).
BROKEN = {
    "no": ("ld", "", ""),
    "interp": ("ld", "--entry=main", "--dynamic-linker=/libexec/ld-elf.so.1"),
    "needed": ("ld", "--entry=main", "stdcxx.lib.so"),
    "type": ("ld", "--entry=main", "-pie"),
    "executable": ("ld", "--entry=main", "-shared"),
    "exports": ("ld", "--entry=main", "--version-script=hide.map"),
    "fs": ("ld", "--entry=main", "--undefined=reads_fs fs.o"),
    "tls": ("ld", "--entry=main", "--undefined=a_thread_local tls.o"),
    "emutls": ("ld", "--entry=main", "--undefined=__emutls_get_address emutls.o"),
    "archive-emutls": ("ar", "", "emutls.o"),
    "archive-tls": ("ar", "", "fs.o"),
    "archive-empty": ("ar", "only", "tls.o"),
}
# Put before the profile's own link: what the ways need, and the tools.
BREAKING = r"""
cd /work/out
printf '.globl reads_fs, a_thread_local\n.section .text.reads_fs,"ax"\n.type reads_fs,@function\nreads_fs: movq a_thread_local@gottpoff(%%rip),%%rax\nmovq %%fs:(%%rax),%%rax\nret\n.size reads_fs,.-reads_fs\n' | as -o fs-part.o
printf '.globl a_thread_local\n.section .tbss,"awT",@nobits\n.type a_thread_local,@object\n.size a_thread_local,8\na_thread_local: .skip 8\n' | as -o tls.o
command ld -r -o fs.o fs-part.o tls.o
printf '.globl __emutls_get_address\n.type __emutls_get_address,@function\n__emutls_get_address: ret\n' | as -o emutls.o
echo | as -o empty.o
command ld -shared -soname stdcxx.lib.so -o stdcxx.lib.so empty.o
echo '{ local: main; };' > hide.map
with() { # TOOL ARGUMENT...
    case "$BLOOMERY_OPTION_BROKEN" in
%s    esac
    command "$@"
}
ld() { with ld "$@"; }
ar() { with ar "$@"; }
"""


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
    """Profile `name`: genode with an option `broken`; it takes tests/kits/genode."""
    def change(profile):
        profile["options"]["broken"] = {"type": "enum", "values": list(BROKEN), "default": "no", "doc": "what is wrong"}

    folder = copy_profile(d, name, change)
    cases = ""
    for way, (tool, word, more) in BROKEN.items():
        if way != "no":
            given = f'set -- ar rcsD "$3" {more}' if word == "only" else f'set -- "$@" {more}'
            cases += f'    {way}) case "$*" in {tool}\\ *{word}*) {given} ;; esac ;;\n'
    link = os.path.join(folder, "link")
    edit_text(link, "set -eu\n", "set -eu\n" + BREAKING.replace("%s", cases).replace("%%", "%"))
    with open(os.path.join(folder, "Dockerfile"), "w", encoding="utf-8") as f:
        f.write("FROM bloomery/profile-genode:current\nRUN rm -rf /opt/bloomery/kit\nCOPY kit /opt/bloomery/kit\n")
    return name


def add_stock(d, name="genode-stock"):
    """Profile `name`: the same contract for what rustc makes for FreeBSD itself. Its std is compiled without optimisation,
    which changes nothing of how it reaches thread-locals."""
    def change(profile):
        profile["target"] = "x86_64-unknown-freebsd"
        profile["rustflags"] = [f for f in profile["rustflags"] if f != "-Zunstable-options"]

    folder = copy_profile(d, name, change)
    with open(os.path.join(folder, "Dockerfile"), "w", encoding="utf-8") as f:
        f.write("FROM bloomery/profile-genode:current\nARG BLOOMERY_TARGET\nARG BLOOMERY_RUSTFLAGS\n"
                "RUN BLOOMERY_STD_CRATES=std,panic_abort BLOOMERY_RUSTFLAGS=$(printf '%s\\037-Copt-level=0' "
                '"$BLOOMERY_RUSTFLAGS") build-std\nRUN rm -rf /opt/bloomery/kit\nCOPY kit /opt/bloomery/kit\n')
    return name


def bloomeryd_says(d, *words):
    """(status, output) of the daemon's program, which may fail."""
    p = subprocess.run([os.path.join(BUILD, "bloomeryd"), "--config", d.config, "--state", d.state, "--engine-socket", d.engine,
                        "--share-dir", d.share, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=900, check=False)
    return p.returncode, p.stdout.decode("utf-8", "replace")


def install_kit(d, profiles=("genode-broken",), without=None):
    """The kit for these profiles of the daemon, less one of its files."""
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
