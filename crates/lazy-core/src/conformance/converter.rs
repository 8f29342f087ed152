//! The suite for converters.

use std::fmt;
use std::sync::Arc;

use super::{Case, run_cases};
use crate::{ArrayBlock, BoxError, Converter, DType};

/// The ranks that are tested by default. A converter must reject the ranks that are tested but not
/// listed.
const RANKS: std::ops::RangeInclusive<usize> = 0..=6;

/// The test suite for a [`Converter`]: blocks become tensors and blocks again, bit for bit, and
/// input without a counterpart is rejected.
///
/// The suite inspects only blocks, since tensors are opaque to it. It cannot tell if the elements
/// of a tensor are wrong and the conversion back undoes the error; test that separately.
///
/// | case | requirement |
/// |---|---|
/// | `elements::DTYPE` | integer extremes, NaN payloads, -0.0, subnormals and infinities survive |
/// | `refuses_dtype::DTYPE` | an unlisted dtype is an error that names it, and is never cast |
/// | `rank::N` | the shape survives |
/// | `refuses_rank::N` | an unlisted rank is an error |
/// | `layouts::DTYPE` | tensors of other layouts become the block with the same elements |
/// | `empty_arrays` | shapes with axes of size 0 survive, whichever axes they are |
/// | `axes_of_size_one` | shapes with axes of size 1 survive, whichever axes they are |
/// | `large_arrays` | large shapes survive |
/// | `bytes_at_an_offset` | blocks in unaligned memory or in a part of a buffer are converted |
/// | `block_is_unchanged` | converting a block does not change it |
/// | `tensor_outlives_block` | the tensor needs neither the block nor the converter |
/// | `block_outlives_tensor` | the block needs neither, and can move to another thread |
/// | `conversions_are_independent` | converting a block twice gives two equal, separate tensors |
/// | `several_threads` | several threads can use a converter at once |
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::conformance::ConverterSuite;
/// use lazy_chunks::{ArrayBlock, DType, NdarrayConverter};
/// use ndarray::Array2;
///
/// ConverterSuite::<Array2<f32>, _>::new(|| NdarrayConverter)
///     .with_dtypes([DType::Float32])
///     .with_ranks([2])
///     .with_layouts(|block: &ArrayBlock| {
///         let array: Array2<f32> = block.to_array().unwrap();
///         vec![("Fortran order", array.t().as_standard_layout().into_owned().reversed_axes())]
///     })
///     .run();
/// ```
pub struct ConverterSuite<T, C> {
    pub(super) make_converter: Box<dyn Fn() -> C + Send + Sync>,
    pub(super) dtypes: Vec<DType>,
    pub(super) ranks: Vec<usize>,
    pub(super) layouts: Option<Box<Layouts<T>>>,
}

pub(super) type Layouts<T> = dyn Fn(&ArrayBlock) -> Vec<(&'static str, T)> + Send + Sync;

impl<T: 'static, C: Converter<T> + Send + Sync + 'static> ConverterSuite<T, C> {
    /// Creates the suite for a converter of tensors that can hold every dtype and any number of
    /// axes.
    ///
    /// The function makes a converter for each case, which drops it.
    pub fn new(make_converter: impl Fn() -> C + Send + Sync + 'static) -> ConverterSuite<T, C> {
        ConverterSuite {
            make_converter: Box::new(make_converter),
            dtypes: DType::ALL.to_vec(),
            ranks: RANKS.collect(),
            layouts: None,
        }
    }

    /// Sets the dtypes that `T` can hold. The converter must reject all others.
    ///
    /// # Panics
    ///
    /// Panics if `dtypes` is empty.
    #[must_use]
    pub fn with_dtypes(mut self, dtypes: impl IntoIterator<Item = DType>) -> ConverterSuite<T, C> {
        self.dtypes = dtypes.into_iter().collect();
        assert!(!self.dtypes.is_empty(), "the suite needs at least one dtype");
        self
    }

    /// Sets the numbers of axes that `T` can have. The converter must reject all others.
    ///
    /// # Panics
    ///
    /// Panics if `ranks` is empty.
    #[must_use]
    pub fn with_ranks(mut self, ranks: impl IntoIterator<Item = usize>) -> ConverterSuite<T, C> {
        self.ranks = ranks.into_iter().collect();
        assert!(!self.ranks.is_empty(), "the suite needs at least one rank");
        self
    }

    /// Sets a function that makes other tensors from a block, with the same elements and shape:
    /// with other strides, transposed in memory, or parts of a larger tensor.
    ///
    /// Each tensor has a name and must be converted to exactly the block. The blocks have the
    /// listed dtypes and ranks, and no axis of size 0.
    #[must_use]
    pub fn with_layouts(
        mut self,
        layouts: impl Fn(&ArrayBlock) -> Vec<(&'static str, T)> + Send + Sync + 'static,
    ) -> ConverterSuite<T, C> {
        self.layouts = Some(Box::new(layouts));
        self
    }

    /// Returns the cases, in the order of the table.
    #[must_use]
    pub fn cases(self) -> Vec<Case> {
        let suite = Arc::new(self);
        let mut cases = Vec::new();
        for dtype in DType::ALL {
            cases.push(if suite.dtypes.contains(&dtype) {
                suite.case(format!("elements::{dtype}"), move |suite| suite.elements(dtype))
            } else {
                suite.case(format!("refuses_dtype::{dtype}"), move |suite| suite.refuses(dtype))
            });
        }
        let mut ranks: Vec<usize> = RANKS.chain(suite.ranks.iter().copied()).collect();
        ranks.sort_unstable();
        ranks.dedup();
        for rank in ranks {
            cases.push(if suite.ranks.contains(&rank) {
                suite.case(format!("rank::{rank}"), move |suite| suite.rank(rank))
            } else {
                suite.case(format!("refuses_rank::{rank}"), move |suite| suite.refuses_rank(rank))
            });
        }
        if suite.layouts.is_some() {
            for &dtype in &suite.dtypes {
                let check = move |suite: &Self| suite.other_layouts(dtype);
                cases.push(suite.case(format!("layouts::{dtype}"), check));
            }
        }
        cases.extend([
            suite.case("empty_arrays", Self::empty_arrays),
            suite.case("axes_of_size_one", Self::axes_of_size_one),
            suite.case("large_arrays", Self::large_arrays),
            suite.case("bytes_at_an_offset", Self::bytes_at_an_offset),
            suite.case("block_is_unchanged", Self::block_is_unchanged),
            suite.case("tensor_outlives_block", Self::tensor_outlives_block),
            suite.case("block_outlives_tensor", Self::block_outlives_tensor),
            suite.case("conversions_are_independent", Self::conversions_are_independent),
            suite.case("several_threads", Self::several_threads),
        ]);
        cases
    }

    /// Runs all cases.
    ///
    /// # Panics
    ///
    /// Panics if the converter fails a case. The message lists every failed case and its problem.
    #[track_caller]
    pub fn run(self) {
        run_cases(self.cases());
    }

    fn case(
        self: &Arc<Self>,
        name: impl Into<String>,
        check: impl Fn(&Self) -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Case {
        let suite = Arc::clone(self);
        Case::new(name, move || check(&suite))
    }
}

impl<T, C> fmt::Debug for ConverterSuite<T, C> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ConverterSuite")
            .field("dtypes", &self.dtypes)
            .field("ranks", &self.ranks)
            .finish_non_exhaustive()
    }
}
