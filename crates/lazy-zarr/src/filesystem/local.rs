//! The machine's own file systems.

use std::ffi::OsString;
use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, IoSlice, IoSliceMut, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;

use super::{DirectoryId, EntryKind, FileLock, FileSystem};

/// The machine's own file systems, through `std::fs`.
///
/// On Linux, directories are exchanged by `renameat2`; elsewhere that is unsupported.
///
/// # Example
///
/// Whether arrays in a directory are replaced in one step, as
/// [`Existing::Replace`](crate::Existing::Replace) does where it can:
///
/// ```
/// use std::io;
///
/// use lazy_zarr::{FileSystem, LocalFileSystem};
///
/// # let directory = tempfile::tempdir()?;
/// let (one, other) = (directory.path().join("one"), directory.path().join("other"));
/// LocalFileSystem.create_directory(&one)?;
/// LocalFileSystem.create_directory(&other)?;
/// let in_one_step = match LocalFileSystem.exchange_directories(&one, &other) {
///     Ok(()) => true,
///     Err(error) if error.kind() == io::ErrorKind::Unsupported => false,
///     Err(error) => return Err(error),
/// };
/// println!("arrays are replaced in one step: {in_one_step}");
/// # Ok::<(), io::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct LocalFileSystem;

impl FileSystem for LocalFileSystem {
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        // Below a file there is nothing either.
        let absent = |error: &io::Error| {
            matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        };
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => Ok(Some(EntryKind::Directory)),
            Ok(_) => Ok(Some(EntryKind::File)),
            Err(error) if absent(&error) => match fs::symlink_metadata(path) {
                Ok(_) => Ok(Some(EntryKind::File)),
                Err(error) if absent(&error) => Ok(None),
                Err(error) => Err(error),
            },
            Err(error) => Err(error),
        }
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        fs::canonicalize(path)
    }

    #[cfg(target_os = "linux")]
    fn check_writable(&self, directory: &Path) -> io::Result<()> {
        use rustix::fs::{Access, access};

        Ok(access(directory, Access::WRITE_OK | Access::EXEC_OK)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn check_writable(&self, directory: &Path) -> io::Result<()> {
        match fs::metadata(directory)?.permissions().readonly() {
            true => Err(io::ErrorKind::PermissionDenied.into()),
            false => Ok(()),
        }
    }

    #[cfg(unix)]
    fn is_same_device(&self, one: &Path, other: &Path) -> io::Result<bool> {
        use std::os::unix::fs::MetadataExt;

        Ok(fs::metadata(one)?.dev() == fs::metadata(other)?.dev())
    }

    #[cfg(not(unix))]
    fn is_same_device(&self, _: &Path, _: &Path) -> io::Result<bool> {
        Ok(true)
    }

    fn identity(&self, directory: &Path) -> io::Result<DirectoryId> {
        let metadata = fs::metadata(directory)?;
        if !metadata.is_dir() {
            return Err(io::ErrorKind::NotADirectory.into());
        }
        // Where the file system does not know it, the number has to do.
        let birth = metadata.created().ok().and_then(|birth| birth.duration_since(UNIX_EPOCH).ok());
        let birth = birth.unwrap_or_default();
        let number = number_of(&metadata);
        Ok(DirectoryId::new([number, birth.as_secs(), birth.subsec_nanos().into()]))
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        fs::read_dir(directory)?.map(|entry| Ok(entry?.file_name())).collect()
    }

    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<Bytes> {
        let mut file = File::open(path).map_err(absent_below_files)?;
        let size = file_size(&file.metadata()?)?;
        let length = size.saturating_sub(offset).min(length.unwrap_or(u64::MAX));
        if offset > 0 {
            file.seek(SeekFrom::Start(offset))?;
        }
        let mut bytes = Vec::new();
        // A file can be longer than memory.
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
        let mut file = File::open(path).map_err(absent_below_files)?;
        if offset > 0 {
            file.seek(SeekFrom::Start(offset))?;
        }
        let mut n_bytes = 0;
        // Those that are empty are left out.
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
        file_size(&fs::metadata(path).map_err(absent_below_files)?)
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::create_dir(path)
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        File::create_new(path)?.write_all(bytes)
    }

    fn write_slices(&self, path: &Path, slices: &[IoSlice<'_>]) -> io::Result<()> {
        let mut file = File::create_new(path)?;
        let mut slices = slices.to_vec();
        let mut rest = &mut slices[..];
        // Those that are empty are left out.
        IoSlice::advance_slices(&mut rest, 0);
        while !rest.is_empty() {
            match file.write_vectored(rest) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(n) => IoSlice::advance_slices(&mut rest, n),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        File::options().append(true).create(true).open(path)?.write_all(bytes)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path).map_err(absent_below_files)
    }

    fn lock(&self, path: &Path, holder: &[u8]) -> io::Result<FileLock> {
        loop {
            let mut options = File::options();
            options.read(true).write(true).create(true).truncate(false);
            not_through_links(&mut options);
            let mut file = options.open(path)?;
            file.try_lock().map_err(|error| match error {
                TryLockError::WouldBlock => io::ErrorKind::WouldBlock.into(),
                TryLockError::Error(error) => error,
            })?;
            // Who held it may have removed it since it was opened; then it is no longer the file that
            // others lock.
            if !is_at(&file, path)? {
                continue;
            }
            file.set_len(0)?;
            file.write_all(holder)?;
            return Ok(FileLock::new(LockedFile { path: path.to_owned(), _file: file }));
        }
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        // Renaming a directory never replaces anything but an empty directory. Renaming a file would
        // replace a file; with a separator at its end, the path is one of a directory only.
        let from = if cfg!(unix) { &from.join("") } else { from };
        fs::rename(from, to)
    }

    #[cfg(target_os = "linux")]
    fn exchange_directories(&self, one: &Path, other: &Path) -> io::Result<()> {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        use rustix::io::Errno;

        renameat_with(CWD, one, CWD, other, RenameFlags::EXCHANGE).map_err(|error| match error {
            // What a file system or a kernel without the operation answers.
            Errno::INVAL | Errno::NOSYS | Errno::OPNOTSUPP => io::ErrorKind::Unsupported.into(),
            error => error.into(),
        })
    }

    #[cfg(not(target_os = "linux"))]
    fn exchange_directories(&self, _: &Path, _: &Path) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    // One call for all files takes as long as the device does, where a call for each takes a
    // transaction of the file system's journal each.
    #[cfg(target_os = "linux")]
    fn sync_tree(&self, directory: &Path) -> io::Result<()> {
        Ok(rustix::fs::syncfs(open_directory(directory)?)?)
    }

    #[cfg(not(target_os = "linux"))]
    fn sync_tree(&self, directory: &Path) -> io::Result<()> {
        for entry in fs::read_dir(directory)? {
            let entry = entry?;
            match entry.file_type()?.is_dir() {
                true => self.sync_tree(&entry.path())?,
                false => File::open(entry.path())?.sync_all()?,
            }
        }
        self.sync_directory(directory)
    }

    #[cfg(unix)]
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        open_directory(directory)?.sync_all()
    }

    // There is no such call; the file system's journal has its entries in order.
    #[cfg(not(unix))]
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        fs::read_dir(directory).map(|_| ())
    }
}

