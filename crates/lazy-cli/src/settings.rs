//! Values of arguments that are more than a number or a word.

use std::ffi::OsString;
use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::{OsStringValueParser, TypedValueParser};
use lazy_chunks::zarr::{BloscCompressor, Codec, Shuffle, Target};
use serde_json::Value;

use crate::failure::with_hint;

/// Takes a path, or a `file://` URL that stands for one.
pub(crate) fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(local_path)
}

/// The same of a Zarr array or group that is to be, which is a directory.
pub(crate) fn array_path() -> impl TypedValueParser<Value = PathBuf> {
    /// Names that promise a file.
    const FILES: [&str; 8] = ["npy", "npz", "safetensors", "csv", "txt", "h5", "hdf5", "png"];
    OsStringValueParser::new().try_map(|text| {
        let path = local_path(text)?;
        if path.as_os_str() == "-" {
            let problem = "a Zarr array is a directory, and cannot go to standard output; store it first, and then \
                           `lazy export` it to `-`";
            return Err(problem.to_owned());
        }
        match extension(&path) {
            Some(extension) if FILES.contains(&extension.as_str()) => Err(format!(
                "a Zarr array is a directory, but this is the name of a .{extension} file; name it .zarr, and `lazy \
                 export` makes files of it"
            )),
            _ => Ok(path),
        }
    })
}

/// The same of a picture that is to be.
pub(crate) fn picture_path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().try_map(|text| {
        let path = local_path(text)?;
        match extension(&path) {
            Some(extension) if extension != "png" => Err(format!(
                "pictures are PNG files, and this is the name of a .{extension} file; name it .png"
            )),
            _ => Ok(path),
        }
    })
}

fn extension(path: &Path) -> Option<String> {
    Some(path.extension()?.to_str()?.to_ascii_lowercase())
}

fn local_path(text: OsString) -> Result<PathBuf, String> {
    // What is no text is no URL.
    let of_url = match text.to_str() {
        Some(text) if !text.is_empty() => {
            Target::from(text).path().map_err(|error| with_hint(&error))?
        }
        _ => None,
    };
    Ok(of_url.unwrap_or_else(|| PathBuf::from(text)))
}

/// The sizes of chunks or shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChunkSizes {
    Automatic,
    Explicit(Vec<usize>),
}

impl FromStr for ChunkSizes {
    type Err = String;

    fn from_str(text: &str) -> Result<ChunkSizes, String> {
        if text == "auto" {
            return Ok(ChunkSizes::Automatic);
        }
        let size = |size: &str| match size.trim().parse() {
            Ok(0) | Err(_) => Err(format!(
                "{size:?} is no size; give `auto`, or a number from 1 on for each axis, such as 512,1024"
            )),
            Ok(size) => Ok(size),
        };
        text.split(',').map(size).collect::<Result<_, _>>().map(ChunkSizes::Explicit)
    }
}

/// A codec by name, with its level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct CodecSetting(pub(crate) Codec);

impl FromStr for CodecSetting {
    type Err = String;

    fn from_str(text: &str) -> Result<CodecSetting, String> {
        let (name, level) = match text.split_once(':') {
            Some((name, level)) => (name, Some(level)),
            None => (text, None),
        };
        let blosc = |compressor, level| Codec::Blosc { compressor, level, shuffle: Shuffle::Bit };
        let codec = match name {
            "none" if level.is_some() => return Err("`none` has no level".to_owned()),
            "none" => Codec::None,
            "zstd" => Codec::Zstd { level: number(level, 3, -131_072..=22)? },
            "gzip" => Codec::Gzip { level: number(level, 6, 0..=9)? },
            "blosc-lz4" => blosc(BloscCompressor::Lz4, number(level, 5, 0..=9)?),
            "blosc-zstd" => blosc(BloscCompressor::Zstd, number(level, 5, 0..=9)?),
            _ => {
                return Err(format!(
                    "there is no codec {name:?}; take none, zstd, gzip, blosc-lz4 or blosc-zstd"
                ));
            }
        };
        Ok(CodecSetting(codec))
    }
}

/// A compression level, or the one that is meant where none is given.
fn number<N>(
    level: Option<&str>,
    default: N,
    range: std::ops::RangeInclusive<N>,
) -> Result<N, String>
where
    N: FromStr + PartialOrd + std::fmt::Display,
{
    let Some(text) = level else { return Ok(default) };
    text.parse().ok().filter(|level| range.contains(level)).ok_or_else(|| {
        format!("the level {text:?} is none from {} to {}", range.start(), range.end())
    })
}

/// How much memory the states of statistics may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemorySize(u64);

impl MemorySize {
    pub(crate) fn bytes(self) -> u64 {
        self.0
    }
}

/// Half of what there is, since others need memory, too; all that can be addressed where the system does not tell.
impl Default for MemorySize {
    fn default() -> MemorySize {
        MemorySize(lazy_chunks::system_memory().map_or(isize::MAX as u64, |bytes| bytes / 2))
    }
}

/// In bytes, which are parsed back.
impl fmt::Display for MemorySize {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl FromStr for MemorySize {
    type Err = String;

