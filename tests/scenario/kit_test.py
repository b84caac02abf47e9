"""bloomeryd kit install, list, remove: black box, without an Engine. The schema of kit.json against the program's own
check, and every command of docs/kits.md that needs no Engine, as it stands there."""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import textwrap

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from lib import BUILD, ROOT, Suite, check, equal  # noqa: E402

suite = Suite("kit", seconds=240)
KITS = os.path.join(ROOT, "tests", "kits")
SCHEMA = os.path.join(ROOT, "schema", "kit.schema.json")


def read(*path):
    with open(os.path.join(ROOT, *path), encoding="utf-8") as f:
        return f.read()


def page():
    return read("docs/kits.md")


# --- a state folder and the command ---


class Here:
    """A folder with a state folder in it; `bloomeryd` in its shell is the one that was built, with that state."""

    def __init__(self):
        self.dir = tempfile.mkdtemp(prefix="bloomery-kit-")
        self.state = os.path.join(self.dir, "state")
        suite.on_exit(lambda: shutil.rmtree(self.dir))
        keep = {k: v for k, v in os.environ.items() if not k.startswith("BLOOMERY_")}
        self.env = dict(keep, BLOOMERY_STATE=self.state, BLOOMERY_SHARE_DIR=ROOT, PATH=f"{BUILD}:{os.environ['PATH']}")

    def path(self, *parts):
        return os.path.join(self.dir, *parts)

    def run(self, *argv):
        """(status, standard output, standard error)"""
        p = subprocess.run(argv, cwd=self.dir, env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=120, check=False, text=True)
        return p.returncode, p.stdout, p.stderr

    def kit(self, *words, status=0):
        """Standard output and standard error, together."""
        got, out, errors = self.run("bloomeryd", "kit", *words)
        equal(got, status, f"status of kit {' '.join(words)}, which said {out}{errors}")
        return out + errors

    def list(self):
        return json.loads(self.kit("list", "--json"))["kits"]

    def install(self, name, *words):
        data, file = packed(name)
        with open(self.path(file), "wb") as f:
            f.write(data)
        return self.kit("install", file, "--sha256", hashlib.sha256(data).hexdigest(), *words)

    def left(self):
        """What lies in STATE/kits besides the lock."""
        try:
            return sorted(set(os.listdir(os.path.join(self.state, "kits"))) - {"lock"})
        except FileNotFoundError:
            return []


def packed(name):
    """A kit of tests/kits, packed by tests/kits/pack: its bytes and a file name."""
    with tempfile.TemporaryDirectory(prefix="bloomery-kit-") as d:
        out = os.path.join(d, f"{name}.tar.gz")
        p = subprocess.run([os.path.join(KITS, "pack"), os.path.join(KITS, name), out], stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=60, check=False, text=True)
        equal(p.returncode, 0, f"status of tests/kits/pack, which said {p.stderr}")
        with open(out, "rb") as f:
            data = f.read()
        equal(p.stdout, hashlib.sha256(data).hexdigest() + "\n", "what tests/kits/pack prints")
        return data, f"{name}.tar.gz"


