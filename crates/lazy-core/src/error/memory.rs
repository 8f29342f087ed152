//! The sizes in an error of memory.

use std::fmt;

/// The memory that the states of a statistic need, and the memory that is left.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{LazyChunkSequence, NdarrayConverter, Sum, Summary};
/// use ndarray::Array2;
///
/// let sequence = LazyChunkSequence::new(|| [Array2::<f32>::ones((2, 1000))])
///     .convert(NdarrayConverter)
///     .with_memory_limit(16 << 10);
/// let error = sequence.compute(Sum.per_column()).unwrap_err();
/// let shortage = error.memory().expect("the sums need more than 16 KiB");
/// assert_eq!(shortage.statistic, "the sum of each column");
/// assert_eq!(shortage.limit, Some(16 << 10));
/// assert!(shortage.bytes > 16 << 10);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MemoryShortage {
    /// The name of the statistic.
    pub statistic: String,
    /// The number of states. A statistic per row or per column has one for each; accumulated
    /// states and those of blocks in flight both count.
    pub states: u128,
    /// The bytes that all of these states can take, if they are known before the pass, or else a
    /// lower bound of them.
    pub bytes: u128,
    /// The bytes of the limit that other statistics, sinks or other states have already taken.
    pub taken: u128,
    /// The limit in bytes; `None` if the allocation failed.
    pub limit: Option<u64>,
}

impl fmt::Display for MemoryShortage {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let MemoryShortage { statistic, states, bytes, taken, limit } = self;
        let (s, take) = if *states == 1 { ("", "takes") } else { ("s", "take") };
        let bytes = HumanBytes(*bytes);
        write!(formatter, "{states} state{s} of {statistic} {take} {bytes}, but ")?;
        match (*limit, *taken) {
            (None, _) => write!(formatter, "there is not enough memory"),
            (Some(limit), 0) => write!(formatter, "the limit is {}", HumanBytes(limit.into())),
            (Some(limit), taken) => write!(
                formatter,
                "the limit is {}, of which {} are in use",
                HumanBytes(limit.into()),
                HumanBytes(taken)
            ),
        }
    }
}

/// Prints bytes in binary units: `31.2 GiB`.
struct HumanBytes(u128);

impl fmt::Display for HumanBytes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        if self.0 < 1024 {
            let s = if self.0 == 1 { "" } else { "s" };
            return write!(formatter, "{} byte{s}", self.0);
        }
        if self.0 >= 1 << 70 {
            return formatter.write_str("more than 1024 EiB");
        }
        let mut number = self.0 as f64 / 1024.0;
        let mut units = UNITS.into_iter();
        let mut unit = units.next().unwrap_or_default();
        // A number that rounds to 1024.0 gets the next unit.
        while number >= 1023.95
            && let Some(next) = units.next()
        {
            (number, unit) = (number / 1024.0, next);
        }
        let number = format!("{number:.1}");
        write!(formatter, "{} {unit}", number.trim_end_matches(".0"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_have_the_unit_that_fits() {
        for (bytes, expected) in [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1 KiB"),
            (1536, "1.5 KiB"),
            ((1 << 20) - 1, "1 MiB"),
            (8 << 30, "8 GiB"),
            (33_501_000_000, "31.2 GiB"),
            ((1 << 70) - (1 << 60), "1023 EiB"),
            (1 << 70, "more than 1024 EiB"),
        ] {
            assert_eq!(HumanBytes(bytes).to_string(), expected);
        }
    }
}
