//! Directories that become read-only.

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

/// The directory that becomes read-only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Of {
    Array,
    Staging,
    /// The directory of the new version's chunks, if they are in a directory of their own.
    Chunks,
    /// The parent of the array's directory, in which a running write changes nothing.
    Outside,
}

/// Makes each directory read-only at each block. Returns the number of times, or `None` if the
/// program cannot run as another user.
pub(crate) fn run(bench: &Bench, reference: &Reference) -> Result<Option<usize>> {
    let n_blocks = reference.course.grid().blocks().count();
    let mut n_withdrawals = 0;
    for at in 1..n_blocks {
        for of in [Of::Array, Of::Staging, Of::Chunks, Of::Outside] {
            let name = format!("no permission for {of:?} from block {at} on");
            let has_run = Trial::run(bench, reference, &name, |trial| check(trial, at, of))?;
            match has_run {
                None => return Ok(None),
                Some(has_run) => n_withdrawals += usize::from(has_run),
            }
        }
    }
    Ok(Some(n_withdrawals))
}

/// Returns true if permission was withdrawn, or `None` if the program cannot run as another user.
fn check(trial: &mut Trial<'_>, at: usize, of: Of) -> Result<Option<bool>> {
    let (directory, array) = (trial.directory(), trial.array());
    let withdrawn = match of {
        Of::Array => array,
        Of::Staging => array.join(".lazy.1"),
        Of::Outside => array.parent().context("the array has no parent directory")?.to_owned(),
        Of::Chunks => match Keys::after(trial.keys()) {
            // The first chunk exists after the first band.
            Keys::Nested if at > 2 => array.join("c"),
            Keys::Bare if at > 2 => array.join("0"),
            _ => return Ok(Some(false)),
        },
    };
    let mut task = trial.next_task();
    task.trouble = Some((Trouble::Withdrawal(withdrawn.clone()), at));
    let child = if geteuid().is_root() {
        let home = directory.parent().unwrap_or(&directory);
        give_to_nobody(home)?;
        match task.start_as(NOBODY) {
            Ok(child) => child,
            // Other users cannot access the program.
            Err(_) => return Ok(None),
        }
    } else {
        task.start()?
    };
    let Ending::Reported(report) = ending(child)? else { bail!("the process was killed") };
    restore(&withdrawn)?;
    match &report.outcome {
        Err(failure) => {
            ensure!(
                of != Of::Outside,
                "the write needs no permission there, but fails with {failure:?}"
            );
            ensure!(failure.message.contains("Permission denied"), "the error is {failure:?}");
            let (found, _) = trial.end_early(&task)?;
            ensure!(found == trial.found_before(), "{found:?} is at the target");
        }
        Ok(_) => {
            // All operations that need permission may be done already.
            ensure!(
                matches!(of, Of::Outside | Of::Chunks),
                "the write succeeded without permission for {of:?}"
            );
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
