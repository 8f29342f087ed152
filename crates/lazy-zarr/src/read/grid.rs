//! The sizes of the chunks of a grid along each axis.
//!
//! Metadata is untrusted, and zarrs expands the run lengths of a rectilinear grid. So they are
//! counted before zarrs gets them.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU64;

use serde::Deserialize;
use serde::de::{Deserializer, Error, SeqAccess, Unexpected, Visitor};
use serde_json::value::RawValue;

use crate::error::ReadError;
use crate::layout::{BlockRuns, MOST_CHUNKS};

/// The chunk grid of an array.
#[derive(Clone, Debug)]
pub(super) struct Grid {
    /// The name of the grid in the metadata.
    pub(super) name: Box<str>,
    /// The sizes of the chunks, or shards, along each axis.
    pub(super) sizes: Vec<AxisSizes>,
    /// The number of chunks, or shards, along each axis that lie in the array.
    pub(super) n_units: Vec<u64>,
}

impl Grid {
    pub(super) fn new(name: &str, sizes: Vec<AxisSizes>, shape: &[usize]) -> Grid {
        let n_units = sizes.iter().zip(shape).map(|(sizes, &size)| sizes.n_within(size)).collect();
        Grid { name: name.into(), sizes, n_units }
    }

    /// Returns the shape of the largest chunk, or shard.
    pub(super) fn largest(&self) -> Vec<usize> {
        self.sizes.iter().map(AxisSizes::largest).collect()
    }
}

/// The sizes of chunks, or shards, along one axis.
#[derive(Clone, Debug)]
pub(super) enum AxisSizes {
    /// All have this size, and there are as many as the array needs.
    Uniform(usize),
    /// Runs of equal sizes. The last ones may lie beyond the array.
    Runs(BlockRuns),
}

impl AxisSizes {
    fn largest(&self) -> usize {
        match self {
            AxisSizes::Uniform(size) => *size,
            AxisSizes::Runs(runs) => {
                runs.runs().iter().map(|[_, size]| *size).max().unwrap_or_default()
            }
        }
    }

    /// Returns the number of chunks that lie in an array of this size, at least in part.
    pub(super) fn n_within(&self, size: usize) -> u64 {
        let runs = match self {
            AxisSizes::Uniform(chunk) => return size.div_ceil(*chunk) as u64,
            AxisSizes::Runs(runs) => runs.runs(),
        };
        let (mut n_chunks, mut rest) = (0, size);
        for [n, chunk] in runs {
            let n_within = rest.div_ceil(*chunk).min(*n);
            n_chunks += n_within as u64;
            rest = rest.saturating_sub(n_within * chunk);
        }
        n_chunks
    }

    /// Returns the sizes of the parts of chunks that lie in an array of this size.
    pub(super) fn within(&self, size: usize) -> Vec<usize> {
        let n_chunks = self.n_within(size) as usize;
        let sizes: Box<dyn Iterator<Item = usize>> = match self {
            AxisSizes::Uniform(chunk) => Box::new(std::iter::repeat(*chunk)),
            AxisSizes::Runs(runs) => {
                Box::new(runs.runs().iter().flat_map(|&[n, chunk]| std::iter::repeat_n(chunk, n)))
            }
        };
        let mut rest = size;
        let part = |chunk: usize| {
            let part = chunk.min(rest);
            rest -= part;
            part
        };
        sizes.take(n_chunks).map(part).collect()
    }
}

/// Returns the sizes of the chunks, or shards, that the entries of an array's metadata list, or
/// `None` if the grid lists none.
///
/// # Errors
///
/// An error if the sizes do not fit the shape, or if there are more of them than are supported.
pub(super) fn listed_sizes(
    target: &str,
    entries: &BTreeMap<String, Box<RawValue>>,
) -> Result<Option<Vec<AxisSizes>>, ReadError> {
    #[derive(Deserialize)]
    struct Extension<'j> {
        name: String,
        #[serde(borrow)]
        configuration: Option<&'j RawValue>,
    }
    #[derive(Deserialize)]
    struct Rectilinear {
        kind: String,
        chunk_shapes: Vec<AxisSizes>,
    }
    #[derive(Deserialize)]
    struct Rectangular {
        chunk_shape: Vec<AxisSizes>,
    }
    // Without a configuration, the grid lists no sizes, and zarrs says what is wrong.
    let Some(entry) = entries.get("chunk_grid") else { return Ok(None) };
    let Ok(Extension { name, configuration: Some(configuration) }) =
        serde_json::from_str(entry.get())
    else {
        return Ok(None);
    };
    let unsupported =
        |reason: String| ReadError::Open { target: target.to_owned(), source: reason.into() };
    let malformed =
        |reason: String| ReadError::Malformed { target: target.to_owned(), source: reason.into() };
    let not_parsed = |error: serde_json::Error| {
        let message = error.to_string();
        let message = message.split(" at line ").next().unwrap_or_default();
        malformed(format!("its entry `chunk_grid` is invalid: {message}"))
    };
    let sizes = match &*name {
        "rectilinear" => {
            let grid = serde_json::from_str(configuration.get()).map_err(not_parsed)?;
            let Rectilinear { kind, chunk_shapes } = grid;
            if kind != "inline" {
                let reason = format!("the kind {kind:?} of its chunk grid is not supported");
                return Err(unsupported(reason));
            }
            chunk_shapes
        }
        "rectangular" => {
            let grid = serde_json::from_str(configuration.get()).map_err(not_parsed)?;
            let Rectangular { chunk_shape } = grid;
            chunk_shape
        }
        _ => return Ok(None),
    };
    let runs = || {
        sizes.iter().enumerate().filter_map(|(axis, sizes)| match sizes {
            AxisSizes::Uniform(_) => None,
            AxisSizes::Runs(runs) => Some((axis, runs)),
        })
    };
    let n_chunks = runs().fold(0_usize, |n, (_, runs)| n.saturating_add(runs.n_not_empty()));
    if n_chunks > MOST_CHUNKS {
        return Err(unsupported(format!(
            "its chunk grid lists more than {MOST_CHUNKS} sizes of chunks"
        )));
    }
    for (axis, runs) in runs() {
        if runs.n_runs() == 0 {
            return Err(unsupported(format!("its chunk grid has no chunk along axis {axis}")));
        }
        if runs.total().is_none_or(|total| isize::try_from(total).is_err()) {
            return Err(unsupported(format!(
                "the chunks along axis {axis} are too large for indices"
            )));
        }
    }
    // If the shape is invalid, zarrs says so.
    let Some(Ok(shape)) = entries.get("shape").map(|entry| serde_json::from_str(entry.get()))
    else {
        return Ok(Some(sizes));
    };
    let shape: Vec<u64> = shape;
    if shape.len() != sizes.len() {
        return Err(malformed(format!(
            "the number of axes of its chunk grid, {}, does not match that of its shape, {}",
            sizes.len(),
            shape.len()
        )));
    }
    for (axis, runs) in runs() {
        let (total, size) = (runs.total().unwrap_or(usize::MAX) as u64, shape[axis]);
        if total < size {
            return Err(malformed(format!(
                "its chunks cover {total} elements along axis {axis}, but its shape has {size}"
            )));
        }
    }
    Ok(Some(sizes))
}