    /// Units are powers of 1024, as those of `ulimit` and systemd, whether they are written as in `8G` or in `8GiB`.
    fn from_str(text: &str) -> Result<MemorySize, String> {
        let n_digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(n_digits);
        let exponent = match unit.trim_start().to_ascii_uppercase().as_str() {
            "" | "B" => Some(0),
            "K" | "KIB" => Some(10),
            "M" | "MIB" => Some(20),
            "G" | "GIB" => Some(30),
            "T" | "TIB" => Some(40),
            _ => None,
        };
        let bytes = number.parse().ok().zip(exponent).and_then(|(number, exponent): (u64, u32)| {
            number.checked_mul(1 << exponent).filter(|bytes| *bytes > 0)
        });
        bytes.map(MemorySize).ok_or_else(|| {
            format!("{text:?} is no size of memory; give a number of bytes, or one with K, M, G or T, such as 8G")
        })
    }
}

/// An attribute: a value of JSON, or text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    pub(crate) name: String,
    pub(crate) value: Value,
}

impl FromStr for Attribute {
    type Err = String;

    fn from_str(text: &str) -> Result<Attribute, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => {
                let value = serde_json::from_str(value).unwrap_or_else(|_| value.into());
                Ok(Attribute { name: name.to_owned(), value })
            }
            _ => {
                Err(format!("{text:?} is no attribute; give a name and a value, such as l2=0.001"))
            }
        }
    }
}

/// Indices from one to another, as in a slice of Python's: either may be left out, and below 0 it counts from the end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    start: Option<i64>,
    end: Option<i64>,
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Span, String> {
        let problem = || format!("{text:?} are no indices; give `a:b`, `a:`, `:b` or `:`");
        let (start, end) = text.split_once(':').ok_or_else(problem)?;
        let index = |text: &str| match text {
            "" => Ok(None),
            text => text.parse().map(Some).map_err(|_| problem()),
        };
        Ok(Span { start: index(start)?, end: index(end)? })
    }
}

impl Span {
    /// The indices along an axis of this size.
    pub(crate) fn along(&self, what: &str, size: usize) -> Result<Range<usize>, String> {
        let index = |index: i64| match usize::try_from(index) {
            Ok(index) => Some(index),
            Err(_) => size.checked_sub(usize::try_from(index.unsigned_abs()).ok()?),
        };
        let (start, end) = (self.start.map_or(Some(0), index), self.end.map_or(Some(size), index));
        match (start, end) {
            (Some(start), Some(end)) if start <= end && end <= size => Ok(start..end),
            _ => {
                let text =
                    |index: Option<i64>| index.map_or(String::new(), |index| index.to_string());
                let (start, end) = (text(self.start), text(self.end));
                Err(format!("{what} {start}:{end} are not within the array's {size}"))
            }
        }
    }

    /// Whether it is all there is.
    pub(crate) fn is_all(&self) -> bool {
        self.start.unwrap_or(0) == 0 && self.end.is_none()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_codecs() {
        assert_eq!("auto".parse(), Ok(ChunkSizes::Automatic));
        assert_eq!("4,5".parse(), Ok(ChunkSizes::Explicit(vec![4, 5])));
        for wrong in ["", "0,1", "4,", "-1", "4x5"] {
            assert!(wrong.parse::<ChunkSizes>().is_err(), "{wrong:?}");
        }
        assert_eq!("zstd:-5".parse(), Ok(CodecSetting(Codec::Zstd { level: -5 })));
        assert_eq!("none".parse(), Ok(CodecSetting(Codec::None)));
        assert_eq!("blosc-lz4".parse(), Ok(CodecSetting(Codec::default())));
        for wrong in ["", "none:1", "zstd:23", "gzip:-1", "lz4", "zstd:", "blosc-zstd:10"] {
            assert!(wrong.parse::<CodecSetting>().is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn sizes_of_memory() {
        let bytes = |text: &str| text.parse().map(MemorySize::bytes);
        for (text, expected) in [
            ("1", 1),
            ("4096B", 4096),
            ("3K", 3 << 10),
            ("512M", 512 << 20),
            ("8G", 8 << 30),
            ("4GiB", 4 << 30),
            ("4 gib", 4 << 30),
            ("2t", 2 << 40),
        ] {
            assert_eq!(bytes(text), Ok(expected));
        }
        for wrong in ["", "0", "0G", "G", "-1G", "1.5G", "8GB", "8X", "1e9", "16777216T"] {
            assert!(bytes(wrong).is_err_and(|error| error.contains("such as 8G")), "{wrong:?}");
        }
        let default = MemorySize::default();
        assert_eq!(bytes(&default.to_string()), Ok(default.bytes()));
    }

    #[test]
    fn attributes_are_json_or_text() {
        let value = |text: &str| text.parse::<Attribute>().map(|attribute| attribute.value);
        assert_eq!(value("a=1e-3"), Ok(serde_json::json!(1e-3)));
        assert_eq!(value("a=[1,2]"), Ok(serde_json::json!([1, 2])));
        assert_eq!(value("a=b=c"), Ok("b=c".into()));
        assert!(value("a").is_err() && value("=a").is_err());
    }

    #[test]
    fn spans_lie_within_the_axis() {
        let along = |text: &str| text.parse::<Span>().and_then(|span| span.along("rows", 10));
        assert_eq!(along(":"), Ok(0..10));
        assert_eq!(along("3:"), Ok(3..10));
        assert_eq!(along("3:3"), Ok(3..3));
        assert_eq!(along("-3:"), Ok(7..10));
        assert_eq!(along("-3:-1"), Ok(7..9));
        assert_eq!(along(":-10"), Ok(0..0));
        assert_eq!(along(":11").unwrap_err(), "rows :11 are not within the array's 10");
        assert_eq!(along("-11:").unwrap_err(), "rows -11: are not within the array's 10");
        for wrong in ["", "5", "5:3", "a:b", "-1:-2", "--1:", "1:2:3", "-9223372036854775808:"] {
            assert!(along(wrong).is_err(), "{wrong:?}");
        }
    }
}
