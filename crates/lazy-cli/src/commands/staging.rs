//! `lazy staging`.

use indicatif::HumanBytes;
use lazy_chunks::zarr::{UnfinishedWrite, WriteState};
use serde_json::{Value, json};

use crate::arguments::Staging;
use crate::failure::Result;
use crate::print;

pub(crate) fn run(arguments: &Staging) -> Result<()> {
    let writes = UnfinishedWrite::list(&*arguments.path)?;
    // What is to be removed is, whether somebody reads of it or not.
    let mut printed = Ok(());
    if arguments.json {
        printed = print::json(&Value::Array(writes.iter().map(to_json).collect()));
    } else if writes.is_empty() {
        print::note(format_args!("no write of {} is unfinished", arguments.path.display()));
    }
    for write in writes {
        let target = write.target().display().to_string();
        if !arguments.json && printed.is_ok() {
            printed = print::line(format_args!("{target}: {}", to_text(&write)));
        }
        // One that is under way is not what anybody left behind.
        if arguments.remove && !matches!(write.state(), WriteState::Running { .. }) {
            write.remove()?;
            print::note(format_args!("removed what was left of {target}"));
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
            "being written by {holder}, or was when that process ended, in {directory}; --take-over of \
             `lazy store` resumes it"
        ),
        WriteState::Resumable { job, chunks, stored_bytes } => {
            let stored = HumanBytes(*stored_bytes);
            format!(
                "{chunks} chunks ({stored}) in {directory}, of {job}; --resume of `lazy store` continues it"
            )
        }
        _ => format!("cannot be resumed, in {directory}"),
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
        WriteState::Resumable { job, chunks, stored_bytes } => {
            entry["state"] = "resumable".into();
            entry["job"] = job.clone().into();
            entry["chunks"] = (*chunks).into();
            entry["stored_bytes"] = (*stored_bytes).into();
        }
        _ => entry["state"] = "abandoned".into(),
    }
    entry
}
