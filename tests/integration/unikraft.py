"""What the suites of the profiles unikraft and unikraft-modern share: their names, copies of them that have a kit or break a rule."""

import json
import os
import shutil
import subprocess

from lib import BUILD, ROOT, Failure, check, until

PROFILES = ("unikraft", "unikraft-modern")
KIT = os.path.join(ROOT, "tests", "kits", "unikraft")


def folder_of(profile):
    return os.path.join(ROOT, "workers", "profiles", profile)


def bloomeryd(d, *words):
    """The output of the daemon's program on the daemon's own settings; it must succeed."""
    argv = [os.path.join(BUILD, "bloomeryd"), "--config", d.config, "--state", d.state, "--engine-socket", d.engine,
            "--share-dir", d.share, *words]
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=900,
                       check=False)
    text = p.stdout.decode("utf-8", "replace")
    check(p.returncode == 0, f"bloomeryd {' '.join(words)} gives {p.returncode}", text[-3000:])
    return text


def add_copy(d, profile, name, change=None, options=None):
    """Profile `name` of this daemon's own: as `profile`, on its image, so that std is not compiled again. change: a function of
    its folder's link script; options: the copy's own."""
    folder = os.path.join(d.dir, "profiles", name)
    shutil.copytree(folder_of(profile), folder)
    path = os.path.join(folder, "profile.json")
    with open(path, encoding="utf-8") as f:
        data = json.load(f)
    data["name"], data["options"] = name, options or data["options"]
    with open(path, "w", encoding="utf-8") as f:
        json.dump(data, f)
    with open(os.path.join(folder, "Dockerfile"), "w", encoding="utf-8") as f:
        f.write(f"FROM bloomery/profile-{profile}:current\nCOPY kit /opt/bloomery/kit\n")
    if change:
        path = os.path.join(folder, "link")
        with open(path, encoding="utf-8") as f:
            text = f.read()
        with open(path, "w", encoding="utf-8") as f:
            f.write(change(text))


def install_kit(d, name, profiles, link=None, **fields):
    """The kit of tests/kits/unikraft under this name for these profiles. link: another link entry point; fields: of kit.json."""
    folder = os.path.join(d.dir, f"kit-{name}")
    shutil.copytree(KIT, folder)
    path = os.path.join(folder, "kit.json")
    with open(path, encoding="utf-8") as f:
        data = json.load(f)
    data.update(name=name, profile=profiles, **fields)
    with open(path, "w", encoding="utf-8") as f:
        json.dump(data, f)
    if link:
        with open(os.path.join(folder, "bin", "link"), "w", encoding="utf-8") as f:
            f.write(link)
    archive = folder + ".tar.gz"
    packed = subprocess.run([os.path.join(ROOT, "tests", "kits", "pack"), folder, archive], stdout=subprocess.PIPE, check=True)
    bloomeryd(d, "kit", "install", archive, "--sha256", packed.stdout.decode().strip())


def wait_available(d, name):
    profile = lambda: d.get(f"/v1/profiles/{name}").json()
    try:
        until(lambda: profile()["available"], f"profile {name} is available", 300)
    except Failure as e:
        raise Failure(f"{e}: {profile()['why']}") from None
