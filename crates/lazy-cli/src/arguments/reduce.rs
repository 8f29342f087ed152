//! The arguments of `lazy reduce`.

use std::ffi::OsString;

use clap::{Args, ValueEnum, ValueHint};

use super::parsers::{fraction, new_array};
use super::{Input, Report};
use crate::statistics::StatisticList;
use crate::values::MemorySize;

/// Compute statistics of blocks in one pass
#[derive(Args, Debug)]
#[command(after_long_help = "\
Statistics:
  count, sum, mean, var, std
  min, max, argmin, argmax
  top:K, bottom:K      the K largest or smallest elements
  l1, l2, linf         norms
  quantiles:Q,…        quantiles from 0 to 1, such as 0.5 for the median; see --rank-error
  histogram:EDGE,…     numbers of elements in the bins between these edges
  cov, corr, gram      matrices of the columns

Sums and means are accumulated as float64. NaN and ties are handled as in NumPy.

Examples:
  lazy reduce values.zarr --stats mean,std,min,max,argmax,top:10,quantiles:0.5,0.99
  lazy reduce part-*.npy --sort --stats l2 --axis rows -o norms.zarr
  python produce.py | lazy reduce - --stats mean --json")]
pub(crate) struct Reduce {
    #[command(flatten)]
    pub(crate) input: Input,

    /// Statistics to compute, separated by commas; --help lists them
    #[arg(long, value_name = "LIST", required = true)]
    pub(crate) stats: StatisticList,

    /// Summarize the whole array, each row, or each column
    #[arg(long, value_enum, default_value_t = Axis::All)]
    pub(crate) axis: Axis,

    /// Memory limit for statistics, such as 8G or 512MiB [default: half of the machine's memory]
    ///
    /// The limit covers the states of the statistics. If they can need more, the command fails,
    /// before it computes a block if the shape of the array is known. The units K, M, G and T are
    /// powers of 1024. In a cgroup with a memory limit, the default is half of that limit.
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub(crate) memory: Option<MemorySize>,

    /// Largest error of quantiles in rank, as a fraction of the number of elements [default: 0.001]
    ///
    /// Quantiles of up to 16 / FRACTION elements are exact, by default of 16000. For more elements,
    /// each result is an element whose rank differs by at most this fraction: with 0.001, the
    /// median lies between the quantiles 0.499 and 0.501. A larger error takes less memory, which
    /// counts for each row or column.
    #[arg(long, value_name = "FRACTION", value_parser = fraction(0.00001..=0.5))]
    pub(crate) rank_error: Option<f64>,

    /// Ignore elements that are NaN
    #[arg(long)]
    pub(crate) ignore_nan: bool,

    /// Store the results as arrays of the Zarr group OUT, a path or a URL
    ///
    /// Then matrices and the results of rows or columns are stored, but not printed.
    #[arg(
        short, long, value_name = "OUT", value_parser = new_array(), value_hint = ValueHint::AnyPath
    )]
    pub(crate) output: Option<OsString>,

    /// Replace existing arrays in the group OUT
    #[arg(long, requires = "output")]
    pub(crate) replace: bool,

    #[command(flatten)]
    pub(crate) report: Report,
}

/// The values of `--axis`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Axis {
    /// The whole array
    All,
    /// Each row: over axis 1 and later axes
    Rows,
    /// Each column: over axis 0
    Columns,
}
