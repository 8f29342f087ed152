//! A full device.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Result, ensure};

use crate::bench::{Bench, Reference};
use crate::trial::Trial;

/// The size of a page in bytes, which is the least that a file in memory takes.
const PAGE: u64 = 4096;

/// A small file system in memory, mounted until it is dropped.
struct SmallDevice(PathBuf);

impl SmallDevice {
    /// Mounts a file system of 64 pages. Returns `None` if this process cannot mount it.
    fn mount(directory: &Path) -> Option<SmallDevice> {
        let mount = Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=256k", "lazy-crash"])
            .arg(directory)
            .stderr(Stdio::null())
            .status();
        mount.is_ok_and(|status| status.success()).then(|| SmallDevice(directory.to_owned()))
    }
}

impl Drop for SmallDevice {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

/// Makes the device full after more and more pages, until the array fits. Returns the number of
/// times it was full, or `None` if no file system can be mounted.
pub(crate) fn run(bench: &Bench, reference: &Reference) -> Result<Option<usize>> {
    for n_pages in 0.. {
        let home = bench.home()?;
        let Some(device) = SmallDevice::mount(&home) else { return Ok(None) };
        let name = format!("{n_pages} pages are free");
        let log = bench.home()?.join("log");
        let has_failed = Trial::run_in(bench, reference, home.clone(), &name, |trial| {
            let ballast = home.join("ballast");
            fill(&ballast, n_pages)?;
            let mut task = trial.next_task();
            task.log = log;
            let report = task.report()?;
            let Err(failure) = report.outcome else { return Ok(false) };
            ensure!(failure.message.contains("No space left on device"), "{failure:?}");
            let (found, left) = trial.end_early(&task)?;
            ensure!(found == trial.found_before(), "{found:?} is at the target");
            if left.complete.is_none() {
                trial.check_nothing_left()?;
            }
            fs::remove_file(ballast)?;
            trial.finish()?;
            Ok(true)
        })?;
        drop(device);
        if !has_failed {
            return Ok(Some(n_pages as usize));
        }
    }
    unreachable!("the array fits at last")
}

/// Fills the device except for some pages.
fn fill(ballast: &Path, n_free: u64) -> Result<()> {
    let mut file = File::create(ballast)?;
    let mut n_pages = 0_u64;
    while file.write_all(&[1; PAGE as usize]).is_ok() {
        n_pages += 1;
    }
    ensure!(n_pages > n_free, "the device has only {n_pages} pages");
    Ok(file.set_len((n_pages - n_free) * PAGE)?)
}
