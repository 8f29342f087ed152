//! The fill value of an array.

use half::{bf16, f16};
use lazy_core::{ArrayBlock, DType, Element};

/// An element that fills the part of a chunk outside of the array.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FillElement {
    pub(crate) dtype: DType,
    /// The element's native-endian bytes.
    pub(crate) bytes: Vec<u8>,
}

impl FillElement {
    pub(crate) fn new<A: Element>(value: A) -> FillElement {
        let block = ArrayBlock::from_vec([1], vec![value]).expect("one element");
        FillElement { dtype: A::DTYPE, bytes: block.data().to_vec() }
    }

    /// Returns NaN for floats, NaN in both parts for complex numbers, and 0 for other dtypes.
    pub(crate) fn default_of(dtype: DType) -> FillElement {
        let parts =
            |bytes: &[u8]| FillElement { dtype, bytes: bytes.repeat(dtype.size() / bytes.len()) };
        match dtype {
            DType::Float16 => parts(&f16::from_bits(0x7e00).to_ne_bytes()),
            DType::BFloat16 => parts(&bf16::from_bits(0x7fc0).to_ne_bytes()),
            DType::Float32 | DType::Complex64 => parts(&f32::from_bits(0x7fc0_0000).to_ne_bytes()),
            DType::Float64 | DType::Complex128 => {
                parts(&f64::from_bits(0x7ff8_0000_0000_0000).to_ne_bytes())
            }
            _ => parts(&[0]),
        }
    }
}
