/*
 * kernel.c - as little of Linux as a program with musl needs, on a bare machine of qemu's: one thread, memory that is never given
 * back, a console on the first serial port. No files, no interrupts: what goes wrong in hardware resets the machine.
 *
 * At its end the machine says what the application returned, and stops by qemu's isa-debug-exit.
 */
#include <stddef.h>
#include <stdint.h>

#define COM1 0x3f8
#define DEBUG_EXIT 0x501
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084
#define MSR_FS 0xc0000100

enum { EAGAIN = 11, ENOMEM = 12, EINVAL = 22, ENOTTY = 25, ENOSYS = 38, ENOENT = 2 };

/* What linker and boot.S define. */
extern char kernel_end[], kernel_door[], tls_begin[], tls_data_end[], tls_size[], tls_align[], eh_frame_hdr[];
_Noreturn void kernel_enter(const uint64_t *stack);
void kernel_start(void);
long kernel_call(long number, long a, long b, long c, long d, long e, long f);

static const uintptr_t memory_end = 128 << 20;
static uintptr_t memory;
static uint64_t stack[32 << 10];

static void out8(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static uint8_t in8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void set_msr(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" : : "c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
}

static uint64_t ticks(void)
{
    uint32_t low, high;

    __asm__ volatile("rdtsc" : "=a"(low), "=d"(high));
    return (uint64_t)high << 32 | low;
}

/* --- the console --- */

static void put(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        while (!(in8(COM1 + 5) & 0x20))
            ;
        out8(COM1, (uint8_t)text[i]);
    }
}

static void say(const char *text)
{
    size_t size = 0;

    while (text[size])
        size++;
    put(text, size);
}

static void say_number(unsigned n)
{
    char digits[12];
    size_t at = sizeof digits;

    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    put(digits + at, sizeof digits - at);
}

static _Noreturn void end(const char *what, unsigned value)
{
    say(what);
    say_number(value);
    say("\n");
    for (;;) {
        __asm__ volatile("outw %0, %1" : : "a"((uint16_t)value), "d"((uint16_t)DEBUG_EXIT));
        __asm__ volatile("hlt");
    }
}

/* --- system calls, by Linux's numbers for x86_64 --- */

static long map(size_t size)
{
    uintptr_t at = memory;

    size = (size + 4095) & ~(size_t)4095;
    if (size > memory_end - memory)
        return -ENOMEM;
    memory += size;
    for (size_t i = 0; i < size / 8; i++)
        ((volatile uint64_t *)at)[i] = 0;
    return (long)at;
}

static void random_bytes(unsigned char *into, size_t size)
{
    uint64_t state = ticks() | 1;

    for (size_t i = 0; i < size; i++) {
        state ^= state << 13, state ^= state >> 7, state ^= state << 17;
        into[i] = (unsigned char)state;
    }
}

static long write_all(const uint64_t *pieces, long count)
{
    long written = 0;

    for (long i = 0; i < count; i++) {
        put((const char *)pieces[2 * i], pieces[2 * i + 1]);
        written += (long)pieces[2 * i + 1];
    }
    return written;
}

long kernel_call(long number, long a, long b, long c, long d, long e, long f)
{
    (void)d, (void)e, (void)f;
    switch (number) {
    case 0: /* read: nothing comes */
        return 0;
    case 1: /* write */
        put((const char *)b, (size_t)c);
        return c;
    case 20: /* writev */
        return write_all((const uint64_t *)b, c);
    case 9: /* mmap */
        return map((size_t)b);
    case 12: /* brk: musl then takes mmap */
        return -ENOMEM;
    case 10: /* mprotect */
    case 11: /* munmap */
    case 28: /* madvise */
    case 3: /* close */
    case 7: /* poll: the standard streams are as they should be */
    case 13: /* rt_sigaction */
    case 14: /* rt_sigprocmask */
    case 131: /* sigaltstack */
        return 0;
    case 16: /* ioctl */
        return -ENOTTY;
    case 39: /* getpid */
    case 186: /* gettid */
    case 218: /* set_tid_address */
        return 1;
    case 60: /* exit */
    case 231: /* exit_group */
        end("the application returned ", (unsigned)a & 0xff);
    case 62: /* kill */
    case 200: /* tkill */
        end("the application ended by signal ", (unsigned)b & 0xff);
    case 158: /* arch_prctl */
        if (a != 0x1002)
            return -EINVAL;
        set_msr(MSR_FS, (uint64_t)b);
        return 0;
    case 202: /* futex: nobody else is there */
        return (b & 127) == 1 ? 0 : -EAGAIN;
    case 228: /* clock_gettime */
        ((uint64_t *)b)[0] = ticks() >> 30;
        ((uint64_t *)b)[1] = ticks() & 0x1fffffff;
        return 0;
    case 318: /* getrandom */
        random_bytes((unsigned char *)a, (size_t)b);
        return b;
    case 2: /* open */
    case 257: /* openat */
        return -ENOENT;
    default:
        return -ENOSYS;
    }
}

/* --- the beginning --- */

struct segment { /* Elf64_Phdr */
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};

/* What musl and the unwinder look up of the program: where its threads' storage begins, and where its unwind table is. */
static struct segment segments[3];

void kernel_start(void)
{
    static const char name[] = "application";
    static unsigned char seed[16];
    uint64_t *s = stack + sizeof stack / sizeof *stack - 64;

    out8(COM1 + 1, 0);
    out8(COM1 + 3, 3);
    say("the test kernel is up\n");
    memory = ((uintptr_t)kernel_end + 4095) & ~(uintptr_t)4095;
    set_msr(MSR_STAR, (uint64_t)8 << 32);
    set_msr(MSR_LSTAR, (uint64_t)kernel_door);
    set_msr(MSR_FMASK, 0);

    segments[0] = (struct segment){.type = 1, .vaddr = 1 << 20, .memsz = (uintptr_t)kernel_end - (1 << 20)};
    segments[1] = (struct segment){.type = 7,
                                   .vaddr = (uintptr_t)tls_begin,
                                   .filesz = (size_t)(tls_data_end - tls_begin),
                                   .memsz = (size_t)tls_size,
                                   .align = (size_t)tls_align};
    segments[2] = (struct segment){.type = 0x6474e550, .vaddr = (uintptr_t)eh_frame_hdr, .memsz = 1 << 20};
    random_bytes(seed, sizeof seed);

    /* argc, argv, no environment, and what Linux tells of program and machine. */
    const uint64_t begin[] = {1, (uintptr_t)name, 0, 0,
                              3, (uintptr_t)segments, /* AT_PHDR, AT_PHENT, AT_PHNUM */
                              4, sizeof *segments, 5, sizeof segments / sizeof *segments,
                              6, 4096,                /* AT_PAGESZ */
                              25, (uintptr_t)seed,    /* AT_RANDOM */
                              0, 0};
    for (size_t i = 0; i < sizeof begin / sizeof *begin; i++)
        s[i] = begin[i];
    kernel_enter(s);
}
