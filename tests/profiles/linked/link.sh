#!/bin/sh
# link.sh - makes a program of a crate's archive and a C main, or what else the option `form` says.
set -eu

echo "link of $BLOOMERY_NAME for $BLOOMERY_TARGET in $(pwd), argument $1"
echo "processes: $(cat /proc/[0-9]*/comm 2>/dev/null | sort -u | tr '\n' ' ')"
echo "found: $(ls -A "$HOME" "$TMPDIR" /tmp /work/out | tr '\n' ' ')"

case $BLOOMERY_OPTION_FORM in
program) ;;
object) exec ld -r -u rust_main "$BLOOMERY_INPUT" -o "$BLOOMERY_OUTPUT" ;;
nothing) exit 0 ;;
symlink) exec ln -s /etc/passwd "$BLOOMERY_OUTPUT" ;;
wait) exec sleep 3600 ;;
esac

if [ -n "${BLOOMERY_KIT_LINK:-}" ]; then
    exec "$BLOOMERY_KIT_LINK"
fi
mark=
[ "$BLOOMERY_OPTION_LOUD" = false ] || mark='!'
exec gcc -static -DGREETING="\"$BLOOMERY_OPTION_GREETING$mark\"" -DTIMES="$BLOOMERY_OPTION_TIMES" \
    /bloomery/profile/main.c "$BLOOMERY_INPUT" -o "$BLOOMERY_OUTPUT"
