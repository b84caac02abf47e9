/* test_doctor.c - see workers/doctor.h: what is said of which facts, and the asking of servers. */
#include "workers/doctor.h"

#include "base/clock.h"

#include <arpa/inet.h>
#include <linux/magic.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka wants the first above */
#include <cmocka.h>

#define GIB (INT64_C(1) << 30)

static const struct doctor_config usual = {.state_dir = "/s",
                                           .engine_socket = "/var/run/docker.sock",
                                           .helper_dir = "/h",
                                           .ca_bundle = "/c",
                                           .work_mode = "auto",
                                           .version = "1.2",
                                           .slots = 2,
                                           .build_uid = 2000,
                                           .build_uids = 5,
                                           .files = 5000,
                                           .limits = LIMITS_DEFAULT};
static const struct engine_info engine = {.version = "20.10",
                                          .api = "1.41",
                                          .cgroup_driver = "cgroupfs",
                                          .cgroup_version = 1,
                                          .architecture = "x86_64",
                                          .os_type = "linux",
                                          .cpus = 2,
                                          .memory_bytes = 64 * GIB,
                                          .storage_driver = "overlay2",
                                          .root_dir = "/var/lib/docker",
                                          .seccomp = true,
                                          .limits_memory = true,
                                          .limits_swap = true,
                                          .limits_pids = true,
                                          .limits_cpu = true};
static const struct cgroup_ability able = {.made = true, .cpu = true, .memory = true, .peak = true};
static const struct err none = ERR_INIT;

/* The finding of that name; what is wrong has a hint, what is right none. The caller clears. */
static const struct doctor_finding *find(const struct doctor_findings *f, const char *name)
{
    const struct doctor_finding *found = NULL;

    for (size_t i = 0; i < f->count; i++) {
        assert_string_not_equal(f->p[i].detail, "");
        assert_int_equal(f->p[i].hint != NULL, f->p[i].level != DOCTOR_OK);
        if (strcmp(f->p[i].name, name) == 0)
            found = &f->p[i];
    }
    return found;
}

#define EXPECT(f, name, wanted, word)                                                                                  \
    do {                                                                                                               \
        const struct doctor_finding *x_ = find(&(f), name);                                                            \
        assert_non_null(x_);                                                                                           \
        assert_string_equal(doctor_level_name(x_->level), wanted);                                                     \
        if (!strstr(x_->detail, word))                                                                                 \
            fail_msg("%s: '%s' does not say '%s'", name, x_->detail, word);                                            \
        doctor_clear(&(f));                                                                                            \
    } while (0)

static void the_engine(void **state)
{
    struct doctor_findings f = {0};
    struct err err = ERR_INIT;
    struct engine_info e = engine;

    (void)state;
    doctor_engine(&f, "/sock", &e, &none);
    assert_int_equal(f.count, 4);
    for (size_t i = 0; i < f.count; i++)
        assert_int_equal(f.p[i].level, DOCTOR_OK);
    EXPECT(f, "engine", "ok", "/sock");

    err_set(&err, ERR_ENGINE, "it is away");
    doctor_engine(&f, "/sock", &e, &err);
    assert_int_equal(f.count, 1); /* nothing is said of what was not seen */
    EXPECT(f, "engine", "fail", "it is away");

    e.rootless = true;
    doctor_engine(&f, "/sock", &e, &none);
    EXPECT(f, "engine_kind", "fail", "rootless");
    e = engine;
    memcpy(e.storage_driver, "vfs", 4);
    doctor_engine(&f, "/sock", &e, &none);
    EXPECT(f, "storage_driver", "warn", "vfs");
    e = engine;
    e.no_d_type = true;
    doctor_engine(&f, "/sock", &e, &none);
    EXPECT(f, "storage_driver", "warn", "d_type");
    e = engine;
    e.seccomp = false;
    doctor_engine(&f, "/sock", &e, &none);
    EXPECT(f, "seccomp", "warn", "no system calls");
}

