#!/usr/bin/env python3
"""Holds bloomery-inspect's numbers against those of wasm-objdump, readelf, nm, size, ar, c++filt and gzip.

    compare_inspect.py [--inspect PROGRAM] ARTIFACT...

One line an artifact; exits 1 if a number differs. Needs wabt for wasm, binutils for ELF and ar. The suites call
compare_file() for every artifact that they made (lib.py).
"""
import argparse
import collections
import gzip
import json
import os
import re
import subprocess
import sys


PAGE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "metadata.md")
SHOWN = 20  # functions, as inspect/sizes.h has it


def run(*argv):
    env = dict(os.environ, LC_ALL="C")
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env).stdout.decode(errors="replace")


def demangled(names):
    """As c++filt writes Rust's; others stay as they are."""
    names, plain = sorted(names), {}
    for i in range(0, len(names), 200):
        part = names[i:i + 200]
        plain.update(zip(part, run("c++filt", "-i", "-n", "-s", "rust", *part).splitlines()))
    return plain


class Comparison:
    def __init__(self):
        self.differences = []
        self.done = 0

    def same(self, what, ours, theirs):
        self.done += 1
        if ours != theirs:
            self.differences.append(f"{what}: bloomery-inspect {shorten(ours)}, the other {shorten(theirs)}")


    def among(self, what, ours, theirs):
        self.done += 1
        alien = [x for x in ours if x not in theirs]
        if alien:
            self.differences.append(f"{what}: the other does not have {shorten(alien)}")

    def sums(self, ours):
        """The sections add up to the file, the crates to the code."""
        sizes = ours["sizes"]
        self.same("sum of by_section", sum(x["bytes"] for x in sizes["by_section"]), ours["size"])
        if sizes["by_crate"] is not None:
            self.same("sum of by_crate", sum(x["bytes"] for x in sizes["by_crate"]), sizes["code_bytes"])
        for key, value in sizes.items():
            if isinstance(value, list):
                self.same(f"order of {key}", [x["bytes"] for x in value if x.get("name", x.get("crate")) != "(others)"],
                          sorted((x["bytes"] for x in value if x.get("name", x.get("crate")) != "(others)"), reverse=True))

    def sections(self, ours, theirs):
        """by_section against (name, bytes in the file) of another tool."""
        total = collections.Counter()
        for name, size in theirs:
            if size:
                total[name or "(no name)"] += size
        shown = {x["name"]: x["bytes"] for x in ours["sizes"]["by_section"] if x["bytes"]}
        for name in ("(outside sections)", "(others)"):
            shown.pop(name, None)
        self.same("by_section", shown, {n: total[n] for n in shown} if len(total) > len(shown) > 99 else dict(total))


def shorten(value):
    text = repr(value)
    return text if len(text) < 300 else text[:300] + "..."


# Objects whose keys are names out of the file, not fields.
KEYED = {"wasm": {"producers"}, "elf": {"relocations"}, "ar": {"tls"}}


def fields(report):
    """{field: the fields within it} of a report: "sizes" and its parts as "sizes.by_crate"."""
    found = {}

    def within(value):
        if isinstance(value, list):
            return set().union(*(within(x) for x in value)) if value else set()
        return set(value) if isinstance(value, dict) else set()
    for key, value in report.items():
        found[key] = set() if key in KEYED[report["kind"]] else within(value)
    found.update({"sizes." + key: within(value) for key, value in report["sizes"].items()})
    return found


