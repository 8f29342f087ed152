//! Where the bytes go: the file system under the writer.

mod identity;
mod local;
mod lock;
mod shared;

use std::ffi::OsString;
use std::fmt;
use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};

use bytes::Bytes;

pub use identity::DirectoryId;
pub use local::LocalFileSystem;
pub use lock::FileLock;

/// What a path leads to.
///
/// # Example
///
/// What may be an array or a group in a directory:
///
/// ```
/// use std::ffi::OsString;
/// use std::io;
/// use std::path::Path;
///
/// use lazy_zarr::{EntryKind, FileSystem, LocalFileSystem};
///
/// fn nodes(directory: &Path) -> io::Result<Vec<OsString>> {
///     let mut nodes = Vec::new();
///     for name in LocalFileSystem.list(directory)? {
///         let metadata = directory.join(&name).join("zarr.json");
///         if LocalFileSystem.kind(&metadata)? == Some(EntryKind::File) {
///             nodes.push(name);
///         }
///     }
///     Ok(nodes)
/// }
///
/// # let directory = tempfile::tempdir()?;
/// # for name in ["values.zarr", "pictures"] {
/// #     std::fs::create_dir(directory.path().join(name))?;
/// # }
/// # std::fs::write(directory.path().join("values.zarr/zarr.json"), "{}")?;
/// assert_eq!(nodes(directory.path())?, ["values.zarr"]);
/// # Ok::<(), io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// Anything that is not a directory; a symbolic link that leads nowhere, too.
    File,
}

