#!/usr/bin/env python3
"""Published crates with their dependencies, wrapped for Go: needs the crate registry (make test-registry).

go_pattern has regex and serde_json; go_digest has ring, whose C and assembly is compiled for both machines and both libcs.
"""

import hashlib
import os

from go import Module, WAYS
from lib import Daemon, Suite, check, equal, nothing_left, pack, read_tree

suite = Suite("go-registry", seconds=1800)
SECONDS = 1500  # for one job on a slow line
d = None
ids = {}
TEST = r"""package quarry

import (
	"strings"
	"testing"

	"quarry/godigest"
	"quarry/gopattern"
)

func TestPattern(t *testing.T) {
	got, err := gopattern.Find([]byte(`(\w+)=(\d+)?`), []byte("iron=26, rust="))
	if err != nil || string(got) != `[["iron=26","iron","26"],["rust=","rust",null]]` {
		t.Errorf("%s, %v", got, err)
	}
	if _, err := gopattern.Find([]byte("("), nil); err == nil || !strings.Contains(err.Error(), "unclosed group") {
		t.Error(err)
	}
}

func TestDigest(t *testing.T) {
	for i := 0; i < 3; i++ {
		got, err := godigest.Sha256([]byte("iron"))
		if err != nil || string(got) != "WANTED" {
			t.Errorf("%x, %v", got, err)
		}
	}
}
"""


def wrapped(crate, prefix):
    """The crate with the convention's file, of which the symbols carry the crate's name."""
    boundary = read_tree("go_smelter")["src/boundary.rs"][0].decode().replace("smelter_", prefix)
    return pack(crate, extra={"src/boundary.rs": boundary})


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("profile-go", "trial-go")
    d = Daemon(suite, "main", slots=2).start()
    ids["pattern"] = d.accept("go", wrapped("go_pattern", "go_pattern_"), locked="true")
    ids["digest"] = d.accept("go", wrapped("go_digest", "go_digest_"), locked="true")


def package(name):
    job = d.wait(ids[name], SECONDS)
    check(job["state"] == "succeeded", f"{name} {job['state']}: {job['error']}", d.job_log(ids[name])[-3000:])
    artifacts = d.artifacts(ids[name])
    for a in artifacts.values():
        check(a["contract"] is None or a["contract"]["verdict"] == "pass", f"contract of {a['name']}", a["contract"])
    primary = artifacts[f"go-{name}.tar"]
    equal(primary["trial"]["verdict"], "pass", f"trial {primary['trial']}")
    return d.artifact(ids[name])


@suite.test
def test_go_calls_them():
    digest = "".join(f"\\x{b:02x}" for b in hashlib.sha256(b"iron").digest())
    with Module([package("pattern"), package("digest")], {"quarry_test.go": TEST.replace("WANTED", digest)}) as m:
        for way in WAYS:
            out = m.test(way)
            for test in ("TestPattern", "TestDigest"):
                check(f"--- PASS: {test}" in out, f"{test} did not run, {way}", out)


@suite.test
def test_nothing_is_left():
    nothing_left(d)
    check(os.listdir(os.path.join(d.state, "work")) == [], "work folders")


if __name__ == "__main__":
    suite.main(setup)
