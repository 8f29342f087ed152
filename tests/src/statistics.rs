//! All statistics, for laws that hold for each of them.

use std::fmt::Debug;

use lazy_chunks::{
    ArgMax, ArgMin, ArrayBlock, BlockPosition, BottomK, Count, Covariance, Fold, Histogram, Max,
    MeanVariance, Min, NamedArrays, Norm, Quantiles, SaveState, Sum, Summary, TopK,
};

/// A visitor of statistics.
pub trait Visitor {
    /// The error of a statistic that breaks a law.
    type Error;

    /// Visits one statistic. `is_exact` is true if its results have the same bits for every cut
    /// into blocks.
    ///
    /// # Errors
    ///
    /// Returns an error if the statistic breaks a law.
    fn visit<S>(&mut self, statistic: S, is_exact: bool) -> Result<(), Self::Error>
    where
        S: SaveState,
        S::Output: Debug;

    /// Visits one statistic whose result can be stored. By default, it calls
    /// [`visit`](Self::visit).
    ///
    /// # Errors
    ///
    /// Returns an error if the statistic breaks a law.
    fn visit_storable<S>(&mut self, statistic: S, is_exact: bool) -> Result<(), Self::Error>
    where
        S: SaveState,
        S::Output: Debug + NamedArrays,
    {
        self.visit(statistic, is_exact)
    }
}

/// Visits a summary in all its forms.
macro_rules! forms {
    ($visitor:expr, $summary:expr, $is_exact:expr) => {{
        let (visitor, summary) = (&mut *$visitor, $summary);
        visitor.visit_storable(summary.clone(), $is_exact)?;
        visitor.visit_storable(summary.clone().per_row(), $is_exact)?;
        visitor.visit_storable(summary.clone().per_column(), $is_exact)?;
        visitor.visit_storable(summary.clone().ignoring_nan(), $is_exact)?;
        visitor.visit_storable(summary.clone().ignoring_nan().per_row(), $is_exact)?;
        visitor.visit_storable(summary.ignoring_nan().per_column(), $is_exact)?;
    }};
}

/// Visits every statistic that also works for nested sequences. `k` is the number of elements of
/// `TopK` and `BottomK`.
///
/// # Errors
///
/// Returns the first error of the visitor.
pub fn every_statistic<V: Visitor>(visitor: &mut V, k: usize) -> Result<(), V::Error> {
    forms!(visitor, Count, true);
    forms!(visitor, Sum, false);
    forms!(visitor, MeanVariance, false);
    forms!(visitor, Min, true);
    forms!(visitor, Max, true);
    forms!(visitor, ArgMin, true);
    forms!(visitor, ArgMax, true);
    forms!(visitor, TopK::new(k), true);
    forms!(visitor, BottomK::new(k), true);
    forms!(visitor, Norm::L1, false);
    forms!(visitor, Norm::L2, false);
    forms!(visitor, Norm::LInf, true);
    forms!(visitor, Histogram::new([f64::NEG_INFINITY, -1.0, 0.0, 0.5, 1e9]), true);
    forms!(visitor, Quantiles::new([0.0, 0.3, 0.5, 1.0]), true);
    visitor.visit(non_zero(), true)
}

/// Visits quantiles that are not exact even for small arrays. Their results depend on the cut into
/// blocks.
///
/// # Errors
///
/// Returns the first error of the visitor.
pub fn every_sketch<V: Visitor>(visitor: &mut V) -> Result<(), V::Error> {
    let quantiles = Quantiles::new([0.0, 0.3, 0.5, 1.0]).with_exact_len(0);
    forms!(visitor, quantiles.clone().with_rank_error(0.5), false);
    forms!(visitor, quantiles.with_rank_error(0.03), false);
    Ok(())
}

/// Visits the statistics that need whole rows.
///
/// # Errors
///
/// Returns the first error of the visitor.
pub fn every_statistic_of_rows<V: Visitor>(visitor: &mut V) -> Result<(), V::Error> {
    visitor.visit_storable(Covariance, false)
}

/// Counts the elements that are not zero, and lists the rows at which its blocks begin.
fn non_zero() -> impl SaveState<State = (u64, Vec<usize>), Output = (u64, Vec<usize>)> {
    Fold::new(
        "elements that are not zero",
        |state: &mut (u64, Vec<usize>), at: BlockPosition, block: &ArrayBlock| {
            block.for_each_f64(|value| state.0 += u64::from(value != 0.0))?;
            if block.n_elements() > 0 {
                state.1.push(at.row);
                state.1.dedup();
            }
            Ok(())
        },
        |state, next| {
            state.0 += next.0;
            state.1.extend(next.1);
            state.1.dedup();
        },
    )
}
