//! The suite for converters, run on this crate's converter and on broken ones.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use half::{bf16, f16};
use lazy_core::conformance::ConverterSuite;
use lazy_core::{ArrayBlock, Converter, DType, Element, Error, NdarrayConverter, Result};
use ndarray::{Array, ArrayD, Axis, Dimension, Ix0, Ix1, Ix2, Ix3, Ix6, IxDyn, Slice};
use num_complex::Complex;

#[test]
fn the_ndarray_converter_conforms() {
    fn every_dimension<A: Element>() {
        check::<A, Ix0>([0]);
        check::<A, Ix1>([1]);
        check::<A, Ix2>([2]);
        check::<A, Ix3>([3]);
        check::<A, Ix6>([6]);
        check::<A, IxDyn>(0..=7);
    }
    every_dimension::<bool>();
    every_dimension::<i8>();
    every_dimension::<i16>();
    every_dimension::<i32>();
    every_dimension::<i64>();
    every_dimension::<u8>();
    every_dimension::<u16>();
    every_dimension::<u32>();
    every_dimension::<u64>();
    every_dimension::<f16>();
    every_dimension::<bf16>();
    every_dimension::<f32>();
    every_dimension::<f64>();
    every_dimension::<Complex<f32>>();
    every_dimension::<Complex<f64>>();
}

/// Runs the suite for arrays of one type.
fn check<A: Element, D: Dimension + 'static>(ranks: impl IntoIterator<Item = usize>) {
    ConverterSuite::<Array<A, D>, _>::new(|| NdarrayConverter)
        .with_dtypes([A::DTYPE])
        .with_ranks(ranks)
        .with_layouts(layouts::<A, D>)
        .run();
}

/// Returns arrays with a block's elements, in every layout of ndarray.
fn layouts<A: Element, D: Dimension>(block: &ArrayBlock) -> Vec<(&'static str, Array<A, D>)> {
    let array: Array<A, D> = block.to_array().unwrap();
    let fortran = array.t().as_standard_layout().into_owned().reversed_axes();
    let mut layouts = vec![("C order", array.clone()), ("Fortran order", fortran)];
    for axis in (0..array.ndim()).map(Axis) {
        let mut reversed = array.clone();
        reversed.invert_axis(axis);
        let mut reversed = reversed.as_standard_layout().into_owned();
        reversed.invert_axis(axis);
        layouts.push(("an axis reversed", reversed));

        let mut exchanged = array.clone();
        exchanged.swap_axes(0, axis.index());
        let mut exchanged = exchanged.as_standard_layout().into_owned();
        exchanged.swap_axes(0, axis.index());
        layouts.push(("two axes exchanged", exchanged));

        layouts.push(("a slice along an axis", part(&array, |i| (i == axis.index()).into(), 1)));
        layouts.push(("every third along an axis", {
            part(&array, |i| if i == axis.index() { 2 } else { 0 }, 3)
        }));
    }
    layouts.push(("a slice along all axes", part(&array, |_| 2, 1)));
    layouts.push(("every second along all axes", part(&array, |_| 1, 2)));
    layouts
}

/// Returns the array as part of a larger one: it begins at `margin(axis)`, with a step along axes
/// with a margin.
fn part<A: Element, D: Dimension>(
    array: &Array<A, D>,
    margin: impl Fn(usize) -> usize,
    step: usize,
) -> Array<A, D> {
    let mut shape = array.raw_dim();
    for axis in 0..array.ndim() {
        if margin(axis) > 0 {
            shape[axis] = 2 * margin(axis) + step * shape[axis];
        }
    }
    let mut larger = Array::from_elem(shape, A::default());
    for axis in (0..array.ndim()).filter(|&axis| margin(axis) > 0) {
        let start = margin(axis);
        let end = start + step * array.len_of(Axis(axis));
        larger.slice_axis_inplace(Axis(axis), Slice::from(start..end).step_by(step as isize));
    }
    larger.assign(array);
    larger
}

