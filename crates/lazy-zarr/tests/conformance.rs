//! The suite for file systems, on this crate's own one and on broken ones.

use std::ffi::OsString;
use std::io::{self, IoSlice, IoSliceMut};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use lazy_zarr::conformance::FileSystemSuite;
use lazy_zarr::{DirectoryId, EntryKind, FileLock, FileSystem, LocalFileSystem};
use tempfile::{TempDir, tempdir};

#[test]
fn local_file_system() {
    FileSystemSuite::new(|| (LocalFileSystem, tempdir().unwrap())).run();
}

/// The local file system, with one mistake.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Broken {
    /// None.
    Nothing,
    /// The kind of what lies below a file is an error.
    KindFailsBelowFiles,
    /// There is nothing above a temporary directory.
    EndsAbove,
    /// Paths are canonical as they are given.
    KeepsDots,
    /// Anything can be written.
    AlwaysWritable,
    /// No two directories are on one device.
    ManyDevices,
    /// Names are whole paths.
    ListsPaths,
    /// The length is ignored.
    ReadsOn,
    /// The file has to have as many bytes as are asked for.
    ReadsExactly,
    /// A missing file is an error of another kind.
    LosesTheKind,
    /// Only one buffer is filled.
    FillsOneBuffer,
    /// Buffers are filled from the beginning of the file.
    FillsFromTheBeginning,
    /// Buffers have to be filled.
    FillsExactly,
    /// A missing file is an error of another kind, where buffers are to be filled.
    FillsWithoutKind,
    /// There is nothing in a directory to fill buffers with.
    FillsFromDirectories,
    /// Directories have a size.
    SizesDirectories,
    /// A directory that exists is made again.
    MakesAgain,
    /// Nothing can be made below a file, since something lies there.
    ExistsBelowFiles,
    /// Directories must not exist.
    MakesAllNew,
    /// A file that exists is overwritten.
    Overwrites,
    /// Directories are made for files.
    MakesParents,
    /// The last byte is lost.
    WritesShort,
    /// Of several slices, the first is written.
    WritesOneSlice,
    /// Directories are made for files of slices.
    MakesParentsOfSlices,
    /// A file that exists is overwritten by slices.
    OverwritesWithSlices,
    /// Directories are told apart by their paths.
    IdentifiesPaths,
    /// A file is written anew instead of being added to.
    Truncates,
    /// What is not there has been removed, as a file.
    RemovesNoFile,
    /// Everybody gets the lock.
    LocksNothing,
    /// A file that exists is locked.
    TrustsOldLocks,
    /// The lock says nothing.
    LocksSilently,
    /// A directory is removed to make room.
    ReplacesFull,
    /// Not even an empty directory makes room.
    ReplacesNothing,
    /// A file is removed to make room.
    ReplacesFiles,
    /// Files are moved as well.
    MovesFiles,
    /// Exchanging is moving there.
    MovesThere,
    /// Exchanging swaps, and says that it cannot.
    SwapsUnsupported,
    /// Only an empty directory can be removed.
    RemovesEmpty,
    /// What is not there has been removed.
    RemovesNothing,
    /// What is not there has been flushed.
    FlushesNothing,
    /// Every operation panics.
    Panics,
}

use Broken::*;

impl FileSystem for Broken {
    fn kind(&self, path: &Path) -> io::Result<Option<EntryKind>> {
        match self {
            KindFailsBelowFiles => match std::fs::metadata(path) {
                Err(error) if error.kind() == io::ErrorKind::NotADirectory => Err(error),
                _ => LocalFileSystem.kind(path),
            },
            EndsAbove if std::env::temp_dir().starts_with(path) => Ok(None),
            _ => LocalFileSystem.kind(path),
        }
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        match self {
            KeepsDots if path.exists() => Ok(path.to_owned()),
            _ => LocalFileSystem.canonicalize(path),
        }
    }

