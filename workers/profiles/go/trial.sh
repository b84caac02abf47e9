#!/bin/sh
# trial.sh - go vet and go test of the package in a module of its own, without network: static and shared, on both libcs, and
# on arm64 where its emulator is. Exit 0 pass, 1 fail, 77 skipped; the last line says why.
set -u
work=$(mktemp -d) || exit 1
export HOME="$work" GOCACHE="$work/cache" GOFLAGS='-mod=mod -trimpath' GOPROXY=off GOTOOLCHAIN=local GOTELEMETRY=off CGO_ENABLED=1

# The image's cache is read-only: Go finds its files by links, and writes its own beside them.
cp -rs /opt/bloomery/go-cache "$GOCACHE" || exit 1
mkdir "$work/module" && cd "$work/module" || exit 1
tar -xf /bloomery/artifact || { echo "the package cannot be unpacked"; exit 1; }
printf 'module trial\n\ngo 1.21\n' > go.mod
for package in */; do package=${package%/}; done

tried=
# WHAT COMMAND...: one trial; what it says is shown if it fails.
try() {
    what=$1
    shift
    if ! "$@" > "$work/said" 2>&1; then
        cat "$work/said"
        why=$(grep -m 1 -E 'error:|undefined|panic:|_test.go:' "$work/said" || grep -v '^FAIL' "$work/said" | grep . | tail -n 1)
        echo "$what failed for package $package: $(echo "$why" | cut -c 1-300)"
        exit 1
    fi
    tried="$tried${tried:+, }$what"
}

static='-linkmode external -extldflags "-static -Wl,--eh-frame-hdr"'
try "go vet" go vet ./...
try "go test" go test -vet=off ./...
try "go test with the shared library" go test -vet=off -tags rust_dynamic ./...
try "go test of a static program with musl" env CC=musl-gcc go test -vet=off -tags musl -ldflags "$static" ./...
if command -v qemu-aarch64 > "$work/said"; then
    export GOARCH=arm64
    try "go test on arm64 (qemu)" env CC=aarch64-linux-gnu-gcc go test -vet=off -exec 'qemu-aarch64 -L /usr/aarch64-linux-gnu' ./...
    try "go test on arm64 with the shared library (qemu)" env CC=aarch64-linux-gnu-gcc go test -vet=off -tags rust_dynamic \
        -exec 'qemu-aarch64 -L /usr/aarch64-linux-gnu' ./...
    try "go test of a static program with musl on arm64 (qemu)" env CC=aarch64-linux-musl-gcc go test -vet=off -tags musl \
        -ldflags "$static" -exec qemu-aarch64 ./...
    echo "it passed: $tried"
else
    echo "it passed: $tried; not tried on arm64, as the trial's image has no qemu-aarch64"
fi
