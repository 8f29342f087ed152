//! The crate's error.

use std::borrow::Cow;

use lazy_core::Location;
use tch::{Device, TchError};

/// Why a tensor could not become a block, or blocks could not be concatenated.
///
/// Sequences return it within [`lazy_core::Error`], which names the block. The message leaves the cause to
/// [`source`](std::error::Error::source): [`lazy_core::report`] is both. What to do about it is told by
/// [`hint`](Self::hint), and is no part of a message.
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
///     "block 0 could not be converted: the tensor's layout is sparse_coo, but only dense tensors \
///      become blocks"
/// );
///
/// let sparse = Tensor::eye(3, (Kind::Float, Device::Cpu)).to_sparse_sparse_dim(2);
/// match TchConverter::new().to_array(sparse).unwrap_err() {
///     lazy_core::Error::Other(error) => {
///         let error: &lazy_tch::Error = error.downcast_ref().expect("an error of this crate");
///         assert_eq!(error.hint().as_deref(), Some("call `to_dense` on it"));
///     }
///     error => panic!("{error:?}"),
/// }
/// ```
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A tensor without a value, such as [`Tensor::new`](tch::Tensor::new) or a gradient that was never
    /// computed.
    #[error("the tensor is undefined: it was never given a value")]
    Undefined,
    /// A tensor that is not strided.
    #[error("the tensor's layout is {layout}, but only dense tensors become blocks")]
    NotDense {
        /// libtorch's name of the layout.
        layout: &'static str,
    },
    /// A tensor whose elements no dtype can hold: quantized ones, and kinds that tch does not know.
    #[error("the tensor's kind is {kind}, which no block can hold; nothing is cast")]
    UnsupportedKind {
        /// libtorch's name of the kind.
        kind: &'static str,
    },
    /// A block that is on another device than those before it.
    #[error("it is on {actual:?}, but the blocks before it are on {expected:?}")]
    DeviceMismatch {
        /// The device of the first block.
        expected: Device,
        /// The block's device.
        actual: Device,
    },
    /// libtorch refused, such as for want of memory.
    #[error("libtorch could not {operation}: {message}")]
    Libtorch {
        /// What it was asked to do.
        operation: String,
        /// The beginning of what it says, without the stack of its functions.
        message: String,
    },
    /// A block could not be concatenated with those before it.
    #[error("{at} could not be concatenated")]
    Concatenation {
        /// The block.
        at: Location,
        /// Why not.
        source: Box<Error>,
    },
}

impl Error {
    /// Returns what can be done about the error, if that is known: a clause for programmers, which may name
    /// functions. Where the error has none, that of its cause counts.
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

/// The first sentences of an exception's text, which goes on with C++ functions and addresses, or with a list
/// of all that libtorch could have done instead.
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
