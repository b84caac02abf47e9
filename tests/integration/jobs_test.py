#!/usr/bin/env python3
"""Whole jobs on the real Engine that end well, or fail as they should by the crate's own fault.

All jobs are submitted at the start; two slots work them off while the tests look at one after the other.
"""

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import tarfile
import tempfile

from lib import (
    BUILD, Daemon, Sse, Suite, check, entry, equal, git_archive, inline, nothing_left, pack, piped, query, read_tree,
    run_native, run_wasm, shorten, until, CrateCopy, FINISHED, PATIENCE,
)

suite = Suite("jobs")
WORDS = ["iron", "rust", "and", "magnetite"]
d = None
ids = {}
MACOS = [(entry("._Cargo.toml"), b"\0\5\x16\7\0\2\0\0Mac OS X        "), (entry("__MACOSX/._src"), b"\0\5\x16\7")]


def plain(name):
    return f'[package]\nname = "{name}"\nversion = "0.1.0"\nedition = "2021"\n'


def many(line, count):
    return "".join(line.format(i) + "\n" for i in range(count))


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("profile-wasm", "profile-wasi", "profile-musl", "trial-node", "empty")
    d = Daemon(suite, "main", slots=2).start()

    def job(name, profile, body, **options):
        ids[name] = d.accept(profile, body, **options)

    example = pack("example")
    r = d.submit("wasm,wasi", example, label__suite="jobs")
    equal(r.status, 201, "status of a group")
    ids["group"] = r.json()["id"]
    ids["example wasm"], ids["example wasi"] = (j["id"] for j in r.json()["jobs"])
    job("example musl", "musl", git_archive("example", "--prefix=smelt-1.0.0/"), label__suite="jobs", label__kind="bin")

    job("lib only", "wasm", git_archive("lib_only"))
    job("several bins", "musl", pack("several_bins", mode="w"))
    job("one of several", "wasi", pack("several_bins"), bin="alpha")
    job("workspace", "musl", pack("workspace", prefix="ws/"))
    job("member", "wasi", pack("workspace"), manifest_path="app/Cargo.toml")
    job("package", "wasm", pack("workspace"), package="util")  # a lib without exports: an empty module
    job("features", "musl", pack("features"), features="loud", no_default_features="true", cfg="from_bloomery")
    job("required off", "musl", pack("bin_with_required_features"))
    job("required on", "musl", pack("bin_with_required_features"), features="extra")
    job("macro", "wasi", pack("proc_macro_user"))
    job("c musl", "musl", pack("c_inside"))
    job("c wasi", "wasi", pack("c_inside"))
    job("c wasm", "wasm", pack("c_inside"))
    job("panic abort", "wasi", pack("panic_abort"))
    job("lto", "musl", pack("lto"))
    job("empty main", "wasi", pack("empty_main"))
    job("fails at run", "musl", pack("fails_at_run"))
    job("page imports", "wasm", pack("page_imports"))
    job("unlocked", "musl", pack("example", drop=["Cargo.lock"]))
    job("hostile config", "musl", pack("hostile_config"))
    job("debug", "musl", pack("empty_main"), debug="on", cargo_profile="dev", trial="off")
    # ways to pack
    job("xz", "wasi", pack("empty_main", mode="w:xz"))
    job("macos", "wasi", pack("empty_main", more=MACOS, format=tarfile.PAX_FORMAT))
    # the crate's own faults
    job("compile", "wasi", pack("compile_error"))
    job("many errors", "wasi", inline(plain("many"), src__main=many("const C{}: u8 = \"\";", 40) + "fn main() {}\n"))
    job("many warnings", "wasi", inline(plain("many"), src__main="fn main() {\n" + many("let a{} = 1;", 10000) + "}\n"))
    job("link", "musl", pack("link_error"))
    job("no exports", "wasm", pack("no_exports"))
    job("missing export", "wasm", pack("missing_export"))
    job("git dep", "wasi", pack("git_dep"))
    job("edition", "wasi", pack("bad_edition"))
    job("too large", "musl", pack("empty_main"), max_size="1000")
    job("no such package", "wasi", pack("workspace"), package="nowhere")
    job("no such bin", "wasi", pack("several_bins"), bin="gamma")
    job("no such feature", "wasi", pack("features"), features="silent")


