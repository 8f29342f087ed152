//! Results of statistics as arrays with names.

use ndarray::{Array, Array1, Dimension};

use super::number::to_block;
use super::{Covariances, Extrema, Extremum, HistogramCounts, Moments, MomentsOfMany, Number};
use crate::{ArrayBlock, Element};

/// A result that is made of arrays, each with a name, as a sink stores it.
///
/// What is one number is an array of one element, of one axis.
///
/// # Example
///
/// ```
/// use lazy_core::{ArrayBlock, LazyChunkSequence, MeanVariance, NamedArrays, NdarrayConverter};
/// use ndarray::array;
///
/// fn print<T: NamedArrays>(result: &T) -> Vec<String> {
///     let line = |(name, array): (_, ArrayBlock)| format!("{name}: {}", array.view_as_text());
///     T::NAMES.iter().zip(result.arrays()).map(line).collect()
/// }
/// # trait Text { fn view_as_text(&self) -> String; }
/// # impl Text for ArrayBlock {
/// #     fn view_as_text(&self) -> String { format!("{} {:?}", self.dtype(), self.shape()) }
/// # }
///
/// let sequence = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
/// let lines = print(&sequence.compute(MeanVariance)?);
/// assert_eq!(lines, ["count: uint64 [1]", "mean: float64 [1]", "variance: float64 [1]"]);
/// # Ok::<(), lazy_core::Error>(())
/// ```
pub trait NamedArrays {
    /// The name of each array. One that is alone has an empty one.
    const NAMES: &'static [&'static str];

    /// The arrays, in the order of their names, and as many. A sink makes members of a group of them, of these names.
    fn arrays(&self) -> Vec<ArrayBlock>;
}

/// An array of at least one axis, which blocks have.
fn block<A: Element, D: Dimension>(array: &Array<A, D>) -> ArrayBlock {
    if array.ndim() == 0 {
        return ArrayBlock::from_array(array.iter().copied().collect::<Array1<A>>());
    }
    ArrayBlock::from_array(array.clone())
}

fn one<A: Element>(value: A) -> ArrayBlock {
    ArrayBlock::from_array(Array1::from_elem(1, value))
}

fn one_number(number: Number) -> ArrayBlock {
    to_block(&Array1::from_elem(1, number))
}

macro_rules! alone {
    ($($A:ty)*) => {
        $(
            /// One number.
            impl NamedArrays for $A {
                const NAMES: &'static [&'static str] = &[""];

                fn arrays(&self) -> Vec<ArrayBlock> {
                    vec![one(*self)]
                }
            }
        )*
    };
}

alone!(f64 u64);

/// One number.
impl NamedArrays for Number {
    const NAMES: &'static [&'static str] = &[""];

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![one_number(*self)]
    }
}

/// One array: of int64 or uint64 where all numbers are such integers, else of float64.
impl<D: Dimension> NamedArrays for Array<Number, D> {
    const NAMES: &'static [&'static str] = &[""];

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![to_block(self)]
    }
}

/// One array.
impl<A: Element, D: Dimension> NamedArrays for Array<A, D> {
    const NAMES: &'static [&'static str] = &[""];

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![block(self)]
    }
}

/// The variance as of NumPy's `var`, with as many degrees of freedom as elements.
impl NamedArrays for Moments {
    const NAMES: &'static [&'static str] = &["count", "mean", "variance"];

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![one(self.count), one(self.mean), one(self.variance(0))]
    }
}

/// The variances as of NumPy's `var`, with as many degrees of freedom as elements.
impl<D: Dimension> NamedArrays for MomentsOfMany<D> {
    const NAMES: &'static [&'static str] = Moments::NAMES;

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![block(&self.count), block(&self.mean), block(&self.variance(0))]
    }
}

impl NamedArrays for Extremum {
    const NAMES: &'static [&'static str] = &["value", "row", "index"];

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![one_number(self.value), one(self.row), one(self.index)]
    }
}

impl NamedArrays for Vec<Extremum> {
    const NAMES: &'static [&'static str] = &["values", "rows", "indices"];

    fn arrays(&self) -> Vec<ArrayBlock> {
        fn each<A: Element>(extrema: &[Extremum], field: impl Fn(&Extremum) -> A) -> ArrayBlock {
            ArrayBlock::from_array(extrema.iter().map(field).collect::<Array1<A>>())
        }
        let values = to_block(&self.iter().map(|one| one.value).collect::<Array1<Number>>());
        vec![values, each(self, |one| one.row), each(self, |one| one.index)]
    }
}

impl<D: Dimension> NamedArrays for Extrema<D> {
    const NAMES: &'static [&'static str] = &["values", "indices"];

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![to_block(&self.values), block(&self.indices)]
    }
}

impl NamedArrays for HistogramCounts {
    const NAMES: &'static [&'static str] = &["bins", "below", "above", "nan"];

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![block(&self.bins), one(self.below), one(self.above), one(self.nan)]
    }
}

/// The covariance as of NumPy's `cov`, with one degree of freedom less than rows.
impl NamedArrays for Covariances {
    const NAMES: &'static [&'static str] = &["count", "mean", "covariance"];

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![one(self.count), block(&self.mean), block(&self.covariance(1))]
    }
}
