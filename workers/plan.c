/*
 * plan.c - from options and metadata to the package, its targets and what they
 * become; cargo's command line is plan_cargo.c. Pure, any thread. See plan.h.
 */
#include "workers/plan_priv.h"

#include "base/buf.h"
#include "workers/old.h"
#include "workers/strs.h"

#include <string.h>

#define ROOT "/work/src/"
#define MAX_LISTED 12 /* names in one message */

/* --- looking around --- */

static bool array_has(const cJSON *array, const char *s)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, array) if (cJSON_IsString(v) && strcmp(v->valuestring, s) == 0) return true;
    return false;
}

static const cJSON *packages(const struct making *m)
{
    return json_arr(m->metadata, "packages");
}

static const char *name_of(const cJSON *v)
{
    return json_str(v, "name", "");
}

static bool is_bin(const cJSON *target)
{
    return array_has(json_arr(target, "kind"), "bin");
}

static bool is_macro(const cJSON *target)
{
    return array_has(json_arr(target, "kind"), "proc-macro");
}

static bool is_lib(const cJSON *target)
{
    static const char *const kinds[] = {"lib", "rlib", "dylib", "cdylib", "staticlib"};

    for (size_t i = 0; i < COUNT(kinds); i++)
        if (array_has(json_arr(target, "kind"), kinds[i]))
            return true;
    return false;
}

static const cJSON *lib_of(const cJSON *package)
{
    const cJSON *t;

    cJSON_ArrayForEach(t, json_arr(package, "targets")) if (is_lib(t)) return t;
    return NULL;
}

static bool has_bin(const cJSON *package)
{
    const cJSON *t;

    cJSON_ArrayForEach(t, json_arr(package, "targets")) if (is_bin(t)) return true;
    return false;
}

/* Does the package give this output? declared: a lib counts only if it says cdylib itself. */
static bool gives(const cJSON *package, const char *output, bool declared)
{
    const cJSON *lib = lib_of(package);

    if (strcmp(output, "bin") == 0)
        return has_bin(package);
    return lib && (!declared || array_has(json_arr(lib, "crate_types"), output));
}

static void list_name(struct buf *b, size_t *count, const char *name)
{
    if (*count < MAX_LISTED)
        buf_printf(b, "%s%.60s", *count ? ", " : "", name);
    else if (*count == MAX_LISTED)
        buf_puts(b, ", ...");
    ++*count;
}

/* The members that give `output` (NULL: all), in one line. The caller owns it. */
static char *list_members(const struct making *m, const char *output, bool declared, size_t *ret_count)
{
    struct buf b = {0};
    size_t count = 0;
    const cJSON *pkg;

    cJSON_ArrayForEach(pkg, packages(m)) if (!output || gives(pkg, output, declared))
        list_name(&b, &count, name_of(pkg));
    if (ret_count)
        *ret_count = count;
    return buf_steal(&b);
}

static char *list_bins(const cJSON *package)
{
    struct buf b = {0};
    size_t count = 0;
    const cJSON *t;

    cJSON_ArrayForEach(t, json_arr(package, "targets")) if (is_bin(t)) list_name(&b, &count, name_of(t));
    return buf_steal(&b);
}

static char *list_keys(const cJSON *object)
{
    struct buf b = {0};
    size_t count = 0;
    const cJSON *v;

    cJSON_ArrayForEach(v, object) list_name(&b, &count, v->string);
    return buf_steal(&b);
}

/* --- the package --- */

static int named_package(struct making *m, const char *wanted, struct err *err)
{
    const cJSON *pkg;
    size_t n = strcspn(wanted, "@");

    cJSON_ArrayForEach(pkg, packages(m))
    {
        const char *name = name_of(pkg);
        if (strlen(name) == n && strncmp(name, wanted, n) == 0 &&
            (!wanted[n] || strcmp(json_str(pkg, "version", ""), wanted + n + 1) == 0)) {
            m->package = pkg;
            return 0;
        }
    }
    AUTO(char_p) char *all = list_members(m, NULL, false, NULL);
    err_set(err, ERR_BAD_SOURCE, "the crate has no package %.80s", wanted);
    return err_hint(err, "its packages: %s", all);
}