def sizes(name, artifact):
    data = d.artifact(ids[name], artifact["name"])
    equal(len(data), artifact["size"], "size of the artifact")
    equal(hashlib.sha256(data).hexdigest(), artifact["sha256"], "sha256 of the artifact")
    check(0 < artifact["gzip_size"] < artifact["size"] + 100, "gzip_size", artifact)
    return data


def only(name, artifact_name):
    """The one artifact of a job that succeeded: its facts and bytes."""
    d.succeed(ids[name])
    artifacts = d.artifacts(ids[name])
    equal(sorted(artifacts), [artifact_name], "names of the artifacts")
    a = artifacts[artifact_name]
    equal(a["role"], "primary", "role")
    return a, sizes(name, a)


def passes(a, host):
    for what in ("contract", "trial"):
        equal(a[what]["verdict"], "pass", f"{what} of {a['name']} ({shorten(a[what])})")
        check(a[what]["host"], f"{what} names no host", a[what])
    check(a["contract"]["checks"] and all(c["ok"] and c["name"] for c in a["contract"]["checks"]), "checks", a["contract"])
    check(host in a["trial"]["host"], f"the trial's host is not {host}", a["trial"])


def report(text):
    """The example's answer, which says what it was built for."""
    found = json.loads(text)
    equal((found["words"], found["letters"], found["ores"]), (4, 20, ["rust", "magnetite"]), "the example's report")
    equal((found["longest"], found["average"], found["iron_percent"]), ("magnetite", 5.0, 62.35), "the example's report")
    return found


# --- the good ones ---