impl<'de> Deserialize<'de> for AxisSizes {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<AxisSizes, D::Error> {
        struct OfAxis;
        impl<'de> Visitor<'de> for OfAxis {
            type Value = AxisSizes;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number from 1 on, or a list of sizes")
            }

            fn visit_u64<E: Error>(self, size: u64) -> Result<AxisSizes, E> {
                at_least_1(size, &self).map(AxisSizes::Uniform)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<AxisSizes, A::Error> {
                let mut runs = BlockRuns::default();
                while let Some(Run { size, n_chunks }) = list.next_element()? {
                    // Too many runs are refused, and need not be kept.
                    if runs.n_runs() <= MOST_CHUNKS {
                        runs.push_run(n_chunks, size);
                    }
                }
                Ok(AxisSizes::Runs(runs))
            }
        }
        deserializer.deserialize_any(OfAxis)
    }
}

/// A run of chunks of the same size: the size alone, or `[size, n_chunks]`.
struct Run {
    size: usize,
    n_chunks: usize,
}

impl<'de> Deserialize<'de> for Run {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Run, D::Error> {
        struct OfRun;
        impl<'de> Visitor<'de> for OfRun {
            type Value = Run;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a whole number from 1 on, or a run [size, count]")
            }

            fn visit_u64<E: Error>(self, size: u64) -> Result<Run, E> {
                at_least_1(size, &self).map(|size| Run { size, n_chunks: 1 })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut run: A) -> Result<Run, A::Error> {
                let mut number = || match run.next_element()? {
                    Some(number) => at_least_1(number, &self),
                    None => Err(A::Error::custom("a run has two numbers, [size, count]")),
                };
                let (size, n_chunks) = (number()?, number()?);
                match run.next_element::<NonZeroU64>()? {
                    None => Ok(Run { size, n_chunks }),
                    Some(_) => Err(A::Error::custom("a run has two numbers, [size, count]")),
                }
            }
        }
        deserializer.deserialize_any(OfRun)
    }
}

/// Returns a number, or the largest one if it is too large for this machine. 0 is an error.
fn at_least_1<E: Error>(number: u64, expected: &dyn serde::de::Expected) -> Result<usize, E> {
    match number {
        0 => Err(E::invalid_value(Unexpected::Unsigned(0), expected)),
        _ => Ok(usize::try_from(number).unwrap_or(usize::MAX)),
    }
}

#[cfg(test)]
mod tests {
    use lazy_core::BlockSizes;

    use super::*;

    #[test]
    fn chunks_are_clipped_to_the_array() {
        let runs = |json: &str| serde_json::from_str::<AxisSizes>(json).unwrap();
        for (sizes, size, expected) in [
            ("4", 10, &[4, 4, 2][..]),
            ("4", 0, &[]),
            ("[4, 4, 2]", 10, &[4, 4, 2]),
            ("[[4, 2], 2]", 9, &[4, 4, 1]),
            ("[[4, 2], 2]", 8, &[4, 4]),
            ("[[4, 1000000]]", 5, &[4, 1]),
            ("[3, [1, 2]]", 0, &[]),
        ] {
            let sizes = runs(sizes);
            assert_eq!(sizes.within(size), expected);
            assert_eq!(sizes.n_within(size), expected.len() as u64);
            assert_eq!(BlockSizes::from(sizes.within(size)).total(), size);
        }
        assert_eq!(runs("[3, [9, 2], 1]").largest(), 9);
    }
}
