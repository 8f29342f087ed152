//! Concatenation in libtorch.

use lazy_core::{
    Bands, BlockCheck, Blocks, Declared, Location, NestedSequenceAggregator, SequenceAggregator,
};
use tch::{Device, Tensor};

use crate::kind::{dtype_of, kind_of};
use crate::memory;
use crate::{Copy, Error};

/// Joins all tensors of a sequence into one, in libtorch: along axis 0; in a nested sequence along axis
/// 1 within each band, then along axis 0.
///
/// The result is on the CPU unless [another device](Self::with_device) is named. Each block is moved there
/// as it arrives, so what the device that computes holds does not grow with their number; a block that
/// somebody else could write to is copied ([`Copy::WhenNeeded`]). The result and the blocks of a
/// sequence, or the bands of a nested one, are in memory together. Autograd's history is let go, as by
/// `detach`.
///
/// It is [`lazy_core::Concatenate`] for tensors, but that it does not look at the bytes of booleans. Of
/// converted blocks, `Concatenate` itself goes beside other reducers into one pass.
///
/// # Errors
///
/// - The errors of blocks that do not fit together in shape or dtype, with the block's index, as of
///   reducers: [`lazy_core::Error::BlockDType`] and others. Nothing is broadcast or promoted.
/// - [`Error::Concatenation`], with the block's index, when it is not dense, of a kind that no block can
///   hold, or on another device than the first.
/// - [`lazy_core::Error::EmptySequence`] when there is no block and no declared row type, and
///   [`lazy_core::Error::UnsupportedDType`] when tensors lack the dtype that it declares.
/// - [`Error::Libtorch`] when the device is not there or has not enough memory.
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
    /// Concatenation on the CPU.
    #[must_use]
    pub fn new() -> TchConcatenate {
        TchConcatenate { device: Device::Cpu }
    }

    /// Concatenates on another device.
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
        let declared = blocks.declared();
        let mut joined = Joined::new(self.device, declared)?;
        for block in blocks {
            joined.push(block?)?;
            joined.end_band()?;
        }
        joined.finish(declared)
    }
}

impl NestedSequenceAggregator<Tensor> for TchConcatenate {
    type Output = Tensor;

    fn aggregate_nested(self, mut bands: Bands<'_, Tensor>) -> lazy_core::Result<Tensor> {
        let declared = bands.declared();
        let mut joined = Joined::new(self.device, declared)?;
        while let Some(band) = bands.next_band()? {
            for block in band {
                joined.push(block?)?;
            }
            joined.end_band()?;
        }
        joined.finish(declared)
    }
}

/// The bands so far, and the blocks of the open one.
struct Joined<'d> {
    device: Device,
    check: BlockCheck<'d>,
    /// Where the first block was.
    source_device: Option<Device>,
    bands: Vec<Tensor>,
    open: Vec<Tensor>,
}

impl<'d> Joined<'d> {
    fn new(device: Device, declared: &'d Declared) -> lazy_core::Result<Joined<'d>> {
        Ok(Joined {
            device,
            check: BlockCheck::new(declared)?,
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

    fn finish(self, declared: &Declared) -> lazy_core::Result<Tensor> {
        if !self.bands.is_empty() {
            return Ok(concatenated(self.bands, 0)?);
        }
        let row_type = declared.row_type().ok_or(lazy_core::Error::EmptySequence)?;
        let kind = kind_of(row_type.dtype)?;
        let row = row_type.shape.iter().map(|&size| size as i64);
        let size: Vec<i64> = std::iter::once(0).chain(row).collect();
        let empty = Tensor::f_empty(size, (kind, self.device));
        Ok(empty.map_err(Error::libtorch("make an empty tensor"))?)
    }
}

fn refused(at: Location, error: Error) -> lazy_core::Error {
    Error::Concatenation { at, source: Box::new(error) }.into()
}

/// The tensors side by side along an axis; a single one as it is.
fn concatenated(mut tensors: Vec<Tensor>, axis: i64) -> Result<Tensor, Error> {
    if let [_] = tensors[..] {
        return Ok(tensors.remove(0));
    }
    Tensor::f_cat(&tensors, axis).map_err(Error::libtorch("concatenate the blocks"))
}
