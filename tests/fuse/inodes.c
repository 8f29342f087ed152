/* The inode numbers that are reported. */

#include "passthrough.h"

bool inode_reuse, inode_by_path;

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* A known file or directory. It stays open, so that the system does not reuse its number. */
static struct seen {
    struct seen *next;
    int fd;
    ino_t inode, reported, path;
    bool has_heir;
} *all_seen;

static ino_t hash(const char *path)
{
    ino_t hash = 14695981039346656037u;
    for (; *path; path++)
        hash = (hash ^ (unsigned char)*path) * 1099511628211u;
    return hash;
}

/* Returns the number of a removed file: the one that had this path, or else the one seen last.
   Returns a new number if there is none. */
static ino_t first_free(ino_t path)
{
    static ino_t last = 1000;
    struct stat status;
    struct seen *best = NULL;
    for (struct seen *one = all_seen; one; one = one->next)
        if (!one->has_heir && (!best || (one->path == path && best->path != path)) &&
            !fstat(one->fd, &status) && status.st_nlink == 0)
            best = one;
    if (!best)
        return ++last;
    best->has_heir = true;
    return best->reported;
}

void number(const char *path, struct stat *status)
{
    if (inode_by_path)
        status->st_ino = hash(path);
    if (!inode_reuse)
        return;
    pthread_mutex_lock(&mutex);
    struct seen *one = all_seen;
    while (one && one->inode != status->st_ino)
        one = one->next;
    if (!one) {
        struct stat opened;
        int fd = open(at(path), O_PATH | O_NOFOLLOW);
        if (fd >= 0 && !fstat(fd, &opened) && opened.st_ino == status->st_ino) {
            one = calloc(1, sizeof *one);
            *one = (struct seen){all_seen, fd, status->st_ino, first_free(hash(path)), 0, false};
            all_seen = one;
        } else {
            close(fd);
        }
    }
    /* Without `one`, the file has been removed meanwhile. */
    if (one) {
        status->st_ino = one->reported;
        one->path = status->st_nlink ? hash(path) : one->path;
    }
    pthread_mutex_unlock(&mutex);
}
