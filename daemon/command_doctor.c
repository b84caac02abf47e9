/* command_doctor.c - see command.h. */
#include "daemon/command.h"

#include <stdio.h>

int command_doctor(int argc, char **argv, const struct config *c)
{
    (void)argc;
    (void)argv;
    (void)c;
    fprintf(stderr, "bloomeryd: doctor is not there yet\n");
    return 2;
}
