//! The suite for converters.

use std::fmt;
use std::sync::Arc;

use super::{Case, run_cases};
use crate::{ArrayBlock, BoxError, Converter, DType};

/// The least ranks that are tried when no others are named; those not named must be refused.
const RANKS: std::ops::RangeInclusive<usize> = 0..=6;

/// What a [`Converter`] has to do: blocks become tensors and blocks again, bit for bit, and what
/// has no counterpart is refused.
///
/// Tensors are opaque to the suite, which looks at blocks alone. So it cannot see that a tensor's
/// elements are right, when they come back right all the same; tests of that are the converter's own.
///
/// | case | what is claimed |
/// |---|---|
/// | `elements::DTYPE` | integer extremes, NaN payloads, -0.0, subnormals and infinities survive |
/// | `refuses_dtype::DTYPE` | a dtype that is not listed is an error which names it, and is never cast |
/// | `rank::N` | the shape survives |
/// | `refuses_rank::N` | a rank that is not listed is an error |
/// | `layouts::DTYPE` | tensors of other layouts become the block with the same elements |
/// | `empty_arrays`, `axes_of_size_one`, `large_arrays` | such shapes survive, any axis being the odd one |
/// | `bytes_at_an_offset` | blocks of memory that was not aligned, or is part of more, are converted |
/// | `block_is_unchanged` | converting a block does not change it |
/// | `tensor_outlives_block`, `block_outlives_tensor` | neither needs the memory of what it was made of, or the converter, and blocks can go to another thread |
/// | `conversions_are_independent` | converting a block twice gives the same, and two tensors |
/// | `several_threads` | a converter can be used by several threads at once |
///
/// # Example
///
/// ```
/// use lazy_core::conformance::ConverterSuite;
/// use lazy_core::{ArrayBlock, DType, NdarrayConverter};
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
    /// The suite for a converter of tensors that can hold every dtype and any number of axes.
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

    /// Names the dtypes that `T` can hold. Every other one must be refused.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn with_dtypes(mut self, dtypes: impl IntoIterator<Item = DType>) -> ConverterSuite<T, C> {
        self.dtypes = dtypes.into_iter().collect();
        assert!(!self.dtypes.is_empty(), "a tensor type that holds no dtype cannot be tested");
        self
    }

    /// Names the numbers of axes that `T` can have. Every other one must be refused.
    ///
    /// # Panics
    ///
    /// When there is none.
    #[must_use]
    pub fn with_ranks(mut self, ranks: impl IntoIterator<Item = usize>) -> ConverterSuite<T, C> {
        self.ranks = ranks.into_iter().collect();
        assert!(!self.ranks.is_empty(), "a tensor type that has no rank cannot be tested");
        self
    }

    /// Gives a function that makes, of a block, other tensors with the same elements and shape: with
    /// other strides, transposed in memory, parts of a larger tensor.
    ///
    /// Each has a name, and must be converted to exactly the block. The blocks have the listed dtypes
    /// and ranks, and no axis of size 0.
    #[must_use]
    pub fn with_layouts(
        mut self,
        layouts: impl Fn(&ArrayBlock) -> Vec<(&'static str, T)> + Send + Sync + 'static,
    ) -> ConverterSuite<T, C> {
        self.layouts = Some(Box::new(layouts));
        self
    }

    /// The cases one by one, in the order of the table.
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
    /// When the converter breaks a claim. The message names every case that fails, and says why.
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
