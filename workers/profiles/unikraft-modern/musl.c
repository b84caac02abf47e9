/*
 * musl.c - what Debian's musl and LLVM's unwinder miss, for the program that runs on Linux in place of Unikraft.
 *
 * Debian compiles libunwind.a with _FORTIFY_SOURCE against glibc, so it calls the checked printf family, which musl does
 * not have. Only its debug output does: the unchecked functions are right for it. And musl 1.2.4 took the names with 64
 * away from programs that are linked anew (off_t has always had 64 bits there), which Rust's std called until 2023;
 * Unikraft's musl, 1.2.3, has them. Each lies in a section of its own: the linker drops what nothing calls.
 */
#include <stdarg.h>
#include <stdio.h>

int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list args);
int __vsnprintf_chk(char *s, size_t max, int flag, size_t size, const char *format, va_list args);

int __vfprintf_chk(FILE *stream, int flag, const char *format, va_list args)
{
    (void)flag;
    return vfprintf(stream, format, args);
}

int __vsnprintf_chk(char *s, size_t max, int flag, size_t size, const char *format, va_list args)
{
    (void)flag;
    (void)size;
    return vsnprintf(s, max, format, args);
}

#define OLD(name, now)                                                                                                 \
    __asm__(".pushsection .text." #name ",\"ax\",@progbits\n"                                                          \
            ".weak " #name "\n"                                                                                        \
            ".type " #name ", @function\n" #name ": jmp " #now "\n"                                                    \
            ".popsection\n")

OLD(creat64, creat);
OLD(fallocate64, fallocate);
OLD(fstat64, fstat);
OLD(fstatat64, fstatat);
OLD(fstatfs64, fstatfs);
OLD(fstatvfs64, fstatvfs);
OLD(ftruncate64, ftruncate);
OLD(getdents64, getdents);
OLD(getrlimit64, getrlimit);
OLD(lseek64, lseek);
OLD(lstat64, lstat);
OLD(mkostemp64, mkostemp);
OLD(mkstemp64, mkstemp);
OLD(mmap64, mmap);
OLD(open64, open);
OLD(openat64, openat);
OLD(posix_fadvise64, posix_fadvise);
OLD(posix_fallocate64, posix_fallocate);
OLD(pread64, pread);
OLD(preadv64, preadv);
OLD(prlimit64, prlimit);
OLD(pwrite64, pwrite);
OLD(pwritev64, pwritev);
OLD(readdir64, readdir);
OLD(readdir64_r, readdir_r);
OLD(sendfile64, sendfile);
OLD(setrlimit64, setrlimit);
OLD(stat64, stat);
OLD(statfs64, statfs);
OLD(statvfs64, statvfs);
OLD(truncate64, truncate);
