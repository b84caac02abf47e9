#!/bin/sh
# Which packages is this build made of? Runs in the build's container, without network, once all dependencies are there and before
# any code of the project does; nothing here runs such code. It brings the lock up to date as the build would.
# $1: the lock; $2: the bytes that one answer may have; then the arguments of `cargo metadata`, and after them the targets.
# Standard output: three lines of JSON, each null where it could not be had: what cargo resolves for the targets, what for the
# host (build scripts and macros are compiled for it), and the lock. Why not is on standard error.
set -u
# Beside an old compiler: the modern cargo, which resolved and vendored for it.
PATH=/opt/bloomery/resolver/bin:$PATH
lock=$1 max=$2 answer=/work/tmp/packages.json
shift 2

# One line, or null.
tell() {
    if [ -s "$answer" ] && [ "$(wc -c <"$answer")" -le "$max" ]; then cat "$answer"; else echo null; fi
    rm -f "$answer"
}

# A lock outside the crate is what the modern cargo wrote where an old one's stands beside the manifests: while it is asked it
# has its own there.
own=
case $lock in
/work/src/*) ;;
*)
    for arg; do
        case $arg in --manifest-path=*) own=$(cargo locate-project --workspace --message-format plain "$arg") ;; esac
    done
    own=${own%/*}/Cargo.lock
    [ ! -f "$own" ] || mv "$own" "$own.kept"
    [ ! -f "$lock" ] || cp "$lock" "$own"
    ;;
esac

cargo metadata --quiet --offline --format-version 1 "$@" >"$answer" || : >"$answer"
tell
# Without the targets: they are the arguments that begin with --filter-platform.
for arg; do
    shift
    case $arg in --filter-platform=*) ;; *) set -- "$@" "$arg" ;; esac
done
host=$(rustc -vV | sed -n 's/^host: //p')
cargo metadata --quiet --offline --format-version 1 "$@" --filter-platform="$host" >"$answer" 2>/dev/null || : >"$answer"
tell
if [ -n "$own" ]; then
    rm -f "$own"
    [ ! -f "$own.kept" ] || mv "$own.kept" "$own"
fi
# A lock is TOML, and so is a configuration: cargo itself reads it as one.
if [ -f "$lock" ]; then
    cd /work/tmp && RUSTC_BOOTSTRAP=1 cargo -Zunstable-options config get --format json --config "$lock" package \
        >"$answer" 2>/dev/null || : >"$answer"
fi
tell