def undocumented(report, page):
    """Fields of a report that docs/metadata.md does not name: in its section for the kind, and those within in their row."""
    sections = dict(re.findall(r"^## (.*)\n((?:(?!^## ).*\n)*)", page, re.M))
    rows = {}
    for title, prefix in (("Every kind", ""), ("Sizes", "sizes."), ({"wasm": "WebAssembly modules", "elf": "ELF files",
                                                                     "ar": "Archives"}[report["kind"]], "")):
        for line in sections.get(title, "").splitlines():
            if line.startswith("| `"):
                rows.update({prefix + name: line for name in re.findall(r"`(\w+)`", line.split(" | ")[0])})
    missing = []
    for field, parts in fields(report).items():
        if field not in rows:
            missing.append(field)
        elif field != "sizes":
            missing += [f"{field}: {part}" for part in parts if f"`{part}`" not in rows[field]]
    return missing


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
    c.sections(ours, [(next((k for k, v in OBJDUMP_SECTIONS.items() if v == name), name), size)
                      for name, size in wasm_sections(path)])
    c.same("imports", [(i["kind"], i["module"] + "." + i["name"]) for i in ours["imports"]], imports)
    c.same("signatures of imports", [re.sub(r"-> \((.+)\)$", r"-> (\1)", i["type"])
                                     for i in ours["imports"] if i["kind"] == "function"], signatures)
    exports = []
    for line in d["Export"]:
        m = re.match(r' - (\w+)\[\d+\](?: <.*>)? -> "(.*)"$', line)
        if m:
            exports.append((kinds.get(m[1], m[1]), m[2]))
    c.same("exports", [(e["kind"], e["name"]) for e in ours["exports"]], exports)
    signature = {m[1]: types[m[2]].replace("nil", "()") for m in
                 (re.match(r" - func\[(\d+)\] sig=(\d+)", line) for line in d["Import"] + d["Function"]) if m}
    exported = [m[1] for m in (re.match(r" - func\[(\d+)\](?: <.*>)? -> ", line) for line in d["Export"]) if m]
    c.same("signatures of exports", [re.sub(r"-> \((.+)\)$", r"-> (\1)", e["type"]) for e in ours["exports"]
                                     if e["kind"] == "function"], [signature[i] for i in exported])
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
        return sum(line.count(f" - {what}[") for line in d[section])  # of some globals no line ends
    c.same("functions", ours["functions"], {"imported": count("Import", "func"), "defined": count("Function", "func")})
    c.same("function bodies", ours["functions"]["defined"], count("Code", "func"))
    c.same("globals", ours["globals"], {"imported": count("Import", "global"), "defined": count("Global", "global")})
    sizes = [int(m[1]) for m in (re.match(r" - segment\[\d+\].* size=(\d+)", line) for line in d["Data"]) if m]
    c.same("data", ours["data"], {"segments": len(sizes), "bytes": sum(sizes)})
    c.same("tags", ours["tags"], {"imported": count("Import", "tag"), "defined": count("Tag", "tag")})
    entries = [int(m[1]) for m in (re.match(r" - segment\[\d+\].* count=(\d+)", line) for line in d["Elem"]) if m]
    c.same("elements", ours["elements"], {"segments": len(entries), "entries": sum(entries)})
    compare_wasm_sizes(ours, d, sizes, c)
    customs = wasm_customs(path)
    c.same("producers", ours["producers"], producers_of(customs.get("producers")))
    c.same("debug_info", ours["debug_info"], ".debug_info" in customs)
    c.same("relocatable", ours["relocatable"], "linking" in customs)
    c.same("names", ours["names"], "name" in customs)
    features = [m[1] + m[2] for m in (re.match(r"\s+- \[(.)\] (\S+)", line) for line in d["Custom"]) if m]
    if any("target_features" in line for line in d["Custom"]):
        c.same("features", ours["features"], features)
    c.same("start", ours["start"], bool(d["Start"]))


def compare_wasm_sizes(ours, d, segments, c):
    """Functions and data segments, by size and name."""
    said = ours["sizes"]
    code = [(int(m[1]), int(m[2])) for m in (re.match(r" - func\[(\d+)\] size=(\d+)", line) for line in d["Code"]) if m]
    c.same("sizes of functions", [f["bytes"] for f in said["largest_functions"]],
           sorted((size for _, size in code), reverse=True)[:SHOWN])
    names = dict((int(m[1]), m[2]) for m in (re.match(r" - func\[(\d+)\] <(.*)>$", line) for line in d["Custom"]) if m)
    c.same("named_functions", ours["named_functions"], len(names))
    c.same("module_name", ours["module_name"], next((m[1] for m in (re.match(r" - module <(.*)>$", line)
                                                                    for line in d["Custom"]) if m), None))
    c.same("by_crate is known", said["by_crate"] is not None, bool(names))
    if names:
        least = min((f["bytes"] for f in said["largest_functions"]), default=0)
        plain = demangled({names[i] for i, size in code if i in names and size >= least})
        known = {(plain[names[i]] if i in names else None, size) for i, size in code if size >= least}
        c.among("largest_functions", [(f["name"], f["bytes"]) for f in said["largest_functions"]
                                      if len(f["name"] or "") < 1000], known)
        c.same("functions of crates", sum(x["functions"] for x in said["by_crate"]), len(code))
        none = sum(x["bytes"] for x in said["by_crate"] if x["crate"] == "(none)")
        c.same("bytes of crates", said["code_bytes"] - none, sum(size for _, size in code))
    c.same("code_bytes", said["code_bytes"], sum(s["size"] for s in ours["sections"] if s["name"] == "code" and s["id"]))
    c.same("data_segments", [x["bytes"] for x in said["data_segments"]], sorted(segments, reverse=True)[:SHOWN])
    c.among("data_segments", [(x["index"], x["bytes"]) for x in said["data_segments"]], set(enumerate(segments)))