/// A converter of `f32` arrays of any shape with one mistake.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Broken {
    /// No mistake.
    Nothing,
    /// Casts doubles.
    Casts,
    /// Reports an unsupported dtype without its name.
    NamesNoDType,
    /// Drops the payload of NaNs.
    PlainNan,
    /// Turns minus zero into zero.
    PlainZero,
    /// Returns one axis for every array.
    Flattens,
    /// Removes axes of size 1.
    Squeezes,
    /// Returns one axis for empty arrays.
    PlainEmpty,
    /// Takes elements in the order of memory.
    IgnoresStrides,
    /// Merges a fourth axis with the third one instead of returning an error.
    MergesAxes,
    /// Cuts off elements beyond a buffer.
    Truncates,
    /// Adds 1 in every conversion except the first one of a converter.
    Remembers,
    /// Panics for empty arrays.
    Panics,
}

struct BrokenConverter {
    broken: Broken,
    is_used: AtomicBool,
}

impl Converter<ArrayD<f32>> for BrokenConverter {
    fn to_array(&self, mut tensor: ArrayD<f32>) -> Result<ArrayBlock> {
        let shape = tensor.shape().to_vec();
        match self.broken {
            Broken::PlainNan => tensor.mapv_inplace(|x| if x.is_nan() { f32::NAN } else { x }),
            Broken::PlainZero => tensor.mapv_inplace(|x| if x == 0.0 { 0.0 } else { x }),
            Broken::Flattens => return ArrayBlock::from_vec([tensor.len()], dense(&tensor)),
            Broken::Squeezes => {
                let shape: Vec<usize> = shape.into_iter().filter(|&size| size != 1).collect();
                return ArrayBlock::from_vec(shape, dense(&tensor));
            }
            Broken::PlainEmpty if tensor.is_empty() => {
                return ArrayBlock::from_vec([0], Vec::<f32>::new());
            }
            Broken::IgnoresStrides => {
                let elements = tensor.as_slice_memory_order().map(<[f32]>::to_vec);
                return ArrayBlock::from_vec(shape, elements.unwrap_or_else(|| dense(&tensor)));
            }
            Broken::Truncates => tensor.iter_mut().skip(10_000).for_each(|x| *x = 0.0),
            Broken::Remembers if self.is_used.swap(true, Ordering::Relaxed) => tensor += 1.0,
            Broken::Panics => assert!(!tensor.is_empty(), "nothing to convert"),
            _ => {}
        }
        NdarrayConverter.to_array(tensor)
    }

    fn to_tensor(&self, block: &ArrayBlock) -> Result<ArrayD<f32>> {
        let n_axes = block.shape().len();
        match self.broken {
            Broken::Casts if block.dtype() == DType::Float64 => {
                return Ok(block.as_array::<f64, IxDyn>()?.mapv(|x| x as f32));
            }
            Broken::NamesNoDType if block.dtype() != DType::Float32 => {
                return Err(Error::other("this dtype is not supported"));
            }
            Broken::MergesAxes if n_axes == 4 => {}
            _ if n_axes > 3 => {
                return Err(Error::other("there are more than three axes"));
            }
            _ => {}
        }
        NdarrayConverter.to_tensor(block)
    }
}

fn dense(tensor: &ArrayD<f32>) -> Vec<f32> {
    tensor.iter().copied().collect()
}

/// Returns the cases that fail for a converter with this mistake.
fn failing(broken: Broken) -> Vec<String> {
    let converter = move || BrokenConverter { broken, is_used: AtomicBool::new(false) };
    let suite = ConverterSuite::new(converter)
        .with_dtypes([DType::Float32])
        .with_ranks(0..=3)
        .with_layouts(layouts::<f32, IxDyn>);
    let failures = suite.cases().into_iter().filter_map(|case| case.run().err());
    failures.map(|failure| failure.case).collect()
}

