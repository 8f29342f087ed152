//! Lists of statistics, as users write them.

use std::str::FromStr;

use lazy_chunks::Norm;

/// Statistics in the order in which the user lists them.
#[derive(Clone, Debug, PartialEq)]
pub struct StatisticList(pub(super) Vec<Wanted>);

/// A statistic with its text.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wanted {
    pub(super) text: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
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

const NAMES: &str = "count, sum, mean, var, std, min, max, argmin, argmax, top:K, bottom:K, l1, \
                     l2, linf, quantiles:Q,…, histogram:EDGE,…, cov, corr, gram";

impl StatisticList {
    /// Returns an empty list.
    #[must_use]
    pub fn none() -> StatisticList {
        StatisticList(Vec::new())
    }

    /// Returns the text of each statistic.
    #[must_use]
    pub fn texts(&self) -> Vec<&str> {
        self.0.iter().map(|wanted| &wanted.text[..]).collect()
    }
}

impl FromStr for StatisticList {
    type Err = String;

    /// Parses a list. Numbers belong to the name before them, as in `mean,quantiles:0.5,0.99,max`.
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
        (Some(_), Some(of)) => return Err(format!("`{name}` takes no numbers, got {of:?}")),
        (None, _) => {}
    }
    let count = || {
        let count = of.and_then(|of| of.parse().ok()).filter(|count| *count > 0);
        count.ok_or_else(|| {
            format!("{text:?} needs a number of elements of at least 1, as in `{name}:10`")
        })
    };
    let numbers = || {
        let numbers = of.and_then(|of| of.split(',').map(|x| x.parse().ok()).collect());
        numbers.ok_or_else(|| format!("{text:?} needs numbers, as in `{name}:0.25,0.75`"))
    };
    match name {
        "" => Err("a name of a statistic is empty".to_owned()),
        "top" => count().map(Kind::Top),
        "bottom" => count().map(Kind::Bottom),
        "quantiles" => {
            let quantiles: Vec<f64> = numbers()?;
            match quantiles.iter().find(|quantile| !(0.0..=1.0).contains(*quantile)) {
                Some(quantile) => Err(format!("a quantile must be from 0 to 1, got {quantile}")),
                None => Ok(Kind::Quantiles(quantiles)),
            }
        }
        "histogram" => {
            let edges: Vec<f64> = numbers()?;
            let is_increasing = edges.windows(2).all(|pair| pair[0] < pair[1]);
            if is_increasing && edges.len() > 1 {
                Ok(Kind::Histogram(edges))
            } else {
                Err(format!("{text:?} needs at least two strictly increasing edges"))
            }
        }
        _ => {
            let meant = meant(name).map_or(String::new(), |meant| format!("; {meant}"));
            Err(format!("unknown statistic {name:?}{meant}; the statistics are {NAMES}"))
        }
    }
}

/// Returns a tip for a statistic that has another name here.
fn meant(name: &str) -> Option<&'static str> {
    match name {
        "median" => Some("`quantiles:0.5` is the median"),
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

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(text: &str) -> Result<Vec<String>, String> {
        let list: StatisticList = text.parse()?;
        Ok(list.0.into_iter().map(|wanted| wanted.text).collect())
    }

    #[test]
    fn numbers_belong_to_the_name_before_them() {
        assert_eq!(
            texts("mean,quantiles:0.5,0.99,max,histogram:-inf,0,1e3,top:10").unwrap(),
            ["mean", "quantiles:0.5,0.99", "max", "histogram:-inf,0,1e3", "top:10"]
        );
    }

    #[test]
    fn errors_name_the_problem() {
        for (text, expected) in [
            ("median", "unknown statistic \"median\"; `quantiles:0.5` is the median"),
            ("nonsense", "unknown statistic \"nonsense\"; the statistics are"),
            ("", "a name of a statistic is empty"),
            ("mean,", "a name of a statistic is empty"),
            ("top", "as in `top:10`"),
            ("top:0", "as in `top:10`"),
            ("mean,3", "unknown statistic \"3\""),
            ("mean:3", "`mean` takes no numbers, got \"3\""),
            ("quantiles:a", "needs numbers"),
            ("quantiles:0.5,2", "from 0 to 1, got 2"),
            ("quantiles:nan", "from 0 to 1"),
            ("histogram:1", "at least two strictly increasing edges"),
            ("histogram:1,0", "at least two strictly increasing edges"),
            ("histogram:0,nan", "at least two strictly increasing edges"),
        ] {
            let error = texts(text).unwrap_err();
            assert!(error.contains(expected), "{error}");
        }
    }
}
