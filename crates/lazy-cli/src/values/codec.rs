//! Codecs by name.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use lazy_chunks::zarr::{BloscCompressor, Codec, Shuffle};

/// A codec, written as a name with an optional level: `zstd` or `zstd:9`.
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
                    "unknown codec {name:?}; the codecs are none, zstd, gzip, blosc-lz4 and \
                     blosc-zstd"
                ));
            }
        };
        Ok(CodecSetting(codec))
    }
}

/// Returns the compression level, or the default if none is given.
fn number<N>(level: Option<&str>, default: N, range: RangeInclusive<N>) -> Result<N, String>
where
    N: FromStr + PartialOrd + Display,
{
    let Some(text) = level else { return Ok(default) };
    text.parse().ok().filter(|level| range.contains(level)).ok_or_else(|| {
        format!("the level must be from {} to {}, got {text:?}", range.start(), range.end())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_checked() {
        assert_eq!("zstd:-5".parse(), Ok(CodecSetting(Codec::Zstd { level: -5 })));
        assert_eq!("none".parse(), Ok(CodecSetting(Codec::None)));
        assert_eq!("blosc-lz4".parse(), Ok(CodecSetting(Codec::default())));
        for wrong in ["", "none:1", "zstd:23", "gzip:-1", "lz4", "zstd:", "blosc-zstd:10"] {
            assert!(wrong.parse::<CodecSetting>().is_err(), "{wrong:?}");
        }
        let error = "gzip:12".parse::<CodecSetting>().unwrap_err();
        assert_eq!(error, "the level must be from 0 to 9, got \"12\"");
    }
}
