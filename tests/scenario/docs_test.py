"""The documentation against the program: links, settings, limits, routes, error kinds, fields, make targets, and the
curl lines, which are run against a daemon without an Engine (jobs just queue)."""

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
import urllib.parse

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "integration"))
from lib import BUILD, ROOT, CrateCopy, Daemon, Suite, check, equal, git_archive, pack, piped  # noqa: E402

import compare_inspect  # noqa: E402
from openapi_check import Checker  # noqa: E402

suite = Suite("docs", seconds=240)
PUBLIC = "http://127.0.0.1:7070"  # as the pages have it
ULID = re.compile(r"\b01[0-9A-HJKMNP-TV-Z]{24}\b")


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8") as f:
        return f.read()


def pages():
    found = []
    for dir, dirs, names in os.walk(ROOT):
        dirs[:] = [d for d in dirs if d not in ("build", "state", "target", "vendor", "node_modules") and d[0] != "."]
        found += [os.path.relpath(os.path.join(dir, n), ROOT) for n in names if n.endswith(".md")]
    return sorted(found)


def prose(text):
    """Without code, where brackets mean something else."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.M | re.S)
    text = re.sub(r"^    .*$", "", text, flags=re.M)
    return text


def anchors(text):
    """As GitHub makes them of headings."""
    found = set()
    for heading in re.findall(r"^#+ +(.*?) *$", re.sub(r"^    .*$", "", text, flags=re.M), flags=re.M):
        heading = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").lower()
        found.add(re.sub(r"[^\w\- ]", "", heading).replace(" ", "-"))
    return found


def section(text, heading):
    """What stands below a heading, up to the next one of its level or above."""
    level = heading.split(" ")[0]
    start = re.search(rf"^{re.escape(heading)} *$", text, flags=re.M)
    check(start, f"there is no heading '{heading}'")
    rest = text[start.end():]
    end = re.search(rf"^#{{1,{len(level)}}} ", rest, flags=re.M)
    return rest[:end.start()] if end else rest


def rows(text):
    """The cells of every table's rows."""
    return [[c.strip() for c in re.split(r"(?<!\\)\|", line.strip())[1:-1]] for line in text.splitlines()
            if line.startswith("|") and not re.fullmatch(r"[|\- ]+", line)]


def words(cell):
    return set(re.findall(r"`([^`]+)`", cell))


def first_cells(text):
    return set().union(*(words(r[0]) for r in rows(text)))


def none_missing(wanted, found, what):
    missing = sorted(set(wanted) - set(found))
    check(not missing, f"{what}: {', '.join(missing)}")


# --- pages alone ---


@suite.test
def test_relative_links_lead_somewhere():
    broken = []
    for page in pages():
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(read(page))):
            if re.match(r"[a-z]+:", target):
                continue
            path, _, anchor = target.partition("#")
            to = os.path.normpath(os.path.join(os.path.dirname(page), path)) if path else page
            if not os.path.exists(os.path.join(ROOT, to)):
                broken.append(f"{page}: {target}")
            elif anchor and to.endswith(".md") and anchor not in anchors(read(to)):
                broken.append(f"{page}: {target} (no such heading)")
    check(not broken, "links that lead nowhere", *broken)


@suite.test
def test_pages_are_of_no_machine_in_particular():
    for page in pages():
        found = re.search(r"/(work|home|root)/(?!(src|target|cargo|out|home|tmp)\b)\w+", read(page))
        check(not found, f"{page} names a folder of somebody's machine: {found and found[0]}")


@suite.test
def test_make_targets_exist():
    known = set(re.findall(r"^ *make ([\w-]+) ", piped("make", "-s", "help", cwd=ROOT).decode(), flags=re.M))
    check("demo" in known, "make help lists no targets", sorted(known))
    for page in pages():
        text = read(page)
        code = re.findall(r"`([^`\n]+)`", text) + re.findall(r"^    (.*)$", text, flags=re.M)
        for line in code:
            for target in re.findall(r"(?:^|[;&] *|&& )make ([a-z][a-z-]*)(?![\w/])", line.split(" #")[0]):
                check(target in known, f"{page} says 'make {target}', which make help does not list")


# --- against the sources ---


