//! `lazy unfinished`.

use indicatif::HumanBytes;
use lazy_chunks::zarr::{UnfinishedWrite, WriteState};
use serde_json::{Value, json};

use crate::count::count;
use crate::failure::Result;
use crate::options::Unfinished;
use crate::print;

pub(crate) fn run(options: &Unfinished) -> Result<()> {
    let writes = UnfinishedWrite::list(&*options.path)?;
    // Writes are removed even if the list cannot be printed.
    let mut printed = Ok(());
    if options.json {
        printed = print::json(&Value::Array(writes.iter().map(to_json).collect()));
    } else if writes.is_empty() {
        print::note(format_args!("{} has no unfinished writes", options.path.display()));
    }
    for write in writes {
        let target = write.target().display().to_string();
        if !options.json && printed.is_ok() {
            printed = print::line(format_args!("{target}: {}", to_text(&write)));
        }
        // A running write is left alone.
        if options.remove && !matches!(write.state(), WriteState::Running { .. }) {
            write.remove()?;
            print::note(format_args!("removed the unfinished write of {target}"));
        }
    }
    printed
}

fn to_text(write: &UnfinishedWrite) -> String {
    let directory = write.directory();
    let directory = directory.display();
    match write.state() {
        WriteState::Running { holder } => format!("being written by {holder}, in {directory}"),
        WriteState::MaybeRunning { holder } => format!(
            "being written by {holder}, unless that process has ended, in {directory}; if it has \
             ended, take over with `lazy store --take-over`"
        ),
        WriteState::Resumable { key, chunks, stored_bytes } => {
            let (chunks, stored) = (count(*chunks, "chunk"), HumanBytes(*stored_bytes));
            format!(
                "interrupted after it had stored {chunks} ({stored}) of {key}, in {directory}; \
                 continue it with `lazy store --resume`"
            )
        }
        _ => format!(
            "interrupted, and cannot be resumed, in {directory}; the next write or `lazy clean` \
             removes it"
        ),
    }
}

fn to_json(write: &UnfinishedWrite) -> Value {
    let mut entry = json!({
        "target": write.target().to_string_lossy(),
        "directory": write.directory().to_string_lossy(),
    });
    match write.state() {
        WriteState::Running { holder } => {
            entry["state"] = "running".into();
            entry["holder"] = holder.clone().into();
        }
        WriteState::MaybeRunning { holder } => {
            entry["state"] = "may be running".into();
            entry["holder"] = holder.clone().into();
        }
        WriteState::Resumable { key, chunks, stored_bytes } => {
            entry["state"] = "resumable".into();
            entry["key"] = key.clone().into();
            entry["chunks"] = (*chunks).into();
            entry["stored_bytes"] = (*stored_bytes).into();
        }
        _ => entry["state"] = "abandoned".into(),
    }
    entry
}
