/* main.c - the C side of what profile `linked` makes: the host's functions, and the entry point. */
#include <stdio.h>

int rust_main(void);
void host_log(int n);

void host_log(int n)
{
    for (int i = 0; i < TIMES; i++)
        printf("%s %d\n", GREETING, n);
}

int main(void)
{
    return rust_main();
}
