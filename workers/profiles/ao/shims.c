/*
 * shims.c - what Rust's std takes from the C library and the host does not have.
 *
 * A message is evaluated by many machines, which must agree on every byte: there is no source of random numbers. std
 * seeds HashMap from getentropy, so it gives the same bytes each time. NOT for keys, nonces, or anything that
 * nobody may guess. Weak: a crate that defines its own wins.
 */
#include <stddef.h>

int getentropy(void *buffer, size_t size);

__attribute__((weak)) int getentropy(void *buffer, size_t size)
{
    unsigned char *p = buffer;

    for (size_t i = 0; i < size; i++)
        p[i] = (unsigned char)(0x5b + 29 * i);
    return 0;
}
