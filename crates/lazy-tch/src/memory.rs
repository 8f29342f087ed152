//! Exclusive access to a tensor's memory.

use bytes::Bytes;
use lazy_core::ArrayBlock;
use tch::{Device, Kind, Tensor};

use crate::{Copy, Error, facts};

/// Returns a dense tensor in C order on `device` whose memory no other handle can reach: the tensor
/// itself if it already is one and no copy was asked for, and a copy otherwise.
///
/// The tensor must be strided. Its autograd history is dropped.
pub(crate) fn exclusive(tensor: Tensor, device: Device, copy: Copy) -> Result<Tensor, Error> {
    // `detach` makes a second tensor in the same memory, which no graph keeps. The first is
    // dropped.
    let detached = tensor.f_detach().map_err(Error::libtorch("detach the tensor"))?;
    drop(tensor);
    let is_taken_as_it_is = copy == Copy::WhenNeeded
        && detached.device() == device
        && facts::owns_memory_alone(&detached)
        && facts::memory_bytes(&detached) / 2 <= n_bytes(&detached)?
        && lies_as_it_reads(&detached)?;
    if is_taken_as_it_is { Ok(detached) } else { copied(&detached, device) }
}

/// Copies a block into a tensor of the given kind, which must match the block's dtype.
pub(crate) fn tensor_of(block: &ArrayBlock, kind: Kind, device: Device) -> Result<Tensor, Error> {
    let size: Vec<i64> = block.shape().iter().map(|&size| size as i64).collect();
    let data = block.data().as_ptr();
    // SAFETY: the block holds as many elements of this kind as the shape asks for, in C order and
    // aligned, and booleans are 0 or 1. The bytes outlive this tensor, which is only read, and is
    // dropped here.
    let borrowed = unsafe { Tensor::f_from_blob(data, &size, &[], kind, Device::Cpu) };
    copied(&borrowed.map_err(Error::libtorch("take the block's memory"))?, device)
}

/// Copies the bits of the elements to `device`, in C order.
fn copied(tensor: &Tensor, device: Device) -> Result<Tensor, Error> {
    let failed = || Error::libtorch("copy the tensor");
    let not_made = |error| Error::libtorch(format!("make a tensor on {device:?}"))(error);
    let kind = tensor.f_kind().map_err(failed())?;
    // Copied as booleans, bytes other than 0 and 1 would silently become 1.
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

/// Returns the size of a tensor's elements in bytes.
fn n_bytes(tensor: &Tensor) -> Result<usize, Error> {
    let kind = tensor.f_kind().map_err(Error::libtorch("tell the tensor's kind"))?;
    Ok(tensor.numel() * kind.elt_size_in_bytes())
}

/// Returns true if the elements lie in memory one after the other in C order and have the values in
/// memory: they are not conjugated or negated, nor zeros without memory.
fn lies_as_it_reads(tensor: &Tensor) -> Result<bool, Error> {
    let is_deferred =
        || Ok(tensor.f_is_conj()? || tensor.f_is_neg()? || tensor.f_internal_is_zerotensor()?);
    let is_deferred = is_deferred().map_err(Error::libtorch("tell how the elements are stored"))?;
    Ok(tensor.is_contiguous() && !is_deferred)
}

/// Copies the bytes of a tensor on the CPU to another of the same kind and size. In both, the bytes
/// in memory must be the elements in C order.
///
/// libtorch would copy them on several threads, which takes ten times as long if the cores are
/// already busy, for example with chunks.
fn copy_bytes(source: &Tensor, target: &Tensor) -> Result<(), Error> {
    let n_bytes = n_bytes(source)?;
    // Without elements, the pointers may be null.
    if n_bytes > 0 {
        let (source, target) = (source.data_ptr().cast::<u8>(), target.data_ptr().cast::<u8>());
        // SAFETY: both have `n_bytes` bytes from these pointers on. They do not overlap: the target
        // is new, so no other handle to it exists.
        unsafe { std::ptr::copy_nonoverlapping(source, target, n_bytes) };
    }
    Ok(())
}

/// Returns the bytes of a tensor from [`exclusive`] on the CPU. The bytes keep the tensor alive.
pub(crate) fn into_bytes(tensor: Tensor) -> Result<Bytes, Error> {
    let n_bytes = n_bytes(&tensor)?;
    // An empty tensor's pointer may be null.
    Ok(if n_bytes == 0 { Bytes::new() } else { Bytes::from_owner(Memory { tensor, n_bytes }) })
}

/// An owner of bytes that exposes a tensor's memory.
struct Memory {
    /// Dense, in C order, on the CPU, and not reachable through another handle.
    tensor: Tensor,
    n_bytes: usize,
}

impl AsRef<[u8]> for Memory {
    fn as_ref(&self) -> &[u8] {
        // SAFETY:
        // - The elements begin at `data_ptr`, lie one after the other, and take `n_bytes` bytes in
        //   total: the tensor is strided and contiguous, and no element is deferred.
        // - The memory lives as long as `self.tensor`, and so as long as `self`: no other handle
        //   can resize or release it, and this handle never leaves the struct, which does neither.
        // - No other handle writes to it meanwhile, for the same reason. Since libtorch's own
        //   allocator made the memory, it is not a mapped file, not shared with a lazy clone, and
        //   not owned by another library.
        // - Any byte is a `u8`. A tensor made by `empty` contains whatever C++'s allocator left
        //   there. To Rust, this is like any other memory that foreign code has filled.
        unsafe { std::slice::from_raw_parts(self.tensor.data_ptr().cast::<u8>(), self.n_bytes) }
    }
}
