//! Arrays whose elements follow from their indices, computed without the code under test.

use std::cmp::Ordering;

use bytes::Bytes;
use lazy_chunks::{ArrayBlock, DType, DynArrayView};

/// Returns the native-endian bytes of the element at a flat index. They can be any bits of the
/// dtype, including NaN payloads and negative zeros.
#[must_use]
pub fn element_bytes(dtype: DType, seed: u64, flat_index: u64) -> Vec<u8> {
    // The finalizer of SplitMix64.
    let mix = |mut x: u64| {
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    };
    let word = |i: u64| mix(seed ^ mix(2 * flat_index + i)).to_ne_bytes();
    match dtype {
        DType::Bool => vec![word(0)[0] % 2],
        // Few distinct values, so that some are equal. A quarter of them are not finite.
        DType::Float32 if word(1)[0].is_multiple_of(2) => {
            let values = [0.0, -0.0, 1.5, -2.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 3e-40];
            values[usize::from(word(1)[1] % 8)].to_ne_bytes().to_vec()
        }
        _ => [word(0), word(1)].concat()[..dtype.size()].to_vec(),
    }
}

/// Returns the box that begins at `start` and has shape `extent`, of an array of shape `shape`.
///
/// # Panics
///
/// Panics if the box does not fit into memory.
#[must_use]
pub fn elements(
    dtype: DType,
    seed: u64,
    shape: &[usize],
    start: &[usize],
    extent: &[usize],
) -> ArrayBlock {
    let mut data = Vec::new();
    for index in ndarray::indices(extent) {
        let index = ndarray::Dimension::slice(&index).to_vec();
        let flat_index = index
            .iter()
            .zip(start)
            .zip(shape)
            .fold(0, |flat_index, ((i, start), size)| flat_index * size + start + i);
        data.extend(element_bytes(dtype, seed, flat_index as u64));
    }
    ArrayBlock::new(dtype, extent, Bytes::from(data)).expect("the elements of a box")
}

/// An element of a real dtype, with NumPy's ordering.
#[derive(Clone, Copy, Debug)]
pub enum Real {
    /// An element of an integer dtype.
    Integer(i128),
    /// An element of a float dtype.
    Float(f64),
}

impl Real {
    /// Returns the nearest `f64`.
    #[must_use]
    pub fn to_f64(self) -> f64 {
        match self {
            Real::Integer(value) => value as f64,
            Real::Float(value) => value,
        }
    }

    /// Compares two elements. NaN is greater than every number.
    #[must_use]
    pub fn compare(self, other: Real) -> Ordering {
        match (self, other) {
            (Real::Integer(a), Real::Integer(b)) => a.cmp(&b),
            _ => {
                let (a, b) = (self.to_f64(), other.to_f64());
                a.partial_cmp(&b).unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
            }
        }
    }
}

/// Returns the elements of a block of a real dtype in C order, or `None` for a complex dtype.
#[must_use]
pub fn real_values(block: &ArrayBlock) -> Option<Vec<Real>> {
    macro_rules! values {
        ($view:expr, $value:expr) => {
            Some($view.iter().map(|&x| $value(x)).collect())
        };
    }
    match block.view() {
        DynArrayView::Bool(view) => values!(view, |x| Real::Integer(i128::from(x))),
        DynArrayView::Int8(view) => values!(view, |x| Real::Integer(i128::from(x))),
        DynArrayView::Int16(view) => values!(view, |x| Real::Integer(i128::from(x))),
        DynArrayView::Int32(view) => values!(view, |x| Real::Integer(i128::from(x))),
        DynArrayView::Int64(view) => values!(view, |x| Real::Integer(i128::from(x))),
        DynArrayView::UInt8(view) => values!(view, |x| Real::Integer(i128::from(x))),
        DynArrayView::UInt16(view) => values!(view, |x| Real::Integer(i128::from(x))),
        DynArrayView::UInt32(view) => values!(view, |x| Real::Integer(i128::from(x))),
        DynArrayView::UInt64(view) => values!(view, |x| Real::Integer(i128::from(x))),
        DynArrayView::Float16(view) => values!(view, |x| Real::Float(f64::from(x))),
        DynArrayView::BFloat16(view) => values!(view, |x| Real::Float(f64::from(x))),
        DynArrayView::Float32(view) => values!(view, |x| Real::Float(f64::from(x))),
        DynArrayView::Float64(view) => values!(view, Real::Float),
        DynArrayView::Complex64(_) | DynArrayView::Complex128(_) => None,
    }
}
