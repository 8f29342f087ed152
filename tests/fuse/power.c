/* The effects of a power failure. */

#include "passthrough.h"

#include <ftw.h>

bool loses_data, loses_entries;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static char trash[PATH_MAX];

/* The state of a directory entry before it changed: nothing, a file kept in the trash, or a
   directory; or the rename of a directory. */
struct change {
    struct change *next;
    int directory, other;
    ino_t inode, other_inode;
    enum { NOTHING, FILE_KEPT, DIRECTORY, RENAMED } before;
    long kept;
    unsigned flags;
    char name[NAME_MAX + 1], other_name[NAME_MAX + 1];
};

/* A file that was written since its last flush. */
struct dirty {
    struct dirty *next;
    int fd;
    ino_t inode;
};

static struct change *changes;
static struct dirty *dirty;

static ino_t inode_of(int fd)
{
    struct stat status;
    return fstat(fd, &status) ? 0 : status.st_ino;
}

/* Opens the parent directory of a path, and copies the last name. */
static int parent(const char *path, char *name)
{
    char directory[PATH_MAX];
    snprintf(directory, sizeof directory, ".%s", path);
    char *slash = strrchr(directory, '/');
    strcpy(name, slash + 1);
    *slash = 0;
    return open(directory, O_RDONLY | O_DIRECTORY);
}

void remember(const char *path)
{
    static long n_kept;
    struct stat status;
    if (!loses_entries)
        return;
    struct change *change = calloc(1, sizeof *change);
    change->directory = parent(path, change->name);
    change->inode = inode_of(change->directory);
    pthread_mutex_lock(&mutex);
    bool is_known = false;
    for (struct change *one = changes; one; one = one->next)
        is_known |= one->before != RENAMED && one->inode == change->inode && !strcmp(one->name, change->name);
    if (is_known) {
        close(change->directory);
        free(change);
    } else {
        if (!fstatat(change->directory, change->name, &status, AT_SYMLINK_NOFOLLOW)) {
            char kept[PATH_MAX + 32];
            change->before = S_ISDIR(status.st_mode) ? DIRECTORY : FILE_KEPT;
            change->kept = ++n_kept;
            snprintf(kept, sizeof kept, "%s/%ld", trash, change->kept);
            if (change->before == FILE_KEPT && linkat(change->directory, change->name, AT_FDCWD, kept, 0))
                abort();
        }
        change->next = changes;
        changes = change;
    }
    pthread_mutex_unlock(&mutex);
}

void remember_rename(const char *from, const char *to, unsigned flags)
{
    if (!loses_entries)
        return;
    struct change *change = calloc(1, sizeof *change);
    change->before = RENAMED;
    change->flags = flags & RENAME_EXCHANGE;
    change->directory = parent(from, change->name);
    change->inode = inode_of(change->directory);
    change->other = parent(to, change->other_name);
    change->other_inode = inode_of(change->other);
    pthread_mutex_lock(&mutex);
    change->next = changes;
    changes = change;
    pthread_mutex_unlock(&mutex);
}

void directory_is_flushed(int fd)
{
    ino_t inode = inode_of(fd);
    pthread_mutex_lock(&mutex);
    for (struct change **link = &changes, *one; (one = *link);) {
        bool is_rename = one->before == RENAMED;
        if (one->inode == inode)
            one->inode = is_rename ? 0 : inode;
        if (is_rename && one->other_inode == inode)
            one->other_inode = 0;
        /* Moving a directory into another one needs the flush of both. */
        if (is_rename ? !one->inode && !one->other_inode : one->inode == inode) {
            *link = one->next;
            close(one->directory);
            if (is_rename)
                close(one->other);
            free(one);
        } else {
            link = &one->next;
        }
    }
    pthread_mutex_unlock(&mutex);
}

void file_is_dirty(int fd)
{
    ino_t inode = inode_of(fd);
    if (!loses_data)
        return;
    pthread_mutex_lock(&mutex);
    struct dirty *one = dirty;
    while (one && one->inode != inode)
        one = one->next;
    if (!one) {
        char path[64];
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        one = malloc(sizeof *one);
        /* Opened anew, since a duplicate would keep a lock. The open file keeps its number in
           use. */
        *one = (struct dirty){dirty, open(path, O_WRONLY), inode};
        dirty = one;
    }
    pthread_mutex_unlock(&mutex);
}

void file_is_flushed(int fd)
{
    ino_t inode = inode_of(fd);
    pthread_mutex_lock(&mutex);
    for (struct dirty **link = &dirty, *one; (one = *link);) {
        if (one->inode != inode) {
            link = &one->next;
            continue;
        }
        *link = one->next;
        close(one->fd);
        free(one);
    }
    pthread_mutex_unlock(&mutex);
}

static int remove_one(const char *path, const struct stat *status, int kind, struct FTW *place)
{
    (void)status, (void)kind, (void)place;
    return remove(path);
}

static void undo(struct change *change)
{
    char path[PATH_MAX + 32];
    if (change->before == RENAMED) {
        renameat2(change->other, change->other_name, change->directory, change->name, change->flags);
        return;
    }
    if (change->before == DIRECTORY) {
        mkdirat(change->directory, change->name, 0755);
        return;
    }
    snprintf(path, sizeof path, "/proc/self/fd/%d/%s", change->directory, change->name);
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    snprintf(path, sizeof path, "%s/%ld", trash, change->kept);
    if (change->before == FILE_KEPT)
        linkat(AT_FDCWD, path, change->directory, change->name, 0);
}

void fail_power(void)
{
    for (struct dirty *one = dirty; one; one = one->next)
        if (ftruncate(one->fd, 0))
            abort();
    for (struct change *one = changes; one; one = one->next)
        undo(one);
}

void prepare_power(const char *source)
{
    char *absolute = realpath(source, NULL);
    snprintf(trash, sizeof trash, "%s.XXXXXX", absolute ? absolute : source);
    if (loses_entries && !mkdtemp(trash))
        abort();
}