static const cJSON *package_at(const struct making *m, const char *manifest)
{
    const cJSON *pkg;

    cJSON_ArrayForEach(pkg, packages(m)) if (strcmp(json_str(pkg, "manifest_path", ""), manifest) == 0) return pkg;
    return NULL;
}

static const cJSON *default_member(const struct making *m)
{
    const cJSON *defaults = json_arr(m->metadata, "workspace_default_members"), *pkg;

    if (cJSON_GetArraySize(defaults) != 1)
        return NULL;
    cJSON_ArrayForEach(pkg, packages(m)) if (array_has(defaults, json_str(pkg, "id", ""))) return pkg;
    return NULL;
}

/* Of a workspace without a package of its own: the one member that gives what the profile likes best. */
static int preferred_member(struct making *m, struct err *err)
{
    const cJSON *want, *pkg;

    for (int declared = 1; declared >= 0; declared--)
        cJSON_ArrayForEach(want, json_arr(m->p->json, "prefer"))
        {
            size_t count = 0;
            AUTO(char_p) char *names = list_members(m, want->valuestring, declared, &count);
            if (count == 0)
                continue;
            if (count > 1) {
                err_set(err, ERR_BAD_SOURCE, "the workspace has several packages that could be built: %s", names);
                return err_hint(err, "say which one with package=NAME");
            }
            cJSON_ArrayForEach(pkg, packages(m)) if (gives(pkg, want->valuestring, declared)) m->package = pkg;
            return 0;
        }
    AUTO(char_p) char *all = list_members(m, NULL, false, NULL);
    err_set(err, ERR_BAD_SOURCE, "no package of the workspace gives something to build for profile %s", m->p->name);
    return err_hint(err, "its packages: %s", *all ? all : "none");
}

static int pick_package(struct making *m, struct err *err)
{
    const char *wanted = json_str(m->options, "package", NULL);
    AUTO(char_p) char *given = mem_printf(ROOT "%s", json_str(m->options, "manifest_path", "Cargo.toml"));
    AUTO(char_p) char *root = mem_printf("%s/Cargo.toml", json_str(m->metadata, "workspace_root", ""));

    if (wanted)
        return named_package(m, wanted, err);
    m->package = package_at(m, given);
    if (!m->package)
        m->package = package_at(m, root);
    if (!m->package && cJSON_GetArraySize(packages(m)) == 1)
        m->package = packages(m)->child;
    if (!m->package)
        m->package = default_member(m);
    return m->package ? 0 : preferred_member(m, err);
}

static int check_package(const struct making *m, struct err *err)
{
    const char *manifest = json_str(m->package, "manifest_path", "");
    const cJSON *t;

    if (strncmp(manifest, ROOT, strlen(ROOT)) != 0 || strstr(manifest, "/../") || strlen(manifest) > 2048)
        return err_set(err, ERR_BAD_SOURCE, "the package's manifest is not inside the tarball");
    for (const char *c = manifest; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7f)
            return err_set(err, ERR_BAD_SOURCE, "the path of the package's manifest has a control character in it");
    if (!plan_name_ok(name_of(m->package)) || !plan_name_ok(json_str(m->package, "version", "")))
        return err_set(err, ERR_BAD_SOURCE, "the package has no usable name and version");
    cJSON_ArrayForEach(t, json_arr(m->package, "targets")) if ((is_bin(t) || is_lib(t)) && !plan_name_ok(name_of(t)))
    {
        AUTO(char_p) char *clean = json_utf8(name_of(t), strnlen(name_of(t), 60));
        return err_set(err, ERR_BAD_SOURCE, "target \"%s\" has a name that cannot be a file's", clean);
    }
    return 0;
}

/* --- features --- */

