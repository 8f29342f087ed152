/* A FUSE file system that passes everything through to a directory, except for one fault.

usage: passthrough SOURCE MOUNTPOINT [--fault=FAULT]... [--pause=OP:N[:PART]] [--log=FILE]

It runs in the foreground. Names and numbers of errors are those of errno.h.

FAULT is one of
  OP:N:ERROR[:PART]       the N-th OP on a path that contains PART fails; with N+, all
                          from the N-th on
  close-drop:N:ERROR      from the N-th close on, closing a written file empties the file and fails;
                          with ERROR = ok it reports success
  no-rename-flags         a rename with flags fails with EINVAL
  no-rename-directory:ERROR   a rename of a directory fails
  local-flock             flock does not reach the passthrough: the kernel handles it for each mount
  flock-needs-writing     an exclusive flock of a file that is open for reading fails with EBADF
  inode-reuse             a new file gets the inode number of a removed one, which may still be open
  inode-by-path           the inode number is a hash of the path
  volatile                SIGUSR1 loses the contents of files and the changes of directories
                          that were not flushed by fsync
  volatile-data           the same, but changes of directories persist at once

OP is a word of the log. `close` is the close of a file that was written through this descriptor.
`change` is any operation that changes the directory or flushes it.

SIGUSR1 is a power failure. It loses the changes that the fault names; then every operation fails
with EIO.
The operation named by --pause waits until SIGUSR2 or SIGUSR1.

Each line of the log is OP PATH [PATH] RESULT, where RESULT is `ok` or an error, followed by
`injected` if the error is a fault. Further lines are `mounted`, `paused OP PATH`, `resumed` and
`failed power`. */

#include "passthrough.h"

#include <dirent.h>
#include <fuse.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/xattr.h>

static int source;

struct handle {
    int fd;
    bool written;
    char path[];
};

static struct handle *handle(struct fuse_file_info *info) { return (struct handle *)info->fh; }

/* Returns the current path of an open file or, if it has been removed, the path that was opened. */
static const char *named(const char *path, struct fuse_file_info *info)
{
    return path ? path : handle(info)->path;
}

/* Performs and logs an operation, which is a call that sets errno. */
#define RUN2(op, path, second, call) ({                                     \
    int result_ = begin(op, path);                                          \
    if (!result_) {                                                         \
        result_ = (call);                                                   \
        result_ = end(op, path, second, result_ < 0 ? -errno : result_);    \
    }                                                                       \
    result_;                                                                \
})
#define RUN(op, path, call) RUN2(op, path, NULL, call)

static void *op_init(struct fuse_conn_info *connection, struct fuse_config *config)
{
    (void)connection;
    /* Without caches, two mounts of one directory see each other's changes. */
    config->attr_timeout = config->entry_timeout = config->negative_timeout = 0;
    config->use_ino = config->hard_remove = 1;
    /* libfuse has changed to the root directory. */
    if (fchdir(source))
        abort();
    note("mounted\n");
    return NULL;
}

static int op_getattr(const char *path, struct stat *status, struct fuse_file_info *info)
{
    if ((info ? fstat(handle(info)->fd, status) : lstat(at(path), status)))
        return -errno;
    number(path ? path : handle(info)->path, status);
    return 0;
}

static int open_handle(const char *op, const char *path, int flags, mode_t mode, struct fuse_file_info *info)
{
    int fd = RUN(op, path, open(at(path), flags, mode));
    if (fd < 0)
        return fd;
    struct handle *one = malloc(sizeof *one + strlen(path) + 1);
    one->fd = fd;
    one->written = false;
    strcpy(one->path, path);
    info->fh = (uint64_t)one;
    if (flags & O_TRUNC)
        file_is_dirty(fd);
    return 0;
}

static int op_open(const char *path, struct fuse_file_info *info)
{
    return open_handle("open", path, info->flags & ~(O_CREAT | O_EXCL), 0, info);
}

static int op_create(const char *path, mode_t mode, struct fuse_file_info *info)
{
    remember(path);
    return open_handle("create", path, info->flags | O_CREAT, mode, info);
}