@suite.test
def test_settings_and_limits_are_as_the_program_prints_them():
    page = read("docs/configuration.md")
    printed = piped(os.path.join(BUILD, "bloomeryd"), "config", "--markdown", "--share-dir", ROOT).decode()
    wanted = [line for line in printed.splitlines() if line.startswith("| `")]
    check(len(wanted) > 30, "bloomeryd config --markdown prints no table", printed)
    for line in wanted:
        check(line in page.splitlines(), "docs/configuration.md lacks this row, or has it otherwise", line)
    known = {words(r[0]).pop() for r in rows("\n".join(wanted))}
    for name in set().union(*(words(r[0]) for r in rows(page))):
        check(name in known, f"docs/configuration.md has a row for `{name}`, which is no setting")


@suite.test
def test_every_limit_says_what_happens_at_it():
    limits = re.findall(r"^ *X\((\w+),", read("base/limits.h"), flags=re.M)
    check(len(limits) > 20, "base/limits.h has no table")
    none_missing(limits, first_cells(section(read("docs/api.md"), "## Limits")), "docs/api.md, Limits, lacks")


@suite.test
def test_every_error_kind_has_its_status():
    kinds = re.findall(r'\[ERR_\w+\] = \{"(\w+)", (\d+)\}', read("base/err.c"))
    check(len(kinds) > 20, "base/err.c has no table")
    table = {w: r[1] for r in rows(section(read("docs/api.md"), "## Errors")) for w in words(r[0])}
    for kind, status in kinds:
        if kind == "none":
            continue
        check(kind in table, f"docs/api.md, Errors, lacks `{kind}`")
        check(table[kind].split(" ")[0] == status, f"docs/api.md says {table[kind]} for {kind}, base/err.c {status}")
    none_missing(table, [k for k, _ in kinds] + ["kind"], "docs/api.md, Errors, has kinds that are none")


def routes():
    """(methods, path, parameters) of daemon/routes.c."""
    found = re.findall(r'\{"([A-Z ]+)", "(/[^"]*)", \w+, \w+, (?:true|false), \{([^}]*)\}\}', read("daemon/routes.c"))
    check(len(found) > 15, "daemon/routes.c has no table")
    return [(m.split(), path, re.findall(r'"([^"]+)"', known)) for m, path, known in found]


@suite.test
def test_every_route_has_its_section_and_parameters():
    page = read("docs/api.md")
    for methods, path, known in routes():
        text = section(page, f"### {methods[0]} {path}")
        named = set().union(*(words(r[0]) for r in rows(text)), set())
        for parameter in known:
            check(parameter in named or (parameter[-1] == "." and parameter + "KEY" in named),
                  f"docs/api.md says nothing of {parameter} of {methods[0]} {path}")
    for heading in re.findall(r"^### ([A-Z]+ /.*)$", page, flags=re.M):
        check(any(heading == f"{m[0]} {p}" for m, p, _ in routes()), f"docs/api.md: there is no call {heading}")


@suite.test
def test_every_state_is_named():
    page = read("docs/api.md")
    states = re.findall(r"\[JOB_\w+\] = \"(\w+)\"", read("schema/store_job.c"))
    check("succeeded" in states, "schema/store_job.c has no table of states")
    none_missing(states, re.findall(r"\w+", section(page, "### States")), "docs/api.md, States, lacks")


@suite.test
def test_every_profile_has_its_page():
    for name in sorted(os.listdir(os.path.join(ROOT, "workers/profiles"))):
        p = json.loads(read(f"workers/profiles/{name}/profile.json"))
        page = read(f"docs/profiles/{name}.md")
        named = words(section(page, "## Host contract and trial"))
        none_missing(set(p["contract"]) - {"host"}, named, f"docs/profiles/{name}.md lacks checks of the contract")
        for wanted in (p["target"], p["toolchain"], p["contract"]["host"]):
            check(wanted in page, f"docs/profiles/{name}.md does not name {wanted}")
        check(f"profiles/{name}.md" in "".join(read(q) for q in pages()) or "docs/profiles/)" in read("README.md")
              or "(docs/profiles)" in read("README.md"), f"nothing leads to docs/profiles/{name}.md")


def reports():
    """(file, what bloomery-inspect says) of the small artifacts of all kinds that the parsers are tested with."""
    found = []
    for kind in ("wasm", "elf", "ar"):
        folder = os.path.join(ROOT, "tests/fuzz/corpus", kind)
        for name in sorted(os.listdir(folder)):
            with open(os.path.join(folder, name), "rb") as f:
                p = subprocess.run([os.path.join(BUILD, "bloomery-inspect"), kind], stdin=f, stdout=subprocess.PIPE, check=False)
            if p.returncode == 0:
                found.append((f"{kind}/{name}", json.loads(p.stdout)))
    check(len(found) > 15, f"only {len(found)} artifacts could be inspected")
    return found


