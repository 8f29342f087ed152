//! Files that commands write. Each appears when it is complete, and replaces only another file.
//!
//! Ignorant of formats and contents.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use crate::failure::{Failure, Result};
use crate::file_kind;

/// A file that is being written, in the directory of its final path.
///
/// Until it is complete, it has a random name. It is created by this process, so no existing link
/// is followed.
#[derive(Debug)]
pub(crate) struct OutputFile {
    path: PathBuf,
    replace: bool,
    file: NamedTempFile,
}

impl OutputFile {
    pub(crate) fn create(path: &Path, replace: bool) -> Result<OutputFile> {
        let directory = check_directory(path)?;
        let mut builder = tempfile::Builder::new();
        // The permissions of any new file, which the umask restricts.
        #[cfg(unix)]
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
        let file = builder.prefix(".lazy-").tempfile_in(directory).map_err(|error| {
            Failure::Directory {
                path: path.to_owned(),
                directory: directory.to_owned(),
                source: without_path(&error),
            }
        })?;
        Ok(OutputFile { path: path.to_owned(), replace, file })
    }

    pub(crate) fn as_file_mut(&mut self) -> &mut File {
        self.file.as_file_mut()
    }

    /// Publishes the complete file at its path atomically.
    pub(crate) fn publish(self) -> Result<()> {
        let OutputFile { path, replace, file } = self;
        let failed = |source| Failure::Write { path: path.clone(), source };
        let (file, temporary) = file.into_parts();
        file.sync_all().map_err(failed)?;
        close(file).map_err(failed)?;
        // Something may have appeared at the path in the meantime.
        check_place(&path, replace)?;
        let published =
            if replace { temporary.persist(&path) } else { temporary.persist_noclobber(&path) };
        published.map_err(|error| failed(error.error))
    }
}

/// Closes a file, and returns the error of a write that the system delayed until then.
fn close(file: File) -> io::Result<()> {
    Ok(nix::unistd::close(file)?)
}

/// Returns the error of the system, without the temporary path that `tempfile` adds.
fn without_path(error: &io::Error) -> io::Error {
    let cause = error.get_ref().and_then(|error| error.source());
    let code = cause.and_then(|cause| cause.downcast_ref()).and_then(io::Error::raw_os_error);
    code.map_or_else(|| error.kind().into(), io::Error::from_raw_os_error)
}

/// Checks that the directory of a file to create exists, and returns it.
fn check_directory(path: &Path) -> Result<&Path> {
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    match fs::metadata(directory) {
        Ok(there) if !there.is_dir() => {
            let source = io::ErrorKind::NotADirectory.into();
            Err(Failure::Write { path: path.to_owned(), source })
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(Failure::MissingDirectory {
            path: path.to_owned(),
            directory: directory.to_owned(),
        }),
        _ => Ok(directory),
    }
}

/// Checks that a file may be published at a path: its directory exists, and nothing is at the path
/// or, with `replace`, a regular file.
///
/// A symbolic link is an error, even if it leads to a regular file.
pub(crate) fn check_place(path: &Path, replace: bool) -> Result<()> {
    match fs::symlink_metadata(path) {
        Ok(there) if !there.is_file() => Err(Failure::InTheWay {
            path: path.to_owned(),
            what: file_kind::name(there.file_type()),
        }),
        Ok(_) if !replace => Err(Failure::Exists(path.into())),
        Ok(_) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => check_directory(path).map(|_| ()),
        Err(source) => Err(Failure::Write { path: path.to_owned(), source }),
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::unix::fs::symlink;

    use tempfile::TempDir;

    use super::*;

    fn written(path: &Path, replace: bool) -> OutputFile {
        let mut file = OutputFile::create(path, replace).unwrap();
        file.as_file_mut().write_all(b"new").unwrap();
        file
    }

    #[test]
    fn a_file_appears_when_it_is_published() {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("a");
        let file = written(&path, false);
        assert!(!path.exists());
        file.publish().unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"new");
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        drop(written(&path, true));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_appears_in_the_meantime_is_not_replaced() {
        for replace in [false, true] {
            let directory = TempDir::new().unwrap();
            let path = directory.path().join("a");
            let file = written(&path, replace);
            symlink("/dev/null", &path).unwrap();
            let message = file.publish().unwrap_err().to_string();
            assert!(message.contains("a is a symbolic link, which is never replaced"), "{message}");
            assert_eq!(fs::read_link(&path).unwrap(), Path::new("/dev/null"));
            assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
        }
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("a");
        let file = written(&path, false);
        fs::write(&path, "old").unwrap();
        assert!(matches!(file.publish(), Err(Failure::Exists(_))));
        assert_eq!(fs::read(&path).unwrap(), b"old");
    }
}
