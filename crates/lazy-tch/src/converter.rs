//! The converter of libtorch tensors.

use lazy_core::{ArrayBlock, Converter};
use tch::{Device, Tensor};

use crate::kind::{dtype_of, kind_of};
use crate::{Copy, memory};

/// A converter between tch's `Tensor`s and [`ArrayBlock`]s, bit for bit, for dense tensors of any
/// number of axes.
///
/// **A tensor becomes a block** without a copy if it is dense, in C order and on the CPU, and no
/// other handle can reach its memory. The block then holds the tensor's memory and keeps it alive.
/// Every other strided tensor is copied once, whatever its strides, offset or device:
///
/// - a view of another tensor, or an expanded, conjugated or negated one
/// - a tensor that the caller holds another handle to, since that handle could write to it
/// - a tensor in memory that libtorch does not own, such as a mapped file
/// - a small remainder of a large tensor ([`Copy`](enum@Copy))
///
/// A tensor on another device moves to the CPU at once, so the memory in use on the device does not
/// grow with the blocks that wait to be stored. Wait for a non-blocking transfer to finish before
/// you hand its target to the converter. The autograd history is dropped, as by `detach`.
///
/// **A block becomes a tensor** by one copy, onto the device of the converter.
///
/// The supported kinds are bool, uint8, the signed integers, float16, bfloat16, float32, float64,
/// complex64 and complex128. Nothing is cast. The bits are exact, with one exception: if a view
/// negates the elements in memory, such as the imaginary part of a conjugated tensor, libtorch
/// computes the elements, and its negation makes signaling NaNs of the smaller floats quiet.
///
/// # Errors
///
/// - For a tensor: [`Error::NotDense`], [`Error::UnsupportedKind`], [`Error::Undefined`], and
///   [`lazy_core::ErrorKind::InvalidData`] if a byte of a bool tensor is neither 0 nor 1.
/// - For a block: [`lazy_core::ErrorKind::UnsupportedDType`] if its dtype is uint16, uint32 or
///   uint64.
/// - For both: [`Error::Libtorch`] if the device is missing or has too little memory.
///
/// [`Error::NotDense`]: crate::Error::NotDense
/// [`Error::UnsupportedKind`]: crate::Error::UnsupportedKind
/// [`Error::Undefined`]: crate::Error::Undefined
/// [`Error::Libtorch`]: crate::Error::Libtorch
///
/// # Example
///
/// ```
/// use lazy_core::{Concatenate, LazyChunkSequence};
/// use lazy_tch::TchConverter;
/// use ndarray::Ix2;
/// use tch::{Device, Kind, Tensor};
///
/// let weights = Tensor::ones([3, 2], (Kind::Float, Device::Cpu));
/// let layer = |i: i64| Tensor::full([10, 3], i, (Kind::Float, Device::Cpu)).matmul(&weights);
/// let outputs = LazyChunkSequence::new(|| (0..4).map(&layer)).convert(TchConverter::new());
///
/// let array = outputs.compute(Concatenate)?;
/// assert_eq!(array.as_array::<f32, Ix2>()?[[39, 1]], 9.0);
///
/// // Convert back to tensors.
/// let tensors = outputs.to_tensors::<Tensor, _>(TchConverter::new());
/// assert_eq!(tensors.collect()?[3], layer(3));
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TchConverter {
    device: Device,
    copy: Copy,
}

impl TchConverter {
    /// Returns a converter that makes tensors on the CPU and copies [when
    /// needed](Copy::WhenNeeded).
    #[must_use]
    pub fn new() -> TchConverter {
        TchConverter { device: Device::Cpu, copy: Copy::WhenNeeded }
    }

    /// Sets the device for new tensors. Blocks can be made from tensors on any device regardless.
    #[must_use]
    pub fn with_device(self, device: Device) -> TchConverter {
        TchConverter { device, ..self }
    }

    /// Sets when to copy the elements of a tensor that becomes a block.
    #[must_use]
    pub fn with_copy(self, copy: Copy) -> TchConverter {
        TchConverter { copy, ..self }
    }
}

impl Default for TchConverter {
    fn default() -> TchConverter {
        TchConverter::new()
    }
}

impl Converter<Tensor> for TchConverter {
    fn to_array(&self, tensor: Tensor) -> lazy_core::Result<ArrayBlock> {
        let dtype = dtype_of(&tensor)?;
        let shape: Vec<usize> = tensor.size().iter().map(|&size| size as usize).collect();
        let tensor = memory::exclusive(tensor, Device::Cpu, self.copy)?;
        ArrayBlock::new(dtype, shape, memory::into_bytes(tensor)?)
    }

    fn to_tensor(&self, block: &ArrayBlock) -> lazy_core::Result<Tensor> {
        let kind = kind_of(block.dtype())?;
        Ok(memory::tensor_of(block, kind, self.device)?)
    }
}
