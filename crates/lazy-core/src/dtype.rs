//! Element types: the dynamic [`DType`] and the static [`Element`].

use std::fmt;

use half::{bf16, f16};
use num_complex::Complex;
use serde::{Deserialize, Serialize};

/// The type of an array's elements, known at run time.
///
/// The names are NumPy's and Zarr's, so `complex64` is two `f32`.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::DType;
///
/// // The memory of a block of 256 rows of 8192 elements, whose type a configuration file names.
/// let dtype = DType::from_name("bfloat16").expect("NumPy or Zarr has this name");
/// assert_eq!(256 * 8192 * dtype.size(), 4 << 20); // bytes
/// assert_eq!(dtype.to_string(), "bfloat16");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DType {
    /// A byte that is 0 or 1.
    Bool,
    /// A signed 8-bit integer.
    Int8,
    /// A signed 16-bit integer.
    Int16,
    /// A signed 32-bit integer.
    Int32,
    /// A signed 64-bit integer.
    Int64,
    /// An unsigned 8-bit integer.
    UInt8,
    /// An unsigned 16-bit integer.
    UInt16,
    /// An unsigned 32-bit integer.
    UInt32,
    /// An unsigned 64-bit integer.
    UInt64,
    /// IEEE 754 binary16.
    Float16,
    /// The upper half of a binary32.
    BFloat16,
    /// IEEE 754 binary32.
    Float32,
    /// IEEE 754 binary64.
    Float64,
    /// Two binary32: real, imaginary.
    Complex64,
    /// Two binary64: real, imaginary.
    Complex128,
}

/// Evaluates `$body` with the identifier `$A` bound to the Rust type of a [`DType`].
///
/// The identifiers after `for` restrict the types; every other one evaluates `$other`.
macro_rules! with_element {
    ($dtype:expr, $A:ident => $body:expr) => {
        with_element!(@match $dtype, $A => $body;
            (Bool bool) (Int8 i8) (Int16 i16) (Int32 i32) (Int64 i64)
            (UInt8 u8) (UInt16 u16) (UInt32 u32) (UInt64 u64)
            (Float16 half::f16) (BFloat16 half::bf16) (Float32 f32) (Float64 f64)
            (Complex64 num_complex::Complex<f32>) (Complex128 num_complex::Complex<f64>))
    };
    ($dtype:expr, real $A:ident => $body:expr, _ => $other:expr) => {
        with_element!(@match $dtype, $A => $body;
            (Bool bool) (Int8 i8) (Int16 i16) (Int32 i32) (Int64 i64)
            (UInt8 u8) (UInt16 u16) (UInt32 u32) (UInt64 u64)
            (Float16 half::f16) (BFloat16 half::bf16) (Float32 f32) (Float64 f64);
            _ => $other)
    };
    (
        @match $dtype:expr, $A:ident => $body:expr;
        $(($variant:ident $type:ty))* $(; _ => $other:expr)?
    ) => {
        match $dtype {
            $($crate::DType::$variant => {
                type $A = $type;
                $body
            })*
            $(_ => $other,)?
        }
    };
}
pub(crate) use with_element;

impl DType {
    /// The size of one element in bytes.
    #[must_use]
    pub fn size(self) -> usize {
        with_element!(self, A => size_of::<A>())
    }

    /// The alignment in bytes of the Rust type that holds one element.
    #[must_use]
    pub fn alignment(self) -> usize {
        with_element!(self, A => align_of::<A>())
    }

    /// The element type of this [`name`](DType::name), if there is one.
    #[must_use]
    pub fn from_name(name: &str) -> Option<DType> {
        DType::ALL.into_iter().find(|dtype| dtype.name() == name)
    }
}

impl fmt::Display for DType {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A Rust type that an array can hold.
///
/// The trait cannot be implemented outside this crate: its types are those that every backend can
/// store.
///
/// # Example
///
/// A function for blocks of any one type:
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{ArrayBlock, Element, Result};
///
/// /// The share of elements that are 0, or false.
/// fn sparsity<A: Element>(block: &ArrayBlock) -> Result<f64> {
///     let n_zeros = block.as_slice::<A>()?.iter().filter(|x| **x == A::default()).count();
///     Ok(n_zeros as f64 / block.n_elements() as f64)
/// }
///
/// let block = ArrayBlock::from_vec([2, 2], vec![0_u8, 3, 0, 0])?;
/// assert_eq!(sparsity::<u8>(&block)?, 0.75);
/// assert!(sparsity::<f32>(&block).is_err(), "nothing is cast");
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub trait Element:
    sealed::Sealed
    + bytemuck::NoUninit
    + bytemuck::CheckedBitPattern
    + PartialEq
    + Default
    + fmt::Debug
    + Send
    + Sync
    + 'static
{
    /// The element type at run time.
    const DTYPE: DType;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! elements {
    ($($variant:ident $name:literal $type:ty,)*) => {
        impl DType {
            /// Every element type, in the order of the variants.
            pub const ALL: [DType; 15] = [$(DType::$variant),*];

            /// The name in NumPy and Zarr, such as `float32`.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self {
                    $(DType::$variant => $name,)*
                }
            }
        }

        $(
            impl sealed::Sealed for $type {}
            impl Element for $type {
                const DTYPE: DType = DType::$variant;
            }
        )*
    };
}

elements! {
    Bool "bool" bool,
    Int8 "int8" i8,
    Int16 "int16" i16,
    Int32 "int32" i32,
    Int64 "int64" i64,
    UInt8 "uint8" u8,
    UInt16 "uint16" u16,
    UInt32 "uint32" u32,
    UInt64 "uint64" u64,
    Float16 "float16" f16,
    BFloat16 "bfloat16" bf16,
    Float32 "float32" f32,
    Float64 "float64" f64,
    Complex64 "complex64" Complex<f32>,
    Complex128 "complex128" Complex<f64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_agree_with_each_other() {
        for dtype in DType::ALL {
            assert_eq!(DType::from_name(dtype.name()), Some(dtype));
            with_element!(dtype, A => assert_eq!(A::DTYPE, dtype));
            assert_eq!(dtype.size() % dtype.alignment(), 0);
            let json = serde_json::to_string(&dtype).unwrap();
            assert_eq!(json, format!("\"{}\"", dtype.name()));
        }
        assert_eq!(DType::from_name("float8"), None);
    }
}
