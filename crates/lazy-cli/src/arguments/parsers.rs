//! Adapters that let clap parse paths, so that its errors name the argument.

use std::path::PathBuf;

use clap::builder::{OsStringValueParser, TypedValueParser};

use crate::values;

/// Parses a path, or a `file://` URL that names one.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(values::local_path)
}

/// Parses the path of a Zarr array or group to create.
pub(super) fn array_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(values::array_path)
}

/// Parses the path of a picture to create.
pub(super) fn picture_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(values::picture_path)
}
