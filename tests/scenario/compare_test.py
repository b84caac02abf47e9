"""What changed from one job to another, and which jobs made the same bytes: /v1/compare, /v1/artifacts/{sha256} and
`bloomery compare`, without an Engine. What jobs came to is written into the store. Every answer is held to openapi.json."""

import hashlib
import json
import os
import pty
import sqlite3
import subprocess
import sys
import time
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
import http_test  # noqa: E402
from http_test import TARBALL, checker  # noqa: E402
from lib import BUILD, Daemon, Suite, check, equal, query  # noqa: E402

for d in list(http_test.suite.daemons):  # its servers are not needed here, only their class
    d.close()
suite = Suite("compare", seconds=120)
NOWHERE = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
MANY = 100000  # exports: as many as bloomery-inspect lists


class Server(http_test.Server):
    def __init__(self, name, **settings):
        Daemon.__init__(self, suite, name, engine="/nonexistent/docker.sock", **settings)

    def compare(self, **parameters):
        """from is a word of Python's: old=, new= stand for from=, to=."""
        parameters = {{"old": "from", "new": "to"}.get(k, k): v for k, v in parameters.items()}
        r = self.get(f"/v1/compare?{query(**parameters)}")
        equal(r.status, 200, f"status of a comparison of {parameters}: {r.body[:300]}")
        return r.json()


main = Server("main")


def sizes(code, crates, functions):
    return {"by_section": [{"name": "code", "bytes": code}, {"name": "(outside sections)", "bytes": 8}], "code_bytes": code,
            "by_crate": [{"crate": c, "bytes": n, "functions": 1} for c, n in crates.items()],
            "largest_functions": [{"name": f, "crate": "smelt", "bytes": n} for f, n in functions.items()]}


def module(exports, **more):
    return {"kind": "wasm", "imports": [], "exports": [{"name": e, "kind": "function"} for e in exports], **more}


def packages(**versions):
    """As the worker keeps them; the first one is what was built."""
    return {"root": 0, "resolved": True, "truncated": False,
            "packages": [{"name": n, "version": v, "source": None, "checksum": None, "license": None, "for": "target",
                          "features": [], "dependencies": []} for n, v in versions.items()]}


# Of no format: what the inspector would say of them is written into the store.
BYTES = {w: b"iron " + w.encode() * n for w, n in (("a", 100), ("b", 120), ("c", 3), ("many", 4), ("e", 5))}
OLD = module(["add"], sizes=sizes(700, {"std": 400, "smelt": 300}, {"main": 300}))
NEW = module(["add", "sub"], sizes=sizes(900, {"std": 400, "smelt": 500}, {"main": 500}))
# word: id's last digit, bytes, metadata, packages, labels, and columns of its row
JOBS = {
    "old": (1, "a", OLD, packages(smelt="1.0.0", itoa="1.0.1"), {"branch": "main"}, {}),
    "new": (2, "b", NEW, packages(smelt="1.0.0", itoa="1.0.2"), {"branch": "next"}, {"toolchain_rustc": "rustc 2"}),
    "before": (3, "c", {"kind": "wasm", "imports": [], "exports": []}, None, {"branch": "main", "age": "old"}, {}),
    "other profile": (4, "a", OLD, packages(smelt="1.0.0"), {"branch": "main"}, {"profile": "musl"}),
    "many": (5, "many", module([f"e{i}" for i in range(MANY)]), None, {"a": "x,y"}, {}),
    "many others": (6, "many", module([f"f{i}" for i in range(MANY)], truncated=True), None, {}, {}),
    "failed": (7, None, None, None, {}, {"state": "failed", "error_kind": "compile", "error_message": "no such crate"}),
    "elf": (8, "e", {"kind": "elf", "exports": [], "undefined": ["malloc"], "needed": ["libc.so.6"]}, None, {}, {"kind": "elf"}),
    "other elf": (9, "e", {"kind": "elf", "exports": [], "undefined": [], "needed": ["libm.so.6"]}, None, {}, {"kind": "elf"}),
    "newest": (0, "a", OLD, packages(smelt="1.0.0", itoa="1.0.1"), {"branch": "main"}, {}),
}
ids = {w: f"01ARZ3NDEKTSV4RRFFQ69G5{'FB' if w == 'newest' else 'FA'}{j[0]}" for w, j in JOBS.items()}