@suite.test
def test_every_field_of_metadata():
    page = read("docs/metadata.md")
    seen = {}
    for name, report in reports():
        missing = compare_inspect.undocumented(report, page)
        check(not missing, f"docs/metadata.md lacks fields of {name}", *missing)
        for field in compare_inspect.fields(report):
            seen.setdefault(report["kind"], set()).add(field)
    for kind, title in (("wasm", "WebAssembly modules"), ("elf", "ELF files"), ("ar", "Archives")):
        none_missing(first_cells(section(page, f"## {title}")), seen[kind], f"docs/metadata.md, {title}, has what no report has")
    none_missing({"sizes." + f for f in first_cells(section(page, "## Sizes").split("| name |")[0])}, set().union(*seen.values()),
                 "docs/metadata.md, Sizes, has what no report has")


@suite.test
def test_metadata_is_as_the_api_describes_it():
    checker = Checker()
    for _, report in reports():
        for field in ("size", "gzip_size"):  # these go to the artifact's row
            del report[field]
        checker.validate(report, {"$ref": f"#/components/schemas/Metadata{report['kind'].capitalize()}"})


# --- against a running daemon ---


class Server:
    daemon = None

    @classmethod
    def get(cls):
        if not cls.daemon:
            cls.daemon = Daemon(suite, "pages", engine="/nonexistent/docker.sock").start(ready=False)
        return cls.daemon


@suite.test
def test_options_are_those_of_the_profiles():
    table = {w: r for r in rows(section(read("docs/api.md"), "## Options")) for w in words(r[0])}
    for p in Server.get().get("/v1/profiles").json()["profiles"]:
        for name, o in p["options"].items():
            if o["scope"] != "common":
                check(f"`{name}`" in read(f"docs/profiles/{p['name']}.md"), f"{p['name']}'s option {name} has no words")
                continue
            check(name in table, f"docs/api.md, Options, lacks {name}")
            kind = {"string": ("text", "path")}.get(o["type"], (o["type"],))
            check(table[name][1] in kind, f"docs/api.md says {name} is {table[name][1]}, the server {o['type']}")
            if o["type"] == "bool":
                equal(table[name][2], json.dumps(o["default"]), f"default of {name} in docs/api.md")
    server = {n for p in Server.get().get("/v1/profiles").json()["profiles"] for n in p["options"]}
    none_missing([n for n in table if n.isidentifier() and "=" not in n], server | {"option"},
                 "docs/api.md, Options, has what the server does not")


@suite.test
def test_fields_of_a_job_and_of_a_profile():
    d, page = Server.get(), read("docs/api.md")
    job = d.job(d.accept("wasm", pack("empty_main")))
    text = section(page, "## The job")
    none_missing(job, first_cells(text), "docs/api.md, The job, lacks")
    for part in ("source", "queue", "resources"):
        none_missing(job[part], re.findall(r"\w+", text), f"docs/api.md lacks fields of {part}")
    profile = d.get("/v1/profiles/wasm").json()
    none_missing(profile, first_cells(section(page, "### GET /v1/profiles/{name}")), "docs/api.md, profile, lacks")
    none_missing([c["name"] for c in d.get("/readyz").json()["checks"]], words(section(page, "### GET /readyz")),
                 "docs/api.md, /readyz, lacks checks")
    metrics = set(re.findall(r"^# TYPE (\w+)", d.get("/metrics").text(), flags=re.M))
    none_missing(metrics, re.findall(r"\w+", section(page, "### GET /metrics")), "docs/api.md, /metrics, lacks")


def method_of(argv):
    if "-X" in argv:
        return argv[argv.index("-X") + 1]
    if "-T" in argv:
        return "PUT"
    return "POST" if "--data-binary" in argv else "GET"


