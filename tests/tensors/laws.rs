//! Laws that hold for libtorch tensors, for every array, every cut into blocks and all storage
//! settings.

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use lazy_chunks::tch::{Copy, TchConcatenate, TchConverter};
use lazy_chunks::zarr::{MemoryStore, StoredArray, ToZarr};
use lazy_chunks::{
    ArrayBlock, BlockSizes, Concatenate, Converter, DType, LazyChunkSequence, NdarrayConverter,
    NestedLazyChunkSequence, report,
};
use lazy_tests::{Case, case};
use ndarray::Array2;
use proptest::prelude::*;
use tch::Tensor;

/// The layout in memory of the tensors that a producer makes.
#[derive(Clone, Copy, Debug)]
enum Memory {
    Dense,
    Transposed,
    /// Each tensor is a part of a larger one.
    Part,
}

impl Memory {
    fn lay_out(self, tensor: Tensor) -> Tensor {
        match self {
            Memory::Dense => tensor,
            Memory::Transposed => {
                let backwards: Vec<i64> = (0..tensor.dim() as i64).rev().collect();
                tensor.permute(&backwards).contiguous().permute(&backwards)
            }
            Memory::Part => Tensor::stack(&[&tensor.zeros_like(), &tensor], -1).select(-1, 1),
        }
    }
}

fn memory() -> impl Strategy<Value = Memory> {
    prop::sample::select(vec![Memory::Dense, Memory::Transposed, Memory::Part])
}

fn converter() -> impl Strategy<Value = TchConverter> {
    prop::sample::select(vec![Copy::WhenNeeded, Copy::Always])
        .prop_map(|copy| TchConverter::new().with_copy(copy))
}

/// Checks that aggregating tensors in libtorch, storing them, and reading tensors back give the
/// array.
macro_rules! check_sequence {
    ($case:expr, $converter:expr, $memory:expr, $sequence:expr, $stored_as_sequence:expr) => {{
        let (case, converter, memory): (&Case, TchConverter, Memory) = ($case, $converter, $memory);
        let expected = case.array();
        let tensors = $sequence.clone().to_tensors::<Tensor, _>(converter);
        let row_type = tensors.spec().row_type().cloned();
        let mut tensors = tensors.map(move |tensor| memory.lay_out(tensor));
        if let Some(row_type) = row_type {
            tensors = tensors.with_row_type(row_type.dtype, row_type.shape);
        }

        let in_libtorch = tensors.compute(TchConcatenate::new()).unwrap();
        prop_assert_eq!(&converter.to_array(in_libtorch).unwrap(), &expected);

        let store = Arc::new(MemoryStore::new());
        let blocks = tensors.convert(converter);
        prop_assert_eq!(&blocks.compute(Concatenate).unwrap(), &expected);
        blocks.to_zarr(case.sink(Arc::clone(&store))).unwrap();
        let stored = StoredArray::open(store).unwrap();
        prop_assert_eq!(&stored.read().unwrap(), &expected);

        // With another cut, as tensors again.
        let read = $stored_as_sequence(&stored).to_tensors::<Tensor, _>(converter);
        let read = read.compute(TchConcatenate::new()).unwrap();
        prop_assert_eq!(&converter.to_array(read).unwrap(), &expected);
    }};
}

macro_rules! check_kinds {
    ($case:expr, $converter:expr, $memory:expr, $sequences:expr, $stored_as_sequence:expr) => {{
        let sequences = $sequences;
        for sequence in &sequences.streamed {
            check_sequence!($case, $converter, $memory, sequence, $stored_as_sequence);
        }
        for sequence in &sequences.local {
            check_sequence!($case, $converter, $memory, sequence, $stored_as_sequence);
        }
        for sequence in &sequences.indexed {
            check_sequence!($case, $converter, $memory, sequence, $stored_as_sequence);
        }
    }};
}