def setup():
    suite.needs_programs()
    suite.needs(os.access(os.path.join(BUILD, "bloomery"), os.X_OK), f"{BUILD}/bloomery is not there: run make")
    main.start(ready=False)
    main.stop()
    main.seed([{"id": ids[w], "state": more.get("state", "succeeded"), "source": TARBALL, "finished_at": int(time.time() * 1000),
                "artifacts": [("smelt.wasm", "primary", BYTES[data]), ("more.wasm", "side", BYTES["a"])] if data else []}
               for w, (_, data, _, _, _, more) in JOBS.items()])
    db = sqlite3.connect(os.path.join(main.state, "bloomery.db"))
    for w, (_, _, metadata, told, labels, more) in JOBS.items():
        for column, value in more.items():
            if column == "kind":
                db.execute("UPDATE artifacts SET kind = ? WHERE job_id = ? AND role = 'primary'", (value, ids[w]))
            else:
                db.execute(f"UPDATE jobs SET {column} = ? WHERE id = ?", (value, ids[w]))
        db.execute("UPDATE artifacts SET metadata = ? WHERE job_id = ? AND role = 'primary'", (json.dumps(metadata), ids[w]))
        db.executemany("INSERT INTO job_labels VALUES (?, ?, ?)", [(k, v, ids[w]) for k, v in labels.items()])
        if told:
            db.execute("INSERT INTO packages VALUES (?, ?)", (ids[w], json.dumps(told)))
    db.commit()
    db.close()
    main.start(ready=False)


# --- comparing ---


@suite.test
def test_what_changed():
    answer = main.compare(old=ids["old"], new=ids["new"])
    was, now = len(BYTES["a"]), len(BYTES["b"])
    equal(answer["size"], {"from": was, "to": now, "delta": now - was, "percent": 100 * (now - was) / was}, "size")
    equal(answer["code_bytes"], {"from": 700, "to": 900, "delta": 200, "percent": 100 * 200 / 700}, "code_bytes")
    equal(answer["sections"], [{"name": "code", "from": 700, "to": 900, "delta": 200},
                               {"name": "(outside sections)", "from": 8, "to": 8, "delta": 0}], "sections")
    equal(answer["crates"], [{"name": "smelt", "from": 300, "to": 500, "delta": 200},
                             {"name": "std", "from": 400, "to": 400, "delta": 0}], "crates")
    equal(answer["functions"], [{"name": "main", "crate": "smelt", "from": 300, "to": 500, "delta": 200}], "functions")
    equal(answer["exports"], {"added": [{"name": "sub", "kind": "function"}], "removed": []}, "exports")
    equal(answer["toolchain"], [{"name": "rustc", "from": "rustc 1", "to": "rustc 2"}], "toolchain")
    equal(answer["dependencies"], [{"name": "itoa", "change": "version", "from": ["1.0.1"], "to": ["1.0.2"],
                                    "for": "target"}], "dependencies")
    equal((answer["identical"], answer["warnings"], answer["truncated"]), (False, [], []), "the rest")
    equal((answer["from"]["id"], answer["to"]["labels"]), (ids["old"], {"branch": "next"}), "the jobs")


@suite.test
def test_jobs_of_an_older_server():
    answer = main.compare(old=ids["before"], new=ids["new"])
    equal([answer[k] for k in ("sections", "crates", "functions", "dependencies")], [None] * 4, "what is not known")
    check(answer["size"]["delta"] > 0 and len(answer["exports"]["added"]) == 2, "what is known", answer)
    said = " ".join(answer["warnings"])
    for words in ("sizes by section and crate are not known", f"packages that job {ids['before']} is made of are not known"):
        check(words in said, f"a warning says: {words}", answer["warnings"])


