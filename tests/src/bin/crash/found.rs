//! The array at a target, read by zarr-python and by this library.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use anyhow::{Context, Result, bail, ensure};
use lazy_chunks::zarr::StoredArray;
use lazy_chunks::{ArrayBlock, DType};
use serde_json::{Value, json};

use crate::array::{Grid, NEW};

/// The array at a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found {
    Nothing,
    /// A complete array.
    Version(u64),
}

/// A process of zarr-python that answers requests to read.
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
        let output = BufReader::new(child.stdout.take().context("the process has no output")?);
        Ok(ZarrPython { child, input, output })
    }

    /// Returns the answer to a request, and the warnings of zarr-python.
    fn ask(&mut self, request: &Value) -> Result<(Value, Vec<String>)> {
        let input = self.input.as_mut().context("the process has no input")?;
        writeln!(input, "{request}")?;
        let mut line = String::new();
        self.output.read_line(&mut line)?;
        let mut said: Value = serde_json::from_str(&line).context("zarr-python does not answer")?;
        if let Some(error) = said["error"].as_str() {
            bail!("zarr-python fails at {request}: {error}");
        }
        let warnings = serde_json::from_value(said["warnings"].take())?;
        Ok((said, warnings))
    }

    /// Returns the array that zarr-python finds at a path, and its warnings. Checks the elements
    /// against an array with this grid.
    pub(crate) fn found(&mut self, path: &Path, grid: &Grid) -> Result<(Found, Vec<String>)> {
        let (said, warnings) = self.ask(&json!({"open": path}))?;
        if said["nothing"] == true {
            return Ok((Found::Nothing, warnings));
        }
        Ok((Found::Version(version(&said, grid)?), warnings))
    }

    /// Opens an array, and returns the number of its handle.
    pub(crate) fn hold(&mut self, path: &Path) -> Result<u64> {
        let (said, _) = self.ask(&json!({"hold": path}))?;
        said["number"].as_u64().context("zarr-python returns no number")
    }

    /// Reads an array that was opened before, and returns its version.
    pub(crate) fn held(&mut self, number: u64, grid: &Grid) -> Result<u64> {
        let (said, _) = self.ask(&json!({"held": number}))?;
        version(&said, grid)
    }

    /// Returns the elements of the array at a path.
    pub(crate) fn rows(&mut self, path: &Path) -> Result<ArrayBlock> {
        elements(&self.ask(&json!({"open": path}))?.0)
    }

    /// Returns the elements of an array that was opened before.
    pub(crate) fn rows_of(&mut self, number: u64) -> Result<ArrayBlock> {
        elements(&self.ask(&json!({"held": number}))?.0)
    }

    /// Closes an array.
    pub(crate) fn release(&mut self, number: u64) -> Result<()> {
        self.ask(&json!({"release": number})).map(drop)
    }

    /// Returns the names of the arrays in a group.
    pub(crate) fn members(&mut self, group: &Path) -> Result<Vec<String>> {
        let (mut said, warnings) = self.ask(&json!({"members": group}))?;
        // The directory of an array that is not published yet.
        let is_known = |warning: &&String| !warning.contains("is not recognized as a component");
        let warning = warnings.iter().find(is_known);
        ensure!(warning.is_none(), "zarr-python warns: {warning:?}");
        Ok(serde_json::from_value(said["members"].take())?)
    }
}

/// Returns the elements that zarr-python has read.
fn elements(said: &Value) -> Result<ArrayBlock> {
    let shape: Vec<usize> = serde_json::from_value(said["shape"].clone())?;
    let digits = said["elements"].as_str().context("zarr-python reads no elements")?;
    let byte = |start: usize| u8::from_str_radix(&digits[start..start + 2], 16);
    let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect::<Result<_, _>>()?;
    Ok(ArrayBlock::new(DType::Float64, shape, bytes.into())?)
}

/// Checks all elements that zarr-python has read, and returns the version of the array.
fn version(said: &Value, grid: &Grid) -> Result<u64> {
    ensure!(said["dtype"] == "float64", "zarr-python reads {}", said["dtype"]);
    ensure!(said["shape"] == json!(grid.shape()), "zarr-python reads the shape {}", said["shape"]);
    let version = said["version"].as_u64().context("zarr-python reads no version")?;
    let elements = grid.array(version);
    let expected: String = elements.data().iter().map(|byte| format!("{byte:02x}")).collect();
    let is_whole = said["elements"] == expected;
    ensure!(is_whole, "zarr-python reads wrong elements of version {version}");
    Ok(version)
}

impl Drop for ZarrPython {
    fn drop(&mut self) {
        // The process ends with its input.
        self.input = None;
        let _ = self.child.wait();
    }
}

/// Returns the array that this library finds at a path.
pub(crate) fn found_here(path: &Path, grid: &Grid) -> Result<Found> {
    let stored = match StoredArray::open(path) {
        Ok(stored) => stored,
        Err(error) if error.to_string().ends_with(" does not exist") => return Ok(Found::Nothing),
        Err(error) => return Err(error.into()),
    };
    let version = stored.attributes()["version"].as_u64().context("there is no version")?;
    let read: ArrayBlock = stored.read()?;
    ensure!(read == grid.array(version), "wrong elements of version {version}");
    Ok(Found::Version(version))
}

impl Found {
    pub(crate) const NEW: Found = Found::Version(NEW);
}
