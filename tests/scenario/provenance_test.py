#!/usr/bin/env python3
"""What the server says of a job that succeeded: signed provenance and a bill of materials, made by a daemon on the scripted
Engine; keys and their rotation; `bloomery verify`, on what is good, on what was tampered with, and on what is hostile.

Signatures are checked by openssl, too, over an encoding that is made here: two programs that agree.
"""

import base64
import hashlib
import io
import json
import os
import re
import resource
import shutil
import subprocess
import sys
import tarfile
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import life_test  # noqa: E402
from lib import BUILD, Daemon, Suite, check, equal, pack, until  # noqa: E402
from life_test import METADATA, MODULE, RULES, Fake  # noqa: E402
from openapi_check import Checker  # noqa: E402

suite = Suite("provenance", seconds=300)
checker = Checker()
ORE = {"name": "ore", "version": "2.1.0", "id": "registry+https://github.com/rust-lang/crates.io-index#ore@2.1.0",
       "source": "registry+https://github.com/rust-lang/crates.io-index", "license": "MIT", "dependencies": [],
       "targets": [{"kind": ["lib"], "crate_types": ["lib"], "name": "ore"}], "features": {},
       "manifest_path": "/work/cargo/ore/Cargo.toml"}
SUM = "b22b" * 16
APP = METADATA["packages"][0]["id"]
RESOLVED = dict(METADATA, packages=METADATA["packages"] + [ORE], resolve={"root": APP, "nodes": [
    {"id": APP, "features": [], "dependencies": [ORE["id"]],
     "deps": [{"name": "ore", "pkg": ORE["id"], "dep_kinds": [{"kind": None, "target": None}]}]},
    {"id": ORE["id"], "features": [], "dependencies": [], "deps": []}]})
LOCK = {"package": [{"name": "empty-main", "version": "0.1.0"},
                    {"name": "ore", "version": "2.1.0", "source": ORE["source"], "checksum": SUM}]}
LISTS = {"kind": "exec", "command": "packages.sh",
         "do": [{"stdout": 2 * (json.dumps(RESOLVED) + "\n") + json.dumps(LOCK) + "\n"}]}
d = fake = None
made = {}  # ids of jobs


class Server(Daemon):
    def request(self, method, path, body=None, headers=None, timeout=60):
        r = super().request(method, path, body, headers, timeout)
        checker.answer(method, path, r.status, r.headers, r.body)
        return r


def run(*argv, code=0, cwd=None, seconds=60, limit=None, **env):
    """Standard output and standard error."""
    p = subprocess.run(argv, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                       timeout=seconds, check=False, preexec_fn=limit,
                       env={"PATH": os.environ["PATH"], "HOME": folder("home"), **env})
    equal(p.returncode, code, f"exit code of {' '.join(argv)[-300:]}, which said {p.stdout[-800:]} {p.stderr[-800:]}")
    return p.stdout, p.stderr


def client(*words, **how):
    return run(os.path.join(BUILD, "bloomery"), *words, BLOOMERY_SERVER=f"http://127.0.0.1:{d.port}", **how)


def daemon_command(*words, **how):
    return run(os.path.join(BUILD, "bloomeryd"), "--state", d.state, *words, **how)


top = tempfile.mkdtemp(prefix="bloomery-provenance-")
suite.on_exit(lambda: shutil.rmtree(top))


def folder(name):
    path = os.path.join(top, name)
    os.makedirs(path, exist_ok=True)
    return path


def write(path, data):
    with open(path, "wb") as f:
        f.write(data if isinstance(data, bytes) else data.encode())
    return path


def read(*path):
    with open(os.path.join(*path), "rb") as f:
        return f.read()


