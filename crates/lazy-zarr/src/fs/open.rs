//! Opening files of the machine without following links and without blocking on pipes.

use std::fs::{self, File, FileType, Metadata, OpenOptions};
use std::io;
use std::path::Path;

use super::entry_kind::EntryKind;

pub(super) fn kind_of(file_type: FileType) -> EntryKind {
    if file_type.is_dir() {
        EntryKind::Directory
    } else if file_type.is_file() {
        EntryKind::File
    } else if file_type.is_symlink() {
        EntryKind::Link
    } else {
        EntryKind::Other
    }
}

/// Opens a regular file, and returns its metadata.
pub(super) fn open_to_read(path: &Path) -> io::Result<(File, Metadata)> {
    let mut options = File::options();
    options.read(true);
    without_waiting(&mut options);
    let file = options.open(path).map_err(absent_below_files)?;
    let metadata = file.metadata()?;
    check_regular(metadata.file_type())?;
    Ok((file, metadata))
}

/// Opens a directory.
#[cfg(unix)]
pub(super) fn open_directory(path: &Path) -> io::Result<File> {
    use std::os::unix::fs::OpenOptionsExt;

    let flag = rustix::fs::OFlags::DIRECTORY.bits().cast_signed();
    File::options().read(true).custom_flags(flag).open(path)
}

/// Opens a file at the path itself. A symbolic link at the path is an error.
pub(super) fn open_in_place(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt;

        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK;
        options.custom_flags(flags.bits().cast_signed());
    }
    options.open(path)
}

/// Makes opening a pipe return at once.
#[cfg(unix)]
fn without_waiting(options: &mut OpenOptions) {
    use std::os::unix::fs::OpenOptionsExt;

    options.custom_flags(rustix::fs::OFlags::NONBLOCK.bits().cast_signed());
}

#[cfg(not(unix))]
fn without_waiting(_: &mut OpenOptions) {}

/// Closes a file that was written. On network file systems and with quotas, a full disk is reported
/// only here.
#[cfg(unix)]
pub(super) fn close(file: File) -> io::Result<()> {
    Ok(nix::unistd::close(file)?)
}

#[cfg(not(unix))]
pub(super) fn close(file: File) -> io::Result<()> {
    drop(file);
    Ok(())
}

pub(super) fn check_regular(file_type: FileType) -> io::Result<()> {
    match kind_of(file_type) {
        EntryKind::File => Ok(()),
        EntryKind::Directory => Err(io::ErrorKind::IsADirectory.into()),
        EntryKind::Link => Err(io::Error::other("it is a symbolic link")),
        EntryKind::Other => Err(io::Error::other("it is a device, a pipe or a socket")),
    }
}

pub(super) fn check_not_directory(path: &Path) -> io::Result<()> {
    let metadata = fs::symlink_metadata(path).map_err(absent_below_files)?;
    if metadata.is_dir() { Err(io::ErrorKind::IsADirectory.into()) } else { Ok(()) }
}

/// Returns true if an error means that the path does not exist. A path below a file does not exist,
/// whatever error the system returns.
pub(super) fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

pub(super) fn absent_below_files(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotADirectory => io::ErrorKind::NotFound.into(),
        _ => error,
    }
}
