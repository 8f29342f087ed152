//! `lazy unfinished`.

use indicatif::HumanBytes;
use lazy_chunks::zarr::{UnfinishedWrite, WriteState};
use serde_json::{Value, json};

use super::{check_exists, shared};
use crate::count::count;
use crate::failure::{Failure, Result};
use crate::input::is_of_program;
use crate::options::Unfinished;
use crate::print;

pub(crate) fn run(options: &Unfinished) -> Result<()> {
    check_exists(&options.path)?;
    let writes = UnfinishedWrite::list(&options.path)?;
    // Writes are removed even if the list cannot be printed, or if another one cannot be removed.
    let mut ended = Ok(());
    if options.json {
        ended = print::json(&Value::Array(writes.iter().map(to_json).collect()));
    } else if writes.is_empty() {
        print::note(format_args!("{} has no unfinished writes", options.path));
    }
    for write in writes {
        if !options.json && ended.is_ok() {
            let target = write.target();
            ended = print::line(format_args!("{target}: {}", to_text(&write)));
        }
        if options.remove {
            ended = ended.and(remove(write));
        }
    }
    ended
}

fn remove(write: UnfinishedWrite) -> Result<()> {
    let target = write.target().to_string();
    if let WriteState::Running { holder } = write.state() {
        return Err(Failure::Running { target, holder: holder.clone() });
    }
    write.remove()?;
    print::note(format_args!("removed the unfinished write of {target}"));
    Ok(())
}

pub(super) fn to_text(write: &UnfinishedWrite) -> String {
    let directory = place(write);
    match write.state() {
        WriteState::Running { holder } => format!("being written by {holder}, in {directory}"),
        WriteState::MaybeRunning { holder } => format!(
            "being written by {holder}, unless that process has ended, in {directory}; if it has \
             ended, take over with `lazy store --take-over`"
        ),
        WriteState::Resumable { key, chunks, stored_bytes } => {
            let (chunks, stored) = (count(*chunks, "chunk"), HumanBytes(*stored_bytes));
            format!(
                "interrupted after it had stored {chunks} ({stored}) of {key}, in {directory}; {}",
                continue_with(key, "--resume")
            )
        }
        WriteState::Shared { key, progress } => {
            let progress = shared::summary(progress);
            format!(
                "shared by workers, who store {key}: {progress}, in {directory}; {}",
                continue_with(key, "--workers")
            )
        }
        WriteState::Unreadable { reason } => format!(
            "shared by workers, but not readable: {reason}; remove it with `lazy unfinished \
             --remove`"
        ),
        _ => format!(
            "interrupted, and cannot be resumed, in {directory}; the next write or `lazy clean` \
             removes it"
        ),
    }
}

/// Returns what continues the write with a key.
fn continue_with(key: &str, option: &str) -> String {
    if is_of_program(key) {
        format!("continue it with `lazy store {option}`")
    } else {
        "continue it with the program that began it".to_owned()
    }
}

/// Returns the place of the record of a write: a directory, or a URL.
pub(super) fn place(write: &UnfinishedWrite) -> String {
    write.location()
}

pub(super) fn to_json(write: &UnfinishedWrite) -> Value {
    let mut entry = json!({
        "target": write.target().to_string(),
        "directory": place(write),
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
        WriteState::Shared { key, progress } => {
            entry["state"] = "shared".into();
            entry["key"] = key.clone().into();
            if let Some(entry) = entry.as_object_mut() {
                shared::add_to(entry, progress);
            }
        }
        WriteState::Unreadable { reason } => {
            entry["state"] = "unreadable".into();
            entry["reason"] = reason.clone().into();
        }
        _ => entry["state"] = "abandoned".into(),
    }
    entry
}
