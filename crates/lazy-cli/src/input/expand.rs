//! The files and Zarr arrays that a path stands for.

use std::fs;
use std::path::{Path, PathBuf};

use super::InputError;
use super::order::{natural_order, path_order};
use super::source::{check_regular, unreadable};

/// A format of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    Npy,
    Npz,
    Safetensors,
    Zarr,
}

impl FileFormat {
    /// Recognizes a directory as Zarr, and a file by its name.
    pub(super) fn of(path: &Path) -> Option<FileFormat> {
        if path.is_dir() { Some(FileFormat::Zarr) } else { FileFormat::of_name(path) }
    }

    fn of_name(path: &Path) -> Option<FileFormat> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "npy" => Some(FileFormat::Npy),
            "npz" => Some(FileFormat::Npz),
            "safetensors" => Some(FileFormat::Safetensors),
            _ => None,
        }
    }
}

/// The files and Zarr arrays that a path stands for.
pub(super) struct Expanded {
    pub(super) found: Vec<PathBuf>,
    /// The names of other entries of the folder.
    pub(super) left_out: Vec<String>,
}

/// Returns the files and Zarr arrays of a folder in natural order, or the path itself.
pub(super) fn expand(path: &Path) -> Result<Expanded, InputError> {
    let of_path = |source| unreadable(path, source);
    let metadata = fs::metadata(path).map_err(of_path)?;
    if !metadata.is_dir() {
        check_regular(path, &metadata)?;
        return Ok(Expanded { found: vec![path.to_owned()], left_out: Vec::new() });
    }
    if is_zarr(path)? {
        return Ok(Expanded { found: vec![path.to_owned()], left_out: Vec::new() });
    }
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path).map_err(of_path)? {
        let entry = entry.map_err(of_path)?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        // A broken link, or one to a place that must not be read, may stand for input.
        let metadata = fs::metadata(&path).map_err(|source| unreadable(&path, source))?;
        if !name.starts_with('.') && metadata.is_dir() && is_zarr(&path)? {
            found.push(path);
        } else if !name.starts_with('.') && FileFormat::of_name(&path).is_some() {
            check_regular(&path, &metadata)?;
            found.push(path);
        } else {
            left_out.push(name);
        }
    }
    left_out.sort_by(|a, b| natural_order(a, b));
    if found.is_empty() && left_out.iter().any(|name| name.starts_with(".lazy.")) {
        return Err(InputError::Incomplete { name: path.display().to_string() });
    }
    if found.is_empty() {
        return Err(InputError::NoFiles { name: path.display().to_string(), left_out });
    }
    found.sort_by(|a, b| path_order(a, b));
    Ok(Expanded { found, left_out })
}

/// Returns true if a directory is a Zarr array or group.
fn is_zarr(directory: &Path) -> Result<bool, InputError> {
    for name in [".zarray", ".zgroup", "zarr.json"] {
        let metadata = directory.join(name);
        if metadata.try_exists().map_err(|source| unreadable(&metadata, source))? {
            return Ok(true);
        }
    }
    Ok(false)
}
