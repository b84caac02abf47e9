#!/usr/bin/env python3
"""Several targets, sides of the link step, keys of the crate and the host's word on the cargo profile, on the real Engine:
tests/profiles/packed. Its image compiles core for one target, half a minute.
"""

import io
import json
import os
import shutil
import subprocess
import tarfile

from lib import BUILD, ROOT, SHARE, Daemon, Suite, check, entry, equal, nothing_left, tar_of, until

suite = Suite("packed", seconds=900)
d = None
MANIFEST = """[package]
name = "iron-core"
version = "0.1.0"
edition = "2021"
[lib]
crate-type = ["rlib"]
[package.metadata.bloomery]
entry = "rust_main"
c_sources = ["c/main.c", "c/more.c"]
"""
WANTED = """[profile.release]
panic = "abort"
"""
# An old habit of crates: everything that the host decides, and what is written in more than one way.
OTHERWISE = r"""[profile]
dev = { panic = "unwind" }
[ profile.release ] # fast
panic = "unwind" # as the host must not have it
opt-level = 3
lto = "fat"
[profile.release.package."*"]
opt-level = 1
[profile.dist]
inherits = "release"
codegen-units = 16
[package.metadata.other]
text = '''
[profile.release]
panic = "abort"
'''
more = ''' one line '''
ratio = 1.5
[[bench]]
name = "b"
path = "src/lib.rs"
"""
LIB = """#![no_std]
#[no_mangle]
pub extern "C" fn rust_main() -> i32 { if cfg!(other_target) { 2 } else if cfg!(special) { 3 } else { 1 } }
#[panic_handler]
fn panic(_: &core::panic::PanicInfo) -> ! { loop {} }
"""
SIDES = ["extra.txt", "iron_core.symbols", "libiron_core-arm64.a", "libiron_core.so", "tags.json"]


def crate(manifest=MANIFEST + WANTED, src__lib=LIB, c_files=("c/main.c", "c/more.c"), **files):
    texts = {"Cargo.toml": manifest, "src/lib.rs": src__lib, **{name: "int c;\n" for name in c_files},
             **{k.replace("__", "/") + ".rs": v for k, v in files.items()}}
    return tar_of([(entry(name), text.encode()) for name, text in texts.items()])


