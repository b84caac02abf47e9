#!/usr/bin/env python3
"""Holds bloomery-inspect's numbers against those of wasm-objdump, readelf, nm, size, ar and gzip.

    compare_inspect.py [--inspect PROGRAM] ARTIFACT...

One line an artifact; exits 1 if a number differs. Needs wabt for wasm, binutils for ELF and ar.
"""
import argparse
import collections
import gzip
import json
import os
import re
import subprocess
import sys


def run(*argv):
    env = dict(os.environ, LC_ALL="C")
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env).stdout.decode(errors="replace")


class Comparison:
    def __init__(self):
        self.differences = []
        self.done = 0

    def same(self, what, ours, theirs):
        self.done += 1
        if ours != theirs:
            self.differences.append(f"{what}: bloomery-inspect {shorten(ours)}, the other {shorten(theirs)}")


def shorten(value):
    text = repr(value)
    return text if len(text) < 300 else text[:300] + "..."


# --- wasm ---

OBJDUMP_SECTIONS = {"type": "Type", "import": "Import", "function": "Function", "table": "Table", "memory": "Memory",
                    "global": "Global", "export": "Export", "start": "Start", "element": "Elem", "code": "Code",
                    "data": "Data", "data_count": "DataCount", "tag": "Tag"}


def wasm_sections(path):
    found = []
    for line in run("wasm-objdump", "-h", path).splitlines():
        m = re.match(r'\s*(\w+) start=0x\w+ end=0x\w+ \(size=0x(\w+)\)(?: "(.*)")?', line)
        if m:
            found.append((m[3] if m[1] == "Custom" else m[1], int(m[2], 16)))
    return found


def wasm_details(path):
    """Lines of wasm-objdump -x by section."""
    sections, name = collections.defaultdict(list), None
    for line in run("wasm-objdump", "-x", path).splitlines():
        m = re.match(r"(\w+)(\[\d+\])?:(.*)", line)
        if m and not line.startswith(" "):
            name = m[1]
            if m[3].strip():
                sections[name].append(m[3])
        elif name:
            sections[name].append(line)
    return sections


def compare_wasm(path, ours, c):
    c.same("sections", [(s["name"] if s["id"] == 0 else OBJDUMP_SECTIONS[s["name"]], s["size"])
                        for s in ours["sections"]], wasm_sections(path))
    d = wasm_details(path)
    types = dict(re.match(r" - type\[(\d+)\] (.*)", t).groups() for t in d["Type"] if t.startswith(" - type["))
    kinds = {"func": "function"}
    imports, signatures, memories, tables = [], [], [], []
    for line in d["Import"]:
        m = re.match(r" - (\w+)\[\d+\] (?:.*)<- (.*)$", line)
        if m:
            imports.append((kinds.get(m[1], m[1]), m[2]))
        m = re.match(r" - func\[\d+\] sig=(\d+)", line)
        if m:
            signatures.append(types[m[1]].replace("nil", "()"))
    c.same("imports", [(i["kind"], i["module"] + "." + i["name"]) for i in ours["imports"]], imports)
    c.same("signatures of imports", [re.sub(r"-> \((.+)\)$", r"-> (\1)", i["type"])
                                     for i in ours["imports"] if i["kind"] == "function"], signatures)
    exports = []
    for line in d["Export"]:
        m = re.match(r' - (\w+)\[\d+\](?: <.*>)? -> "(.*)"$', line)
        if m:
            exports.append((kinds.get(m[1], m[1]), m[2]))
    c.same("exports", [(e["kind"], e["name"]) for e in ours["exports"]], exports)
    for line in d["Import"] + d["Memory"]:
        m = re.match(r" - memory\[\d+\] pages: initial=(\d+)(?: max=(\d+))?( shared)?( i64)?", line)
        if m:
            memories.append((int(m[1]), int(m[2]) if m[2] else None, bool(m[3]), bool(m[4])))
    c.same("memories", [(m["min"], m["max"], m["shared"], m["memory64"]) for m in ours["memories"]], memories)
    for line in d["Import"] + d["Table"]:
        m = re.match(r" - table\[\d+\] (?:type=(\w+)|elem_type=(\w+)) (?:init=|initial=)(\d+)(?: max=(\d+))?", line)
        if m:
            tables.append((m[1] or m[2], int(m[3]), int(m[4]) if m[4] else None))
    c.same("tables", [(t["type"], t["min"], t["max"]) for t in ours["tables"]], tables)

    def count(section, what):
        return sum(1 for line in d[section] if line.startswith(f" - {what}["))
    c.same("functions", ours["functions"], {"imported": count("Import", "func"), "defined": count("Function", "func")})
    c.same("function bodies", ours["functions"]["defined"], count("Code", "func"))
    c.same("globals", ours["globals"], {"imported": count("Import", "global"), "defined": count("Global", "global")})
    sizes = [int(m[1]) for m in (re.match(r" - segment\[\d+\].* size=(\d+)", line) for line in d["Data"]) if m]
    c.same("data", ours["data"], {"segments": len(sizes), "bytes": sum(sizes)})
    features = [m[1] + m[2] for m in (re.match(r"\s+- \[(.)\] (\S+)", line) for line in d["Custom"]) if m]
    if any("target_features" in line for line in d["Custom"]):
        c.same("features", ours["features"], features)
    c.same("start", ours["start"], bool(d["Start"]))


