//! The progress of a write that workers share, as text and as JSON.

use std::time::Duration;

use indicatif::{HumanBytes, HumanDuration};
use lazy_chunks::Holder;
use lazy_chunks::zarr::SharedProgress;
use serde_json::{Map, Value, json};

use crate::count::count;

/// Returns the numbers of parts that are finished, running and waiting.
pub(super) fn summary(progress: &SharedProgress) -> String {
    let SharedProgress { parts, finished_parts, workers, .. } = progress;
    let verb = if *parts == 1 { "is" } else { "are" };
    format!(
        "{finished_parts} of {} {verb} finished, {} running, {} waiting",
        count(*parts, "part"),
        workers.len(),
        n_waiting(progress)
    )
}

/// Returns the progress in one line.
pub(super) fn line(progress: &SharedProgress) -> String {
    let SharedProgress { blocks, finished_blocks, stored_bytes, .. } = progress;
    let left = time_left(progress)
        .map_or_else(String::new, |left| format!(", about {} left", HumanDuration(left)));
    format!(
        "{}; {finished_blocks} of {}, {} stored{left}",
        summary(progress),
        count(*blocks, "block"),
        HumanBytes(*stored_bytes)
    )
}

/// Returns a line for each part that a worker computes.
pub(super) fn workers(workers: &[(usize, Holder)]) -> impl Iterator<Item = String> {
    workers.iter().map(|(part, worker)| format!("part {part}: {worker}"))
}

/// Adds the progress to an object.
pub(super) fn add_to(object: &mut Map<String, Value>, progress: &SharedProgress) {
    let fields = [
        ("parts", json!(progress.parts)),
        ("finished_parts", json!(progress.finished_parts)),
        ("running_parts", json!(progress.workers.len())),
        ("waiting_parts", json!(n_waiting(progress))),
        ("blocks", json!(progress.blocks)),
        ("finished_blocks", json!(progress.finished_blocks)),
        ("stored_bytes", json!(progress.stored_bytes)),
        ("worker_seconds", json!(progress.time.as_secs_f64())),
        ("seconds_left", json!(time_left(progress).map(|left| left.as_secs_f64()))),
        ("workers", workers_json(&progress.workers)),
    ];
    object.extend(fields.map(|(name, value)| (name.to_owned(), value)));
}

/// Returns the parts that workers compute, as JSON.
pub(super) fn workers_json(workers: &[(usize, Holder)]) -> Value {
    let worker = |(part, worker): &(usize, Holder)| json!({ "part": part, "name": worker.name(), "is_certain": worker.is_certain() });
    workers.iter().map(worker).collect()
}

/// Returns the number of parts that no worker has taken. A part may be finished while its worker
/// still holds it.
fn n_waiting(progress: &SharedProgress) -> usize {
    let taken = progress.finished_parts + progress.workers.len();
    progress.parts.saturating_sub(taken)
}

/// Returns the time until all parts are finished, if the present workers go on as all workers did.
fn time_left(progress: &SharedProgress) -> Option<Duration> {
    let SharedProgress { blocks, finished_blocks, time, workers, .. } = progress;
    let n_left = blocks.saturating_sub(*finished_blocks) as f64;
    let n_done = (*finished_blocks as f64) * workers.len() as f64;
    let seconds = time.as_secs_f64() * n_left / n_done;
    Duration::try_from_secs_f64(seconds).ok()
}
