#!/usr/bin/env python3
"""Bill of materials and attestation of crates with published dependencies, held to what others wrote: CycloneDX's schema, SPDX's
licenses, package URLs, and another reader of envelopes. Needs the crate registry and the Python registry."""

import json
import os
import re
import sys

sys.path[:0] = [os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "registry")]
import venv_made  # noqa: E402
from lib import Daemon, Suite, check, equal, pack  # noqa: E402

suite = Suite("provenance", seconds=1200)
d = python = None
ids = {}
SECONDS = 1000  # for one job on a slow line
CHECK = """
import json, sys
from cyclonedx.model.bom import Bom
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from license_expression import get_spdx_licensing
from packageurl import PackageURL
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey

sbom, envelope, keys = (open(p).read() for p in sys.argv[1:4])
validator, spdx = JsonStrictValidator(SchemaVersion.V1_6), get_spdx_licensing()
broken = json.dumps(dict(json.loads(sbom), bomFormat="other"))
assert validator.validate_str(broken) is not None, "the validator takes anything"
wrong = validator.validate_str(sbom)
assert wrong is None, wrong
bom = Bom.from_json(json.loads(sbom))
bom.validate()  # every reference of the graph is to a component
found = []
for c in json.loads(sbom)["components"]:
    purl = PackageURL.from_string(c["purl"])
    assert (purl.type, purl.name, purl.version) == ("cargo", c["name"], c["version"]), purl
    for l in c.get("licenses", []):
        info = spdx.validate(l["expression"])
        assert not info.errors, info
    found.append(c["name"])
key = json.loads(keys)["keys"][0]
pem = key["pem"]
raw = __import__("base64").urlsafe_b64decode(key["x"] + "=").hex()
public = SSlibKey(key["kid"], "ed25519", "ed25519", {"public": raw})
parsed = Envelope.from_dict(json.loads(envelope))
assert list(parsed.verify([public], 1)) == [key["kid"]]
parsed.payload = parsed.payload.replace(b"wasi", b"wasm")
try:
    parsed.verify([public], 1)
    raise SystemExit("a changed payload is taken")
except Exception as e:
    assert "signature" in str(e).lower() or "Accepted" in str(e), e
print(json.dumps(found))
"""


def setup():
    global d, python
    suite.needs_programs()
    suite.needs_engine("profile-wasi")
    python = venv_made.make("venv-provenance", "provenance-requirements.txt") + "/bin/python"
    d = Daemon(suite, "main", slots=2).start()
    ids["json"], ids["again"] = (d.accept("wasi", pack("with_json"), trial="off") for _ in range(2))


def built(name):
    job = d.wait(ids[name], SECONDS)
    check(job["state"] == "succeeded", f"{name} {job['state']}: {job['error']}", d.job_log(ids[name])[-3000:])
    return job


@suite.test
def test_they_are_what_others_read():
    job = built("json")
    files = []
    for name, path in (("sbom", job["sbom"]["url"]), ("envelope", job["provenance"]["url"]), ("keys", "/v1/keys")):
        files.append(os.path.join(d.dir, name + ".json"))
        with open(files[-1], "wb") as f:
            f.write(d.get(path).body)
    p = venv_made.run([python, "-c", CHECK, *files], 120, "reading them")
    equal(p.returncode, 0, f"status of the readers, which said {p.stdout[-3000:]}")
    found = set(json.loads(p.stdout.splitlines()[-1]))
    check({"serde", "serde_json", "serde_derive", "syn", "itoa"} <= found, "components", sorted(found))


@suite.test
def test_components_are_those_of_the_lock():
    job = built("json")
    equal(job["lock"], "resolved", "whose lock")
    lock = d.artifact(ids["json"], "Cargo.lock").decode()
    locked = {(n, v): c for n, v, c in
              re.findall(r'name = "(.*?)"\nversion = "(.*?)"\nsource = ".*?"\nchecksum = "(.*?)"', lock)}
    b = d.get(job["sbom"]["url"]).json()
    for c in b["components"]:
        equal(c["hashes"], [{"alg": "SHA-256", "content": locked[c["name"], c["version"]]}], f"hash of {c['name']}")
        check(c["licenses"], f"{c['name']} has no license")
    scopes = {c["name"]: c["scope"] for c in b["components"]}
    equal((scopes["serde"], scopes["syn"], scopes["serde_derive"]), ("required", "excluded", "excluded"), "scopes")


@suite.test
def test_the_same_bytes_twice():
    one, two = (built(n)["sbom"]["sha256"] for n in ("json", "again"))
    equal(one, two, "sha256 of the bill of materials of two builds")


if __name__ == "__main__":
    suite.main(setup)