/* All that is on once cargo has followed the features that features name. */
static void enabled(const struct making *m, struct strs *on)
{
    const cJSON *map = json_obj(m->package, "features"), *v;
    struct strs done = {0};

    if (!cJSON_IsTrue(plan_wish(m, "no_default_features")))
        strs_add(on, mem_strdup("default"));
    cJSON_ArrayForEach(v, plan_wish(m, "features")) strs_add(on, mem_strdup(v->valuestring));
    for (size_t i = 0; i < on->count && i < 4096; i++)
        if (!strs_has(&done, on->p[i])) {
            AUTO(char_p) char *name = mem_strdup(on->p[i]);
            strs_add(&done, mem_strdup(name));
            cJSON_ArrayForEach(v, cJSON_GetObjectItemCaseSensitive(map, name)) if (cJSON_IsString(v))
                strs_add(on, mem_strdup(v->valuestring));
        }
    strs_free(&done);
}

static int check_features(const struct making *m, struct err *err)
{
    const cJSON *map = json_obj(m->package, "features"), *v;

    cJSON_ArrayForEach(v, plan_wish(m, "features"))
    {
        /* dep/feature belongs to another package: cargo knows. */
        if (strchr(v->valuestring, '/') || cJSON_GetObjectItemCaseSensitive(map, v->valuestring) ||
            strcmp(v->valuestring, "default") == 0)
            continue;
        AUTO(char_p) char *all = list_keys(map);
        err_set(err, ERR_BAD_SOURCE, "package %.80s has no feature %.80s", name_of(m->package), v->valuestring);
        return err_hint(err, *all ? "its features: %s" : "it has no features%s", all);
    }
    return 0;
}

/* The features that a bin needs and that are off, in one line; NULL if there are none. */
static char *missing_features(const cJSON *target, const struct strs *on)
{
    AUTO(buf) struct buf b = {0};
    const cJSON *v;

    cJSON_ArrayForEach(v, json_arr(target, "required-features")) if (cJSON_IsString(v) && !strs_has(on, v->valuestring))
        buf_printf(&b, "%s%.60s", b.len ? "," : "", v->valuestring);
    return b.len ? buf_steal(&b) : NULL;
}

/* --- targets --- */

/* "lib{lib}.a" of a target: {name} is its name, {lib} the same with underscores. The caller owns it. */
static char *file_name(const char *pattern, const char *name, const char *crate)
{
    const char *lib_mark = strstr(pattern, "{lib}"), *mark = lib_mark ? lib_mark : strstr(pattern, "{name}");

    if (!mark)
        return mem_strdup(pattern);
    return mem_printf("%.*s%s%s", (int)(mark - pattern), pattern, lib_mark ? crate : name, mark + (lib_mark ? 5 : 6));
}

static const char *known_kind(const char *kind)
{
    static const char *const kinds[] = {"wasm", "ar", "tar"};

    for (size_t i = 0; i < COUNT(kinds); i++)
        if (strcmp(kind, kinds[i]) == 0)
            return kinds[i];
    return "elf";
}

char *plan_file(const struct plan_output *out, const char *pattern)
{
    AUTO(char_p) char *name = mem_strndup(out->name, out->stem);

    return file_name(pattern, name, out->lib);
}

/* The names of what the link step writes beside the output. */
static void add_sides(const struct making *m, struct plan_output *out)
{
    struct strs sides = {0};
    const cJSON *v;

    cJSON_ArrayForEach(v, json_arr(json_obj(m->p->json, "link"), "sides"))
        strs_add(&sides, plan_file(out, json_str(v, "file", "{name}")));
    out->sides_count = sides.count;
    out->sides = strs_steal(&sides);
}

const char *plan_folder(const char *cargo_profile)
{
    return strcmp(cargo_profile, "dev") == 0 ? "debug" : cargo_profile;
}

