//! The crate's error.

use std::borrow::Cow;

use lazy_core::BlockIndex;
use tch::{Device, TchError};

/// An error from converting a tensor to a block, or from concatenating blocks.
///
/// Sequences return it inside [`lazy_core::Error`], which names the block. The message does not
/// repeat the cause, which [`source`](std::error::Error::source) returns; [`lazy_core::report`]
/// prints both. [`hint`](Self::hint) suggests a remedy, which is not part of the message.
///
/// # Example
///
/// ```
/// use lazy_core::{Converter, LazyChunkSequence, report};
/// use lazy_tch::TchConverter;
/// use tch::{Device, Kind, Tensor};
///
/// let identities = LazyChunkSequence::new(|| {
///     (0..2).map(|_| Tensor::eye(3, (Kind::Float, Device::Cpu)).to_sparse_sparse_dim(2))
/// });
/// let error = identities.convert(TchConverter::new()).collect().unwrap_err();
/// assert_eq!(
///     report(&error),
///     "block 0 could not be converted: the tensor's layout is sparse_coo, but a block needs a \
///      dense tensor"
/// );
///
/// let sparse = Tensor::eye(3, (Kind::Float, Device::Cpu)).to_sparse_sparse_dim(2);
/// let error = TchConverter::new().to_array(sparse).unwrap_err().downcast::<lazy_tch::Error>()?;
/// assert_eq!(error.hint().as_deref(), Some("call `to_dense` on it"));
/// # Ok::<(), lazy_core::Error>(())
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor without a value, such as [`Tensor::new`](tch::Tensor::new) or a gradient that was
    /// never computed.
    #[error("the tensor is undefined: it has no value")]
    Undefined,
    /// A tensor that is not strided.
    #[error("the tensor's layout is {layout}, but a block needs a dense tensor")]
    NotDense {
        /// libtorch's name for the layout.
        layout: &'static str,
    },
    /// A tensor whose elements no dtype can hold: a quantized tensor, or a kind unknown to tch.
    #[error("no dtype can hold the tensor's kind, {kind}")]
    UnsupportedKind {
        /// libtorch's name for the kind.
        kind: &'static str,
    },
    /// A block on another device than the blocks before it.
    #[error("the block is on {actual:?}, but the blocks before it are on {expected:?}")]
    DeviceMismatch {
        /// The device of the first block.
        expected: Device,
        /// The block's device.
        actual: Device,
    },
    /// An operation of libtorch failed, for example for lack of memory.
    #[error("libtorch could not {operation}: {message}")]
    Libtorch {
        /// The operation that failed.
        operation: String,
        /// The beginning of libtorch's message, without the C++ stack.
        message: String,
    },
    /// A block could not be concatenated with the blocks before it.
    #[error("{at} could not be concatenated")]
    Concatenation {
        /// The index of the block.
        at: BlockIndex,
        /// The cause.
        source: Box<Error>,
    },
}

impl Error {
    /// Returns a remedy for the error, if there is one: a clause for programmers, which may name
    /// functions. An error without a hint of its own returns the hint of its cause.
    #[must_use]
    pub fn hint(&self) -> Option<Cow<'static, str>> {
        let hint = match self {
            Error::NotDense { layout: "nested" | "jagged" } => {
                "call `nested_to_padded_tensor` on it"
            }
            Error::NotDense {
                layout:
                    "sparse_coo" | "sparse_csr" | "sparse_csc" | "sparse_bsr" | "sparse_bsc" | "mkldnn",
            } => "call `to_dense` on it",
            Error::UnsupportedKind { .. } => {
                "call `to_kind` on it, or `dequantize` if it is quantized"
            }
            Error::Concatenation { source, .. } => return source.hint(),
            _ => return None,
        };
        Some(hint.into())
    }

    pub(crate) fn libtorch(operation: impl Into<String>) -> impl FnOnce(TchError) -> Error {
        move |error| {
            let message = match error {
                TchError::Torch(text) => beginning(&text),
                error => error.to_string(),
            };
            Error::Libtorch { operation: operation.into(), message }
        }
    }
}

/// Returns the first sentences of an exception's text. The rest is a C++ stack, or a list of all
/// operations that libtorch supports.
fn beginning(text: &str) -> String {
    const MOST_BYTES: usize = 200;
    let line = text.lines().next().unwrap_or_default().trim_end();
    let head = &line[..line.floor_char_boundary(MOST_BYTES)];
    match head.rfind(". ") {
        Some(end) if head.len() < line.len() => head[..end].to_owned(),
        _ => head.to_owned(),
    }
}

impl From<Error> for lazy_core::Error {
    fn from(error: Error) -> lazy_core::Error {
        lazy_core::Error::other(error)
    }
}
