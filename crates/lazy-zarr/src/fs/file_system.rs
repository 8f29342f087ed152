//! The trait for file systems that arrays are written to and read from.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;

use super::default_operations;
use super::entry_kind::EntryKind;
use super::lock::{FileLock, LockScope};
use super::pin::FilePin;

/// A file system: the operations on files and directories that are needed to write and read an
/// array.
///
/// [`LocalFileSystem`](super::LocalFileSystem) uses the file systems of the machine, and
/// [`MemoryFileSystem`](super::MemoryFileSystem) keeps everything in memory.
/// [`FileSystemLayer`](super::FileSystemLayer) changes single operations of another file system,
/// for example to inject faults, and has an example. [`Target::on`](crate::Target::on) takes a file
/// system.
///
/// Errors are those of `std::io`. Their kinds matter where this documentation names them. Several
/// threads call the operations at once. Paths are relative or absolute, as users give them, or lie
/// above or below those paths: the writer looks for groups in every directory up to the root. The
/// parent directory of a relative path with one component is `.`.
///
/// The suite `conformance::FileSystemSuite`, behind the feature `conformance`, checks an
/// implementation.
///
/// An [`Arc`](std::sync::Arc) of a file system is a file system as well, so a caller can keep
/// access to it.
pub trait FileSystem: fmt::Debug + Send + Sync + 'static {
    /// Returns the kind of the entry at `path`, following symbolic links. Returns `None` if the
    /// path does not exist, for example because it lies below a file.
    ///
    /// # Errors
    ///
    /// Any kind if the operation fails.
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>>;

    /// Returns the kind of the entry at `path` without following a symbolic link there: the link is
    /// [`EntryKind::Link`].
    ///
    /// # Errors
    ///
    /// Any kind if the operation fails.
    fn entry_kind(&self, path: &Path) -> io::Result<Option<EntryKind>>;

    /// Returns the absolute form of `path`, without symbolic links, `.` and `..`.
    ///
    /// # Errors
    ///
    /// Any kind if the path does not exist or cannot be followed.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;

    /// Returns the names of the entries of a directory, in any order.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] if the path does not exist.
    /// - Any kind if it is not a directory or cannot be read.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;

    /// Reads up to `length` bytes of a file from `offset` on, or all bytes from there if `length`
    /// is `None`. Returns fewer bytes if the file ends before, and no bytes if it ends before
    /// `offset`.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] if the path does not exist, for example because it lies below
    ///   a file.
    /// - Any kind if it is not a regular file or cannot be read. Reading a pipe or a device fails
    ///   at once and never blocks.
    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<Bytes>;

    /// Fills buffers, one after the other, with the bytes of a file from `offset` on, and returns
    /// the number of bytes. It is less than the size of the buffers if the file ends before. The
    /// operation may change the slices themselves; it fills the memory that they referred to.
    ///
    /// By default it copies what [`read`](Self::read) returns.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read). Some of the buffers may have been filled by then.
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
    /// - [`io::ErrorKind::NotFound`] if the path does not exist, for example because it lies below
    ///   a file.
    /// - Any kind if it is not a regular file.
    fn size(&self, path: &Path) -> io::Result<u64>;

    /// Returns the time when the contents of a file were last changed, by the clock that the file
    /// system uses, or `None` if it keeps no times. Times of files that one process has written
    /// are compared with each other, and never with a clock of this machine. By default there are
    /// no times.
    ///
    /// # Errors
    ///
    /// Those of [`size`](Self::size), if it keeps times.
    fn modified(&self, path: &Path) -> io::Result<Option<SystemTime>> {
        let _ = path;
        Ok(None)
    }

    /// Pins a file, so that it can be distinguished from any file that replaces it.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] if the path does not exist, for example because it lies below
    ///   a file.
    /// - Any kind if it is not a regular file or cannot be read.
    fn pin(&self, path: &Path) -> io::Result<FilePin>;

    /// Creates one new directory.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::AlreadyExists`] if the path exists, and only then. If several processes
    ///   create the same directory, one succeeds.
    /// - [`io::ErrorKind::NotFound`] if the parent directory does not exist.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Creates a directory and its missing parent directories. Several threads may create the same
    /// directories at once.
    ///
    /// # Errors
    ///
    /// Any kind if one of them cannot be created, for example because a file has its path. Its
    /// parents may have been created by then.
    fn create_directories(&self, path: &Path) -> io::Result<()> {
        default_operations::create_directories(self, path)
    }

    /// Writes a complete new file. It succeeds only if the file system has accepted all bytes. Some
    /// file systems report that only when the file is closed.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] if the parent directory does not exist. The writer then
    ///   creates the directory.
    /// - [`io::ErrorKind::AlreadyExists`] if the path exists. The existing entry does not change.
    ///   If several processes write the same new file, one succeeds.
    /// - Any kind if the bytes cannot be written. A part of the file may remain.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Writes a complete new file from slices, which follow each other in the file.
    ///
    /// By default it calls [`write`](Self::write), and copies the slices if there are several.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Self::write).
    fn write_slices(&self, path: &Path, slices: &[IoSlice<'_>]) -> io::Result<()> {
        default_operations::write_slices(self, path, slices)
    }

    /// Appends bytes to a file. Creates the file if it does not exist. Only one thread at a time
    /// appends to a file.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] if the parent directory does not exist.
    /// - Any kind if the path is not a regular file, or if the bytes cannot be written. In the
    ///   latter case some of them may have been written.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file or a symbolic link. The target of a link stays.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] if the path does not exist, for example because it lies below
    ///   a file.
    /// - Any kind if it is a directory or cannot be removed.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] if the path does not exist, for example because it lies below
    ///   a file.
    /// - Any kind if it is not a directory, is not empty, or cannot be removed.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;

    /// Locks a file, unless this process or another one has locked it. The lock stays with the file
    /// when its directory is renamed. When a process ends or crashes, its locks are released.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::WouldBlock`] if the file is locked.
    /// - [`io::ErrorKind::Unsupported`] if the file system has no locks.
    /// - [`io::ErrorKind::NotFound`] if the path does not exist, for example because it lies below
    ///   a file.
    /// - Any kind if it is not a regular file.
    fn lock(&self, path: &Path) -> io::Result<FileLock>;

    /// Returns the processes that the locks of files in a directory exclude. By default they
    /// exclude all processes.
    ///
    /// # Errors
    ///
    /// Any kind if the operation fails.
    fn lock_scope(&self, directory: &Path) -> io::Result<LockScope> {
        let _ = directory;
        Ok(LockScope::Everywhere)
    }

    /// Renames a directory with its contents, atomically, to another name in the same parent
    /// directory. The writer renames only its own small directory, and never an array.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] if `from` does not exist. If several processes rename the same
    ///   directory, one succeeds.
    /// - Any kind if `from` is not a directory, or if `to` exists and is not an empty directory.
    ///
    /// After an error, nothing has changed.
    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames a file atomically to a path on the same file system. It replaces a file at that
    /// path. Readers find either the old file or the new one.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] if `from` or the parent directory of `to` does not exist.
    /// - Any kind if `from` or `to` is a directory.
    ///
    /// After an error, nothing has changed.
    fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Renames a file atomically to a path that does not exist.
    ///
    /// By default it first checks whether `to` exists, and then renames. A file that appears in
    /// between is lost.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::AlreadyExists`] if `to` exists.
    /// - Those of [`rename_file`](Self::rename_file).
    fn rename_new_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self.entry_kind(to)? {
            Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
            None => self.rename_file(from, to),
        }
    }

    /// Copies the permissions of an old file or directory to a new one: mode, owner, access control
    /// list and extended attributes, as far as the file system and the user's rights allow. By
    /// default it does nothing.
    ///
    /// # Errors
    ///
    /// An implementation may fail if one of the paths does not exist.
    fn copy_permissions(&self, from: &Path, to: &Path) -> io::Result<()> {
        let _ = (from, to);
        Ok(())
    }

    /// Returns true if two files, or two directories, have the same permissions. By default it
    /// returns true.
    ///
    /// # Errors
    ///
    /// An implementation may fail if one of the paths does not exist.
    fn have_same_permissions(&self, one: &Path, other: &Path) -> io::Result<bool> {
        let _ = (one, other);
        Ok(true)
    }

    /// Checks that the user may replace a file, as far as that can be determined in advance. In a
    /// directory with the sticky bit, only the owner may replace it. By default the check succeeds.
    ///
    /// # Errors
    ///
    /// Any kind if the user may not replace the file, or if the check itself fails.
    fn check_replaceable(&self, path: &Path) -> io::Result<()> {
        let _ = path;
        Ok(())
    }

    /// Flushes the contents of a file to the device, so that they survive a power failure. The
    /// directory entry need not be flushed.
    ///
    /// # Errors
    ///
    /// Any kind if the path does not exist, or if anything that was written since the file was
    /// created may be lost. The contents on the device are then unknown, and a second call gives no
    /// information about them.
    fn sync_file(&self, path: &Path) -> io::Result<()>;

    /// Flushes the entries of a directory to the device: whatever was created in it or moved into
    /// it. The contents of the entries need not be flushed.
    ///
    /// # Errors
    ///
    /// Any kind if the path is not a directory, or if its entries may be lost. A file system that
    /// keeps its entries in order without this operation returns success.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;

    /// Flushes all files and directories of the file system that contains a directory, in one
    /// operation. The effect is the same as calling [`sync_file`](Self::sync_file) and
    /// [`sync_directory`](Self::sync_directory) for each. By default it returns
    /// [`io::ErrorKind::Unsupported`].
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::Unsupported`] if the file system has no reliable operation of this kind.
    ///   The writer then flushes each file and each directory.
    /// - Any other kind if something that was written may be lost.
    fn sync_file_system(&self, directory: &Path) -> io::Result<()> {
        let _ = directory;
        Err(io::ErrorKind::Unsupported.into())
    }
}
