#!/usr/bin/env python3
"""Published crates with their dependencies, wrapped for Genode: needs the crate registry (make test-registry).

genode_pattern is a component with regex and serde_json; genode_digest a lib with sha2 and hmac. They are held against
the lists of tests/kits/genode, and started on Linux on a stand-in for Genode's libraries.
"""

import hashlib
import hmac

from ao import bloomeryd
from genode import add_broken, install_kit, run
from lib import Daemon, Suite, check, equal, nothing_left, pack

suite = Suite("genode-registry", seconds=1800)
SECONDS = 1500  # for one job on a slow line
d = None
ids = {}


def setup():
    global d
    suite.needs_programs()
    suite.needs_engine("profile-genode")
    d = Daemon(suite, "main", slots=2)
    name = add_broken(d)
    install_kit(d)
    suite.on_exit(lambda: bloomeryd(d, "images", "remove", name))
    bloomeryd(d, "images", "build", name)
    d.start()
    for crate in ("pattern", "digest"):
        ids[crate] = d.accept(name, pack(f"genode_{crate}"), locked="true")


def component(crate):
    job = d.wait(ids[crate], SECONDS)
    check(job["state"] == "succeeded", f"{crate} {job['state']}: {job['error']}", d.job_log(ids[crate])[-3000:])
    artifacts = d.artifacts(ids[crate])
    for name in (f"genode-{crate}", f"libgenode_{crate}.a"):
        equal(artifacts[name]["contract"]["verdict"], "pass", f"contract of {name}: {artifacts[name]['contract']}")
    return artifacts, d.artifact(ids[crate])


@suite.test
def test_pattern():
    _, program = component("pattern")
    equal(run(program), (0, '[["iron=26","iron","26"],["rust=","rust",null]]\n'), "what it finds")
    status, said = run(program, "(", "")
    check(status == 0 and "unclosed group" in said, "a pattern that is none", said)


@suite.test
def test_digest():
    artifacts, program = component("digest")
    wanted = f"{hashlib.sha256(b'iron').hexdigest()} {hmac.new(b'key', b'iron', 'sha256').hexdigest()}\n"
    equal(run(program, "iron"), (0, wanted), "what it says")
    equal(sorted(artifacts["libgenode_digest.a"]["metadata"]["defined"]), ["digest_main", "digest_sha256", "main"],
          "what the static library has for others")


@suite.test
def test_nothing_is_left():
    nothing_left(d)


if __name__ == "__main__":
    suite.main(setup)