def tar_of(files, mode="w:xz"):
    """{name: text, or (text, mode), or a tarfile.TarInfo} as an archive."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode, format=tarfile.GNU_FORMAT) as t:
        for name, what in files.items():
            if isinstance(what, tarfile.TarInfo):
                t.addfile(what)
                continue
            text, bits = what if isinstance(what, tuple) else (what, 0o644)
            info = tarfile.TarInfo(name)
            info.size, info.mode = len(text.encode()), bits
            t.addfile(info, io.BytesIO(text.encode()))
    return out.getvalue()


def names():
    return sorted(n for n in os.listdir(KITS) if os.path.isdir(os.path.join(KITS, n)))


# --- the schema ---


@suite.test
def test_the_schema_and_the_program_agree():
    import jsonschema  # Debian's python3-jsonschema

    schema = json.loads(read("schema/kit.schema.json"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    cases = json.loads(read("tests/unit/data/kits/cases.json"))  # tests/unit/test_kits.c holds the program to them
    check(len(cases) > 40, "tests/unit/data/kits/cases.json has few cases")
    for case in cases:
        equal(validator.is_valid(case["kit"]), case["valid"], f"the schema's verdict on {json.dumps(case['kit'])}")
    for name in names():
        validator.validate(json.loads(read("tests/kits", name, "kit.json")))


@suite.test
def test_our_kits_use_every_field_and_the_page_names_them():
    properties = set(json.loads(read("schema/kit.schema.json"))["properties"])
    used = set().union(*(json.loads(read("tests/kits", n, "kit.json")) for n in names()))
    equal(sorted(used), sorted(properties), "fields that the kits of tests/kits use")
    table = page().split("## kit.json, field by field")[1].split("\n## ")[0]
    equal(sorted(re.findall(r"^\| `([$\w]+)` \|", table, flags=re.M)), sorted(properties), "fields of docs/kits.md")


# --- the command ---


@suite.test
def test_install_list_remove():
    h = Here()
    check("no kit is installed" in h.kit("list"), "an empty list says nothing")
    equal(h.list(), [], "the list of nothing")
    check(not os.path.exists(h.state), "looking made a state folder")
    said = h.install("wasm-host")
    sha = h.list()[0]["sha256"]
    check(f"installed wasm-host 1.0 (sha256 {sha[:12]}), for kit-wasm" in said, "what install says", said)
    check("there is no profile kit-wasm here" in said, "no remark on a profile that does not exist", said)
    h.install("elf-host")
    kits = {k["name"]: k for k in h.list()}
    equal(sorted(kits), ["elf-host", "wasm-host"], "the kits that are installed")
    k = kits["elf-host"]
    equal((k["version"], k["profiles"], k["link"]), ("2.0-test", ["kit-elf", "kit-ar"], None), "elf-host in the list")
    equal(k["allowed_undefined_files"], ["abi/libc", "abi/libm"], "its files in the list")
    check(k["size"] > 0 and k["installed_at"] > "2020", "size and time of elf-host", k)
    equal(kits["wasm-host"]["link"], "bin/link", "wasm-host's link entry point in the list")
    text = h.kit("list")
    for word in ("wasm-host", "1.0", sha[:12], "kit-elf, kit-ar", "KiB", "link: bin/link", "symbols: abi/libm"):
        check(word in text, f"the list lacks {word}", text)
    check("already installed" in h.install("wasm-host"), "the second time nothing is said")
    folder = kits["wasm-host"]["folder"]
    equal(os.path.basename(folder), sha, "the folder's name")
    equal(os.stat(f"{folder}/bin/link").st_mode & 0o777, 0o555, "mode of the executable")
    equal(os.stat(f"{folder}/kit.json").st_mode & 0o777, 0o444, "mode of a file")
    equal(os.readlink(f"{folder}/sysroot/lib/mark"), "wasm32/mark", "a symbolic link of the kit")
    check("removed wasm-host 1.0" in h.kit("remove", "wasm-host"), "remove says nothing")
    equal([k["name"] for k in h.list()], ["elf-host"], "what is left")
    said = h.kit("remove", "wasm-host", status=1)
    check("no kit 'wasm-host' is installed" in said and "elf-host (" in said, "removing what is not there", said)
    h.kit("remove", h.list()[0]["sha256"][:12])
    equal(h.left(), [], "what the last removal left")


@suite.test
def test_the_profile_s_image_is_stale():
    h = Here()
    profiles = h.path("profiles")
    for name, more in (("takes", {"kit": {"name": "k", "required": False, "doc": "x"}}), ("takes-none", {})):
        os.makedirs(f"{profiles}/{name}")
        profile = dict(json.loads(read("workers/profiles/wasm/profile.json")), name=name, **more)
        with open(f"{profiles}/{name}/profile.json", "w", encoding="utf-8") as f:
            json.dump(profile, f)
        with open(f"{profiles}/{name}/Dockerfile", "w", encoding="utf-8") as f:
            f.write("FROM scratch\n")
    h.env["BLOOMERY_PROFILE_DIRS"] = profiles
    data = tar_of({"kit.json": json.dumps({"name": "k", "version": "1", "profile": ["takes", "takes-none", "later"]})})
    with open(h.path("k.tar.xz"), "wb") as f:
        f.write(data)
    said = h.kit("install", "k.tar.xz", f"--sha256={hashlib.sha256(data).hexdigest().upper()}")
    check("next: bloomeryd images build takes\n" in said, "install does not say what is next", said)
    check("profile takes-none takes no kit" in said and "no profile later here" in said, "no remarks", said)
    said = h.kit("remove", "k")
    check("next: bloomeryd images build takes\n" in said, "remove does not say what is next", said)
    check("later" not in said and "takes-none" not in said, "remove talks of profiles without the kit", said)


@suite.test
def test_another_kit_takes_the_place():
    h = Here()
    h.install("elf-host")
    data = tar_of({"top/kit.json": json.dumps({"name": "new", "version": "1", "profile": "kit-elf"})}, "w:gz")
    with open(h.path("new.tgz"), "wb") as f:
        f.write(data)
    said = h.kit("install", "--sha256", hashlib.sha256(data).hexdigest(), "new.tgz")
    check("removed elf-host 2.0-test" in said, "the one before goes unsaid", said)
    check("profile kit-ar has no kit any more" in said and "kit-elf has no kit" not in said,
          "what has lost its kit", said)
    equal([k["name"] for k in h.list()], ["new"], "what is installed")
    equal(len(h.left()), 1, "folders in STATE/kits")


@suite.test
def test_refusals_leave_nothing():
    h = Here()
    good = {"name": "a", "version": "1", "profile": "x"}
    link = tarfile.TarInfo("sysroot")
    link.type, link.linkname = tarfile.SYMTYPE, "/usr"
    fifo = tarfile.TarInfo("pipe")
    fifo.type = tarfile.FIFOTYPE
    cases = (
        ({"kit.json": json.dumps(dict(good, lnk="bin/link"))}, "bad.tar.xz: kit.json: lnk is not known"),
        ({"kit.json": json.dumps(dict(good, link="bin/link"))}, "there is no file bin/link in the kit"),
        ({"kit.json": json.dumps(dict(good, link="bin/link")), "bin/link": "x"}, "is not executable"),
        ({"kit.json": json.dumps(dict(good, allowed_undefined_files=["abi"]))}, "there is no file abi"),
        ({"a/b/kit.json": json.dumps(good)}, "there is no kit.json at the root of the archive"),
        ({"kit.json": json.dumps(good), "../x": "x"}, "'..'"),
        ({"kit.json": json.dumps(good), "/etc/x": "x"}, "absolute"),
        ({"kit.json": json.dumps(good), "sysroot": link}, "is a symbolic link to an absolute path"),
        ({"kit.json": json.dumps(good), "pipe": fifo}, "device, fifo or socket"),
        ({"kit.json": "name: a"}, "not JSON"),
    )
    heard = []
    for files, words in cases:
        data = tar_of(files)
        with open(h.path("bad.tar.xz"), "wb") as f:
            f.write(data)
        said = h.kit("install", "bad.tar.xz", "--sha256", hashlib.sha256(data).hexdigest(), status=1)
        heard.append(said)
        check(words in said, f"the message lacks '{words}'", said)
        check("Cargo" not in said and "crate" not in said, "the message talks of crates", said)
        equal(h.left(), [], f"what the refusal of '{words}' left")
    data, file = packed("wasm-host")
    with open(h.path(file), "wb") as f:
        f.write(data[:-100])
    cut, whole = hashlib.sha256(data[:-100]).hexdigest(), hashlib.sha256(data).hexdigest()
    said = h.kit("install", file, "--sha256", whole, status=1)
    heard.append(said)
    check(f"has sha256 {cut}, expected {whole}" in said, "a cut archive", said)
    said = h.kit("install", file, "--sha256", cut, status=1)  # the right sha256 of half a kit
    check("cut short" in said, "a cut archive with its sha256", said)
    with open(h.path(file), "wb") as f:
        f.write(data)
    for limit, value in (("max_files", "3"), ("max_unpacked_bytes", "100"), ("max_body_bytes", "100")):
        flag = "--" + limit.replace("_", "-")
        heard.append(h.kit("install", file, "--sha256", whole, flag, value, status=1))
        check(limit in heard[-1] and "--max-" in heard[-1], f"beyond {limit}", heard[-1])
    equal(h.left(), [], "what the refusals left")
    said = h.kit("install", "nowhere.tar", "--sha256", whole, status=1)
    check("cannot open nowhere.tar" in said, "a file that is not there", said)
    # What the page says of refusals is what was said.
    rows = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", part("## When it is refused"), flags=re.M)[1:]
    rows = [row for row in rows if "`images build`" not in row]  # those need an Engine: tests/integration/kits_page_test.py
    check(len(rows) > 5, "docs/kits.md tells of few refusals", rows)
    for row in rows:
        pieces = re.split(r"\.\.\.|NAME", row)
        check(any(all(p.strip() in said for p in pieces) for said in heard), f"nothing says '{row}'", *heard)


@suite.test
def test_bad_calls():
    h = Here()
    sha = "0" * 64
    for words, wanted in (
        ((), "kit install FILE --sha256 HEX"), (("instal",), "kit install FILE"), (("install",), "kit install FILE"),
        (("install", "k.tar"), "needs --sha256"), (("install", "k.tar", "--sha256"), "kit install FILE"),
        (("install", "k.tar", "--sha256", sha, "more"), "kit install FILE"),
        (("install", "k.tar", "--sha256", sha, "--force"), "there is no flag '--force'"),
        (("list", "--all"), "there is no flag '--all'"), (("list", "x"), "kit install FILE"),
        (("remove",), "kit install FILE"), (("remove", "a", "b"), "kit install FILE"),
        (("remove", "--all"), "there is no flag '--all'"),
    ):
        said = h.kit(*words, status=2)
        check(wanted in said, f"kit {' '.join(words)} does not say '{wanted}'", said)
    check("64 digits" in h.kit("install", "k.tar", "--sha256", "abc", status=1), "half a sha256")
    check(not h.left(), "bad calls left something", h.left())
    for words in ("kit install FILE --sha256 HEX", "kit list [--json]", "kit remove NAME"):
        check(words in h.run("bloomeryd", "--help")[1], f"--help lacks {words}")


@suite.test
def test_a_killed_install_is_swept():
    h = Here()
    left = os.path.join(h.state, "kits", "tmp-Ab12Cd", "src")
    os.makedirs(left)
    os.chmod(left, 0o555)
    equal(h.list(), [], "what a killed install shows")
    h.install("wasm-host")
    equal(h.left(), [h.list()[0]["sha256"]], "what is in STATE/kits")


# --- the page ---


def blocks(text):
    """The indented blocks of a part of the page, each as lines for a shell."""
    return [textwrap.dedent(b) for b in re.findall(r"(?:^(?: {4}.*)?\n)+", text, flags=re.M) if b.strip()]


def part(heading):
    text = page().split(f"\n{heading}\n")
    equal(len(text), 2, f"headings '{heading}' of docs/kits.md")
    level = heading.split(" ")[0]
    return re.split(rf"^#{{1,{len(level)}}} ", text[1], flags=re.M)[0]


def shell(h, script, **env):
    p = subprocess.run(["bash", "-euo", "pipefail", "-c", script], cwd=h.dir, env=dict(h.env, **env), timeout=120,
                       stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, text=True)
    equal(p.returncode, 0, f"status of a block of docs/kits.md ({script[:60]}...), which said {p.stdout}")
    return p.stdout


def tree(h, name, *files):
    """Somebody's built tree, as far as the page copies of it."""
    for file in files:
        path = h.path(name, file)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            f.write("# made by a test\nmalloc T\nenviron B 8\n")
    return h.path(name)


