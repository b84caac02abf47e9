/* app.c - see app.h. */
#include "daemon/app.h"

#include "base/clock.h"

enum { COUNTS_MS = 500 }; /* how old the counts may be */

int app_counts(struct app *app, struct store_counts *ret, struct err *err)
{
    int64_t now = clock_monotonic_ms();

    if (app->counts_at == 0 || now - app->counts_at > COUNTS_MS) {
        if (store_counts(app->reader, &app->counts, err) < 0)
            return -1;
        app->counts_at = now;
    }
    *ret = app->counts;
    return 0;
}
