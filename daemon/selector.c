/* selector.c - see selector.h. */
#include "daemon/selector.h"

#include "base/buf.h"
#include "base/mem.h"

#include <string.h>

static bool begins(const char *s, const char *with)
{
    return strncmp(s, with, strlen(with)) == 0;
}

/* Does a term begin here? */
static bool is_term(const char *s)
{
    return begins(s, "profile=") || begins(s, "crate=") || begins(s, "label.");
}

static int set_once(const char *which, const char *key, char **to, char *value, struct err *err)
{
    if (*to) {
        mem_free(value);
        return err_set(err, ERR_BAD_REQUEST, "%s says %s twice", which, key);
    }
    *to = value;
    return 0;
}

static int add_label(const char *which, struct selector *s, const char *text, size_t len, struct err *err)
{
    const char *equals = memchr(text, '=', len);
    size_t n = 0;

    if (!equals || equals == text)
        return err_set(err, ERR_BAD_REQUEST, "%s: a label is label.KEY=VALUE", which);
    while (s->labels[n])
        n++;
    if (n == SELECTOR_LABELS)
        return err_set(err, ERR_BAD_REQUEST, "%s: more than %d labels", which, SELECTOR_LABELS);
    s->labels[n] = mem_strndup(text, len);
    return 0;
}

static int add_term(const char *which, struct selector *s, const char *term, size_t len, struct err *err)
{
    if (begins(term, "profile="))
        return set_once(which, "profile", &s->profile, mem_strndup(term + 8, len - 8), err);
    if (begins(term, "crate="))
        return set_once(which, "crate", &s->crate, mem_strndup(term + 6, len - 6), err);
    if (begins(term, "label."))
        return add_label(which, s, term + 6, len - 6, err);
    err_set(err, ERR_BAD_REQUEST, "%s: latest: does not know '%.*s'", which, len < 64 ? (int)len : 64, term);
    return err_hint(err, "latest:profile=P,crate=C,label.KEY=VALUE, or a part of that");
}

int selector_parse(const char *which, const char *text, struct selector *ret, struct err *err)
{
    *ret = (struct selector){0};
    if (ulid_valid(text)) {
        memcpy(ret->id, text, ULID_SIZE);
        return 0;
    }
    if (strcmp(text, "latest") != 0 && !begins(text, "latest:")) {
        err_set(err, ERR_NOT_FOUND, "%s: there is no job '%.64s'", which, text);
        return err_hint(err, "a job's id has 26 characters; or say latest:profile=P,crate=C,label.KEY=VALUE");
    }
    ret->latest = true;
    for (const char *p = text[6] ? text + 7 : text + 6; *p;) {
        size_t len = strcspn(p, ",");
        while (p[len] && !is_term(p + len + 1))
            len += 1 + strcspn(p + len + 1, ",");
        if (add_term(which, ret, p, len, err) < 0)
            return -1;
        p += len + (p[len] == ',');
    }
    return 0;
}

void selector_clear(struct selector *s)
{
    mem_free(s->profile);
    mem_free(s->crate);
    for (size_t i = 0; s->labels[i]; i++)
        mem_free(s->labels[i]);
    *s = (struct selector){0};
}

static void put_word(struct buf *b, const char *what, const char *value)
{
    if (value)
        buf_printf(b, "%s%s %.64s", b->len ? ", " : "", what, value);
}

char *selector_words(const struct selector *s)
{
    struct buf b = {0};

    put_word(&b, "profile", s->profile);
    put_word(&b, "crate", s->crate);
    for (size_t i = 0; s->labels[i]; i++)
        put_word(&b, "label", s->labels[i]);
    if (!b.len)
        buf_puts(&b, "any");
    return buf_steal(&b);
}
