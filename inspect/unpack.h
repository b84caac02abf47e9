/*
 * unpack.h - bloomery-unpack: read a crate's tarball, or a kit's, hold it
 * against the limits, and unpack it. Runs without privileges in a process of its own; the
 * bytes are hostile.
 *
 *     bloomery-unpack check   --max-bytes N --max-files N --max-path N --max-ratio N [--manifest-path P] < tarball
 *     bloomery-unpack extract (the same)   with the destination folder as descriptor 3
 *     bloomery-unpack repack (the same)    with a file as descriptor 3: what extract would write, as a plain tar
 *
 * extract writes the crate to src/ and the root's .cargo/config.toml (or
 * .cargo/config) to config/.cargo/config.toml; both folders lie in the destination
 * and exist already. No other .cargo/config* is written anywhere.
 *
 * With --kit instead of --manifest-path it is a kit's archive (docs/kits.md): its root is where kit.json lies, and all
 * that is below it is written to src/, by the same rules.
 *
 * Exit 0 with, on standard output,
 *     {"files","entries","bytes","root":"name-1.0" or "" (the single top folder that was taken off),
 *      "manifests":[every Cargo.toml, at most 50],"lock":bool (Cargo.lock beside the chosen manifest or at the root),
 *      "config":bool,"ignored_configs":[...],"toolchain_file":"rust-toolchain.toml" or null,
 *      "vendor":bool (a folder vendor/ at the root), "skipped":n (AppleDouble and the like)}
 * Cargo configuration inside a vendored crate (beneath a folder with .cargo-checksum.json that is not above the chosen
 * manifest) is kept in src/: cargo checks vendored files against their checksums, and never reads it from there.
 * Left out and counted in "skipped": AppleDouble files, __MACOSX/, .git, and a target/ at the root that cargo made.
 * exit 3 when the tarball is refused:
 *     {"error_kind":"bad_source"|"too_large","message","hint"}
 * anything else is a failure of the server's.
 */
#pragma once