@suite.test
def test_other_profiles_kinds_and_artifacts():
    answer = main.compare(old=ids["old"], new=ids["other profile"])
    check("different profiles, wasm and musl" in answer["warnings"][0], "a warning of the profiles", answer["warnings"])
    equal(answer["identical"], True, "identical")
    equal(answer["dependencies"], [{"name": "itoa", "change": "removed", "from": ["1.0.1"], "to": [], "for": "target"}],
          "dependencies")
    answer = main.compare(old=ids["old"], new=ids["elf"])
    check(any("different kinds, wasm and elf" in w for w in answer["warnings"]), "a warning of the kinds", answer)
    equal([answer[k] for k in ("sections", "exports", "needed")], [None] * 3, "what cannot be compared")
    answer = main.compare(old=ids["elf"], new=ids["other elf"])
    equal((answer["undefined"], answer["needed"], answer["imports"]),
          ({"added": [], "removed": [{"name": "malloc"}]},
           {"added": [{"name": "libm.so.6"}], "removed": [{"name": "libc.so.6"}]}, None), "names of ELF files")
    answer = main.compare(old=ids["old"], new=ids["new"], artifact="more.wasm")
    equal((answer["identical"], answer["from"]["artifact"]["name"]), (True, "more.wasm"), "another artifact")


@suite.test
def test_lists_without_end():
    """100,000 exports on either side, none of them on both: the answer has some, and says that it was cut."""
    answer = main.compare(old=ids["many"], new=ids["many others"])
    equal([len(answer["exports"][k]) for k in ("added", "removed")], [200, 200], "names")
    equal(answer["truncated"], ["exports"], "truncated")
    check(any("too long to be kept whole" in w for w in answer["warnings"]), "a warning of the inspector's", answer["warnings"])
    main.alive("a comparison of two huge modules")


@suite.test
def test_latest():
    def chosen(old, new):
        answer = main.compare(old=old, new=new)
        return answer["from"]["id"], answer["to"]["id"]

    equal(chosen("latest:label.branch=main", ids["new"]), (ids["newest"], ids["new"]), "the newest of a branch")
    equal(chosen("latest:label.branch=main,label.age=old", ids["new"])[0], ids["before"], "several labels")
    equal(chosen("latest:label.branch=main,profile=musl", ids["new"])[0], ids["other profile"], "another profile")
    equal(chosen("latest:label.branch=main", ids["other profile"])[0], ids["other profile"], "nothing else of its profile")
    equal(chosen("latest:label.branch=main", ids["newest"])[0], ids["before"], "not the job itself where there is another")
    equal(chosen("latest:label.a=x,y", ids["new"])[0], ids["many"], "a value with a comma")
    equal(chosen("latest:crate=demo", "latest:label.branch=next"), (ids["newest"], ids["new"]), "both")
    equal(chosen("latest", "latest")[1], ids["newest"], "the newest of all")


