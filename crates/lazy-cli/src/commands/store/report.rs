//! The results of `lazy store`: a summary, and statistics.

use std::time::Instant;

use indicatif::HumanBytes;
use lazy_chunks::zarr::StoredArray;
use serde::Serialize;

use super::target::target;
use crate::answers;
use crate::count::count;
use crate::failure::Result;
use crate::input::Input;
use crate::options::Store;
use crate::print;
use crate::statistics::Answer;

/// Prints what was stored and its statistics. `started` is the time at which the write began, or
/// none if the array was already complete.
pub(super) fn print(
    options: &Store,
    (input, stored): (&Input, &StoredArray),
    answers: &[Answer],
    started: Option<Instant>,
) -> Result<()> {
    let size = stored.stored_size()?;
    if !options.report.quiet {
        let target = target(options);
        let array = format!("{} {:?}{}", stored.dtype(), stored.shape(), input.sources().summary());
        match started {
            None => print::note(format_args!(
                "{target} is already complete and equal to the input: {array}; nothing was stored"
            )),
            Some(started) => {
                let seconds = started.elapsed();
                let raw = stored.n_bytes();
                let rate = raw as f64 / seconds.as_secs_f64().max(1e-9);
                let unit = if stored.shard_shape().is_some() { "shard" } else { "chunk" };
                print::note(format_args!(
                    "stored {array} as {target}: {} in {}, {} on disk, {seconds:.1?}, {}/s",
                    HumanBytes(raw),
                    count(size.n_stored, unit),
                    HumanBytes(size.bytes),
                    HumanBytes(rate as u64),
                ));
            }
        }
    }
    if options.report.json {
        return print::json(&Stored {
            path: &options.output.to_string_lossy(),
            array: options.array.as_deref(),
            dtype: stored.dtype().name(),
            shape: stored.shape(),
            chunk_shape: stored.chunk_shape(),
            shard_shape: stored.shard_shape(),
            bytes: stored.n_bytes(),
            stored_bytes: size.bytes,
            statistics: answers::Json(answers),
        });
    }
    print::result(answers::to_tables(answers))
}

/// The JSON for programs, with fields in this order.
#[derive(Serialize)]
struct Stored<'a> {
    path: &'a str,
    array: Option<&'a str>,
    dtype: &'a str,
    shape: &'a [usize],
    chunk_shape: &'a [usize],
    shard_shape: Option<&'a [usize]>,
    bytes: u64,
    stored_bytes: u64,
    statistics: answers::Json<'a>,
}
