//! NumPy arrays out of blocks.

use lazy_chunks::half::{bf16, f16};
use lazy_chunks::ndarray::{ArrayD, IxDyn};
use lazy_chunks::num_complex::Complex;
use lazy_chunks::{ArrayBlock, DType};
use numpy::{IntoPyArray, PyArray, PyArray1, PyArrayMethods};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::errors::raised;

/// Returns an array with the elements of a block, without a copy if the block owns them.
pub(crate) fn give<'py>(py: Python<'py>, block: ArrayBlock) -> PyResult<Bound<'py, PyAny>> {
    macro_rules! by_dtype {
        ($($variant:ident $element:ty),*) => {
            match block.dtype() {
                $(DType::$variant => {
                    let array: ArrayD<$element> =
                        block.into_array::<$element, IxDyn>().map_err(|error| raised(py, error))?;
                    Ok(array.into_pyarray(py).into_any())
                })*
                DType::BFloat16 => give_bfloat16(py, &block),
            }
        };
    }
    by_dtype!(
        Bool bool, Int8 i8, Int16 i16, Int32 i32, Int64 i64, UInt8 u8, UInt16 u16, UInt32 u32,
        UInt64 u64, Float16 f16, Float32 f32, Float64 f64, Complex64 Complex<f32>,
        Complex128 Complex<f64>
    )
}

/// Returns a scalar of NumPy if a block has no axes, and an array otherwise.
pub(crate) fn give_scalar<'py>(py: Python<'py>, block: ArrayBlock) -> PyResult<Bound<'py, PyAny>> {
    let is_scalar = block.shape().is_empty();
    let array = give(py, block)?;
    if is_scalar { array.get_item(()) } else { Ok(array) }
}

/// Returns an array of the dtype of the package `ml_dtypes`, since NumPy has none.
fn give_bfloat16<'py>(py: Python<'py>, block: &ArrayBlock) -> PyResult<Bound<'py, PyAny>> {
    let Ok(package) = py.import("ml_dtypes") else {
        return Err(PyTypeError::new_err(
            "NumPy has no bfloat16; install the package ml_dtypes, or store the blocks with \
             `dtype=\"float32\"`",
        ));
    };
    let shape = block.shape().to_vec();
    let elements = block.as_slice::<bf16>().map_err(|error| raised(py, error))?;
    let bits: Vec<u16> = elements.iter().map(|element| element.to_bits()).collect();
    let array = PyArray1::from_vec(py, bits).reshape(shape)?;
    array.call_method1("view", (package.getattr("bfloat16")?,))
}

/// A block that an array views.
#[pyclass(frozen, name = "_Block")]
struct Lent(ArrayBlock);

/// Returns a read-only array that views the elements of a block, without a copy.
pub(crate) fn lend<'py>(py: Python<'py>, block: ArrayBlock) -> PyResult<Bound<'py, PyAny>> {
    let read_only = |array: Bound<'py, PyAny>| -> PyResult<Bound<'py, PyAny>> {
        let write = PyDict::new(py);
        write.set_item("write", false)?;
        array.call_method("setflags", (), Some(&write))?;
        Ok(array)
    };
    if block.dtype() == DType::BFloat16 {
        return read_only(give(py, block)?);
    }
    let owner = Bound::new(py, Lent(block))?;
    macro_rules! by_dtype {
        ($($variant:ident $element:ty),*) => {
            match owner.get().0.dtype() {
                $(DType::$variant => {
                    let view = owner.get().0.as_array::<$element, IxDyn>();
                    let view = view.map_err(|error| raised(py, error))?;
                    // SAFETY: the owner keeps the block, whose memory does not move. Nothing writes to
                    // it, since the array becomes read-only below.
                    unsafe { PyArray::borrow_from_array(&view, owner.clone().into_any()) }.into_any()
                })*
                DType::BFloat16 => unreachable!("it was handled above"),
            }
        };
    }
    let array = by_dtype!(
        Bool bool, Int8 i8, Int16 i16, Int32 i32, Int64 i64, UInt8 u8, UInt16 u16, UInt32 u32,
        UInt64 u64, Float16 f16, Float32 f32, Float64 f64, Complex64 Complex<f32>,
        Complex128 Complex<f64>
    );
    read_only(array)
}