@suite.test
def test_refusals():
    def refused(status, kind, words, **parameters):
        r = main.refused(status, kind, "GET", f"/v1/compare?{urllib.parse.urlencode(parameters)}")
        check(words in r.json()["detail"], f"the refusal says: {words}", r.json())
        return r.json()

    both = {"from": ids["old"], "to": ids["new"]}
    for side in ("from", "to"):
        refused(404, "not_found", f"{side}: there is no job {NOWHERE}", **{**both, side: NOWHERE})
        refused(404, "not_found", f"{side}: there is no job 'short'", **{**both, side: "short"})
        refused(400, "bad_request", f"'{side}' is missing", **{k: v for k, v in both.items() if k != side})
        refused(400, "bad_request", f"'{side}' is missing", **{**both, side: ""})
        refused(409, "conflict", f"{side}: job {ids['failed']} has no artifact: it is failed", **{**both, side: ids["failed"]})
    check("no such crate" in refused(409, "conflict", "", **{**both, "to": ids["failed"]})["hint"], "the hint says why it failed")
    waits = main.accept("wasm", TARBALL)
    refused(409, "conflict", f"to: job {waits} has no artifact yet: it is queued", **{**both, "to": waits})
    refused(404, "not_found", "no job that succeeded fits: profile wasm, crate demo, label branch=nowhere",
            **{**both, "from": "latest:label.branch=nowhere"})
    refused(404, "not_found", "no job that succeeded fits: profile nope", **{**both, "from": "latest:profile=nope"})
    refused(400, "bad_request", "does not know 'state=failed'", **{**both, "from": "latest:state=failed"})
    refused(400, "bad_request", "label.KEY=VALUE", **{**both, "from": "latest:label.branch"})
    check("more.wasm" in refused(404, "not_found", "has no artifact 'nope.wasm'", **both, artifact="nope.wasm")["hint"],
          "the hint names those that there are")
    main.refused(400, "bad_request", "GET", f"/v1/compare?from={ids['old']}&to={ids['new']}&form=1")
    main.refused(400, "bad_request", "GET", f"/v1/compare?from={ids['old']}&to={ids['new']}&to={ids['new']}")
    equal(main.request("POST", f"/v1/compare?from={ids['old']}&to={ids['new']}").status, 405, "POST")
    equal(main.request("HEAD", f"/v1/compare?from={ids['old']}&to={ids['new']}").status, 200, "HEAD")


# --- who made these bytes ---


@suite.test
def test_makers():
    sha256 = hashlib.sha256(BYTES["a"]).hexdigest()
    wanted = sorted((id for w, id in ids.items() if JOBS[w][1]), reverse=True)  # all have it, as their side artifact
    answer = main.get(f"/v1/artifacts/{sha256}").json()
    equal((answer["sha256"], answer["size"], answer["next"]), (sha256, len(BYTES["a"]), None), "sha256, size, next")
    equal([j["id"] for j in answer["jobs"]], wanted, "jobs, newest first, each once")
    equal(answer["jobs"][0]["artifacts"][0]["sha256"], sha256, "a job as everywhere")
    found, path = [], f"/v1/artifacts/{sha256}?limit=4"
    while path:
        r = main.get(path)
        found += [j["id"] for j in r.json()["jobs"]]
        link = r.headers.get("Link")
        equal(bool(link), bool(r.json()["next"]), "Link and next")
        path = link and link[1:link.index(">")]
    equal(found, wanted, "jobs, page by page")
    equal(main.get(f"/v1/artifacts/{sha256}?cursor={wanted[-1]}").json()["jobs"], [], "a page beyond the last one")
    equal(main.request("HEAD", f"/v1/artifacts/{sha256}").status, 200, "HEAD")


@suite.test
def test_makers_of_nothing():
    unknown = main.refused(404, "not_found", "GET", f"/v1/artifacts/{'0' * 64}").json()
    check("made these bytes" in unknown["detail"] and "30 days" in unknown["hint"], "the sentence", unknown)
    main.refused(404, "not_found", "GET", f"/v1/artifacts/{'0' * 64}?cursor={ids['new']}")
    # A source is no artifact.
    main.refused(404, "not_found", "GET", f"/v1/artifacts/{hashlib.sha256(TARBALL).hexdigest()}")
    for digest in ("short", "A" * 64, "0" * 63, "0" * 65, "g" * 64, "%00" * 21):
        main.refused(400, "bad_request", "GET", f"/v1/artifacts/{digest}")
    sha256 = hashlib.sha256(BYTES["a"]).hexdigest()
    for wrong in ("limit=0", "limit=201", "cursor=x", "state=failed", "nope="):
        main.refused(400, "bad_request", "GET", f"/v1/artifacts/{sha256}?{wrong}")
    main.refused(404, "not_found", "GET", "/v1/artifacts")
    main.refused(404, "not_found", "GET", f"/v1/artifacts/{sha256}/jobs")
    equal(main.request("DELETE", f"/v1/artifacts/{sha256}").status, 405, "DELETE")


