"""What the go suites share: a Go module with packages of the server's in it, and Go in the trial's image, without network."""

import io
import os
import shutil
import subprocess
import tarfile
import tempfile

from lib import BUILD, check

IMAGE = "bloomery/trial-go:current"
ENVIRONMENT = {"GOFLAGS": "-mod=mod -trimpath", "GOPROXY": "off", "GOTOOLCHAIN": "local", "GOTELEMETRY": "off", "CGO_ENABLED": "1",
               "HOME": "/tmp", "GOCACHE": "/tmp/cache"}
STATIC = '-linkmode external -extldflags "-static -Wl,--eh-frame-hdr"'
# Each way of linking a package: the words for go test, and the variables.
WAYS = {
    "static": ([], {}),
    "shared": (["-tags", "rust_dynamic"], {}),
    "musl": (["-tags", "musl", "-ldflags", STATIC], {"CC": "musl-gcc"}),
    "arm64": (["-exec", "qemu-aarch64 -L /usr/aarch64-linux-gnu"], {"GOARCH": "arm64", "CC": "aarch64-linux-gnu-gcc"}),
    "arm64 shared": (["-tags", "rust_dynamic", "-exec", "qemu-aarch64 -L /usr/aarch64-linux-gnu"],
                     {"GOARCH": "arm64", "CC": "aarch64-linux-gnu-gcc"}),
    "arm64 musl": (["-tags", "musl", "-ldflags", STATIC, "-exec", "qemu-aarch64"],
                   {"GOARCH": "arm64", "CC": "aarch64-linux-musl-gcc"}),
}


def names_of(package):
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        return tar.getnames()


def text_of(package, name):
    with tarfile.open(fileobj=io.BytesIO(package)) as tar:
        return tar.extractfile(name).read().decode()


class Module:
    """packages: tars of the server's; files: {path: text} beside them."""

    def __init__(self, packages, files):
        os.makedirs(os.path.join(BUILD, "test-state"), exist_ok=True)
        self.packages, self.files = packages, {"go.mod": "module quarry\n\ngo 1.21\n", **files}

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="go-module-", dir=os.path.join(BUILD, "test-state"))
        os.chmod(self.dir, 0o755)
        for package in self.packages:
            with tarfile.open(fileobj=io.BytesIO(package)) as tar:
                tar.extractall(self.dir, filter="data")
        for name, text in self.files.items():
            path = os.path.join(self.dir, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w", encoding="utf-8") as f:
                f.write(text)
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.dir, ignore_errors=True)

    def run(self, *words, **env):
        """(exit status, output) of a command in the module's folder."""
        argv = ["docker", "run", "--rm", "--network=none", "--user=65534", "--read-only", "--tmpfs=/tmp:exec", "--workdir=/module",
                "-v", f"{os.path.abspath(self.dir)}:/module:ro"]
        for k, v in {**ENVIRONMENT, **env}.items():
            argv += ["-e", f"{k}={v}"]
        argv += [IMAGE, "sh", "-c", 'cp -rs /opt/bloomery/go-cache /tmp/cache && exec "$@"', "sh", *words]
        p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=300, check=False)
        return p.returncode, p.stdout.decode("utf-8", "replace")

    def test(self, way, *words):
        """go test in one of WAYS, which must pass; its output."""
        flags, env = WAYS[way]
        status, out = self.run("go", "test", "-v", *flags, *words, "./...", **env)
        check(status == 0 and "--- PASS" in out and "--- SKIP" not in out, f"go test, {way}, gives {status}", out[-3000:])
        return out
