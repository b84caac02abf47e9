/* proc.c - see proc.h.
 *
 * The caller has other threads, so the child may only make system calls until it execs: all that allocates (the path
 * of the program, its environment, copies of descriptors out of the way of 0 to 4) is prepared before fork().
 */
#include "base/proc.h"

#include "base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
#define MAX_ERRORS (16 << 10)

/* What is read after the program's end, at most: a stray that kept the pipe must not hold us. */
#define MAX_DRAIN (64 << 20)

enum { STATUS_FD = 4 }; /* where the child says that it could not exec */

/* All that the child needs. */
struct plan {
    char *path;
    char *const *argv;
    char **env;                        /* owned array, borrowed strings but the first */
    int in_fd, out_fd, err_fd, dir_fd; /* owned, above STATUS_FD */
    int status_fd;
    pid_t parent;
    bool change_user;
};

/* What the child reports. */
struct report {
    int sys;
    int stage; /* index of STAGES */
};

enum { STAGE_FDS, STAGE_LIMITS, STAGE_USER, STAGE_PARENT, STAGE_EXEC };
static const char *const STAGES[] = {"descriptors", "limits", "user", "parent", "exec"};

static const char *search_path(void)
{
    const char *path = getenv("PATH");

    return path && *path ? path : DEFAULT_PATH;
}

/* The program's path, or NULL; the caller owns it. */
static char *find_program(const char *name)
{
    struct stat st;

    if (strchr(name, '/'))
        return mem_strdup(name);
    for (const char *p = search_path(); *p;) {
        size_t n = strcspn(p, ":");
        if (n > 0) {
            AUTO(char_p) char *path = mem_printf("%.*s/%s", (int)n, p, name);
            if (stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0)
                return STEAL(path);
        }
        p += n;
        p += *p == ':';
    }
    return NULL;
}

static char **make_env(const char *const *add)
{
    size_t n = 0, out = 0;
    bool has_path = false;

    for (; add && add[n]; n++)
        has_path |= strncmp(add[n], "PATH=", 5) == 0;
    char **env = mem_alloc((n + 2) * sizeof *env);
    env[out++] = mem_printf("PATH=%s", has_path ? "" : search_path());
    if (has_path) /* the last of two is not what every program takes */
        free(env[--out]);
    for (size_t i = 0; i < n; i++)
        env[out++] = mem_strdup(add[i]);
    return env;
}

