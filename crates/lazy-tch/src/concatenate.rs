//! Concatenation in libtorch.

use lazy_core::{
    Bands, BlockCheck, BlockIndex, Blocks, NestedSequenceAggregator, SequenceAggregator,
    SequenceSpec,
};
use tch::{Device, Tensor};

use crate::kind::{dtype_of, kind_of};
use crate::memory;
use crate::{Copy, Error};

/// Joins all tensors of a sequence into one, in libtorch: along axis 0 or, for a nested sequence,
/// along axis 1 within each band and then along axis 0.
///
/// The result is on the CPU unless [another device](Self::with_device) is set. Each block moves to
/// that device as it arrives, so the memory in use on the computing device does not grow with the
/// number of blocks. A block is copied if another handle could write to it ([`Copy::WhenNeeded`]).
/// The result is in memory together with the blocks of a sequence, or with the bands of a nested
/// sequence. The autograd history is dropped, as by `detach`.
///
/// It is [`lazy_core::Concatenate`] for tensors, except that it does not check the bytes of
/// booleans. Once blocks are converted, `Concatenate` itself can run beside other reducers in one
/// pass.
///
/// # Errors
///
/// - If blocks do not fit together in shape or dtype, the errors of reducers, with the block's
///   index: [`lazy_core::ErrorKind::DType`] or [`lazy_core::ErrorKind::Shape`]. Nothing is
///   broadcast or promoted.
/// - [`Error::Concatenation`], with the block's index, if a block is not dense, has a kind that no
///   block can hold, or is on another device than the first block.
/// - [`lazy_core::ErrorKind::Empty`] if there is no block and no declared row type, and
///   [`lazy_core::ErrorKind::UnsupportedDType`] if libtorch lacks the dtype of the declared row
///   type.
/// - [`Error::Libtorch`] if the device is missing or has too little memory.
///
/// # Example
///
/// ```
/// use lazy_core::NestedLazyChunkSequence;
/// use lazy_tch::TchConcatenate;
/// use tch::{Device, Kind, Tensor};
///
/// let sequence = NestedLazyChunkSequence::new(|| {
///     (0..3).map(|i| (0..4).map(move |j| Tensor::full([2, 5], i * j, (Kind::Float, Device::Cpu))))
/// });
/// let tensor = sequence.compute(TchConcatenate::new())?;
/// assert_eq!(tensor.size(), [6, 20]);
/// assert_eq!(tensor.double_value(&[5, 19]), 6.0);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct TchConcatenate {
    device: Device,
}

impl TchConcatenate {
    /// Returns a concatenation on the CPU.
    #[must_use]
    pub fn new() -> TchConcatenate {
        TchConcatenate { device: Device::Cpu }
    }

    /// Sets the device of the result.
    #[must_use]
    pub fn with_device(self, device: Device) -> TchConcatenate {
        TchConcatenate { device }
    }
}

impl Default for TchConcatenate {
    fn default() -> TchConcatenate {
        TchConcatenate::new()
    }
}

impl SequenceAggregator<Tensor> for TchConcatenate {
    type Output = Tensor;

    fn aggregate(self, blocks: Blocks<'_, Tensor>) -> lazy_core::Result<Tensor> {
        let spec = blocks.spec();
        let mut joined = Joined::new(self.device, spec)?;
        for block in blocks {
            joined.push(block?)?;
            joined.end_band()?;
        }
        joined.finish(spec)
    }
}

impl NestedSequenceAggregator<Tensor> for TchConcatenate {
    type Output = Tensor;

    fn aggregate_nested(self, mut bands: Bands<'_, Tensor>) -> lazy_core::Result<Tensor> {
        let spec = bands.spec();
        let mut joined = Joined::new(self.device, spec)?;
        while let Some(band) = bands.next_band()? {
            for block in band {
                joined.push(block?)?;
            }
            joined.end_band()?;
        }
        joined.finish(spec)
    }
}

/// The bands so far, and the blocks of the open band.
struct Joined<'s> {
    device: Device,
    check: BlockCheck<'s>,
    /// The device of the first block.
    source_device: Option<Device>,
    bands: Vec<Tensor>,
    open: Vec<Tensor>,
}

impl<'s> Joined<'s> {
    fn new(device: Device, spec: &'s SequenceSpec) -> lazy_core::Result<Joined<'s>> {
        Ok(Joined {
            device,
            check: BlockCheck::new(spec)?,
            source_device: None,
            bands: Vec::new(),
            open: Vec::new(),
        })
    }

    fn push(&mut self, block: Tensor) -> lazy_core::Result<()> {
        let at = self.check.next_location();
        let refused = |error| refused(at, error);
        let dtype = dtype_of(&block).map_err(refused)?;
        let shape: Vec<usize> = block.size().iter().map(|&size| size as usize).collect();
        self.check.block(dtype, &shape)?;
        let actual = block.device();
        let expected = *self.source_device.get_or_insert(actual);
        if actual != expected {
            return Err(refused(Error::DeviceMismatch { expected, actual }));
        }
        let block = memory::exclusive(block, self.device, Copy::WhenNeeded).map_err(refused)?;
        self.open.push(block);
        Ok(())
    }

    fn end_band(&mut self) -> lazy_core::Result<()> {
        self.check.end_band()?;
        let band = concatenated(std::mem::take(&mut self.open), 1)?;
        self.bands.push(band);
        Ok(())
    }

    fn finish(self, spec: &SequenceSpec) -> lazy_core::Result<Tensor> {
        if !self.bands.is_empty() {
            return Ok(concatenated(self.bands, 0)?);
        }
        let row_type = spec.row_type().ok_or_else(lazy_core::Error::empty_sequence)?;
        let kind = kind_of(row_type.dtype)?;
        let row = row_type.shape.iter().map(|&size| size as i64);
        let size: Vec<i64> = std::iter::once(0).chain(row).collect();
        let empty = Tensor::f_empty(size, (kind, self.device));
        Ok(empty.map_err(Error::libtorch("make an empty tensor"))?)
    }
}

fn refused(at: BlockIndex, error: Error) -> lazy_core::Error {
    Error::Concatenation { at, source: Box::new(error) }.into()
}

/// Joins the tensors along an axis. Returns a single tensor unchanged.
fn concatenated(mut tensors: Vec<Tensor>, axis: i64) -> Result<Tensor, Error> {
    if let [_] = tensors[..] {
        return Ok(tensors.remove(0));
    }
    Tensor::f_cat(&tensors, axis).map_err(Error::libtorch("concatenate the blocks"))
}
