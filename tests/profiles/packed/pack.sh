#!/bin/sh
# pack.sh - a tar of what cargo made for both targets, and the sides; or what the option `form` says.
set -eu
lib=$BLOOMERY_LIB

env | LC_ALL=C sort | grep -E '^(BLOOMERY_|MODE=)' | sed 's/^/said: /'
for target in $BLOOMERY_TARGETS; do
    mkdir -p "tar/$target"
    cp "$BLOOMERY_TARGET_DIR/$target/$BLOOMERY_PROFILE_DIR/lib$lib.a" "tar/$target/"
done
tar -C tar --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner -cf "$BLOOMERY_OUTPUT" .
cp "$BLOOMERY_INPUT" "lib$lib.so"
# Of its many members the linker keeps what rust_main needs.
llvm-objcopy-19 --version >/dev/null
mkdir objects
(cd objects && llvm-ar-19 x "../tar/aarch64-unknown-linux-gnu/lib$lib.a")
grep -l rust_main objects/*.o | xargs llvm-ar-19 rcD "lib$lib-arm64.a"
echo rust_main > "$lib.symbols"
echo extra > extra.txt
printf '{"entry": "%s", "sources": %s}\n' "$BLOOMERY_ENTRY" "$(printf %s "$BLOOMERY_C_SOURCES" | grep -c .)" > tags.json || true

case $BLOOMERY_OPTION_FORM in
whole) ;;
no-tags) rm tags.json ;;
no-extra) rm extra.txt ;;
bad-json) echo '{"entry": ' > tags.json ;;
more-names) echo rust_other >> "$lib.symbols" ;;
symlink) ln -sf /etc/passwd extra.txt ;;
esac
