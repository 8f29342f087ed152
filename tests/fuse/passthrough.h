/* What the parts of the passthrough have in common. */

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

/* faults.c: what goes wrong. */

extern int rename_directory_error;
extern bool no_rename_flags, local_flock, flock_needs_writing;

/* Reads the options, and starts the thread that waits for signals. */
void parse(int argc, char **argv);

void note(const char *format, ...);

/* Pauses if it is asked to. Returns 0, and the power stays on until `end`; or the error that the operation
   has to fail with. */
int begin(const char *op, const char *path);

/* Logs a result, which is negative for an error. */
int end(const char *op, const char *path, const char *second, int result);

/* Logs a failure that is a fault. */
int injected(int error, const char *op, const char *path);

/* Empties a written file that is being closed, and logs so, if that is the fault. Returns whether it was. */
bool drops(int fd, const char *path, int *result);

/* power.c: what a power failure undoes. */

extern bool loses_data, loses_entries;

/* Makes room for what is removed before it is flushed. */
void prepare_power(const char *source);

/* Keeps what a name stands for, unless that is kept already. To be called before the name changes. */
void remember(const char *path);

/* The same, of a directory that has been renamed. */
void remember_rename(const char *from, const char *to, unsigned flags);

void directory_is_flushed(int fd);
void file_is_dirty(int fd);
void file_is_flushed(int fd);

/* Undoes all that was not flushed. */
void fail_power(void);

/* inodes.c: which inode numbers are reported. */

extern bool inode_reuse, inode_by_path;

void number(const char *path, struct stat *status);

/* A path for the system, which is in the directory that is passed through. */
static inline const char *at(const char *path) { return path[1] ? path + 1 : "."; }
