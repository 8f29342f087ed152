//! libtorch tensors for lazily evaluated, chunked arrays.
// The examples stand below it: those above would be tested without the feature as well.
#![cfg(feature = "tch")]
//!
//! [`TchConverter`] turns the tensors of the crate `tch` into blocks, without a copy where that is safe,
//! and back; [`TchConcatenate`] joins a sequence of tensors into one, in libtorch.
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
//! A `Tensor` can be sent to another thread, but not shared with it: it is `Send`, not `Sync`. So a
//! function that uses the tensors of a model cannot be called on several threads, and what it makes is
//! a [`Streamed`](lazy_core::Streamed) sequence, by [`new`](lazy_core::LazyChunkSequence::new), or an
//! [`Indexed`](lazy_core::Indexed) one, by
//! [`from_local_fn`](lazy_core::LazyChunkSequence::from_local_fn), any of whose blocks is to be had on the
//! thread that owns it:
//!
//! ```
//! # use tch::{Device, Kind, Tensor};
//! use lazy_core::{Indexed, LazyChunkSequence};
//!
//! let model = Tensor::ones([3, 2], (Kind::Float, Device::Cpu));
//! let batch = |i| Tensor::full([10, 3], i as i64, (Kind::Float, Device::Cpu));
//! let outputs: LazyChunkSequence<'_, Tensor, Indexed> =
//!     LazyChunkSequence::from_local_fn([10; 4], move |i| batch(i).matmul(&model));
//! assert_eq!(outputs.block(3)?.double_value(&[0, 0]), 9.0);
//! # Ok::<(), lazy_core::Error>(())
//! ```
//!
//! A [`SharedIndexed`](lazy_core::SharedIndexed) sequence of it does not compile:
//!
//! ```compile_fail,E0277
//! # use tch::{Device, Kind, Tensor};
//! # use lazy_core::LazyChunkSequence;
//! let model = Tensor::ones([3, 2], (Kind::Float, Device::Cpu));
//! let batch = |i| Tensor::full([10, 3], i as i64, (Kind::Float, Device::Cpu));
//! LazyChunkSequence::from_fn([10; 4], move |i| batch(i).matmul(&model));
//! ```
//!
//! libtorch's own threads are at work within each block all the same. What is made of blocks alone is
//! shared: the tensors that [`to_tensors`](lazy_core::LazyChunkSequence::to_tensors) makes of a stored array
//! are each made, and dropped, on the thread that asks for them.
//!
//! # libtorch
//!
//! Everything is behind the feature `tch`, so that the workspace builds on machines without libtorch; with
//! it the crate `tch` 0.26 is built, which wants libtorch 2.13.0. It looks for that where the environment
//! variable `LIBTORCH` says, or, where `LIBTORCH_USE_PYTORCH` is set, in Python's package `torch`.
//! `cargo run` and `cargo test` let programs find its libraries; for one that is started otherwise, their
//! directory is to be in `LD_LIBRARY_PATH`.

mod concatenate;
mod converter;
mod copy;
mod error;
#[allow(unsafe_code, reason = "the C++ functions are called here alone")]
mod facts;
mod kind;
#[allow(unsafe_code, reason = "memory is shared between blocks and tensors here alone")]
mod memory;

pub use concatenate::TchConcatenate;
pub use converter::TchConverter;
pub use copy::Copy;
pub use error::Error;