    fn check_writable(&self, directory: &Path) -> io::Result<()> {
        match self {
            AlwaysWritable => Ok(()),
            _ => LocalFileSystem.check_writable(directory),
        }
    }

    fn is_same_device(&self, one: &Path, other: &Path) -> io::Result<bool> {
        match self {
            ManyDevices => Ok(one == other),
            _ => LocalFileSystem.is_same_device(one, other),
        }
    }

    fn identity(&self, directory: &Path) -> io::Result<DirectoryId> {
        match self {
            IdentifiesPaths => {
                let identity = LocalFileSystem.identity(directory)?;
                let n_bytes = directory.as_os_str().len() as u64;
                Ok(if directory.ends_with("child") {
                    DirectoryId::new([n_bytes; 3])
                } else {
                    identity
                })
            }
            _ => LocalFileSystem.identity(directory),
        }
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<OsString>> {
        let names = LocalFileSystem.list(directory)?;
        Ok(match self {
            ListsPaths => names.iter().map(|name| directory.join(name).into()).collect(),
            Panics => panic!("listed"),
            _ => names,
        })
    }

    fn read(&self, path: &Path, offset: u64, length: Option<u64>) -> io::Result<Bytes> {
        match (self, length) {
            (ReadsOn, Some(1..)) => LocalFileSystem.read(path, offset, None),
            (ReadsExactly, Some(length)) => {
                let bytes = LocalFileSystem.read(path, offset, Some(length))?;
                let is_whole = bytes.len() as u64 == length;
                if is_whole { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
            }
            (LosesTheKind, _) => LocalFileSystem
                .read(path, offset, length)
                .map_err(|e| io::Error::other(e.to_string())),
            _ => LocalFileSystem.read(path, offset, length),
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
                _ => Err(io::ErrorKind::UnexpectedEof.into()),
            },
            FillsWithoutKind => {
                read(offset, buffers).map_err(|error| io::Error::other(error.to_string()))
            }
            FillsFromDirectories if path.is_dir() => Ok(0),
            _ => read(offset, buffers),
        }
    }

    fn size(&self, path: &Path) -> io::Result<u64> {
        match self {
            SizesDirectories if path.is_dir() => Ok(4096),
            _ => LocalFileSystem.size(path),
        }
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        match self {
            MakesAgain if path.is_dir() => Ok(()),
            ExistsBelowFiles if path.parent().is_some_and(Path::is_file) => {
                Err(io::ErrorKind::AlreadyExists.into())
            }
            _ => LocalFileSystem.create_directory(path),
        }
    }

    fn create_directories(&self, path: &Path) -> io::Result<()> {
        match self {
            MakesAllNew if path.exists() => Err(io::ErrorKind::AlreadyExists.into()),
            _ => LocalFileSystem.create_directories(path),
        }
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match self {
            Overwrites => std::fs::write(path, bytes),
            MakesParents => {
                LocalFileSystem.create_directories(path.parent().unwrap())?;
                LocalFileSystem.write(path, bytes)
            }
            WritesShort => {
                LocalFileSystem.write(path, bytes.split_last().map_or(bytes, |(_, b)| b))
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
            OverwritesWithSlices if path.is_file() => std::fs::write(path, b""),
            _ => LocalFileSystem.write_slices(path, slices),
        }
    }

    fn append(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match self {
            Truncates => std::fs::write(path, bytes),
            _ => LocalFileSystem.append(path, bytes),
        }
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        match self {
            RemovesNoFile if !path.exists() => Ok(()),
            _ => LocalFileSystem.remove_file(path),
        }
    }

    fn lock(&self, path: &Path, holder: &[u8]) -> io::Result<FileLock> {
        match self {
            LocksNothing if !path.is_dir() => {
                std::fs::write(path, holder)?;
                Ok(FileLock::new(()))
            }
            TrustsOldLocks if path.is_file() => Err(io::ErrorKind::WouldBlock.into()),
            LocksSilently => LocalFileSystem.lock(path, b""),
            _ => LocalFileSystem.lock(path, holder),
        }
    }

    fn rename_directory(&self, from: &Path, to: &Path) -> io::Result<()> {
        match self {
            ReplacesFull if from.is_dir() && to.is_dir() => std::fs::remove_dir_all(to)?,
            ReplacesFiles if from.is_dir() && to.is_file() => std::fs::remove_file(to)?,
            ReplacesNothing if to.exists() => return Err(io::ErrorKind::AlreadyExists.into()),
            MovesFiles => return std::fs::rename(from, to),
            _ => {}
        }
        LocalFileSystem.rename_directory(from, to)
    }

    fn exchange_directories(&self, one: &Path, other: &Path) -> io::Result<()> {
        match self {
            MovesThere if one.exists() && other.exists() => {
                std::fs::remove_dir_all(other)?;
                LocalFileSystem.rename_directory(one, other)?;
                LocalFileSystem.create_directory(one)
            }
            SwapsUnsupported => {
                LocalFileSystem.rename_directory(one, &one.with_extension("aside"))?;
                LocalFileSystem.rename_directory(other, one)?;
                LocalFileSystem.rename_directory(&one.with_extension("aside"), other)?;
                Err(io::ErrorKind::Unsupported.into())
            }
            _ => LocalFileSystem.exchange_directories(one, other),
        }
    }

    fn remove_directory(&self, path: &Path) -> io::Result<()> {
        match self {
            RemovesEmpty => std::fs::remove_dir(path),
            RemovesNothing if !path.exists() => Ok(()),
            _ => LocalFileSystem.remove_directory(path),
        }
    }

    fn sync_tree(&self, directory: &Path) -> io::Result<()> {
        match self {
            FlushesNothing => Ok(()),
            _ => LocalFileSystem.sync_tree(directory),
        }
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        match self {
            FlushesNothing => Ok(()),
            _ => LocalFileSystem.sync_directory(directory),
        }
    }
}

/// The cases that fail for a file system with this mistake.
fn failing(broken: Broken) -> Vec<String> {
    let place = move || -> (Broken, TempDir) { (broken, tempdir().unwrap()) };
    let cases = FileSystemSuite::new(place).cases();
    cases.iter().filter_map(|case| case.run().err()).map(|failure| failure.case).collect()
}

#[test]
fn each_mistake_is_found_by_the_case_of_its_name() {
    assert_eq!(failing(Nothing), [""; 0]);
    assert_eq!(failing(KindFailsBelowFiles), ["kind::below_a_file_is_none"]);
    assert_eq!(failing(EndsAbove), ["kind::of_all_above_is_a_directory"]);
    assert_eq!(failing(KeepsDots), ["canonicalize::resolves_dots"]);
    let writable = ["check_writable::of_nothing_fails", "check_writable::of_a_file_fails"];
    assert_eq!(failing(AlwaysWritable), writable);
    assert_eq!(failing(ManyDevices), ["is_same_device::of_a_directory_with_its_child"]);
    assert!(failing(ListsPaths).contains(&"list::gives_the_names".to_owned()));
    assert_eq!(failing(ReadsOn), ["read::up_to_a_length"]);
    assert_eq!(failing(ReadsExactly), ["read::of_an_empty_file", "read::ends_with_the_file"]);
    let not_found = ["read::of_nothing_is_not_found", "read::below_a_file_is_not_found"];
    assert_eq!(failing(LosesTheKind), not_found);
    let filling = [
        "read_into::fills_one_buffer_after_the_other",
        "read_into::from_an_offset",
        "read_into::ends_with_the_file",
    ];
    assert_eq!(failing(FillsOneBuffer), filling);
    assert_eq!(failing(FillsFromTheBeginning), filling[1..]);
    assert_eq!(failing(FillsExactly), filling[2..]);
    let not_found = ["read_into::of_nothing_is_not_found", "read_into::below_a_file_is_not_found"];
    assert_eq!(failing(FillsWithoutKind), not_found);
    assert_eq!(failing(FillsFromDirectories), ["read_into::of_a_directory_fails"]);
    let slices = [
        "write_slices::one_after_the_other",
        "write_slices::without_a_directory_is_not_found",
        "write_slices::leaves_what_is_there_as_it_was",
    ];
    assert_eq!(failing(WritesOneSlice), slices[..1]);
    assert_eq!(failing(MakesParentsOfSlices), slices[1..2]);
    assert_eq!(failing(OverwritesWithSlices), slices[2..]);
    assert_eq!(failing(SizesDirectories), ["size::of_a_directory_fails"]);
    let exists = ["create_directory::where_something_lies_already_exists"];
    assert_eq!(failing(MakesAgain), exists);
    assert_eq!(failing(ExistsBelowFiles), ["create_directory::below_a_file_fails"]);
    let may_exist = ["create_directories::may_exist", "create_directories::from_several_threads"];
    assert_eq!(failing(MakesAllNew), may_exist);
    assert_eq!(failing(Overwrites), ["write::leaves_an_existing_file_as_it_was"]);
    assert_eq!(failing(MakesParents), ["write::without_a_directory_is_not_found"]);
    assert!(failing(WritesShort).contains(&"write::makes_a_whole_file".to_owned()));
    let another = ["identity::of_what_takes_its_place_is_another"];
    assert_eq!(failing(IdentifiesPaths), another);
    assert_eq!(failing(Truncates), ["append::keeps_what_is_there"]);
    assert_eq!(failing(RemovesNoFile), ["remove_file::of_nothing_is_not_found"]);
    let held = [
        "lock::is_held_until_dropped",
        "lock::says_who_holds_it",
        "lock::is_had_by_one_thread_at_a_time",
    ];
    assert_eq!(failing(LocksNothing), held);
    assert_eq!(failing(TrustsOldLocks), ["lock::of_an_old_file"]);
    assert_eq!(failing(LocksSilently), ["lock::says_who_holds_it", "lock::of_an_old_file"]);
    assert_eq!(failing(ReplacesFull), ["rename_directory::to_a_full_directory_fails"]);
    assert_eq!(failing(ReplacesNothing), ["rename_directory::to_an_empty_directory"]);
    assert_eq!(failing(ReplacesFiles), ["rename_directory::to_a_file_fails"]);
    assert_eq!(failing(MovesFiles), ["rename_directory::of_a_file_fails"]);
    assert_eq!(failing(MovesThere), ["exchange_directories::swaps_or_is_unsupported"]);
    assert!(
        failing(SwapsUnsupported)
            .contains(&"exchange_directories::swaps_or_is_unsupported".to_owned())
    );
    assert_eq!(failing(RemovesEmpty), ["remove_directory::removes_all_below"]);
    assert_eq!(failing(RemovesNothing), ["remove_directory::of_nothing_fails"]);
    let flushing = [
        "sync_tree::of_nothing_fails",
        "sync_directory::of_nothing_fails",
        "sync_directory::of_a_file_fails",
    ];
    assert_eq!(failing(FlushesNothing), flushing);
}

#[test]
fn panics_are_failures_of_every_case() {
    let cases = FileSystemSuite::new(|| (Panics, tempdir().unwrap())).cases();
    for case in cases {
        assert_eq!(case.run().unwrap_err().problem, "panicked: listed");
    }
}

#[test]
#[should_panic(expected = "the directory given to the suite is not empty")]
fn a_directory_that_is_not_empty_is_found() {
    let place = || {
        let directory = tempdir().unwrap();
        std::fs::write(directory.path().join("file"), "").unwrap();
        (LocalFileSystem, directory)
    };
    FileSystemSuite::new(place).run();
}
