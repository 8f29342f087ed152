//! File systems with one mistake.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use lazy_zarr::{EntryKind, FileLock, FilePin, FileSystem, LocalFileSystem, LockScope};

use crate::mistakes::Broken::{self, *};

thread_local! {
    /// The number of created files, for `PinsNumbers`.
    static N_FILES: Cell<usize> = const { Cell::new(0) };
}

/// The locked paths, for `LocksPaths`.
static LOCKED: Mutex<BTreeSet<PathBuf>> = Mutex::new(BTreeSet::new());

struct LockedPath(PathBuf);

impl Drop for LockedPath {
    fn drop(&mut self) {
        LOCKED.lock().unwrap().remove(&self.0);
    }
}

fn is_empty_file(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.len() == 0)
}

fn is_below_a_file(path: &Path) -> bool {
    path.ancestors().skip(1).any(Path::is_file)
}

fn fail_below_files(path: &Path) -> io::Result<()> {
    if is_below_a_file(path) { Err(ErrorKind::NotADirectory.into()) } else { Ok(()) }
}

impl Broken {
    fn pin(self, path: &Path) -> io::Result<FilePin> {
        let pin = LocalFileSystem.pin(path)?;
        let pinned = path.to_owned();
        let length = fs::metadata(path)?.len();
        let bytes = fs::read(path)?;
        let number = N_FILES.get();
        Ok(FilePin::new(move |path| {
            let is_at = match pin.is_at(path) {
                Err(error) if self == PinsAreNowhere && error.kind() == ErrorKind::NotFound => {
                    return Ok(false);
                }
                is_at => is_at?,
            };
            Ok(match self {
                PinsNothing => false,
                PinsPaths => path == pinned,
                PinsLengths => is_at || fs::metadata(path)?.len() == length,
                PinsBytes => is_at || fs::read(path).is_ok_and(|now| now == bytes),
                PinsNumbers(n) => {
                    let is_like_it = LocalFileSystem.size(path).is_ok_and(|now| now == length);
                    is_at || is_like_it && path == pinned && number % n == N_FILES.get() % n
                }
                PinsLongerFiles => is_at || fs::read(path).is_ok_and(|now| now.starts_with(&bytes)),
                PinsAreAtDirectories => is_at || path.is_dir(),
                _ => is_at,
            })
        }))
    }
}

