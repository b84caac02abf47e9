/* threads.c - POSIX threads: an instance of the module each, in the same memory. Lind's own runtime makes them by unwinding
 * the caller, which only an instrumented module can; this kit asks the host of its trial with a number of its own. */
#include "kit.h"

enum { CALL_THREAD = 9001, KEYS = 32, STACK = 1 << 20, ROUNDS = 4 };

struct thread {
    void *stack; /* its top, where wasi_thread_start looks for it */
    void *tls;
    void *(*run)(void *);
    void *argument, *result;
    int done;
    void *keys[KEYS];
};

static void (*destructors[KEYS])(void *);
static unsigned keys_used;
static struct thread first;
static _Thread_local struct thread *self;

/* Where the host begins a thread: on its own stack, whose top is the first field of the argument. */
__asm__(".export_name wasi_thread_start, wasi_thread_start\n"
        ".globaltype __stack_pointer, i32\n"
        ".functype kit_thread (i32, i32) -> ()\n"
        ".globl wasi_thread_start\n"
        ".type wasi_thread_start,@function\n"
        "wasi_thread_start:\n"
        ".functype wasi_thread_start (i32, i32) -> ()\n"
        "local.get 1\n"
        "i32.load 0\n"
        "global.set __stack_pointer\n"
        "local.get 0\n"
        "local.get 1\n"
        "call kit_thread\n"
        "end_function\n");

void kit_thread(int id, struct thread *t);
void __wasm_init_tls(void *);

struct thread *pthread_self(void)
{
    return self ? self : &first;
}

int pthread_create(struct thread **ret, const size_t *attr, void *(*run)(void *), void *argument)
{
    size_t stack = attr && attr[0] ? attr[0] : STACK, tls = __builtin_wasm_tls_size(), align = __builtin_wasm_tls_align();
    struct thread *t = calloc(1, sizeof *t);
    /* Nothing takes these back: the thread is on its stack until the very end. */
    char *block = malloc(stack + tls + align + 32);

    if (!t || !block)
        return EAGAIN;
    t->stack = (void *)(((size_t)block + stack) & ~(size_t)15);
    t->tls = (void *)(((size_t)block + stack + 16 + align) & ~(align ? align - 1 : 0));
    t->run = run;
    t->argument = argument;
    *ret = t;
    return kit_call(CALL_THREAD, "kit|thread", (uint64_t)(size_t)t, 0, 0) < 0 ? EAGAIN : 0;
}

void kit_thread(int id, struct thread *t)
{
    (void)id;
    __wasm_init_tls(t->tls);
    self = t;
    t->result = t->run(t->argument);
    for (int round = 0; round < ROUNDS; round++)
        for (unsigned i = 0; i < keys_used; i++) {
            void *value = t->keys[i];
            t->keys[i] = NULL;
            if (value && destructors[i])
                destructors[i](value);
        }
    __atomic_store_n(&t->done, 1, __ATOMIC_SEQ_CST);
    __builtin_wasm_memory_atomic_notify(&t->done, (unsigned)-1);
}

int pthread_join(struct thread *t, void **ret)
{
    while (!__atomic_load_n(&t->done, __ATOMIC_SEQ_CST))
        __builtin_wasm_memory_atomic_wait32(&t->done, 0, -1);
    if (ret)
        *ret = t->result;
    return 0;
}

int pthread_detach(struct thread *t)
{
    (void)t;
    return 0;
}

int pthread_attr_init(size_t *attr)
{
    attr[0] = 0;
    return 0;
}

int pthread_attr_destroy(size_t *attr)
{
    (void)attr;
    return 0;
}

int pthread_attr_setstacksize(size_t *attr, size_t n)
{
    attr[0] = n;
    return 0;
}

int pthread_key_create(unsigned *key, void (*destructor)(void *))
{
    unsigned i = __atomic_fetch_add(&keys_used, 1, __ATOMIC_SEQ_CST);

    if (i >= KEYS) {
        __atomic_fetch_sub(&keys_used, 1, __ATOMIC_SEQ_CST);
        return EAGAIN;
    }
    destructors[i] = destructor;
    *key = i;
    return 0;
}

int pthread_key_delete(unsigned key)
{
    destructors[key] = NULL;
    return 0;
}

void *pthread_getspecific(unsigned key)
{
    return pthread_self()->keys[key];
}

int pthread_setspecific(unsigned key, const void *value)
{
    pthread_self()->keys[key] = (void *)value;
    return 0;
}
