//! Results of statistics.

use lazy_chunks::ArrayBlock;

use super::Axis;

/// The result of one statistic.
#[derive(Debug)]
pub struct Answer {
    /// The statistic as the user wrote it.
    pub text: String,
    /// The cells that have a result each.
    pub axis: Axis,
    /// The arrays of the result.
    pub parts: Vec<Part>,
    /// Labels of the entries along the last axis. Empty if they are elements or columns.
    pub labels: Vec<String>,
}

/// One array of a result.
#[derive(Debug)]
pub struct Part {
    /// The name of the array. Empty if it is the only one.
    pub name: &'static str,
    /// The array.
    pub array: ArrayBlock,
}

impl Answer {
    /// Returns the array with this name.
    #[must_use]
    pub fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// Returns the name of the statistic, without its numbers.
    #[must_use]
    pub fn name(&self) -> &str {
        self.text.split(':').next().unwrap_or_default()
    }

    /// Returns true if each row or column has several numbers, along one more axis.
    #[must_use]
    pub fn has_entries(&self) -> bool {
        !self.labels.is_empty() || self.text.starts_with("top") || self.text.starts_with("bottom")
    }

    /// Returns true if the result has few numbers: it covers the whole array, and is not a matrix.
    #[must_use]
    pub fn is_short(&self) -> bool {
        const FEW: usize = 1000;
        let is_short = |part: &Part| part.array.shape().len() < 2 && part.array.n_elements() <= FEW;
        self.axis == Axis::All && self.parts.iter().all(is_short)
    }
}
