/* boot.S - from multiboot (32 bits, no paging) to kernel_start in 64 bits, and the door for system calls. */

        .set    MAGIC, 0x1badb002
        .set    FLAGS, 0
        .section .multiboot, "a"
        .align  4
        .long   MAGIC, FLAGS, -(MAGIC + FLAGS)

        .text
        .code32
        .globl  boot
boot:
        cli
        movl    $boot_stack_top, %esp

        /* The first 4 GiB, by pages of 2 MiB, each at its own address. */
        movl    $tables_3, %eax
        orl     $3, %eax
        movl    %eax, tables_4
        movl    $tables_2, %eax
        orl     $3, %eax
        movl    %eax, tables_3
        addl    $4096, %eax
        movl    %eax, tables_3 + 8
        addl    $4096, %eax
        movl    %eax, tables_3 + 16
        addl    $4096, %eax
        movl    %eax, tables_3 + 24
        movl    $tables_2, %edi
        movl    $0x83, %eax
        movl    $2048, %ecx
1:      movl    %eax, (%edi)
        addl    $0x200000, %eax
        addl    $8, %edi
        loop    1b

        movl    %cr4, %eax
        orl     $0x620, %eax            /* PAE, and SSE with its exceptions */
        movl    %eax, %cr4
        movl    $tables_4, %eax
        movl    %eax, %cr3
        movl    $0xc0000080, %ecx       /* EFER: 64 bits, and the instruction syscall */
        rdmsr
        orl     $0x101, %eax
        wrmsr
        movl    %cr0, %eax
        andl    $~0x4, %eax             /* no emulation of the FPU */
        orl     $0x80000002, %eax       /* paging */
        movl    %eax, %cr0
        lgdt    descriptors_pointer
        ljmp    $8, $boot_64

        .code64
boot_64:
        movw    $16, %ax
        movw    %ax, %ds
        movw    %ax, %es
        movw    %ax, %ss
        movq    $boot_stack_top, %rsp
        call    kernel_start
2:      hlt
        jmp     2b

/* rcx is where the call came from, r11 its flags. Below the caller's stack pointer may be data of its own, so the kernel has a
 * stack to itself; there is one thread only. */
        .globl  kernel_door
kernel_door:
        movq    %rsp, caller_stack
        movq    $kernel_stack_top, %rsp
        pushq   %rcx
        pushq   %r11
        pushq   %rdi
        pushq   %rsi
        pushq   %rdx
        pushq   %r8
        pushq   %r9
        pushq   %r10
        pushq   %r9                     /* the seventh argument */
        movq    %r8, %r9
        movq    %r10, %r8
        movq    %rdx, %rcx
        movq    %rsi, %rdx
        movq    %rdi, %rsi
        movq    %rax, %rdi
        call    kernel_call
        popq    %r9
        popq    %r10
        popq    %r9
        popq    %r8
        popq    %rdx
        popq    %rsi
        popq    %rdi
        popq    %r11
        popq    %rcx
        movq    caller_stack, %rsp
        pushq   %r11
        popfq
        jmp     *%rcx

/* kernel_enter(stack): musl's entry point, as Linux would start it. */
        .globl  kernel_enter
kernel_enter:
        movq    %rdi, %rsp
        xorl    %edx, %edx
        jmp     _start

        .data
        .align  8
descriptors:
        .quad   0
        .quad   0x00af9a000000ffff      /* code, 64 bits */
        .quad   0x00cf92000000ffff      /* data */
descriptors_pointer:
        .word   . - descriptors - 1
        .quad   descriptors

        .bss
        .align  4096
tables_4: .skip 4096
tables_3: .skip 4096
tables_2: .skip 4 * 4096
        .skip   16384
boot_stack_top:
        .skip   65536
kernel_stack_top:
caller_stack: .skip 8
        .section .note.GNU-stack, "", @progbits
