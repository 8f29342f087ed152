//! Arrays for other readers, and arrays of other writers.
//!
//! `interop write DIRECTORY` stores arrays of every sort, and describes them in `manifest.json`.
//! `interop read DIRECTORY` compares a directory with its manifest, whichever program wrote it.
//! `tests/python/interop` does the same with other libraries. `interop statistics DIRECTORY` stores
//! statistics, which NumPy computes again.

mod fill;
mod manifest;
mod matrix;
mod read;
mod statistics;
mod write;

use std::path::Path;

use anyhow::{Result, bail};

// The manifests' elements are little-endian.
const _: () = assert!(cfg!(target_endian = "little"));

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [task, directory] if task == "write" => write::run(Path::new(directory)),
        [task, directory] if task == "read" => read::run(Path::new(directory)),
        [task, directory] if task == "statistics" => statistics::run(Path::new(directory)),
        _ => bail!("usage: interop write|read|statistics DIRECTORY"),
    }
}
