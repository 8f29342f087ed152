//! Directories in which nothing can be created or removed any more.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use rustix::process::geteuid;

use crate::bench::{Bench, Reference};
use crate::keys::Keys;
use crate::process::{Ending, ending};
use crate::program::Trouble;
use crate::state::files;
use crate::trial::Trial;

/// A user whom permissions bind.
const NOBODY: u32 = 65534;

/// The directory of which permission is withdrawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Array,
    Staging,
    /// The directory that holds the chunks of the new version, where they lie in one.
    Chunks,
    /// The directory that the array's directory lies in, where a write that has begun does nothing.
    Outside,
}

/// Withdraws the permission to write, of each directory, at every block; returns how often, or nothing where
/// the program cannot run as another user.
pub(crate) fn run(bench: &Bench, reference: &Reference) -> Result<Option<usize>> {
    let n_blocks = reference.course.grid().blocks().count();
    let mut n_withdrawals = 0;
    for at in 1..n_blocks {
        for of in [Of::Array, Of::Staging, Of::Chunks, Of::Outside] {
            let name = format!("no permission from block {at} on, of {of:?}");
            let has_run = Trial::run(bench, reference, &name, |trial| check(trial, at, of))?;
            match has_run {
                None => return Ok(None),
                Some(has_run) => n_withdrawals += usize::from(has_run),
            }
        }
    }
    Ok(Some(n_withdrawals))
}

/// Returns true if permission was withdrawn; nothing where the program cannot run.
fn check(trial: &mut Trial<'_>, at: usize, of: Of) -> Result<Option<bool>> {
    let (directory, array) = (trial.directory(), trial.array());
    let withdrawn = match of {
        Of::Array => array,
        Of::Staging => array.join(".lazy.1"),
        Of::Outside => array.parent().context("it lies in a directory")?.to_owned(),
        Of::Chunks => match Keys::after(trial.keys()) {
            // The first chunk is there once the first band is over.
            Keys::Nested if at > 2 => array.join("c"),
            Keys::Bare if at > 2 => array.join("0"),
            _ => return Ok(Some(false)),
        },
    };
    let mut task = trial.next_task();
    task.trouble = Some((Trouble::Withdrawal(withdrawn.clone()), at));
    let child = match geteuid().is_root() {
        false => task.start()?,
        true => {
            let home = directory.parent().unwrap_or(&directory);
            give_to_nobody(home)?;
            match task.start_as(NOBODY) {
                Ok(child) => child,
                // The program lies where others may not look.
                Err(_) => return Ok(None),
            }
        }
    };
    let Ending::Reported(report) = ending(child)? else { bail!("it was killed") };
    restore(&withdrawn)?;
    match &report.outcome {
        Err(failure) => {
            ensure!(of != Of::Outside, "nothing is done there, but: {failure:?}");
            ensure!(failure.message.contains("Permission denied"), "the error is {failure:?}");
            let (found, _) = trial.end_early(&task)?;
            ensure!(found == trial.found_before(), "{found:?} is at the target");
        }
        Ok(_) => {
            // All that needs permission may have been done.
            ensure!(matches!(of, Of::Outside | Of::Chunks), "it did not need permission");
            trial.check_success(&task, &report)?;
        }
    }
    trial.finish()?;
    Ok(Some(true))
}

fn restore(directory: &PathBuf) -> Result<()> {
    if directory.exists() {
        fs::set_permissions(directory, Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn give_to_nobody(home: &Path) -> Result<()> {
    chown(home, Some(NOBODY), Some(NOBODY))?;
    for path in files(home)?.keys() {
        chown(home.join(path), Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}
