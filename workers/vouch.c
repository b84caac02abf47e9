/* vouch.c - see vouch.h. */
#include "workers/vouch.h"

#include "base/clock.h"
#include "base/dsse.h"
#include "workers/blobs.h"
#include "workers/keys.h"
#include "workers/provenance.h"
#include "workers/sbom.h"

#include <string.h>

static int put(const struct attempt *a, const char *text, struct document *ret, struct err *err)
{
    size_t len = strlen(text);

    if (blob_put(a->cfg->state_dir, text, len, ret->sha256, err) < 0)
        return -1;
    ret->size = (int64_t)len;
    return 0;
}

int vouch_for(struct attempt *a, struct err *err)
{
    AUTO(char_p) char *sbom = sbom_make(a);
    AUTO(sign_key) struct sign_key *key = NULL;
    AUTO(buf) struct buf envelope = {0};

    if (put(a, sbom, &a->result.sbom, err) < 0)
        return err_wrap(err, "the bill of materials");
    AUTO(json) cJSON *statement = provenance_make(a, clock_now_ms());
    AUTO(char_p) char *text = json_text(statement);
    if (keys_current(a->cfg->state_dir, &key, err) < 0)
        return -1;
    dsse_seal(&envelope, DSSE_IN_TOTO, text, strlen(text), key);
    buf_puts(&envelope, "\n");
    return put(a, envelope.p, &a->result.provenance, err) < 0 ? err_wrap(err, "the provenance") : 0;
}
