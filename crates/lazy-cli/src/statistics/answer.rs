//! Results of statistics.

use lazy_chunks::ArrayBlock;

use super::Axis;

/// The result of one statistic.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The statistic as the user wrote it.
    pub(crate) text: String,
    pub(crate) axis: Axis,
    pub(crate) parts: Vec<Part>,
    /// Labels of the entries along the last axis. Empty if they are elements or columns.
    pub(crate) labels: Vec<String>,
}

/// One array of a result.
#[derive(Debug)]
pub(crate) struct Part {
    /// The name of the array. Empty if it is the only one.
    pub(crate) name: &'static str,
    pub(crate) array: ArrayBlock,
}

impl Answer {
    pub(crate) fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// Returns the name of the statistic, without its numbers.
    pub(crate) fn name(&self) -> &str {
        self.text.split(':').next().unwrap_or_default()
    }

    /// Returns true if each row or column has several numbers, along one more axis.
    pub(crate) fn has_entries(&self) -> bool {
        !self.labels.is_empty() || self.text.starts_with("top") || self.text.starts_with("bottom")
    }

    /// Returns true if the result has few numbers: it covers the whole array, and is not a matrix.
    pub(crate) fn is_short(&self) -> bool {
        const FEW: usize = 1000;
        let is_short = |part: &Part| part.array.shape().len() < 2 && part.array.n_elements() <= FEW;
        self.axis == Axis::All && self.parts.iter().all(is_short)
    }
}