static void limits_that_do_not_hold(void **state)
{
    struct doctor_findings f = {0};
    struct doctor_config cfg = usual;
    struct engine_info e = engine;
    struct cgroup_ability c = able;
    struct err err = ERR_INIT;

    (void)state;
    doctor_limits(&f, &usual, &e, &able, &none);
    for (size_t i = 0; i < f.count; i++)
        assert_int_equal(f.p[i].level, DOCTOR_OK);
    EXPECT(f, "limit.job_cpus", "ok", "not set");

    e.limits_memory = false;
    doctor_limits(&f, &usual, &e, &able, &none);
    EXPECT(f, "limit.job_memory_bytes", "fail", "one job");
    e = engine;
    e.limits_swap = false;
    doctor_limits(&f, &usual, &e, &able, &none);
    EXPECT(f, "limit.swap", "warn", "a job may swap");
    e = engine;
    e.limits_pids = false;
    doctor_limits(&f, &usual, &e, &able, &none);
    EXPECT(f, "limit.job_pids", "fail", "processes");
    e = engine;
    e.limits_cpu = false;
    doctor_limits(&f, &usual, &e, &able, &none);
    EXPECT(f, "limit.job_cpus", "ok", "not set"); /* nobody asks for it */
    cfg.limits.job_cpus = 1;
    doctor_limits(&f, &cfg, &e, &able, &none);
    EXPECT(f, "limit.job_cpus", "warn", "job_cpus is set");
    doctor_limits(&f, &cfg, &engine, &able, &none);
    EXPECT(f, "limit.job_cpus", "ok", "holds");

    e = engine;
    e.memory_bytes = 2 * usual.limits.job_memory_bytes - 1;
    doctor_limits(&f, &usual, &e, &able, &none);
    EXPECT(f, "memory", "warn", "2 slots");

    err_set(&err, ERR_ENGINE, "read-only");
    doctor_limits(&f, &usual, &engine, &(struct cgroup_ability){0}, &err);
    assert_int_equal(find(&f, "limit.job_cpu_seconds")->level, DOCTOR_WARN);
    EXPECT(f, "cgroups", "warn", "read-only");
    c.cpu = false;
    doctor_limits(&f, &usual, &engine, &c, &none);
    assert_int_equal(find(&f, "limit.job_cpu_seconds")->level, DOCTOR_WARN);
    EXPECT(f, "cgroups", "warn", "CPU time cannot be read");
    c = able;
    c.memory = c.peak = false;
    doctor_limits(&f, &usual, &engine, &c, &none);
    EXPECT(f, "cgroups", "warn", "memory cannot be read");
    c.memory = true;
    doctor_limits(&f, &usual, &engine, &c, &none);
    EXPECT(f, "cgroups", "warn", "no peak");
}

static void work_folders(void **state)
{
    struct doctor_findings f = {0};
    struct doctor_config cfg = usual;
    struct err err = ERR_INIT;

    (void)state;
    err_set(&err, ERR_ENGINE, "no loop device");
    doctor_work(&f, &usual, true, WORK_EXT4, &none, 64 * GIB);
    EXPECT(f, "limit.work_bytes", "ok", "ext4");
    doctor_work(&f, &usual, true, WORK_PLAIN, &err, 64 * GIB);
    EXPECT(f, "limit.work_bytes", "warn", "no loop device");
    doctor_work(&f, &usual, false, WORK_PLAIN, &err, 64 * GIB);
    assert_non_null(strstr(find(&f, "limit.work_bytes")->hint, "as root"));
    EXPECT(f, "limit.work_bytes", "warn", "watchdog");
    cfg.work_mode = "ext4"; /* one that is named must work */
    doctor_work(&f, &cfg, true, WORK_PLAIN, &err, 64 * GIB);
    EXPECT(f, "limit.work_bytes", "fail", "does not start");
    cfg.work_mode = "plain";
    doctor_work(&f, &cfg, true, WORK_PLAIN, &none, 64 * GIB);
    EXPECT(f, "limit.work_bytes", "warn", "plain");
    cfg.work_mode = "tmpfs";
    doctor_work(&f, &cfg, true, WORK_TMPFS, &none, 64 * GIB);
    EXPECT(f, "limit.work_bytes", "ok", "tmpfs");
    doctor_work(&f, &cfg, true, WORK_TMPFS, &none, 8 * GIB);
    EXPECT(f, "limit.work_bytes", "warn", "memory");
}

