//! libtorch tensors for lazily evaluated, chunked arrays.
// The documentation continues below this attribute: rustdoc would run examples above it without the
// feature.
#![cfg(feature = "tch")]
//!
//! [`TchConverter`] converts the tensors of the crate `tch` to blocks, without a copy where that is
//! safe, and back. [`TchConcatenate`] joins a sequence of tensors into one, in libtorch.
//!
//! ```
//! use lazy_core::{LazyChunkSequence, MeanVariance};
//! use lazy_tch::{TchConcatenate, TchConverter};
//! use tch::{Device, Kind, Tensor};
//!
//! let model = Tensor::ones([3, 2], (Kind::Double, Device::Cpu));
//! // 4 batches of 10 rows: an array of shape (40, 2), computed by libtorch.
//! let outputs = LazyChunkSequence::new(|| {
//!     (0..4).map(|i| Tensor::full([10, 3], i, (Kind::Double, Device::Cpu)).matmul(&model))
//! });
//! assert_eq!(outputs.compute(TchConcatenate::new())?.size(), [40, 2]);
//! assert_eq!(outputs.convert(TchConverter::new()).compute(MeanVariance)?.mean, 4.5);
//! # Ok::<(), lazy_core::Error>(())
//! ```
//!
//! # Threads
//!
//! A `Tensor` can be sent to another thread but not shared between threads: it is `Send` but not
//! `Sync`. So a function that uses a model's tensors cannot be called on several threads. It makes
//! a [`Streamed`](lazy_core::Streamed) sequence, with [`new`](lazy_core::LazyChunkSequence::new),
//! or a [`LocalIndexed`](lazy_core::LocalIndexed) one, with
//! [`from_local_fn`](lazy_core::LazyChunkSequence::from_local_fn). The latter computes any
//! block on request, on the thread that owns the model:
//!
//! ```
//! # use tch::{Device, Kind, Tensor};
//! use lazy_core::{LazyChunkSequence, LocalIndexed};
//!
//! let model = Tensor::ones([3, 2], (Kind::Float, Device::Cpu));
//! let batch = |i| Tensor::full([10, 3], i as i64, (Kind::Float, Device::Cpu));
//! let outputs: LazyChunkSequence<'_, Tensor, LocalIndexed> =
//!     LazyChunkSequence::from_local_fn([10; 4], move |i| batch(i).matmul(&model));
//! assert_eq!(outputs.block(3)?.double_value(&[0, 0]), 9.0);
//! # Ok::<(), lazy_core::Error>(())
//! ```
//!
//! An [`Indexed`](lazy_core::Indexed) sequence, which any thread may compute, does not compile:
//!
//! ```compile_fail,E0277
//! # use tch::{Device, Kind, Tensor};
//! # use lazy_core::LazyChunkSequence;
//! let model = Tensor::ones([3, 2], (Kind::Float, Device::Cpu));
//! let batch = |i| Tensor::full([10, 3], i as i64, (Kind::Float, Device::Cpu));
//! LazyChunkSequence::from_fn([10; 4], move |i| batch(i).matmul(&model));
//! ```
//!
//! libtorch still uses its own threads within each block. A sequence that is made from blocks alone
//! can be shared: if [`to_tensors`](lazy_core::LazyChunkSequence::to_tensors) converts a stored
//! array, each tensor is made and dropped on the thread that asks for it.
//!
//! # libtorch
//!
//! The whole crate is behind the feature `tch`, so that the workspace builds on machines without
//! libtorch. The feature builds the crate `tch` 0.26, which needs libtorch 2.13.0. The build looks
//! for libtorch in the directory that the environment variable `LIBTORCH` names or, if
//! `LIBTORCH_USE_PYTORCH` is set, in Python's package `torch`. `cargo run` and `cargo test` let
//! programs find the libraries of libtorch. To start a program in another way, add their directory
//! to `LD_LIBRARY_PATH`.

mod concatenate;
mod converter;
mod copy;
mod error;
#[allow(unsafe_code, reason = "only this module calls the C++ functions")]
mod facts;
mod kind;
#[allow(unsafe_code, reason = "only this module shares memory between blocks and tensors")]
mod memory;

pub use concatenate::TchConcatenate;
pub use converter::TchConverter;
pub use copy::Copy;
pub use error::Error;
