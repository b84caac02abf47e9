"""package.py - the go profile's link step: a Go package as a tar, of the libraries that cargo made for each target.

Reads the BLOOMERY_ variables of the link step. Leaves in the working folder the tar, the libraries, the header and the list of its
symbols; what is wrong with the crate goes to standard error as `error: ...` and `help: ...`, with exit code 1.
"""

import io
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile

from header import Header, HeaderError
from types_of import KEYWORDS
from wrap import Wrapper

# target: (Go's architecture, libc, the prefix of binutils' names)
TARGETS = {
    "x86_64-unknown-linux-gnu": ("amd64", "gnu", "x86_64-linux-gnu-"),
    "x86_64-unknown-linux-musl": ("amd64", "musl", "x86_64-linux-gnu-"),
    "aarch64-unknown-linux-gnu": ("arm64", "gnu", "aarch64-linux-gnu-"),
    "aarch64-unknown-linux-musl": ("arm64", "musl", "aarch64-linux-gnu-"),
}
UNWINDER = "/usr/lib/{}-linux-musl/bloomery/libunwind.a"
# The errno of Linux is a function of the C library's: no part of anybody's own interface.
CBINDGEN = """language = "C"
include_guard = "{guard}"
documentation_style = "c99"
[export]
exclude = ["__errno_location"]
"""


class Wrong(Exception):
    def __init__(self, message, hint=None):
        super().__init__(message)
        self.hint = hint


def run(*argv, **options):
    r = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, **options)
    if r.returncode != 0:
        said = r.stderr.decode("utf-8", "replace").strip()
        raise Wrong(f"{os.path.basename(argv[0])} failed: {said or f'exit code {r.returncode}'}")
    return r.stdout.decode("utf-8", "replace")


def read(path):
    with open(path, encoding="utf-8", errors="replace") as f:
        return f.read()


def write(path, text):
    os.makedirs(os.path.dirname(path) or ".", exist_ok=True)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


class Job:
    def __init__(self, env):
        self.output, self.crate, self.version = env["BLOOMERY_OUTPUT"], env["BLOOMERY_CRATE"], env["BLOOMERY_CRATE_VERSION"]
        self.lib, self.folder, self.own_header = env["BLOOMERY_LIB"], env["BLOOMERY_MANIFEST_DIR"], env.get("BLOOMERY_HEADER", "")
        self.made = {t: f"{env['BLOOMERY_TARGET_DIR']}/{t}/{env['BLOOMERY_PROFILE_DIR']}" for t in env["BLOOMERY_TARGETS"].split()}
        self.libs = {t: f"{env['BLOOMERY_TARGET_DIR']}/{t}.libs" for t in self.made}
        self.first = env["BLOOMERY_TARGETS"].split()[0]
        self.package = package_name(self.lib)
        self.tree = f"/work/tmp/package/{self.package}"


def package_name(lib):
    """Go's packages have no underscores in their names, and none is called as a word of the language or as main."""
    name = re.sub(r"[^a-z0-9]", "", lib.lower())
    if not name[:1].isalpha() or name in KEYWORDS or name in ("main", "c", "internal", "vendor", "testdata"):
        name = "rs" + name
    return name


# --- the header ---


def header_of(job):
    """(path of the header in the package, the folder that is its own)."""
    include = f"{job.tree}/include"
    os.makedirs(include)
    if not job.own_header:
        path = f"{include}/{job.lib}.h"
        write(path, generated(job))
        return path, include
    if not os.path.isfile(job.own_header):
        raise Wrong(f"there is no header {os.path.relpath(job.own_header, job.folder)}",
                    'header = "..." of [package.metadata.bloomery] is a file of the package, relative to its Cargo.toml')
    base = os.path.dirname(os.path.realpath(job.own_header))
    # What the header includes of its own folder comes with it.
    rule = run("clang-19", "-MM", "-MT", "x", "-x", "c", f"-I{base}", job.own_header)
    for file in re.split(r"(?<!\\)\s+", rule.replace("\\\n", " ").strip())[1:]:
        real = os.path.realpath(file.replace("\\ ", " "))
        if not real.startswith(base + "/"):
            raise Wrong(f"the header includes {file}, which is not in its folder",
                        "what a header includes of the crate must lie in the header's own folder, or beneath it")
        to = f"{include}/{os.path.relpath(real, base)}"
        os.makedirs(os.path.dirname(to), exist_ok=True)
        shutil.copyfile(real, to)
    return f"{include}/{os.path.basename(os.path.realpath(job.own_header))}", include


UNSAFE = re.compile(r"#\[\s*unsafe\s*\(\s*(no_mangle|export_name\s*=\s*\"[^\"]*\")\s*\)\s*\]")