# --- ELF ---

def elf_header(path):
    return dict(m.groups() for m in re.finditer(r"^\s+([^:\n]+):\s+(.*)$", run("readelf", "-hW", path), re.M))


def elf_sections(path):
    found = []
    for line in run("readelf", "-SW", path).splitlines():
        m = re.match(r"\s*\[\s*(\d+)\] (.*)$", line)
        if not m or m[1] == "0":
            continue
        rest = re.match(r"(\S*)\s+(\S.*?)\s+[0-9a-f]{8,16} [0-9a-f]{6,} ([0-9a-f]{6,}) ", m[2])
        if rest:
            found.append((rest[1], int(rest[3], 16)))
    return found


def relocations(path):
    counts = collections.Counter()
    for line in run("readelf", "-rW", path).splitlines():
        m = re.match(r"[0-9a-f]{8,16}\s+[0-9a-f]{8,16}\s+(R_\w+)", line)
        if m:
            counts[m[1]] += 1
    return counts


def nm(path, *options):
    """(type letter, name without version) of the external symbols."""
    found = []
    for line in run("nm", "-g", *options, path).splitlines():
        m = re.match(r"(?:[0-9a-f]+)?\s+(\w) (\S+)$", line)
        if m:
            found.append((m[1], m[2]))
    return found


