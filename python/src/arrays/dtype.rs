//! The dtypes by the names of NumPy.

use lazy_chunks::DType;
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// Returns the dtype of a name, a `numpy.dtype`, a scalar type or a `torch.dtype`.
pub(crate) fn dtype_named(dtype: &Bound<'_, PyAny>) -> PyResult<DType> {
    let name = name(dtype)?;
    DType::from_name(&name).ok_or_else(|| {
        let known: Vec<_> = DType::ALL.into_iter().map(DType::name).collect();
        let known = known.join(", ");
        PyTypeError::new_err(format!("the dtype {name} is not supported; the dtypes are {known}"))
    })
}

fn name(dtype: &Bound<'_, PyAny>) -> PyResult<String> {
    // NumPy knows no bfloat16 by itself.
    let text = dtype.str()?.to_string();
    if let Some(of_torch) = text.strip_prefix("torch.") {
        return Ok(of_torch.to_owned());
    }
    if text == "bfloat16" {
        return Ok(text);
    }
    let numpy = dtype.py().import("numpy")?;
    numpy.getattr("dtype")?.call1((dtype,))?.getattr("name")?.extract()
}
