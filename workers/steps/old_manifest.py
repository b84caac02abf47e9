"""old_manifest.py - what an old cargo understands of a manifest: lists of what is known, never of what is not; and TOML,
written. Pure. Part of old.py.
"""

import datetime
import json
import os

PACKAGE = ("name", "version", "authors", "build", "links", "description", "documentation", "homepage", "repository",
           "keywords", "categories", "license", "license-file", "default-run", "autobins", "publish", "edition")
TARGET = ("name", "path", "test", "doctest", "bench", "doc", "plugin", "proc-macro", "proc_macro", "harness",
          "required-features", "crate-type", "crate_type", "edition")
DEPENDENCY = ("version", "path", "git", "branch", "tag", "rev", "features", "optional", "default-features",
              "default_features", "package", "registry")
PROFILE = ("opt-level", "lto", "codegen-units", "debug", "debug-assertions", "rpath", "panic", "overflow-checks",
           "incremental", "package", "build-override")
DEPENDENCIES = ("dependencies", "build-dependencies", "build_dependencies")


def only(table, keys):
    return {k: v for k, v in table.items() if k in keys}


def dependencies(table):
    return {name: only(d, DEPENDENCY) if isinstance(d, dict) else d for name, d in table.items()}


def uniform(value):
    """Old cargos refuse lists of mixed types."""
    if isinstance(value, dict):
        return all(uniform(v) for v in value.values())
    return not isinstance(value, list) or (len({type(v) for v in value}) < 2 and all(uniform(v) for v in value))


def package_table(package):
    p = only(package, PACKAGE)
    p.setdefault("version", "0.0.0")
    p.update(autoexamples=False, autotests=False, autobenches=False)
    if isinstance(package.get("metadata"), dict) and uniform(package["metadata"]):
        p["metadata"] = package["metadata"]
    return p


def old_profile(table, dropped):
    p = only(table, PROFILE)
    if isinstance(p.get("debug"), str):
        p["debug"] = {"none": 0, "line-directives-only": 1, "line-tables-only": 1, "limited": 1}.get(p["debug"], 2)
    if isinstance(p.get("package"), dict):
        p["package"] = {k: old_profile(v, dropped) for k, v in p["package"].items()}
    if isinstance(p.get("build-override"), dict):
        p["build-override"] = old_profile(p["build-override"], dropped)
    dropped.update(k for k in table if k not in PROFILE)
    return p


def old_features(features, manifest):
    """Without those of dev-dependencies, which are left out."""
    tables = [t.get(key, {}) for t in (manifest, *manifest.get("target", {}).values()) for key in DEPENDENCIES]
    known = {name for table in tables for name in table}
    return {f: [v for v in values if "/" not in v or v.split("/")[0] in known] for f, values in features.items()}


def old_manifest(m, crate_type=None, warnings=None, known=()):
    """What an old cargo understands of a manifest. known: the crate's own manifests; a [patch] elsewhere is unused."""
    out = {}
    if "package" in m:
        out["package"] = package_table(m["package"])
    if "lib" in m or crate_type:
        out["lib"] = only(m.get("lib", {}), TARGET)
        if crate_type:
            out["lib"].pop("crate_type", None)
            out["lib"]["crate-type"] = [crate_type]
    if "bin" in m:
        out["bin"] = [only(b, TARGET) for b in m["bin"]]
    for key in DEPENDENCIES:
        if key in m:
            out[key] = dependencies(m[key])
    target = {t: {k: dependencies(v[k]) for k in DEPENDENCIES if k in v} for t, v in m.get("target", {}).items()}
    if target:
        out["target"] = target
    if "features" in m:
        out["features"] = old_features(m["features"], out)
    if "workspace" in m:
        out["workspace"] = only(m["workspace"], ("members", "exclude", "default-members"))
    if warnings is not None:
        own_tables(m, out, warnings, known)
    return out


def own_tables(m, out, warnings, known):
    """[profile], [patch] and [replace] count in the workspace's root only."""
    dropped = set()
    known_profiles = only(m.get("profile", {}), ("dev", "release", "test", "bench"))
    profiles = {n: old_profile(p, dropped) for n, p in known_profiles.items()}
    if profiles:
        out["profile"] = profiles
    for key in sorted(dropped):
        warnings.append(f"[profile] {key} in Cargo.toml is newer than this profile's cargo, and not used")
    resolver = m.get("package", {}).get("resolver") or m.get("workspace", {}).get("resolver")
    if resolver and resolver != "1":
        warnings.append(f"resolver = \"{resolver}\" in Cargo.toml is newer than this profile's cargo: features of a "
                        "dependency are those of all its uses together")
    for key in ("patch", "replace"):
        if key in m:
            out[key] = m[key]
    for source, table in out.get("patch", {}).items():
        out["patch"][source] = {n: only(d, DEPENDENCY) for n, d in table.items()
                                if not d.get("path") or os.path.normpath(f"{d['path']}/Cargo.toml") in known}


def stub_manifest(m, name, version):
    """A package that is resolved but not compiled: its name, and the features that others ask for."""
    features = {"default": [], **{f: [] for f in m.get("features", {})}}
    for table in (m, *m.get("target", {}).values()):
        for key in DEPENDENCIES:
            features.update({n: [] for n, d in table.get(key, {}).items() if isinstance(d, dict) and d.get("optional")})
    out = {"package": {"name": name, "version": version, "build": False, "autobins": False, "autoexamples": False,
                       "autotests": False, "autobenches": False},
           "lib": {"path": "bloomery-empty.rs"}, "features": features}
    if "workspace" in m:
        out["workspace"] = only(m["workspace"], ("members", "exclude", "default-members"))
    return out


# --- TOML, written ---


def text_of(s):
    quoted = json.dumps(s, ensure_ascii=False).replace("\x7f", "\\u007f")
    return quoted


def value_of(v):
    if isinstance(v, bool):
        return "true" if v else "false"
    if isinstance(v, str):
        return text_of(v)
    if isinstance(v, (int, float)):
        return repr(v)
    if isinstance(v, (datetime.datetime, datetime.date, datetime.time)):
        return v.isoformat()
    if isinstance(v, list):
        return "[" + ", ".join(value_of(x) for x in v) + "]"
    return "{ " + ", ".join(f"{text_of(k)} = {value_of(x)}" for k, x in v.items()) + " }"


def toml_of(manifest):
    lines = []
    for key, table in manifest.items():
        for part in table if isinstance(table, list) else [table]:
            lines.append(f"[[{key}]]" if isinstance(table, list) else f"[{key}]")
            lines += [f"{text_of(k)} = {value_of(v)}" for k, v in part.items()]
    return "\n".join(lines) + "\n"