def setup():
    global d, fake
    suite.needs_programs()
    suite.needs(shutil.which("openssl"), "there is no openssl: docker/setup test")
    life_test.make_images()
    suite.on_exit(lambda: shutil.rmtree(life_test.top, ignore_errors=True))
    fake = Fake({"images": life_test.images, "rules": [LISTS] + RULES})
    suite.on_exit(fake.close)
    d = Server(suite, "main", engine=fake.path, slots=2, work_mode="plain", share_dir=life_test.share,
               builder_id="https://build.example.org/").start()
    source = pack("empty_main")
    made["one"], made["two"] = (d.accept("wasi", source, env__ORE="magnetite") for _ in range(2))
    for word in made.values():
        d.succeed(word)
    client("get", made["one"], "--out", folder("got"))


def envelope(id):
    r = d.get(f"/v1/jobs/{id}/provenance")
    equal((r.status, r.headers["Content-Type"]), (200, "application/vnd.in-toto.provenance+dsse"), "the provenance")
    return json.loads(r.body)


def statement(id):
    return json.loads(base64.b64decode(envelope(id)["payload"], validate=True))


def sbom(id):
    r = d.get(f"/v1/jobs/{id}/sbom")
    equal((r.status, r.headers["Content-Type"]), (200, "application/vnd.cyclonedx+json; version=1.6"), "the sbom")
    return r.body


def keys():
    return d.get("/v1/keys").json()["keys"]


def pae(kind, payload):
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind.encode(), len(payload), payload)


