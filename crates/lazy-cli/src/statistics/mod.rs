//! Statistics by name, and the reducers that compute them in one pass.
//!
//! Ignorant of the command line, of the input, and of how results are printed or stored.

mod answer;
mod list;
mod named;

use lazy_chunks::{
    ArgMax, ArgMin, ArrayBlock, BottomK, BoxedDivisibleReducer, Count, Covariance, Covariances,
    Histogram, Max, MeanVariance, Min, NamedArrays, Quantiles, SaveState, Sum, Summary, TopK,
};
use ndarray::{Array2, IxDyn};

pub use answer::{Answer, Part};
pub use list::StatisticList;

use list::{Kind, Wanted};
use named::Named;

/// The cells of an array that each get a value of a statistic.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Axis {
    /// The whole array.
    All,
    /// Each row: over axis 1 and later axes.
    Rows,
    /// Each column: over axis 0.
    Columns,
}

/// The cells and elements that statistics cover.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Form {
    /// The cells.
    pub axis: Axis,
    /// True if NaN elements are left out.
    pub ignore_nan: bool,
    /// The error of quantiles in rank, if it is not the default.
    pub rank_error: Option<f64>,
}

impl Form {
    /// The whole array and all elements.
    pub const WHOLE: Form = Form { axis: Axis::All, ignore_nan: false, rank_error: None };
}

