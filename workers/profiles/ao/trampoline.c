/*
 * trampoline.c - what the host calls, for a crate that names its function: entry = "NAME".
 *
 * Compiled with -DBLOOMERY_ENTRY="NAME": the symbol, because in Rust a function may be called `short`. Both strings lie
 * on the module's stack; the answer stays the crate's until the next message.
 */
const char *entry(const char *message, const char *environment) __asm__(BLOOMERY_ENTRY);
const char *handle(const char *message, const char *environment);

const char *handle(const char *message, const char *environment)
{
    return entry(message, environment);
}