def leb(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at


def wasm_customs(path):
    """Contents of the custom sections by name: no tool prints what is in them."""
    with open(path, "rb") as f:
        data = f.read()
    found, at = {}, 8
    while at < len(data):
        id = data[at]
        size, at = leb(data, at + 1)
        if id == 0:
            n, start = leb(data, at)
            found.setdefault(data[start:start + n].decode(errors="replace"), data[start + n:at + size])
        at += size
    return found


def producers_of(data):
    if not data:
        return {}
    at = 0

    def text():
        nonlocal at
        n, start = leb(data, at)
        at = start + n
        return data[start:at].decode()
    found = {}
    fields, at = leb(data, at)
    for _ in range(fields):
        field = text()
        values, at = leb(data, at)
        found[field] = [{"name": text(), "version": text()} for _ in range(values)]
    return found


# --- ELF ---

def elf_header(path):
    return dict(m.groups() for m in re.finditer(r"^\s+([^:\n]+):\s+(.*)$", run("readelf", "-hW", path), re.M))


def elf_sections(path):
    found = []
    for line in run("readelf", "-SW", path).splitlines():
        m = re.match(r"\s*\[\s*(\d+)\] (.*)$", line)
        if not m or m[1] == "0":
            continue
        rest = re.match(r"(\S*)\s+(\S.*?)\s+[0-9a-f]{8,16} [0-9a-f]{6,} ([0-9a-f]{6,}) [0-9a-f]{2,} +([A-Za-z]*) ", m[2])
        if rest:
            found.append((rest[1], int(rest[3], 16), rest[2], rest[4]))
    return found


def stem(name):
    """.text.foo and .text.bar of an object are .text."""
    return re.sub(r"^(\.[^.]+)\..*", r"\1", name)


def symbol_tables(path):
    """For each file (an archive has many): how many entries its symbol table has, and its symbols."""
    tables, current = [], None
    for line in run("readelf", "-sW", path).splitlines():
        m = re.match(r"Symbol table '(.*)' contains (\d+) entr", line)
        if m:
            current = [] if m[1] == ".symtab" else None
            if current is not None:
                tables.append((int(m[2]), current))
            continue
        m = re.match(r"\s*\d+: ([0-9a-f]+)\s+(\d+|0x[0-9a-f]+) (\w+)\s+\w+\s+\w+\s+(?:\[.*\] +)?(\w+) (\S+)", line)
        if m and current is not None:
            current.append((m[3], m[4], int(m[1], 16), int(m[2], 0), m[5]))
    return tables


def own_spans(symbols, wanted, room=None):
    """(section, start, size, names) of the symbols of these types, one for each place, and the bytes that they cover. room: the
    sections' sizes, if they are known: a symbol that is larger than its section (musl's _init, as its shared library has it) is
    nobody's bytes."""
    places = {}
    for kind, section, start, size, name in symbols:
        if kind in wanted and size and section.isdigit() and (room is None or size <= room[int(section) - 1]):
            names = places.setdefault((int(section), start), {})
            names.setdefault(size, []).append(name)
    spans, covered, last = [], 0, (None, 0)
    for (section, start), names in sorted(places.items()):
        size = max(names)
        end = last[1] if last[0] == section else 0
        fresh = max(0, start + size - max(start, end))
        if fresh:
            spans.append((size, names[size]))
            covered += fresh
            last = (section, start + size)
    return spans, covered


def compare_elf_sizes(path, ours, sections, tables, c):
    """sections and tables of all the files that ours is of."""
    said = ours["sizes"]
    code = sum(size for name, size, kind, flags in sections if "X" in flags and "A" in flags and kind != "NOBITS")
    c.same("code_bytes", said["code_bytes"], code)
    c.same("by_crate is known", said["by_crate"] is not None, bool(tables))
    if said["by_crate"] is None:
        c.same("largest_functions", [said["largest_functions"], said["largest_data"]], [None, None])
        return
    functions, covered = [], 0
    for _, symbols in tables:
        spans, bytes = own_spans(symbols, ("FUNC", "IFUNC"), [s[1] for s in sections] if len(tables) == 1 else None)
        functions += spans
        covered += bytes
    functions.sort(key=lambda f: -f[0])
    c.same("sizes of functions", [f["bytes"] for f in said["largest_functions"]], [f[0] for f in functions[:SHOWN]])
    c.same("functions of crates", sum(x["functions"] for x in said["by_crate"]), len(functions))
    none = sum(x["bytes"] for x in said["by_crate"] if x["crate"] == "(none)")
    c.same("bytes of crates", said["code_bytes"] - none, covered)
    # What nm calls them, for its way of seeing them is another one.
    named = [(int(m[1], 16), m[2]) for m in re.finditer(r"^[0-9a-f]+ ([0-9a-f]+) [A-Za-z] (\S+)$",
                                                        nm(path, "-S", "--size-sort"), re.M)]
    least = min((x["bytes"] for x in said["largest_functions"] + said["largest_data"]), default=0)
    named = {n for n in named if n[0] >= least}
    plain = demangled({name for _, name in named})
    known = {(plain[name], size) for size, name in named}
    for key in ("largest_functions", "largest_data"):
        c.among(key, [(x["name"], x["bytes"]) for x in said[key] if len(x["name"]) < 1000], known)


def relocations(path):
    counts = collections.Counter()
    for line in run("readelf", "-rW", path).splitlines():
        m = re.match(r"[0-9a-f]{8,16}\s+[0-9a-f]{8,16}\s+(R_\w+)", line)
        if m:
            counts[m[1]] += 1
    return counts


def nm(path, *options):
    """Its lines. With a target named it leaves plugins alone, which fail on the bitcode of newer compilers."""
    with open(path, "rb") as f:
        wide = f.read(5)[4:] != b"\1"
    return run("nm", "--target=elf64-little" if wide else "--target=elf32-little", *options, path)


def externals(path, *options):
    """(type letter, name without version) of the external symbols."""
    found = []
    for line in nm(path, "-g", *options).splitlines():
        m = re.match(r"(?:[0-9a-f]+)?\s+(\w) (\S+)$", line)
        if m:
            found.append((m[1], m[2]))
    return found


def compare_elf(path, ours, c):
    head, dynamic, segments = elf_header(path), run("readelf", "-dW", path), run("readelf", "-lW", path)
    c.same("class", f"ELF{ours['class']}", head["Class"])
    c.same("type", ours["type"].upper(), head["Type"].split()[0])
    c.same("machine", {"x86_64": "Advanced Micro Devices X86-64", "aarch64": "AArch64",
                       "i386": "Intel 80386", "arm": "ARM"}.get(ours["machine"]), head["Machine"])
    sections = elf_sections(path)
    c.same("sections", [(s["name"], s["size"]) for s in ours["sections"]], [s[:2] for s in sections])
    c.sections(ours, [(stem(name) if ours["type"] == "rel" else name, size) for name, size, kind, _ in sections
                      if kind != "NOBITS"])
    tables = symbol_tables(path)
    c.same("symbols", ours["symbols"], tables[0][0] - 1 if tables else None)
    compare_elf_sizes(path, ours, sections, tables, c)
    c.same("producers", ours["producers"], re.findall(r"^  \[ *[0-9a-f]+\]  (.*)$", run("readelf", "-p", ".comment", path), re.M))

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
        symbols = externals(path, "-D")
    else:
        symbols = externals(path)
    defined = sorted(n.split("@")[0] for t, n in symbols if t not in "Uwv")
    undefined = sorted(n.split("@")[0] for t, n in symbols if t in "Uwv")
    if ours["type"] == "rel":  # nm calls those external that `ld -r --gc-sections` has made local, too
        local = set(re.findall(r"LOCAL\s+\w+\s+UND (\S+)$", run("readelf", "-sW", path), re.M))
        undefined = [n for n in undefined if n not in local]
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
    if file_says and "shared object" not in file_says:  # of a library it means that it needs no other; here it is for programs
        c.same("static", ours["static"], "statically linked" in file_says or "static-pie linked" in file_says)


# --- ar ---

def compare_ar(path, ours, c):
    names = run("ar", "t", path).splitlines()
    c.same("members", [m["name"] for m in ours["members"]], names)
    c.same("sizes of members", [m["size"] for m in ours["members"]],
           [int(line.split()[2]) for line in run("ar", "tv", path).splitlines()])
    c.same("by_member", sum(x["members"] for x in ours["sizes"]["by_member"]), len(names))
    c.same("bytes by_member", sum(x["bytes"] for x in ours["sizes"]["by_member"]), sum(m["size"] for m in ours["members"]))
    if ours["kinds"]["elf"] + ours["kinds"]["rmeta"] + ours["kinds"]["other"] != ours["members_count"]:
        return  # nm reads what we only count
    sections = elf_sections(path)
    c.sections(ours, [(stem(name), size) for name, size, kind, _ in sections if kind != "NOBITS"])
    compare_elf_sizes(path, ours, sections, symbol_tables(path), c)
    symbols = externals(path)
    defined = {n for t, n in symbols if t not in "Uwv"}
    c.same("defined", ours["defined"], sorted(defined, key=os.fsencode))
    c.same("undefined", ours["undefined"], sorted({n for t, n in symbols if t in "Uwv"} - defined, key=os.fsencode))
    strong = collections.Counter(n for t, n in symbols if t not in "UwvWVCu")
    c.same("duplicates", ours["duplicates"], sorted((n for n, k in strong.items() if k > 1), key=os.fsencode))
    tls = re.compile(r"TLS|TPOFF|DTPMOD|DTPREL|TPREL")
    c.same("tls", ours["tls"], {t: n for t, n in relocations(path).items() if tls.search(t)})


def compare_file(inspect, path):
    """(how many numbers were compared, sentences about those that differ) of an artifact."""
    with open(path, "rb") as f:
        # A pipe for its output: the sandbox forbids files.
        done = subprocess.run([inspect, "auto"], stdin=f, stdout=subprocess.PIPE)
    c = Comparison()
    if done.returncode != 0:
        c.differences.append(f"bloomery-inspect ended with {done.returncode}: {done.stdout.decode()[:200].strip()}")
        return c.done, c.differences
    ours = json.loads(done.stdout)
    with open(path, "rb") as f:
        data = f.read()
    c.same("size", ours["size"], len(data))
    c.same("gzip_level", ours["gzip_level"], 9 if len(data) <= 8 << 20 else 1)
    if ours["gzip_level"] == 9:
        c.same("gzip_size", ours["gzip_size"], len(gzip.compress(data, 9)))
    else:  # libdeflate, in blocks: near to what gzip makes at the same level
        c.same("gzip_size", 0.85 < ours["gzip_size"] / len(gzip.compress(data, 1)) < 1.1, True)
    c.sums(ours)
    with open(PAGE, encoding="utf-8") as f:
        c.same("fields that docs/metadata.md lacks", undocumented(ours, f.read()), [])
    {"wasm": compare_wasm, "elf": compare_elf, "ar": compare_ar}[ours["kind"]](path, ours, c)
    return c.done, c.differences


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inspect", default="build/bloomery-inspect", help="the program (%(default)s)")
    parser.add_argument("artifact", nargs="+")
    args = parser.parse_args()
    failed = 0
    for path in args.artifact:
        done, differences = compare_file(args.inspect, path)
        print(f"  {'FAIL' if differences else 'ok  '}  {path} ({done} compared)")
        for text in differences:
            print(f"        {text}")
        failed += bool(differences)
    print(f"compare_inspect: {len(args.artifact) - failed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
