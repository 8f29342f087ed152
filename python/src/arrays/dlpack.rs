//! The memory of tensors that have the methods of `DLPack`.

use dlpark::TensorRef;
use dlpark::ffi::{DLDataTypeCode as Code, DLDevice, DLDeviceType};
use lazy_chunks::DType;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;

use super::strided::Strided;

/// Returns true if the CPU reads the memory of a device.
pub(super) fn is_host(device: DLDevice) -> bool {
    matches!(
        device.device_type,
        DLDeviceType::CPU | DLDeviceType::CUDAHOST | DLDeviceType::ROCMHOST
    )
}

/// Returns the elements of a tensor. Its owner must stay alive while they are used.
pub(super) fn elements(tensor: &TensorRef<'_>) -> PyResult<Strided> {
    let invalid = |error: &dyn std::fmt::Display| PyValueError::new_err(error.to_string());
    let dtype = dtype(tensor)?;
    let strides = tensor.strides_or_compact().map_err(|error| invalid(&error))?;
    let strides = strides.iter().map(|stride| *stride as isize * dtype.size() as isize);
    let shape = tensor.shape().iter().map(|size| usize::try_from(*size));
    let shape = shape.collect::<Result<_, _>>().map_err(|error| invalid(&error))?;
    let first = tensor.data_ptr().cast::<u8>().wrapping_add(tensor.byte_offset() as usize);
    Ok(Strided { dtype, shape, strides: strides.collect(), first, is_swapped: false })
}

fn dtype(tensor: &TensorRef<'_>) -> PyResult<DType> {
    let dtype = tensor.dtype();
    Ok(match (dtype.code, dtype.bits, dtype.lanes) {
        (Code::BOOL, 8, 1) => DType::Bool,
        (Code::INT, 8, 1) => DType::Int8,
        (Code::INT, 16, 1) => DType::Int16,
        (Code::INT, 32, 1) => DType::Int32,
        (Code::INT, 64, 1) => DType::Int64,
        (Code::UINT, 8, 1) => DType::UInt8,
        (Code::UINT, 16, 1) => DType::UInt16,
        (Code::UINT, 32, 1) => DType::UInt32,
        (Code::UINT, 64, 1) => DType::UInt64,
        (Code::FLOAT, 16, 1) => DType::Float16,
        (Code::BFLOAT, 16, 1) => DType::BFloat16,
        (Code::FLOAT, 32, 1) => DType::Float32,
        (Code::FLOAT, 64, 1) => DType::Float64,
        (Code::COMPLEX, 64, 1) => DType::Complex64,
        (Code::COMPLEX, 128, 1) => DType::Complex128,
        (code, bits, lanes) => {
            return Err(PyTypeError::new_err(format!(
                "the DLPack dtype with code {}, {bits} bits and {lanes} lanes is not supported; \
                 convert the tensor to float32",
                code.0
            )));
        }
    })
}
