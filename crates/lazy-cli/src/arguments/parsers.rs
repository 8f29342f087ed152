//! Adapters that let clap parse paths and numbers, so that its errors name the argument.

use std::ffi::OsString;
use std::fmt::Display;
use std::ops::{RangeBounds, RangeInclusive};
use std::path::PathBuf;
use std::str::FromStr;

use clap::builder::{OsStringValueParser, StringValueParser, TypedValueParser};
use lazy_chunks::Workers;

use crate::values;

/// Parses a path or a URL.
pub(super) fn location() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(values::location)
}

/// Parses the path or the URL of a Zarr array or group to create.
pub(super) fn new_array() -> impl TypedValueParser<Value = OsString> {
    OsStringValueParser::new().try_map(values::new_array)
}

/// Parses the path of a file to create, or a `file://` URL that names one.
pub(super) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(values::local_path)
}

/// Parses the path of a picture to create.
pub(super) fn picture_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(values::picture_path)
}

/// Parses a number within a range.
pub(super) fn fraction(range: RangeInclusive<f64>) -> impl TypedValueParser<Value = f64> {
    StringValueParser::new().try_map(move |text| values::fraction(&text, &range))
}

/// Parses a whole number within a range.
pub(super) fn number<N, R>(range: R) -> impl TypedValueParser<Value = N>
where
    N: FromStr + PartialOrd + Display + Clone + Send + Sync + 'static,
    R: RangeBounds<N> + Clone + Send + Sync + 'static,
{
    StringValueParser::new().try_map(move |text| values::number(&text, &range))
}

/// Parses the worker that this process is.
pub(super) fn worker() -> impl TypedValueParser<Value = Workers> {
    StringValueParser::new().try_map(|text| values::worker(&text))
}
