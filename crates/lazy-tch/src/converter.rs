//! The converter of libtorch tensors.

use lazy_core::{ArrayBlock, Converter};
use tch::{Device, Tensor};

use crate::kind::{dtype_of, kind_of};
use crate::{Copy, memory};

/// The converter of tch's `Tensor`, between [`ArrayBlock`]s and dense tensors of any number of axes, bit
/// for bit.
///
/// **A tensor becomes a block** without a copy when it is dense, in C order and on the CPU, and nobody
/// else can reach its memory: the block then holds the tensor's own memory, and keeps it alive. Any other
/// strided tensor is copied once, whatever its strides, offset or device; views of another, expanded,
/// conjugated and negated ones too; one that the caller holds another handle to, since it could be
/// written to through that; one in memory that is not libtorch's own, such as a mapped file; and the small
/// rest of a large one ([`Copy`](enum@Copy)). A tensor on another device is moved to the CPU at once, so what
/// the device holds does not grow with the blocks that wait to be stored; what a transfer that does not block
/// is still writing is to be waited for first. The history that autograd keeps of a tensor is let go, as by
/// `detach`.
///
/// **A block becomes a tensor** by one copy, onto the device of the converter.
///
/// The kinds are bool, uint8, the signed integers, float16, bfloat16, float32, float64, complex64 and
/// complex128; nothing is cast. (Where a view negates what is in memory, as the imaginary part of a conjugated
/// tensor, libtorch computes the elements, and its negation makes signaling NaNs of the smaller floats quiet.)
///
/// # Errors
///
/// - Of a tensor: [`Error::NotDense`], [`Error::UnsupportedKind`], [`Error::Undefined`], and
///   [`lazy_core::Error::InvalidBool`] when a byte of a bool tensor is neither 0 nor 1.
/// - Of a block: [`lazy_core::Error::UnsupportedDType`] for uint16, uint32 and uint64.
/// - Of both: [`Error::Libtorch`], when the device is not there or has not enough memory.
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
/// use tch::{Device, Kind, Tensor};
///
/// let weights = Tensor::ones([3, 2], (Kind::Float, Device::Cpu));
/// let layer = |i: i64| Tensor::full([10, 3], i, (Kind::Float, Device::Cpu)).matmul(&weights);
/// let outputs = LazyChunkSequence::new(|| (0..4).map(&layer)).convert(TchConverter::new());
///
/// let array = outputs.compute(Concatenate)?;
/// assert_eq!(array.as_array::<f32>()?[[39, 1]], 9.0);
///
/// // And tensors again.
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
    /// A converter that makes tensors on the CPU, and copies [when needed](Copy::WhenNeeded).
    #[must_use]
    pub fn new() -> TchConverter {
        TchConverter { device: Device::Cpu, copy: Copy::WhenNeeded }
    }

    /// Makes tensors on another device. Blocks are made of tensors on any device all the same.
    #[must_use]
    pub fn with_device(self, device: Device) -> TchConverter {
        TchConverter { device, ..self }
    }

    /// Says when the elements of a tensor that becomes a block are copied.
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