fn check(case: &Case, converter: TchConverter, memory: Memory) -> Result<(), TestCaseError> {
    let computed = AtomicUsize::new(0);
    let rows = BlockSizes::uniform(case.shape()[0], 3);
    // An array without rows needs a declared row type.
    let (dtype, shape) = (case.dtype, case.shape());
    if case.columns.is_none() {
        let cut = |stored: &StoredArray| {
            stored.sequence(rows.clone()).unwrap().with_row_type(dtype, &shape[1..])
        };
        check_kinds!(case, converter, memory, case.sequences(&computed), cut);
    } else {
        // A band needs a block even if it has no columns.
        let columns = match shape[1] {
            0 => BlockSizes::from([0]),
            n_columns => BlockSizes::uniform(n_columns, 4),
        };
        let cut = |stored: &StoredArray| {
            let sequence = stored.nested_sequence(rows.clone(), columns.clone()).unwrap();
            sequence.with_row_type(dtype, &shape[1..])
        };
        check_kinds!(case, converter, memory, case.nested_sequences(&computed), cut);
    }
    Ok(())
}

/// Checks that a dtype that libtorch lacks is an error at the first block.
fn check_refusal(case: &Case, converter: TchConverter) -> Result<(), TestCaseError> {
    let computed = AtomicUsize::new(0);
    let (message, at) = if case.columns.is_none() {
        let tensors =
            case.sequences(&computed).indexed.remove(0).to_tensors::<Tensor, _>(converter);
        (report(&tensors.compute(TchConcatenate::new()).unwrap_err()), "block 0")
    } else {
        let sequence = case.nested_sequences(&computed).indexed.remove(0);
        let tensors = sequence.to_tensors::<Tensor, _>(converter);
        (report(&tensors.compute(TchConcatenate::new()).unwrap_err()), "block (0, 0)")
    };
    let expected = format!("cannot handle dtype {}", case.dtype);
    prop_assert!(message.contains(&expected), "{message}");
    prop_assert!(case.rows.is_empty() || message.starts_with(at), "{message}");
    Ok(())
}

proptest! {
    #[test]
    fn concatenating_in_libtorch_and_storing_give_the_same_array(
        case in case(), converter in converter(), memory in memory(),
    ) {
        match case.dtype {
            DType::UInt16 | DType::UInt32 | DType::UInt64 => check_refusal(&case, converter)?,
            _ => check(&case, converter, memory)?,
        }
    }
}

#[test]
fn blocks_of_tensors_equal_blocks_of_arrays() {
    let device = (tch::Kind::Double, tch::Device::Cpu);
    let in_libtorch = LazyChunkSequence::from_local_fn([2; 3], |i| {
        Tensor::arange(6, device).reshape([2, 3]) + i as i64
    });
    let in_ndarray = LazyChunkSequence::from_fn([2; 3], |i| {
        Array2::from_shape_fn((2, 3), |(row, column)| (3 * row + column + i) as f64)
    });
    let one: Vec<ArrayBlock> = in_libtorch.convert(TchConverter::new()).collect().unwrap();
    assert_eq!(one, in_ndarray.convert(NdarrayConverter).collect().unwrap());
}

/// Converting to tensors keeps the kind, so any thread can ask for any block of a stored array as a
/// tensor.
#[test]
fn several_threads_read_stored_tensors() {
    let blocks = NestedLazyChunkSequence::from_fn([2; 4], [3; 2], |i, j| {
        Array2::from_elem((2, 3), (10 * i + j) as f32)
    });
    let stored = blocks.convert(NdarrayConverter).to_zarr(Arc::new(MemoryStore::new())).unwrap();
    let tensors = stored.nested_sequence([2; 4], [3; 2]).unwrap();
    let tensors = tensors.to_tensors::<Tensor, _>(TchConverter::new());
    std::thread::scope(|scope| {
        for i in 0..4 {
            let tensors = &tensors;
            scope.spawn(move || {
                let tensor = tensors.block(i, 1).unwrap();
                assert_eq!(tensor.double_value(&[1, 2]), (10 * i + 1) as f64);
            });
        }
    });
}
