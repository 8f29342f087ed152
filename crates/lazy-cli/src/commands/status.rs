//! `lazy status`.

use std::fmt;
use std::io::{self, IsTerminal};
use std::thread::sleep;

use lazy_chunks::zarr::{StoredArray, UnfinishedWrite, WriteState};
use serde_json::{Value, json};

use super::{check_exists, open, shared, unfinished};
use crate::failure::Result;
use crate::location::Location;
use crate::options::Status;
use crate::print;
use crate::progress::Display;

pub(crate) fn run(options: &Status) -> Result<()> {
    let path = &options.path;
    let mut found = Found::at(path)?;
    let Some(interval) = options.interval else {
        if options.json {
            return print::json(&found.json(path));
        }
        return found.lines(path, true).iter().try_for_each(print::line);
    };
    let display = Display::new(options.json || !io::stdout().is_terminal());
    let bar = display.of_text();
    let print = |found: &Found| {
        if options.json {
            return print::line(found.json(path));
        }
        found.lines(path, false).iter().try_for_each(print::line)
    };
    while found.is_in_progress() {
        if bar.is_hidden() {
            print(&found)?;
        } else {
            let lines = found.lines(path, true);
            let lines: Vec<_> = lines.iter().map(|line| print::one_line(line)).collect();
            bar.set_message(lines.join("\n"));
        }
        sleep(interval);
        found = Found::again(path)?;
    }
    display.clear();
    print(&found)
}

/// The writes and the array at a path.
enum Found {
    Writes(Vec<UnfinishedWrite>),
    /// There is no unfinished write. There is an array, unless the path is that of a group or of a
    /// folder.
    NoWrites(Option<Box<StoredArray>>),
}

impl Found {
    /// Examines a path, at which there must be an array or a write.
    fn at(path: &Location) -> Result<Found> {
        check_exists(path)?;
        match Found::again(path)? {
            Found::NoWrites(None) => Ok(Found::NoWrites(Some(Box::new(open(path)?)))),
            found => Ok(found),
        }
    }

    /// Examines a path at which there was a write.
    fn again(path: &Location) -> Result<Found> {
        let writes = UnfinishedWrite::list(path)?;
        if writes.is_empty() {
            Ok(Found::NoWrites(StoredArray::open(path).ok().map(Box::new)))
        } else {
            Ok(Found::Writes(writes))
        }
    }

    /// Returns true if the state may change without another command.
    fn is_in_progress(&self) -> bool {
        let is_running = |write: &UnfinishedWrite| {
            matches!(
                write.state(),
                WriteState::Shared { .. }
                    | WriteState::Running { .. }
                    | WriteState::MaybeRunning { .. }
            )
        };
        matches!(self, Found::Writes(writes) if writes.iter().any(is_running))
    }

    /// Returns the state as lines: one for each write, and one for each of its workers.
    fn lines(&self, path: &Location, with_workers: bool) -> Vec<String> {
        let mut lines = Vec::new();
        match self {
            Found::Writes(writes) => {
                for write in writes {
                    let target = write.target();
                    let WriteState::Shared { progress, .. } = write.state() else {
                        let text = unfinished::to_text(write);
                        if let WriteState::Abandoned = write.state()
                            && let Ok(array) = StoredArray::open(target)
                        {
                            lines.push(complete(target, &array));
                        }
                        lines.push(format!("{target}: {text}"));
                        continue;
                    };
                    lines.push(format!("{target}: {}", shared::line(progress)));
                    if with_workers {
                        let workers = shared::workers(&progress.workers);
                        lines.extend(workers.map(|worker| format!("  {worker}")));
                    }
                }
            }
            Found::NoWrites(Some(array)) => lines.push(complete(path, array)),
            Found::NoWrites(None) => {
                lines.push(format!("{path} has no unfinished writes"));
            }
        }
        lines
    }

    fn json(&self, path: &Location) -> Value {
        match self {
            Found::Writes(writes) => writes.iter().map(unfinished::to_json).collect(),
            Found::NoWrites(Some(array)) => json!([{
                "target": path.to_string(),
                "state": "complete",
                "dtype": array.dtype().name(),
                "shape": array.shape(),
            }]),
            Found::NoWrites(None) => json!([]),
        }
    }
}

fn complete(target: &impl fmt::Display, array: &StoredArray) -> String {
    format!("{target} is complete: {} {:?}", array.dtype(), array.shape())
}