/// The few operations on files and directories that writing and reading an array take.
///
/// [`LocalFileSystem`] is the one that runs in earnest; another one, which
/// [`Target::on`](crate::Target::on) takes, can inject faults, or keep everything in memory. Errors are
/// those of `std::io`, and their kinds matter where they are named. Several threads call the operations at
/// once. Paths are those that users give, relative ones among them, whose directory is `.`; and what lies
/// above and below them: the writer looks for groups in every directory up to the root.
///
/// The suite `conformance::FileSystemSuite`, behind the feature `conformance`, checks an
/// implementation of one's own.
///
/// An [`Arc`](std::sync::Arc) of a file system is one as well, for those who want to ask it something
/// afterwards.
///
/// # Example
///
/// A disk that is full, to see what a program makes of it:
///
/// ```
/// use std::io;
/// use std::path::Path;
///
/// use lazy_core::{LazyChunkSequence, NdarrayConverter};
/// use lazy_zarr::{FileSystem, LocalFileSystem, Target, ToZarr};
/// use ndarray::array;
///
/// #[derive(Debug)]
/// struct FullDisk;
///
/// impl FileSystem for FullDisk {
///     fn write(&self, _: &Path, _: &[u8]) -> io::Result<()> {
///         Err(io::ErrorKind::StorageFull.into())
///     }
///     // The other operations are those of `LocalFileSystem`.
/// #   fn kind(&self, path: &Path) -> io::Result<Option<lazy_zarr::EntryKind>> {
/// #       LocalFileSystem.kind(path)
/// #   }
/// #   fn canonicalize(&self, path: &Path) -> io::Result<std::path::PathBuf> {
/// #       LocalFileSystem.canonicalize(path)
/// #   }
/// #   fn check_writable(&self, directory: &Path) -> io::Result<()> {
/// #       LocalFileSystem.check_writable(directory)
/// #   }
/// #   fn is_same_device(&self, one: &Path, other: &Path) -> io::Result<bool> {
/// #       LocalFileSystem.is_same_device(one, other)
/// #   }
/// #   fn identity(&self, directory: &Path) -> io::Result<lazy_zarr::DirectoryId> {
/// #       LocalFileSystem.identity(directory)
/// #   }
/// #   fn list(&self, directory: &Path) -> io::Result<Vec<std::ffi::OsString>> {
/// #       LocalFileSystem.list(directory)
/// #   }
/// #   fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<bytes::Bytes> {
/// #       LocalFileSystem.read(path, offset, length)
/// #   }
/// #   fn size(&self, path: &Path) -> io::Result<u64> {
/// #       LocalFileSystem.size(path)
/// #   }
/// #   fn create_directory(&self, path: &Path) -> io::Result<()> {
/// #       LocalFileSystem.create_directory(path)
/// #   }
/// #   fn create_directories(&self, path: &Path) -> io::Result<()> {
/// #       LocalFileSystem.create_directories(path)
/// #   }
/// #   fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
/// #       LocalFileSystem.append(path, bytes)
/// #   }
/// #   fn remove_file(&self, path: &Path) -> io::Result<()> {
/// #       LocalFileSystem.remove_file(path)
/// #   }
/// #   fn lock(&self, path: &Path, holder: &[u8]) -> io::Result<lazy_zarr::FileLock> {
/// #       LocalFileSystem.lock(path, holder)
/// #   }
/// #   fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
/// #       LocalFileSystem.rename_directory(from, to)
/// #   }
/// #   fn exchange_directories(&self, one: &Path, other: &Path) -> io::Result<()> {
/// #       LocalFileSystem.exchange_directories(one, other)
/// #   }
/// #   fn remove_directory(&self, path: &Path) -> io::Result<()> {
/// #       LocalFileSystem.remove_directory(path)
/// #   }
/// #   fn sync_tree(&self, directory: &Path) -> io::Result<()> {
/// #       LocalFileSystem.sync_tree(directory)
/// #   }
/// #   fn sync_directory(&self, directory: &Path) -> io::Result<()> {
/// #       LocalFileSystem.sync_directory(directory)
/// #   }
/// }
///
/// # let directory = tempfile::tempdir()?;
/// let target = Target::on(FullDisk, directory.path().join("values.zarr"));
/// let sequence = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
/// let error = sequence.to_zarr(target).unwrap_err();
/// assert!(error.to_string().ends_with("; the target is as it was"));
/// assert_eq!(LocalFileSystem.list(directory.path())?.len(), 0, "nothing is left behind");
/// # Ok::<(), io::Error>(())
/// ```
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

    /// What tells a directory from every other that lies at its path before or after it. It keeps it
    /// wherever it is moved; no directory that is made later has it, though this one be gone.
    ///
    /// # Errors
    ///
    /// When there is no such directory.
    fn identity(&self, directory: &Path) -> io::Result<DirectoryId>;

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

    /// Fills buffers, one after the other, with the bytes of a file from `offset` on, and says how many there
    /// were: fewer than the buffers take when the file ends before. What the slices are afterwards is not
    /// said; the memory that they were is filled.
    ///
    /// Unless it is implemented, it is what [`read`](Self::read) gives, copied.
    ///
    /// # Errors
    ///
    /// Those of [`read`](Self::read), with some of the buffers filled or none.
    fn read_into(
        &self,
        path: &Path,
        offset: u64,
        buffers: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        let n_bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let bytes = self.read(path, offset, Some(n_bytes as u64))?;
        let mut rest = &bytes[..];
        for buffer in buffers {
            let (now, later) = rest.split_at(buffer.len().min(rest.len()));
            buffer[..now.len()].copy_from_slice(now);
            rest = later;
        }
        Ok(bytes.len() - rest.len())
    }

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

    /// Writes a new file whole, of slices that follow each other in it.
    ///
    /// Unless it is implemented, it is [`write`](Self::write), of a copy where there are several.
    ///
    /// # Errors
    ///
    /// Those of [`write`](Self::write).
    fn write_slices(&self, path: &Path, slices: &[IoSlice<'_>]) -> io::Result<()> {
        match slices {
            [slice] => self.write(path, slice),
            _ => {
                self.write(path, &slices.iter().map(|slice| &**slice).collect::<Vec<_>>().concat())
            }
        }
    }

    /// Adds bytes at the end of a file, which is made where there is none. One thread at a time appends to
    /// a file.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies where its directory should be.
    /// - Of any kind when a directory lies there; or when the bytes cannot be written, where some of
    ///   them may have been.
    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::NotFound`] when nothing lies there, as below a file.
    /// - Of any kind when it is a directory, or cannot be removed.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Takes hold of a file, which is made where there is none, as long as nobody else has: in this process
    /// or in another, on this machine or on any that has the file system. What `holder` says is what the
    /// file then holds. A process that dies lets go of it; whether the file is still there tells nothing.
    ///
    /// # Errors
    ///
    /// - [`io::ErrorKind::WouldBlock`] when somebody else holds it.
    /// - [`io::ErrorKind::NotFound`] when nothing lies where its directory should be.
    /// - Of any kind when a directory lies there, or the file system has no locks.
    fn lock(&self, path: &Path, holder: &[u8]) -> io::Result<FileLock>;

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

    /// Returns when all that was written in a directory and below it is on the device, so that it is there
    /// after a power failure, wherever the directory is moved: files, and the entries of directories. The
    /// directory's own entry need not be.
    ///
    /// # Errors
    ///
    /// When there is no such directory, or anything that was written since it was made may be lost. What
    /// is on the device is then unknown, and asking again tells nothing.
    fn sync_tree(&self, directory: &Path) -> io::Result<()>;

    /// Returns when the entries of a directory are on the device: what was made in it, moved into it or
    /// exchanged with something in it, though not what lies in those.
    ///
    /// # Errors
    ///
    /// When there is no such directory, or its entries may be lost.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
}
