/*
 * kit.h - a C library of our own for Lind's host: as much of one as Rust's std calls, with lind-glibc's types, constants
 * and imports, and without what lind-glibc lacks. For tests: it stands in for a tree that cannot be built here.
 *
 * It has no files of a host's: a few of its own, in memory (files.c), whose attributes tell one field from another.
 */
#pragma once

typedef __SIZE_TYPE__ size_t;
typedef __PTRDIFF_TYPE__ ssize_t;
typedef __UINT32_TYPE__ uint32_t;
typedef __UINT64_TYPE__ uint64_t;
typedef __INT64_TYPE__ int64_t;
typedef long off_t; /* 32 bits, as all of these */
typedef unsigned long ino_t;
typedef unsigned int mode_t;

#define NULL ((void *)0)

enum { EPERM = 1, ENOENT = 2, EBADF = 9, EAGAIN = 11, ENOMEM = 12, EEXIST = 17, ENOTDIR = 20, EISDIR = 21, EINVAL = 22,
       EMFILE = 24, ENOTTY = 25, ENOSPC = 28, ESPIPE = 29, ERANGE = 34, ENOSYS = 38, ENOTEMPTY = 39 };
enum { O_WRONLY = 01, O_RDWR = 02, O_ACCMODE = 03, O_CREAT = 0100, O_EXCL = 0200, O_TRUNC = 01000, O_APPEND = 02000,
       O_DIRECTORY = 0200000 };
enum { AT_FDCWD = -100, AT_REMOVEDIR = 0x200 };
enum { S_IFREG = 0100000, S_IFDIR = 0040000, S_IFCHR = 0020000, DT_DIR = 4, DT_REG = 8 };

/* Seconds have 64 bits in memory; lind-glibc's own time_t fills the lower half. */
struct timespec {
    int64_t tv_sec;
    long tv_nsec;
};

struct iovec {
    void *iov_base;
    int padding1;
    size_t iov_len;
    int padding2;
};

struct stat {
    uint64_t st_dev;
    ino_t st_ino;
    int padding;
    mode_t st_mode;
    unsigned st_nlink, st_uid, st_gid;
    uint64_t st_rdev;
    int64_t st_size;
    long st_blksize, st_blocks;
    struct timespec st_atim, st_mtim, st_ctim;
};

struct dirent {
    ino_t d_ino;
    off_t d_off;
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[256];
};

extern _Thread_local int errno;

/* The host, by Linux's number of a call; -1 and errno, or what it answers. */
long kit_call(int number, const char *name, uint64_t a, uint64_t b, uint64_t c);
/* A pointer as the host knows it. */
uint64_t kit_host(const void *p);
void kit_lock(int *lock);
void kit_unlock(int *lock);
int kit_fail(int error); /* sets errno; -1 */

size_t strlen(const char *s);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
void *memcpy(void *restrict to, const void *restrict from, size_t n);
void *memset(void *to, int c, size_t n);
void *malloc(size_t n);
void *calloc(size_t n, size_t size);
void free(void *p);
_Noreturn void _exit(int status);
_Noreturn void abort(void);
