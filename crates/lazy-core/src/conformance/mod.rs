//! Test suites for implementations of this crate's traits, as named cases to run in your tests.
//!
//! The signatures of a trait do not say that elements are never cast, that a NaN keeps its payload,
//! or that a transposed tensor becomes a block in C order. A suite checks all of it for an
//! implementation, and names each case that fails:
//!
//! ```
//! # extern crate lazy_core as lazy_chunks;
//! use lazy_chunks::conformance::ConverterSuite;
//! use lazy_chunks::{ArrayBlock, Converter, DType, Result};
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
//! // In a test of your own: panics and names every case that fails.
//! ConverterSuite::<Signal, _>::new(|| SignalConverter)
//!     .with_dtypes([DType::Float32])
//!     .with_ranks([1])
//!     .run();
//! ```
//!
//! The `cases()` of a suite are the individual cases, for a test harness that shows each as a
//! separate test (such as `libtest-mimic`, which takes a name and a function), or to skip a case
//! that is known to fail:
//!
//! ```
//! # extern crate lazy_core as lazy_chunks;
//! # use lazy_chunks::conformance::ConverterSuite;
//! # use lazy_chunks::NdarrayConverter;
//! let suite = ConverterSuite::<ndarray::Array2<u8>, _>::new(|| NdarrayConverter)
//!     .with_dtypes([lazy_chunks::DType::UInt8])
//!     .with_ranks([2]);
//! for case in suite.cases().iter().filter(|case| case.name() != "large_arrays") {
//!     println!("{}", case.name());
//!     case.run()?;
//! }
//! # Ok::<(), lazy_chunks::conformance::Failure>(())
//! ```
//!
//! [`Case`] and [`run_cases`] are the parts of a suite. A crate with traits of its own can build
//! suites from them. This module requires the feature `conformance`; enable it where tests need it,
//! in `[dev-dependencies]`.

mod blocks;
mod case;
mod claims;
mod converter;

pub use case::{Case, Failure, run_cases};
pub use converter::ConverterSuite;
