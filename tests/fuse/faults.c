/* The faults: the options, and the operations that fail or wait. */

#include "passthrough.h"

#include <signal.h>
#include <stdarg.h>

/* Selects the operations that a fault or a pause applies to. */
struct rule {
    const char *op, *part;
    long nth, n_seen;
    bool and_later;
    int error;
};

static struct rule rules[8], pause_at;
static int n_rules;

int rename_directory_error;
bool no_rename_flags, local_flock, flock_needs_writing;

static int drop_error, log_file = -1;
static long drop_from, n_closes;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t signalled = PTHREAD_COND_INITIALIZER;
static bool is_resumed, has_no_power;
/* Held for reading by each operation, and for writing by a power failure. */
static pthread_rwlock_t power = PTHREAD_RWLOCK_INITIALIZER;

void note(const char *format, ...)
{
    char line[3 * PATH_MAX];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(line, sizeof line, format, arguments);
    va_end(arguments);
    if (log_file >= 0 && write(log_file, line, length) != length)
        abort();
}

static bool matches(struct rule *rule, const char *op, const char *path)
{
    static const char changes[] =
        " create write truncate close mkdir rmdir unlink rename link symlink fsync fsyncdir ";
    char word[32];
    snprintf(word, sizeof word, " %s ", op);
    if (!rule->op || (rule->part && !strstr(path, rule->part)))
        return false;
    if (strcmp(rule->op, op) && !(!strcmp(rule->op, "change") && strstr(changes, word)))
        return false;
    long n = ++rule->n_seen;
    return n == rule->nth || (rule->and_later && n > rule->nth);
}

int injected(int error, const char *op, const char *path)
{
    note("%s %s %s injected\n", op, path, error ? strerrorname_np(error) : "ok");
    return -error;
}

int begin(const char *op, const char *path)
{
    int error = 0;
    pthread_mutex_lock(&mutex);
    if (matches(&pause_at, op, path)) {
        note("paused %s %s\n", op, path);
        while (!is_resumed && !has_no_power)
            pthread_cond_wait(&signalled, &mutex);
        note("resumed\n");
    }
    for (int i = 0; i < n_rules && !error && !has_no_power; i++)
        if (matches(&rules[i], op, path))
            error = injected(rules[i].error, op, path);
    pthread_mutex_unlock(&mutex);
    if (error)
        return error;
    pthread_rwlock_rdlock(&power);
    if (!has_no_power)
        return 0;
    pthread_rwlock_unlock(&power);
    return -EIO;
}

int end(const char *op, const char *path, const char *second, int result)
{
    const char *error = result < 0 ? strerrorname_np(-result) : "ok";
    note("%s %s%s%s %s\n", op, path, second ? " " : "", second ? second : "", error);
    pthread_rwlock_unlock(&power);
    return result;
}

bool drops(int fd, const char *path, int *result)
{
    if (!drop_from || __atomic_add_fetch(&n_closes, 1, __ATOMIC_SEQ_CST) < drop_from)
        return false;
    if (ftruncate(fd, 0))
        abort();
    *result = injected(drop_error, "close", path);
    return true;
}

static void *control(void *signals)
{
    for (int signal;;) {
        sigwait(signals, &signal);
        if (signal == SIGUSR1 && !has_no_power) {
            pthread_rwlock_wrlock(&power);
            fail_power();
            has_no_power = true;
            note("failed power\n");
            pthread_rwlock_unlock(&power);
        }
        pthread_mutex_lock(&mutex);
        is_resumed |= signal == SIGUSR2;
        pthread_cond_broadcast(&signalled);
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static void usage(const char *what)
{
    fprintf(stderr, "passthrough: %s; see the comment at the top of passthrough.c\n", what);
    exit(2);
}

static int error_number(const char *name)
{
    if (name && !strcmp(name, "ok"))
        return 0;
    for (int error = 1; name && error < 200; error++)
        if (strerrorname_np(error) && !strcmp(strerrorname_np(error), name))
            return error;
    usage("an error is missing or unknown");
    return 0;
}

static void parse_fault(char *text)
{
    char *word = strtok(text, ":"), *second = strtok(NULL, ":"), *third = strtok(NULL, ":");
    no_rename_flags |= !strcmp(word, "no-rename-flags");
    local_flock |= !strcmp(word, "local-flock");
    flock_needs_writing |= !strcmp(word, "flock-needs-writing");
    inode_reuse |= !strcmp(word, "inode-reuse");
    inode_by_path |= !strcmp(word, "inode-by-path");
    loses_entries |= !strcmp(word, "volatile");
    loses_data |= !strncmp(word, "volatile", 8);
    if (!strcmp(word, "no-rename-directory")) {
        rename_directory_error = error_number(second);
    } else if (!strcmp(word, "close-drop")) {
        drop_from = second ? atol(second) : 1;
        drop_error = error_number(third);
    } else if (second) {
        if (n_rules == 8)
            usage("too many faults");
        rules[n_rules++] = (struct rule){word, strtok(NULL, ":"), atol(second), 0, strchr(second, '+'), error_number(third)};
    } else if (!(no_rename_flags || local_flock || flock_needs_writing || inode_reuse || inode_by_path || loses_data)) {
        usage("there is no such fault");
    }
}

void parse(int argc, char **argv)
{
    static sigset_t signals;
    pthread_t thread;
    if (argc < 3)
        usage("SOURCE and MOUNTPOINT are missing");
    for (int i = 3; i < argc; i++) {
        char *value = strchr(argv[i], '=');
        if (!value)
            usage("an option has no value");
        if (!strncmp(argv[i], "--fault=", 8)) {
            parse_fault(value + 1);
        } else if (!strncmp(argv[i], "--pause=", 8)) {
            pause_at.op = strtok(value + 1, ":");
            char *nth = strtok(NULL, ":");
            pause_at.nth = nth ? atol(nth) : 1;
            pause_at.part = strtok(NULL, ":");
        } else if (!strncmp(argv[i], "--log=", 6)) {
            log_file = open(value + 1, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
        } else {
            usage("there is no such option");
        }
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGUSR1);
    sigaddset(&signals, SIGUSR2);
    pthread_sigmask(SIG_BLOCK, &signals, NULL);
    pthread_create(&thread, NULL, control, &signals);
}