static int op_opendir(const char *path, struct fuse_file_info *info)
{
    return open_handle("opendir", path, O_RDONLY | O_DIRECTORY, 0, info);
}

static int op_release(const char *path, struct fuse_file_info *info)
{
    close(handle(info)->fd);
    note("release %s ok\n", named(path, info));
    free(handle(info));
    return 0;
}

static int op_read(const char *path, char *bytes, size_t size, off_t offset, struct fuse_file_info *info)
{
    return RUN("read", named(path, info), pread(handle(info)->fd, bytes, size, offset));
}

static int op_write(const char *path, const char *bytes, size_t size, off_t offset, struct fuse_file_info *info)
{
    int written = RUN("write", named(path, info), pwrite(handle(info)->fd, bytes, size, offset));
    handle(info)->written = true;
    file_is_dirty(handle(info)->fd);
    return written;
}

/* The kernel calls this for each close(2), and if a process with the open file dies. */
static int op_flush(const char *path, struct fuse_file_info *info)
{
    path = named(path, info);
    if (!handle(info)->written)
        return 0;
    int error = begin("close", path);
    if (error)
        return error;
    int result = 0;
    bool is_dropped = drops(handle(info)->fd, path, &result);
    end(is_dropped ? "dropped" : "close", path, NULL, result);
    return result;
}

static int op_fsync(const char *path, int only_data, struct fuse_file_info *info)
{
    (void)only_data;
    /* SOURCE itself need not be flushed. */
    int error = RUN("fsync", named(path, info), 0);
    if (!error)
        file_is_flushed(handle(info)->fd);
    return error;
}

static int op_fsyncdir(const char *path, int only_data, struct fuse_file_info *info)
{
    (void)only_data;
    int error = RUN("fsyncdir", named(path, info), 0);
    if (!error)
        directory_is_flushed(handle(info)->fd);
    return error;
}

static int op_truncate(const char *path, off_t size, struct fuse_file_info *info)
{
    int fd = info ? handle(info)->fd : open(at(path), O_WRONLY);
    if (fd < 0)
        return -errno;
    int error = RUN("truncate", path ? path : handle(info)->path, ftruncate(fd, size));
    file_is_dirty(fd);
    if (!info)
        close(fd);
    return error;
}

static int op_flock(const char *path, struct fuse_file_info *info, int operation)
{
    int mode = fcntl(handle(info)->fd, F_GETFL) & O_ACCMODE;
    path = named(path, info);
    if (flock_needs_writing && (operation & LOCK_EX) && mode == O_RDONLY)
        return injected(EBADF, "flock", path);
    return RUN(operation & LOCK_UN ? "unlock" : "flock", path, flock(handle(info)->fd, operation));
}

static int op_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset,
                      struct fuse_file_info *info, enum fuse_readdir_flags flags)
{
    (void)offset, (void)flags;
    path = named(path, info);
    int fd = RUN("readdir", path, openat(handle(info)->fd, ".", O_RDONLY | O_DIRECTORY));
    if (fd < 0)
        return fd;
    DIR *directory = fdopendir(fd);
    for (struct dirent *entry; (entry = readdir(directory));) {
        struct stat status = {.st_ino = entry->d_ino, .st_mode = entry->d_type << 12};
        fill(buffer, entry->d_name, &status, 0, 0);
    }
    closedir(directory);
    return 0;
}

static int op_mkdir(const char *path, mode_t mode)
{
    remember(path);
    return RUN("mkdir", path, mkdir(at(path), mode));
}

static int op_unlink(const char *path)
{
    remember(path);
    return RUN("unlink", path, unlink(at(path)));
}

static int op_rmdir(const char *path)
{
    remember(path);
    return RUN("rmdir", path, rmdir(at(path)));
}