impl FileSystem for Broken {
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        match self {
            KindOfNothingFails if !path.exists() && !is_below_a_file(path) => {
                Err(ErrorKind::NotFound.into())
            }
            KindOfEmptyFiles if is_empty_file(path) => Ok(Some(EntryKind::Other)),
            KindOfDirectories if path.is_dir() => Ok(Some(EntryKind::File)),
            KindFailsBelowFiles if is_below_a_file(path) => Err(ErrorKind::NotADirectory.into()),
            EndsAbove if crate::parent_of_places().starts_with(path) => Ok(None),
            _ => LocalFileSystem.kind(path),
        }
    }

    fn entry_kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        match self {
            EntryKindOfNothingFails if !path.exists() && !is_below_a_file(path) => {
                Err(ErrorKind::NotFound.into())
            }
            EntryKindOfEmptyFiles if is_empty_file(path) => Ok(Some(EntryKind::Other)),
            EntryKindOfDirectories if path.is_dir() => Ok(Some(EntryKind::Link)),
            EntryKindFailsBelowFiles => {
                fail_below_files(path).and_then(|()| LocalFileSystem.entry_kind(path))
            }
            _ => LocalFileSystem.entry_kind(path),
        }
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        match self {
            KeepsDots if path.exists() => Ok(path.to_owned()),
            CanonicalizesNothing if !path.exists() => std::path::absolute(path),
            CanonicalizesToRelative => {
                let path = LocalFileSystem.canonicalize(path)?;
                Ok(path.components().skip(1).collect())
            }
            CanonicalizesToDirectories if path.is_file() => {
                LocalFileSystem.canonicalize(path.parent().unwrap())
            }
            CanonicalizesToLonger if path.exists() => Ok(path.join(".")),
            _ => LocalFileSystem.canonicalize(path),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        match (self, LocalFileSystem.list(directory)) {
            (Panics, _) => panic!("listed"),
            (ListsPaths, Ok(names)) => {
                Ok(names.iter().map(|name| directory.join(name).into()).collect())
            }
            (ListsGhosts, Ok(names)) if names.is_empty() && directory.ends_with("child") => {
                Ok(vec!["ghost".into()])
            }
            (ListsNothing, _) if !directory.exists() => Ok(Vec::new()),
            (ListsFiles, _) if directory.is_file() => Ok(Vec::new()),
            (ListsWithoutKind, listed) => listed.map_err(io::Error::other),
            (_, listed) => listed,
        }
    }

    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<Bytes> {
        let read = |offset, length| LocalFileSystem.read(path, offset, length);
        match (self, length) {
            (ReadsOneBuffer, length) => {
                read(offset, Some(length.unwrap_or(u64::MAX).min(64 << 10)))
            }
            (ReadsOn, Some(1..)) => read(offset, None),
            (ReadsFromTheBeginning, length) => read(0, length),
            (ReadsExactly, Some(length)) => match read(offset, Some(length))? {
                bytes if bytes.len() as u64 == length => Ok(bytes),
                _ => Err(ErrorKind::UnexpectedEof.into()),
            },
            (ReadsNothingBeyond, length) => match read(offset, length)? {
                _ if offset > LocalFileSystem.size(path)? => Err(ErrorKind::InvalidInput.into()),
                bytes => Ok(bytes),
            },
            (ReadsWithoutKind, length) => read(offset, length).map_err(io::Error::other),
            (ReadsDirectories, _) if path.is_dir() => Ok(Bytes::new()),
            _ => read(offset, length),
        }
    }

    fn read_into(
        &self,
        path: &Path,
        offset: u64,
        buffers: &mut [IoSliceMut<'_>],
    ) -> io::Result<usize> {
        let n_bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        let read = |offset, buffers| LocalFileSystem.read_into(path, offset, buffers);
        match self {
            FillsOneBuffer => read(offset, &mut buffers[..1]),
            FillsFromTheBeginning => read(0, buffers),
            FillsExactly => match read(offset, buffers)? {
                n if n == n_bytes => Ok(n),
                _ => Err(ErrorKind::UnexpectedEof.into()),
            },
            FillsWithoutKind => read(offset, buffers).map_err(io::Error::other),
            FillsFromDirectories if path.is_dir() => Ok(0),
            _ => read(offset, buffers),
        }
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        match self {
            SizesBlocks => Ok(LocalFileSystem.size(path)?.next_multiple_of(512)),
            SizesWithoutKind => LocalFileSystem.size(path).map_err(io::Error::other),
            SizesDirectories if path.is_dir() => Ok(4096),
            _ => LocalFileSystem.size(path),
        }
    }

    fn modified(&self, path: &Path) -> io::Result<Option<SystemTime>> {
        let modified = LocalFileSystem.modified(path);
        match self {
            TurnsTimeBack => {
                let age = LocalFileSystem.size(path)?;
                Ok(SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(1000 - age)))
            }
            TimesNothing => Ok(modified.unwrap_or(Some(SystemTime::UNIX_EPOCH))),
            _ => modified,
        }
    }

    fn pin(&self, path: &Path) -> io::Result<FilePin> {
        match self {
            PinsAbsentFiles if !path.exists() => Ok(FilePin::new(|_| Ok(false))),
            PinsDirectories if path.is_dir() => Ok(FilePin::new(|_| Ok(true))),
            PinsWithoutKind => LocalFileSystem.pin(path).map_err(io::Error::other),
            _ => Broken::pin(*self, path),
        }
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        match self {
            MakesNoDirectory if !path.exists() && path.parent().is_some_and(Path::is_dir) => Ok(()),
            MakesAgain if path.is_dir() => Ok(()),
            MakesDirectoriesAbove if !path.parent().unwrap().exists() => {
                LocalFileSystem.create_directories(path)
            }
            ExistsBelowFiles if is_below_a_file(path) => Err(ErrorKind::AlreadyExists.into()),
            _ => LocalFileSystem.create_directory(path),
        }
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        match self {
            MakesLastDirectory if !path.exists() => LocalFileSystem.create_directory(path),
            MakesAllNew if path.exists() => Err(ErrorKind::AlreadyExists.into()),
            MakesNoneBelowFiles if path.is_file() || is_below_a_file(path) => Ok(()),
            _ => LocalFileSystem.create_directories(path),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        let name = path.file_name().unwrap();
        match self {
            WritesShort => {
                LocalFileSystem.write(path, bytes.split_last().map_or(bytes, |(_, rest)| rest))
            }
            MakesParents => {
                LocalFileSystem.create_directories(path.parent().unwrap())?;
                LocalFileSystem.write(path, bytes)
            }
            WritesBelowFiles if is_below_a_file(path) => Ok(()),
            Overwrites if path.is_file() => fs::write(path, bytes),
            WritesWithoutKind if path.exists() => {
                LocalFileSystem.write(path, bytes).map_err(io::Error::other)
            }
            WritesOverDirectories if path.is_dir() && fs::remove_dir(path).is_ok() => {
                LocalFileSystem.write(path, bytes)
            }
            WritesAscii if !name.is_ascii() => Err(ErrorKind::InvalidInput.into()),
            PinsNumbers(_) => {
                N_FILES.set(N_FILES.get() + 1);
                LocalFileSystem.write(path, bytes)
            }
            _ => LocalFileSystem.write(path, bytes),
        }
    }

    fn write_slices(&self, path: &Path, slices: &[IoSlice<'_>]) -> io::Result<()> {
        match self {
            WritesOneSlice => LocalFileSystem.write_slices(path, &slices[..slices.len().min(1)]),
            MakesParentsOfSlices => {
                LocalFileSystem.create_directories(path.parent().unwrap())?;
                LocalFileSystem.write_slices(path, slices)
            }
            WritesSlicesBelowFiles if is_below_a_file(path) => Ok(()),
            OverwritesWithSlices if path.is_file() => fs::write(path, b""),
            _ => LocalFileSystem.write_slices(path, slices),
        }
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match self {
            AppendsToFiles if !path.exists() => Err(ErrorKind::NotFound.into()),
            Truncates => fs::write(path, bytes),
            AppendsMakingParents => {
                LocalFileSystem.create_directories(path.parent().unwrap())?;
                LocalFileSystem.append(path, bytes)
            }
            AppendsBelowFiles if is_below_a_file(path) => Ok(()),
            AppendsToDirectories if path.is_dir() => Ok(()),
            _ => LocalFileSystem.append(path, bytes),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        match self {
            KeepsFiles if path.is_file() => Ok(()),
            RemovesNoFile if !path.exists() => Ok(()),
            RemovesAnything if path.is_dir() => fs::remove_dir(path),
            _ => LocalFileSystem.remove_file(path),
        }
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        match self {
            KeepsDirectories if LocalFileSystem.list(path).is_ok_and(|names| names.is_empty()) => {
                Ok(())
            }
            RemovesFullDirectories if path.is_dir() => fs::remove_dir_all(path),
            RemovesNoDirectory if !path.exists() => Ok(()),
            RemovesWithoutKind => LocalFileSystem.remove_directory(path).map_err(io::Error::other),
            RemovesFiles if path.is_file() => fs::remove_file(path),
            _ => LocalFileSystem.remove_directory(path),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<FileLock> {
        match self {
            LocksNothing if path.is_file() => Ok(FileLock::new(())),
            LocksWithoutKind => LocalFileSystem.lock(path).map_err(|error| match error.kind() {
                ErrorKind::WouldBlock => io::Error::other(error),
                _ => error,
            }),
            KeepsLocks => {
                std::mem::forget(LocalFileSystem.lock(path)?);
                Ok(FileLock::new(()))
            }
            LocksWriting => {
                let lock = LocalFileSystem.lock(path)?;
                fs::write(path, b"locked")?;
                Ok(lock)
            }
            LocksOneFile if path.ends_with("other") => Err(ErrorKind::WouldBlock.into()),
            LocksPaths if path.is_file() => {
                if !LOCKED.lock().unwrap().insert(path.to_owned()) {
                    return Err(ErrorKind::WouldBlock.into());
                }
                Ok(FileLock::new(LockedPath(path.to_owned())))
            }
            LocksCreating if !path.exists() && path.parent().is_some_and(Path::is_dir) => {
                fs::write(path, b"")?;
                LocalFileSystem.lock(path)
            }
            LocksDirectories if path.is_dir() => Ok(FileLock::new(())),
            _ => LocalFileSystem.lock(path),
        }
    }

    fn lock_scope(&self, directory: &Path) -> io::Result<LockScope> {
        match self {
            ForgetsScopes => Err(ErrorKind::Unsupported.into()),
            _ => LocalFileSystem.lock_scope(directory),
        }
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            MovesHalf => {
                LocalFileSystem.rename_directory(from, to)?;
                if to.join("inner").exists() {
                    fs::create_dir(from)?;
                    fs::rename(to.join("inner"), from.join("inner"))?;
                }
                return Ok(());
            }
            ReplacesFull if from.is_dir() && to.is_dir() => fs::remove_dir_all(to)?,
            ReplacesFiles if from.is_dir() && to.is_file() => fs::remove_file(to)?,
            ReplacesNothing if from.exists() && to.exists() => {
                return Err(ErrorKind::AlreadyExists.into());
            }
            MovesNothing if !from.exists() => return Ok(()),
            MovesWithoutKind => {
                return LocalFileSystem.rename_directory(from, to).map_err(io::Error::other);
            }
            MovesFiles => return fs::rename(from, to),
            _ => {}
        }
        LocalFileSystem.rename_directory(from, to)
    }

    fn rename_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            RenamesToNothing if from.is_file() && to.is_file() => {
                return Err(ErrorKind::AlreadyExists.into());
            }
            RemovesFirst if from.is_file() && to.is_file() => {
                fs::remove_file(to)?;
                sleep(Duration::from_millis(1));
            }
            RewritesFiles if from.is_file() && to.is_file() => {
                fs::write(to, b"")?;
                sleep(Duration::from_millis(1));
                fs::write(to, fs::read(from)?)?;
                return fs::remove_file(from);
            }
            RenamesOverDirectories if from.is_file() && to.is_dir() => fs::remove_dir_all(to)?,
            _ => {
                if let Some(renamed) = self.rename_any(from, to) {
                    return renamed;
                }
            }
        }
        LocalFileSystem.rename_file(from, to)
    }

    fn rename_new_file(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            RenamesOverFiles => LocalFileSystem.rename_file(from, to),
            _ if to.exists() => LocalFileSystem.rename_new_file(from, to),
            _ => match self.rename_any(from, to) {
                Some(renamed) => renamed,
                None => LocalFileSystem.rename_new_file(from, to),
            },
        }
    }

    fn copy_permissions(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            CopiesBytes if from.is_file() => fs::copy(from, to).map(|_| ()),
            _ => LocalFileSystem.copy_permissions(from, to),
        }
    }

    fn have_same_permissions(&self, one: &Path, other: &Path) -> io::Result<bool> {
        match self {
            SeesOtherPermissions => Ok(false),
            _ => LocalFileSystem.have_same_permissions(one, other),
        }
    }

    fn check_replaceable(&self, path: &Path) -> io::Result<()> {
        match self {
            ReplacesNoFile => Err(ErrorKind::PermissionDenied.into()),
            _ => LocalFileSystem.check_replaceable(path),
        }
    }

    fn sync_file(&self, path: &Path) -> io::Result<()> {
        match self {
            FlushesFail => Err(ErrorKind::InvalidInput.into()),
            FlushesNothing if !path.exists() => Ok(()),
            _ => LocalFileSystem.sync_file(path),
        }
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        match self {
            FlushesFail => Err(ErrorKind::InvalidInput.into()),
            FlushesNothing if !directory.exists() => Ok(()),
            FlushesFilesAsDirectories if directory.is_file() => Ok(()),
            _ => LocalFileSystem.sync_directory(directory),
        }
    }

    fn sync_file_system(&self, directory: &Path) -> io::Result<()> {
        match self {
            FlushesFail => Err(ErrorKind::InvalidInput.into()),
            _ => LocalFileSystem.sync_file_system(directory),
        }
    }
}

impl Broken {
    /// Applies the mistakes that `rename_file` and `rename_new_file` share. Returns `None` if there
    /// is none.
    fn rename_any(self, from: &Path, to: &Path) -> Option<io::Result<()>> {
        match self {
            CopiesFiles if from.is_file() => Some(fs::copy(from, to).map(|_| ())),
            RenamesInPlace if from.is_file() && to.parent().is_some_and(Path::is_dir) => {
                (from.parent() != to.parent()).then(|| Err(ErrorKind::CrossesDevices.into()))
            }
            RenamesNothing if !from.exists() => Some(Ok(())),
            RenamesMakingParents if from.is_file() && !is_below_a_file(to) => {
                LocalFileSystem.create_directories(to.parent().unwrap()).err().map(Err)
            }
            RenamesBelowFiles if from.is_file() && is_below_a_file(to) => {
                Some(fs::remove_file(from))
            }
            RenamesDirectories if from.is_dir() => Some(fs::rename(from, to)),
            _ => None,
        }
    }
}
