//! The files and Zarr arrays that a path or a URL stands for.

use std::fs;
use std::path::Path;

use super::InputError;
use super::order::{location_order, natural_order};
use super::source::{check_regular, unreadable};
use crate::location::Location;

/// A format of input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum FileFormat {
    Npy,
    Npz,
    Safetensors,
    Zarr,
}

impl FileFormat {
    /// Recognizes a file by its name. A directory is Zarr, and so is everything in a store.
    pub(super) fn of(location: &Location) -> Option<FileFormat> {
        match location.path() {
            Some(path) if !path.is_dir() => FileFormat::of_name(path),
            _ => Some(FileFormat::Zarr),
        }
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

/// Returns true if a URL leads to a store, and its name is the name of a file.
pub(super) fn is_file_in_store(location: &Location) -> bool {
    let has_name = || FileFormat::of_name(Path::new(&location.to_string())).is_some();
    location.path().is_none() && has_name()
}

/// The files and Zarr arrays that a path or a URL stands for.
pub(super) struct Expanded {
    pub(super) found: Vec<Location>,
    /// The names of other entries of the folder.
    pub(super) left_out: Vec<String>,
}

/// Returns the files and Zarr arrays of a folder in natural order, or the place itself.
pub(super) fn expand(location: &Location) -> Result<Expanded, InputError> {
    let alone = || Expanded { found: vec![location.clone()], left_out: Vec::new() };
    let Some(path) = location.path() else { return Ok(alone()) };
    let of_path = |source| unreadable(path, source);
    let metadata = fs::metadata(path).map_err(of_path)?;
    if !metadata.is_dir() {
        check_regular(path, &metadata)?;
        return Ok(alone());
    }
    if is_zarr(path)? {
        return Ok(alone());
    }
    let (mut found, mut left_out) = (Vec::new(), Vec::new());
    for entry in fs::read_dir(path).map_err(of_path)? {
        let entry = entry.map_err(of_path)?;
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        // A broken link, or one to a place that must not be read, may stand for input.
        let metadata = fs::metadata(&path).map_err(|source| unreadable(&path, source))?;
        if !name.starts_with('.') && metadata.is_dir() && is_zarr(&path)? {
            found.push(Location::from(path));
        } else if !name.starts_with('.') && FileFormat::of_name(&path).is_some() {
            check_regular(&path, &metadata)?;
            found.push(Location::from(path));
        } else {
            left_out.push(name);
        }
    }
    left_out.sort_by(|a, b| natural_order(a, b));
    if found.is_empty() && left_out.iter().any(|name| name.starts_with(".lazy.")) {
        return Err(InputError::Incomplete { name: location.to_string() });
    }
    if found.is_empty() {
        return Err(InputError::NoFiles { name: location.to_string(), left_out });
    }
    found.sort_by(location_order);
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
