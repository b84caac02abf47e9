/*
 * tar.c - reading and writing tar archives.
 *
 * Reading is done by two libarchive objects in a row: `filter` turns the
 * descriptor's bytes into the plain tar, `tar` takes that apart. So every byte
 * that decompression makes passes through one place, give_block(), where it is
 * counted and held against the limits, and what follows the end of the archive
 * can be looked at. The objects are owned by the reader; the descriptor is not.
 */
#include "base/tar.h"

#include "base/fs.h"
#include "base/mem.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <locale.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, SNIFF = 512, BLOCK = 512 };

/* Names in pax headers are UTF-8 whatever the process's locale says, and libarchive converts by the thread's locale. */
static locale_t utf8_locale(void)
{
    return newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

static locale_t locale_enter(locale_t l)
{
    return l != (locale_t)0 ? uselocale(l) : (locale_t)0;
}

static void locale_leave(locale_t l, locale_t before)
{
    if (l != (locale_t)0)
        uselocale(before);
}

const char *tar_link_fault(const char *target, size_t room)
{
    bool leading = true;

    if (target[0] == '\0')
        return "to nowhere";
    if (target[0] == '/')
        return "to an absolute path";
    for (const char *p = target; *p;) {
        size_t len = strcspn(p, "/");

        if (len == 2 && p[0] == '.' && p[1] == '.') {
            if (!leading)
                return "with '..' behind another name";
            if (room == 0)
                return "that leaves the crate";
            room--;
        } else if (len > 255) {
            return "with an over-long name";
        } else if (len > 0 && !(len == 1 && p[0] == '.')) {
            leading = false;
        }
        p += len;
        while (*p == '/')
            p++;
    }
    return NULL;
}

/* --- writing --- */

struct tar_writer {
    struct archive *a;
    struct archive_entry *entry;
    locale_t locale;
    int fd; /* borrowed; -1 once the archive is given up */
};

static la_ssize_t take_packed(struct archive *a, void *cookie, const void *data, size_t len)
{
    struct tar_writer *w = cookie;
    struct err err = ERR_INIT;

    if (w->fd >= 0 && fs_write_all(w->fd, data, len, &err) < 0) {
        archive_set_error(a, err.sys, "%s", err.msg);
        return -1;
    }
    return (la_ssize_t)len;
}

int tar_writer_open(int fd, enum tar_filter filter, struct tar_writer **ret, struct err *err)
{
    struct tar_writer *w = mem_alloc(sizeof(*w));

    w->a = archive_write_new();
    w->entry = archive_entry_new();
    w->locale = utf8_locale();
    w->fd = fd;
    if (!w->a || !w->entry) {
        tar_writer_free(w);
        return err_set(err, ERR_INTERNAL, "cannot start an archive: out of memory");
    }
    int rc = archive_write_set_format_pax_restricted(w->a);
    if (rc == ARCHIVE_OK && filter == TAR_GZIP) {
        rc = archive_write_add_filter_gzip(w->a);
        if (rc == ARCHIVE_OK)
            rc = archive_write_set_filter_option(w->a, "gzip", "timestamp", NULL);
    } else if (rc == ARCHIVE_OK && filter == TAR_ZSTD) {
        rc = archive_write_add_filter_zstd(w->a);
    }
    archive_write_set_bytes_in_last_block(w->a, 1);
    if (rc == ARCHIVE_OK)
        rc = archive_write_open(w->a, w, NULL, take_packed, NULL);
    if (rc != ARCHIVE_OK) {
        err_set(err, ERR_INTERNAL, "cannot start an archive: %s", archive_error_string(w->a));
        tar_writer_free(w);
        return -1;
    }
    *ret = w;
    return 0;
}

static int write_failed(struct tar_writer *w, const char *name, struct err *err)
{
    const char *why = archive_error_string(w->a);
    err_set(err, ERR_INTERNAL, "cannot write %s into the archive: %s", name, why ? why : "unknown reason");
    if (err)
        err->sys = archive_errno(w->a);
    return -1;
}

static int put_header(struct tar_writer *w, const char *name, enum tar_type type, mode_t mode, int64_t size,
                      const char *target, struct err *err)
{
    locale_t before = locale_enter(w->locale);

    archive_entry_clear(w->entry);
    archive_entry_copy_pathname(w->entry, name);
    archive_entry_set_mtime(w->entry, TAR_TIME, 0);
    archive_entry_set_filetype(w->entry, type == TAR_SYMLINK ? AE_IFLNK : type == TAR_DIR ? AE_IFDIR : AE_IFREG);
    archive_entry_set_perm(w->entry, type == TAR_SYMLINK ? 0777 : (mode & 0111) ? 0755 : 0644);
    if (type == TAR_SYMLINK)
        archive_entry_copy_symlink(w->entry, target);
    else if (type == TAR_HARDLINK)
        archive_entry_copy_hardlink(w->entry, target);
    archive_entry_set_size(w->entry, size);
    int rc = archive_write_header(w->a, w->entry);
    locale_leave(w->locale, before);
    /* A warning means that the name was changed on its way in: no archive is better than one with other names. */
    return rc == ARCHIVE_OK ? 0 : write_failed(w, name, err);
}

int tar_put_fd(struct tar_writer *w, const char *name, mode_t mode, int fd, int64_t size, struct err *err)
{
    AUTO(char_p) char *chunk = mem_alloc(CHUNK);
    int64_t left = size;

    if (put_header(w, name, TAR_FILE, mode, size, NULL, err) < 0)
        return -1;
    while (left > 0) {
        ssize_t n = read(fd, chunk, left < CHUNK ? (size_t)left : CHUNK);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_sys(err, ERR_INTERNAL, errno, "cannot read %s", name);
        if (n == 0)
            return err_set(err, ERR_BAD_SOURCE, "%s became shorter while it was packed", name);
        if (archive_write_data(w->a, chunk, (size_t)n) != n)
            return write_failed(w, name, err);
        left -= n;
    }
    return 0;
}

int tar_put_bytes(struct tar_writer *w, const char *name, mode_t mode, const void *data, size_t len, struct err *err)
{
    if (put_header(w, name, TAR_FILE, mode, (int64_t)len, NULL, err) < 0)
        return -1;
    if (len > 0 && archive_write_data(w->a, data, len) != (la_ssize_t)len)
        return write_failed(w, name, err);
    return 0;
}

int tar_put_entry(struct tar_writer *w, const char *name, mode_t mode, struct tar_reader *from, int64_t size,
                  struct err *err)
{
    AUTO(char_p) char *chunk = mem_alloc(CHUNK);
    size_t n = 0;

    if (put_header(w, name, TAR_FILE, mode, size, NULL, err) < 0)
        return -1;
    for (int64_t left = size; left > 0; left -= (int64_t)n) {
        if (tar_data(from, chunk, left < CHUNK ? (size_t)left : CHUNK, &n, err) < 0)
            return -1;
        if (n == 0)
            return err_set(err, ERR_BAD_SOURCE, "%s is shorter than its header says", name);
        if (archive_write_data(w->a, chunk, n) != (la_ssize_t)n)
            return write_failed(w, name, err);
    }
    return 0;
}

int tar_put_link(struct tar_writer *w, const char *name, const char *target, struct err *err)
{
    return put_header(w, name, TAR_SYMLINK, 0777, 0, target, err);
}

int tar_put_hard(struct tar_writer *w, const char *name, const char *earlier, struct err *err)
{
    return put_header(w, name, TAR_HARDLINK, 0644, 0, earlier, err);
}

int tar_put_dir(struct tar_writer *w, const char *name, struct err *err)
{
    return put_header(w, name, TAR_DIR, 0755, 0, NULL, err);
}

int tar_writer_finish(struct tar_writer *w, struct err *err)
{
    return archive_write_close(w->a) == ARCHIVE_OK ? 0 : write_failed(w, "the end", err);
}

void tar_writer_free(struct tar_writer *w)
{
    if (!w)
        return;
    if (w->entry)
        archive_entry_free(w->entry);
    /* Freeing finishes an archive that was given up; nobody is to take it for whole. (archive_write_fail would leak.) */
    w->fd = -1;
    if (w->a)
        archive_write_free(w->a);
    if (w->locale != (locale_t)0)
        freelocale(w->locale);
    mem_free(w);
}

/* --- reading --- */

struct tar_reader {
    int fd; /* borrowed */
    struct archive *filter;
    struct archive *tar;
    locale_t locale;
    char *raw;           /* CHUNK bytes that `filter` reads from */
    int64_t consumed;    /* bytes read from fd */
    int64_t raw_nonzero; /* offset behind the last of them that is not zero */
    int64_t whole;       /* size of the file behind fd; 0 if that is not known */
    int64_t produced;    /* bytes that the filters made */
    int64_t nonzero;     /* offset behind the last byte made that is not zero */
    int64_t head_end;    /* while a header is read: `produced` may not pass this; else 0 */
    int64_t max_bytes;   /* of `produced`; 0 is no limit */
    int64_t max_ratio;
    const void *first; /* a block that was made before `tar` asked; belongs to `filter` */
    size_t first_len;
    struct err failure; /* why a callback failed */
    bool in_entry;      /* its data may not have been read to the end */
    bool ended;
};

void tar_reader_limit(struct tar_reader *r, int64_t max_bytes, int64_t max_ratio)
{
    r->max_bytes = max_bytes;
    r->max_ratio = max_ratio;
}

/* Where the last byte that is not zero ends; 0 if there is none. */
static size_t nonzero_end(const char *p, size_t len)
{
    while (len > 0 && p[len - 1] == 0)
        len--;
    return len;
}

static la_ssize_t give_raw(struct archive *a, void *cookie, const void **ret)
{
    struct tar_reader *r = cookie;
    ssize_t n;

    do
        n = read(r->fd, r->raw, CHUNK);
    while (n < 0 && errno == EINTR);
    if (n < 0) {
        err_sys(&r->failure, ERR_INTERNAL, errno, "cannot read the upload");
        archive_set_error(a, r->failure.sys, "read failed");
        return -1;
    }
    size_t end = nonzero_end(r->raw, (size_t)n);
    if (end > 0)
        r->raw_nonzero = r->consumed + (int64_t)end;
    r->consumed += n;
    *ret = r->raw;
    return n;
}

static int filter_failed(struct tar_reader *r, struct err *err)
{
    const char *why = archive_error_string(r->filter);

    if (r->failure.kind == ERR_NONE) {
        if (archive_errno(r->filter) == ENOMEM || (why && strstr(why, "memory")))
            err_set(&r->failure, ERR_TOO_LARGE, "decompressing the upload needs more memory than a tarball may take");
        else
            err_set(&r->failure, ERR_BAD_SOURCE, "the upload is damaged or cut short: %s",
                    why ? why : "it cannot be decompressed");
        err_hint(&r->failure, "pack it again, e.g. git archive HEAD | gzip");
    }
    if (err)
        *err = r->failure;
    return -1;
}

/* Holds what was made so far against the limits. */
static int check_limits(struct tar_reader *r)
{
    if (r->max_bytes > 0 && r->produced > r->max_bytes) {
        err_set(&r->failure, ERR_TOO_LARGE, "the tarball unpacks to more than %lld bytes (max_unpacked_bytes)",
                (long long)r->max_bytes);
        return err_hint(&r->failure, "leave out build output such as target/, and data that the build does not read");
    }
    int64_t packed = r->whole > r->consumed ? r->whole : r->consumed;
    if (r->max_ratio > 0 && r->produced > TAR_RATIO_FROM && r->produced / r->max_ratio > packed) {
        err_set(&r->failure, ERR_TOO_LARGE, "the tarball unpacks to more than %lld times its size (max_ratio)",
                (long long)r->max_ratio);
        return err_hint(&r->failure, "send files of repeated bytes in another way, or generate them in a build script");
    }
    if (r->head_end > 0 && r->produced > r->head_end)
        return err_set(&r->failure, ERR_BAD_SOURCE, "the headers of one entry take more than %d bytes",
                       TAR_MAX_HEADERS);
    return 0;
}

/* Counts a block that the filters made. */
static int admit(struct tar_reader *r, const char *p, size_t len)
{
    size_t end = nonzero_end(p, len);

    if (end > 0)
        r->nonzero = r->produced + (int64_t)end;
    r->produced += (int64_t)len;
    return check_limits(r);
}

/* The next plain bytes: ARCHIVE_OK, ARCHIVE_EOF, or -1 with r->failure. */
static int make_block(struct tar_reader *r, const void **ret, size_t *ret_len)
{
    la_int64_t offset = 0;
    size_t len = 0;
    const void *p = NULL;
    int rc;

    do {
        rc = archive_read_data_block(r->filter, &p, &len, &offset);
        if (rc == ARCHIVE_EOF)
            return ARCHIVE_EOF;
        if (rc != ARCHIVE_OK)
            return filter_failed(r, NULL);
    } while (len == 0);
    if (admit(r, p, len) < 0)
        return -1;
    *ret = p;
    *ret_len = len;
    return ARCHIVE_OK;
}

static la_ssize_t give_block(struct archive *a, void *cookie, const void **ret)
{
    struct tar_reader *r = cookie;
    size_t len = 0;

    if (r->first_len > 0) {
        len = r->first_len;
        r->first_len = 0;
        *ret = r->first;
        return (la_ssize_t)len;
    }
    int rc = make_block(r, ret, &len);
    if (rc == ARCHIVE_EOF)
        return 0;
    if (rc < 0) {
        archive_set_error(a, EIO, "stopped");
        return -1;
    }
    return (la_ssize_t)len;
}

static bool starts(const char *p, size_t len, const char *with, size_t n)
{
    return len >= n && memcmp(p, with, n) == 0;
}

/* What the bytes are, in words, when they are no tar. */
static const char *what_is(const char *p, size_t len)
{
    static const struct {
        const char *magic;
        size_t len;
        const char *what;
    } known[] = {
        {"PK\x03\x04", 4, "a zip file"},
        {"PK\x05\x06", 4, "an empty zip file"},
        {"7z\xbc\xaf\x27\x1c", 6, "a 7z file"},
        {"Rar!", 4, "a rar file"},
        {"BZh", 3, "compressed with bzip2"},
        {"\x04\x22\x4d\x18", 4, "compressed with lz4"},
        {"\x7f"
         "ELF",
         4, "an ELF file"},
        {"\0asm", 4, "a wasm module"},
        {"!<arch>\n", 8, "an ar archive"},
        {"# v2 git bundle", 15, "a git bundle"},
        {"070701", 6, "a cpio archive"},
        {"%PDF", 4, "a PDF"},
        {"{", 1, "JSON or other text"},
        {"[package]", 9, "a lone Cargo.toml"},
        {"[workspace]", 11, "a lone Cargo.toml"},
        {"--", 2, "a multipart form (send the bytes themselves: curl --data-binary @file or -T file)"},
    };
    size_t i = 0;

    while (i < len && (p[i] == ' ' || p[i] == '\n' || p[i] == '\r' || p[i] == '\t'))
        i++;
    if (len - i >= 5 && p[i] == '<')
        return "an HTML or XML page";
    for (size_t k = 0; k < COUNT(known); k++)
        if (starts(p, len, known[k].magic, known[k].len))
            return known[k].what;
    for (i = 0; i < len && i < SNIFF; i++)
        if ((unsigned char)p[i] < 9 || p[i] == 0x7f)
            return NULL;
    return "text";
}

static int not_tar(struct tar_reader *r, const char *p, size_t len, struct err *err)
{
    const char *what = what_is(p, len);
    bool packed = archive_filter_count(r->filter) > 1;

    if (what)
        err_set(err, ERR_BAD_SOURCE, "the upload is not a tar archive: %s %s", packed ? "inside, it is" : "it is",
                what);
    else
        err_set(err, ERR_BAD_SOURCE, "the upload is not a tar archive%s",
                packed ? ", but something else that was compressed" : "");
    return err_hint(err,
                    "send a tar (plain, gzip, zstd or xz) of the folder that holds Cargo.toml, e.g. git archive HEAD "
                    "| gzip");
}

static int open_filter(struct tar_reader *r, struct err *err)
{
    struct archive_entry *entry;

    archive_read_support_filter_gzip(r->filter);
    archive_read_support_filter_zstd(r->filter);
    archive_read_support_filter_xz(r->filter);
    archive_read_support_format_raw(r->filter);
    archive_read_support_format_empty(r->filter);
    if (archive_read_open(r->filter, r, NULL, give_raw, NULL) != ARCHIVE_OK)
        return filter_failed(r, err);
    int rc = archive_read_next_header(r->filter, &entry);
    if (rc == ARCHIVE_EOF) {
        err_set(err, ERR_BAD_SOURCE, "the upload is empty%s", r->consumed > 0 ? " once decompressed" : "");
        return err_hint(err, "send the tarball as the body, e.g. curl -T crate.tar.gz");
    }
    if (rc != ARCHIVE_OK)
        return filter_failed(r, err);
    if (archive_filter_count(r->filter) > 2) {
        err_set(err, ERR_BAD_SOURCE, "the upload is compressed more than once");
        return err_hint(err, "compress the tar once, with gzip, zstd or xz");
    }
    rc = make_block(r, &r->first, &r->first_len);
    if (rc == ARCHIVE_EOF) {
        err_set(err, ERR_BAD_SOURCE, "the upload is empty once decompressed");
        return err_hint(err, "send the tarball as the body, e.g. curl -T crate.tar.gz");
    }
    if (rc < 0) {
        *err = r->failure;
        return -1;
    }
    return 0;
}

int tar_reader_open(int fd, struct tar_reader **ret, struct err *err)
{
    struct tar_reader *r = mem_alloc(sizeof(*r));
    struct stat st;
    struct err scratch = ERR_INIT;

    if (!err)
        err = &scratch;
    r->fd = fd;
    r->raw = mem_alloc(CHUNK);
    r->locale = utf8_locale();
    r->filter = archive_read_new();
    r->tar = archive_read_new();
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
        r->whole = st.st_size;
    if (!r->filter || !r->tar) {
        tar_reader_free(r);
        return err_set(err, ERR_INTERNAL, "cannot read an archive: out of memory");
    }
    if (open_filter(r, err) < 0) {
        tar_reader_free(r);
        return -1;
    }
    char sniffed[SNIFF];
    size_t n = r->first_len < SNIFF ? r->first_len : SNIFF;
    memcpy(sniffed, r->first, n);
    archive_read_support_format_tar(r->tar);
    /* libarchive looks for a format when it opens; its word for failure says nothing of use to people. */
    r->head_end = r->produced + TAR_MAX_HEADERS;
    if (archive_read_open(r->tar, r, NULL, give_block, NULL) != ARCHIVE_OK) {
        if (r->failure.kind != ERR_NONE)
            *err = r->failure;
        else
            not_tar(r, sniffed, n, err);
        tar_reader_free(r);
        return -1;
    }
    r->head_end = 0;
    *ret = r;
    return 0;
}

static int tar_failed(struct tar_reader *r, struct err *err)
{
    const char *why = archive_error_string(r->tar);

    if (r->failure.kind != ERR_NONE) {
        if (err)
            *err = r->failure;
        return -1;
    }
    if (archive_errno(r->tar) == ENOMEM)
        return err_set(err, ERR_TOO_LARGE, "reading the tarball needs more memory than a tarball may take");
    err_set(err, ERR_BAD_SOURCE, "the tarball is damaged or cut short: %s", why ? why : "a header is wrong");
    return err_hint(err, "pack it again, e.g. git archive HEAD | gzip");
}

/* gzip stops where no further member starts; nothing may be smuggled in behind that either. */
static int check_raw_tail(struct tar_reader *r, struct err *err)
{
    int64_t end = archive_filter_bytes(r->filter, -1);
    const void *p;
    la_ssize_t n = 1;

    while (r->raw_nonzero <= end && n > 0)
        n = give_raw(r->filter, r, &p);
    if (n < 0) {
        if (err)
            *err = r->failure;
        return -1;
    }
    if (r->raw_nonzero <= end)
        return 0;
    err_set(err, ERR_BAD_SOURCE, "something follows the end of the compressed tarball");
    return err_hint(err, "send one tarball and nothing behind it");
}

/* What follows the end: padding is fine, anything else is hiding something or is the tail of a cut archive. */
static int read_tail(struct tar_reader *r, struct err *err)
{
    int64_t end = archive_filter_bytes(r->tar, 0);
    const void *p;
    size_t len;
    int rc;

    while ((rc = make_block(r, &p, &len)) == ARCHIVE_OK)
        if (r->nonzero > end)
            break;
    if (rc < 0) {
        if (err)
            *err = r->failure;
        return -1;
    }
    if (r->nonzero > end) {
        err_set(err, ERR_BAD_SOURCE, "something follows the end of the tarball, perhaps a second archive");
        return err_hint(err, "pack everything into one archive: tar files joined with cat are not one");
    }
    if (r->nonzero > end - BLOCK) {
        err_set(err, ERR_BAD_SOURCE, "the tarball is cut short: its end marker is missing");
        return err_hint(err, "pack it again, e.g. git archive HEAD | gzip");
    }
    return archive_filter_count(r->filter) > 1 ? check_raw_tail(r, err) : 0;
}

int tar_next(struct tar_reader *r, struct tar_entry *ret, struct err *err)
{
    struct archive_entry *e = NULL;

    if (r->ended)
        return TAR_END;
    /* The first block was made before there were limits. */
    if (check_limits(r) < 0 || (r->in_entry && archive_read_data_skip(r->tar) < ARCHIVE_WARN))
        return tar_failed(r, err);
    r->in_entry = false;
    r->head_end = r->produced + TAR_MAX_HEADERS;
    locale_t before = locale_enter(r->locale);
    int rc = archive_read_next_header(r->tar, &e);
    const char *path = rc == ARCHIVE_OK || rc == ARCHIVE_WARN ? archive_entry_pathname(e) : NULL;
    const char *hard = path ? archive_entry_hardlink(e) : NULL;
    const char *soft = path ? archive_entry_symlink(e) : NULL;
    locale_leave(r->locale, before);
    r->head_end = 0;
    if (rc == ARCHIVE_EOF) {
        if (read_tail(r, err) < 0)
            return -1;
        r->ended = true;
        return TAR_END;
    }
    if (rc != ARCHIVE_OK && rc != ARCHIVE_WARN)
        return tar_failed(r, err);
    if (r->failure.kind != ERR_NONE)
        return tar_failed(r, err);

    struct tar_entry entry = {.path = path ? path : "",
                              .size = archive_entry_size_is_set(e) ? archive_entry_size(e) : 0,
                              .mode = archive_entry_perm(e)};
    if (hard) {
        entry.type = TAR_HARDLINK;
        entry.target = hard;
    } else {
        switch (archive_entry_filetype(e)) {
        case AE_IFREG:
            entry.type = TAR_FILE;
            break;
        case AE_IFDIR:
            entry.type = TAR_DIR;
            break;
        case AE_IFLNK:
            entry.type = TAR_SYMLINK;
            entry.target = soft ? soft : "";
            break;
        default:
            entry.type = TAR_OTHER;
            break;
        }
    }
    if (entry.size < 0)
        return err_set(err, ERR_BAD_SOURCE, "an entry of the tarball has a negative size");
    r->in_entry = true;
    *ret = entry;
    return 0;
}

int tar_data(struct tar_reader *r, void *into, size_t size, size_t *ret_len, struct err *err)
{
    la_ssize_t n = archive_read_data(r->tar, into, size);

    if (n < 0)
        return tar_failed(r, err);
    *ret_len = (size_t)n;
    return 0;
}

int64_t tar_compressed_bytes(const struct tar_reader *r)
{
    return r->consumed;
}

int64_t tar_unpacked_bytes(const struct tar_reader *r)
{
    return r->produced;
}

void tar_reader_free(struct tar_reader *r)
{
    if (!r)
        return;
    if (r->tar)
        archive_read_free(r->tar);
    if (r->filter)
        archive_read_free(r->filter);
    if (r->locale != (locale_t)0)
        freelocale(r->locale);
    mem_free(r->raw);
    mem_free(r);
}
