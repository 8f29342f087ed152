//! The setting that determines when a tensor's elements are copied.

/// Determines when [`TchConverter`](crate::TchConverter) copies the elements of a tensor that
/// becomes a block.
///
/// Tensors in libtorch share memory: a `shallow_clone` and its original, a view and its base, a
/// model's parameter and the tensors that autograd saved. All of them see a write through any one,
/// and resizing one frees the memory of all. A block is immutable, so no tensor may reach its
/// memory.
///
/// # Example
///
/// ```
/// use lazy_core::Converter;
/// use lazy_tch::{Copy, TchConverter};
/// use tch::Tensor;
///
/// // The only handle to a tensor: the block takes over its memory.
/// let tensor = Tensor::from_slice(&[1.0_f32, 2.0]);
/// let pointer = tensor.data_ptr();
/// let block = TchConverter::new().to_array(tensor)?;
/// assert_eq!(block.data().as_ptr(), pointer as *const u8);
///
/// // Another handle could still write to the memory, so it is copied.
/// let mut buffer = Tensor::from_slice(&[1.0_f32, 2.0]);
/// let block = TchConverter::new().to_array(buffer.shallow_clone())?;
/// let _ = buffer.zero_();
/// assert_eq!(block.as_slice::<f32>()?, [1.0, 2.0]);
///
/// // Without a copy, the last half of a split tensor would keep the other half in memory.
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
    /// Copies unless the tensor is dense, in C order and on the CPU, this is the only handle to it,
    /// it is the only tensor in its memory, libtorch allocated that memory, and the tensor fills at
    /// least half of it.
    ///
    /// So a slice of a tensor, or the last piece of a split tensor, does not keep alive much more
    /// than itself. Memory that libtorch does not own is copied, such as the memory of
    /// [`from_blob`](tch::Tensor::from_blob) or of a mapped file.
    #[default]
    WhenNeeded,
    /// Always copies. The block holds only the memory of its own elements.
    Always,
}
