//! Directories in which nothing can be made any more.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use anyhow::{Result, bail, ensure};
use rustix::process::geteuid;

use crate::bench::{Bench, Reference, files};
use crate::left::staging;
use crate::process::{Ending, ending};
use crate::program::Trouble;
use crate::trial::Trial;

/// Somebody whom permissions bind.
const NOBODY: u32 = 65534;

/// Withdraws the permission to write, of the directory that the target is in and of the staging directory,
/// at every block; returns how often, or nothing where the program cannot run as somebody else.
pub(crate) fn run(bench: &Bench, reference: &Reference) -> Result<Option<usize>> {
    let n_blocks = reference.course.grid().blocks().count();
    let mut n_withdrawals = 0;
    for at in 1..n_blocks {
        for is_of_staging in [false, true] {
            let name = format!("no permission from block {at} on, of the staging: {is_of_staging}");
            let has_run =
                Trial::run(bench, reference, &name, |trial| check(trial, at, is_of_staging))?;
            if !has_run {
                return Ok(None);
            }
            n_withdrawals += 1;
        }
    }
    Ok(Some(n_withdrawals))
}

fn check(trial: &mut Trial<'_>, at: usize, is_of_staging: bool) -> Result<bool> {
    let directory = trial.directory();
    let withdrawn = match is_of_staging {
        true => directory.join(trial.staging_name()),
        false => directory.clone(),
    };
    let mut task = trial.next_task();
    task.trouble = Some((Trouble::Withdrawal(withdrawn), at));
    let child = match geteuid().is_root() {
        false => task.start()?,
        true => {
            let home = directory.parent().unwrap_or(&directory);
            give_to_nobody(home)?;
            match task.start_as(NOBODY) {
                Ok(child) => child,
                // The program lies where others may not look.
                Err(_) => return Ok(false),
            }
        }
    };
    let Ending::Reported(report) = ending(child)? else { bail!("it was killed") };
    fs::set_permissions(&directory, Permissions::from_mode(0o755))?;
    if let Some(staging) = staging(&directory)? {
        fs::set_permissions(staging, Permissions::from_mode(0o755))?;
    }
    let failure = report.outcome.err();
    let is_said = failure.as_ref().is_some_and(|said| said.message.contains("Permission denied"));
    ensure!(is_said, "the error is {failure:?}");
    let (found, _) = trial.end_early(&task)?;
    ensure!(found == trial.found_before(), "{found:?} is at the target");
    trial.finish()?;
    Ok(true)
}

fn give_to_nobody(home: &Path) -> Result<()> {
    chown(home, Some(NOBODY), Some(NOBODY))?;
    for path in files(home)?.keys() {
        chown(home.join(path), Some(NOBODY), Some(NOBODY))?;
    }
    Ok(())
}