static void who_it_runs_as(void **state)
{
    struct doctor_findings f = {0};

    (void)state;
    doctor_user(&f, &usual, false, NULL);
    EXPECT(f, "user", "warn", "one uid");
    doctor_user(&f, &usual, true, NULL);
    EXPECT(f, "build_uids", "ok", "2000 to 2004");
    doctor_user(&f, &usual, true, "alice");
    EXPECT(f, "build_uids", "fail", "alice");
}

static void the_state_folder(void **state)
{
    static const struct {
        int64_t type;
        const char *level, *word;
    } kinds[] = {{EXT4_SUPER_MAGIC, "ok", "ext4"},      {NFS_SUPER_MAGIC, "fail", "nfs"},
                 {(int32_t)0xff534d42, "fail", "cifs"}, /* as a 32-bit f_type has it */
                 {0xfe534d42, "fail", "smb2"},          {V9FS_MAGIC, "fail", "9p"},
                 {0x00c36400, "fail", "ceph"},          {FUSE_SUPER_MAGIC, "warn", "fuse"},
                 {TMPFS_MAGIC, "warn", "memory"},       {0x12345, "ok", "0x12345"}};
    const struct doctor_folder good = {.path = "/s",
                                       .there = true,
                                       .is_folder = true,
                                       .writable = true,
                                       .mode = 0711,
                                       .owner = 7,
                                       .filesystem = 0xef53};
    struct doctor_findings f = {0};

    (void)state;
    for (size_t i = 0; i < COUNT(kinds); i++) {
        struct doctor_folder s = good;
        s.filesystem = kinds[i].type;
        doctor_state(&f, &usual, 7, &s);
        EXPECT(f, "state_filesystem", kinds[i].level, kinds[i].word);
    }
    struct doctor_folder s = good;
    doctor_state(&f, &usual, 7, &s);
    EXPECT(f, "state", "ok", "0711");
    doctor_state(&f, &usual, 8, &s);
    EXPECT(f, "state", "warn", "belongs to uid 7");
    s.writable = false;
    doctor_state(&f, &usual, 8, &s);
    EXPECT(f, "state", "fail", "belongs to uid 7");
    doctor_state(&f, &usual, 7, &s);
    EXPECT(f, "state", "fail", "cannot be written");
    s = good;
    s.mode = 0777;
    doctor_state(&f, &usual, 7, &s);
    EXPECT(f, "state", "warn", "0777");
    s = good;
    s.there = false; /* then what is told is of a folder above it, whose owner does not matter */
    s.path = "/";
    doctor_state(&f, &usual, 8, &s);
    EXPECT(f, "state", "ok", "/s is not there yet");
    s.writable = false;
    doctor_state(&f, &usual, 7, &s);
    EXPECT(f, "state", "fail", "may not make it");
    s = good;
    s.is_folder = false;
    doctor_state(&f, &usual, 7, &s);
    EXPECT(f, "state", "fail", "not a folder");
    err_set(&s.error, ERR_UNAVAILABLE, "closed");
    doctor_state(&f, &usual, 7, &s);
    assert_int_equal(f.count, 1); /* no word of a file system that was not seen */
    EXPECT(f, "state", "fail", "closed");
}