static void add_output(const struct making *m, struct plan *plan, const cJSON *target)
{
    const char *name = name_of(target);
    bool bin = m->lib == NULL;
    const char *link = json_str(json_obj(m->p->json, "link"), "output", NULL);
    const char *suffix = json_str(json_obj(m->p->json, "artifact"), "suffix", "");
    const char *kind = known_kind(json_str(json_obj(m->p->json, "artifact"), "kind", ""));
    const char *made = strcmp(m->as, "staticlib") == 0 ? "ar" : strncmp(m->p->target, "wasm", 4) == 0 ? "wasm" : "elf";
    AUTO(char_p) char *crate = mem_strdup(name), *package = mem_strdup(name_of(m->package));

    for (char *s = crate; *s; s++)
        *s = *s == '-' ? '_' : *s;
    for (char *s = package; *s; s++)
        *s = *s == '-' ? '_' : *s;
    /* cargo names a lib with underscores; where it is the package's own name, people know it with its hyphens. */
    const char *shown = !bin && strcmp(crate, package) == 0 ? name_of(m->package) : name;
    AUTO(char_p) char *file = file_name(json_str(json_obj(m->p->json, "outputs"), m->as, "{name}"), name, crate);
    const char *folder = plan_folder(m->cargo_profile);

    plan->outputs = mem_resize(plan->outputs, (plan->outputs_count + 1) * sizeof(struct plan_output));
    plan->outputs[plan->outputs_count++] =
        (struct plan_output){.name = mem_printf("%s%s", shown, suffix),
                             .stem = strlen(shown),
                             .file = mem_printf("%s/%s/%s", m->p->target, folder, file),
                             .kind = kind,
                             .file_kind = link ? made : kind,
                             .linked = link ? file_name(link, name, crate) : NULL,
                             .lib = STEAL(crate),
                             .is_bin = bin};
    add_sides(m, &plan->outputs[plan->outputs_count - 1]);
}

static const cJSON *find_bin(const struct making *m, const char *name)
{
    const cJSON *t;

    cJSON_ArrayForEach(t, json_arr(m->package, "targets")) if (is_bin(t) && strcmp(name_of(t), name) == 0) return t;
    return NULL;
}

/* The bins that were asked for, in that order. */
static int named_bins(struct making *m, const cJSON *names, const struct strs *on, struct plan *plan, struct err *err)
{
    const cJSON *v;

    cJSON_ArrayForEach(v, names)
    {
        const cJSON *t = find_bin(m, v->valuestring);
        if (!t) {
            AUTO(char_p) char *bins = list_bins(m->package);
            err_set(err, ERR_BAD_SOURCE, "package %.80s has no bin %.80s", name_of(m->package), v->valuestring);
            return err_hint(err, *bins ? "its bins: %s" : "it has no bins%s", bins);
        }
        AUTO(char_p) char *missing = missing_features(t, on);
        if (missing) {
            err_set(err, ERR_BAD_SOURCE, "bin %.80s needs features that are not enabled: %s", v->valuestring, missing);
            return err_hint(err, "add features=%s", missing);
        }
        add_output(m, plan, t);
    }
    return 0;
}

/* The primary of several bins: default-run, else the package's namesake, else the first by name. */
static void primary_first(const struct making *m, struct plan *plan)
{
    const char *wanted[] = {json_str(m->package, "default_run", NULL), name_of(m->package)};
    const char *suffix = json_str(json_obj(m->p->json, "artifact"), "suffix", "");
    size_t best = 0;
    bool found = false;

    for (size_t w = 0; w < COUNT(wanted) && !found; w++) {
        AUTO(char_p) char *name = wanted[w] ? mem_printf("%s%s", wanted[w], suffix) : NULL;
        for (size_t i = 0; name && i < plan->outputs_count && !found; i++)
            if (strcmp(plan->outputs[i].name, name) == 0) {
                best = i;
                found = true;
            }
    }
    for (size_t i = 0; !found && i < plan->outputs_count; i++)
        if (strcmp(plan->outputs[i].name, plan->outputs[best].name) < 0)
            best = i;
    if (plan->outputs_count > 0) {
        struct plan_output first = plan->outputs[best];
        memmove(plan->outputs + 1, plan->outputs, best * sizeof(first));
        plan->outputs[0] = first;
    }
}

