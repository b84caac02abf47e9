"""What the suites of profile ao share: a copy of the profile that can be told to break its host's contract, and ao's own loader.

The loader is in the image trial-ao, which comes from the npm registry: only suites that need that call process().
"""

import json
import os
import shutil
import subprocess
import tempfile

from lib import BUILD, HERE, ROOT, check

TAGS = {
    "Data-Protocol": "ao", "Type": "Module", "Variant": "ao.TN.1", "Content-Type": "application/wasm",
    "Module-Format": "wasm32-unknown-emscripten4", "Input-Encoding": "JSON-1", "Output-Encoding": "JSON-1",
    "Memory-Limit": "512-mb", "Compute-Limit": "9000000000000",
}
# value of the option `broken`: flags that emcc gets besides, or in place of those that keep names.
BROKEN = {
    "no": "-sDECLARE_ASM_MODULE_EXPORTS=0",
    "names": "",
    "imported": "-sDECLARE_ASM_MODULE_EXPORTS=0 -sIMPORTED_MEMORY=1",
    "smaller": "-sDECLARE_ASM_MODULE_EXPORTS=0 -sMAXIMUM_MEMORY=256MB",
    "larger": "-sDECLARE_ASM_MODULE_EXPORTS=0 -sINITIAL_MEMORY=80MB",
    "exports": "-sDECLARE_ASM_MODULE_EXPORTS=0 -sEXPORTED_FUNCTIONS=_handle",
}


def bloomeryd(d, *words):
    """The output of the daemon's program on the daemon's own settings; it must succeed."""
    argv = [os.path.join(BUILD, "bloomeryd"), "--config", d.config, "--state", d.state, "--engine-socket", d.engine,
            "--share-dir", d.share, "--toolchain-origins", "debian", *words]
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
                       check=False)
    text = p.stdout.decode("utf-8", "replace")
    check(p.returncode == 0, f"bloomeryd {' '.join(words)} gives {p.returncode}", text[-3000:])
    return text


def add_broken(suite, d, name="ao-broken", rules=None):
    """Profile `name`: ao with an option `broken`. rules: what its contract says otherwise (None: nothing, a rule that is
    None is left out). The daemon must not run yet. Its image is ao's own, so that std is not compiled again."""
    profiles = os.path.join(d.dir, "profiles")
    folder = os.path.join(profiles, name)
    shutil.copytree(os.path.join(ROOT, "workers", "profiles", "ao"), folder)
    path = os.path.join(folder, "profile.json")
    with open(path, encoding="utf-8") as f:
        profile = json.load(f)
    profile["name"] = name
    profile["options"]["broken"] = {"type": "enum", "values": list(BROKEN), "default": "no", "doc": "what is wrong"}
    for rule, value in (rules or {}).items():
        if value is None:
            profile["contract"].pop(rule)
        else:
            profile["contract"][rule] = value
    with open(path, "w", encoding="utf-8") as f:
        json.dump(profile, f)
    path = os.path.join(folder, "link")
    with open(path, encoding="utf-8") as f:
        text = f.read()
    kept = "-sDECLARE_ASM_MODULE_EXPORTS=0 "
    last = ' -o "$@"'
    check(text.count(kept) == 1 and text.count(last + "\n}") == 1, "the profile's link script has changed")
    cases = "".join(f"    {value}) broken_flags='{flags}' ;;\n" for value, flags in BROKEN.items())
    text = text.replace(kept, "").replace(last + "\n}", " $broken_flags" + last + "\n}")
    text = text.replace("set -eu\n", 'set -eu\n\ncase "${BLOOMERY_OPTION_BROKEN:-no}" in\n' + cases + "esac\n", 1)
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)
    with open(os.path.join(folder, "Dockerfile"), "w", encoding="utf-8") as f:
        f.write("FROM bloomery/profile-ao:current\n")
    d.write_config(profile_dirs=profiles)
    suite.on_exit(lambda: bloomeryd(d, "images", "remove", name))
    bloomeryd(d, "images", "build", name)


def process(module, messages, format="wasm32-unknown-emscripten4"):
    """Sends messages, (action, data) each, to a process of this module in ao's own loader, as a compute unit does: what a message
    left in memory is what the next one finds, and after an error the memory from before it. Data that is a number
    stands for so many bytes. Gives [{"output" or "error", "memory": bytes}]."""
    with tempfile.TemporaryDirectory(prefix="bloomery-ao-") as folder:
        os.chmod(folder, 0o755)
        with open(os.path.join(folder, "module.wasm"), "wb") as f:
            f.write(module)
        with open(os.path.join(folder, "messages.json"), "w", encoding="utf-8") as f:
            json.dump(messages, f)
        shutil.copy(os.path.join(HERE, "ao_process.mjs"), folder)
        argv = ["docker", "run", "--rm", "--network=none", "-v", f"{folder}:/run-here:ro", "bloomery/trial-ao:current",
                "node", "--no-warnings", "/run-here/ao_process.mjs", "/run-here/module.wasm", "/run-here/messages.json",
                format]
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=300,
                           check=False)
        errors = p.stderr.decode("utf-8", "replace")
        check(p.returncode == 0, f"ao's loader ends with {p.returncode}", errors[-2000:])
        answers = [json.loads(line[1:]) for line in p.stdout.decode("utf-8", "replace").splitlines() if line[:1] == ">"]
        check(len(answers) == len(messages), "not every message was answered", answers, errors[-1000:])
        return answers
