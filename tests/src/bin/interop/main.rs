//! Arrays for other readers, and the arrays of other writers.
//!
//! `interop write DIRECTORY` stores arrays of every sort and says in `manifest.json` what they are;
//! `interop read DIRECTORY` compares what is there with such a manifest, whoever wrote it. The peers'
//! half is `tests/python/interop`. `interop statistics DIRECTORY` stores statistics, for NumPy to compute again.

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
