//! When a tensor's elements are copied.

/// When [`TchConverter`](crate::TchConverter) copies the elements of a tensor that becomes a block.
///
/// Tensors in libtorch share memory: a clone by `shallow_clone`, a view and its base, a parameter of a
/// model and what autograd saved of it. What is written through one is seen by all, and resizing one
/// frees the memory of all. A block never changes, so its memory must be out of reach.
///
/// # Example
///
/// ```
/// use lazy_core::Converter;
/// use lazy_tch::{Copy, TchConverter};
/// use tch::Tensor;
///
/// // A tensor that nobody else holds is taken as it is.
/// let tensor = Tensor::from_slice(&[1.0_f32, 2.0]);
/// let pointer = tensor.data_ptr();
/// let block = TchConverter::new().to_array(tensor)?;
/// assert_eq!(block.data().as_ptr(), pointer as *const u8);
///
/// // One that somebody else still holds is copied, since it can be written to.
/// let mut buffer = Tensor::from_slice(&[1.0_f32, 2.0]);
/// let block = TchConverter::new().to_array(buffer.shallow_clone())?;
/// let _ = buffer.zero_();
/// assert_eq!(block.as_slice::<f32>()?, [1.0, 2.0]);
///
/// // The last half of what was split would keep the other half in memory.
/// let mut halves = Tensor::from_slice(&[1.0_f32, 2.0, 3.0, 4.0]).split(2, 0);
/// let last = halves.pop().expect("there are two");
/// drop(halves);
/// let block = TchConverter::new().with_copy(Copy::Always).to_array(last)?;
/// assert_eq!(block.as_slice::<f32>()?, [3.0, 4.0]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Copy {
    /// Not when the tensor is dense, in C order and on the CPU, and this is the only handle to the only
    /// tensor in memory that libtorch has allocated, at least half of which it fills.
    ///
    /// So a slice of a tensor, or the last piece of one that was split, does not keep alive much more than
    /// itself; and memory that libtorch does not own, of [`from_blob`](tch::Tensor::from_blob) or a mapped
    /// file, is copied.
    #[default]
    WhenNeeded,
    /// Always. The block holds no more memory than its elements need.
    Always,
}
