//! Results of statistics as named arrays.

use ndarray::{Array, Array1, Dimension};

use super::{Covariances, Extrema, Extremum, HistogramCounts, Moments, MomentsOfMany};
use crate::casting::{Kind, kind};
use crate::number::Number;
use crate::{ArrayBlock, DType, Element};

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

    /// Returns the arrays of the result for an array of this dtype, like [`arrays`](Self::arrays).
    ///
    /// [Numbers](Number) have the dtype int64 for signed integers, uint64 for unsigned integers and
    /// bool, and float64 for floats, whatever their values are, and even if there are none. There
    /// are two exceptions: sums that do not fit, which are uint64 or float64 together with all
    /// others, and quantiles of no elements, which are NaN.
    ///
    /// # Example
    ///
    /// ```
    /// # extern crate lazy_core as lazy_chunks;
    /// use lazy_chunks::{DType, NamedArrays, Number};
    /// use ndarray::Array1;
    ///
    /// let extremes = Array1::<Number>::from_vec(Vec::new());
    /// assert_eq!(extremes.arrays()[0].dtype(), DType::Float64);
    /// assert_eq!(extremes.arrays_for(Some(DType::UInt8))[0].dtype(), DType::UInt64);
    /// ```
    fn arrays_for(&self, dtype: Option<DType>) -> Vec<ArrayBlock> {
        let _ = dtype;
        self.arrays()
    }
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

fn one_number(number: Number, dtype: Option<DType>) -> ArrayBlock {
    to_block(&Array1::from_elem(1, number), dtype)
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
        self.arrays_for(None)
    }

    fn arrays_for(&self, dtype: Option<DType>) -> Vec<ArrayBlock> {
        vec![one_number(*self, dtype)]
    }
}

/// One array. If the dtype of the elements is unknown, it is int64 or uint64 if all numbers are
/// integers that fit, otherwise float64.
impl<D: Dimension> NamedArrays for Array<Number, D> {
    const NAMES: &'static [&'static str] = &[""];

    fn arrays(&self) -> Vec<ArrayBlock> {
        self.arrays_for(None)
    }

    fn arrays_for(&self, dtype: Option<DType>) -> Vec<ArrayBlock> {
        vec![to_block(self, dtype)]
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
        self.arrays_for(None)
    }

    fn arrays_for(&self, dtype: Option<DType>) -> Vec<ArrayBlock> {
        vec![one_number(self.value, dtype), one(self.row), one(self.index)]
    }
}

impl NamedArrays for Vec<Extremum> {
    const NAMES: &'static [&'static str] = &["values", "rows", "indices"];

    fn arrays(&self) -> Vec<ArrayBlock> {
        self.arrays_for(None)
    }

    fn arrays_for(&self, dtype: Option<DType>) -> Vec<ArrayBlock> {
        fn each<A: Element>(extrema: &[Extremum], field: impl Fn(&Extremum) -> A) -> ArrayBlock {
            ArrayBlock::from_array(extrema.iter().map(field).collect::<Array1<A>>())
        }
        let values = self.iter().map(|one| one.value).collect::<Array1<Number>>();
        let values = to_block(&values, dtype);
        vec![values, each(self, |one| one.row), each(self, |one| one.index)]
    }
}

impl<D: Dimension> NamedArrays for Extrema<D> {
    const NAMES: &'static [&'static str] = &["values", "indices"];

    fn arrays(&self) -> Vec<ArrayBlock> {
        self.arrays_for(None)
    }

    fn arrays_for(&self, dtype: Option<DType>) -> Vec<ArrayBlock> {
        vec![to_block(&self.values, dtype), block(&self.indices)]
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

/// Converts numbers into an array: of int64 for signed integers and of uint64 for unsigned
/// integers, if all numbers fit, and otherwise of float64. `dtype` is the dtype of the elements, if
/// known.
fn to_block<D: Dimension>(numbers: &Array<Number, D>, dtype: Option<DType>) -> ArrayBlock {
    // The sum of no integers is 0.
    let integer = |number: &Number| number.integer().or((*number == 0.0).then_some(0));
    let all = |is: fn(&Number) -> bool| numbers.iter().all(is);
    let (is_integer, is_signed) = match dtype {
        Some(dtype) => match kind(dtype) {
            Kind::Signed => (true, true),
            Kind::Bool | Kind::Unsigned => (true, false),
            Kind::Float | Kind::Complex => (false, false),
        },
        None => (
            !numbers.is_empty() && all(|number| number.integer().is_some()),
            // The numbers of an array of unsigned integers stay unsigned.
            !all(|number| matches!(number, Number::Unsigned(_))),
        ),
    };
    let as_i64 = |number: &Number| i64::try_from(integer(number)?).ok();
    let as_u64 = |number: &Number| u64::try_from(integer(number)?).ok();
    if is_integer && is_signed && numbers.iter().all(|number| as_i64(number).is_some()) {
        ArrayBlock::from_array(numbers.map(|number| as_i64(number).unwrap_or_default()))
    } else if is_integer && numbers.iter().all(|number| as_u64(number).is_some()) {
        ArrayBlock::from_array(numbers.map(|number| as_u64(number).unwrap_or_default()))
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
            let block = to_block(&numbers, None);
            (block.dtype().to_string(), block.for_each_f64(|_| ()).is_ok())
        };
        let (small, large) = (Number::Signed(-1), Number::Unsigned(u64::MAX));
        let (unsigned, beyond) = (Number::Unsigned(1), Number::Float(2.0_f64.powi(64)));
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

    #[test]
    fn the_dtype_of_the_elements_decides_alone() {
        let dtype = |numbers: &[Number], of| {
            to_block(&Array1::from_vec(numbers.to_vec()), Some(of)).dtype().to_string()
        };
        let (nothing, beyond) = (Number::Float(0.0), Number::Float(2.0_f64.powi(64)));
        let undefined = Number::Float(f64::NAN);
        for (of, expected) in [
            (DType::Bool, "uint64"),
            (DType::UInt8, "uint64"),
            (DType::UInt64, "uint64"),
            (DType::Int8, "int64"),
            (DType::Int64, "int64"),
            (DType::Float32, "float64"),
        ] {
            assert_eq!(dtype(&[], of), expected);
            assert_eq!(dtype(&[nothing], of), expected);
            assert_eq!(dtype(&[undefined], of), "float64");
            assert_eq!(dtype(&[beyond, nothing], of), "float64");
        }
        let (small, large) = (Number::Signed(-1), Number::Unsigned(u64::MAX));
        assert_eq!(dtype(&[small], DType::Int32), "int64");
        assert_eq!(dtype(&[Number::Signed(1), large], DType::Int64), "uint64");
        assert_eq!(dtype(&[small, large], DType::Int64), "float64");
        assert_eq!(dtype(&[Number::Unsigned(1)], DType::UInt16), "uint64");
    }
}