static void disks(void **state)
{
    const int64_t least = usual.limits.min_free_bytes, all = least + 2 * usual.limits.work_bytes;
    struct doctor_folder s = {
        .path = "/s", .there = true, .free_bytes = all, .free_inodes = 1000000, .inodes = 2000000};
    struct doctor_folder e = {.path = "/d", .there = true, .free_bytes = 5 * GIB, .device = 1};
    struct doctor_findings f = {0};

    (void)state;
    doctor_disk(&f, &usual, WORK_EXT4, &s, &e);
    for (size_t i = 0; i < f.count; i++)
        assert_int_equal(f.p[i].level, DOCTOR_OK);
    assert_null(strstr(find(&f, "disk_engine")->detail, "too"));
    EXPECT(f, "disk", "ok", "18.0 GiB");
    s.free_bytes = all - 1;
    doctor_disk(&f, &usual, WORK_EXT4, &s, &e);
    EXPECT(f, "disk", "warn", "2 slots");
    doctor_disk(&f, &usual, WORK_TMPFS, &s, &e); /* work folders do not lie there */
    EXPECT(f, "disk", "ok", "free");
    s.free_bytes = least - 1;
    doctor_disk(&f, &usual, WORK_EXT4, &s, NULL);
    assert_null(find(&f, "disk_engine"));
    EXPECT(f, "disk", "fail", "no job is accepted");

    doctor_disk(&f, &usual, WORK_PLAIN, &s, NULL); /* there all files of the jobs lie in it */
    EXPECT(f, "disk_inodes", "warn", "1600000");
    s.free_inodes = 99;
    doctor_disk(&f, &usual, WORK_EXT4, &s, NULL);
    EXPECT(f, "disk_inodes", "fail", "99");
    s.inodes = s.free_inodes = 0; /* btrfs */
    doctor_disk(&f, &usual, WORK_EXT4, &s, NULL);
    EXPECT(f, "disk_inodes", "ok", "as they are needed");

    e.device = s.device = 3;
    e.free_bytes = 5 * GIB - 1;
    doctor_disk(&f, &usual, WORK_EXT4, &s, &e);
    EXPECT(f, "disk_engine", "warn", "the state folder's disk, too");
    e.free_bytes = 1 << 20;
    doctor_disk(&f, &usual, WORK_EXT4, &s, &e);
    EXPECT(f, "disk_engine", "fail", "/d");
    e.there = false;
    doctor_disk(&f, &usual, WORK_EXT4, &s, &e);
    EXPECT(f, "disk_engine", "warn", "not seen");
}

static void room_for_more(void **state)
{
    AUTO(char_p) char *detail = NULL, *none_there = NULL, *too_little = NULL;

    (void)state;
    assert_true(doctor_room("/", 0, &detail));
    assert_non_null(strstr(detail, "0 must be"));
    assert_false(doctor_room("/", INT64_MAX, &too_little));
    assert_false(doctor_room("/nowhere/at/all", 0, &none_there));
    assert_non_null(strstr(none_there, "/nowhere"));
}

static void programs_and_files(void **state)
{
    struct doctor_findings f = {0};
    struct err err = ERR_INIT;

    (void)state;
    doctor_helper(&f, &usual, "bloomery-unpack", "bloomery-unpack 1.2", &none);
    EXPECT(f, "helper", "ok", "/h/bloomery-unpack");
    doctor_helper(&f, &usual, "bloomery-unpack", "bloomery-unpack 1.20", &none);
    EXPECT(f, "helper", "fail", "another version");
    doctor_helper(&f, &usual, "bloomery-unpack", "", &none);
    EXPECT(f, "helper", "fail", "another version");
    err_set(&err, ERR_INTERNAL, "no such file");
    doctor_helper(&f, &usual, "bloomery-unpack", "", &err);
    EXPECT(f, "helper", "fail", "no such file");

    doctor_authorities(&f, "", NULL, &none);
    EXPECT(f, "ca_bundle", "warn", "not set");
    doctor_authorities(&f, "/c", NULL, &err);
    EXPECT(f, "ca_bundle", "fail", "no such file");
    doctor_authorities(&f, "/c", "hello", &none);
    EXPECT(f, "ca_bundle", "fail", "no certificate");
    doctor_authorities(&f, "/c", "-----BEGIN CERTIFICATE-----\n", &none);
    EXPECT(f, "ca_bundle", "ok", "/c");

    doctor_descriptors(&f, &usual, 4999);
    EXPECT(f, "descriptors", "warn", "4999");
    doctor_descriptors(&f, &usual, 5000);
    EXPECT(f, "descriptors", "ok", "5000");

    doctor_clock(&f, 1000000, 1000000 + 86400);
    EXPECT(f, "clock", "ok", "day"); /* time zones, and a machine that was set a little late */
    doctor_clock(&f, 0, 86400 * 300);
    EXPECT(f, "clock", "fail", "300 days");
}