def compare_elf(path, ours, c):
    head, dynamic, segments = elf_header(path), run("readelf", "-dW", path), run("readelf", "-lW", path)
    c.same("class", f"ELF{ours['class']}", head["Class"])
    c.same("type", ours["type"].upper(), head["Type"].split()[0])
    c.same("machine", {"x86_64": "Advanced Micro Devices X86-64", "aarch64": "AArch64",
                       "i386": "Intel 80386"}.get(ours["machine"]), head["Machine"])
    c.same("sections", [(s["name"], s["size"]) for s in ours["sections"]], elf_sections(path))

    def one(pattern, text):
        m = re.search(pattern, text)
        return m[1] if m else None
    c.same("interp", ours["interp"], one(r"Requesting program interpreter: (.*)\]", segments))
    c.same("needed", ours["needed"], re.findall(r"\(NEEDED\)\s+Shared library: \[(.*)\]", dynamic))
    c.same("soname", ours["soname"], one(r"\(SONAME\)\s+Library soname: \[(.*)\]", dynamic))
    c.same("runpath", ours["runpath"], one(r"\((?:RUNPATH|RPATH)\)\s+Library \w+: \[(.*)\]", dynamic))
    c.same("build_id", ours["build_id"], one(r"Build ID: (\w+)", run("readelf", "-nW", path)))
    c.same("relocations", {k: v for k, v in ours["relocations"].items() if k != "RELR"}, dict(relocations(path)))
    if ours["type"] != "rel":
        tls = re.search(r"^\s+TLS\s+0x\w+ 0x\w+ 0x\w+ 0x\w+ 0x(\w+)\s+\w+\s+0x(\w+)", segments, re.M)
        c.same("tls", ours["tls"], {"size": int(tls[1], 16), "align": int(tls[2], 16)} if tls else None)
        stack = re.search(r"GNU_STACK\s+(?:0x\w+\s+){5}([RWE ]+?)\s+0x", segments)
        c.same("executable_stack", ours["executable_stack"], bool(stack and "E" in stack[1]))
        c.same("relro", ours["relro"] != "none", "GNU_RELRO" in segments)
        symbols = nm(path, "-D")
    else:
        symbols = nm(path)
    defined = sorted(n.split("@")[0] for t, n in symbols if t not in "Uwv")
    undefined = sorted(n.split("@")[0] for t, n in symbols if t in "Uwv")
    c.same("exports", sorted(ours["exports"]), defined)
    c.same("undefined", sorted(ours["undefined"]), undefined)
    size = run("size", path).splitlines()
    if len(size) == 2:
        c.same("sizes", [ours["text_size"], ours["data_size"], ours["bss_size"]], [int(n) for n in size[1].split()[:3]])
    needs = run("readelf", "-VW", path).partition("Version needs section")[2]  # not what it defines
    versions = [tuple(int(x) for x in v.split(".")) for v in re.findall(r"Name: GLIBC_([\d.]+)", needs)]
    floor = max(versions, default=None)
    c.same("libc_floor", ours["libc_floor"], "GLIBC_" + ".".join(map(str, floor)) if floor else None)
    names = [s["name"] for s in ours["sections"]]
    c.same("stripped", ours["stripped"], ".symtab" not in names)
    file_says = run("file", "-b", path)
    if file_says:
        c.same("static", ours["static"], "statically linked" in file_says or "static-pie linked" in file_says)


# --- ar ---

def compare_ar(path, ours, c):
    names = run("ar", "t", path).splitlines()
    c.same("members", [m["name"] for m in ours["members"]], names)
    c.same("sizes of members", [m["size"] for m in ours["members"]],
           [int(line.split()[2]) for line in run("ar", "tv", path).splitlines()])
    if ours["kinds"]["elf"] != ours["members_count"]:
        return  # nm reads what we only count
    symbols = nm(path)
    defined = {n for t, n in symbols if t not in "Uwv"}
    c.same("defined", ours["defined"], sorted(defined, key=os.fsencode))
    c.same("undefined", ours["undefined"], sorted({n for t, n in symbols if t in "Uwv"} - defined, key=os.fsencode))
    strong = collections.Counter(n for t, n in symbols if t not in "UwvWVCu")
    c.same("duplicates", ours["duplicates"], sorted((n for n, k in strong.items() if k > 1), key=os.fsencode))
    tls = re.compile(r"TLS|TPOFF|DTPMOD|DTPREL|TPREL")
    c.same("tls", ours["tls"], {t: n for t, n in relocations(path).items() if tls.search(t)})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inspect", default="build/bloomery-inspect", help="the program (%(default)s)")
    parser.add_argument("artifact", nargs="+")
    args = parser.parse_args()
    failed = 0
    for path in args.artifact:
        with open(path, "rb") as f:
            # A pipe for its output: the sandbox forbids files.
            done = subprocess.run([args.inspect, "auto"], stdin=f, stdout=subprocess.PIPE)
        c = Comparison()
        if done.returncode != 0:
            c.differences.append(f"bloomery-inspect ended with {done.returncode}: {done.stdout.decode()[:200].strip()}")
        else:
            ours = json.loads(done.stdout)
            with open(path, "rb") as f:
                data = f.read()
            c.same("size", ours["size"], len(data))
            if len(data) < 16 << 20:
                c.same("gzip_size", ours["gzip_size"], len(gzip.compress(data, 9)))
            {"wasm": compare_wasm, "elf": compare_elf, "ar": compare_ar}[ours["kind"]](path, ours, c)
        print(f"  {'FAIL' if c.differences else 'ok  '}  {path} ({c.done} compared)")
        for text in c.differences:
            print(f"        {text}")
        failed += bool(c.differences)
    print(f"compare_inspect: {len(args.artifact) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
