//! `lazy clean`.

use indicatif::HumanBytes;
use lazy_chunks::zarr::{Superseded, UnfinishedWrite, WriteState};
use serde_json::{Value, json};

use super::{check_exists, unfinished};
use crate::count::count;
use crate::failure::Result;
use crate::options::Clean;
use crate::print;

pub(crate) fn run(options: &Clean) -> Result<()> {
    check_exists(&options.path)?;
    let old = Superseded::list(&options.path)?;
    let mut abandoned = UnfinishedWrite::list(&options.path)?;
    abandoned.retain(|write| matches!(write.state(), WriteState::Abandoned));
    // Everything is removed even if the list cannot be printed.
    let mut printed = Ok(());
    if options.json {
        let entries = old.iter().map(to_json).chain(abandoned.iter().map(abandoned_to_json));
        printed = print::json(&Value::Array(entries.collect()));
    } else if old.is_empty() && abandoned.is_empty() {
        print::note(format_args!("nothing to remove in {}", options.path));
    }
    let verb = if options.dry_run { "would remove" } else { "removed" };
    for old in old {
        let target = old.target();
        let line = format!(
            "{target}: {verb} {}, {}",
            count(old.n_files(), "old chunk"),
            HumanBytes(old.bytes())
        );
        if !options.dry_run {
            old.remove()?;
        }
        if !options.json && printed.is_ok() {
            printed = print::line(line);
        }
    }
    for write in abandoned {
        let line = format!("{}: {verb} an unfinished write that cannot be resumed", write.target());
        if !options.dry_run {
            write.remove()?;
        }
        if !options.json && printed.is_ok() {
            printed = print::line(line);
        }
    }
    printed
}

fn to_json(old: &Superseded) -> Value {
    json!({
        "target": old.target().to_string(),
        "kind": "old chunks",
        "files": old.n_files(),
        "bytes": old.bytes(),
    })
}

fn abandoned_to_json(write: &UnfinishedWrite) -> Value {
    json!({
        "target": write.target().to_string(),
        "kind": "abandoned write",
        "directory": unfinished::place(write),
    })
}
