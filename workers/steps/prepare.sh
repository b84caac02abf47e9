#!/bin/sh
# What is this crate? Runs in the build container before any code of the project does; nothing here runs such code.
# Standard output: three lines of JSON, the crate's own cargo configuration (or null), `cargo metadata --no-deps`, and, if
# asked for ($2 is `profiles`), the [profile] tables of the workspace's manifest as {"profile":...} (or null).
# Exit 3: the configuration cannot be read. Exit 4: the manifest cannot be read. The reason is on standard error.
set -u
# Beside an old compiler: its cargo knows neither `config get` nor newer manifests.
PATH=/opt/bloomery/resolver/bin:$PATH
if [ -f /work/config/.cargo/config.toml ]; then
    cd /work/config || exit 3
    # Reading a merged configuration is an unstable command; this is the one place that asks for it.
    # It also remarks on the environment, which is ours: its standard error matters only if it fails.
    config=$(RUSTC_BOOTSTRAP=1 cargo -Zunstable-options config get --format json 2>/work/tmp/config.err) || {
        cat /work/tmp/config.err >&2
        exit 3
    }
    rm -f /work/tmp/config.err
    printf '%s\n' "$config"
else
    echo null
fi
cd /work/src || exit 4
cargo metadata --no-deps --offline --format-version 1 --manifest-path "/work/src/${1:-Cargo.toml}" || exit 4

# Nothing of cargo's tells what a manifest says of its profiles. But a profile in a configuration file is written in the
# same way, so cargo reads the tables of the manifest that begin with [profile as such a file. It is for warnings only:
# where that goes wrong there are none.
manifest=
if [ "${2:-}" = profiles ]; then
    manifest=$(cargo locate-project --workspace --message-format plain --manifest-path "/work/src/${1:-Cargo.toml}" 2>/dev/null)
fi
if [ -f "$manifest" ]; then
    awk '!text && /^[ \t]*\[/ { any = 1; on = /^[ \t]*\[[ \t]*profile[ \t]*[].]/ }
        !text && (on || (!any && /^[ \t]*profile[ \t]*[.=]/))
        gsub(/\047\047\047|"""/, "&") % 2 { text = !text }' "$manifest" >/work/tmp/profiles.toml
    cd /work/tmp && RUSTC_BOOTSTRAP=1 cargo -Zunstable-options config get --format json --config /work/tmp/profiles.toml \
        profile >/work/tmp/profiles.json 2>/dev/null && cat /work/tmp/profiles.json || echo null
    rm -f /work/tmp/profiles.toml /work/tmp/profiles.json
else
    echo null
fi
