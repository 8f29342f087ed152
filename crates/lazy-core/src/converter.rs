//! Converters between tensors and blocks.

use ndarray::{Array, Dimension};

use crate::{ArrayBlock, Element, Result};

/// Converts tensors of type `T` into [`ArrayBlock`]s and back, bit for bit.
///
/// Implement it for your own type, which holds what the conversion needs, such as a device. If the
/// layout allows, return a view of the memory of the tensor
/// ([`Bytes::from_owner`](bytes::Bytes::from_owner)). Return an error for a dtype without a
/// counterpart; never cast.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{ArrayBlock, Converter, LazyChunkSequence, Result};
///
/// struct Signal { samples: Vec<f32> }
///
/// struct SignalConverter;
///
/// impl Converter<Signal> for SignalConverter {
///     fn to_array(&self, signal: Signal) -> Result<ArrayBlock> {
///         ArrayBlock::from_vec([signal.samples.len()], signal.samples)
///     }
///
///     fn to_tensor(&self, block: &ArrayBlock) -> Result<Signal> {
///         Ok(Signal { samples: block.as_slice::<f32>()?.to_vec() })
///     }
/// }
///
/// let signals = LazyChunkSequence::new(|| (1..4).map(|n| Signal { samples: vec![0.5; n] }));
/// let blocks = signals.convert(SignalConverter).collect()?;
/// assert_eq!(blocks[2].shape(), [3]);
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub trait Converter<T> {
    /// Converts a tensor into a block. The tensor is passed by value, so the block can take over
    /// its memory.
    ///
    /// # Errors
    ///
    /// An error if the tensor has no counterpart, such as
    /// [`ErrorKind::UnsupportedDType`](crate::ErrorKind::UnsupportedDType).
    fn to_array(&self, tensor: T) -> Result<ArrayBlock>;

    /// Converts a block into a tensor.
    ///
    /// # Errors
    ///
    /// An error if the block has no counterpart, such as
    /// [`ErrorKind::DType`](crate::ErrorKind::DType).
    fn to_tensor(&self, block: &ArrayBlock) -> Result<T>;
}

/// The converter of ndarray's `Array<A, D>`, for every [`Element`] and every dimension.
///
/// An array in C order becomes a block without a copy, any other array with one. A block becomes an
/// array with one copy, if it has the dtype of `A` and the number of axes of `D`.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, report};
/// use ndarray::{Array2, array};
///
/// let blocks = LazyChunkSequence::new(|| [array![[1.0_f32, 2.0]], array![[3.0, 4.0]]])
///     .convert(NdarrayConverter);
///
/// // The requested type must be the type of the blocks.
/// let tensors: Vec<Array2<f32>> = blocks.clone().to_tensors(NdarrayConverter).collect()?;
/// assert_eq!(tensors[1], array![[3.0, 4.0]]);
///
/// let others = blocks.to_tensors::<Array2<f64>, _>(NdarrayConverter);
/// assert_eq!(
///     report(&others.collect().unwrap_err()),
///     "block 0 could not be converted: expected dtype float64, but the array has dtype float32; \
///      arrays are not cast"
/// );
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct NdarrayConverter;

impl<A: Element, D: Dimension> Converter<Array<A, D>> for NdarrayConverter {
    fn to_array(&self, tensor: Array<A, D>) -> Result<ArrayBlock> {
        Ok(ArrayBlock::from_array(tensor))
    }

    fn to_tensor(&self, block: &ArrayBlock) -> Result<Array<A, D>> {
        block.to_array()
    }
}
