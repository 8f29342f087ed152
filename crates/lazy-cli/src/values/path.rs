//! Paths of input and output.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use lazy_chunks::zarr::Target;

use crate::failure::with_hint;

/// Returns the path that an argument is, or that its `file://` URL names.
pub(crate) fn local_path(text: OsString) -> Result<PathBuf, String> {
    if text.is_empty() {
        return Err("a path cannot be empty".to_owned());
    }
    // A URL is valid Unicode.
    let Some(text) = text.to_str() else { return Ok(PathBuf::from(text)) };
    match Target::from(text).path().map_err(|error| with_hint(&error))? {
        Some(path) => Ok(path),
        None => {
            let scheme = text.split("://").next().unwrap_or_default();
            Err(format!("the scheme {scheme} of {} is not supported here", Target::from(text)))
        }
    }
}

/// Returns the path of a Zarr array or group to create, which is a directory.
pub(crate) fn array_path(text: OsString) -> Result<PathBuf, String> {
    /// Extensions of formats that are files.
    const FILES: [&str; 8] = ["npy", "npz", "safetensors", "csv", "txt", "h5", "hdf5", "png"];
    let path = local_path(text)?;
    if path.as_os_str() == "-" {
        let problem = "a Zarr array is a directory and cannot go to standard output; store it \
                       first, then `lazy export` it to `-`";
        return Err(problem.to_owned());
    }
    match extension(&path) {
        Some(extension) if FILES.contains(&extension.as_str()) => Err(format!(
            "a Zarr array is a directory, but this name ends in .{extension}; use a name that \
             ends in .zarr, and `lazy export` to write a file"
        )),
        _ => Ok(path),
    }
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
        for parse in [local_path, array_path, picture_path] {
            assert_eq!(parse(OsString::new()).unwrap_err(), "a path cannot be empty");
        }
        assert_eq!(local_path("file:///a%20b".into()), Ok(PathBuf::from("/a b")));
    }

    #[test]
    fn an_object_store_is_no_path() {
        let problem = "the scheme s3 of s3://bucket/a is not supported here";
        assert_eq!(local_path("s3://bucket/a".into()).unwrap_err(), problem);
    }
}
