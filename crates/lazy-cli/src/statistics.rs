//! Statistics by name, and the reducers that compute them in one pass.

use std::str::FromStr;

use lazy_chunks::{
    ArgMax, ArgMin, ArrayBlock, BottomK, BoxedReducer, Count, Covariance, Covariances, Histogram,
    IgnoringNan, Max, MeanVariance, Min, NamedArrays, Norm, PerColumn, PerRow, Quantiles,
    Statistic, Sum, Summary, TopK,
};
use ndarray::Array2;

use crate::answers::{Answer, Part};
use crate::arguments::Axis;
use crate::failure::{Failure, Result};

/// Statistics that were asked for, in their order.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct StatisticList(Vec<Wanted>);

/// One of them, as it was written.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) text: String,
    kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
enum Kind {
    Count,
    Sum,
    Mean,
    Variance,
    Deviation,
    Min,
    Max,
    ArgMin,
    ArgMax,
    Top(usize),
    Bottom(usize),
    Norm(Norm),
    Quantiles(Vec<f64>),
    Histogram(Vec<f64>),
    Covariance,
    Correlation,
    Gram,
}

const NAMES: &str = "count, sum, mean, var, std, min, max, argmin, argmax, top:K, bottom:K, l1, l2, linf, \
                     quantiles:Q,…, histogram:EDGE,…, cov, corr, gram";

impl FromStr for StatisticList {
    type Err = String;

    /// Numbers belong to the name in front of them, as in `mean,quantiles:0.5,0.99,max`.
    fn from_str(text: &str) -> Result<StatisticList, String> {
        let mut texts: Vec<String> = Vec::new();
        for part in text.split(',').map(str::trim) {
            match texts.last_mut() {
                Some(last) if part.parse::<f64>().is_ok() && last.contains(':') => {
                    last.push(',');
                    last.push_str(part);
                }
                _ => texts.push(part.to_owned()),
            }
        }
        let wanted = |text: String| kind(&text).map(|kind| Wanted { text, kind });
        texts.into_iter().map(wanted).collect::<Result<_, _>>().map(StatisticList)
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    let (name, of) = match text.split_once(':') {
        Some((name, of)) => (name, Some(of)),
        None => (text, None),
    };
    let simple = match name {
        "count" => Some(Kind::Count),
        "sum" => Some(Kind::Sum),
        "mean" => Some(Kind::Mean),
        "var" => Some(Kind::Variance),
        "std" => Some(Kind::Deviation),
        "min" => Some(Kind::Min),
        "max" => Some(Kind::Max),
        "argmin" => Some(Kind::ArgMin),
        "argmax" => Some(Kind::ArgMax),
        "l1" => Some(Kind::Norm(Norm::L1)),
        "l2" => Some(Kind::Norm(Norm::L2)),
        "linf" => Some(Kind::Norm(Norm::LInf)),
        "cov" => Some(Kind::Covariance),
        "corr" => Some(Kind::Correlation),
        "gram" => Some(Kind::Gram),
        _ => None,
    };
    match (simple, of) {
        (Some(kind), None) => return Ok(kind),
        (Some(_), Some(of)) => {
            return Err(format!("`{name}` takes nothing, but {of:?} follows it"));
        }
        (None, _) => {}
    }
    let count = || {
        let count = of.and_then(|of| of.parse().ok()).filter(|count| *count > 0);
        count.ok_or_else(|| format!("{text:?} is without a number of elements, as in `{name}:10`"))
    };
    let numbers = || {
        let numbers = of.and_then(|of| of.split(',').map(|x| x.parse().ok()).collect());
        numbers.ok_or_else(|| format!("{text:?} is without numbers, as in `{name}:0.25,0.75`"))
    };
    match name {
        "top" => count().map(Kind::Top),
        "bottom" => count().map(Kind::Bottom),
        "quantiles" => {
            let quantiles: Vec<f64> = numbers()?;
            match quantiles.iter().find(|quantile| !(0.0..=1.0).contains(*quantile)) {
                Some(quantile) => Err(format!("a quantile is from 0 to 1, and not {quantile}")),
                None => Ok(Kind::Quantiles(quantiles)),
            }
        }
        "histogram" => {
            let edges: Vec<f64> = numbers()?;
            let is_increasing = edges.windows(2).all(|pair| pair[0] < pair[1]);
            match is_increasing && edges.len() > 1 {
                true => Ok(Kind::Histogram(edges)),
                false => Err(format!("{text:?} is without two edges at least that increase")),
            }
        }
        _ => {
            let meant = meant(name).map_or(String::new(), |meant| format!(", but {meant}"));
            Err(format!("there is no statistic {name:?}{meant}; there are {NAMES}"))
        }
    }
}

/// Returns a tip for a statistic that has another name here.
fn meant(name: &str) -> Option<&'static str> {
    match name {
        "median" => Some("`quantiles:0.5` is the median, within 1 %"),
        "quantile" | "percentile" | "percentiles" => Some("`quantiles:0.25,0.75` are quantiles"),
        "average" | "avg" => Some("`mean` is the average"),
        "variance" => Some("`var` is the variance"),
        "stddev" | "stdev" | "sd" => Some("`std` is the standard deviation"),
        "hist" => Some("`histogram:0,0.5,1` is a histogram between these edges"),
        "norm" => Some("`l2` is the Euclidean norm"),
        "covariance" => Some("`cov` is the covariance"),
        "correlation" | "corrcoef" => Some("`corr` is the correlation"),
        "minimum" | "maximum" => Some("`min` and `max` are the extremes"),
        "n" | "len" | "size" => Some("`count` is the number of elements"),
        _ => None,
    }
}

