//! The machine's own file systems.

use std::ffi::OsString;
use std::fs::{self, File, TryLockError};
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use bytes::Bytes;

use super::entry_kind::EntryKind;
use super::file_system::FileSystem;
use super::fingerprint;
use super::lock::{FileLock, LockScope};
use super::mount;
#[cfg(unix)]
use super::open::open_directory;
use super::open::{
    absent_below_files, check_not_directory, check_regular, close, is_absent, kind_of,
    open_in_place, open_to_read,
};
#[cfg(unix)]
use super::permissions;
use super::pin::FilePin;

/// The machine's own file systems, accessed through `std::fs`.
///
/// Symbolic links are followed only in the paths of arrays that users give. A symbolic link in
/// place of a file of the write is an error. Pipes and devices are errors as well, and never block.
///
/// # Example
///
/// Checks whether one operation flushes all files, or each file needs one of its own:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use std::io;
///
/// use lazy_chunks::zarr::{FileSystem, LocalFileSystem};
///
/// # let directory = tempfile::tempdir()?;
/// match LocalFileSystem.sync_file_system(directory.path()) {
///     Ok(()) => println!("one operation"),
///     Err(error) if error.kind() == io::ErrorKind::Unsupported => println!("one for each file"),
///     Err(error) => return Err(error),
/// }
/// # Ok::<(), io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalFileSystem;

impl FileSystem for LocalFileSystem {
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        match fs::metadata(path) {
            Ok(metadata) => Ok(Some(kind_of(metadata.file_type()))),
            Err(error) if is_absent(&error) => self.entry_kind(path),
            Err(error) => Err(error),
        }
    }

    fn entry_kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        match fs::symlink_metadata(path) {
            Ok(metadata) => Ok(Some(kind_of(metadata.file_type()))),
            Err(error) if is_absent(&error) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<Bytes> {
        let (mut file, metadata) = open_to_read(path)?;
        let length = metadata.len().saturating_sub(offset).min(length.unwrap_or(u64::MAX));
        // No operating system can seek to the largest offsets.
        if length == 0 {
            return Ok(Bytes::new());
        }
        if offset > 0 {
            file.seek(SeekFrom::Start(offset))?;
        }
        let mut bytes = Vec::new();
        // A file can be larger than memory.
        bytes.try_reserve_exact(usize::try_from(length).map_err(io::Error::other)?)?;
        file.take(length).read_to_end(&mut bytes)?;
        Ok(bytes.into())
    }

    fn read_into(
        &self,
        path: &Path,
        offset: u64,
        mut buffers: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        let (mut file, metadata) = open_to_read(path)?;
        if offset >= metadata.len() {
            return Ok(0);
        }
        if offset > 0 {
            file.seek(SeekFrom::Start(offset))?;
        }
        let mut n_bytes = 0;
        // Skips empty buffers.
        IoSliceMut::advance_slices(&mut buffers, 0);
        while !buffers.is_empty() {
            match file.read_vectored(buffers) {
                Ok(0) => break,
                Ok(n) => {
                    IoSliceMut::advance_slices(&mut buffers, n);
                    n_bytes += n;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(n_bytes)
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        let metadata = fs::metadata(path).map_err(absent_below_files)?;
        check_regular(metadata.file_type())?;
        Ok(metadata.len())
    }

    fn modified(&self, path: &Path) -> io::Result<Option<SystemTime>> {
        let metadata = fs::metadata(path).map_err(absent_below_files)?;
        check_regular(metadata.file_type())?;
        Ok(metadata.modified().ok())
    }

    fn pin(&self, path: &Path) -> io::Result<FilePin> {
        fingerprint::pin(path)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        file.write_all(bytes)?;
        close(file)
    }

    fn write_slices(&self, path: &Path, slices: &[IoSlice<'_>]) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        let mut slices = slices.to_vec();
        let mut rest = &mut slices[..];
        // Skips empty slices.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => IoSlice::advance_slices(&mut rest, n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        close(file)
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let mut options = File::options();
        options.append(true).create(true);
        let mut file = open_in_place(&mut options, path)?;
        check_regular(file.metadata()?.file_type())?;
        file.write_all(bytes)?;
        close(file)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(absent_below_files)
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path).map_err(|error| match fs::symlink_metadata(path) {
            Err(absent) if is_absent(&absent) => io::ErrorKind::NotFound.into(),
            _ => error,
        })
    }

    fn lock(&self, path: &Path) -> io::Result<FileLock> {
        // NFS locks only files that are opened for writing. Elsewhere, files of other users can be
        // locked as well.
        let file = match open_in_place(File::options().read(true).write(true), path) {
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem
                ) =>
            {
                open_in_place(File::options().read(true), path)
            }
            opened => opened,
        }
        .map_err(absent_below_files)?;
        check_regular(file.metadata()?.file_type())?;
        match file.try_lock() {
            Ok(()) => Ok(FileLock::new(LockedFile(file))),
            Err(TryLockError::WouldBlock) => Err(io::ErrorKind::WouldBlock.into()),
            Err(TryLockError::Error(error)) if mount::has_no_locks(&error) => {
                Err(io::ErrorKind::Unsupported.into())
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn lock_scope(&self, directory: &Path) -> io::Result<LockScope> {
        mount::lock_scope(directory)
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        // Renaming a directory replaces nothing but an empty directory, whereas renaming a file
        // would replace a file. A trailing separator makes the path valid for a directory only.
        let from = if cfg!(unix) { &from.join("") } else { from };
        fs::rename(from, to)
    }

    fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        check_not_directory(from)?;
        fs::rename(from, to)
    }

    #[cfg(target_os = "linux")]
    fn rename_new_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;

        check_not_directory(from)?;
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system or kernel without the flag returns these errors.
            Err(Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP) => match self.entry_kind(to)? {
                Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
                None => fs::rename(from, to),
            },
            renamed => Ok(renamed?),
        }
    }

    #[cfg(unix)]
    fn copy_permissions(&self, from: &Path, to: &Path) -> io::Result<()> {
        permissions::copy(from, to)
    }

    #[cfg(unix)]
    fn have_same_permissions(&self, one: &Path, other: &Path) -> io::Result<bool> {
        permissions::are_same(one, other)
    }

    #[cfg(unix)]
    fn check_replaceable(&self, path: &Path) -> io::Result<()> {
        permissions::check_replaceable(path)
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        open_to_read(path)?.0.sync_all()
    }

    #[cfg(unix)]
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        match open_directory(directory)?.sync_all() {
            Err(error) if mount::is_no_operation(&error) => Ok(()),
            synced => synced,
        }
    }

    // There is no such call. The journal of the file system keeps its entries in order.
    #[cfg(not(unix))]
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        fs::read_dir(directory).map(|_| ())
    }

    // One call for all files takes as long as the device needs. One call for each file takes a
    // transaction in the file system's journal each time.
    #[cfg(target_os = "linux")]
    fn sync_file_system(&self, directory: &Path) -> io::Result<()> {
        let directory = open_directory(directory)?;
        if !mount::is_local(&directory)? {
            return Err(io::ErrorKind::Unsupported.into());
        }
        Ok(rustix::fs::syncfs(directory)?)
    }
}

/// A file that is unlocked when it is dropped. Closing the file unlocks it as well, but on FUSE
/// with a delay.
struct LockedFile(File);

impl Drop for LockedFile {
    fn drop(&mut self) {
        let _ = self.0.unlock();
    }
}
