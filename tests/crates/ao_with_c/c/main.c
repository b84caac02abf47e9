/* The C side of an ao process: the host calls handle. */
#include "shout.h"

#include <stdio.h>
#include <string.h>

static char answer[256];
static int messages;

const char *handle(const char *message, const char *env);

const char *handle(const char *message, const char *env)
{
    char word[] = "iron";

    (void)message;
    (void)env;
    shout(word, strlen(word));
    snprintf(answer, sizeof answer,
             "{\"ok\":true,\"response\":{\"Output\":\"%s %d\",\"Messages\":[],\"Spawns\":[],\"Assignments\":[]}}", word,
             ++messages);
    return answer;
}