/// A file that is removed when it is dropped, and then unlocked, so that nobody locks it in between.
struct LockedFile {
    path: PathBuf,
    _file: File,
}

impl Drop for LockedFile {
    fn drop(&mut self) {
        // One that stays is no harm: it is not locked.
        let _ = fs::remove_file(&self.path);
    }
}

/// Makes opening a symbolic link an error, so that nobody leads a write to another file.
#[cfg(target_os = "linux")]
fn not_through_links(options: &mut fs::OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;

    options.custom_flags(rustix::fs::OFlags::NOFOLLOW.bits().cast_signed());
}

#[cfg(not(target_os = "linux"))]
fn not_through_links(_: &mut fs::OpenOptions) {}

/// Whether an open file is the one that lies at a path.
fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(there) => Ok(number_of(&there) == number_of(&file.metadata()?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(unix)]
fn number_of(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

// There is none to be had; and a file that is open is not removed.
#[cfg(not(unix))]
fn number_of(_: &Metadata) -> u64 {
    0
}

#[cfg(unix)]
fn open_directory(path: &Path) -> io::Result<File> {
    let file = File::open(path)?;
    if file.metadata()?.is_dir() { Ok(file) } else { Err(io::ErrorKind::NotADirectory.into()) }
}

/// Below a file there is nothing, whatever else the machine says.
fn absent_below_files(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotADirectory => io::ErrorKind::NotFound.into(),
        _ => error,
    }
}

/// A directory's own length is not that of a file.
fn file_size(metadata: &Metadata) -> io::Result<u64> {
    if metadata.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(metadata.len()) }
}
