"""Loaded by schemathesis: leads what it makes up to things that are there, and keeps every call short.

$SCHEMA_TEST is JSON: {"url", "profiles": [..], "jobs": [ids of finished jobs], "artifacts": [names of the first one's],
"groups": [ids of finished groups], "digests": [sha256 of artifacts], "source": sha256, "tarball": path, "statuses": path}. Values are only put for values that the document allows, so what
was meant to be refused still has to be. One worker only: the counters make every run the same. At the end `statuses`
is written: {operationId: {status: how often}}.
"""

import atexit
import collections
import itertools
import json
import os
import re
import urllib.request

import schemathesis
from schemathesis.core.parameters import ParameterLocation
from schemathesis.generation.meta import TestPhase

DATA = json.loads(os.environ["SCHEMA_TEST"])
with open(DATA["tarball"], "rb") as f:
    TARBALL = f.read()
ULID = re.compile("[0-9A-HJKMNP-TV-Z]{26}")
SUBMISSIONS = ("submitJobs", "putJobs", "build", "putBuild")
turns = collections.defaultdict(itertools.count)
statuses = collections.defaultdict(collections.Counter)


@atexit.register
def write_statuses():
    with open(DATA["statuses"], "w", encoding="utf-8") as f:
        json.dump(statuses, f)


def operation_id(case):
    return case.operation.definition.raw["operationId"]


def call(method, path):
    request = urllib.request.Request(DATA["url"] + path, method=method)
    with urllib.request.urlopen(request, timeout=20) as r:
        return json.load(r)


def turn(case, what, of):
    """0, 1, ... of - 1, 0, ...: so that each kind of thing comes up."""
    return next(turns[case.operation.label, what]) % of


def meant_wrong(case, location):
    return case.meta is not None and case.meta.is_negative_at(location)


def choose_job(case):
    """Jobs that are finished, for a follower of any other would wait; now and then one that is not there."""
    if operation_id(case) == "cancelJob" and turn(case, "queued", 2) == 0:
        return call("POST", f"/v1/jobs?profile={DATA['profiles'][0]}&source=sha256:{DATA['source']}")["id"]
    jobs = DATA["jobs"]
    n = turn(case, "job", len(jobs) + 3)
    return jobs[0] if n < 3 else jobs[n - 3]


def choose_group(case):
    """As choose_job."""
    if operation_id(case) == "cancelGroup" and turn(case, "queued", 2) == 0:
        names = ",".join(DATA["profiles"][:2])
        return call("POST", f"/v1/jobs?profile={names}&source=sha256:{DATA['source']}")["id"]
    return DATA["groups"][turn(case, "group", len(DATA["groups"]))]


def submission(case):
    query, n = case.query, turn(case, "submission", 6)
    if isinstance(query.get("profile"), str) and query["profile"] and n < 5:
        names = DATA["profiles"]
        query["profile"] = ",".join(names) if n == 4 and "build" not in case.path else names[n % len(names)]
    if "source" in query and n % 2 == 0:
        query["source"] = f"sha256:{DATA['source']}"
    if n != 3:
        query.pop("options", None)
    if not meant_wrong(case, ParameterLocation.BODY) and n < 5:
        case.body = TARBALL


@schemathesis.hook
def before_call(context, case, kwargs):
    id, path, query = operation_id(case), case.path_parameters, case.query
    # A sequence of calls brings the ids of jobs that it has made.
    sequence = case.meta is not None and case.meta.phase.name == TestPhase.STATEFUL
    if not sequence and not meant_wrong(case, ParameterLocation.PATH):
        if ULID.fullmatch(str(path.get("id", ""))) and turn(case, "known", 5) < 4:
            path["id"] = choose_group(case) if "/groups/" in case.path else choose_job(case)
        if id == "listMakers" and turn(case, "digest", 2) == 0:
            path["sha256"] = DATA["digests"][turn(case, "of", len(DATA["digests"]))]
        elif "artifacts/" in case.path and turn(case, "name", 4) < 3:
            path["name"] = DATA["artifacts"][turn(case, "artifact", len(DATA["artifacts"]))]
        if id == "getProfile" and turn(case, "name", 2) == 0:
            path["name"] = DATA["profiles"][0]
    if id in SUBMISSIONS and not meant_wrong(case, ParameterLocation.QUERY):
        submission(case)
    if id == "compareJobs" and not meant_wrong(case, ParameterLocation.QUERY) and turn(case, "compared", 4) < 3:
        query["from"], query["to"] = (DATA["jobs"][0], "latest") if turn(case, "latest", 2) else (DATA["jobs"][0],) * 2
        query.pop("artifact", None)
    # Jobs only queue here, so who waits waits to the end, and who follows follows for ever. schema_test.py tests both.
    wait = str(query.get("wait", "1800" if id in ("build", "putBuild") else "0"))
    if re.fullmatch("[0-9]{1,4}", wait) and 1 < int(wait) <= 3600:
        query["wait"] = 1 if turn(case, "wait", 8) == 0 else 0
    if id == "getLog" and sequence and str(query.get("follow")) == "1":
        query["follow"] = 0
    if id == "getLog" and str(query.get("follow")) != "1":
        case.headers.pop("Last-Event-ID", None)  # it means nothing to who does not follow


@schemathesis.hook
def after_call(context, case, response):
    statuses[operation_id(case)][response.status_code] += 1
    # A full queue was seen; make room, or nothing else would be seen any more.
    if response.status_code == 429:
        for job in call("GET", "/v1/jobs?state=queued&limit=200")["jobs"]:
            call("DELETE", f"/v1/jobs/{job['id']}")
