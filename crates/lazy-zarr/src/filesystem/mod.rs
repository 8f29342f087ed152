//! Where the bytes go: the file system under the writer.

mod local;

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;

pub use local::LocalFileSystem;

/// What a path leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// Anything that is not a directory; a symbolic link that leads nowhere, too.
    File,
}

/// The few operations on files and directories that writing and reading an array take.
///
/// [`LocalFileSystem`] is the one that runs in earnest; another one can inject faults, or keep
/// everything in memory. Errors are those of `std::io`, and their kinds matter where they are named.
/// Several threads call the operations at once. Paths are those that users give, relative ones among
/// them, whose directory is `.`; and what lies above and below them: the writer looks for groups in
/// every directory up to the root.
///
/// The suite `conformance::FileSystemSuite`, behind the feature `conformance`, checks an
/// implementation of one's own.
pub trait FileSystem: fmt::Debug + Send + Sync + 'static {
    /// What lies at `path`, symbolic links followed; none when nothing does, as below a file.
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>>;

    /// The absolute path of what lies at `path`, without symbolic links, `.` and `..`. So what it lies
    /// in is found by the path alone.
    ///
    /// # Errors
    ///
    /// When the path does not exist or cannot be followed.
    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf>;

    /// Whether entries can be made in a directory.
    ///
    /// # Errors
    ///
    /// When they cannot, or there is no such directory, why.
    fn check_writable(&self, directory: &Path) -> io::Result<()>;

    /// Whether a directory can be moved from one of these directories to the other.
    ///
    /// # Errors
    ///
    /// When that cannot be found out.
    fn is_same_device(&self, one: &Path, other: &Path) -> io::Result<bool>;

    /// The names in a directory, in any order.
    ///
    /// # Errors
    ///
    /// When it is not a directory or cannot be read.
    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>>;

    /// Up to `length` bytes of a file from `offset` on, all of them when no length is given; fewer
    /// when the file ends before, and none when it ends before `offset`.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies there, as below a file.
    /// - Of any kind when it is a directory or cannot be read.
    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<Bytes>;

    /// The size of a file in bytes.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies there, as below a file.
    /// - Of any kind when it is a directory.
    fn size(&self, path: &Path) -> io::Result<u64>;

    /// Makes one new directory.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::AlreadyExists`] when something lies there, and only then: the writer tries
    ///   the next name.
    /// - [`io::ErrorKind::NotFound`] when nothing lies where the directory above it should be.
    fn create_directory(&self, path: &Path) -> io::Result<()>;

    /// Makes a directory and those above it, where they do not exist. Several threads may make the
    /// same ones.
    ///
    /// # Errors
    ///
    /// When one of them cannot be made, as where a file lies. Those above it may have been made.
    fn create_directories(&self, path: &Path) -> io::Result<()>;

    /// Writes a new file whole.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies where its directory should be: the writer then
    ///   makes the directory.
    /// - Of any kind when something lies there, which is left as it was; or when the bytes cannot be
    ///   written, where a part of the file may be left.
    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Moves a directory to `to` in one step, with all that is in it. Nothing may lie there but an
    /// empty directory, which makes room.
    ///
    /// # Errors
    ///
    /// When there is no directory at `from`, or nothing where the one above `to` should be; or when
    /// something else lies at `to`. All is then left as it was.
    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Exchanges two directories in one step.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::Unsupported`] when the file system has no such operation.
    /// - Of any kind when one of them does not exist.
    ///
    /// All is then left as it was.
    fn exchange_directories(&self, one: &Path, other: &Path) -> io::Result<()>;

    /// Removes a directory and all below it.
    ///
    /// # Errors
    ///
    /// When there is no such directory, or something in it cannot be removed; then a part of it may
    /// have been.
    fn remove_directory(&self, path: &Path) -> io::Result<()>;
}
