//! `lazy finish`.

use indicatif::HumanBytes;
use lazy_chunks::zarr::{StoredArray, UnfinishedWrite, WriteState};
use serde_json::json;

use super::{check_exists, on_medium};
use crate::count::count;
use crate::failure::{Failure, Result};
use crate::options::Finish;
use crate::print;

pub(crate) fn run(options: &Finish) -> Result<()> {
    let path = &options.path;
    check_exists(path)?;
    let mut writes = UnfinishedWrite::list(path)?;
    let (stored, is_published) = match writes.len() {
        0 => (super::open(path)?, false),
        1 => {
            let write = writes.remove(0);
            let was_published = matches!(write.state(), WriteState::Abandoned);
            (finish(write)?, !was_published)
        }
        n => {
            return Err(Failure::Usage(format!(
                "{path} holds {n} unfinished writes; name the array of one of them"
            )));
        }
    };
    let size = stored.stored_size().map_err(|error| {
        let failure = Failure::from(error);
        if is_published { failure.after_storing(path) } else { failure }
    })?;
    if !options.report.quiet {
        let array = format!("{path}: {} {:?}", stored.dtype(), stored.shape());
        let unit = if stored.shard_shape().is_some() { "shard" } else { "chunk" };
        print::note(if is_published {
            let chunks = count(size.n_stored, unit);
            format!("published {array} in {chunks}, {} {}", HumanBytes(size.bytes), on_medium(path))
        } else {
            format!("{array} is already complete")
        });
    }
    if options.report.json {
        return print::json(&json!({
            "path": path.to_string(),
            "outcome": if is_published { "finished" } else { "finished before" },
            "dtype": stored.dtype().name(),
            "shape": stored.shape(),
            "bytes": stored.n_bytes(),
            "stored_bytes": size.bytes,
        }));
    }
    Ok(())
}

fn finish(write: UnfinishedWrite) -> Result<StoredArray> {
    let target = write.target().to_string();
    match write.state() {
        WriteState::Shared { progress, .. }
            if progress.finished_parts < progress.parts
                && progress.finished_parts + progress.workers.len() >= progress.parts =>
        {
            Err(Failure::InProgress { target, parts: count(progress.workers.len(), "part") })
        }
        WriteState::Shared { .. } => Ok(write.finish()?),
        // A worker may have ended just after it had published the array.
        WriteState::Abandoned if StoredArray::open(write.target()).is_ok() => Ok(write.finish()?),
        WriteState::Running { holder } | WriteState::MaybeRunning { holder } => {
            Err(Failure::BeingWritten { target, holder: holder.clone() })
        }
        WriteState::Unreadable { reason } => Err(Failure::Unreadable(reason.clone())),
        _ => Err(Failure::NotShared(target)),
    }
}
