//! Files of the input, which must not change while they are read.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::fs::OFlags;

use super::InputError;
use crate::file_kind;

/// The longest tick of a file system's clock.
const TICK: Duration = Duration::from_millis(20);

/// A regular file, with its state when its header was read.
///
/// Each read opens the file again, so many files need few descriptors. The state must be the same
/// each time, and once more when [`check`](Self::check) is called after the last block. So no array
/// mixes two versions of a file.
#[derive(Debug)]
pub(crate) struct SourceFile {
    path: PathBuf,
    state: FileState,
}

impl SourceFile {
    /// Opens a file for the first time.
    pub(crate) fn open(path: &Path) -> Result<(SourceFile, File), InputError> {
        let file = open_regular(path)?;
        let state = settled_state(&file).map_err(|source| unreadable(path, source))?;
        Ok((SourceFile { path: path.to_owned(), state }, file))
    }

    /// Opens the file again, and checks that it has not changed.
    pub(crate) fn reopen(&self) -> Result<File, InputError> {
        let file = open_regular(&self.path).map_err(|error| self.or_removed(error))?;
        self.check_metadata(file.metadata())?;
        Ok(file)
    }

    /// Checks that the file has not changed.
    pub(crate) fn check(&self) -> Result<(), InputError> {
        self.check_metadata(fs::metadata(&self.path)).map_err(|error| self.or_removed(error))
    }

    fn check_metadata(&self, metadata: io::Result<Metadata>) -> Result<(), InputError> {
        let metadata = metadata.map_err(|source| unreadable(&self.path, source))?;
        match self.state.difference(&FileState::of(&metadata)) {
            Some(change) => Err(InputError::Changed { name: self.name(), change }),
            None => Ok(()),
        }
    }

    /// Returns the error that the file has changed, if it has, and the given error otherwise.
    pub(crate) fn or_changed(&self, error: InputError) -> InputError {
        self.check().err().unwrap_or(error)
    }

    fn or_removed(&self, error: InputError) -> InputError {
        match error {
            InputError::Read { source, .. } if source.kind() == io::ErrorKind::NotFound => {
                InputError::Changed { name: self.name(), change: "it was removed".to_owned() }
            }
            error => error,
        }
    }

    /// Fills a buffer with the bytes from an offset on.
    pub(crate) fn read_at(
        &self,
        file: &File,
        offset: u64,
        buffer: &mut [u8],
    ) -> Result<(), InputError> {
        let n_read =
            read_at(file, offset, buffer).map_err(|source| unreadable(&self.path, source))?;
        if n_read < buffer.len() {
            self.check_metadata(file.metadata())?;
            let (expected, actual) = (offset + buffer.len() as u64, offset + n_read as u64);
            return Err(InputError::Truncated { name: self.name(), expected, actual });
        }
        Ok(())
    }

    pub(crate) fn name(&self) -> String {
        self.path.display().to_string()
    }

    pub(crate) fn n_bytes(&self) -> u64 {
        self.state.n_bytes
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a text that is different for each version of the file.
    pub(crate) fn fingerprint(&self) -> String {
        self.state.fingerprint()
    }
}

/// Returns a text that is different for each version of a file of any kind.
pub(crate) fn fingerprint(path: &Path) -> Result<String, InputError> {
    let metadata = fs::metadata(path).map_err(|source| unreadable(path, source))?;
    Ok(FileState::of(&metadata).fingerprint())
}

pub(crate) fn unreadable(path: &Path, source: io::Error) -> InputError {
    InputError::Read { name: path.display().to_string(), source }
}

/// Checks that a path leads to a regular file.
pub(crate) fn check_regular(path: &Path, metadata: &Metadata) -> Result<(), InputError> {
    if metadata.is_file() {
        return Ok(());
    }
    let what = file_kind::name(metadata.file_type());
    Err(InputError::NotAFile { name: path.display().to_string(), what })
}

/// Opens a regular file. Anything else is not opened, since that might wait or have an effect.
fn open_regular(path: &Path) -> Result<File, InputError> {
    let unreadable = |source| unreadable(path, source);
    check_regular(path, &fs::metadata(path).map_err(unreadable)?)?;
    // If a FIFO has taken its place in the meantime, opening it does not wait for a writer.
    let flags = (OFlags::NONBLOCK | OFlags::NOCTTY).bits() as i32;
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path).map_err(unreadable)?;
    check_regular(path, &file.metadata().map_err(unreadable)?)?;
    Ok(file)
}

