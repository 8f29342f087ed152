//! The statistics of the crate.
//!
//! A *row* is `array[i]`: all axes but the first. Within a row, elements are counted in C order
//! over all its axes, as in NumPy's `array[i].ravel()`. A *column* has the elements of all rows at
//! one index.

mod bound;
mod cell;
mod compactor;
mod count;
mod covariance;
mod extremum;
mod float;
mod fold;
mod histogram;
mod ignoring_nan;
mod mean_variance;
mod named_arrays;
mod norm;
mod order;
mod per_column;
mod per_row;
mod quantiles;
mod simd;
mod sketch;
mod sum;
mod summary;
mod top_k;

pub use count::Count;
pub use covariance::{Covariance, Covariances};
pub use extremum::{ArgMax, ArgMin, Extrema, Extremum, Max, Min};
pub use fold::Fold;
pub use histogram::{Histogram, HistogramCounts};
pub use ignoring_nan::IgnoringNan;
pub use mean_variance::{MeanVariance, Moments, MomentsOfMany};
pub use named_arrays::NamedArrays;
pub use norm::Norm;
pub use per_column::PerColumn;
pub use per_row::PerRow;
pub use quantiles::Quantiles;
pub use sum::Sum;
pub use summary::Summary;
pub use top_k::{BottomK, TopK};
