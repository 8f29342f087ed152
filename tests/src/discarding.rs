//! A file system that keeps no chunks.

use std::io::{self, IoSlice};
use std::path::Path;

use lazy_chunks::zarr::{FileSystem, LocalFileSystem};

use crate::forward::forward_to_local;

/// The local file system, which keeps metadata and nothing else that is written: so that what remains of a
/// write is all but the writing.
#[derive(Clone, Copy, Debug, Default)]
pub struct DiscardingFileSystem;

impl FileSystem for DiscardingFileSystem {
    forward_to_local!(kind canonicalize check_writable is_same_device identity list read size create_directory create_directories append remove_file lock rename_directory exchange_directories remove_directory sync_tree sync_directory);

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        match path.file_name().is_some_and(|name| name == "zarr.json") {
            true => LocalFileSystem.write(path, bytes),
            false => Ok(()),
        }
    }

    fn write_slices(&self, path: &Path, slices: &[IoSlice<'_>]) -> io::Result<()> {
        match path.file_name().is_some_and(|name| name == "zarr.json") {
            true => LocalFileSystem.write_slices(path, slices),
            false => Ok(()),
        }
    }
}
