//! `lazy clean`.

use indicatif::HumanBytes;
use lazy_chunks::zarr::{Superseded, UnfinishedWrite, WriteState};
use serde_json::{Value, json};

use crate::arguments::Clean;
use crate::failure::Result;
use crate::print;

pub(crate) fn run(arguments: &Clean) -> Result<()> {
    let old = Superseded::list(&*arguments.path)?;
    let mut abandoned = UnfinishedWrite::list(&*arguments.path)?;
    abandoned.retain(|write| matches!(write.state(), WriteState::Abandoned));
    // Everything is removed, whether the output can be written or not.
    let mut printed = Ok(());
    if arguments.json {
        let entries = old.iter().map(to_json).chain(abandoned.iter().map(rest_to_json));
        printed = print::json(&Value::Array(entries.collect()));
    } else if old.is_empty() && abandoned.is_empty() {
        print::note(format_args!("there is nothing to remove in {}", arguments.path.display()));
    }
    let verb = if arguments.dry_run { "would remove" } else { "removed" };
    for old in old {
        let target = old.target();
        let line = format!(
            "{}: {verb} {} old chunks, {}",
            target.display(),
            old.n_files(),
            HumanBytes(old.bytes())
        );
        if !arguments.dry_run {
            old.remove()?;
        }
        if !arguments.json && printed.is_ok() {
            printed = print::line(line);
        }
    }
    for write in abandoned {
        let line = format!(
            "{}: {verb} the rest of a write that cannot be resumed",
            write.target().display()
        );
        if !arguments.dry_run {
            write.remove()?;
        }
        if !arguments.json && printed.is_ok() {
            printed = print::line(line);
        }
    }
    printed
}

fn to_json(old: &Superseded) -> Value {
    json!({
        "target": old.target().to_string_lossy(),
        "kind": "old chunks",
        "files": old.n_files(),
        "bytes": old.bytes(),
    })
}

fn rest_to_json(write: &UnfinishedWrite) -> Value {
    json!({
        "target": write.target().to_string_lossy(),
        "kind": "abandoned write",
        "directory": write.directory().to_string_lossy(),
    })
}
