/* memory.c - blocks of powers of two; what was freed is given again. */
#include "kit.h"

enum { PAGE = 65536, CLASSES = 27, HEAD = 16 };

struct head {
    unsigned class;
    void *from; /* the block, or the next free one */
    uint64_t padding;
};

extern unsigned char __heap_base;
static struct head *free_blocks[CLASSES];
static size_t next, end;
static int lock;

static void *more(size_t bytes)
{
    if (!next)
        next = end = ((size_t)&__heap_base + HEAD - 1) & ~(size_t)(HEAD - 1);
    /* Beyond what the module began with, memory is zero and belongs to nobody. */
    size_t there = __builtin_wasm_memory_size(0) * PAGE;
    if (end < there)
        end = there;
    while (end - next < bytes) {
        if (__builtin_wasm_memory_grow(0, (bytes + PAGE - 1) / PAGE) == (size_t)-1)
            return NULL;
        end = __builtin_wasm_memory_size(0) * PAGE;
    }
    void *p = (void *)next;
    next += bytes;
    return p;
}

static void *take(size_t n, size_t align)
{
    unsigned class = 5;

    if (align < HEAD)
        align = HEAD;
    n += align + HEAD;
    while (class < CLASSES && (size_t)1 << class < n)
        class++;
    if (class == CLASSES) {
        errno = ENOMEM;
        return NULL;
    }
    kit_lock(&lock);
    struct head *block = free_blocks[class];
    if (block)
        free_blocks[class] = block->from;
    else
        block = more((size_t)1 << class);
    kit_unlock(&lock);
    if (!block) {
        errno = ENOMEM;
        return NULL;
    }
    size_t p = ((size_t)block + HEAD + align - 1) & ~(align - 1);
    struct head *h = (struct head *)(p - HEAD);
    h->class = class;
    h->from = block;
    return (void *)p;
}

void *malloc(size_t n)
{
    return take(n, HEAD);
}

void *aligned_alloc(size_t align, size_t n)
{
    return take(n, align);
}

int posix_memalign(void **p, size_t align, size_t n)
{
    void *got = take(n, align);

    if (!got)
        return ENOMEM;
    *p = got;
    return 0;
}

void free(void *p)
{
    if (!p)
        return;
    struct head *h = (struct head *)((char *)p - HEAD), *block = h->from;
    unsigned class = h->class;
    kit_lock(&lock);
    block->from = free_blocks[class];
    free_blocks[class] = block;
    kit_unlock(&lock);
}

void *calloc(size_t n, size_t size)
{
    size_t bytes;
    void *p = __builtin_mul_overflow(n, size, &bytes) ? NULL : malloc(bytes);

    return p ? memset(p, 0, bytes) : NULL;
}

void *realloc(void *p, size_t n)
{
    if (!p)
        return malloc(n);
    struct head *h = (struct head *)((char *)p - HEAD);
    size_t room = (size_t)h->from + ((size_t)1 << h->class) - (size_t)p;
    if (n <= room)
        return p;
    void *q = malloc(n);
    if (!q)
        return NULL;
    memcpy(q, p, room);
    free(p);
    return q;
}
