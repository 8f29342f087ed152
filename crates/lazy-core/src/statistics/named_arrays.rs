//! Results of statistics as named arrays.

use ndarray::{Array, Array1, Dimension};

use super::{Covariances, Extrema, Extremum, HistogramCounts, Moments, MomentsOfMany};
use crate::number::Number;
use crate::{ArrayBlock, Element};

/// A result that consists of named arrays, in the form in which a sink stores it.
///
/// A single number is an array of shape `[1]`.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{ArrayBlock, LazyChunkSequence, MeanVariance, NamedArrays, NdarrayConverter};
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
/// # Ok::<(), lazy_chunks::Error>(())
/// ```
pub trait NamedArrays {
    /// The names of the arrays. The name of a single array is empty.
    const NAMES: &'static [&'static str];

    /// Returns the arrays, one for each name and in the same order. A sink stores them as members
    /// of a group, with these names.
    fn arrays(&self) -> Vec<ArrayBlock>;
}

/// Returns a block with at least one axis, which blocks require.
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
            /// A single number.
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

/// A single number.
impl NamedArrays for Number {
    const NAMES: &'static [&'static str] = &[""];

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![one_number(*self)]
    }
}

/// One array: int64 or uint64 if all numbers are integers that fit, otherwise float64.
impl<D: Dimension> NamedArrays for Array<Number, D> {
    const NAMES: &'static [&'static str] = &[""];

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![to_block(self)]
    }
}

/// A single array.
impl<A: Element, D: Dimension> NamedArrays for Array<A, D> {
    const NAMES: &'static [&'static str] = &[""];

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![block(self)]
    }
}

/// The variance is NumPy's `var`, with `ddof` 0.
impl NamedArrays for Moments {
    const NAMES: &'static [&'static str] = &["count", "mean", "variance"];

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![one(self.count), one(self.mean), one(self.variance(0))]
    }
}

/// The variances are NumPy's `var`, with `ddof` 0.
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

/// The covariance is NumPy's `cov`, with `ddof` 1.
impl NamedArrays for Covariances {
    const NAMES: &'static [&'static str] = &["count", "mean", "covariance"];

    fn arrays(&self) -> Vec<ArrayBlock> {
        vec![one(self.count), block(&self.mean), block(&self.covariance(1))]
    }
}

/// Converts numbers into an array: of int64 or uint64 if all of them are integers that fit,
/// otherwise of float64.
fn to_block<D: Dimension>(numbers: &Array<Number, D>) -> ArrayBlock {
    let all = |is: fn(&Number) -> bool| numbers.iter().all(is);
    let is_integer = !numbers.is_empty() && all(|number| number.integer().is_some());
    // The numbers of an array of unsigned integers stay unsigned.
    let is_signed = !all(|number| matches!(number, Number::Unsigned(_)));
    if is_integer && is_signed && all(|number| number.as_i64().is_some()) {
        ArrayBlock::from_array(numbers.mapv(|number| number.as_i64().unwrap_or_default()))
    } else if is_integer && all(|number| number.as_u64().is_some()) {
        ArrayBlock::from_array(numbers.mapv(|number| number.as_u64().unwrap_or_default()))
    } else {
        ArrayBlock::from_array(numbers.mapv(Number::to_f64))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, array};

    use super::*;

    #[test]
    fn arrays_of_integers_stay_integers() {
        let block = |numbers: Array1<Number>| {
            let block = to_block(&numbers);
            (block.dtype().to_string(), block.for_each_f64(|_| ()).is_ok())
        };
        let (small, large) = (Number::of_integer(-1), Number::of_integer(i128::from(u64::MAX)));
        let beyond = Number::of_integer(i128::from(u64::MAX) + 1);
        let unsigned = Number::Unsigned(1);
        for (numbers, dtype) in [
            (array![small, Number::Signed(1)], "int64"),
            (array![unsigned, unsigned], "uint64"),
            (array![Number::Signed(1), large], "uint64"),
            (array![small, large], "float64"),
            (array![beyond], "float64"),
            (array![Number::Float(1.0), Number::Signed(1)], "float64"),
            (Array1::from_vec(Vec::new()), "float64"),
        ] {
            assert_eq!(block(numbers.clone()), (dtype.to_owned(), true), "{numbers}");
        }
    }
}
