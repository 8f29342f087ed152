//! The cast of blocks to the dtype of the array, before a sink or a statistic receives them.

use lazy_chunks::{Casting, DType};
use pyo3::prelude::*;

use crate::errors::named;

#[derive(Clone, Copy)]
pub(crate) struct Cast {
    pub(crate) dtype: DType,
    /// The casts that the user allows. By default, floats may be rounded, and integers keep their
    /// values as integers.
    pub(crate) casting: Option<Casting>,
}

impl Cast {
    pub(crate) fn casting(self) -> Casting {
        self.casting.unwrap_or(Casting::SameKind)
    }

    /// Checks that blocks of a dtype may be cast.
    pub(crate) fn check(self, py: Python<'_>, from: DType) -> PyResult<()> {
        let may_wrap = self.casting.is_none()
            && is_integer(from)
            && is_integer(self.dtype)
            && !Casting::Safe.allows(from, self.dtype);
        if !may_wrap && self.casting().allows(from, self.dtype) {
            return Ok(());
        }
        let is_of_kind = Casting::SameKind.allows(from, self.dtype);
        let casting = if is_of_kind { "same_kind" } else { "unsafe" };
        let (from, to) = (from.name(), self.dtype.name());
        let problem = if may_wrap {
            format!("elements of {from} may not fit into {to}, and would wrap")
        } else {
            format!("a cast of {from} to {to} may change values")
        };
        let message = format!("{problem}; pass casting=\"{casting}\" to allow it");
        Err(named(py, "DTypeError", message))
    }
}

fn is_integer(dtype: DType) -> bool {
    use DType::{Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64};
    matches!(dtype, Int8 | Int16 | Int32 | Int64 | UInt8 | UInt16 | UInt32 | UInt64)
}
