//! The mapping between kinds of tensors and dtypes of blocks.

use lazy_core::DType;
use tch::{Kind, Tensor};

use crate::{Error, facts};

const COUNTERPARTS: [(Kind, DType); 12] = [
    (Kind::Bool, DType::Bool),
    (Kind::Int8, DType::Int8),
    (Kind::Int16, DType::Int16),
    (Kind::Int, DType::Int32),
    (Kind::Int64, DType::Int64),
    (Kind::Uint8, DType::UInt8),
    (Kind::Half, DType::Float16),
    (Kind::BFloat16, DType::BFloat16),
    (Kind::Float, DType::Float32),
    (Kind::Double, DType::Float64),
    (Kind::ComplexFloat, DType::Complex64),
    (Kind::ComplexDouble, DType::Complex128),
];

/// Returns the dtype of a dense tensor's elements, or an error for every other tensor.
pub(crate) fn dtype_of(tensor: &Tensor) -> Result<DType, Error> {
    if !tensor.defined() {
        return Err(Error::Undefined);
    }
    let layout = facts::layout_name(tensor);
    if layout != "strided" {
        return Err(Error::NotDense { layout });
    }
    let kind = tensor.f_kind().ok();
    let counterpart = COUNTERPARTS.into_iter().find(|(of, _)| Some(*of) == kind);
    let (_, dtype) =
        counterpart.ok_or_else(|| Error::UnsupportedKind { kind: facts::kind_name(tensor) })?;
    Ok(dtype)
}

/// Returns the kind of a dtype's elements.
pub(crate) fn kind_of(dtype: DType) -> lazy_core::Result<Kind> {
    let counterpart = COUNTERPARTS.into_iter().find(|(_, of)| *of == dtype);
    const SUPPORTED: &str = "bool, uint8, signed integers, floats and complex numbers";
    let (kind, _) = counterpart.ok_or_else(|| {
        lazy_core::Error::unsupported_dtype("a libtorch tensor", dtype, SUPPORTED)
    })?;
    Ok(kind)
}
