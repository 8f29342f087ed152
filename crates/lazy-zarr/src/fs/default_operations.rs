//! Default implementations of file system operations, built from other operations.

use std::io::{self, IoSlice, IoSliceMut};
use std::path::Path;

use super::entry_kind::EntryKind;
use super::file_system::FileSystem;

/// Copies what `read` returns into the buffers.
pub(super) fn read_into<F: FileSystem + ?Sized>(
    file_system: &F,
    path: &Path,
    offset: u64,
    buffers: &mut [IoSliceMut<'_>],
) -> io::Result<usize> {
    let n_bytes: usize = buffers.iter().map(|buffer| buffer.len()).sum();
    let bytes = file_system.read(path, offset, Some(n_bytes as u64))?;
    let mut rest = &bytes[..];
    for buffer in buffers {
        let (now, later) = rest.split_at(buffer.len().min(rest.len()));
        buffer[..now.len()].copy_from_slice(now);
        rest = later;
    }
    Ok(bytes.len() - rest.len())
}

/// Calls `create_directory` for each directory that does not exist.
pub(super) fn create_directories<F: FileSystem + ?Sized>(
    file_system: &F,
    path: &Path,
) -> io::Result<()> {
    let create_one = || match file_system.create_directory(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            match file_system.kind(path)? {
                Some(EntryKind::Directory) => Ok(()),
                _ => Err(error),
            }
        }
        created => created,
    };
    match create_one() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let above = path.parent().filter(|above| !above.as_os_str().is_empty());
            create_directories(file_system, above.ok_or(error)?)?;
            create_one()
        }
        created => created,
    }
}

/// Calls `write` with a copy of the slices, or with the slice if there is one.
pub(super) fn write_slices<F: FileSystem + ?Sized>(
    file_system: &F,
    path: &Path,
    slices: &[IoSlice<'_>],
) -> io::Result<()> {
    match slices {
        [slice] => file_system.write(path, slice),
        _ => {
            let slices: Vec<_> = slices.iter().map(|slice| &**slice).collect();
            file_system.write(path, &slices.concat())
        }
    }
}
