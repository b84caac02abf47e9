/*
 * shims.c - what std asks of the C library and of the unwinder, and Genode does not have today.
 *
 * The link step takes of these what the crate uses, and leaves out what the lists of an installed kit name: what the
 * host has is the host's. They stay inside the artifact; nobody else sees their names.
 */
struct pthread;

struct pthread *pthread_self(void);
int pthread_getthreadid_np(void);
int pthread_setname_np(struct pthread *thread, const char *name);

/* std shows it in a panic's message; it is different for each thread that lives. */
int pthread_getthreadid_np(void)
{
    return (int)((unsigned long)pthread_self() >> 4 & 0x7fffffff);
}

/* A name is for people who look from outside: without one the thread runs as well. */
int pthread_setname_np(struct pthread *thread, const char *name)
{
    (void)thread;
    (void)name;
    return 0;
}

/*
 * Panics abort, so nothing is ever unwound: what is left of the unwinder's callers prints backtraces. They are empty.
 */
enum { URC_END_OF_STACK = 5 };

int _Unwind_Backtrace(int (*trace)(void *context, void *argument), void *argument);
unsigned long _Unwind_GetIP(void *context);
unsigned long _Unwind_GetIPInfo(void *context, int *before);
unsigned long _Unwind_GetCFA(void *context);
void *_Unwind_FindEnclosingFunction(void *pc);

int _Unwind_Backtrace(int (*trace)(void *context, void *argument), void *argument)
{
    (void)trace;
    (void)argument;
    return URC_END_OF_STACK;
}

unsigned long _Unwind_GetIP(void *context)
{
    (void)context;
    return 0;
}

unsigned long _Unwind_GetIPInfo(void *context, int *before)
{
    (void)context;
    *before = 0;
    return 0;
}

unsigned long _Unwind_GetCFA(void *context)
{
    (void)context;
    return 0;
}

void *_Unwind_FindEnclosingFunction(void *pc)
{
    (void)pc;
    return (void *)0;
}