def written_plainly(folder, to):
    """A copy of the sources in which #[unsafe(no_mangle)] is #[no_mangle], which is all that this cbindgen knows. False: there
    is none."""
    found = False
    for dir, dirs, files in os.walk(folder):
        dirs[:] = [d for d in dirs if d not in ("target", "vendor", ".git")]
        for file in files:
            path = os.path.join(dir, file)
            if file.endswith((".rs", ".toml", ".lock")) and os.path.isfile(path):
                text, count = UNSAFE.subn(r"#[\1]", read(path))
                write(os.path.join(to, os.path.relpath(path, folder)), text)
                found = found or count > 0
    return found


def generated(job):
    """cbindgen's header; the crate's own cbindgen.toml wins."""
    metadata = "/work/tmp/metadata.json"
    write(metadata, run("cargo", "metadata", "--no-deps", "--offline", "--format-version", "1", "--manifest-path",
                        f"{job.folder}/Cargo.toml"))
    config = f"{job.folder}/cbindgen.toml"
    if not os.path.exists(config):
        config = "/work/tmp/cbindgen.toml"
        write(config, CBINDGEN.format(guard=re.sub(r"\W", "_", job.lib).upper() + "_H"))
    plainly = "/work/tmp/plainly"
    if written_plainly(job.folder, plainly):
        write(metadata, read(metadata).replace(json.dumps(job.folder + "/")[:-1], json.dumps(plainly + "/")[:-1]))
    else:
        plainly = job.folder
    try:
        return run("cbindgen", "--quiet", "--lang", "c", "--config", config, "--metadata", metadata, "--crate", job.crate, plainly)
    except Wrong as e:
        raise Wrong(f"the header could not be made: {e}",
                    'mend cbindgen.toml, or bring a header: [package.metadata.bloomery] header = "include/x.h"') from e


# --- the libraries ---


def exports_of(job, target):
    prefix = TARGETS[target][2]
    text = run(f"{prefix}nm", "-D", "--defined-only", "--format=posix", f"{job.made[target]}/lib{job.lib}.so")
    return sorted({line.split()[0].split("@")[0] for line in text.splitlines() if line.strip()})


def libraries(job):
    """Puts the libraries of each target into the tree and beside the tar."""
    for target, made in job.made.items():
        arch, libc, prefix = TARGETS[target]
        to = f"{job.tree}/lib/{arch}_{libc}"
        os.makedirs(to)
        shutil.copyfile(f"{made}/lib{job.lib}.so", f"{to}/lib{job.lib}.so")
        localise(job, target, prefix, f"{to}/lib{job.lib}.a")
        for suffix in ("so", "a"):
            shutil.copyfile(f"{to}/lib{job.lib}.{suffix}", f"lib{job.lib}-{arch}_{libc}.{suffix}")
        if libc == "musl":
            shutil.copyfile(UNWINDER.format(target.split("-")[0]), f"{to}/libunwind.a")


def localise(job, target, prefix, to):
    """One object of what the exported symbols need, in which nothing else has a name: two such libraries go into one program."""
    names, work = exports_of(job, target), f"/work/tmp/{target}"
    if not names:
        raise Wrong("the library exports no C function",
                    'a function that Go can call is #[no_mangle] pub extern "C", and its module is compiled with these features')
    os.makedirs(work)
    write(f"{work}/keep", "".join(f"{n}\n" for n in names))
    run(f"{prefix}ld", "-r", "--gc-sections", "--force-group-allocation", *(f"-u{n}" for n in names),
        f"{job.made[target]}/lib{job.lib}.a", "-o", f"{work}/all.o")
    # std has LLVM's bitcode beside its code, for a crate's lto: eight times as much as the rest.
    run(f"{prefix}objcopy", "--strip-debug", "-R", ".llvmbc", "-R", ".llvmcmd", f"--keep-global-symbols={work}/keep", f"{work}/all.o", f"{work}/{job.lib}.o")
    run(f"{prefix}ar", "rcsD", to, f"{work}/{job.lib}.o")


def link_flags(job, target):
    """(flags of the static library, of the shared one) for #cgo LDFLAGS."""
    arch, libc, _ = TARGETS[target]
    folder = f"${{SRCDIR}}/lib/{arch}_{libc}"
    natives = read(job.libs[target]).split()
    static = f"{folder}/lib{job.lib}.a"
    if libc == "musl":
        # libunwind asks the library for what it asked libunwind for.
        static = f"{static} {folder}/libunwind.a {static}"
        natives = [n for n in natives if n != "-lgcc_s"]
    return f"{static} {' '.join(natives)}".strip(), f"-L{folder} -Wl,-rpath,{folder} -l{job.lib}"


