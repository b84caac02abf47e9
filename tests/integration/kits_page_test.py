#!/usr/bin/env python3
"""The walk-through of docs/kits.md, done word by word: see page.py.

# alone: what is bloomery/profile-genode:current changes while it runs
"""

import http.client
import os
import shutil

from lib import BUILD, Failure, Suite, check, engine_call, engine_get, equal, nothing_left
from page import Reader, blocks, counts

FILES, COMMANDS = 8, 40  # a page with fewer is not the walk-through any more
suite = Suite("kits_page", seconds=900)


CURRENT = "bloomery/profile-genode:current"


def tags():
    """{name: image} of the profile: those of before stay, what the page has built goes."""
    return {t: i["Id"] for i in engine_get("/images/json") for t in i.get("RepoTags") or []
            if t.startswith("bloomery/profile-genode:")}


def restore(before):
    engine_call("POST", f"/images/{before[CURRENT]}/tag?repo=bloomery/profile-genode&tag=current")
    for tag in tags().keys() - before.keys():
        try:
            engine_call("DELETE", f"/images/{tag}")
        except (Failure, http.client.HTTPException) as e:
            print(f"    -- {tag} stays: {e}")


@suite.test
def test_page():
    steps = blocks("kits.md", "A walk-through: a kit for Genode")
    files, commands, _ = counts(steps)
    check(files >= FILES and commands >= COMMANDS, f"the page has only {files} files, {commands} commands")
    equal([b.kind for b in steps].index("set"), 0, "place of the variables among the blocks")
    before = tags()
    suite.on_exit(lambda: restore(before))
    reader = Reader(suite)
    reader.do(steps)
    nothing_left(reader.daemon)


suite.needs_programs()
suite.needs(os.access(os.path.join(BUILD, "bloomery"), os.X_OK), f"{BUILD}/bloomery is not there: run make")
for needed in ("tar", "gzip"):
    suite.needs(shutil.which(needed), f"{needed} is not installed: docker/setup test")
suite.needs_engine("profile-genode")
suite.main()
