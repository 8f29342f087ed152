//! What is found at a target, by zarr-python and by us.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use lazy_chunks::ArrayBlock;
use lazy_chunks::zarr::{Error, StoredArray};
use serde_json::Value;

use crate::array::{Grid, NEW, OLD};

/// What is found at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// An array, whole.
    Version(u64),
}

/// A process of zarr-python that reads whatever it is asked for.
pub(crate) struct ZarrPython {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl ZarrPython {
    pub(crate) fn start(interpreter: &Path) -> Result<ZarrPython> {
        let mut child = Command::new(interpreter)
            .arg("tests/python/crash.py")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("{} cannot be started", interpreter.display()))?;
        let input = child.stdin.take();
        let output = BufReader::new(child.stdout.take().context("it has an output")?);
        Ok(ZarrPython { child, input, output })
    }

    /// What zarr-python finds at a path; the versions are those of arrays of this grid.
    pub(crate) fn found(&mut self, path: &Path, grid: &Grid) -> Result<Found> {
        let input = self.input.as_mut().context("it has an input")?;
        writeln!(input, "{}", path.display())?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let said: Value = serde_json::from_str(&line).context("zarr-python does not answer")?;
        if let Some(error) = said["error"].as_str() {
            bail!("zarr-python cannot read the array: {error}");
        }
        if said["nothing"] == true {
            return Ok(Found::Nothing);
        }
        ensure!(said["dtype"] == "float64", "zarr-python reads {}", said["dtype"]);
        ensure!(said["shape"] == serde_json::json!(grid.shape()), "and {}", said["shape"]);
        let version = said["version"].as_u64().context("zarr-python reads no version")?;
        let elements = grid.array(version);
        let expected: String = elements.data().iter().map(|byte| format!("{byte:02x}")).collect();
        let is_whole = said["elements"] == expected;
        ensure!(is_whole, "zarr-python reads other elements than those of version {version}");
        Ok(Found::Version(version))
    }
}

impl Drop for ZarrPython {
    fn drop(&mut self) {
        // It ends with its input.
        self.input = None;
        let _ = self.child.wait();
    }
}

/// What we find at a path.
pub(crate) fn found_here(path: &Path, grid: &Grid) -> Result<Found> {
    let stored = match StoredArray::open(path) {
        Ok(stored) => stored,
        Err(Error::NothingThere { .. }) => return Ok(Found::Nothing),
        Err(error) => return Err(error.into()),
    };
    let version = stored.attributes()["version"].as_u64().context("there is no version")?;
    let read: ArrayBlock = stored.read()?;
    ensure!(read == grid.array(version), "the elements are not those of version {version}");
    Ok(Found::Version(version))
}

/// The path of the outermost thing that a target is to make.
pub(crate) fn outermost(directory: &Path, path: &Path) -> PathBuf {
    path.iter().next().map_or(directory.to_owned(), |name| directory.join(name))
}

impl Found {
    pub(crate) const OLD: Found = Found::Version(OLD);
    pub(crate) const NEW: Found = Found::Version(NEW);
}