/// What statistics are computed of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    pub(crate) axis: Axis,
    pub(crate) ignore_nan: bool,
}

/// What a reducer found, as arrays by name; of which statistic makes its answer.
type Found = Vec<(&'static str, ArrayBlock)>;

/// The reducers of a pass, and which answers are made of what they find.
#[derive(Debug)]
pub(crate) struct Plan {
    wanted: Vec<Wanted>,
    /// For each of them, the reducer that computes it.
    of_reducer: Vec<usize>,
    axis: Axis,
}

impl StatisticList {
    /// No statistics.
    pub(crate) fn none() -> StatisticList {
        StatisticList(Vec::new())
    }

    /// What was asked for, as it was written.
    pub(crate) fn texts(&self) -> Vec<&str> {
        self.0.iter().map(|wanted| &wanted.text[..]).collect()
    }

    /// The reducers that compute them, each statistic once, and what makes answers of their results.
    pub(crate) fn plan(&self, form: Form) -> Result<(Vec<BoxedReducer<'static, Found>>, Plan)> {
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

    fn reducer(&self, wanted: &Wanted, form: Form) -> Result<BoxedReducer<'static, Found>> {
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
            Kind::Quantiles(quantiles) => in_form(Quantiles::new(quantiles.clone()), form),
            Kind::Histogram(edges) => in_form(Histogram::new(edges.clone()), form),
            Kind::Covariance | Kind::Correlation | Kind::Gram => {
                if form.axis != Axis::All || form.ignore_nan {
                    return Err(Failure::Usage(format!(
                        "`{}` is of all rows and all elements; leave out --axis and --ignore-nan",
                        wanted.text
                    )));
                }
                // Matrices may be large, so only those that are asked for are made.
                let is_wanted = |kind: Kind| self.0.iter().any(|wanted| wanted.kind == kind);
                let wanted = [Kind::Covariance, Kind::Correlation, Kind::Gram].map(is_wanted);
                BoxedReducer::new(Covariance, move |found| matrices(found, wanted))
            }
        })
    }
}

/// Makes those of the matrices that are wanted, the last of them in the memory of the sums that they are made of.
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

/// Whether it is of all pairs of columns.
fn is_matrix(kind: &Kind) -> bool {
    matches!(kind, Kind::Covariance | Kind::Correlation | Kind::Gram)
}

/// Whether one pass over the elements gives both.
fn share_a_reducer(a: &Kind, b: &Kind) -> bool {
    let of_moments = |kind: &Kind| matches!(kind, Kind::Mean | Kind::Variance | Kind::Deviation);
    let of_columns =
        |kind: &Kind| matches!(kind, Kind::Covariance | Kind::Correlation | Kind::Gram);
    a == b || (of_moments(a) && of_moments(b)) || (of_columns(a) && of_columns(b))
}

