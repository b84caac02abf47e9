/* start.c - the kit's side of the program. */
#include <stdio.h>

int rust_main(void);
void host_log(int n);

void host_log(int n)
{
    printf("the kit says %d\n", n);
}

int main(void)
{
    return rust_main();
}