static int all_bins(struct making *m, const struct strs *on, struct plan *plan, struct err *err)
{
    AUTO(char_p) char *skipped = NULL;
    const cJSON *t;

    cJSON_ArrayForEach(t, json_arr(m->package, "targets"))
    {
        if (!is_bin(t))
            continue;
        AUTO(char_p) char *missing = missing_features(t, on);
        if (!missing) {
            add_output(m, plan, t);
            continue;
        }
        strs_printf(&m->warnings, "bin %s is left out: it needs the features %s", name_of(t), missing);
        if (!skipped)
            skipped = STEAL(missing);
    }
    if (plan->outputs_count == 0) {
        err_set(err, ERR_BAD_SOURCE, "every bin of package %.80s needs features that are not enabled: %s",
                name_of(m->package), skipped ? skipped : "");
        return err_hint(err, "add features=%s", skipped ? skipped : "NAME");
    }
    primary_first(m, plan);
    return 0;
}

/* There is nothing in the package that this profile can make: say what there is. */
static int nothing_to_build(const struct making *m, struct err *err)
{
    const cJSON *prefer = json_arr(m->p->json, "prefer"), *t, *want;
    const char *name = name_of(m->package);
    bool macro = false;

    cJSON_ArrayForEach(t, json_arr(m->package, "targets")) macro |= is_macro(t);
    if (macro) {
        err_set(err, ERR_BAD_SOURCE,
                "package %.80s is a procedural macro: it runs inside the compiler and gives no artifact", name);
    } else if (!array_has(prefer, "cdylib") && !array_has(prefer, "staticlib")) {
        err_set(err, ERR_BAD_SOURCE, "package %.80s has no bin, and profile %s builds executables", name, m->p->name);
        err_hint(err, "add src/main.rs or a [[bin]], or choose a profile that builds libraries");
    } else {
        err_set(err, ERR_BAD_SOURCE, "package %.80s has neither a lib nor a bin", name);
    }
    cJSON_ArrayForEach(want, prefer)
    {
        size_t count = 0;
        AUTO(char_p) char *others = list_members(m, want->valuestring, true, &count);
        if (count > 0)
            return err_hint(err, "these packages of the workspace could be built, with package=NAME: %s", others);
    }
    return -1;
}

static int pick_targets(struct making *m, struct plan *plan, struct err *err)
{
    AUTO(strs) struct strs on = {0};
    const cJSON *names = plan_wish(m, "bin"), *want;
    const char *first = json_str(m->own, "prefer", NULL);

    enabled(m, &on);
    if (cJSON_GetArraySize(names) > 0) {
        if (!json_str(json_obj(m->p->json, "outputs"), "bin", NULL))
            return err_set(err, ERR_BAD_SOURCE, "profile %s does not build bins", m->p->name);
        return named_bins(m, names, &on, plan, err);
    }
    if (first && strcmp(first, "bin") != 0 && strcmp(first, "cdylib") != 0 && strcmp(first, "staticlib") != 0)
        return err_set(err, ERR_BAD_SOURCE, "package.metadata.bloomery.prefer must be bin, cdylib or staticlib");
    if (first && (!array_has(json_arr(m->p->json, "prefer"), first) || !gives(m->package, first, false)))
        first = NULL;
    cJSON_ArrayForEach(want, json_arr(m->p->json, "prefer"))
    {
        const char *output = first ? first : want->valuestring;
        if (!gives(m->package, output, false))
            continue;
        if (strcmp(output, "bin") == 0)
            return all_bins(m, &on, plan, err);
        m->as = strcmp(output, "staticlib") == 0 ? "staticlib" : "cdylib";
        m->lib = lib_of(m->package);
        add_output(m, plan, m->lib);
        return 0;
    }
    return nothing_to_build(m, err);
}

/* --- dependencies --- */

static bool from_crates_io(const char *source)
{
    static const char *const names[] = {"registry+https://github.com/rust-lang/crates.io-index",
                                        "sparse+https://index.crates.io/", "registry+sparse+https://index.crates.io/"};

    for (size_t i = 0; i < COUNT(names); i++)
        if (strcmp(source, names[i]) == 0)
            return true;
    return false;
}

