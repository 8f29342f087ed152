//! A tensor's memory, without others who could change it.

use bytes::Bytes;
use lazy_core::ArrayBlock;
use tch::{Device, Kind, Tensor};

use crate::{Copy, Error, facts};

/// A dense tensor in C order on `device`, whose memory is reached through no other handle: the tensor
/// itself where it is one already and a copy is not asked for, else one copy.
///
/// The tensor is to be strided. What autograd knows of it is let go.
pub(crate) fn exclusive(tensor: Tensor, device: Device, copy: Copy) -> Result<Tensor, Error> {
    // This is another tensor in the same memory, one that no graph keeps; the other is let go.
    let detached = tensor.f_detach().map_err(Error::libtorch("detach the tensor"))?;
    drop(tensor);
    let is_taken_as_it_is = copy == Copy::WhenNeeded
        && detached.device() == device
        && facts::owns_memory_alone(&detached)
        && facts::memory_bytes(&detached) / 2 <= n_bytes(&detached)?
        && lies_as_it_reads(&detached)?;
    if is_taken_as_it_is { Ok(detached) } else { copied(&detached, device) }
}

/// A copy of a block as a tensor of the kind that its dtype is.
pub(crate) fn tensor_of(block: &ArrayBlock, kind: Kind, device: Device) -> Result<Tensor, Error> {
    let size: Vec<i64> = block.shape().iter().map(|&size| size as i64).collect();
    let data = block.data().as_ptr();
    // SAFETY: the block's bytes are as many elements of this kind as the shape asks for, in C order and
    // aligned, and booleans are 0 or 1. They live longer than this tensor, which is only read, and is
    // dropped here.
    let borrowed = unsafe { Tensor::f_from_blob(data, &size, &[], kind, Device::Cpu) };
    copied(&borrowed.map_err(Error::libtorch("take the block's memory"))?, device)
}

/// A copy in C order, on `device`, of the elements' bits.
fn copied(tensor: &Tensor, device: Device) -> Result<Tensor, Error> {
    let failed = || Error::libtorch("copy the tensor");
    let not_made = |error| Error::libtorch(format!("make a tensor on {device:?}"))(error);
    let kind = tensor.f_kind().map_err(failed())?;
    // Copied as booleans, bytes other than 0 and 1 would become 1, unnoticed.
    let bits = |tensor: &Tensor| match kind {
        Kind::Bool => tensor.f_view_dtype(Kind::Uint8),
        _ => Ok(tensor.shallow_clone()),
    };
    let copy = Tensor::f_empty(tensor.size(), (kind, device)).map_err(not_made)?;
    if tensor.device() == Device::Cpu && device == Device::Cpu && lies_as_it_reads(tensor)? {
        copy_bytes(tensor, &copy)?;
        return Ok(copy);
    }
    let source = bits(tensor).map_err(failed())?;
    bits(&copy).and_then(|mut target| target.f_copy_(&source)).map_err(failed())?;
    Ok(copy)
}

/// The bytes of a tensor's elements.
fn n_bytes(tensor: &Tensor) -> Result<usize, Error> {
    let kind = tensor.f_kind().map_err(Error::libtorch("tell the tensor's kind"))?;
    Ok(tensor.numel() * kind.elt_size_in_bytes())
}

/// Whether the elements lie in memory one after the other in C order, and are those that lie there: not
/// conjugated or negated ones, or zeros without any memory.
fn lies_as_it_reads(tensor: &Tensor) -> Result<bool, Error> {
    let is_deferred =
        || Ok(tensor.f_is_conj()? || tensor.f_is_neg()? || tensor.f_internal_is_zerotensor()?);
    let is_deferred = is_deferred().map_err(Error::libtorch("tell how the elements are stored"))?;
    Ok(tensor.is_contiguous() && !is_deferred)
}

/// Copies the bytes of one tensor on the CPU to another of the same kind and size, both of which lie as they
/// read.
///
/// libtorch would have them copied by several threads, which takes ten times as long where the cores are
/// at work already, on chunks for instance.
fn copy_bytes(source: &Tensor, target: &Tensor) -> Result<(), Error> {
    let n_bytes = n_bytes(source)?;
    // Without elements, the pointers may be null.
    if n_bytes > 0 {
        let (source, target) = (source.data_ptr().cast::<u8>(), target.data_ptr().cast::<u8>());
        // SAFETY: both have as many bytes from these pointers on, and they do not overlap, since nobody else
        // has the target, which has just been made.
        unsafe { std::ptr::copy_nonoverlapping(source, target, n_bytes) };
    }
    Ok(())
}

/// The bytes of what [`exclusive`] returned for the CPU, which they keep alive.
pub(crate) fn into_bytes(tensor: Tensor) -> Result<Bytes, Error> {
    let n_bytes = n_bytes(&tensor)?;
    // An empty tensor's pointer may be null.
    Ok(if n_bytes == 0 { Bytes::new() } else { Bytes::from_owner(Memory { tensor, n_bytes }) })
}

/// Lends a tensor's memory.
struct Memory {
    /// Dense, in C order, on the CPU, and reached through no other handle.
    tensor: Tensor,
    n_bytes: usize,
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        // SAFETY:
        // - The elements begin at `data_ptr`, lie one after the other, and have `n_bytes` bytes in
        //   all: the tensor is strided and contiguous, and none of them is deferred.
        // - The memory lives as long as `self.tensor`, so as long as `self`: no other handle can
        //   resize it or give it away, and this one, which never leaves this struct, is not asked to.
        // - Nobody writes to it meanwhile, for the same reason; and since libtorch's own allocator made
        //   it, it is no mapped file, none that a lazy clone shares, and none of somebody else's.
        // - Any byte is a `u8`. Those of a tensor made by `empty` are whatever C++'s allocator left there,
        //   which is to Rust like any other memory that foreign code has filled.
        unsafe { std::slice::from_raw_parts(self.tensor.data_ptr().cast::<u8>(), self.n_bytes) }
    }
}
