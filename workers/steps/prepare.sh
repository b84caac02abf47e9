#!/bin/sh
# What is this crate? Runs in the build container before any code of the project does; nothing here runs such code.
# Standard output: two lines of JSON, the crate's own cargo configuration (or null) and `cargo metadata --no-deps`.
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