/// The result of a reducer, as arrays by name. Answers are made from it.
pub type Found = Vec<(&'static str, ArrayBlock)>;

/// The reducer of one or several statistics, which workers can share.
pub type NamedReducer = BoxedDivisibleReducer<'static, Found>;

/// The plan of a pass, which makes answers from the results of reducers.
#[derive(Debug)]
pub struct Plan {
    wanted: Vec<Wanted>,
    /// For each statistic, the index of the reducer that computes it.
    of_reducer: Vec<usize>,
    axis: Axis,
}

impl StatisticList {
    /// Returns the reducers that compute the statistics, and the plan that makes answers from their
    /// results. Statistics share a reducer if one can compute both.
    ///
    /// # Errors
    ///
    /// A message if a statistic does not have the form.
    pub fn plan(&self, form: Form) -> Result<(Vec<NamedReducer>, Plan), String> {
        let mut kinds: Vec<&Kind> = Vec::new();
        let mut reducers = Vec::new();
        let mut of_reducer = Vec::new();
        for wanted in &self.0 {
            let known = kinds.iter().position(|kind| share_a_reducer(kind, &wanted.kind));
            of_reducer.push(known.unwrap_or(kinds.len()));
            if known.is_none() {
                kinds.push(&wanted.kind);
                reducers.push(self.reducer(wanted, form)?);
            }
        }
        Ok((reducers, Plan { wanted: self.0.clone(), of_reducer, axis: form.axis }))
    }

    fn reducer(&self, wanted: &Wanted, form: Form) -> Result<NamedReducer, String> {
        Ok(match &wanted.kind {
            Kind::Count => in_form(Count, form),
            Kind::Sum => in_form(Sum, form),
            Kind::Mean | Kind::Variance | Kind::Deviation => in_form(MeanVariance, form),
            Kind::Min => in_form(Min, form),
            Kind::Max => in_form(Max, form),
            Kind::ArgMin => in_form(ArgMin, form),
            Kind::ArgMax => in_form(ArgMax, form),
            Kind::Top(k) => in_form(TopK::new(*k), form),
            Kind::Bottom(k) => in_form(BottomK::new(*k), form),
            Kind::Norm(norm) => in_form(*norm, form),
            Kind::Quantiles(quantiles) => {
                let quantiles = Quantiles::new(quantiles.clone());
                in_form(
                    match form.rank_error {
                        Some(rank_error) => quantiles.with_rank_error(rank_error),
                        None => quantiles,
                    },
                    form,
                )
            }
            Kind::Histogram(edges) => in_form(Histogram::new(edges.clone()), form),
            Kind::Covariance | Kind::Correlation | Kind::Gram => {
                if form.axis != Axis::All || form.ignore_nan {
                    return Err(format!("`{}` covers all rows and all elements", wanted.text));
                }
                // Matrices may be large, so no others are made.
                let is_wanted = |kind: Kind| self.0.iter().any(|wanted| wanted.kind == kind);
                let wanted = [Kind::Covariance, Kind::Correlation, Kind::Gram].map(is_wanted);
                BoxedDivisibleReducer::new(Covariance, move |found| matrices(found, wanted))
            }
        })
    }
}

/// Makes the matrices that are wanted. The last one reuses the memory of the sums.
fn matrices(sums: Covariances, wanted: [bool; 3]) -> Found {
    type Make = fn(Covariances) -> Array2<f64>;
    let kinds: [(&str, Make); 3] = [
        ("covariance", |sums| sums.into_covariance(1)),
        ("correlation", Covariances::into_correlation),
        ("gram", Covariances::into_gram),
    ];
    let mut kinds: Vec<_> =
        kinds.into_iter().zip(wanted).filter_map(|(kind, wanted)| wanted.then_some(kind)).collect();
    let last = kinds.pop();
    let mut found: Found = kinds
        .into_iter()
        .map(|(name, make)| (name, ArrayBlock::from_array(make(sums.clone()))))
        .collect();
    found.extend(last.map(|(name, make)| (name, ArrayBlock::from_array(make(sums)))));
    found
}

/// Returns true if the statistic has a value for each pair of columns.
fn is_matrix(kind: &Kind) -> bool {
    matches!(kind, Kind::Covariance | Kind::Correlation | Kind::Gram)
}

/// Returns true if one reducer computes both.
fn share_a_reducer(a: &Kind, b: &Kind) -> bool {
    let of_moments = |kind: &Kind| matches!(kind, Kind::Mean | Kind::Variance | Kind::Deviation);
    a == b || (of_moments(a) && of_moments(b)) || (is_matrix(a) && is_matrix(b))
}

/// Returns the reducer of a summary that covers the cells and elements of a form.
fn in_form<S: Summary>(summary: S, form: Form) -> NamedReducer {
    match (form.axis, form.ignore_nan) {
        (Axis::All, false) => boxed(summary),
        (Axis::Rows, false) => boxed(summary.per_row()),
        (Axis::Columns, false) => boxed(summary.per_column()),
        (Axis::All, true) => boxed(summary.ignoring_nan()),
        (Axis::Rows, true) => boxed(summary.ignoring_nan().per_row()),
        (Axis::Columns, true) => boxed(summary.ignoring_nan().per_column()),
    }
}

fn boxed<S>(statistic: S) -> NamedReducer
where
    S: SaveState<Output: NamedArrays, State: 'static> + 'static,
{
    BoxedDivisibleReducer::new(Named(statistic), |found| found)
}

impl Plan {
    /// Returns true if each block must have all columns.
    #[must_use]
    pub fn needs_whole_rows(&self) -> bool {
        self.wanted.iter().any(|wanted| is_matrix(&wanted.kind))
    }

    /// Makes the answers, in the order of the list.
    #[must_use]
    pub fn answers(&self, found: &[Found]) -> Vec<Answer> {
        let answer = |(wanted, of): (&Wanted, &usize)| self.answer(wanted, &found[*of]);
        self.wanted.iter().zip(&self.of_reducer).map(answer).collect()
    }

    fn answer(&self, wanted: &Wanted, found: &Found) -> Answer {
        let one = |name: &str| {
            let (_, array) =
                found.iter().find(|(found, _)| *found == name).expect("the reducer computes it");
            vec![Part { name: "", array: array.clone() }]
        };
        let all =
            || found.iter().map(|(name, array)| Part { name, array: array.clone() }).collect();
        let parts = match wanted.kind {
            Kind::Mean => one("mean"),
            Kind::Variance => one("variance"),
            Kind::Deviation => {
                let mut parts = one("variance");
                parts[0].array = square_root(&parts[0].array);
                parts
            }
            Kind::Covariance => one("covariance"),
            Kind::Correlation => one("correlation"),
            Kind::Gram => one("gram"),
            _ => all(),
        };
        let labels = match &wanted.kind {
            Kind::Quantiles(quantiles) => quantiles.iter().map(f64::to_string).collect(),
            Kind::Histogram(edges) => {
                edges.windows(2).map(|pair| format!("{}..{}", pair[0], pair[1])).collect()
            }
            _ => Vec::new(),
        };
        Answer { text: wanted.text.clone(), axis: self.axis, parts, labels }
    }
}

fn square_root(variances: &ArrayBlock) -> ArrayBlock {
    let variances = variances.as_array::<f64, IxDyn>().expect("variances are float64");
    ArrayBlock::from_array(variances.mapv(f64::sqrt))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_computed_once() {
        let list: StatisticList = "mean,max,std,var,cov,gram".parse().unwrap();
        let (reducers, plan) = list.plan(Form::WHOLE).unwrap();
        assert_eq!((reducers.len(), plan.of_reducer), (3, vec![0, 1, 0, 0, 2, 2]));
    }
}
