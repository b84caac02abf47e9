#!/usr/bin/env python3
"""Provenance and bill of materials of real builds: the client downloads them, and verifies without a server; another
program takes the signature; two builds of one crate have the same bill, which is that of its lock."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
import tempfile

from lib import BUILD, CRATES, CrateCopy, Daemon, PATIENCE, Suite, check, equal, pack

suite = Suite("provenance")
d = None
ids = {}
top = tempfile.mkdtemp(prefix="bloomery-provenance-")
suite.on_exit(lambda: shutil.rmtree(top))


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("profile-wasi", "profile-musl")
    d = Daemon(suite, "main", slots=2).start()
    # Whether they start is not the question here.
    ids["again"] = d.accept("wasi", pack("example"), trial="off")
    ids["macro"] = d.accept("wasi", pack("proc_macro_user"), trial="off")
    ids["bins"] = d.accept("musl", pack("several_bins"), trial="off")


def client(*words, code=0, server=True):
    p = subprocess.run([os.path.join(BUILD, "bloomery"), *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=2 * PATIENCE, check=False, text=True,
                       env={"PATH": os.environ["PATH"], "HOME": top,
                            "BLOOMERY_SERVER": f"http://127.0.0.1:{d.port}" if server else "http://127.0.0.1:1"})
    equal(p.returncode, code, f"exit code of {' '.join(words)}, which said {p.stdout[-1500:]} {p.stderr[-1500:]}")
    return p.stdout + p.stderr


def load(*path):
    with open(os.path.join(top, *path), encoding="utf-8") as f:
        return json.load(f)


def statement(*path):
    return json.loads(base64.b64decode(load(*path)["payload"]))


def lock_of(crate):
    """{name: (version, checksum)} of the lock of one of tests/crates."""
    with open(os.path.join(CRATES, crate, "Cargo.lock"), encoding="utf-8") as f:
        found = re.findall(r'name = "(.*?)"\nversion = "(.*?)"\nsource = ".*?"\nchecksum = "(.*?)"', f.read())
    check(found, f"{crate} locks nothing")
    return {n: (v, c) for n, v, c in found}


@suite.test
def test_build_and_verify():
    with CrateCopy("example") as crate:
        client("build", crate, "--profile", "wasi", "--trial", "off", "--out", os.path.join(top, "dist"))
    files = {"smelt.wasm", "smelt.wasm.intoto.json", "smelt.wasm.cdx.json", "bloomery-keys.json"}
    equal(set(os.listdir(os.path.join(top, "dist"))), files, "what build wrote")
    with open(os.path.join(top, "dist", "smelt.wasm"), "rb") as f:
        sha = hashlib.sha256(f.read()).hexdigest()
    s = statement("dist", "smelt.wasm.intoto.json")
    equal(s["subject"], [{"name": "smelt.wasm", "digest": {"sha256": sha}}], "subject")
    resolved = {r["name"]: r for r in s["predicate"]["buildDefinition"]["resolvedDependencies"]}
    lock = lock_of("example")
    for name, (version, checksum) in lock.items():
        equal(resolved[name], {"name": name, "uri": f"pkg:cargo/{name}@{version}", "digest": {"sha256": checksum}}, name)
    with open(os.path.join(CRATES, "example", "Cargo.lock"), "rb") as f:
        equal(resolved["Cargo.lock"]["digest"]["sha256"], hashlib.sha256(f.read()).hexdigest(), "the lock")
    image = subprocess.run(["docker", "image", "inspect", "-f", "{{.Id}}", "bloomery/profile-wasi:current"],
                           stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    equal("sha256:" + resolved["image"]["digest"]["sha256"], image, "the image, as docker names it")
    said = client("verify", os.path.join(top, "dist", "smelt.wasm"), server=False)
    for word in (sha, "smelt 1.0.0", "profile wasi (wasm32-wasip1)", "of other crates it used 3", "lies beside the file"):
        check(word in said, f"'{word}' is not said", said)


@suite.test
def test_openssl_takes_the_signature():
    e, key = load("dist", "smelt.wasm.intoto.json"), load("dist", "bloomery-keys.json")["keys"][0]
    payload = base64.b64decode(e["payload"])
    for name, data in (("key.pem", key["pem"].encode()), ("signature", base64.b64decode(e["signatures"][0]["sig"])),
                       ("signed", b"DSSEv1 28 application/vnd.in-toto+json %d %s" % (len(payload), payload))):
        with open(os.path.join(top, name), "wb") as f:
            f.write(data)
    p = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "signed",
                        "-sigfile", "signature"], cwd=top, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    equal((p.returncode, b"Verified Successfully" in p.stdout), (0, True), f"openssl ({p.stdout})")


@suite.test
def test_the_bill_is_that_of_the_lock():
    d.succeed(ids["again"])
    body = d.get(f"/v1/jobs/{ids['again']}/sbom").body
    with open(os.path.join(top, "dist", "smelt.wasm.cdx.json"), "rb") as f:
        check(f.read() == body, "two builds of one crate have different bills")
    b = json.loads(body)
    equal({c["name"]: (c["version"], c["hashes"][0]["content"]) for c in b["components"]}, lock_of("example"), "components")
    equal({c["scope"] for c in b["components"]}, {"required"}, "scopes")
    equal((b["metadata"]["component"]["purl"], b["compositions"][0]["aggregate"]), ("pkg:cargo/smelt@1.0.0", "complete"), "crate")


@suite.test
def test_what_only_the_compiler_needs():
    d.succeed(ids["macro"])
    b = d.get(f"/v1/jobs/{ids['macro']}/sbom").json()
    scopes = {c["name"]: c["scope"] for c in b["components"]}
    check("excluded" in scopes.values(), "the macro's crate is not marked", scopes)
    check(all(c["properties"] == [{"name": "bloomery:source", "value": "tarball"}] for c in b["components"]), "sources", b)


@suite.test
def test_one_attestation_for_all_artifacts():
    job = d.succeed(ids["bins"])
    client("get", job["id"], "--out", os.path.join(top, "bins"))
    names = [a["name"] for a in job["artifacts"]]
    check(len(names) > 1, "there is one artifact only", names)
    equal([x["name"] for x in statement("bins", f"{names[0]}.intoto.json")["subject"]], names, "subjects")
    key = os.path.join(top, "bins", "bloomery-keys.json")
    d.stop()
    for name in names:
        said = client("verify", os.path.join(top, "bins", name), "--key", key, server=False)
        check(f"the artifact '{name}'" in said and "was given with --key" in said, "said", said)
    # And one of another build is not among them.
    client("verify", os.path.join(top, "dist", "smelt.wasm"), "--key", key, "--attestation",
           os.path.join(top, "bins", f"{names[0]}.intoto.json"), code=1, server=False)


if __name__ == "__main__":
    suite.main(setup)