def bloomeryd(*words):
    p = subprocess.run([os.path.join(BUILD, "bloomeryd"), "--config", d.config, "--state", d.state, "--engine-socket", d.engine,
                        "--share-dir", d.share, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=600, check=False)
    return p.returncode, p.stdout.decode("utf-8", "replace")


def images(*words):
    status, text = bloomeryd("images", *words)
    check(status == 0, f"images {' '.join(words)} gives {status}", text[-3000:])
    return text


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("trial-node")
    d = Daemon(suite, "main", slots=2)
    profiles, source = os.path.join(d.dir, "profiles"), os.path.join(ROOT, "tests", "profiles", "packed")
    shutil.copytree(source, os.path.join(profiles, "packed"))
    # The same with a trial whose image cannot be made: it does not fail the profile's.
    shutil.copytree(source, os.path.join(profiles, "untried"))
    path = os.path.join(profiles, "untried", "profile.json")
    with open(path, encoding="utf-8") as f:
        data = json.load(f)
    data["name"] = "untried"
    data["trial"].update(image="trial-unreachable", optional=True)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(data, f)
    d.share = os.path.join(d.dir, "share")
    for folder in ("workers", "docker", "schema"):
        shutil.copytree(os.path.join(SHARE, folder), os.path.join(d.share, folder))
    trial = os.path.join(d.share, "docker", "images", "trial-unreachable")
    os.mkdir(trial)
    with open(os.path.join(trial, "Dockerfile"), "w", encoding="utf-8") as f:
        f.write("ARG BLOOMERY_FROM\nFROM $BLOOMERY_FROM\nRUN echo 'E: the registry is away' >&2; exit 7\n")
    d.write_config(profile_dirs=profiles)
    suite.on_exit(lambda: [bloomeryd("images", "remove", name) for name in ("packed", "untried")])
    images("build", "packed")
    d.start()
    until(lambda: d.get("/v1/profiles/packed").json()["available"], "profile packed is available")


def said(log):
    return dict(line[len("said: "):].split("=", 1) for line in log.splitlines() if line.startswith("said: "))


def check_of(artifact, name):
    return next((c for c in artifact["contract"]["checks"] if c["name"] == name), None)


@suite.test
def test_a_tar_for_two_targets_and_its_sides():
    id = d.accept("packed", crate())
    job = d.succeed(id)
    equal(job["warnings"], [], "warnings")
    equal([p["name"] for p in job["phases"]], ["fetch", "build", "link", "check"], "phases")
    all = d.artifacts(id)
    equal(sorted(all), sorted(["iron-core.tar", *SIDES]), "artifacts")
    equal({n: a["role"] for n, a in all.items()}, {"iron-core.tar": "primary", **dict.fromkeys(SIDES, "side")}, "roles")
    equal({n: a["kind"] for n, a in all.items()},
          {"iron-core.tar": "tar", "extra.txt": "text", "iron_core.symbols": "text", "libiron_core-arm64.a": "ar",
           "libiron_core.so": "elf", "tags.json": "json"}, "kinds")
    with tarfile.open(fileobj=io.BytesIO(d.artifact(id))) as t:
        libs = {m.name: t.extractfile(m).read() for m in t if m.isfile()}
    equal(sorted(libs), ["./aarch64-unknown-linux-gnu/libiron_core.a", "./x86_64-unknown-linux-gnu/libiron_core.a"], "the tar")

    # Each is checked by its own rules; the tar's verdict is theirs.
    equal(all["libiron_core.so"]["contract"]["host"], "a loader", "host of a side")
    for name in ("iron-core.tar", "libiron_core.so", "libiron_core-arm64.a", "tags.json"):
        equal(all[name]["contract"]["verdict"], "pass", f"contract of {name}: {all[name]['contract']}")
    equal({c["name"] for c in all["iron-core.tar"]["contract"]["checks"]}, {"libiron_core.so", "libiron_core-arm64.a"},
          "checks of the tar")
    equal(all["extra.txt"]["contract"], None, "contract of a text")
    equal(all["libiron_core-arm64.a"]["metadata"]["machines"], ["aarch64"], "machines of the archive")

    # One trial, with all of them.
    trial = all["iron-core.tar"]["trial"]
    equal((trial["verdict"], trial["reason"]),
          ("pass", f"{','.join(sorted(all))} of iron_core for x86_64-unknown-linux-gnu, form whole"), "the trial")
    equal([n for n in SIDES if all[n]["trial"]], [], "sides that were tried")

    # The link step knows the rest.
    log = d.job_log(id)
    expected = {
        "BLOOMERY_TARGETS": "x86_64-unknown-linux-gnu aarch64-unknown-linux-gnu", "BLOOMERY_TARGET": "x86_64-unknown-linux-gnu",
        "BLOOMERY_TARGET_DIR": "/work/target", "BLOOMERY_PROFILE_DIR": "release", "BLOOMERY_LIB": "iron_core",
        "BLOOMERY_NAME": "iron-core", "BLOOMERY_CRATE": "iron-core", "BLOOMERY_CRATE_VERSION": "0.1.0",
        "BLOOMERY_MANIFEST_DIR": "/work/src", "BLOOMERY_ENTRY": "rust_main", "BLOOMERY_C_SOURCES": "/work/src/c/main.c",
        "MODE": "plain",
    }
    equal({k: said(log).get(k) for k in expected}, expected, "variables of the link step")
    equal(json.loads(d.artifact(id, "tags.json")), {"entry": "rust_main", "sources": 2}, "tags.json")
    for target in ("x86_64-unknown-linux-gnu --profile=release --offline --lib --crate-type=cdylib,staticlib",
                   "aarch64-unknown-linux-gnu --profile=release --offline --lib --crate-type=staticlib"):
        check(f"--target={target}" in log, f"cargo's command line for {target}", log)
    for name, type in (("tags.json", "application/json"), ("iron-core.tar", "application/x-tar"),
                       ("libiron_core.so", "application/octet-stream")):
        r = d.get(f"/v1/jobs/{id}/artifacts/{name}")
        equal(r.headers["Content-Type"], type, f"Content-Type of {name}")
        check(r.headers["Content-Disposition"].startswith("attachment"), "disposition", r.headers["Content-Disposition"])


@suite.test
def test_the_same_twice_is_the_same():
    ids = [d.accept("packed", crate()) for _ in range(2)]
    sums = [{n: a["sha256"] for n, a in d.artifacts(d.succeed(id)["id"]).items()} for id in ids]
    equal(sums[0], sums[1], "sha256 of the artifacts")


@suite.test
def test_an_option_changes_the_build():
    plain, special = (d.succeed(d.accept("packed", crate(), kind=kind))["id"] for kind in ("plain", "special"))
    equal(said(d.job_log(special))["MODE"], "special", "a variable that the option sets")
    check(d.artifacts(plain)["libiron_core.so"]["sha256"] != d.artifacts(special)["libiron_core.so"]["sha256"],
          "the flag of the option made no difference")


@suite.test
def test_a_crate_that_wants_another_cargo_profile_is_warned():
    job = d.succeed(d.accept("packed", crate(MANIFEST + OTHERWISE)))
    equal(job["warnings"], ['profile.release sets panic = "unwind"; the host needs abort: overridden',
                            "profile.release sets opt-level = 3; the host needs z: overridden"], "warnings")
    # A profile of its own inherits what it does not say.
    job = d.succeed(d.accept("packed", crate(MANIFEST + OTHERWISE), cargo_profile="dist", kind="special"))
    equal(job["warnings"], ['profile.release sets panic = "unwind"; the host needs abort: overridden',
                            "profile.dist sets codegen-units = 16; the host needs 1: overridden"], "warnings of dist")


@suite.test
def test_keys_of_the_crate():
    job = d.succeed(d.accept("packed", crate(MANIFEST + 'entri = "x"\n' + WANTED)))
    equal(job["warnings"], ["package.metadata.bloomery.entri is not known to profile packed"], "warnings")
    for line, words in (('entry = "a b"', "entry must be an identifier"), ('c_sources = ["../x.c"]', "without `..`")):
        manifest = MANIFEST.split("entry =")[0] + line + "\n" + WANTED
        job = d.fail(d.accept("packed", crate(manifest)), "bad_source")
        check(words in job["error"]["message"], "the message", job["error"])
    job = d.fail(d.accept("packed", crate(c_files=["c/main.c"])), "bad_source")
    check("c/more.c, which is not there" in job["error"]["message"], "the message", job["error"])


@suite.test
def test_sides_that_are_missing_or_wrong():
    all = d.artifacts(d.succeed(d.accept("packed", crate(), form="no-extra"))["id"])
    check("extra.txt" not in all and "tags.json" in all, "an optional side that was not made", sorted(all))
    for form, message in (("no-tags", "left no tags.json"), ("bad-json", "not a valid JSON text"),
                          ("more-names", "it does not export rust_other")):
        id = d.accept("packed", crate(), form=form)
        job = d.fail(id, "contract")
        check(message in job["error"]["message"], f"the message of {form}", job["error"])
        check("iron-core.tar" in d.artifacts(id), f"{form}: what there is is kept", job["artifacts"])
    # Which of them it was; nothing that is broken is tried.
    broken = d.artifacts(id)
    equal(broken["libiron_core.so"]["contract"]["verdict"], "fail", "contract of the library")
    equal(broken["iron-core.tar"]["contract"]["verdict"], "fail", "contract of the tar")
    equal(check_of(broken["iron-core.tar"], "libiron_core.so")["ok"], False, "the tar's check of the library")
    equal(check_of(broken["iron-core.tar"], "libiron_core-arm64.a")["ok"], True, "the tar's check of the archive")
    equal(broken["iron-core.tar"]["trial"]["verdict"], "skipped", "trial of what is broken")
    job = d.fail(d.accept("packed", crate(), form="symlink"), "bad_source")
    check("extra.txt" in job["error"]["message"], "the message", job["error"])


@suite.test
def test_a_failure_names_the_target():
    job = d.fail(d.accept("packed", crate(src__lib=LIB + '#[cfg(other_target)] compile_error!("not for ships");\n')), "compile")
    check(job["error"]["message"].startswith("for aarch64-unknown-linux-gnu: ") and "not for ships" in job["error"]["message"],
          "the message", job["error"])


@suite.test
def test_a_trial_without_its_image():
    text = images("build", "untried")
    equal(text.splitlines()[-1].split(":")[0], "==> profile untried", "the last line")
    check("its trials will be skipped" in text.splitlines()[-1] and "the registry is away" in text.splitlines()[-1],
          "the reason", text[-2000:])
    until(lambda: d.get("/v1/profiles/untried").json()["available"], "profile untried is available")
    status, text = bloomeryd("images", "list")
    check("its trials are skipped: the image bloomery/trial-unreachable is not built: bloomeryd images build untried" in text,
          "images list", text)
    id = d.accept("untried", crate())
    d.succeed(id)
    trial = d.artifacts(id)["iron-core.tar"]["trial"]
    equal(trial["verdict"], "skipped", f"trial {trial}")
    check("bloomeryd images build untried" in trial["reason"], "the reason", trial)


@suite.test
def test_nothing_is_left():
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
