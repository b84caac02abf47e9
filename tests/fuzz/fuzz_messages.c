/* fuzz_messages.c - what a build prints is any bytes, in any pieces: no more text than there was, bounded and clean data. */
#include "workers/messages.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const char *s, size_t most, bool one_line)
{
    if (!s)
        return;
    AUTO(char_p) char *utf8 = json_utf8(s, strlen(s));
    if (strlen(s) > 3 * most || strcmp(utf8, s) != 0) /* a byte that is none becomes three */
        abort();
    for (; *s; s++)
        if (((unsigned char)*s < 0x20 && (one_line || *s != '\n')) || *s == 0x7f)
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t piece = size > 0 ? (size_t)data[0] + 1 : 1;
    struct job_diagnostics found = {0};
    struct messages *m = messages_new(&found);
    AUTO(buf) struct buf text = {0};

    for (int call = 0; call < 2; call++) {
        messages_begin(m);
        for (size_t i = 0; i < size; i += piece)
            messages_read(m, (const char *)data + i, size - i < piece ? size - i : piece, &text);
        messages_end(m, &text);
        if (text.len > (size_t)(call + 1) * size)
            abort();
    }
    if (!found.known || found.errors_kept > MESSAGES_MAX_ERRORS || found.errors_count < (int64_t)found.errors_kept)
        abort();
    for (size_t i = 0; i < found.errors_kept; i++) {
        const struct job_diagnostic *e = &found.errors[i];
        check(e->file, MESSAGES_MAX_FILE, true);
        check(e->code, MESSAGES_MAX_CODE, true);
        check(e->text, MESSAGES_MAX_TEXT, true);
        check(e->label, MESSAGES_MAX_LABEL, true);
        check(e->rendered, MESSAGES_MAX_RENDERED, false);
        if (!e->text || e->line < 0 || e->column < 0)
            abort();
    }
    messages_free(m);
    job_diagnostics_clear(&found);
    return 0;
}
