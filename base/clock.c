/* clock.c - see clock.h. */
#include "base/clock.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t clock_now_ms(void)
{
    return read_ms(CLOCK_REALTIME);
}

int64_t clock_monotonic_ms(void)
{
    return read_ms(CLOCK_MONOTONIC);
}

void clock_format(int64_t ms, char ret_text[CLOCK_TEXT_SIZE])
{
    time_t s = (time_t)(ms / 1000);
    struct tm tm;

    if (!gmtime_r(&s, &tm) || tm.tm_year < 0 || tm.tm_year > 8099)
        memset(&tm, 0, sizeof tm), tm.tm_mday = 1;
    size_t n = strftime(ret_text, CLOCK_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(ret_text + n, CLOCK_TEXT_SIZE - n, ".%03dZ", (int)(ms % 1000));
}

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

void ulid_new(char ret_id[ULID_SIZE])
{
    static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
    static int64_t last_ms;
    static unsigned char tail[10];
    int64_t ms = clock_now_ms();

    pthread_mutex_lock(&lock);
    if (ms > last_ms) {
        last_ms = ms;
        if (getrandom(tail, sizeof tail, 0) != sizeof tail)
            abort();
        tail[0] &= 0x7f; /* leaves room to count up within one millisecond */
    } else {
        ms = last_ms;
        for (int i = 9; i >= 0 && ++tail[i] == 0; i--)
            ;
    }
    unsigned char raw[16];
    for (int i = 0; i < 6; i++)
        raw[i] = (unsigned char)(ms >> (40 - 8 * i));
    memcpy(raw + 6, tail, sizeof tail);
    pthread_mutex_unlock(&lock);

    /* 128 bits as 26 digits of 5 bits, two zero bits in front. */
    for (int i = 0; i < 26; i++) {
        unsigned v = 0;
        for (int b = 0; b < 5; b++) {
            int bit = i * 5 + b - 2;
            v = v << 1 | (bit < 0 ? 0 : (raw[bit / 8] >> (7 - bit % 8)) & 1u);
        }
        ret_id[i] = alphabet[v];
    }
    ret_id[26] = '\0';
}

int ulid_valid(const char *s)
{
    if (strlen(s) != 26 || s[0] > '7')
        return 0;
    return strspn(s, alphabet) == 26;
}