@suite.test
def test_follows_a_log_live_while_it_builds():
    id = ids["example wasm"]  # submitted first, so it may be under way or done: take one that is still waiting too
    waiting = ids["no such feature"]
    late = Sse(d, waiting)
    until(lambda: d.job(id)["state"] not in ("queued",), "the first job has begun")
    s = Sse(d, id)
    lines_while_building = []

    def seen():
        state = d.job(id)["state"]
        if s.lines() and state not in FINISHED:
            lines_while_building.extend(s.lines())
        return lines_while_building or state in FINISHED

    until(seen, "a line of the log arrives")
    end = s.end()
    equal((end["id"], end["state"]), (id, "succeeded"), "the last event")
    text = d.job_log(id)
    equal("\n".join(s.lines()), text.rstrip("\n"), "the followed log")
    check(lines_while_building, "no line came before the job's end")
    check("Compiling smelt" in text and "Finished" in text, "cargo's own words are missing", text)
    # every id is the offset of the next byte; coming back with one gives the rest
    middle = s.events[len(s.events) // 2]
    again = Sse(d, id, last=middle["id"])
    equal(again.end()["state"], "succeeded", "the end, after coming back")
    equal("\n".join(again.lines()), text.encode()[int(middle["id"]) :].decode().rstrip("\n"), "the log after coming back")
    part = d.get(f"/v1/jobs/{id}/log", Range="bytes=0-9")
    equal((part.status, part.body), (206, text.encode()[:10]), "the first ten bytes")
    part = d.get(f"/v1/jobs/{id}/log?offset={len(text.encode()) - 5}")
    equal((part.status, part.body), (200, text.encode()[-5:]), "the last five bytes")
    ids["late follower"] = late


@suite.test
def test_example_as_a_module():
    job = d.succeed(ids["example wasm"])
    equal(job["crate"], {"name": "smelt", "version": "1.0.0"}, "crate")
    equal((job["lock"], job["attempt"], job["error"], job["cached_from"]), ("uploaded", 1, None, None), "the job")
    equal(job["labels"], {"suite": "jobs"}, "labels")
    equal(job["warnings"], [], "warnings")
    equal([p["name"] for p in job["phases"]], ["fetch", "build", "check"], "phases")
    check(all(p["seconds"] > 0 for p in job["phases"]), "a phase took no time", job["phases"])
    check(job["resources"]["cpu_seconds"] > 0.1 and job["resources"]["peak_memory_bytes"] > 10 << 20,
          "resources", job["resources"])
    check(job["toolchain"]["name"] and job["toolchain"]["rustc"].startswith("rustc ")
          and job["toolchain"]["image"].startswith("sha256:") and job["toolchain"]["origin"], "toolchain", job["toolchain"])
    check(job["created_at"] <= job["started_at"] <= job["finished_at"], "times", job)
    a, data = only("example wasm", "smelt.wasm")
    passes(a, "node")
    m = a["metadata"]
    equal(m["imports"], [], "imports")
    names = {e["name"]: e["kind"] for e in m["exports"]}
    for name in ("allocate", "report", "release"):
        check(names.get(name, "").startswith("func"), f"export {name}", m["exports"])
    equal(len(m["memories"]), 1, "memories")
    memory = m["memories"][0]
    check(memory["exported"] and not memory["imported"] and not memory["shared"] and memory["min"] >= 1, "memory", memory)
    check(m["functions"] and m["sections"] and "tables" in m and "features" in m, "metadata", m)
    equal(data[:4], b"\0asm", "the first bytes")
    status, out = run_wasm(data, "--report", *WORDS)
    equal(status, 0, f"running it ({out})")
    equal(report(out)["target"], "wasm32-unknown-unknown", "target")


@suite.test
def test_example_as_a_command():
    a, data = only("example wasi", "smelt.wasm")
    passes(a, "wasi")
    m = a["metadata"]
    equal({i["module"] for i in m["imports"]}, {"wasi_snapshot_preview1"}, "modules of the imports")
    check("_start" in {e["name"] for e in m["exports"]}, "_start is not exported", m["exports"])
    status, out = run_wasm(data, *WORDS)
    equal(status, 0, f"running it ({out})")
    equal(report(out)["target"], "wasm32-wasip1", "target")


@suite.test
def test_example_as_a_static_binary():
    a, data = only("example musl", "smelt")
    passes(a, "empty root")
    m = a["metadata"]
    equal((m["static"], m["interp"], m["needed"]), (True, None, []), "static, interp and needed")
    check(m["sections"] and m["type"] in ("exec", "dyn"), "metadata", m)
    for args, stdin in ((WORDS, ""), ([], " ".join(WORDS))):
        status, out = run_native(data, *args, stdin=stdin)
        equal(status, 0, f"running it ({out})")
        equal(report(out)["target"], "x86_64-unknown-linux-musl", "target")


@suite.test
def test_groups():
    for name in ("example wasm", "example wasi"):
        equal(d.job(ids[name])["group"], ids["group"], f"group of {name}")
    listed = d.get(f"/v1/jobs?group={ids['group']}").json()["jobs"]
    equal(len(listed), 2, "jobs of the group")
    sources = {json.dumps(j["source"]) for j in listed}
    equal(len(sources), 1, "sources of the group")


@suite.test
def test_artifacts_over_http():
    id = ids["example wasm"]
    d.succeed(id)
    a = d.artifacts(id)["smelt.wasm"]
    r = d.get(a["url"])
    equal(r.status, 200, "status")
    equal(r.headers["ETag"], f'"{a["sha256"]}"', "ETag")
    equal(r.headers["X-Content-Type-Options"], "nosniff", "nosniff")
    check("attachment" in r.headers["Content-Disposition"] and "smelt.wasm" in r.headers["Content-Disposition"],
          "Content-Disposition", r.headers["Content-Disposition"])
    check(r.headers["Content-Digest"].startswith("sha-256=:"), "Content-Digest", r.headers["Content-Digest"])
    equal(d.get(a["url"], **{"If-None-Match": r.headers["ETag"]}).status, 304, "with the same ETag")
    part = d.get(a["url"], Range="bytes=4-7")
    equal((part.status, part.body), (206, r.body[4:8]), "four bytes")
    head = d.request("HEAD", a["url"])
    equal((head.status, head.headers["Content-Length"], head.body), (200, str(a["size"]), b""), "HEAD")
    equal(d.artifact(id), r.body, "the primary artifact")
    equal(d.get(f"/v1/jobs/{id}/artifacts/nothing").status, 404, "an unknown artifact")
    tar = d.get(f"/v1/jobs/{ids['several bins']}/artifacts.tar") if d.succeed(ids["several bins"]) else None
    with tarfile.open(fileobj=io.BytesIO(tar.body)) as t:
        found = {m.name: t.extractfile(m).read() for m in t.getmembers() if m.isfile()}
    for name, fact in d.artifacts(ids["several bins"]).items():
        equal(hashlib.sha256(found.get(name, b"")).hexdigest(), fact["sha256"], f"{name} in artifacts.tar")
    source = d.get(f"/v1/jobs/{id}/source")
    equal(hashlib.sha256(source.body).hexdigest(), d.job(id)["source"]["sha256"], "the tarball as it came")


@suite.test
def test_a_lib_that_does_not_say_cdylib():
    a, data = only("lib only", "lib-only.wasm")
    passes(a, "node")
    equal(run_wasm(data, "--call", "add", "40", "2"), (0, "42\n"), "add(40, 2)")


@suite.test
def test_several_bins():
    d.succeed(ids["several bins"])
    artifacts = d.artifacts(ids["several bins"])
    equal({n: a["role"] for n, a in artifacts.items()},
          {"beta-two": "primary", "alpha": "side", "several-bins": "side"}, "artifacts")
    for name, said in (("beta-two", "beta two\n"), ("alpha", "alpha\n"), ("several-bins", "the namesake\n")):
        equal(run_native(sizes("several bins", artifacts[name])), (0, said), f"running {name}")
    _, data = only("one of several", "alpha.wasm")
    equal(run_wasm(data), (0, "alpha\n"), "running alpha.wasm")


@suite.test
def test_workspaces():
    _, data = only("workspace", "app")
    equal(run_native(data), (0, "hello, workspace\n"), "running it")
    _, data = only("member", "app.wasm")
    equal(run_wasm(data), (0, "hello, workspace\n"), "running it")
    job = d.fail(ids["package"], "contract")
    equal(job["crate"]["name"], "util", "crate")


@suite.test
def test_features_and_cfg():
    _, data = only("features", "features")
    equal(run_native(data), (0, "quiet=false loud=true cfg=true\n"), "running it")
    job = d.job(ids["features"])
    equal((job["options"]["features"], job["options"]["no_default_features"]), (["loud"], True), "options")


@suite.test
def test_bins_that_require_features():
    only("required off", "plain")
    warnings = d.job(ids["required off"])["warnings"]
    check(any("extra" in w for w in warnings), "no warning names the bin that is left out", warnings)
    d.succeed(ids["required on"])
    equal(sorted(d.artifacts(ids["required on"])), ["extra", "plain"], "artifacts")


@suite.test
def test_proc_macros():
    _, data = only("macro", "proc-macro-user.wasm")
    equal(run_wasm(data), (0, "FROM A MACRO\n"), "running it")


@suite.test
def test_c_inside():
    _, data = only("c musl", "c-inside")
    equal(run_native(data), (0, "the C part says 42\n"), "running it")
    _, data = only("c wasi", "c-inside.wasm")
    equal(run_wasm(data), (0, "the C part says 42\n"), "running it")
    only("c wasm", "c-inside.wasm")


@suite.test
def test_panic_abort_lto_and_debug():
    a, data = only("panic abort", "panic-abort.wasm")
    equal(run_wasm(data), (0, "abort=true caught=false\n"), "running it")
    _, data = only("lto", "lto")
    equal(run_native(data), (0, "linked as one\n"), "running it")
    a, data = only("debug", "empty-main")
    names = json.dumps(a["metadata"]["sections"])
    check(".debug_info" in names, "no debug information", names)
    equal(a["trial"]["verdict"], "skipped", "trial=off")
    equal(a["contract"]["verdict"], "pass", "contract")


@suite.test
def test_trials_that_prove_little():
    only("empty main", "empty-main.wasm")
    a, _ = only("fails at run", "fails-at-run")
    equal(a["trial"]["verdict"], "pass", "a program's own exit status is no failure of the trial")
    check("3" in a["trial"]["reason"] and "about to leave" in a["trial"]["output"], "reason and output", a["trial"])
    a, data = only("page imports", "page-imports.wasm")
    equal(a["trial"]["verdict"], "skipped", "what only the page provides cannot be tried")
    check("page.tell" in a["trial"]["reason"], "the reason names the import", a["trial"])
    equal(run_wasm(data, "--call", "start"), (0, "told 7\nundefined\n"), "running it with what it wants")


@suite.test
def test_unlocked_but_vendored():
    job = d.succeed(ids["unlocked"])
    equal(job["lock"], "resolved", "lock")
    artifacts = d.artifacts(ids["unlocked"])
    equal({n: a["role"] for n, a in artifacts.items()}, {"smelt": "primary", "Cargo.lock": "side"}, "artifacts")
    lock = d.artifact(ids["unlocked"], "Cargo.lock").decode()
    equal(lock, read_tree("example")["Cargo.lock"][0].decode(), "the lock that the server resolved")


@suite.test
def test_the_crates_own_cargo_configuration():
    a, data = only("hostile config", "hostile-config")
    equal(run_native(data), (0, "kept=true\n"), "--cfg of its rustflags is kept, nothing else")
    warnings = "\n".join(d.job(ids["hostile config"])["warnings"])
    for key in ("build.rustc", "build.rustc-wrapper", "build.target-dir", "build.target", "linker", "runner",
                "env.LD_PRELOAD", "env.PATH", "alias", "net", "http", "profile", "-C linker", "target-cpu"):
        check(key in warnings, f"no warning names {key}", warnings)
    check("the wrapper ran" not in d.job_log(ids["hostile config"]), "the wrapper ran")


@suite.test
def test_ways_to_pack():
    for name in ("xz", "macos"):
        only(name, "empty-main.wasm")
    plain = tempfile.mkdtemp(prefix="bloomery-pack-")
    suite.on_exit(lambda: shutil.rmtree(plain, ignore_errors=True))
    with CrateCopy("empty_main") as path:
        top = os.path.dirname(path)
        packed = {
            "GNU tar of .": piped("tar", "-C", path, "-czf", "-", "."),
            "GNU tar of a folder, old format": piped("tar", "-C", top, "--format=gnu", "-cf", "-", "empty_main"),
            "git archive": git_archive("empty_main"),
        }
        if shutil.which("zstd"):
            packed["zstd"] = subprocess.run(["zstd", "-q", "-c"], input=packed["git archive"], stdout=subprocess.PIPE,
                                            check=True).stdout
        if shutil.which("bsdtar"):
            packed["bsdtar"] = piped("bsdtar", "-C", path, "-czf", "-", ".")
            packed["bsdtar, pax"] = piped("bsdtar", "--format", "pax", "-C", top, "-cf", "-", "empty_main")
        if shutil.which("cargo") and "1." in subprocess.run(["cargo", "--version"], stdout=subprocess.PIPE,
                                                           stderr=subprocess.DEVNULL, check=False).stdout.decode():
            piped("cargo", "package", "-q", "--offline", "--allow-dirty", "--no-verify", "--target-dir", plain, cwd=path)
            with open(os.path.join(plain, "package", "empty-main-0.1.0.crate"), "rb") as f:
                packed["cargo package"] = f.read()
    jobs = {what: d.accept("wasi", body, trial="off") for what, body in packed.items()}
    hashes = set()
    for what, id in jobs.items():
        d.succeed(id)
        hashes.add(d.artifacts(id)["empty-main.wasm"]["sha256"])
    equal(len(hashes), 1, f"different artifacts of the same crate, packed in {len(packed)} ways")


# --- the crate's own faults ---


@suite.test
def test_compile_errors():
    job = d.fail(ids["compile"], "compile")
    check("mismatched types" in job["error"]["message"] and "\n" not in job["error"]["message"],
          "the message is the first error's own text", job["error"])
    check("src/main.rs:2" in job["error"]["log_excerpt"] and "E0308" in job["error"]["log_excerpt"], "excerpt", job["error"])
    check("(src/main.rs:2:23)" in job["error"]["message"], "the place", job["error"])
    said = job["diagnostics"]
    rendered = said["errors"][0].pop("rendered")
    equal(said, {"errors": [{"file": "src/main.rs", "line": 2, "column": 23, "code": "E0308", "text": "mismatched types",
                             "label": "expected `u32`, found `&str`"}],
                 "errors_count": 1, "warnings_count": 0, "truncated": False}, "diagnostics")
    log = d.job_log(job["id"])
    check(rendered.startswith("error[E0308]: mismatched types\n") and rendered in log, "rendered", rendered, log)
    check("compiler-message" not in log and "\033" not in log and "   Compiling" in log, "a log for people", log)
    equal([p["name"] for p in job["phases"]], ["fetch", "build"], "phases of a failed job")
    check(all(p["cpu_seconds"] > 0 and p["peak_memory_bytes"] > 0 and p["bytes_written"] > 0 for p in job["phases"]),
          "what they used", job["phases"])
    equal(sum(p["bytes_written"] for p in job["phases"]), job["resources"]["bytes_written"], "bytes written")
    check(f"phase build used {job['phases'][1]['seconds']:.1f} s" in log, "the log's last words", log[-300:])
    listed = d.get("/v1/jobs?state=failed&limit=200").json()["jobs"]
    listed = next(j for j in listed if j["id"] == job["id"])["diagnostics"]["errors"]
    equal(listed, [{**said["errors"][0], "rendered": None}], "diagnostics in a list")
    equal(d.get(f"/v1/jobs/{job['id']}/artifact").status, 404, "its artifact")
    job = d.fail(ids["link"], "link")
    check("nobody_defines_this" in json.dumps(job["error"]), "the missing symbol is not named", job["error"])


@suite.test
def test_many_errors_and_warnings():
    job = d.fail(ids["many errors"], "compile")
    said = job["diagnostics"]
    equal((said["errors_count"], len(said["errors"]), said["truncated"]), (40, 32, True), "40 errors")
    equal([(e["line"], e["code"]) for e in said["errors"]], [(i, "E0308") for i in range(1, 33)], "the first ones")
    check("(src/main.rs:1:" in job["error"]["message"], "the first error", job["error"])
    job = d.succeed(ids["many warnings"])
    equal(job["diagnostics"], {"errors": [], "errors_count": 0, "warnings_count": 10000, "truncated": False}, "warnings")
    log = d.job_log(job["id"])
    equal(log.count("warning: unused variable: `a"), 10000, "warnings in the log")
    check("==> the compiler gave 10000 warnings" in log, "their count in the log", log[-500:])


@suite.test
def test_what_people_see():
    """The client's summary of a build that failed: the errors as editors know them, and what was used."""
    p = subprocess.run([os.path.join(BUILD, "bloomery"), "status", ids["many errors"]], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, check=False, env={"BLOOMERY_SERVER": f"http://127.0.0.1:{d.port}"})
    seen = p.stderr.decode()
    check("\n  src/main.rs:1:16: E0308: mismatched types (expected `u8`, found `&str`)\n" in seen, "the first error", seen)
    check("\n  ... and 20 more of 40 errors\n" in seen, "how many there are", seen)
    check(re.search(r"\n  build used [0-9.]+ s, [0-9.]+ s of CPU time, [0-9.]+ MiB of memory, [0-9.]+ [KM]iB written\n", seen),
          "what it used", seen)
    check("compiler   40 errors, 0 warnings\n" in p.stdout.decode(), "the counts", p.stdout.decode())


@suite.test
def test_broken_contracts():
    d.fail(ids["no exports"], "contract")
    job = d.fail(ids["missing export"], "contract")
    check("absent" in job["error"]["message"] and "present" not in job["error"]["message"], "the symbol", job["error"])
    check(job["error"]["hint"], "no hint", job["error"])
    a = d.artifacts(ids["missing export"])["missing-export.wasm"]
    equal(a["contract"]["verdict"], "fail", "contract of the artifact that is kept to be looked at")
    equal(a["trial"]["verdict"], "skipped", "its trial")
    d.fail(ids["too large"], "output_too_large")


@suite.test
def test_refusals_that_only_cargo_can_see():
    job = d.fail(ids["git dep"], "dependency")
    check("vendor" in job["error"]["hint"], "hint", job["error"])
    job = d.fail(ids["edition"], "bad_source")
    check("2087" in json.dumps(job["error"]), "the edition is not named", job["error"])
    for name, wrong, there in (("no such package", "nowhere", "app"), ("no such bin", "gamma", "alpha"),
                               ("no such feature", "silent", "loud")):
        job = d.fail(ids[name], "bad_source")
        check(wrong in job["error"]["message"] and there in job["error"]["hint"], f"{name}: message and hint", job["error"])
    late = ids["late follower"]
    equal(late.end()["error_kind"], "bad_source", "the end that an early follower was told")


# --- the life of a job ---


@suite.test
def test_the_same_source_again():
    first = d.succeed(ids["lib only"])
    again = d.accept("wasm", None, source="sha256:" + first["source"]["sha256"])
    r = d.submit("wasm", None, source="sha256:" + "0" * 64)
    equal((r.status, r.json()["error_kind"]), (404, "not_found"), "an unknown source")
    retried = d.request("POST", f"/v1/jobs/{ids['compile']}/retry")
    equal(retried.status, 201, "retry")
    equal(retried.json()["retry_of"], ids["compile"], "retry_of")
    d.jobs.append(retried.json()["id"])
    d.succeed(again)
    equal(d.artifacts(again)["lib-only.wasm"]["sha256"], d.artifacts(ids["lib only"])["lib-only.wasm"]["sha256"],
          "sha256 of the same crate, built twice")
    d.fail(retried.json()["id"], "compile")


@suite.test
def test_build_in_one_call():
    r = d.request("POST", "/v1/build?" + query(profile="wasi"), pack("several_bins"), timeout=PATIENCE)
    equal(r.status, 200, f"status ({r.body[:300]!r})")
    equal(r.body[:4], b"\0asm", "the primary artifact")
    equal(run_wasm(r.body), (0, "beta two\n"), "running it")
    r = d.request("POST", "/v1/build?" + query(profile="wasi"), pack("compile_error"), timeout=PATIENCE)
    equal((r.status, r.headers.get_content_type()), (422, "application/problem+json"), "a crate that does not compile")
    equal(r.json()["error_kind"], "compile", "error_kind")
    check("mismatched types" in r.text(), "the compiler's words", r.text())
    equal(r.json()["diagnostics"]["errors"][0]["line"], 2, "the error's line")
    check(r.json()["phases"][-1]["name"] == "build" and r.json()["resources"]["cpu_seconds"] > 0, "what it used", r.json())
    r = d.request("POST", "/v1/build?" + query(profile="wasi", wait="0"), pack("loop_build"), timeout=PATIENCE)
    equal(r.status, 202, "time up")
    where = r.headers["Location"]
    check(where.startswith("/v1/jobs/"), "Location", where)
    equal(d.request("DELETE", where).status, 202, "cancel")
    d.jobs.append(where.rsplit("/", 1)[1])
    equal(d.wait(d.jobs[-1])["state"], "canceled", "state")


@suite.test
def test_cancel():
    blockers = [d.accept("wasi", pack("loop_build"), priority="50") for _ in range(2)]
    for id in blockers:
        d.wait_state(id, "building")
    queued = d.accept("wasi", pack("empty_main"))
    job = d.job(queued)
    equal(job["state"], "queued", "state behind two others")
    check(job["queue"]["position"] >= 1 and job["queue"]["reason"], "queue", job["queue"])
    equal(d.request("DELETE", f"/v1/jobs/{queued}").status, 202, "canceling a queued job")
    job = d.wait(queued)
    equal((job["state"], job["error"]["kind"], job["started_at"]), ("canceled", "canceled", None), "the queued one")
    for id in blockers:
        equal(d.request("DELETE", f"/v1/jobs/{id}").status, 202, "canceling a running job")
    for id in blockers:
        job = d.wait(id)
        equal((job["state"], job["error"]["kind"]), ("canceled", "canceled"), "the running one")
        check(job["started_at"] and job["finished_at"], "its times", job)
        last = job["phases"][-1]
        check(last["name"] == "build" and last["cpu_seconds"] > 0 and last["peak_memory_bytes"] > 0, "what it used", last)
    equal(d.request("DELETE", f"/v1/jobs/{blockers[0]}").status, 202, "canceling it again")
    equal(d.request("DELETE", f"/v1/jobs/{ids['lto']}").status, 409, "canceling one that has succeeded")


@suite.test
def test_lists():
    r = d.get("/v1/jobs?label.kind=bin")
    equal([j["id"] for j in r.json()["jobs"]], [ids["example musl"]], "by label")
    names = {j["crate"]["name"] for j in d.get("/v1/jobs?crate=smelt").json()["jobs"]}
    equal(names, {"smelt"}, "by crate")
    page = d.get("/v1/jobs?limit=3")
    first = [j["id"] for j in page.json()["jobs"]]
    check(page.json()["next"] and 'rel="next"' in page.headers["Link"], "the next page", page.headers["Link"])
    rest = d.get("/v1/jobs?limit=3&cursor=" + page.json()["next"]).json()["jobs"]
    equal(sorted(first + [j["id"] for j in rest], reverse=True), first + [j["id"] for j in rest], "newest first")
    equal(d.get("/v1/jobs?state=canceled&profile=wasm").json()["jobs"], [], "nothing")


@suite.test
def test_the_same_bytes_from_another_server():
    other = Daemon(suite, "other", slots=1).start()
    for profile, name, there in (("musl", "smelt", "example musl"), ("wasm", "smelt.wasm", "example wasm"),
                                 ("wasi", "smelt.wasm", "example wasi")):
        id = other.accept(profile, pack("example"))
        other.succeed(id)
        equal(other.artifacts(id)[name]["sha256"], d.artifacts(ids[there])[name]["sha256"],
              f"sha256 for {profile}, built by a server with another state folder")
    nothing_left(other)
    other.stop()


@suite.test
def test_nothing_is_left():
    for id in d.jobs:
        d.wait(id)
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
