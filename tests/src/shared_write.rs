//! A small write that several workers share: its blocks, its plan and its result.

#![allow(clippy::missing_panics_doc, reason = "a panic here fails the calling test")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use lazy_chunks::zarr::{Durability, Existing, StoredArray, Target, ZarrSink};
use lazy_chunks::{ArrayBlock, DType, Indexed, LazyChunkSequence, Number, Outcome, Plan, Sum};

use crate::{elements, files};

/// A write of an array of nine rows in four blocks, which three parts divide.
#[derive(Clone, Copy, Debug)]
pub struct SharedWrite {
    /// The version of the array, which determines its elements.
    pub version: u64,
    /// True if the first two parts have rows of the same chunks.
    pub shares_chunks: bool,
    /// True if the array is flushed.
    pub is_flushed: bool,
    /// True if an older version is replaced. Otherwise, it is an error.
    pub replaces: bool,
}

/// The sequence of a [`SharedWrite`].
pub type SharedSequence<'a> = LazyChunkSequence<'a, ArrayBlock, Indexed>;
/// The plan of a [`SharedWrite`], which also computes a statistic.
pub type SharedPlan<'s, 'a> = Plan<'s, SharedSequence<'a>, (Vec<ZarrSink>, Sum)>;
/// The arrays of a plan, one from each sink, and the statistic.
pub type SharedOutput = (Vec<StoredArray>, Number);

const SHAPE: [usize; 2] = [9, 5];
/// The number of parts.
const N_PARTS: usize = 3;

impl SharedWrite {
    /// Returns the sizes of the blocks.
    #[must_use]
    pub fn rows(self) -> [usize; 4] {
        if self.shares_chunks { [2, 3, 1, 3] } else { [3, 2, 1, 3] }
    }

    /// Returns the blocks of each part.
    #[must_use]
    pub fn parts(self) -> [std::ops::Range<usize>; N_PARTS] {
        [0..1, 1..3, 3..4]
    }

    /// Returns the whole array.
    #[must_use]
    pub fn array(self) -> ArrayBlock {
        elements(DType::Int32, self.version, &SHAPE, &[0, 0], &SHAPE)
    }

    /// Returns the result of the statistic.
    #[must_use]
    pub fn sum(self) -> Number {
        self.sequence(|_| {}).compute(Sum).unwrap()
    }

    /// Returns the sequence. It calls `before` with the index of each block that it computes.
    #[must_use]
    pub fn sequence<'a>(self, before: impl Fn(usize) + Send + Sync + 'a) -> SharedSequence<'a> {
        let rows = self.rows();
        let block = move |i: usize| {
            before(i);
            let start = rows[..i].iter().sum();
            elements(DType::Int32, self.version, &SHAPE, &[start, 0], &[rows[i], SHAPE[1]])
        };
        LazyChunkSequence::from_fn(rows, block).with_row_type(DType::Int32, [SHAPE[1]])
    }

    /// Returns the sink.
    pub fn sink(self, target: impl Into<Target>) -> ZarrSink {
        ZarrSink::new(target)
            .with_chunk_shape([3, 3])
            .with_existing(if self.replaces { Existing::Replace } else { Existing::Fail })
            .with_writer_threads(1)
            .with_durability(if self.is_flushed { Durability::Full } else { Durability::None })
            .with_resume(format!("version {}", self.version))
    }

    /// Creates the plan, or joins it.
    ///
    /// # Errors
    ///
    /// The errors of creating a plan.
    pub fn plan<'s, 'a>(
        self,
        sequence: &'s SharedSequence<'a>,
        sinks: Vec<ZarrSink>,
    ) -> lazy_chunks::Result<SharedPlan<'s, 'a>> {
        let plan = Plan::of(sequence, (sinks, Sum)).with_parts(N_PARTS).create()?;
        let bands: Vec<_> = plan.parts().iter().map(lazy_chunks::Part::bands).collect();
        assert_eq!(bands, self.parts());
        Ok(plan)
    }

    /// Asserts that a target has the array, in memory and in its files.
    #[track_caller]
    pub fn assert_stored(self, target: impl Into<Target>) {
        let stored = StoredArray::open(target).unwrap();
        assert_eq!(stored.read().unwrap(), self.array());
        assert_eq!(stored.verify().count(), 0);
    }

    /// Asserts that the results of a plan are right.
    #[track_caller]
    pub fn assert_output(self, (arrays, sum): &SharedOutput) {
        for array in arrays {
            assert_eq!(array.read().unwrap(), self.array());
        }
        assert_eq!(*sum, self.sum());
    }

    /// Asserts that the outcome of a worker is not that parts remain, and that its results are
    /// right. Returns true if this worker has published the array.
    #[track_caller]
    #[must_use]
    pub fn assert_published(self, outcome: &Outcome<SharedOutput>) -> bool {
        match outcome {
            Outcome::Finished { output, .. } => {
                self.assert_output(output);
                true
            }
            Outcome::FinishedBefore => false,
            outcome => panic!("parts remain: {outcome:?}"),
        }
    }
}

/// Returns the numbers of the finished parts of an unpublished plan at a path.
#[must_use]
pub fn finished_parts(array: &Path) -> BTreeSet<usize> {
    let number = |path: PathBuf| -> Option<usize> {
        let names: Vec<_> = path.iter().map(|name| name.to_str().unwrap_or_default()).collect();
        match names[..] {
            [staging, "done", number] if staging.starts_with(".lazy.") => number.parse().ok(),
            _ => None,
        }
    };
    files(array).into_iter().filter_map(|(path, _)| number(path)).collect()
}
