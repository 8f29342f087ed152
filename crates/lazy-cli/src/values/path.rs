//! Paths and URLs of input and output.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lazy_chunks::zarr::StoreOptions;

use crate::failure::with_hint;
use crate::location::{Location, is_in_store};

/// Checks the path or the URL of an array, of a group or of input.
pub(crate) fn location(text: OsString) -> Result<OsString, String> {
    if text.is_empty() {
        return Err("a path cannot be empty".to_owned());
    }
    Ok(text)
}

/// Checks the path or the URL of a Zarr array or group to create, which is not a file.
pub(crate) fn new_array(text: OsString) -> Result<OsString, String> {
    /// Extensions of formats that are files.
    const FILES: [&str; 8] = ["npy", "npz", "safetensors", "csv", "txt", "h5", "hdf5", "png"];
    let text = location(text)?;
    if text == "-" {
        let problem = "a Zarr array is a directory and cannot go to standard output; store it \
                       first, then `lazy export` it to `-`";
        return Err(problem.to_owned());
    }
    match extension(Path::new(&text)) {
        Some(extension) if FILES.contains(&extension.as_str()) => Err(format!(
            "a Zarr array is a directory, but this name ends in .{extension}; use a name that \
             ends in .zarr, and `lazy export` to write a file"
        )),
        _ => Ok(text),
    }
}

/// Returns the path of a file to create, from a path or a `file://` URL.
pub(crate) fn local_path(text: OsString) -> Result<PathBuf, String> {
    let text = location(text)?;
    if text.to_str().is_some_and(is_in_store) {
        let problem = "the output is a file, which is written to a path or a file URL; only Zarr \
                       arrays are written to object stores";
        return Err(problem.to_owned());
    }
    let location = Location::new(text, &StoreOptions::new());
    let location = location.map_err(|error| with_hint(&error))?;
    Ok(location.path().expect("it is not in a store").to_owned())
}

/// Returns the path of a picture to create.
pub(crate) fn picture_path(text: OsString) -> Result<PathBuf, String> {
    let path = local_path(text)?;
    match extension(&path) {
        Some(extension) if extension != "png" => Err(format!(
            "the picture is a PNG file, but this name ends in .{extension}; use a name that ends \
             in .png"
        )),
        _ => Ok(path),
    }
}

fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_cannot_be_empty() {
        for parse in [location, new_array] {
            assert_eq!(parse(OsString::new()).unwrap_err(), "a path cannot be empty");
        }
        for parse in [local_path, picture_path] {
            assert_eq!(parse(OsString::new()).unwrap_err(), "a path cannot be empty");
        }
    }

    #[test]
    fn files_are_created_at_paths() {
        assert_eq!(local_path("file:///a%20b".into()), Ok(PathBuf::from("/a b")));
        assert!(local_path("gopher://host/a.npy".into()).is_err());
    }

    #[test]
    fn arrays_are_not_files() {
        for name in ["a.zarr", "file:///a.zarr", "s3://bucket/a.zarr", "a"] {
            assert_eq!(new_array(name.into()), Ok(name.into()));
        }
        for name in ["a.npy", "file:///a.npz", "s3://bucket/a.PNG", "-"] {
            assert!(new_array(name.into()).is_err(), "{name}");
        }
    }

    #[test]
    fn an_object_store_is_no_path() {
        let problem = local_path("s3://bucket/a".into()).unwrap_err();
        assert!(problem.starts_with("the output is a file"), "{problem}");
    }
}