static void plan_clear(struct plan *plan)
{
    const int fds[] = {plan->in_fd, plan->out_fd, plan->err_fd, plan->dir_fd, plan->status_fd};

    for (size_t i = 0; i < COUNT(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    for (char **e = plan->env; e && *e; e++)
        free(*e);
    free(plan->env);
    free(plan->path);
}

/* A copy of fd that dup2 to 0..STATUS_FD cannot overwrite. fd < 0 is /dev/null. */
static int copy_fd(int fd, int *ret, struct err *err)
{
    AUTO(fd) int null = -1;

    if (fd < 0) {
        null = open("/dev/null", O_RDWR | O_CLOEXEC);
        if (null < 0)
            return err_sys(err, ERR_INTERNAL, errno, "cannot open /dev/null");
        fd = null;
    }
    int copy = fcntl(fd, F_DUPFD_CLOEXEC, STATUS_FD + 1);
    if (copy < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot copy descriptor %d", fd);
    *ret = copy;
    return 0;
}

/* A pipe; the child's end is out of the way of 0..STATUS_FD. */
static int make_pipe(bool nonblock, int *ret_ours, int *ret_childs, struct err *err)
{
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) < 0)
        return err_sys(err, ERR_INTERNAL, errno, "cannot make a pipe");
    int r = copy_fd(ends[1], ret_childs, err);
    close(ends[1]);
    if (r < 0) {
        close(ends[0]);
        return r;
    }
    if (nonblock)
        fcntl(ends[0], F_SETFL, O_NONBLOCK);
    *ret_ours = ends[0];
    return 0;
}

/* --- the child: system calls only --- */
static void give_up(int stage, int sys)
{
    struct report report = {.sys = sys, .stage = stage};
    ssize_t n = write(STATUS_FD, &report, sizeof report);

    _exit(n < 0 ? 126 : 127);
}

static void child_limit(__rlimit_resource_t what, rlim_t soft, rlim_t hard)
{
    struct rlimit now;

    /* Never above the hard limit that we are under already: only root could. */
    if (getrlimit(what, &now) == 0 && now.rlim_max != RLIM_INFINITY) {
        if (hard > now.rlim_max)
            hard = now.rlim_max;
        if (soft > hard)
            soft = hard;
    }
    struct rlimit lim = {soft, hard};
    if (setrlimit(what, &lim) < 0)
        give_up(STAGE_LIMITS, errno);
}

static void child_close_from(unsigned first)
{
    if (syscall(SYS_close_range, first, ~0U, 0) == 0)
        return;
    struct rlimit lim; /* Linux before 5.9 */
    unsigned end = getrlimit(RLIMIT_NOFILE, &lim) == 0 && lim.rlim_cur < 65536 ? (unsigned)lim.rlim_cur : 65536;
    for (unsigned fd = first; fd < end; fd++)
        close((int)fd);
}

static void child_run(const struct proc *p, const struct plan *plan)
{
    struct sigaction dfl = {.sa_handler = SIG_DFL};
    sigset_t none;

    /* The handlers of the parent must not run here, and what it ignores or blocks is not the program's business. */
    for (int sig = 1; sig < NSIG; sig++)
        sigaction(sig, &dfl, NULL);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setsid();

    if (dup3(plan->status_fd, STATUS_FD, O_CLOEXEC) < 0)
        _exit(126);
    if (dup2(plan->in_fd, 0) < 0 || dup2(plan->out_fd, 1) < 0 || dup2(plan->err_fd, 2) < 0)
        give_up(STAGE_FDS, errno);
    if (plan->dir_fd < 0)
        close(3);
    else if (dup2(plan->dir_fd, 3) < 0)
        give_up(STAGE_FDS, errno);
    child_close_from(STATUS_FD + 1);

    child_limit(RLIMIT_CORE, 0, 0);
    if (p->cpu_seconds > 0)
        child_limit(RLIMIT_CPU, (rlim_t)p->cpu_seconds, (rlim_t)p->cpu_seconds + 1);
    if (p->memory_bytes > 0)
        child_limit(RLIMIT_AS, (rlim_t)p->memory_bytes, (rlim_t)p->memory_bytes);
    if (plan->change_user && (setgroups(0, NULL) < 0 || setresgid(p->gid, p->gid, p->gid) < 0 ||
                              setresuid(p->uid, p->uid, p->uid) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0))
        give_up(STAGE_USER, errno);
    /* After the change of user, which clears it. If the parent went before this, nobody would tell us. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) < 0)
        give_up(STAGE_PARENT, errno);
    if (getppid() != plan->parent)
        _exit(126);
    execve(plan->path, plan->argv, plan->env);
    give_up(STAGE_EXEC, errno);
}

/* Waits until the child has exec'ed. */
static int await_exec(int fd, const struct plan *plan, struct err *err)
{
    struct report report;
    ssize_t n;

    do
        n = read(fd, &report, sizeof report);
    while (n < 0 && errno == EINTR);
    if (n == 0)
        return 0;
    if (n != sizeof report || report.stage < 0 || (size_t)report.stage >= COUNT(STAGES))
        return err_set(err, ERR_INTERNAL, "cannot run %s: its process failed to start", plan->path);
    if (report.stage == STAGE_EXEC)
        return err_sys(err, ERR_INTERNAL, report.sys, "cannot run %s", plan->path);
    return err_sys(err, ERR_INTERNAL, report.sys, "cannot run %s (%s)", plan->path, STAGES[report.stage]);
}

/* --- the parent --- */
struct sink {
    int fd; /* -1: at its end */
    struct buf *into;
    size_t max; /* bytes of this run */
    size_t got;
    bool keep_first; /* above max: drop; else it is too much */
};

/* Reads what is there. PROC_TOO_MUCH_OUTPUT, or 0. */
static int sink_read(struct sink *s, size_t most)
{
    char block[16 << 10];

    for (size_t total = 0; s->fd >= 0 && total < most;) {
        ssize_t n = read(s->fd, block, sizeof block);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return 0;
        if (n <= 0) {
            close(s->fd);
            s->fd = -1;
            return 0;
        }
        size_t take = (size_t)n;
        total += take;
        if (take > s->max - s->got) {
            if (!s->keep_first)
                return PROC_TOO_MUCH_OUTPUT;
            take = s->max - s->got;
        }
        buf_put(s->into, block, take);
        s->got += take;
    }
    return 0;
}

static bool has_ended(pid_t pid)
{
    siginfo_t info = {0};

    return waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT | WNOHANG) < 0 || info.si_pid == pid;
}

/* Until the program ends or has to be ended. Never reaps: its process group has to stay ours. */
static int supervise(const struct proc *p, pid_t pid, struct sink sinks[2], int64_t deadline)
{
    AUTO(fd) int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);

    while (!has_ended(pid)) {
        struct pollfd fds[3] = {{.fd = sinks[0].fd, .events = POLLIN},
                                {.fd = sinks[1].fd, .events = POLLIN},
                                {.fd = pidfd, .events = POLLIN}};
        int64_t wait = pidfd >= 0 ? INT_MAX : 20;
        if (p->seconds > 0) {
            int64_t left = deadline - clock_monotonic_ms();
            if (left <= 0)
                return PROC_TIMED_OUT;
            wait = left < wait ? left : wait;
        }
        if (poll(fds, 3, (int)wait) < 0 && errno != EINTR)
            return PROC_TIMED_OUT; /* ENOMEM: end it rather than wait for ever */
        for (int i = 0; i < 2; i++)
            if (fds[i].revents && sink_read(&sinks[i], 1 << 20) != 0)
                return PROC_TOO_MUCH_OUTPUT;
    }
    return 0;
}

