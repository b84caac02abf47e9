/*
 * trampoline.c - what the host calls, for a crate that names its function: entry = "NAME".
 *
 * Compiled with -DBLOOMERY_ENTRY=NAME. Both strings lie on the module's stack; the answer stays the crate's until the
 * next message.
 */
const char *BLOOMERY_ENTRY(const char *message, const char *environment);
const char *handle(const char *message, const char *environment);

const char *handle(const char *message, const char *environment)
{
    return BLOOMERY_ENTRY(message, environment);
}