TREES = {
    "### lind-glibc, for `lind`": (
        "LIND", [f"src/glibc/sysroot/{n}" for n in ("lib/wasm32-wasi/crt1.o", "lib/wasm32-wasi/libc.a", "lib/wasm32-wasi/libpthread.a",
                                                    "include/wasm32-wasi/stdio.h")] + ["tools/binaryen/bin/wasm-opt"],
        "lind-glibc", ["lind"]),
    "### Genode, for `genode`": (
        "GENODE", ["repos/base/lib/symbols/ld", "repos/base/src/ld/genode_dyn.ld", "repos/base/src/ld/genode_dyn.dl"]
        + [f"repos/libports/lib/symbols/{n}" for n in ("libc", "libm", "posix")], "genode-abi", ["genode"]),
    "### Unikraft, for `unikraft` and `unikraft-modern`": (
        "UK", ["build/app.o", "build/libkvmplat.o", "build/libkvmplat/link64.lds", "unikraft/support/scripts/mkbootinfo.py",
               "unikraft/support/scripts/multiboot.py"], "unikraft-kvm", ["unikraft", "unikraft-modern"]),
}


@suite.test
def test_the_page_s_kits_can_be_packed_and_installed():
    for heading, (variable, files, name, profiles) in TREES.items():
        h = Here()
        # What begins in a checkout needs an Engine (tests/integration/lind_test.py).
        scripts = [b for b in blocks(part(heading)) if "tests/kits/" not in b]
        check(scripts, f"no commands in '{heading}'")
        upstream = tree(h, "upstream", *files)
        for script in scripts:
            shell(h, script, **{variable: upstream, "APP": "app"})  # Unikraft's: the library of its application
        pack, server = blocks(part("## Packing one"))
        told = shell(h, pack).split()[0]
        said = shell(h, server)
        check(f"installed {name} " in said and f"sha256 {told[:12]}" in said, f"{name} is not installed", said)
        kit = h.list()[0]
        equal((kit["name"], kit["sha256"], kit["profiles"]), (name, told, profiles), "the kit that the page packs")
        # Every file that the page's table calls needed is in it.
        table = [c for line in part(heading).splitlines() if line.startswith("|") for c in [line.split("|")[1]]]
        first = re.findall(r"`([\w./-]+)`", " ".join(table[2:3]))
        check(first, f"the table of '{heading}' names no file")
        inside = {os.path.relpath(os.path.join(d, f), kit["folder"])
                  for d, _, names_ in os.walk(kit["folder"]) for f in names_}
        for path in first:
            base = os.path.basename(path.rstrip("/"))
            check(any(base in i.split("/") for i in inside), f"{path} of '{heading}' is not in the kit", sorted(inside))
        # The same files, the same archive.
        equal(shell(h, pack).split()[0], told, "the sha256 of packing again")


@suite.test
def test_the_page_s_other_commands_are_calls():
    shown = "\n".join(blocks(part("## Installing, listing, removing")))
    lines = [line for line in shown.splitlines() if line.strip()]
    check(len(lines) == 4 and all(line.startswith("bloomeryd ") for line in lines), "the commands shown", lines)
    h = Here()
    h.install("wasm-host")
    data, _ = packed("wasm-host")
    with open(h.path("my-kit.tar.gz"), "wb") as f:
        f.write(data)
    tried = 0
    for line in lines:
        words = re.split(r" {2,}", line)[0].split()
        if words[1] == "images":  # needs an Engine; what --help knows of it
            check("bloomeryd images build" in h.run("bloomeryd", "--help")[1], "there is no images build")
            continue
        words = [{"0123...ef": hashlib.sha256(data).hexdigest(), "NAME": "wasm-host", "[--json]": "--json"}.get(w, w)
                 for w in words]
        equal(h.run(*words)[0], 0, f"status of {' '.join(words)}")
        tried += 1
    equal(tried, 3, "commands that were tried")


suite.needs_programs()
suite.main()