/* cargo thinks the same of .../x, .../x/ and .../x.git. */
static void split_source(const char *s, size_t *ret_url, const char **ret_ref)
{
    size_t n = strcspn(s, "?#");

    *ret_ref = s[n] == '?' ? s + n : "";
    while (n > 0 && s[n - 1] == '/')
        n--;
    if (n > 4 && strncmp(s + n - 4, ".git", 4) == 0)
        n -= 4;
    *ret_url = n;
}

static bool replaced(const struct cargo_config *config, const char *source)
{
    for (char *const *r = config->replaced; r && *r; r++) {
        size_t a, b;
        const char *ref_a, *ref_b;
        split_source(source, &a, &ref_a);
        split_source(*r, &b, &ref_b);
        size_t n = strcspn(ref_a, "#");
        if (a == b && strncasecmp(source, *r, a) == 0 && strlen(ref_b) == n && strncmp(ref_a, ref_b, n) == 0)
            return true;
    }
    return false;
}

/* A path dependency that is no member: what it depends on is not in the metadata. */
static bool unseen(const struct making *m, const char *path)
{
    AUTO(char_p) char *manifest = mem_printf("%s/Cargo.toml", path);

    return package_at(m, manifest) == NULL;
}

static int check_dependency(const struct making *m, const cJSON *dep, const struct cargo_config *config, bool *fetch,
                            struct err *err)
{
    const char *source = json_str(dep, "source", NULL), *path = json_str(dep, "path", NULL);

    if (!source) {
        if (path && strncmp(path, ROOT, strlen(ROOT)) != 0) {
            err_set(err, ERR_DEPENDENCY, "%.80s depends on a path outside the tarball: %.100s", name_of(dep), path);
            return err_hint(err, "put it inside, or build from the folder that holds both (manifest_path)");
        }
        *fetch |= path && unseen(m, path) && !config->replaces_registry;
        return 0;
    }
    if (from_crates_io(source)) {
        *fetch |= !config->replaces_registry;
        return 0;
    }
    if (replaced(config, source))
        return 0;
    AUTO(char_p) char *clean = json_utf8(source, strnlen(source, 120));
    err_set(err, ERR_DEPENDENCY, "dependency %.60s comes from %s, which is not fetched", name_of(dep), clean);
    return err_hint(err, "vendor it (cargo vendor) and send the vendor folder with .cargo/config.toml");
}

static int check_dependencies(const struct making *m, const struct cargo_config *config, struct plan *plan,
                              struct err *err)
{
    const cJSON *pkg, *dep;

    /* All members, all kinds: cargo locks them together. */
    cJSON_ArrayForEach(pkg, packages(m))
        cJSON_ArrayForEach(dep, json_arr(pkg, "dependencies")) if (check_dependency(m, dep, config, &plan->needs_fetch,
                                                                                    err) < 0) return -1;
    return 0;
}

static int pick_profile(struct making *m, struct err *err)
{
    const cJSON *v = plan_wish(m, "cargo_profile");

    m->cargo_profile = v ? v->valuestring : "release";
    if (m->rust < OLD_SINCE_PROFILE && strcmp(m->cargo_profile, "release") != 0 &&
        strcmp(m->cargo_profile, "dev") != 0) {
        err_set(err, ERR_BAD_SOURCE,
                "cargo_profile %.60s needs Rust 1.57 or newer; this profile's compiler is pinned at %s",
                m->cargo_profile, m->pinned);
        return err_hint(err, "take release or dev");
    }
    if (profile_options_cargo_profile(m->cargo_profile))
        return 0;
    err_set(err, ERR_BAD_SOURCE, "cargo_profile %.60s cannot be built with", m->cargo_profile);
    return err_hint(err, "take release, dev or one that Cargo.toml defines");
}

