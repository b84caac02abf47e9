#!/usr/bin/env python3
"""docs/adding-a-profile.md, done word by word: see page.py."""

import os
import shutil

from lib import BUILD, Suite, check, equal, nothing_left, piped
from page import Reader, blocks, counts

FILES, COMMANDS, LOGS = 6, 40, 4  # a page with fewer is not the walk-through any more
suite = Suite("profile_page", seconds=900)


@suite.test
def test_page():
    steps = blocks("adding-a-profile.md")
    files, commands, logs = counts(steps)
    check(files >= FILES and logs >= LOGS and commands >= COMMANDS,
          f"the page has only {files} files, {commands} commands, {logs} lines of the log")
    equal([b.kind for b in steps].index("set"), 0, "place of the variables among the blocks")
    reader = Reader(suite, DAEMON=lambda d: str(d.process.pid), PROFILES=lambda d: os.path.join(d.dir, "profiles"))
    # A run that was ended in the middle left images; with them nothing would be stale.
    piped(os.path.join(BUILD, "bloomeryd"), "--config", reader.daemon.config, "images", "remove", "firmware")
    reader.do(steps)
    nothing_left(reader.daemon)


suite.needs_programs()
suite.needs(os.access(os.path.join(BUILD, "bloomery"), os.X_OK), f"{BUILD}/bloomery is not there: run make")
for needed in ("curl", "tar", "qemu-system-arm"):
    suite.needs(shutil.which(needed), f"{needed} is not installed: docker/setup test")
suite.needs_engine()
suite.main()
