"""types_of.py - what C's types are in Go, and how a value gets from one to the other."""

import re

from header import QUALIFIERS

# C's name: (Go's type, cgo's name). Both machines are of 64 bits; where cgo's types differ between them (char), the wrapper
# has one for both.
SCALARS = {
    "char": ("byte", "char"), "signed char": ("int8", "schar"), "unsigned char": ("byte", "uchar"),
    "short": ("int16", "short"), "unsigned short": ("uint16", "ushort"), "int": ("int32", "int"),
    "unsigned int": ("uint32", "uint"), "unsigned": ("uint32", "uint"), "long": ("int64", "long"),
    "unsigned long": ("uint64", "ulong"), "long long": ("int64", "longlong"), "unsigned long long": ("uint64", "ulonglong"),
    "float": ("float32", "float"), "double": ("float64", "double"), "_Bool": ("bool", "_Bool"), "bool": ("bool", "_Bool"),
    "size_t": ("uint", "size_t"), "ssize_t": ("int", "ssize_t"), "intptr_t": ("int", "intptr_t"),
    "uintptr_t": ("uintptr", "uintptr_t"), "ptrdiff_t": ("int", "ptrdiff_t"),
    **{f"{u}int{n}_t": (f"{u}int{n}", f"{u}int{n}_t") for u in ("", "u") for n in (8, 16, 32, 64)},
}
LENGTHS = ("size_t", "uintptr_t")
KEYWORDS = set("""break default func interface select case defer go map struct chan else goto package switch const fallthrough
if range type continue for import return var""".split())


def exported(name):
    words = "".join(w[:1].upper() + w[1:] for w in name.split("_") if w)
    return words if words[:1].isalpha() and words.isascii() else "X" + words


def plain(text):
    """A type's text without qualifiers, one blank between words, all stars together at the end."""
    text = re.sub(r"\s+", " ", QUALIFIERS.sub(" ", text)).strip()
    return re.sub(r"\*[ *]*\*", lambda m: m[0].replace(" ", ""), text)


def cgo_name(c_name):
    return c_name.replace(" ", "_")


def field_name(name):
    """cgo's name of a field: one that Go has a word for begins with an underscore."""
    return "_" + name if name in KEYWORDS else name


class Kind:
    """shape: scalar; pointer (element: the Kind it points to, where that is one value); opaque (void *); callback; record (by
    value). go and c are Go's and cgo's types; of a record, record is what the header says."""

    def __init__(self, shape, go, c, element=None, record=None):
        self.shape, self.go, self.c, self.element, self.record = shape, go, c, element, record

    def to_c(self, v):
        """C's value of a variable of Go's."""
        return {"scalar": f"{self.c}({v})", "opaque": v, "callback": f"(*[0]byte)({v})",
                "record": f"*(*{self.c})(unsafe.Pointer(&{v}))"}.get(self.shape, f"({self.c})(unsafe.Pointer({v}))")

    def from_c(self, v):
        """Go's value of a variable of C's."""
        return {"scalar": f"{self.go}({v})", "opaque": v, "callback": f"unsafe.Pointer({v})",
                "record": f"*(*{self.go})(unsafe.Pointer(&{v}))"}.get(self.shape, f"({self.go})(unsafe.Pointer({v}))")


class Types:
    """record_names and enum_names: Go's names of the header's own types, which name_of gives."""

    def __init__(self, header, name_of):
        self.h = header
        self.record_names = {name: name_of(name) for name in sorted(header.own)}
        self.enum_names = {name: name_of(name) for name in sorted(header.enums) if name and name not in self.record_names}

    def resolve(self, text):
        """The type beneath typedefs; an enum's name stays."""
        text = plain(text)
        for _ in range(32):
            if text in SCALARS or text in self.enum_names or text not in self.h.typedefs:
                return text
            text = plain(self.h.typedefs[text])
        return text

    def record_of(self, text):
        text = self.resolve(text)
        return self.h.records.get(text.split(" ", 1)[1]) if text.startswith(("struct ", "union ")) and "*" not in text else None

    def kind(self, text):
        """None for what Go cannot have."""
        text = self.resolve(text)
        if text in SCALARS:
            return Kind("scalar", SCALARS[text][0], "C." + SCALARS[text][1])
        if text in self.enum_names or text.startswith("enum ") and text[5:] in self.enum_names:
            return Kind("scalar", self.enum_names[text.split(" ")[-1]], "C." + cgo_name(text))
        if "(*)" in text:
            return Kind("callback", "unsafe.Pointer", "*[0]byte") if text.count("(*") == 1 else None
        if text.endswith("*"):
            return self.pointer(text)
        record = self.record_of(text)
        if record and record.name in self.record_names and self.layout(record):
            return Kind("record", self.record_names[record.name], "C." + cgo_name(record.c_name), record=record)
        return None

    def pointer(self, text):
        base = text.rstrip("* ")
        stars = "*" * (len(text) - len(text.rstrip("*")))
        resolved = self.resolve(base)
        if resolved.endswith("*"):
            return self.pointer(resolved + stars)
        if resolved == "void":
            return Kind("pointer", stars[1:] + "unsafe.Pointer", stars[1:] + "unsafe.Pointer") if stars[1:] else \
                Kind("opaque", "unsafe.Pointer", "unsafe.Pointer")
        if "(" in resolved:  # a function type's pointer
            return Kind("callback", "unsafe.Pointer", "*[0]byte") if stars == "*" and "(*" not in resolved else None
        record = self.record_of(resolved)
        if record:
            if record.name not in self.record_names:
                return None
            go, c = self.record_names[record.name], "C." + cgo_name(record.c_name)
            element = Kind("record", go, c, record=record) if self.layout(record) else None
        else:
            element = self.kind(resolved)
            if element is None or element.shape != "scalar":
                return None
            go, c = element.go, element.c
        return Kind("pointer", stars + go, stars + c, element=element if stars == "*" else None)

    def layout(self, record, inside=()):
        """[(field, Go's type)] of a record that Go can hold by value, else None: on these machines both languages lay it out
        the same way."""
        if not record.fields or record.name in inside:
            return None
        out = []
        for name, text in record.fields:
            base = re.sub(r"\s*\[\d+\]", "", text)
            inner = self.record_of(base)
            if inner and not self.layout(inner, (*inside, record.name)) or "[" in base:
                return None
            kind = self.kind(base)
            if kind is None:
                return None
            out.append((exported(name), "".join(f"[{n}]" for n in re.findall(r"\[(\d+)\]", text)) + kind.go))
        return out if len({n for n, _ in out}) == len(out) else None

    def integer_of(self, enum):
        """The integer that an enum of the header is."""
        text = plain(self.h.typedefs.get(enum, ""))
        return SCALARS[text][0] if text in SCALARS else "uint32"
