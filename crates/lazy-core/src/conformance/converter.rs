//! The suite for converters.

use std::fmt;
use std::sync::Arc;

use super::{Case, blocks, run_cases};
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
    make_converter: Box<dyn Fn() -> C + Send + Sync>,
    dtypes: Vec<DType>,
    ranks: Vec<usize>,
    layouts: Option<Box<Layouts<T>>>,
}

type Layouts<T> = dyn Fn(&ArrayBlock) -> Vec<(&'static str, T)> + Send + Sync;

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

    fn elements(&self, dtype: DType) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        let mut blocks = self.ranks.iter().flat_map(|&rank| blocks::special(dtype, rank));
        blocks.try_for_each(|block| round_trip(&converter, &block))
    }

    fn refuses(&self, dtype: DType) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        for &rank in &self.ranks {
            let block = blocks::filled(dtype, &blocks::shape(rank));
            let Err(error) = converter.to_tensor(&block) else {
                return Err(format!("{block:?} became a tensor, but {dtype} is not listed").into());
            };
            // `uint8` does not name `int8`.
            let message = error.to_string();
            let mut words = message.split(|c: char| !c.is_alphanumeric());
            if !words.any(|word| word == dtype.name()) {
                return Err(format!("the error does not name {dtype}: {message}").into());
            }
        }
        Ok(())
    }

    fn rank(&self, rank: usize) -> Result<(), BoxError> {
        self.round_trips([blocks::shape(rank)])
    }

    fn refuses_rank(&self, rank: usize) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        for &dtype in &self.dtypes {
            let block = blocks::filled(dtype, &blocks::shape(rank));
            if converter.to_tensor(&block).is_ok() {
                return Err(
                    format!("{block:?} became a tensor, but {rank} axes are not listed").into()
                );
            }
        }
        Ok(())
    }

    fn other_layouts(&self, dtype: DType) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        let Some(layouts) = &self.layouts else { return Ok(()) };
        let mut n_tensors = 0;
        for &rank in &self.ranks {
            let block = blocks::filled(dtype, &blocks::shape(rank));
            for (name, tensor) in layouts(&block) {
                n_tensors += 1;
                to_array(&converter, tensor, &block)
                    .and_then(|array| expect_equal(&array, &block))
                    .map_err(|problem| format!("layout {name:?}: {problem}"))?;
            }
        }
        if n_tensors == 0 {
            return Err("the function given to `with_layouts` made no tensors".into());
        }
        Ok(())
    }

    fn empty_arrays(&self) -> Result<(), BoxError> {
        self.round_trips(self.shapes_with_an_axis_of(0))
    }

    fn axes_of_size_one(&self) -> Result<(), BoxError> {
        self.round_trips(self.shapes_with_an_axis_of(1))
    }

    /// Larger than a page, and of sizes that no power of two divides.
    fn large_arrays(&self) -> Result<(), BoxError> {
        let large = |rank: usize| match rank {
            0 => vec![],
            1 => vec![31_111],
            _ => [vec![1; rank - 2], vec![53, 587]].concat(),
        };
        self.round_trips(self.ranks.iter().map(|&rank| large(rank)))
    }

    fn bytes_at_an_offset(&self) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        self.each_block(|block| {
            // Aligned for no dtype of several bytes, and for each.
            [1, 16].into_iter().try_for_each(|offset| {
                round_trip(&converter, &blocks::at_offset(block, offset))
                    .map_err(|problem| format!("at offset {offset}: {problem}").into())
            })
        })
    }

    fn block_is_unchanged(&self) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        self.each_block(|block| {
            let given = blocks::deep_copy(block);
            let tensor = to_tensor(&converter, &given)?;
            expect_equal(&given, block)?;
            to_array(&converter, tensor, &given)?;
            expect_equal(&given, block)
        })
    }

    fn tensor_outlives_block(&self) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        self.each_block(|block| {
            let given = blocks::deep_copy(block);
            let tensor = to_tensor(&converter, &given)?;
            drop(given);
            overwrite_freed_memory(block);
            expect_equal(&to_array(&converter, tensor, block)?, block)
        })
    }

    fn block_outlives_tensor(&self) -> Result<(), BoxError> {
        self.each_block(|block| {
            let converter = (self.make_converter)();
            let tensor = to_tensor(&converter, &blocks::deep_copy(block))?;
            let array = to_array(&converter, tensor, block)?;
            drop(converter);
            let clone = array.clone();
            let expected = block.clone();
            let on_another_thread = std::thread::spawn(move || {
                overwrite_freed_memory(&expected);
                expect_equal(&clone, &expected)
            });
            on_another_thread.join().map_err(|_| "comparing the block panicked")??;
            expect_equal(&array, block)
        })
    }

    fn conversions_are_independent(&self) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        self.each_block(|block| {
            let first = to_tensor(&converter, block)?;
            let second = to_tensor(&converter, block)?;
            let first = to_array(&converter, first, block)?;
            let second = to_array(&converter, second, block)?;
            expect_equal(&first, block)?;
            expect_equal(&second, block)
        })
    }

    fn several_threads(&self) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        let check = || self.each_block(|block| round_trip(&converter, block));
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..4).map(|_| scope.spawn(check)).collect();
            threads
                .into_iter()
                .try_for_each(|thread| thread.join().map_err(|_| "a thread panicked")?)
        })
    }

    fn each_block(
        &self,
        check: impl Fn(&ArrayBlock) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        self.each_block_of(self.ranks.iter().map(|&rank| blocks::shape(rank)), check)
    }

    fn each_block_of(
        &self,
        shapes: impl IntoIterator<Item = Vec<usize>>,
        check: impl Fn(&ArrayBlock) -> Result<(), BoxError>,
    ) -> Result<(), BoxError> {
        for shape in shapes {
            self.dtypes.iter().try_for_each(|&dtype| check(&blocks::filled(dtype, &shape)))?;
        }
        Ok(())
    }

    fn round_trips(&self, shapes: impl IntoIterator<Item = Vec<usize>>) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        self.each_block_of(shapes, |block| round_trip(&converter, block))
    }

    /// For every rank, the shapes in which one axis has this size, and the one in which all have.
    fn shapes_with_an_axis_of(&self, size: usize) -> Vec<Vec<usize>> {
        let mut shapes = Vec::new();
        for &rank in &self.ranks {
            for axis in 0..rank {
                let mut shape = blocks::shape(rank);
                shape[axis] = size;
                shapes.push(shape);
            }
            if rank > 1 {
                shapes.push(vec![size; rank]);
            }
        }
        shapes
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

fn round_trip<T>(converter: &impl Converter<T>, block: &ArrayBlock) -> Result<(), BoxError> {
    let tensor = to_tensor(converter, block)?;
    expect_equal(&to_array(converter, tensor, block)?, block)
}

fn to_tensor<T>(converter: &impl Converter<T>, block: &ArrayBlock) -> Result<T, BoxError> {
    converter.to_tensor(block).map_err(|error| format!("to_tensor of {block:?}: {error}").into())
}

/// `block` is what the tensor was made of.
fn to_array<T>(
    converter: &impl Converter<T>,
    tensor: T,
    block: &ArrayBlock,
) -> Result<ArrayBlock, BoxError> {
    converter
        .to_array(tensor)
        .map_err(|error| format!("to_array of the tensor of {block:?}: {error}").into())
}

fn expect_equal(actual: &ArrayBlock, expected: &ArrayBlock) -> Result<(), BoxError> {
    if actual == expected {
        return Ok(());
    }
    if (actual.dtype(), actual.shape()) != (expected.dtype(), expected.shape()) {
        return Err(format!("{expected:?} became {actual:?}").into());
    }
    let size = expected.dtype().size();
    let pairs = actual.data().chunks(size).zip(expected.data().chunks(size));
    for (i, (actual, expected_bytes)) in pairs.enumerate() {
        if actual != expected_bytes {
            return Err(format!(
                "the bytes of element {i} of {expected:?} (in C order, from 0) became \
                 {actual:02x?}, but they must be {expected_bytes:02x?}"
            )
            .into());
        }
    }
    Err(format!("{expected:?} became another block").into())
}

/// Makes it likely that memory which was freed too early holds something else.
fn overwrite_freed_memory(block: &ArrayBlock) {
    let memory: Vec<Vec<u8>> = (0..16).map(|_| vec![0xa5; block.data().len()]).collect();
    std::hint::black_box(memory);
}
