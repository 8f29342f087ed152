//! What every implementation of this crate's traits has to do, as named cases to run in its tests.
//!
//! A trait's signatures do not say that nothing is cast, that a NaN keeps its payload, or that a
//! transposed tensor becomes a block in C order. A suite does. It is given an implementation, and
//! names each claim that the implementation breaks:
//!
//! ```
//! use lazy_core::conformance::ConverterSuite;
//! use lazy_core::{ArrayBlock, Converter, DType, Result};
//!
//! struct Signal { samples: Vec<f32> }
//!
//! struct SignalConverter;
//!
//! impl Converter<Signal> for SignalConverter {
//!     fn to_array(&self, signal: Signal) -> Result<ArrayBlock> {
//!         ArrayBlock::from_vec([signal.samples.len()], signal.samples)
//!     }
//!
//!     fn to_tensor(&self, block: &ArrayBlock) -> Result<Signal> {
//!         Ok(Signal { samples: block.to_array::<f32, ndarray::Ix1>()?.to_vec() })
//!     }
//! }
//!
//! // In a test of your own: panics, and names every case that fails.
//! ConverterSuite::<Signal, _>::new(|| SignalConverter)
//!     .with_dtypes([DType::Float32])
//!     .with_ranks([1])
//!     .run();
//! ```
//!
//! A suite's `cases()` are the same cases one by one, for a test harness that shows each as a test of
//! its own (such as `libtest-mimic`, which takes a name and a function), or to leave one out that is
//! known to fail:
//!
//! ```
//! # use lazy_core::conformance::ConverterSuite;
//! # use lazy_core::NdarrayConverter;
//! let suite = ConverterSuite::<ndarray::Array2<u8>, _>::new(|| NdarrayConverter)
//!     .with_dtypes([lazy_core::DType::UInt8])
//!     .with_ranks([2]);
//! for case in suite.cases().iter().filter(|case| case.name() != "large_arrays") {
//!     println!("{}", case.name());
//!     case.run()?;
//! }
//! # Ok::<(), lazy_core::conformance::Failure>(())
//! ```
//!
//! [`Case`] and [`run_cases`] are what a suite is made of; a crate that has traits of its own builds
//! its suites from them as well. This module is behind the feature `conformance`, to be turned on
//! where tests need it: in `[dev-dependencies]`.

mod blocks;
mod case;
mod claims;
mod converter;

pub use case::{Case, Failure, run_cases};
pub use converter::ConverterSuite;
