"""A page of docs/ done word by word: its fenced blocks are what a test does, in one shell.

    ```sh set        variables that the reader sets: each gets the test's own value, and no other variable is set
    ```log           a line that the daemon logs after its last one; the test waits for it
    ```console       `$ command`, and what it prints; a command must succeed unless `echo $?` is the next one
    any other        a file; its name, in backquotes, is the last word before the block

In an output, ... stands for anything within the line, and for any lines where it stands alone. The commands are run
with the current folder and the state in a temporary place; the Engine is the real one.
"""

import os
import re
import signal
import subprocess
import threading

from lib import BUILD, ROOT, Daemon, Failure, check, equal, until

PATIENCE = 300  # seconds for one command: `images build` is among them


class Block:
    def __init__(self, kind, name, text, line):
        self.kind, self.name, self.text, self.line = kind, name, text, line

    def commands(self):
        """(command, expected output, line)"""
        found = []
        for i, line in enumerate(self.text.splitlines()):
            if line.startswith("$ "):
                found.append((line[2:], [], self.line + i + 1))
            else:
                check(found, f"line {self.line + i + 1}: an output without a command", line)
                found[-1][1].append(line)
        return found


def blocks(page, section=None):
    """The fenced blocks of a page, or of its section of this title."""
    with open(os.path.join(ROOT, "docs", page), encoding="utf-8") as f:
        lines = f.read().splitlines()
    found, fence, before, inside = [], None, "", section is None
    for number, line in enumerate(lines, 1):
        if section and fence is None and line.startswith("## "):
            inside = line == f"## {section}"
        if not inside:
            continue
        if fence is None and line.startswith("```"):
            fence, text = (line[3:].strip(), number), []
        elif fence is not None and line == "```":
            kind, at = fence
            named = re.search(r"`([^`]+)`:$", before)
            known = {"sh set": "set", "console": "console", "log": "log"}
            check(kind in known or (kind and named), f"line {at}: a block without a file's name before it", before)
            found.append(Block(known.get(kind, "file"), named and named[1], "\n".join(text) + "\n", at))
            fence, before = None, ""
        elif fence is not None:
            text.append(line)
        elif line:
            before = line
    check(fence is None, "the page's last block does not end")
    return found


def pattern(lines):
    """A regular expression for an expected output."""
    text = ""
    for line in lines:
        text += r"(?:.*\n)*?" if line == "..." else re.escape(line).replace(re.escape("..."), ".*") + r"\n"
    return text


class Shell:
    """One bash for all commands, without a terminal. What they print on either channel is the output."""

    MARK = "== end of command "
    LOOP = f'''s=0
        while IFS= read -r -d "" command <&3; do
            (exit $s)
            eval "$command" 3<&-
            s=$?
            printf '{MARK}%d\\n' $s
        done'''

    def __init__(self, suite, folder):
        env = {k: v for k, v in os.environ.items() if not k.startswith("BLOOMERY_")}
        commands, self.commands = os.pipe()
        self.process = subprocess.Popen(["bash", "-c", f"exec 3<&{commands}\n{self.LOOP}"], cwd=folder, env=env, text=True,
                                        pass_fds=[commands], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=subprocess.STDOUT, start_new_session=True)
        os.close(commands)
        suite.on_exit(self.close)

    def kill(self):
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass

    def close(self):
        self.kill()
        self.process.wait()
        os.close(self.commands)

    def run(self, command):
        """(status, output); its $? is the status of the one before."""
        timer = threading.Timer(PATIENCE, self.kill)
        timer.start()
        output = ""
        try:
            os.write(self.commands, command.encode() + b"\0")
            for line in self.process.stdout:
                head, mark, status = line.rpartition(self.MARK)
                if mark:
                    return int(status), output + (head + "\n" if head else "")
                output += line
        finally:
            timer.cancel()
        raise Failure(f"the shell has ended, or was ended after {PATIENCE} s: {command}\n{output[-1500:]}")


class Reader:
    """Does what a page says, as somebody would who sits at one machine with one daemon."""

    def __init__(self, suite, **values):
        """values: of the variables that the page tells to set besides PATH, BLOOMERY_CONFIG and BLOOMERY_SERVER; a function
        gives it for the daemon."""
        self.daemon = Daemon(suite, "main", slots=1, log_level="info")
        # In the daemon's own file, as the pages want them: `bloomeryd images` reads it too. The compiler is that of the images of
        # the other tests.
        d = self.daemon
        d.settings.update(state=d.state, toolchain_origins="debian", engine_socket=d.engine, share_dir=d.share, helper_dir=os.path.abspath(BUILD))
        d.start(ready=False)  # without any image it is as good: a page has one built
        self.folder = os.path.join(d.dir, "reader")
        os.mkdir(self.folder)
        self.shell = Shell(suite, self.folder)
        self.seen = len(d.log())
        self.values = {
            "PATH": f"{os.path.abspath(BUILD)}:{os.environ['PATH']}",
            "BLOOMERY_CONFIG": d.config,
            "BLOOMERY_SERVER": f"http://127.0.0.1:{d.port}",
            **{name: value(d) for name, value in values.items()},
        }

    def do(self, steps):
        """All of the page; the daemon runs on."""
        for step in steps:
            getattr(self, step.kind)(step)
        equal(self.daemon.process.poll(), None, "the daemon at the end")

    def set(self, block):
        names = re.findall(r"^(export )?(\w+)=", block.text, flags=re.M)
        equal(sorted(n for _, n in names), sorted(self.values), "the variables that the page tells to set")
        for export, name in names:
            self.shell.run(f"{export}{name}='{self.values[name]}'")

    def file(self, block):
        status, path = self.shell.run(f'printf "%s\\n" "{block.name}"')
        path = os.path.join(self.folder, path.rstrip("\n"))
        check(status == 0 and path.startswith(self.daemon.dir), f"line {block.line}: the file {block.name} is {path}")
        with open(path, "w", encoding="utf-8") as f:
            f.write(block.text)

    def console(self, block):
        commands = block.commands()
        for i, (command, expected, line) in enumerate(commands):
            status, output = self.shell.run(command)
            shown = f"line {line}: {command}"
            looks = i + 1 < len(commands) and commands[i + 1][0] == "echo $?"
            check(status == 0 or looks, f"{shown}: exit status {status}", output[-1400:])
            check(re.fullmatch(pattern(expected), output), f"{shown}: its output is not as the page has it",
                  "\n".join(expected), output[-1400:])

    def log(self, block):
        wanted = re.compile(pattern(block.text.splitlines()))

        def there():
            found = wanted.search(self.daemon.log(), self.seen)
            if found:
                self.seen = found.end()
            return found

        try:
            until(there, "the log has it", 30)
        except Failure:
            raise Failure(f"line {block.line}: the daemon did not log what the page has\n      {block.text}") from None


def counts(steps):
    """(files, commands, lines of the log) of a page."""
    return (sum(b.kind == "file" for b in steps), sum(len(b.commands()) for b in steps if b.kind == "console"),
            sum(b.kind == "log" for b in steps))