def link_files(job):
    for target in job.made:
        arch, libc, _ = TARGETS[target]
        for flags, kind in zip(link_flags(job, target), ("static", "dynamic")):
            tags = f"linux && {arch} && {'' if libc == 'musl' else '!'}musl && {'' if kind == 'dynamic' else '!'}rust_dynamic"
            name = "link_linux_" + arch + ("_musl" if libc == "musl" else "") + ("_dynamic" if kind == "dynamic" else "")
            write(f"{job.tree}/{name}.go", f"//go:build {tags}\n\npackage {job.package}\n\n// #cgo LDFLAGS: {flags}\nimport \"C\"\n")
    architectures = sorted({TARGETS[t][0] for t in job.made})
    write(f"{job.tree}/link_other.go", f"//go:build !linux || !({' || '.join(architectures)})\n\npackage {job.package}\n\n"
          f"// The library is there for Linux on {' and '.join(architectures)} only.\n"
          f"var _ = library_{job.lib}_is_not_there_for_this_system\n")


# --- the package ---


def about(job):
    return [f"Package {job.package} calls {job.lib}, a library in Rust ({job.crate} {job.version}).", "",
            "It is linked statically, for glibc. Build tags choose otherwise: rust_dynamic links the shared library,",
            "and musl takes those for musl, with CC=musl-gcc or on a system of musl's. A fully static program:", "",
            "\tCC=musl-gcc go build -tags musl -ldflags '-linkmode external -extldflags \"-static -Wl,--eh-frame-hdr\"'", "",
            "Without --eh-frame-hdr the first panic in Rust ends such a program."]


def test_of(job, wrapper):
    lines = ["// Code generated by Bloomery. DO NOT EDIT.", "", f"package {job.package}", "", 'import "testing"', "",
             "// Is the library there, with all of its symbols?", "func TestLibraryIsLoaded(t *testing.T) {",
             "\tfor i, symbol := range symbols() {", "\t\tif symbol == nil {",
             '\t\t\tt.Errorf("symbol %d is not there", i)', "\t\t}", "\t}"]
    if wrapper.last_error:
        name = wrapper.go_names[wrapper.last_error.name]
        free = wrapper.go_names[wrapper.free.name]
        lines += ["\t// No call failed yet.", f"\tbuffer := {name}()",
                  f"\tif buffer.{wrapper.length_field()} != 0 {{", '\t\tt.Error("there is a last error before any call")', "\t}",
                  f"\t{free}(buffer)"]
    return "\n".join([*lines, "}"]) + "\n"


def pack(job):
    """The same bytes of the same files, whenever and by whomever they are made."""
    names = sorted(os.path.relpath(os.path.join(folder, f), os.path.dirname(job.tree))
                   for folder, _, files in os.walk(job.tree) for f in files)
    folders = sorted({p for n in names for p in parents(n)})
    with tarfile.open(job.output, "w", format=tarfile.USTAR_FORMAT) as tar:
        for name in sorted(names + folders):
            info = tarfile.TarInfo(name)
            if name in folders:
                info.type, info.mode = tarfile.DIRTYPE, 0o755
                tar.addfile(info)
                continue
            with open(os.path.join(os.path.dirname(job.tree), name), "rb") as f:
                data = f.read()
            info.size, info.mode = len(data), 0o755 if name.endswith(".so") else 0o644
            tar.addfile(info, io.BytesIO(data))


def parents(name):
    parts = name.split("/")[:-1]
    return ["/".join(parts[:i + 1]) for i in range(len(parts))]


def main():
    job = Job(os.environ)
    libraries(job)
    path, folder = header_of(job)
    try:
        header = Header(path, folder)
    except HeaderError as e:
        raise Wrong(f"the header is not C: {str(e).replace(job.tree + '/', '')}",
                    "cgo reads it as C: no C++, and what it includes must be in its own folder or the C library") from e
    symbols = header.symbols()
    write(f"{job.lib}.symbols", "".join(f"{s}\n" for s in symbols))
    shutil.copyfile(path, f"{job.lib}.h")
    wrapper = Wrapper(header, job.package, job.lib + "_")
    write(f"{job.tree}/{job.package}.go", wrapper.source(about(job), os.path.relpath(path, folder)))
    write(f"{job.tree}/{job.package}_test.go", test_of(job, wrapper))
    link_files(job)
    pack(job)
    print(f"package {job.package}: {len(symbols)} symbols of {'the crate' if job.own_header else 'cbindgen'}'s header, "
          f"{'Buffer and last error' if wrapper.last_error else 'Buffer' if wrapper.free else 'plain'} convention")
    if wrapper.unwrapped:
        print(f"no wrapper in Go for: {', '.join(wrapper.unwrapped)}")


if __name__ == "__main__":
    try:
        main()
    except Wrong as e:
        print(f"error: {e}", file=sys.stderr)
        if e.hint:
            print(f"help: {e.hint}", file=sys.stderr)
        sys.exit(1)
