//! The memory of NumPy arrays.

use lazy_chunks::DType;
use numpy::npyffi::flags::NPY_ARRAY_OWNDATA;
use numpy::{PyArrayDescr, PyArrayDescrMethods, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::PyTypeInfo;
use pyo3::exceptions::PyTypeError;
use pyo3::ffi::Py_REFCNT;
use pyo3::prelude::*;

use super::strided::Strided;

/// Returns the elements of an array. The array must stay alive while they are used.
pub(super) fn elements(array: &Bound<'_, PyUntypedArray>) -> PyResult<Strided> {
    let descriptor = array.dtype();
    let Some(dtype) = dtype(&descriptor)? else { return Err(unsupported(&descriptor)) };
    // SAFETY: `array` keeps the object alive that the pointer leads to.
    let first = unsafe { (*array.as_array_ptr()).fields.data };
    let is_swapped = match descriptor.byteorder() {
        b'>' => cfg!(target_endian = "little"),
        b'<' => cfg!(target_endian = "big"),
        _ => false,
    };
    Ok(Strided {
        dtype,
        shape: array.shape().to_vec(),
        strides: array.strides().to_vec(),
        first: first.cast_const().cast(),
        is_swapped,
    })
}

/// Returns true if nothing but this reference leads to an array or to its memory, so that nothing
/// can change it.
pub(super) fn is_unshared(array: &Bound<'_, PyUntypedArray>) -> bool {
    // SAFETY: the reference keeps the object alive, and the interpreter is held.
    let (n_references, fields) =
        unsafe { (Py_REFCNT(array.as_ptr()), &(*array.as_array_ptr()).fields) };
    n_references == 1
        && fields.flags & NPY_ARRAY_OWNDATA != 0
        && fields.base.is_null()
        && fields.weakreflist.is_null()
        && array.get_type().is(PyUntypedArray::type_object(array.py()))
}

fn dtype(descriptor: &Bound<'_, PyArrayDescr>) -> PyResult<Option<DType>> {
    Ok(Some(match (descriptor.kind(), descriptor.itemsize()) {
        (b'b', 1) => DType::Bool,
        (b'i', 1) => DType::Int8,
        (b'i', 2) => DType::Int16,
        (b'i', 4) => DType::Int32,
        (b'i', 8) => DType::Int64,
        (b'u', 1) => DType::UInt8,
        (b'u', 2) => DType::UInt16,
        (b'u', 4) => DType::UInt32,
        (b'u', 8) => DType::UInt64,
        (b'f', 4) => DType::Float32,
        (b'f', 8) => DType::Float64,
        (b'c', 8) => DType::Complex64,
        (b'c', 16) => DType::Complex128,
        // The package ml_dtypes has another dtype of this size.
        (_, 2) if name(descriptor)? == "bfloat16" => DType::BFloat16,
        (b'f', 2) => DType::Float16,
        _ => return Ok(None),
    }))
}

fn name(descriptor: &Bound<'_, PyArrayDescr>) -> PyResult<String> {
    descriptor.getattr("name")?.extract()
}

fn unsupported(descriptor: &Bound<'_, PyArrayDescr>) -> PyErr {
    let advice = match descriptor.kind() {
        b'M' | b'm' => "; `.view(\"int64\")` has the numbers behind the times",
        b'f' => "; `.astype(\"float64\")` rounds",
        b'c' => "; `.astype(\"complex128\")` rounds",
        b'O' => "; `.astype(\"float64\")` converts objects that are numbers",
        _ => "",
    };
    let name = name(descriptor).unwrap_or_else(|_| descriptor.to_string());
    PyTypeError::new_err(format!("the dtype {name} is not supported{advice}"))
}
