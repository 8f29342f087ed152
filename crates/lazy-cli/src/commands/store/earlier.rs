//! Interrupted writes: the one that `lazy store` finds, and the one that it leaves.

use indicatif::HumanBytes;
use lazy_chunks::zarr::{Target, UnfinishedWrite, WriteState};

use crate::commands::shared;
use crate::count::count;
use crate::failure::{Failure, Result};
use crate::options::{EarlierWrite, Store};
use crate::stop;

/// Returns the progress of the workers that share a write of the array.
pub(super) fn progress_of_workers(target: &Target) -> Option<String> {
    shared_progress(&UnfinishedWrite::list(target.clone()).unwrap_or_default())
}

fn shared_progress(writes: &[UnfinishedWrite]) -> Option<String> {
    writes.iter().find_map(|write| match write.state() {
        WriteState::Shared { progress, .. } => Some(shared::summary(progress)),
        _ => None,
    })
}

/// Checks that no workers share a write of the same array. Unless the write resumes an earlier one,
/// checks that none can be resumed, or discards it if the options say so.
pub(super) fn check(options: &Store, target: &Target) -> Result<()> {
    let is_resumed = options.earlier_write.is_resumed();
    let writes = match UnfinishedWrite::list(target.clone()) {
        // The write itself finds the cause.
        Err(_) if is_resumed => return Ok(()),
        writes => writes?,
    };
    if let Some(progress) = shared_progress(&writes) {
        return Err(Failure::Shared { target: target.to_string(), progress });
    }
    for write in writes.into_iter().filter(|_| !is_resumed) {
        if options.earlier_write == EarlierWrite::Discard && has_ended(&write) {
            write.remove()?;
            continue;
        }
        if let WriteState::Resumable { key, chunks, stored_bytes } = write.state() {
            if *chunks == 0 {
                write.remove()?;
                continue;
            }
            let problem = format!(
                "an earlier write of {target} was interrupted after it had stored {} ({}) of {key}",
                count(*chunks, "chunk"),
                HumanBytes(*stored_bytes),
            );
            return Err(Failure::Unfinished(problem));
        }
    }
    Ok(())
}

/// Returns the failure of the command, given the failure of its pass. `is_complete` is true if the
/// array was complete before.
pub(super) fn ended_early(
    failure: Failure,
    options: &Store,
    target: &Target,
    is_complete: bool,
) -> Failure {
    if failure.is_of_published_array() || failure.is_of_target() {
        return failure;
    }
    if failure.is_of_changed_input() {
        remove_kept(target);
        return Failure::Unchanged { failure: Box::new(failure), output: options.output.clone() };
    }
    let from_stream = options.input.origin.is_stream();
    let left = UnfinishedWrite::list(target.clone()).unwrap_or_default();
    let has_chunks = |write: &UnfinishedWrite| {
        matches!(write.state(), WriteState::Resumable { chunks: 1.., .. })
    };
    let is_kept = !from_stream && left.iter().any(has_chunks);
    if !failure.is_cancelled() && !stop::is_asked_for() {
        let output = options.output.clone();
        return if is_kept {
            Failure::Kept { output, failure: Box::new(failure) }
        } else if left.iter().any(has_ended) {
            Failure::Left { output, failure: Box::new(failure) }
        } else {
            failure
        };
    }
    let output = &options.output;
    Failure::Stopped(if is_complete {
        format!("stopped; {output} is unchanged")
    } else if from_stream {
        format!("stopped; {output} is unchanged; nothing is kept, since a stream cannot be resumed")
    } else if is_kept {
        format!(
            "stopped; {output} is unchanged; the stored chunks are kept: continue with the same \
             command and --resume"
        )
    } else {
        format!("stopped; {output} is unchanged; nothing is kept, since no chunk was complete")
    })
}

/// Returns true if no process is writing any more. A write that cannot be resumed may have an
/// invalid record.
fn has_ended(write: &UnfinishedWrite) -> bool {
    matches!(write.state(), WriteState::Resumable { .. } | WriteState::Abandoned)
}

/// Removes the chunks of a write whose input changed during the pass: they may mix versions of it.
fn remove_kept(target: &Target) {
    for write in UnfinishedWrite::list(target.clone()).unwrap_or_default() {
        if matches!(write.state(), WriteState::Resumable { .. }) {
            // If this fails, `lazy unfinished` lists them.
            let _ = write.remove();
        }
    }
}
