//! Sizes of chunks and shards.

use std::str::FromStr;

/// The sizes of chunks or shards along the axes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ChunkSizes {
    Automatic,
    Explicit(Vec<usize>),
    /// Those of the blocks, each of which becomes a chunk.
    Blocks,
}

impl FromStr for ChunkSizes {
    type Err = String;

    fn from_str(text: &str) -> Result<ChunkSizes, String> {
        match text {
            "auto" => return Ok(ChunkSizes::Automatic),
            "blocks" => return Ok(ChunkSizes::Blocks),
            _ => {}
        }
        let size = |size: &str| match size.trim().parse() {
            Ok(0) | Err(_) => Err(format!(
                "{size:?} is not a size; give `auto`, or a number of at least 1 for each axis, \
                 such as 512,1024"
            )),
            Ok(size) => Ok(size),
        };
        text.split(',').map(size).collect::<Result<_, _>>().map(ChunkSizes::Explicit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_positive_numbers() {
        assert_eq!("auto".parse(), Ok(ChunkSizes::Automatic));
        assert_eq!("blocks".parse(), Ok(ChunkSizes::Blocks));
        assert_eq!("4,5".parse(), Ok(ChunkSizes::Explicit(vec![4, 5])));
        for wrong in ["", "0,1", "4,", "-1", "4x5", "block", "blocks,4"] {
            assert!(wrong.parse::<ChunkSizes>().is_err(), "{wrong:?}");
        }
    }
}