/* Not too many, and each with a name of its own: what is a file for the crate is a name for the caller. */
static int check_artifacts(const struct making *m, const struct plan *plan, struct err *err)
{
    size_t all = plan->outputs_count * (1 + plan->outputs[0].sides_count);
    AUTO(strs) struct strs names = {0};

    if ((int64_t)all > m->p->limits.max_artifacts) {
        err_set(err, ERR_BAD_SOURCE, "package %.80s has %zu %s, more than the %lld artifacts of one job",
                name_of(m->package), all == plan->outputs_count ? all : plan->outputs_count,
                all == plan->outputs_count ? "bins" : "bins, which are several artifacts each",
                (long long)m->p->limits.max_artifacts);
        return err_hint(err, "choose some with bin=NAME");
    }
    strs_printf(&names, "Cargo.lock");
    for (size_t i = 0; i < plan->outputs_count; i++) {
        const struct plan_output *out = &plan->outputs[i];
        for (size_t k = 0; k <= out->sides_count; k++) {
            const char *name = k == 0 ? out->name : out->sides[k - 1];
            if (strs_has(&names, name)) {
                err_set(err, ERR_BAD_SOURCE, "two artifacts of this job would have the name %.100s", name);
                return err_hint(err, "rename a bin of package %.80s, or choose some with bin=NAME",
                                name_of(m->package));
            }
            strs_printf(&names, "%s", name);
        }
    }
    return 0;
}

static int make(struct making *m, const struct cargo_config *config, struct plan *plan, struct err *err)
{
    const cJSON *v;
    struct strs exports = {0};

    if (pick_package(m, err) < 0 || check_package(m, err) < 0 || plan_own_read(m, err) < 0 ||
        pick_profile(m, err) < 0 || check_features(m, err) < 0 || pick_targets(m, plan, err) < 0)
        return -1;
    if (check_artifacts(m, plan, err) < 0 || check_dependencies(m, config, plan, err) < 0)
        return -1;
    plan->crate_name = mem_strdup(name_of(m->package));
    plan->crate_version = mem_strdup(json_str(m->package, "version", ""));
    plan->manifest = mem_strdup(json_str(m->package, "manifest_path", ""));
    plan->cargo_profile = mem_strdup(m->cargo_profile);
    if (plan_command(m, config, plan, err) < 0)
        return -1;
    /* What a crate exports by name is its library's; a program has its entry point. */
    if (!plan->outputs[0].is_bin)
        cJSON_ArrayForEach(v, json_arr(m->own, "exports")) strs_printf(&exports, "%s", v->valuestring);
    plan->exports = strs_steal(&exports);
    return 0;
}

int plan_make(const struct profile *p, const char *pinned, const cJSON *options, const cJSON *metadata,
              const struct cargo_config *config, struct plan *ret, struct err *err)
{
    struct making m = {
        .p = p, .options = options, .metadata = metadata, .as = "bin", .pinned = pinned, .rust = old_minor(pinned)};
    struct plan plan = {0};
    int r = make(&m, config, &plan, err);

    plan.warnings = strs_steal(&m.warnings);
    if (r < 0)
        plan_clear(&plan);
    else
        *ret = plan;
    return r;
}

void plan_clear(struct plan *p)
{
    for (size_t i = 0; i < p->outputs_count; i++) {
        mem_free(p->outputs[i].name);
        mem_free(p->outputs[i].file);
        mem_free(p->outputs[i].linked);
        mem_free(p->outputs[i].lib);
        strs_list_free(p->outputs[i].sides);
    }
    mem_free(p->outputs);
    for (size_t i = 0; i < p->further_count; i++) {
        strs_list_free(p->further[i].cargo);
        strs_list_free(p->further[i].env);
    }
    mem_free(p->further);
    mem_free(p->cargo_profile);
    mem_free(p->crate_name);
    mem_free(p->crate_version);
    mem_free(p->manifest);
    strs_list_free(p->cargo);
    strs_list_free(p->env);
    strs_list_free(p->link_env);
    strs_list_free(p->files);
    strs_list_free(p->exports);
    strs_list_free(p->warnings);
    *p = (struct plan){0};
}