#[test]
fn each_mistake_is_found_by_the_case_of_its_name() {
    assert_eq!(failing(Broken::Nothing), [""; 0]);
    assert_eq!(failing(Broken::Casts), ["refuses_dtype::float64"]);
    assert_eq!(failing(Broken::PlainNan), ["elements::float32"]);
    assert_eq!(failing(Broken::PlainZero), ["elements::float32"]);
    assert_eq!(failing(Broken::PlainEmpty), ["empty_arrays"]);
    assert_eq!(failing(Broken::IgnoresStrides), ["layouts::float32"]);
    assert_eq!(failing(Broken::MergesAxes), ["refuses_rank::4"]);
    assert_eq!(failing(Broken::Truncates), ["large_arrays"]);
    assert_eq!(failing(Broken::Panics), ["empty_arrays"]);

    let unnamed = failing(Broken::NamesNoDType);
    assert_eq!(unnamed.len(), DType::ALL.len() - 1);
    assert!(unnamed.iter().all(|name| name.starts_with("refuses_dtype::")), "{unnamed:?}");

    // Several cases find each of these.
    let flattened = failing(Broken::Flattens);
    for name in ["rank::0", "rank::2", "rank::3", "layouts::float32", "empty_arrays"] {
        assert!(flattened.contains(&name.to_owned()), "{name}: {flattened:?}");
    }
    assert!(!flattened.contains(&"rank::1".to_owned()));
    let squeezed = failing(Broken::Squeezes);
    assert!(squeezed.contains(&"axes_of_size_one".to_owned()), "{squeezed:?}");
    assert!(!squeezed.contains(&"rank::3".to_owned()), "{squeezed:?}");
    let remembered = failing(Broken::Remembers);
    for name in ["conversions_are_independent", "several_threads"] {
        assert!(remembered.contains(&name.to_owned()), "{name}: {remembered:?}");
    }
}

/// The blocks of this converter lie in its arena, which is freed with the converter.
#[test]
fn the_suite_finds_blocks_that_need_their_converter() {
    struct Arena(Arc<AtomicBool>);
    struct Memory {
        bytes: Vec<u8>,
        is_freed: Arc<AtomicBool>,
    }
    impl AsRef<[u8]> for Memory {
        fn as_ref(&self) -> &[u8] {
            &self.bytes
        }
    }
    impl Drop for Arena {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    impl Drop for Memory {
        fn drop(&mut self) {
            assert!(!self.is_freed.load(Ordering::Relaxed), "freed after its arena");
        }
    }
    impl Converter<ArrayBlock> for Arena {
        fn to_array(&self, tensor: ArrayBlock) -> Result<ArrayBlock> {
            let memory = Memory { bytes: tensor.data().to_vec(), is_freed: Arc::clone(&self.0) };
            ArrayBlock::new(tensor.dtype(), tensor.shape(), Bytes::from_owner(memory))
        }

        fn to_tensor(&self, block: &ArrayBlock) -> Result<ArrayBlock> {
            Ok(block.clone())
        }
    }
    let suite = ConverterSuite::new(|| Arena(Arc::default())).with_ranks(0..=8);
    let failures: Vec<_> = suite.cases().into_iter().filter_map(|case| case.run().err()).collect();
    let [failure] = &*failures else { panic!("{failures:?}") };
    assert_eq!(failure.case, "block_outlives_tensor");
    assert_eq!(failure.problem, "panicked: freed after its arena");
}

/// All tensors of this converter are the same buffer.
#[test]
fn the_suite_finds_tensors_that_share_a_buffer() {
    type Buffer = Arc<Mutex<Option<ArrayBlock>>>;
    struct OneBuffer(Buffer);
    impl Converter<Buffer> for OneBuffer {
        fn to_array(&self, tensor: Buffer) -> Result<ArrayBlock> {
            let buffer = tensor.lock().unwrap();
            buffer.clone().ok_or(Error::other("nothing was converted"))
        }

        fn to_tensor(&self, block: &ArrayBlock) -> Result<Buffer> {
            *self.0.lock().unwrap() = Some(block.clone());
            Ok(Arc::clone(&self.0))
        }
    }
    let suite = ConverterSuite::new(|| OneBuffer(Arc::default())).with_ranks(0..=8);
    let failures = suite.cases().into_iter().filter_map(|case| case.run().err());
    let failures: Vec<_> = failures.map(|failure| failure.case).collect();
    assert!(failures.contains(&"conversions_are_independent".to_owned()), "{failures:?}");
}

#[test]
#[should_panic(expected = "1 of 31 cases failed:\n  empty_arrays: panicked: nothing to convert")]
fn the_suite_names_the_failing_cases() {
    let converter = || BrokenConverter { broken: Broken::Panics, is_used: AtomicBool::new(false) };
    ConverterSuite::new(converter).with_dtypes([DType::Float32]).with_ranks(0..=3).run();
}

#[test]
#[should_panic(expected = "layouts::float32: the function given to `with_layouts` made no tensors")]
fn the_suite_rejects_empty_layouts() {
    ConverterSuite::<ArrayD<f32>, _>::new(|| NdarrayConverter)
        .with_dtypes([DType::Float32])
        .with_ranks(0..=6)
        .with_layouts(|_| vec![])
        .run();
}