def curl_lines(page):
    """(method, path with query) of each curl of the pages that asks the server."""
    found = []
    for line in re.findall(r"^    (?:\$ )?(.*\bcurl .*)$", read(page), flags=re.M):
        line = re.sub(r"\$\(git rev-parse HEAD\)", "4f5c9d1", line.split("   #")[0])
        part = next(p for p in re.split(r"(?<!\|)\|(?!\|)", line) if re.search(r"\bcurl ", p))
        argv = shlex.split(part)
        for word in argv:
            if re.match(rf"(\$B|{re.escape(PUBLIC)})/", word):
                found.append((method_of(argv), re.sub(rf"^(\$B|{re.escape(PUBLIC)})", "", word)))
    return found


@suite.test
def test_curl_lines_are_calls_that_the_server_knows():
    d = Server.get()
    body = pack("empty_main")
    id = d.accept("wasm", body)
    sha = d.job(id)["source"]["sha256"]
    count = 0
    for page in pages():
        for method, path in curl_lines(page):
            where = f"{page}: {method} {path}"
            count += 1
            if "/v1/groups/" in path:
                path = ULID.sub(d.submit("wasm,wasi", body).json()["id"], path)
            else:
                path = ULID.sub(id, path).replace("$job", id)
            path = re.sub(r"sha256:[0-9a-f]{64}", f"sha256:{sha}", path)
            split = urllib.parse.urlsplit(path)
            if split.path == "/v1/build":
                path += "&wait=0"
            path = re.sub(r"wait=[1-9]\d*", "wait=1", path)
            if method == "DELETE" or split.path.endswith("/retry") or "follow=1" in path:
                # Of a job that nobody else looks at and that ends: a stream would not, before its job does.
                other = d.accept("wasm", body)
                if method != "DELETE":
                    d.request("DELETE", f"/v1/jobs/{other}")
                path = path.replace(id, other)
            bodied = method in ("POST", "PUT") and "source=" not in path and not path.endswith("/retry")
            unknown = "wsam" in path  # the page shows a refusal
            r = d.request(method, path, body if bodied and not unknown else None)
            if unknown:
                equal(r.status, 400, where)
                shown = re.search(r"^    (\{\"type\".*wsam.*\})$", read(page), flags=re.M)
                check(shown, f"{page} does not show the answer to {path}")
                equal(json.loads(shown[1]), r.json(), where)
            elif r.status == (409 if "/v1/groups/" in path or "/replay" in path else 404):  # nothing was built
                check(re.search("/(artifact|provenance|sbom|compare|replay)", path), f"{where}: {r.status}", r.text())
            else:
                check(r.status < 400, f"{where}: {r.status}", r.text())
    check(count > 15, f"only {count} curl lines were found")


@suite.test
def test_the_readme_s_five_lines():
    for program in ("curl", "git", "bash"):
        check(shutil.which(program), f"{program} is not installed")
    d = Server.get()
    lines = [line[4:] for line in section(read("README.md"), "## Five lines of curl").splitlines()
             if line.startswith("    ")]
    check(lines[0].startswith("cd "), "the session of README.md begins otherwise", *lines)
    equal(len(lines), 6, "lines of README.md's session, with cd")
    sent = next(i for i, line in enumerate(lines) if line.startswith("job="))
    cancel = f'curl -sS -m 20 -X DELETE "{PUBLIC}/v1/jobs/$job" >canceled.json'  # no Engine: it would wait for ever
    outputs = [f"{{ {line.split('   #')[0].rstrip()}; }} >line{i}" for i, line in enumerate(lines[sent + 1:])]
    script = "\n".join(["set -eu", *lines[1:sent + 1], cancel, *outputs]).replace(PUBLIC, f"http://127.0.0.1:{d.port}")
    git_archive("empty_main")  # says what is wrong with git, if anything is
    with CrateCopy("empty_main") as path:
        git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.org", "-C", path]
        for argv in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "x"]):
            piped(*git, *argv)
        p = subprocess.run(["bash", "-c", script], cwd=path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                           timeout=120, check=False, text=True)
        equal(p.returncode, 0, f"status of the session, which said {p.stdout[-600:]}")

        def output(name):
            with open(os.path.join(path, name), encoding="utf-8") as f:
                return f.read()

        job = json.loads(output("job.json"))
        check(f'"id":"{job["id"]}"' in output("line0") and "event: end" in output("line0"), "the log did not end",
              output("line0"))
        equal(json.loads(output("line1"))["state"], "canceled", "the state that the session shows")
        equal(json.loads(output("artifact"))["error_kind"], "not_found", "the artifact of a job that was canceled")


suite.needs_programs()
suite.main()
