//! Turning tensor types into blocks and back.

use ndarray::{Array, Dimension};

use crate::{ArrayBlock, Element, Result};

/// Turns tensors of type `T` into [`ArrayBlock`]s and back, bit for bit.
///
/// Implement it on a type of your own, which holds what the conversion needs (a device, say), for
/// the tensor type `T`. A view of the tensor's own memory is best where the layout allows
/// ([`Bytes::from_owner`](bytes::Bytes::from_owner)). A dtype without a counterpart is an error,
/// never a cast.
///
/// # Example
///
/// ```
/// use lazy_core::{ArrayBlock, Converter, LazyChunkSequence, Result};
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
/// # Ok::<(), lazy_core::Error>(())
/// ```
pub trait Converter<T> {
    /// The tensor as a block. The tensor is taken by value, so its memory can be taken over.
    ///
    /// # Errors
    ///
    /// When the tensor has no counterpart, such as
    /// [`Error::UnsupportedDType`](crate::Error::UnsupportedDType).
    fn to_array(&self, tensor: T) -> Result<ArrayBlock>;

    /// The block as a tensor.
    ///
    /// # Errors
    ///
    /// When the block has no counterpart, such as
    /// [`Error::DTypeMismatch`](crate::Error::DTypeMismatch).
    fn to_tensor(&self, block: &ArrayBlock) -> Result<T>;
}

/// The converter of ndarray's `Array<A, D>`, for every [`Element`] and every dimension.
///
/// Arrays in C order become blocks without a copy, others with one. A block becomes an array with
/// one copy, when it has `A`'s dtype and `D`'s number of axes.
///
/// # Example
///
/// ```
/// use lazy_core::{LazyChunkSequence, NdarrayConverter, report};
/// use ndarray::{Array2, array};
///
/// let blocks = LazyChunkSequence::new(|| [array![[1.0_f32, 2.0]], array![[3.0, 4.0]]])
///     .convert(NdarrayConverter);
///
/// // On the way back, the type that is asked for is to be that of the blocks.
/// let tensors: Vec<Array2<f32>> = blocks.clone().to_tensors(NdarrayConverter).collect()?;
/// assert_eq!(tensors[1], array![[3.0, 4.0]]);
///
/// let others = blocks.to_tensors::<Array2<f64>, _>(NdarrayConverter);
/// assert_eq!(
///     report(&others.collect().unwrap_err()),
///     "block 0 could not be converted: an array of dtype float32 was asked for as float64; \
///      nothing is cast"
/// );
/// # Ok::<(), lazy_core::Error>(())
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
