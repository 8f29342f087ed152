//! Where the bytes go: the file system under the writer.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};

use bytes::Bytes;

use super::default_operations;
use super::entry_kind::EntryKind;
use super::lock::{FileLock, LockScope};
use super::pin::FilePin;

/// The operations on files and directories that writing and reading an array need.
///
/// [`LocalFileSystem`](super::LocalFileSystem) is the machine's. Another implementation, which [`Target::on`](crate::Target::on)
/// takes, can inject faults; [`FileSystemLayer`](super::FileSystemLayer) changes single operations of another
/// one. [`MemoryFileSystem`](super::MemoryFileSystem) keeps everything in memory. Errors are those of `std::io`, and their kinds
/// matter where they are named. Several threads call the operations at once. Paths are relative or
/// absolute as users give them (a relative path's directory is `.`), and the paths above and below those:
/// the writer looks for groups in every directory up to the root.
///
/// The suite `conformance::FileSystemSuite`, behind the feature `conformance`, checks an implementation.
///
/// An [`Arc`](std::sync::Arc) of a file system is a file system, for callers who want to ask it something
/// afterwards. [`FileSystemLayer`](super::FileSystemLayer) has an example of a file system that changes one operation.
pub trait FileSystem: fmt::Debug + Send + Sync + 'static {
    /// Returns what lies at `path`, following symbolic links, or `None` if nothing does, as below a file.
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>>;

    /// Returns what lies at `path` itself: a symbolic link there is [`EntryKind::Link`].
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    fn entry_kind(&self, path: &Path) -> io::Result<Option<EntryKind>>;

    /// Returns the absolute path of what lies at `path`, without symbolic links, `.` and `..`.
    ///
    /// # Errors
    ///
    /// When the path does not exist or cannot be followed.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;

    /// Returns the names in a directory, in any order.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies there.
    /// - Any kind when it is not a directory or cannot be read.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;

    /// Reads up to `length` bytes of a file from `offset` on, or all bytes if no length is given; fewer
    /// when the file ends before, and none when it ends before `offset`.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies there, as below a file.
    /// - Any kind when it is not a regular file or cannot be read. A pipe or a device is an error at
    ///   once, and is never waited for.
    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<Bytes>;

    /// Fills buffers, one after the other, with the bytes of a file from `offset` on, and returns how many
    /// bytes there were: fewer than the buffers take when the file ends before. The slices may be changed;
    /// the memory that they referred to is filled.
    ///
    /// By default it copies what [`read`](Self::read) returns.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read). Some of the buffers may have been filled.
    fn read_into(
        &self,
        path: &Path,
        offset: u64,
        buffers: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        default_operations::read_into(self, path, offset, buffers)
    }

    /// Returns the size of a file in bytes.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies there, as below a file.
    /// - Any kind when it is not a regular file.
    fn size(&self, path: &Path) -> io::Result<u64>;

    /// Pins a file, so that it can be told from any that takes its place.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies there, as below a file.
    /// - Any kind when it is not a regular file or cannot be read.
    fn pin(&self, path: &Path) -> io::Result<FilePin>;

    /// Creates one new directory.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::AlreadyExists`] when something lies there, and only then: of several processes
    ///   that create the same directory, one succeeds.
    /// - [`io::ErrorKind::NotFound`] when nothing lies where the directory above it should be.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Creates a directory and those above it, where they do not exist. Several threads may create the
    /// same ones.
    ///
    /// # Errors
    ///
    /// When one of them cannot be created, as where a file lies. Those above it may have been created.
    fn create_directories(&self, path: &Path) -> io::Result<()> {
        default_operations::create_directories(self, path)
    }

    /// Writes a new file whole. It succeeds only if the bytes were accepted to the last, which some file
    /// systems tell when the file is closed.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies where its directory should be: the writer then
    ///   creates the directory.
    /// - [`io::ErrorKind::AlreadyExists`] when something lies there, which is left as it was: of several
    ///   processes that write the same new file, one succeeds.
    /// - Any kind when the bytes cannot be written. A part of the file may be left.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Writes a new file whole, of slices that follow each other in it.
    ///
    /// By default it is [`write`](Self::write), of a copy where there are several slices.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Self::write).
    fn write_slices(&self, path: &Path, slices: &[IoSlice<'_>]) -> io::Result<()> {
        default_operations::write_slices(self, path, slices)
    }

    /// Appends bytes to a file, which is created where there is none. One thread at a time appends to a
    /// file.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies where its directory should be.
    /// - Any kind when something else than a regular file lies there; or when the bytes cannot be
    ///   written, where some of them may have been.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file, or a symbolic link but not the file that it leads to.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies there, as below a file.
    /// - Any kind when it is a directory, or cannot be removed.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies there, as below a file.
    /// - Any kind when it is not a directory, is not empty, or cannot be removed.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;

    /// Locks a file, unless it is locked: in this process or in another one. The lock stays with the file when
    /// its directory is renamed. A process that ends, however it ends, releases its locks.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::WouldBlock`] when it is locked.
    /// - [`io::ErrorKind::Unsupported`] when the file system has no locks.
    /// - [`io::ErrorKind::NotFound`] when nothing lies there, as below a file.
    /// - Any kind when something else than a regular file lies there.
    fn lock(&self, path: &Path) -> io::Result<FileLock>;

    /// Returns which processes the locks of files in a directory keep out. By default all of them.
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    fn lock_scope(&self, directory: &Path) -> io::Result<LockScope> {
        let _ = directory;
        Ok(LockScope::Everywhere)
    }

    /// Moves a directory in one step, with all that is in it, to another name in the same directory. The
    /// writer does so with its own small directory, and never with an array.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies at `from`: of several processes that move the same
    ///   directory, one succeeds.
    /// - Any kind when no directory lies at `from`, or anything at `to` but an empty directory.
    ///
    /// Nothing has changed then.
    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Moves a file in one step to a place on the same file system, where it takes the place of the file
    /// that lies there, if one does. Readers find the one file or the other.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies at `from`, or where the directory of `to` should
    ///   be.
    /// - Any kind when a directory lies at `from` or `to`.
    ///
    /// Nothing has changed then.
    fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Moves a file in one step to a place where nothing lies.
    ///
    /// By default it looks at the place first, so that a file which appears in between is lost.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::AlreadyExists`] when something lies at `to`.
    /// - Those of [`rename_file`](Self::rename_file).
    fn rename_new_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.entry_kind(to)? {
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            None => self.rename_file(from, to),
        }
    }

    /// Gives a new file, or a new directory, the permissions of an old one: mode, owner, access control list
    /// and extended attributes, as far as the file system and the user's rights allow. By default it does nothing.
    ///
    /// # Errors
    ///
    /// An implementation may fail when one of the files does not exist.
    fn copy_permissions(&self, from: &Path, to: &Path) -> io::Result<()> {
        let _ = (from, to);
        Ok(())
    }

    /// Returns true if two files, or two directories, have the same permissions. By default they do.
    ///
    /// # Errors
    ///
    /// An implementation may fail when one of them does not exist.
    fn have_same_permissions(&self, one: &Path, other: &Path) -> io::Result<bool> {
        let _ = (one, other);
        Ok(true)
    }

    /// Checks that the user may replace a file by another one, as far as that can be told beforehand: in a
    /// directory with the sticky bit, only its owner may. By default everything is allowed.
    ///
    /// # Errors
    ///
    /// When the user may not, or that cannot be found out.
    fn check_replaceable(&self, path: &Path) -> io::Result<()> {
        let _ = path;
        Ok(())
    }

    /// Flushes a file's bytes to the device, so that they are there after a power failure. The entry of
    /// its directory need not be.
    ///
    /// # Errors
    ///
    /// When nothing lies there, or anything that was written since the file was created may be lost. What
    /// is on the device is then unknown, and asking again tells nothing.
    fn sync_file(&self, path: &Path) -> io::Result<()>;

    /// Flushes the entries of a directory to the device: what was created in it or moved into it, though
    /// not the contents.
    ///
    /// # Errors
    ///
    /// When it is not a directory, or its entries may be lost. A file system that has no such operation
    /// answers with success, as it keeps its entries in order by itself.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// Flushes all files and directories of the file system that a directory lies on, as
    /// [`sync_file`](Self::sync_file) and [`sync_directory`](Self::sync_directory) do one by one, by one
    /// operation. By default there is no such operation.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::Unsupported`] when there is no such operation, or it cannot be relied upon.
    ///   The writer then flushes each file and each directory.
    /// - Any kind when something that was written may be lost.
    fn sync_file_system(&self, directory: &Path) -> io::Result<()> {
        let _ = directory;
        Err(io::ErrorKind::Unsupported.into())
    }
}
