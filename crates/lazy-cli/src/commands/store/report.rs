//! The results of `lazy store`: a summary, and statistics.

use std::time::Duration;

use indicatif::HumanBytes;
use lazy_chunks::zarr::{StoredArray, Target};
use serde::Serialize;

use super::worker::Done;
use crate::answers;
use crate::commands::on_medium;
use crate::count::count;
use crate::failure::Result;
use crate::input::Input;
use crate::options::Store;
use crate::print;
use crate::statistics::Answer;

/// The outcome of the command.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outcome<'a> {
    /// The array was already complete.
    Found,
    /// Workers shared the write, and this one has published the array.
    Published {
        done: &'a Done,
        seconds: Duration,
    },
    /// Workers shared the write, and the array was published by another one, or earlier.
    Complete {
        done: &'a Done,
    },
    /// The rows had already been appended.
    RowsFound,
    Stored {
        seconds: Duration,
    },
    /// Rows were appended to an array.
    Appended {
        n_rows: usize,
        seconds: Duration,
    },
}

/// Prints what was stored and its statistics, unless another worker has them.
pub(super) fn print(
    (options, target): (&Store, &Target),
    (input, stored): (&Input, &StoredArray),
    answers: Option<&[Answer]>,
    outcome: Outcome<'_>,
) -> Result<()> {
    let size = stored.stored_size()?;
    if !options.report.quiet {
        let array = format!("{} {:?}{}", stored.dtype(), stored.shape(), input.sources().summary());
        let raw = stored.n_bytes();
        let rate = |raw: u64, seconds: Duration| {
            HumanBytes((raw as f64 / seconds.as_secs_f64().max(1e-9)) as u64)
        };
        let unit = if stored.shard_shape().is_some() { "shard" } else { "chunk" };
        let chunks = count(size.n_stored, unit);
        let bytes = HumanBytes(size.bytes);
        let medium = on_medium(&options.output);
        print::note(match outcome {
            Outcome::Found => format!(
                "{target} is already complete and equal to the input: {array}; nothing was stored"
            ),
            Outcome::RowsFound => {
                format!("{target} already has the rows of the input: {array}; nothing was appended")
            }
            Outcome::Complete { done } if done.is_nothing() => {
                format!("{target} is already complete: {array}; nothing was stored")
            }
            Outcome::Complete { done } => {
                format!("another worker has published {target}: {array}; {done}")
            }
            Outcome::Published { done, seconds } if !done.is_all() => format!(
                "stored {array} as {target}: {} in {chunks}, {bytes} {medium}; {done} in \
                 {seconds:.1?}",
                HumanBytes(raw),
            ),
            Outcome::Stored { seconds } | Outcome::Published { seconds, .. } => format!(
                "stored {array} as {target}: {} in {chunks}, {bytes} {medium}, {seconds:.1?}, \
                 {}/s",
                HumanBytes(raw),
                rate(raw, seconds),
            ),
            Outcome::Appended { n_rows, seconds } => {
                let n_rows_in_all = stored.shape().first().copied().unwrap_or(0).max(1);
                let appended = raw / n_rows_in_all as u64 * n_rows as u64;
                format!(
                    "appended {} to {target}, which is now {array}: {} in {chunks}, {bytes} \
                     {medium}, {seconds:.1?}, {}/s",
                    count(n_rows as u64, "row"),
                    HumanBytes(raw),
                    rate(appended, seconds),
                )
            }
        });
    }
    let appended_rows = match outcome {
        Outcome::Appended { n_rows, .. } => Some(n_rows),
        Outcome::RowsFound => Some(0),
        _ => None,
    };
    let (of_workers, done) = match outcome {
        Outcome::Published { done, .. } => (Some("finished"), Some(done)),
        Outcome::Complete { done } => (Some("finished before"), Some(done)),
        _ => (None, None),
    };
    if options.report.json {
        return print::json(&Stored {
            outcome: of_workers,
            done,
            path: &options.output.to_string(),
            array: options.array.as_deref(),
            dtype: stored.dtype().name(),
            shape: stored.shape(),
            appended_rows,
            chunk_grid: stored.chunk_grid(),
            chunk_shape: stored.chunk_shape(),
            shard_shape: stored.shard_shape(),
            bytes: stored.n_bytes(),
            stored_bytes: size.bytes,
            statistics: answers.map(answers::Json),
        });
    }
    answers.map_or(Ok(()), |answers| print::result(answers::to_tables(answers)))
}

/// The JSON for programs, with fields in this order.
#[derive(Serialize)]
struct Stored<'a> {
    /// None unless workers share the write.
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'a str>,
    #[serde(flatten)]
    done: Option<&'a Done>,
    path: &'a str,
    array: Option<&'a str>,
    dtype: &'a str,
    shape: &'a [usize],
    /// None unless rows were appended to an array.
    appended_rows: Option<usize>,
    chunk_grid: &'a str,
    chunk_shape: &'a [usize],
    shard_shape: Option<&'a [usize]>,
    bytes: u64,
    stored_bytes: u64,
    /// None if another worker has them.
    statistics: Option<answers::Json<'a>>,
}
