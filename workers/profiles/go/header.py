"""header.py - what a C header declares, from clang's own reading of it.

Only what stands in the header's folder counts: not what it includes of the C library.
"""

import json
import os
import re
import subprocess
import sys

CLANG = "clang-19"
QUALIFIERS = re.compile(r"\b(const|volatile|restrict|__restrict|_Nonnull|_Nullable)\b")


class HeaderError(Exception):
    pass


class Function:
    """result and the parameters' types are text as C has it; doc is lines."""

    def __init__(self, node):
        self.name, self.variadic, self.doc = node["name"], node.get("variadic", False), comment_of(node)
        text = node["type"]["qualType"]
        self.result, _, rest = text.partition("(")
        self.result = self.result.strip()
        self.odd = rest.startswith("*")  # it returns a pointer to a function
        params = [n for n in node.get("inner", []) if n["kind"] == "ParmVarDecl"]
        self.params = [(p.get("name", ""), p["type"]["qualType"]) for p in params]


class Record:
    """fields is None where the header does not say what is inside."""

    def __init__(self, name, is_union):
        self.name, self.is_union, self.fields, self.c_name, self.doc = name, is_union, None, None, []


class Header:
    def __init__(self, path, folder):
        """folder: what lies in it, or beneath it, is the header's own."""
        sys.setrecursionlimit(20000)
        self.functions, self.variables, self.records, self.typedefs, self.enums = [], [], {}, {}, {}
        self.constants, self.own = [], set()
        self.folder, self.file, self.by_id, self.seen = os.path.realpath(folder), "", {}, set()
        r = subprocess.run([CLANG, "-x", "c", "-std=gnu11", "-fsyntax-only", "-fparse-all-comments", "-Xclang",
                            "-ast-dump=json", f"-I{folder}", path],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False)
        if r.returncode != 0:
            said = r.stderr.decode("utf-8", "replace")
            first = next((line for line in said.splitlines() if "error: " in line), said.strip())
            raise HeaderError(first.replace(" fatal error: ", " ").replace(" error: ", " "))
        for node in json.loads(r.stdout)["inner"]:
            self.follow({k: v for k, v in node.items() if k == "loc"})
            own = self.is_own(self.file)
            self.follow({k: v for k, v in node.items() if k != "loc"})
            self.declare(node, own)
        for folder, _, files in sorted(os.walk(folder)):
            for file in sorted(files):
                with open(os.path.join(folder, file), encoding="utf-8", errors="replace") as f:
                    self.find_macros(f.read())

    def is_own(self, file):
        return os.path.realpath(file).startswith(self.folder + "/")

    def follow(self, node):
        """clang names a file only where it is another than the one before: in the order of the dump."""
        if isinstance(node, dict):
            if isinstance(node.get("file"), str):
                self.file = node["file"]
            for key, value in node.items():
                if key != "includedFrom":
                    self.follow(value)
        elif isinstance(node, list):
            for value in node:
                self.follow(value)

    def declare(self, node, own):
        kind, name = node["kind"], node.get("name")
        if kind == "TypedefDecl":
            self.typedef(node, own)
        elif kind == "RecordDecl":
            self.record(node, own)
        elif kind == "EnumDecl" and own:
            constants = [(c["name"], comment_of(c)) for c in node.get("inner", []) if c["kind"] == "EnumConstantDecl"]
            self.by_id[node["id"]] = constants
            self.enums[name or ""] = self.enums.get(name or "", []) + constants
        elif kind == "FunctionDecl" and own and name not in self.seen:
            if node.get("storageClass") != "static" and not node.get("inline"):
                self.seen.add(name)
                self.functions.append(Function(node))
        elif kind == "VarDecl" and own and node.get("storageClass") == "extern" and name not in self.seen:
            self.seen.add(name)
            self.variables.append(name)

    def record(self, node, own):
        name = node.get("name") or f"#{node['id']}"
        record = self.records.get(name) or Record(name, node.get("tagUsed") == "union")
        self.records[name] = self.by_id[node["id"]] = record
        if node.get("name"):
            record.c_name = f"{node['tagUsed']} {name}"
        if own:
            self.own.add(name)
        if node.get("completeDefinition"):
            record.doc = comment_of(node)
            fields = [n for n in node.get("inner", []) if n["kind"] == "FieldDecl"]
            plain = all(f.get("name") and not f.get("isBitfield") for f in fields) and fields
            strange = [n for n in node.get("inner", []) if n["kind"].endswith("Attr")]  # packed, aligned
            record.fields = [] if record.is_union or strange or not plain else \
                [(f["name"], f["type"]["qualType"]) for f in fields]

    def typedef(self, node, own):
        name, text = node["name"], node["type"]["qualType"]
        for inner in node.get("inner", []):
            owned = self.by_id.get(inner.get("ownedTagDecl", {}).get("id"))
            if isinstance(owned, Record) and owned.c_name is None:
                # typedef struct { ... } name;
                del self.records[owned.name]
                self.own.discard(owned.name)
                owned.name = owned.c_name = name
                self.records[name] = owned
                if own:
                    self.own.add(name)
                text = f"struct {name}"
            elif isinstance(owned, list) and text in (name, f"enum {name}"):
                self.enums[name] = owned
                self.enums.get("", [])[:] = [c for c in self.enums.get("", []) if c not in owned]
                text = f"enum {name}"
        if text not in (name,):
            self.typedefs[name] = text

    def find_macros(self, text):
        number = r"\(?-?(?:0[xX][0-9a-fA-F]+|[0-9]+(?:\.[0-9]+)?)[uUlL]*\)?"
        for m in re.finditer(rf"(?m)^[ \t]*#[ \t]*define[ \t]+([A-Za-z]\w*)[ \t]+{number}[ \t]*(?:/[/*].*)?$", text):
            if m[1] not in self.constants:
                self.constants.append(m[1])

    def symbols(self):
        return sorted({f.name for f in self.functions} | set(self.variables))


def comment_of(node):
    """The lines of the comment that stands at a declaration."""
    lines = []

    def walk(n):
        if n.get("kind") == "TextComment":
            lines.append(n.get("text", "").strip())
        elif n.get("kind") == "ParagraphComment" and lines and lines[-1]:
            lines.append("")
        for inner in n.get("inner", []):
            walk(inner)

    for inner in node.get("inner", []):
        if inner.get("kind") == "FullComment":
            walk(inner)
    while lines and not lines[-1]:
        lines.pop()
    return lines