static void toolchains(void **state)
{
    struct doctor_origin o[] = {{"dist", "https://d", DOCTOR_NO_ANSWER, "refused"},
                                {"mirror", NULL, DOCTOR_NOT_SET, NULL},
                                {"debian", "http://m", DOCTOR_LACKS_IT, "status 404"}};
    struct doctor_findings f = {0};

    (void)state;
    doctor_toolchain(&f, "1.43.1", o, COUNT(o));
    assert_string_equal(f.p[0].about, "1.43.1");
    EXPECT(f, "toolchain", "warn",
           "dist: https://d does not answer: refused; mirror: not set; debian: http://m does not have it: status 404");
    o[2].reach = DOCTOR_HAS_IT; /* one is enough */
    doctor_toolchain(&f, "1.43.1", o, COUNT(o));
    EXPECT(f, "toolchain", "ok", "http://m has it");
    doctor_toolchain(&f, "1.43.1", o, 0);
    EXPECT(f, "toolchain", "warn", "no origin");
    doctor_registry(&f, &o[0]);
    EXPECT(f, "registry", "warn", "refused");
    doctor_registry(&f, &o[2]);
    EXPECT(f, "registry", "ok", "http://m");
}

static void urls_without_passwords(void **state)
{
    static const char *const urls[][2] = {{"https://u:p@h.example/x", "https://h.example/x"},
                                          {"http://h/x@y", "http://h/x@y"},
                                          {"http://a@b@h", "http://h"},
                                          {"http://u:p@h?q=@", "http://h?q=@"},
                                          {"/a/folder", "/a/folder"}};

    (void)state;
    for (size_t i = 0; i < COUNT(urls); i++) {
        AUTO(char_p) char *shown = doctor_public_url(urls[i][0]);
        assert_string_equal(shown, urls[i][1]);
    }
}

/* A socket that listens, and an URL of it; nobody answers. */
static char *listener(int *ret_fd)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;

    *ret_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(*ret_fd, (struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(*ret_fd, 5), 0);
    assert_int_equal(getsockname(*ret_fd, (struct sockaddr *)&a, &len), 0);
    return mem_printf("http://user:secret@127.0.0.1:%d/x", ntohs(a.sin_port));
}

static void servers_that_are_silent_or_gone(void **state)
{
    AUTO(char_p) char *why = NULL, *other = NULL, *many = NULL;
    int silent, gone;
    AUTO(char_p) char *silent_url = listener(&silent);
    AUTO(char_p) char *gone_url = listener(&gone);
    struct doctor_probes *p = doctor_probes_new("");

    (void)state;
    close(gone);
    size_t first = doctor_probes_ask(p, silent_url), second = doctor_probes_ask(p, gone_url);
    assert_int_equal(doctor_probes_ask(p, silent_url), first); /* asked once */
    doctor_probes_wait(p, clock_monotonic_ms());               /* the first has not answered, and is not waited for */
    assert_int_equal(doctor_probes_answer(p, first, &why), DOCTOR_NO_ANSWER);
    assert_non_null(strstr(why, "in time"));
    doctor_probes_wait(p, clock_monotonic_ms() + 60000);
    assert_int_equal(doctor_probes_answer(p, second, &other), DOCTOR_NO_ANSWER);
    assert_non_null(strstr(other, "refused"));
    assert_null(strstr(other, "secret"));
    assert_int_equal(doctor_probes_answer(p, 63, &many), DOCTOR_NO_ANSWER);
    doctor_probes_free(p);
    close(silent);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_engine),
        cmocka_unit_test(limits_that_do_not_hold),
        cmocka_unit_test(work_folders),
        cmocka_unit_test(who_it_runs_as),
        cmocka_unit_test(the_state_folder),
        cmocka_unit_test(disks),
        cmocka_unit_test(room_for_more),
        cmocka_unit_test(programs_and_files),
        cmocka_unit_test(toolchains),
        cmocka_unit_test(urls_without_passwords),
        cmocka_unit_test(servers_that_are_silent_or_gone),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