static int run(const struct proc *p, struct plan *plan, struct sink sinks[2], int status_pipe, int *ret_status,
               struct err *err)
{
    int64_t deadline = clock_monotonic_ms() + p->seconds * 1000;
    sigset_t all, old;
    int status = 0;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    plan->parent = getpid();
    pid_t pid = fork();
    if (pid == 0)
        child_run(p, plan);
    int sys = errno;
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (pid < 0)
        return err_sys(err, ERR_INTERNAL, sys, "cannot start %s", plan->path);

    int *childs[] = {&plan->in_fd, &plan->out_fd, &plan->err_fd, &plan->dir_fd, &plan->status_fd};
    for (size_t i = 0; i < COUNT(childs); i++) {
        if (*childs[i] >= 0)
            close(*childs[i]);
        *childs[i] = -1;
    }
    int r = await_exec(status_pipe, plan, err);
    if (r == 0)
        r = supervise(p, pid, sinks, deadline);
    kill(-pid, SIGKILL); /* what it left behind, too */
    kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    for (int i = 0; i < 2 && r >= 0; i++)
        if (sink_read(&sinks[i], MAX_DRAIN) != 0 && r == 0)
            r = PROC_TOO_MUCH_OUTPUT;
    if (r == 0)
        *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return r;
}

int proc_run(const struct proc *p, int *ret_status, struct err *err)
{
    struct plan plan = {.in_fd = -1, .out_fd = -1, .err_fd = -1, .dir_fd = -1, .status_fd = -1};
    struct sink sinks[2] = {{.fd = -1, .into = p->out, .max = p->out_max},
                            {.fd = -1, .into = p->errors, .max = MAX_ERRORS, .keep_first = true}};
    AUTO(fd) int status_pipe = -1;
    int r = -1;

    plan.argv = (char *const *)p->argv;
    plan.path = find_program(p->argv[0]);
    if (!plan.path)
        return err_set(err, ERR_INTERNAL, "cannot run %s: there is no such program in PATH", p->argv[0]);
    plan.env = make_env(p->env);
    plan.change_user = geteuid() == 0 && p->uid != 0;
    if (copy_fd(p->stdin_fd, &plan.in_fd, err) == 0 && (p->dir_fd < 0 || copy_fd(p->dir_fd, &plan.dir_fd, err) == 0) &&
        (p->out ? make_pipe(true, &sinks[0].fd, &plan.out_fd, err) : copy_fd(p->stdout_fd, &plan.out_fd, err)) == 0 &&
        (p->errors ? make_pipe(true, &sinks[1].fd, &plan.err_fd, err) : copy_fd(-1, &plan.err_fd, err)) == 0 &&
        make_pipe(false, &status_pipe, &plan.status_fd, err) == 0)
        r = run(p, &plan, sinks, status_pipe, ret_status, err);
    for (int i = 0; i < 2; i++)
        if (sinks[i].fd >= 0)
            close(sinks[i].fd);
    plan_clear(&plan);
    return r;
}
