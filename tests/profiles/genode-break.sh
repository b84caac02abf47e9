# genode-break.sh - put before profile genode's link script: `ld` and `ar` that do one thing wrong, which the program's name says.
# What that takes lies in $b.
b=${TMPDIR:-/tmp}/breaking
rm -rf "$b"
mkdir "$b"
assemble() { # NAME: from standard input
    as -o "$b/$1.o"
}
assemble fs <<'END'
    .section .text.reads_fs, "ax"
    .globl reads_fs
    .type reads_fs, @function
reads_fs:
    movq %fs:0, %rax
    ret
    .size reads_fs, . - reads_fs
END
assemble tls <<'END'
    .section .tbss, "awT", @nobits
    .globl a_thread_local
    .type a_thread_local, @object
    .size a_thread_local, 8
a_thread_local:
    .skip 8
END
assemble initial-exec <<'END'
    .text
    movq elsewhere@gottpoff(%rip), %rax
END
assemble emutls <<'END'
    .globl __emutls_get_address
    .type __emutls_get_address, @function
__emutls_get_address:
    ret
END
echo | assemble empty
command ld -shared -soname stdcxx.lib.so -o "$b/stdcxx.lib.so" "$b/empty.o"

break_it() { # TOOL ARGUMENT...
    case "$BLOOMERY_NAME:$*" in
    interp:ld*--entry=main*) set -- "$@" --dynamic-linker=/libexec/ld-elf.so.1 ;;
    needed:ld*--entry=main*) set -- "$@" "$b/stdcxx.lib.so" ;;
    type:ld*--entry=main*) set -- ld -shared --entry=main -o "$BLOOMERY_OUTPUT" whole.o ld.lib.so ;;
    executable:ld*--entry=main*) set -- ld -shared --entry=0 -o "$BLOOMERY_OUTPUT" whole.o ld.lib.so ;;
    exports:ld*--entry=main*)
        objcopy --redefine-sym main=start whole.o
        set -- "$@" --entry=start
        ;;
    fs:ld*--entry=main*) set -- "$@" --undefined=reads_fs "$b/fs.o" ;;
    tls:ld*--entry=main*) set -- "$@" --undefined=a_thread_local "$b/tls.o" ;;
    undefined_all:ld*--entry=main*) set -- "$@" --undefined=__emutls_get_address "$b/emutls.o" ;;
    archive-undefined_all:ar*) set -- "$@" "$b/emutls.o" ;;
    archive-tls_model:ar*) set -- "$@" "$b/initial-exec.o" ;;
    archive-exports:ar*) set -- ar "$2" "$3" "$b/empty.o" ;;
    esac
    command "$@"
}
ld() { break_it ld "$@"; }
ar() { break_it ar "$@"; }