# --- the client ---


@suite.test
def test_client_table():
    out, _ = main.client("compare", ids["old"], ids["new"])
    for line in ("dependencies\n    itoa  1.0.1 -> 1.0.2\n", "exports\n  + sub\n", "toolchain\n  rustc  rustc 1 -> rustc 2\n",
                 f"from  {ids['old']}  wasm  demo 0.1.0  smelt.wasm"):
        check(line in out, f"the table has {line!r}", out)
    check("\033" not in out, "no colours but on a terminal", out)
    rows = {line.split()[0]: line.split()[1:] for line in out.splitlines() if line.startswith("  ") and len(line.split()) > 3}
    equal(rows["code"], ["700", "900", "+200"], "the last row named code: the section's")
    equal((rows["smelt"], rows["main"]), (["300", "500", "+200"],) * 2, "a crate and a function")
    check("std" not in rows, "what has not changed is left out", out)
    out, _ = main.client("compare", ids["old"], ids["new"], "--artifact", "more.wasm")
    check("same, byte for byte" in out, "artifacts that are the same", out)
    out, _ = main.client("compare", "--json", ids["old"], ids["new"])
    equal(json.loads(out), main.compare(old=ids["old"], new=ids["new"]), "--json is the answer")


def on_a_terminal(*words, **env):
    """What the client prints where its standard output is one."""
    ours, theirs = pty.openpty()
    p = subprocess.Popen([os.path.join(BUILD, "bloomery"), *words], stdin=subprocess.DEVNULL, stdout=theirs,
                         stderr=subprocess.DEVNULL,
                         env={**os.environ, "BLOOMERY_SERVER": f"http://127.0.0.1:{main.port}", "TERM": "xterm", **env})
    os.close(theirs)
    out = b""
    try:
        while part := os.read(ours, 65536):
            out += part
    except OSError:  # that is how a terminal's end looks from here
        pass
    os.close(ours)
    equal(p.wait(60), 0, "exit code")
    return out.decode()


@suite.test
def test_client_colours():
    words = ("compare", ids["old"], ids["new"])
    out = on_a_terminal(*words, NO_COLOR="")
    check("\033[31m+200\033[0m" in out, "what grew is red", out)
    check("\033[32m" in on_a_terminal("compare", ids["new"], ids["old"], NO_COLOR=""), "what shrank is green")
    for quiet in (on_a_terminal(*words, NO_COLOR="1"), on_a_terminal(*words, "--json", NO_COLOR="")):
        check("\033" not in quiet, "no colours where none are wanted", quiet)


@suite.test
def test_client_exit_codes():
    grown = 100 * (len(BYTES["b"]) - len(BYTES["a"])) / len(BYTES["a"])
    for allowed, code in ((0, 1), (grown - 0.01, 1), (grown + 0.01, 0), (100, 0)):
        _, said = main.client("compare", ids["old"], ids["new"], f"--fail-on-growth={allowed}", code=code)
        equal("smelt.wasm grew by" in said, code == 1, f"what is said of {allowed} %: {said}")
    main.client("compare", ids["new"], ids["old"], "--fail-on-growth=0")
    main.client("compare", ids["old"], ids["newest"], "--fail-on-growth=0")
    for words in ((ids["old"],), (ids["old"], ids["new"], ids["old"]), (), (ids["old"], NOWHERE), (ids["old"], ids["failed"]),
                  (ids["old"], ids["new"], "--fail-on-growth=-1"), (ids["old"], ids["new"], "--fail-on-growth=much"),
                  (ids["old"], "latest:label.branch=nowhere")):
        main.client("compare", *words, code=2)
    main.client("compare", ids["old"], ids["new"], "--server", "http://127.0.0.1:1", code=3)


@suite.test
def test_the_document_was_used():
    done = {o for o, status in checker.seen if status < 400}
    equal(sorted({"compareJobs", "listMakers"} - done), [], "calls never made")


if __name__ == "__main__":
    suite.main(setup)
