#!/bin/sh
# trial.sh - starts what the job made: the bootable image in qemu if there is one (it is made where a kit is installed), else the
# static program on this Linux. Exit 0 pass, 1 fail, 77 skipped; the last line says why.
set -u

seconds=$1
image="/bloomery/artifacts/$BLOOMERY_NAME.img"
program="/bloomery/artifacts/$BLOOMERY_NAME.linux"
said=/tmp/said

# The last line that was printed, for a sentence.
last_line() {
    tail -c 4000 "$said" | tr -d '\000' | tr -c '[:print:]\n' ' ' | grep '[^ ]' | tail -n 1 | cut -c 1-200
}

show() {
    tail -c 16000 "$said" | tr -d '\000'
    echo
}

boot() {
    command -v qemu-system-x86_64 > /dev/null || {
        echo "not tried: the trial's image has no qemu-system-x86_64"
        exit 77
    }
    # What the kit says besides, an argument a line: more memory, a disk in memory.
    set --
    if [ -f "$image.qemu" ]; then
        while IFS= read -r argument || [ -n "$argument" ]; do
            [ -z "$argument" ] || set -- "$@" "$argument"
        done < "$image.qemu"
    fi
    # Without KVM, so that it runs wherever the server does. Unikraft ends a machine of qemu's through isa-debug-exit where its power
    # management does not.
    timeout "$seconds" qemu-system-x86_64 -machine pc,accel=tcg -cpu max -m 256M -nodefaults -no-user-config -no-reboot -display none \
        -device isa-debug-exit -serial "file:$said" -d cpu_reset -D /tmp/resets "$@" -kernel "$image" > /tmp/qemu 2>&1 < /dev/null
    status=$?
    show
    line=$(last_line)
    if [ $status -eq 1 ] && [ -s /tmp/qemu ]; then
        echo "qemu does not start it: $(tr '\n' ' ' < /tmp/qemu | cut -c 1-300)"
        exit 1
    elif grep -q 'Triple fault' /tmp/resets 2> /dev/null; then
        how="ended in a triple fault"
    elif [ $status -eq 124 ]; then
        how="was still running after $seconds s"
    elif [ $status -eq 85 ]; then
        how="ended, as Unikraft does after a crash"
    elif [ $status -gt 128 ]; then
        how="ended as qemu died of signal $((status - 128))"
    elif [ $((status % 2)) -eq 1 ]; then
        how="ended with $((status / 2)) (isa-debug-exit)"
    else
        how="switched itself off"
    fi
    if [ -z "$line" ]; then
        echo "qemu loaded it; it $how, and the serial port never said anything"
        exit 1
    fi
    echo "it booted in qemu and $how; the last line on the serial port: $line"
}

start() {
    timeout "$seconds" "$program" > "$said" 2>&1 < /dev/null
    status=$?
    show
    line=$(last_line)
    case $status in
    0) how="ended with exit code 0" ;;
    124) how="was still running after $seconds s" ;;
    126 | 127)
        echo "it could not be executed on Linux"
        exit 1
        ;;
    132 | 135 | 136 | 139)
        how="died of signal $((status - 128))"
        if [ -z "$line" ]; then
            echo "as a program on Linux it $how before it wrote anything"
            exit 1
        fi
        ;;
    *) if [ $status -gt 128 ]; then how="ended by signal $((status - 128))"; else how="ended with exit code $status"; fi ;;
    esac
    echo "no kit, no image: as a program on Linux it $how${line:+; its last line: $line}"
}

if [ -f "$image" ]; then
    boot
elif [ -f "$program" ]; then
    start
else
    echo "not tried: there is neither an image nor a program for Linux"
    exit 77
fi
