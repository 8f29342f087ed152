/* The functions that the parts of the passthrough share. */

#define _GNU_SOURCE
#define FUSE_USE_VERSION 31

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* faults.c: the faults. */

extern int rename_directory_error;
extern bool no_rename_flags, local_flock, flock_needs_writing;

/* Reads the options, and starts the thread that waits for signals. */
void parse(int argc, char **argv);

void note(const char *format, ...);

/* Pauses if the options say so. Returns 0, and keeps the power on until `end`; or returns the error
   that the operation must fail with. */
int begin(const char *op, const char *path);

/* Logs a result, which is negative for an error. */
int end(const char *op, const char *path, const char *second, int result);

/* Logs a failure that is a fault. */
int injected(int error, const char *op, const char *path);

/* Empties a written file that is being closed, and logs it, if that is the fault. Returns true
   if so. */
bool drops(int fd, const char *path, int *result);

/* power.c: the effects of a power failure. */

extern bool loses_data, loses_entries;

/* Creates a directory for files that are removed before they are flushed. */
void prepare_power(const char *source);

/* Keeps the file or directory of a name, unless it is kept already. Call it before the name
   changes. */
void remember(const char *path);

/* Does the same for a renamed directory. */
void remember_rename(const char *from, const char *to, unsigned flags);

void directory_is_flushed(int fd);
void file_is_dirty(int fd);
void file_is_flushed(int fd);

/* Undoes all changes that were not flushed. */
void fail_power(void);

/* inodes.c: the inode numbers that are reported. */

extern bool inode_reuse, inode_by_path;

void number(const char *path, struct stat *status);

/* Returns a path for system calls, inside the directory that is passed through. */
static inline const char *at(const char *path) { return path[1] ? path + 1 : "."; }
