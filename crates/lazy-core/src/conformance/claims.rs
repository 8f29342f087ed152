//! The requirements on converters, and their checks.

use super::{ConverterSuite, blocks};
use crate::{ArrayBlock, BoxError, Converter, DType, report};

impl<T: 'static, C: Converter<T> + Send + Sync + 'static> ConverterSuite<T, C> {
    pub(super) fn elements(&self, dtype: DType) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        let mut blocks = self.ranks.iter().flat_map(|&rank| blocks::special(dtype, rank));
        blocks.try_for_each(|block| round_trip(&converter, &block))
    }

    pub(super) fn refuses(&self, dtype: DType) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        for &rank in &self.ranks {
            let block = blocks::filled(dtype, &blocks::shape(rank));
            let Err(error) = converter.to_tensor(&block) else {
                return Err(format!("{block:?} became a tensor, but {dtype} is not listed").into());
            };
            // A message that contains `uint8` does not name `int8`.
            let message = report(&error);
            let mut words = message.split(|c: char| !c.is_alphanumeric());
            if !words.any(|word| word == dtype.name()) {
                return Err(format!("the error does not name {dtype}: {message}").into());
            }
        }
        Ok(())
    }

    pub(super) fn rank(&self, rank: usize) -> Result<(), BoxError> {
        self.round_trips([blocks::shape(rank)])
    }

    pub(super) fn refuses_rank(&self, rank: usize) -> Result<(), BoxError> {
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

    pub(super) fn other_layouts(&self, dtype: DType) -> Result<(), BoxError> {
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

    pub(super) fn empty_arrays(&self) -> Result<(), BoxError> {
        self.round_trips(self.shapes_with_an_axis_of(0))
    }

    pub(super) fn axes_of_size_one(&self) -> Result<(), BoxError> {
        self.round_trips(self.shapes_with_an_axis_of(1))
    }

    /// Larger than a page, and of sizes that are not multiples of a power of two.
    pub(super) fn large_arrays(&self) -> Result<(), BoxError> {
        let large = |rank: usize| match rank {
            0 => vec![],
            1 => vec![31_111],
            _ => [vec![1; rank - 2], vec![53, 587]].concat(),
        };
        self.round_trips(self.ranks.iter().map(|&rank| large(rank)))
    }

    pub(super) fn bytes_at_an_offset(&self) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        self.each_block(|block| {
            // The first offset is unaligned for every dtype of several bytes, the second aligned
            // for all.
            [1, 16].into_iter().try_for_each(|offset| {
                round_trip(&converter, &blocks::at_offset(block, offset))
                    .map_err(|problem| format!("at offset {offset}: {problem}").into())
            })
        })
    }

    pub(super) fn block_is_unchanged(&self) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        self.each_block(|block| {
            let given = blocks::deep_copy(block);
            let tensor = to_tensor(&converter, &given)?;
            expect_equal(&given, block)?;
            to_array(&converter, tensor, &given)?;
            expect_equal(&given, block)
        })
    }

    pub(super) fn tensor_outlives_block(&self) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        self.each_block(|block| {
            let given = blocks::deep_copy(block);
            let tensor = to_tensor(&converter, &given)?;
            drop(given);
            overwrite_freed_memory(block);
            expect_equal(&to_array(&converter, tensor, block)?, block)
        })
    }

    pub(super) fn block_outlives_tensor(&self) -> Result<(), BoxError> {
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

    pub(super) fn conversions_are_independent(&self) -> Result<(), BoxError> {
        let converter = (self.make_converter)();
        self.each_block(|block| {
            // The same dtype and shape with other elements.
            let zeros = vec![0; block.data().len()];
            let other = ArrayBlock::new(block.dtype(), block.shape(), zeros.into())?;
            let first = to_tensor(&converter, block)?;
            let second = to_tensor(&converter, &other)?;
            let first = to_array(&converter, first, block)?;
            let second = to_array(&converter, second, &other)?;
            expect_equal(&first, block)?;
            expect_equal(&second, &other)
        })
    }

    pub(super) fn several_threads(&self) -> Result<(), BoxError> {
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

    /// Returns, for every rank, the shapes in which one axis has this size, and the one in which
    /// all have.
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

fn round_trip<T>(converter: &impl Converter<T>, block: &ArrayBlock) -> Result<(), BoxError> {
    let tensor = to_tensor(converter, block)?;
    expect_equal(&to_array(converter, tensor, block)?, block)
}

fn to_tensor<T>(converter: &impl Converter<T>, block: &ArrayBlock) -> Result<T, BoxError> {
    converter
        .to_tensor(block)
        .map_err(|error| format!("to_tensor of {block:?}: {}", report(&error)).into())
}

/// Converts a tensor that was made from `block`.
fn to_array<T>(
    converter: &impl Converter<T>,
    tensor: T,
    block: &ArrayBlock,
) -> Result<ArrayBlock, BoxError> {
    converter
        .to_array(tensor)
        .map_err(|error| format!("to_array of the tensor of {block:?}: {}", report(&error)).into())
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

/// Makes it likely that memory that was freed too early contains something else.
fn overwrite_freed_memory(block: &ArrayBlock) {
    let memory: Vec<Vec<u8>> = (0..16).map(|_| vec![0xa5; block.data().len()]).collect();
    std::hint::black_box(memory);
}