def by_openssl(envelope, pem):
    """Does openssl take the envelope's signature for the key's?"""
    at = folder("openssl")
    write(f"{at}/key.pem", pem)
    write(f"{at}/signed", pae(envelope["payloadType"], base64.b64decode(envelope["payload"], validate=True)))
    write(f"{at}/signature", base64.b64decode(envelope["signatures"][0]["sig"], validate=True))
    p = subprocess.run(["openssl", "pkeyutl", "-verify", "-pubin", "-inkey", "key.pem", "-rawin", "-in", "signed",
                        "-sigfile", "signature"], cwd=at, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    check((p.returncode == 0) == (b"Signature Verified Successfully" in p.stdout), "openssl's words", p.stdout)
    return p.returncode == 0


def named(list, name):
    found = [x for x in list if x.get("name") == name]
    equal(len(found), 1, f"things named {name}")
    return found[0]


# --- what is said ---


@suite.test
def test_the_statement():
    s, job = statement(made["one"]), d.job(made["one"])
    definition, run_ = s["predicate"]["buildDefinition"], s["predicate"]["runDetails"]
    equal((s["_type"], s["predicateType"]), ("https://in-toto.io/Statement/v1", "https://slsa.dev/provenance/v1"), "types")
    equal({x["name"]: x["digest"]["sha256"] for x in s["subject"]}, {a["name"]: a["sha256"] for a in job["artifacts"]},
          "subjects")
    equal(hashlib.sha256(MODULE).hexdigest(), s["subject"][0]["digest"]["sha256"], "the artifact's sha256")
    external = definition["externalParameters"]
    equal((external["profile"], external["options"], external["source"]["digest"]["sha256"]),
          ("wasi", job["options"], job["source"]["sha256"]), "external parameters")
    equal(external["options"]["env"], {"ORE": "magnetite"}, "an option")
    resolved = definition["resolvedDependencies"]
    equal(named(resolved, "source")["digest"]["sha256"], job["source"]["sha256"], "the source")
    equal("sha256:" + named(resolved, "image")["digest"]["sha256"], job["toolchain"]["image"], "the image")
    equal(named(resolved, "toolchain")["annotations"]["rustc"], job["toolchain"]["rustc"], "the compiler")
    profile = next(p for p in d.get("/v1/profiles").json()["profiles"] if p["name"] == "wasi")
    equal(named(resolved, "profile/wasi")["digest"]["sha256"], profile["toolchain"]["digest"], "the profile's digest")
    equal(named(resolved, "ore"), {"name": "ore", "uri": "pkg:cargo/ore@2.1.0", "digest": {"sha256": SUM}}, "a crate")
    equal(run_["builder"]["id"], "https://build.example.org/", "the builder")
    equal(run_["metadata"]["invocationId"], f"{job['id']}/1", "the invocation")
    check(job["started_at"] == run_["metadata"]["startedOn"] <= run_["metadata"]["finishedOn"] <= job["finished_at"],
          "times", run_["metadata"], job["started_at"], job["finished_at"])
    equal(named(run_["byproducts"], "sbom")["digest"]["sha256"], hashlib.sha256(sbom(made["one"])).hexdigest(), "the sbom")


@suite.test
def test_an_independent_program_takes_its_signature():
    e, key = envelope(made["one"]), keys()[0]
    equal(e["payloadType"], "application/vnd.in-toto+json", "payloadType")
    check(by_openssl(e, key["pem"]), "openssl refuses it")
    der = base64.b64decode("".join(key["pem"].splitlines()[1:-1]))
    equal(hashlib.sha256(der).hexdigest(), key["kid"], "the key's id is that of its DER")
    equal(base64.urlsafe_b64decode(key["x"] + "="), der[-32:], "x is the key")
    equal(e["signatures"][0]["keyid"], key["kid"], "keyid")
    e["payload"] = base64.b64encode(base64.b64decode(e["payload"]).replace(b"wasi", b"wasm")).decode()
    check(not by_openssl(e, key["pem"]), "openssl takes another payload")


@suite.test
def test_the_bill_of_materials():
    one, two = sbom(made["one"]), sbom(made["two"])
    check(one == two, "two builds of the same crate have different ones")
    b = json.loads(one)
    equal((b["bomFormat"], b["specVersion"], b["metadata"]["component"]["name"]), ("CycloneDX", "1.6", "empty-main"), "what it is")
    ore = named(b["components"], "ore")
    equal((ore["purl"], ore["hashes"], ore["licenses"], ore["scope"]),
          ("pkg:cargo/ore@2.1.0", [{"alg": "SHA-256", "content": SUM}], [{"expression": "MIT"}], "required"), "a component")
    refs = [b["metadata"]["component"]["bom-ref"]] + [c["bom-ref"] for c in b["components"]]
    equal(len(set(refs)), len(refs), "references are used twice")
    equal(sorted(x["ref"] for x in b["dependencies"]), sorted(refs), "references of the graph")
    equal(next(x for x in b["dependencies"] if x["ref"] == refs[0])["dependsOn"], [ore["bom-ref"]], "what it depends on")
    tool = named(b["metadata"]["tools"]["components"], "bloomery")
    said = run(os.path.join(BUILD, "bloomeryd"), "--version")[0].split()
    equal(tool["version"], said[1], "the tool's version")
    check(re.fullmatch(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", b["serialNumber"]),
          "serialNumber", b["serialNumber"])


@suite.test
def test_how_they_are_served():
    job = d.job(made["one"])
    for name, suffix in (("provenance", ".intoto.json"), ("sbom", ".cdx.json")):
        r = d.get(job[name]["url"])
        equal((r.headers["ETag"], len(r.body)), (f'"{job[name]["sha256"]}"', job[name]["size"]), name)
        equal(hashlib.sha256(r.body).hexdigest(), job[name]["sha256"], f"sha256 of {name}")
        check(f'filename="empty-main.wasm{suffix}"' in r.headers["Content-Disposition"], "its name", r.headers.items())
        equal(d.request("HEAD", job[name]["url"]).headers["Content-Length"], str(job[name]["size"]), "HEAD")
        equal(d.request("GET", job[name]["url"], None, {"If-None-Match": r.headers["ETag"]}).status, 304, "again")
    with tarfile.open(fileobj=io.BytesIO(d.get(f"/v1/jobs/{made['one']}/artifacts.tar").body)) as t:
        got = {m.name: t.extractfile(m).read() for m in t}
    equal(sorted(got), ["empty-main.wasm", "empty-main.wasm.cdx.json", "empty-main.wasm.intoto.json"], "names in the tar")
    equal(json.loads(got["empty-main.wasm.intoto.json"]), envelope(made["one"]), "the attestation in the tar")
    equal([a["name"] for a in job["artifacts"]], ["empty-main.wasm"], "artifacts")


@suite.test
def test_a_failed_job_has_none():
    fake.script(rules=[{"kind": "container", "command": "trial.mjs", "do": [{"exit": 134}]}])
    job = d.fail(d.accept("wasi", pack("empty_main")), "trial")
    fake.script(clear=["rules"], rules=[LISTS] + RULES)
    equal((job["provenance"], job["sbom"]), (None, None), "documents of a job that failed")
    check(job["artifacts"], "its artifacts are gone")
    for name in ("provenance", "sbom"):
        equal(d.get(f"/v1/jobs/{job['id']}/{name}").status, 404, f"status of its {name}")


@suite.test
def test_a_groups_archive():
    r = d.submit("wasi,musl", pack("empty_main"), musl__trial="off")
    group = r.json()["id"]
    d.wait(r.json()["jobs"][0]["id"]), d.wait(r.json()["jobs"][1]["id"])

    def names(query):
        r = d.get(f"/v1/groups/{group}/artifacts.tar{query}")
        with tarfile.open(fileobj=io.BytesIO(r.body)) as t:
            return {m.name for m in t}

    plain = names("")
    check("wasi/empty-main.wasm" in plain and not any("intoto" in n for n in plain), "without", plain)
    equal(names("?provenance=1") - plain, {"wasi/empty-main.wasm.intoto.json", "wasi/empty-main.wasm.cdx.json"}, "with")
    equal(names("?provenance=0"), plain, "expressly without")
    equal(d.get(f"/v1/groups/{group}/artifacts.tar?provenance=yes").status, 400, "another value")


# --- verify ---


def got(name="empty-main.wasm"):
    return os.path.join(folder("got"), name)


@suite.test
def test_verify():
    check({"empty-main.wasm", "empty-main.wasm.intoto.json", "empty-main.wasm.cdx.json", "bloomery-keys.json"} ==
          set(os.listdir(folder("got"))), "what get wrote", os.listdir(folder("got")))
    job = d.job(made["one"])
    out, errors = client("verify", got())
    for word in (job["source"]["sha256"], job["artifacts"][0]["sha256"], "profile wasi (wasm32-wasip1)", '"ORE":"magnetite"',
                 job["toolchain"]["rustc"], job["toolchain"]["image"], "https://build.example.org/", f"{job['id']}/1",
                 job["started_at"], keys()[0]["kid"], "lies beside the file"):
        check(word in out, f"'{word}' is not said", out)
    check("could have changed that key" in errors, "an unpinned key is not remarked on", errors)
    # Offline, with the key pinned in three ways.
    pem = write(os.path.join(folder("pinned"), "key.pem"), keys()[0]["pem"])
    nobody = {"BLOOMERY_SERVER": "http://127.0.0.1:1"}
    binary = os.path.join(BUILD, "bloomery")
    for pinned in (pem, got("bloomery-keys.json")):
        out, errors = run(binary, "verify", got(), "--key", pinned, **nobody)
        check("was given with --key" in out and not errors, "with --key", out, errors)
    saved = folder("home/.config/bloomery")
    write(f"{saved}/keys.json", client("keys", "--json")[0])
    out, errors = run(binary, "verify", got(), **nobody)
    check("was saved before" in out and not errors, "with a saved key", out, errors)
    os.unlink(f"{saved}/keys.json")
    found = json.loads(client("verify", got(), "--json")[0])
    equal((found["verified"], found["key_pinned"], found["name"]), (True, False, "empty-main.wasm"), "as JSON")
    equal(found["statement"], statement(made["one"]), "the statement, as JSON")
    check("the by-product 'sbom'" in client("verify", got("empty-main.wasm.cdx.json"))[0], "the bill of materials")
    # An artifact under another name, with the attestation elsewhere.
    other = write(os.path.join(folder("other"), "renamed"), MODULE)
    out = client("verify", other, "--attestation", got("empty-main.wasm.intoto.json"), "--key", pem)[0]
    check("the artifact 'empty-main.wasm'" in out, "a renamed file", out)


def refused(why, envelope, key=None, data=MODULE):
    """verify gives 1 on this envelope, and its word for it."""
    at = folder("refused")
    file = write(f"{at}/a.wasm", data)
    write(f"{at}/a.json", envelope if isinstance(envelope, (bytes, str)) else json.dumps(envelope))
    out, errors = client("verify", file, "--attestation", f"{at}/a.json", "--key", key or got("bloomery-keys.json"), code=1)
    check(not out and "NOT VERIFIED" in errors and why in errors, f"'{why}' is not said", out, errors)


@suite.test
def test_what_was_tampered_with():
    good = envelope(made["one"])
    payload = base64.b64decode(good["payload"])
    refused("other files", good, data=MODULE + b"\0")

    def changed(old, new):
        check(old in payload, f"{old} is not in the statement")
        return dict(good, payload=base64.b64encode(payload.replace(old, new)).decode())

    parts = [b'"subject":[{"name":"empty-main.wasm"', hashlib.sha256(MODULE).hexdigest().encode(), b'"profile":"wasi"',
             b"magnetite", d.job(made["one"])["source"]["sha256"].encode(), b"https://build.example.org/", SUM.encode(),
             b"rustc 1.", made["one"].encode(), b'"startedOn":"2', b"https://slsa.dev/provenance/v1"]
    for part in parts:
        refused("does not fit", changed(part, part[:-1] + (b"x" if part[-1:] != b"x" else b"y")))
    sig = good["signatures"][0]["sig"]
    for other in ("A" * 86 + "==", sig[:40] + ("A" if sig[40] != "A" else "B") + sig[41:], sig[:-4], "", "*"):
        refused("does not fit", dict(good, signatures=[dict(good["signatures"][0], sig=other)]))
    refused("not among the trusted", dict(good, signatures=[]))
    refused("not among the trusted", dict(good, signatures=[dict(good["signatures"][0], keyid="0" * 64)]))
    refused("not application/vnd.in-toto+json", dict(good, payloadType="text/plain"))
    # Signed by another key, which says that it is the server's.
    at, kind = folder("forger"), "application/vnd.in-toto+json"
    run("openssl", "genpkey", "-algorithm", "ed25519", "-out", "private.pem", cwd=at)
    run("openssl", "pkey", "-in", "private.pem", "-pubout", "-out", "public.pem", cwd=at)

    def forged(payload, **keyid):
        write(f"{at}/signed", pae(kind, payload))
        run("openssl", "pkeyutl", "-sign", "-inkey", "private.pem", "-rawin", "-in", "signed", "-out", "signature", cwd=at)
        return {"payloadType": kind, "payload": base64.b64encode(payload).decode(),
                "signatures": [{**keyid, "sig": base64.b64encode(read(at, "signature")).decode()}]}

    refused("does not fit", forged(payload, keyid=keys()[0]["kid"]))
    refused("does not fit", forged(payload))
    # For who trusts that key it is as good as ours; then a statement is refused for what it says.
    key = f"{at}/public.pem"
    client("verify", got(), "--attestation", write(f"{at}/a.json", json.dumps(forged(payload))), "--key", key)
    refused("SLSA provenance v1", forged(payload.replace(b"https://slsa.dev", b"https://example")), key)
    refused("no in-toto statement", forged(payload.replace(b"Statement/v1", b"Statement/v0")), key)
    refused("not JSON", forged(payload[:-1]), key)


def small():
    """A bound on what a reader of hostile files may take."""
    resource.setrlimit(resource.RLIMIT_AS, (400 << 20, 400 << 20))
    resource.setrlimit(resource.RLIMIT_CPU, (20, 20))


@suite.test
def test_hostile_attestations_and_keys():
    at = folder("hostile")
    file = write(f"{at}/a.wasm", MODULE)
    sanitized = "asan" in BUILD  # which maps terabytes

    def verify(code, attestation, key=got("bloomery-keys.json")):
        return client("verify", file, "--attestation", attestation, "--key", key, code=code,
                      limit=None if sanitized else small)

    for text in (b"", b"null", b"[]", b"{}", b"7", b'"x"', b"\xff\xfe", b"\0" * 1000, b"{" * 100000, b"[" * 1000000,
                 b'{"payloadType":[],"payload":{},"signatures":0}',
                 b'{"payloadType":"application/vnd.in-toto+json","payload":"' + b"A" * (8 << 20) + b'","signatures":[]}',
                 b'{"payloadType":"application/vnd.in-toto+json","payload":"","signatures":['
                 + b'{"sig":"AAAA"},' * 200000 + b"0]}"):
        _, errors = verify(1, write(f"{at}/a.json", text))
        check(len(errors) < 2000, "it talks too much", len(errors))
    with open(f"{at}/huge", "wb") as f:
        f.truncate(1 << 40)
    check("larger than" in verify(2, f"{at}/huge")[1], "a huge attestation")
    check("larger than" in verify(2, got("empty-main.wasm.intoto.json"), f"{at}/huge")[1], "a huge file of keys")
    for text in (b"", b"{}", b'{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA"}]}', b"\0", b"[" * 100000):
        verify(2, got("empty-main.wasm.intoto.json"), write(f"{at}/k.json", text))
    # A pipe that was packed beside the file is not waited for.
    odd = folder("pipes")
    shutil.copy(file, f"{odd}/a.wasm")
    os.mkfifo(f"{odd}/a.wasm.intoto.json"), os.mkfifo(f"{odd}/bloomery-keys.json")
    client("verify", f"{odd}/a.wasm", code=2)
    client("verify", f"{odd}/a.wasm", "--key", got("bloomery-keys.json"), code=2)
    # Words for a terminal are not handed through.
    escape = json.dumps({"payloadType": "\x1b]0;x\x07\x1b[31m", "payload": "", "signatures": []})
    check("\x1b" not in verify(1, write(f"{at}/a.json", escape))[1], "control characters reach the terminal")
    # Bad calls.
    for words in ((), (file, file), (at,), (f"{at}/nowhere",), (file, "--attestation", f"{at}/nowhere"),
                  (file, "--key", f"{at}/nowhere"), ("/dev/null",)):
        client("verify", *words, code=2)
    alone = write(os.path.join(folder("alone"), "a.wasm"), MODULE)
    check("no key" in client("verify", alone, code=2)[1], "no key at all")
    check("no attestation" in client("verify", alone, "--key", got("bloomery-keys.json"), code=2)[1], "no attestation")


# --- keys ---


@suite.test
def test_the_secret_stays_where_it_is():
    at = os.path.join(d.state, "keys")
    (private,) = [n for n in os.listdir(at) if n.endswith(".pem")]
    equal(os.stat(at).st_mode & 0o777, 0o700, "mode of the folder")
    equal(os.stat(os.path.join(at, private)).st_mode & 0o777, 0o600, "mode of the key")
    secret = b"".join(read(at, private).splitlines()[1:-1])
    check(len(secret) > 40, "the key's text", len(secret))
    for id in made.values():
        for path in (f"/v1/jobs/{id}", f"/v1/jobs/{id}/log", f"/v1/jobs/{id}/provenance", "/v1/keys"):
            check(secret not in d.get(path).body, f"the secret is in {path}")
    check(secret.decode() not in d.log(), "the secret is in the daemon's log")
    said = read(d.log_path)
    check(b"a new signing key was made" in said, "the first start does not say that it made a key", said[-500:])


@suite.test
def test_rotation():
    before = keys()
    out, _ = daemon_command("key", "rotate")
    after = keys()
    equal(len(after), len(before) + 1, "how many keys there are")
    equal([k["current"] for k in after], [True] + [False] * len(before), "which is the current one")
    equal(after[1]["retired_at"], after[0]["created_at"], "when the old one was retired")
    check(after[0]["kid"] in out and after[1]["kid"] in out, "rotate does not show them", out)
    equal(json.loads(daemon_command("key", "list", "--json")[0])["keys"], after, "key list --json")
    # The daemon that runs signs with it at once; what was signed before is still good by the list, and by the old key alone.
    id = d.accept("wasi", pack("empty_main"))
    d.succeed(id)
    equal(envelope(id)["signatures"][0]["keyid"], after[0]["kid"], "the new signature's key")
    check(by_openssl(envelope(id), after[0]["pem"]), "openssl refuses the new signature")
    both = write(os.path.join(folder("rotated"), "keys.json"), d.get("/v1/keys").body)
    client("get", id, "--out", folder("new"))
    new = os.path.join(folder("new"), "empty-main.wasm")
    for file in (got(), new):
        client("verify", file, "--key", both)
    old = write(os.path.join(folder("rotated"), "old.pem"), after[1]["pem"])
    client("verify", got(), "--key", old)
    check("not among the trusted" in client("verify", new, "--key", old, code=1)[1], "the old key takes the new signature")
    # And after a start.
    d.stop()
    d.start()
    equal(keys(), after, "keys after a start")
    check("new signing key" not in d.log(), "a start makes another key")
    daemon_command("key", code=2)
    daemon_command("key", "list", "--yaml", code=2)
    check("state folder" in run(os.path.join(BUILD, "bloomeryd"), "--state", f"{top}/nowhere", "key", "rotate", code=1)[1],
          "no state folder")


@suite.test
def test_a_key_that_others_can_read_is_not_used():
    at = os.path.join(d.state, "keys")
    (private,) = [os.path.join(at, n) for n in os.listdir(at) if n.endswith(".pem")]
    d.stop()
    os.chmod(private, 0o644)
    p = d.spawn()
    equal(p.wait(60), 1, "exit code of a daemon whose key is open")
    check("can be read by others" in d.log() and "chmod 600" in d.log(), "why", d.log()[-500:])
    os.chmod(private, 0o600)
    d.start()
    # While it runs it is a failure of the server's: the job is tried again, and is not lost.
    os.chmod(private, 0o640)
    id = d.accept("wasi", pack("empty_main"))

    def waits_again():
        job = d.job(id)
        return job["attempt"] > 0 and job["state"] == "queued" and job

    reason = until(waits_again, "it is tried again", 120)["queue"]["reason"]
    check("can be read by others" in reason, "why it waits", reason)
    os.chmod(private, 0o600)
    job = d.succeed(id)
    check(job["provenance"] and job["attempt"] > 1, "it was signed at a later attempt", job["attempt"])


@suite.test
def test_the_sweeper_leaves_them():
    d.stop()
    stray = os.path.join(d.state, "blobs", "00", "0" * 64)
    os.makedirs(os.path.dirname(stray), exist_ok=True)
    write(stray, "nobody's")
    d.start()
    until(lambda: not os.path.exists(stray), "what nobody refers to is swept", 60)
    until(lambda: not any(f.startswith("tmp/") for f in d.files("tmp")), "tmp is empty")
    for name in ("provenance", "sbom"):
        equal(d.get(f"/v1/jobs/{made['one']}/{name}").status, 200, f"status of the {name}")


if __name__ == "__main__":
    suite.main(setup)