/// A summary of the whole array, of rows or of columns, of all elements or of numbers alone.
fn in_form<S>(summary: S, form: Form) -> BoxedReducer<'static, Found>
where
    S: Summary + Statistic<Output: NamedArrays, State: 'static> + 'static,
    PerRow<S>: Statistic<Output: NamedArrays, State: 'static>,
    PerColumn<S>: Statistic<Output: NamedArrays, State: 'static>,
    IgnoringNan<S>: Summary + Statistic<Output: NamedArrays, State: 'static>,
    PerRow<IgnoringNan<S>>: Statistic<Output: NamedArrays, State: 'static>,
    PerColumn<IgnoringNan<S>>: Statistic<Output: NamedArrays, State: 'static>,
{
    match (form.axis, form.ignore_nan) {
        (Axis::All, false) => boxed(summary),
        (Axis::Rows, false) => boxed(summary.per_row()),
        (Axis::Columns, false) => boxed(summary.per_column()),
        (Axis::All, true) => boxed(summary.ignoring_nan()),
        (Axis::Rows, true) => boxed(summary.ignoring_nan().per_row()),
        (Axis::Columns, true) => boxed(summary.ignoring_nan().per_column()),
    }
}

fn boxed<S>(statistic: S) -> BoxedReducer<'static, Found>
where
    S: Statistic<Output: NamedArrays + 'static, State: 'static> + 'static,
{
    BoxedReducer::new(statistic, |output: S::Output| {
        S::Output::NAMES.iter().copied().zip(output.arrays()).collect()
    })
}

impl Plan {
    /// Whether a block must have all columns.
    pub(crate) fn needs_whole_rows(&self) -> bool {
        self.wanted.iter().any(|wanted| is_matrix(&wanted.kind))
    }

    /// The answers, in the order in which they were asked for.
    pub(crate) fn answers(&self, found: &[Found]) -> Vec<Answer> {
        let answer = |(wanted, of): (&Wanted, &usize)| self.answer(wanted, &found[*of]);
        self.wanted.iter().zip(&self.of_reducer).map(answer).collect()
    }

    fn answer(&self, wanted: &Wanted, found: &Found) -> Answer {
        let one = |name: &str| {
            let (_, array) =
                found.iter().find(|(found, _)| *found == name).expect("it was computed");
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
    let variances = variances.as_array::<f64>().expect("variances are float64");
    ArrayBlock::from_array(variances.mapv(f64::sqrt))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Result<Vec<String>, String> {
        let list: StatisticList = text.parse()?;
        Ok(list.0.into_iter().map(|wanted| wanted.text).collect())
    }

    #[test]
    fn numbers_belong_to_the_name_in_front_of_them() {
        assert_eq!(
            texts("mean,quantiles:0.5,0.99,max,histogram:-inf,0,1e3,top:10").unwrap(),
            ["mean", "quantiles:0.5,0.99", "max", "histogram:-inf,0,1e3", "top:10"]
        );
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        for (text, expected) in [
            ("median", "there is no statistic \"median\", but `quantiles:0.5` is the median"),
            ("nonsense", "there is no statistic \"nonsense\"; there are"),
            ("", "there is no statistic \"\""),
            ("top", "as in `top:10`"),
            ("top:0", "as in `top:10`"),
            ("mean,3", "there is no statistic \"3\""),
            ("mean:3", "`mean` takes nothing"),
            ("quantiles:a", "without numbers"),
            ("quantiles:0.5,2", "from 0 to 1, and not 2"),
            ("quantiles:nan", "from 0 to 1"),
            ("histogram:1", "without two edges"),
            ("histogram:1,0", "without two edges"),
            ("histogram:0,nan", "without two edges"),
        ] {
            let error = texts(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn moments_are_computed_once() {
        let list: StatisticList = "mean,max,std,var,cov,gram".parse().unwrap();
        let (reducers, plan) = list.plan(Form { axis: Axis::All, ignore_nan: false }).unwrap();
        assert_eq!((reducers.len(), plan.of_reducer), (3, vec![0, 1, 0, 0, 2, 2]));
    }
}