/// Reads until the buffer is full or the file ends. Returns the number of bytes.
fn read_at(file: &File, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
    let mut n_read = 0;
    while n_read < buffer.len() {
        match file.read_at(&mut buffer[n_read..], offset + n_read as u64) {
            Ok(0) => break,
            Ok(n) => n_read += n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(n_read)
}

/// Returns the state of a file at a moment after which every change sets a different time.
///
/// Two changes within one tick of the file system's clock set the same time, so a file that was
/// written just now is examined again after the tick.
fn settled_state(file: &File) -> io::Result<FileState> {
    const ATTEMPTS: usize = 10;
    let mut state = FileState::of(&file.metadata()?);
    for _ in 0..ATTEMPTS {
        let Some(rest) = state.rest_of_tick(SystemTime::now()) else { break };
        thread::sleep(rest);
        state = FileState::of(&file.metadata()?);
    }
    Ok(state)
}

/// The properties that tell versions of a file apart: its inode, its size and its times.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState {
    device: u64,
    inode: u64,
    n_bytes: u64,
    modified: Time,
    /// The time of the last change of the inode, which programs cannot set.
    changed: Time,
}

/// Seconds and nanoseconds since the epoch.
type Time = (i64, i64);

impl FileState {
    fn of(metadata: &Metadata) -> FileState {
        FileState {
            device: metadata.dev(),
            inode: metadata.ino(),
            n_bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// Describes the difference from the state now, if there is one.
    fn difference(&self, now: &FileState) -> Option<String> {
        if (now.device, now.inode) != (self.device, self.inode) {
            Some("it was replaced by another file".to_owned())
        } else if now.n_bytes != self.n_bytes {
            Some(format!("it had {} bytes and now has {}", self.n_bytes, now.n_bytes))
        } else if now.modified != self.modified {
            Some("its modification time is different".to_owned())
        } else if now.changed != self.changed {
            Some("its change time (ctime) is different".to_owned())
        } else {
            None
        }
    }

    /// Returns how long another change may still set the same time as the last one.
    fn rest_of_tick(&self, now: SystemTime) -> Option<Duration> {
        let (seconds, nanoseconds) = self.changed;
        let since = Duration::new(seconds.try_into().ok()?, nanoseconds.try_into().ok()?);
        // The clock of a file server may be ahead of this machine's clock.
        let age = now.duration_since(UNIX_EPOCH.checked_add(since)?).ok()?;
        TICK.checked_sub(age).filter(|rest| !rest.is_zero())
    }

    /// Returns all properties except the device, whose number may change with the next mount.
    fn fingerprint(&self) -> String {
        let FileState { inode, n_bytes, modified, changed, .. } = self;
        format!("{inode} {n_bytes} {modified:?} {changed:?}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_change_is_described() {
        let state =
            FileState { device: 1, inode: 2, n_bytes: 3, modified: (4, 5), changed: (6, 7) };
        for (now, expected) in [
            (FileState { device: 9, ..state }, "it was replaced by another file"),
            (FileState { inode: 9, n_bytes: 9, ..state }, "it was replaced by another file"),
            (FileState { n_bytes: 9, ..state }, "it had 3 bytes and now has 9"),
            (FileState { modified: (4, 6), ..state }, "its modification time is different"),
            (FileState { changed: (7, 7), ..state }, "its change time (ctime) is different"),
        ] {
            assert_eq!(state.difference(&now).as_deref(), Some(expected));
        }
        assert_eq!(state.difference(&state), None);
    }

    #[test]
    fn a_tick_is_waited_for_once() {
        let changed_at =
            |changed| FileState { device: 1, inode: 2, n_bytes: 3, modified: (0, 0), changed };
        let now = UNIX_EPOCH + Duration::from_millis(5_010);
        let rest = |changed| changed_at(changed).rest_of_tick(now);
        assert_eq!(rest((5, 0)), Some(Duration::from_millis(10)));
        assert_eq!(rest((5, 10_000_000)), Some(TICK));
        for (changed, why) in
            [((4, 990_000_000), "it is over"), ((6, 0), "ahead"), ((-1, 0), "before the epoch")]
        {
            assert_eq!(rest(changed), None, "{why}");
        }
    }

    #[test]
    fn a_file_that_is_shorter_than_it_was_names_both_sizes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a");
        fs::write(&path, [7; 100]).unwrap();
        let (source, file) = SourceFile::open(&path).unwrap();
        let mut buffer = [0; 60];
        source.read_at(&file, 40, &mut buffer).unwrap();
        assert_eq!(buffer, [7; 60]);
        fs::write(&path, [7; 80]).unwrap();
        let error = source.read_at(&file, 40, &mut buffer).unwrap_err().to_string();
        assert!(error.ends_with("a changed while it was read: it had 100 bytes and now has 80"));
        assert_eq!(source.reopen().unwrap_err().to_string(), error);
        assert_eq!(source.check().unwrap_err().to_string(), error);
        // A read beyond the end of a file that has not changed.
        let (source, file) = SourceFile::open(&path).unwrap();
        let error = source.read_at(&file, 40, &mut buffer).unwrap_err().to_string();
        assert!(error.ends_with("it has 80 bytes, but its header declares 100"), "{error}");
        fs::remove_file(&path).unwrap();
        let error = source.check().unwrap_err().to_string();
        assert!(error.ends_with("a changed while it was read: it was removed"), "{error}");
        assert_eq!(source.reopen().unwrap_err().to_string(), error);
    }
}