static int op_rename(const char *from, const char *to, unsigned flags)
{
    struct stat status;
    bool is_directory = !lstat(at(from), &status) && S_ISDIR(status.st_mode);
    if (flags && no_rename_flags)
        return injected(EINVAL, "rename", from);
    if (is_directory && rename_directory_error)
        return injected(rename_directory_error, "rename", from);
    if (!is_directory) {
        remember(from);
        remember(to);
    }
    int error = RUN2("rename", from, to, renameat2(AT_FDCWD, at(from), AT_FDCWD, at(to), flags));
    if (is_directory && !error)
        remember_rename(from, to, flags);
    return error;
}

static int op_link(const char *from, const char *to)
{
    remember(to);
    return RUN2("link", from, to, link(at(from), at(to)));
}

static int op_symlink(const char *content, const char *path)
{
    remember(path);
    return RUN("symlink", path, symlink(content, at(path)));
}

static int op_readlink(const char *path, char *content, size_t size)
{
    ssize_t length = readlink(at(path), content, size - 1);
    if (length < 0)
        return -errno;
    content[length] = 0;
    return 0;
}

static int op_chmod(const char *path, mode_t mode, struct fuse_file_info *info)
{
    path = path ? path : handle(info)->path;
    return RUN("chmod", path, info ? fchmod(handle(info)->fd, mode) : chmod(at(path), mode));
}

static int op_chown(const char *path, uid_t user, gid_t group, struct fuse_file_info *info)
{
    path = path ? path : handle(info)->path;
    return RUN("chown", path, info ? fchown(handle(info)->fd, user, group) : lchown(at(path), user, group));
}

static int op_utimens(const char *path, const struct timespec times[2], struct fuse_file_info *info)
{
    path = path ? path : handle(info)->path;
    return RUN("utimens", path, info ? futimens(handle(info)->fd, times)
                                     : utimensat(AT_FDCWD, at(path), times, AT_SYMLINK_NOFOLLOW));
}

static int op_statfs(const char *path, struct statvfs *status) { return statvfs(at(path), status) ? -errno : 0; }
static int op_access(const char *path, int mode) { return access(at(path), mode) ? -errno : 0; }

static int op_setxattr(const char *path, const char *name, const char *value, size_t size, int flags)
{
    return RUN("setxattr", path, lsetxattr(at(path), name, value, size, flags));
}

static int op_getxattr(const char *path, const char *name, char *value, size_t size)
{
    int length = lgetxattr(at(path), name, value, size);
    return length < 0 ? -errno : length;
}

static int op_listxattr(const char *path, char *names, size_t size)
{
    int length = llistxattr(at(path), names, size);
    return length < 0 ? -errno : length;
}

static int op_removexattr(const char *path, const char *name)
{
    return RUN("removexattr", path, lremovexattr(at(path), name));
}

int main(int argc, char **argv)
{
    struct rlimit limit;
    parse(argc, argv);
    source = open(argv[1], O_RDONLY | O_DIRECTORY);
    if (source < 0) {
        perror(argv[1]);
        return 2;
    }
    prepare_power(argv[1]);
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    umask(0);

    const struct fuse_operations operations = {
        .init = op_init, .getattr = op_getattr, .open = op_open, .create = op_create, .opendir = op_opendir,
        .release = op_release, .releasedir = op_release, .read = op_read, .write = op_write,
        .flush = op_flush, .fsync = op_fsync, .fsyncdir = op_fsyncdir, .truncate = op_truncate,
        .flock = local_flock ? NULL : op_flock, .readdir = op_readdir, .mkdir = op_mkdir,
        .unlink = op_unlink, .rmdir = op_rmdir, .rename = op_rename, .link = op_link,
        .symlink = op_symlink, .readlink = op_readlink, .chmod = op_chmod, .chown = op_chown,
        .utimens = op_utimens, .statfs = op_statfs, .access = op_access, .setxattr = op_setxattr,
        .getxattr = op_getxattr, .listxattr = op_listxattr, .removexattr = op_removexattr,
    };
    char *arguments[] = {argv[0], argv[2], "-f", "-o", "fsname=passthrough"};
    return fuse_main(5, arguments, &operations, NULL);
}
