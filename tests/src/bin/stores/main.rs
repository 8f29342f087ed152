//! Arrays in object stores, for the tests in `tests/python/stores`.
//!
//! `stores suite URL` runs the suite for stores, each case below a prefix of its own.
//! `stores write URL JSON` stores an array; `write.rs` describes the settings and the results. The
//! clients take their credentials and endpoints from the environment.

mod killing;
mod suite;
mod write;

use std::sync::Arc;

use anyhow::{Result, bail};
use lazy_chunks::zarr::RemoteStore;
use lazy_chunks::zarr::object_store::{ObjectStore, parse_url_opts};

fn main() -> Result<()> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match &arguments[..] {
        [task, url] if task == "suite" => suite::run(url),
        [task, url, settings] if task == "write" => write::run(url, settings),
        _ => bail!("usage: stores suite URL, or stores write URL JSON"),
    }
}

/// Returns the client for a URL, and the path in the store.
fn client(url: &str) -> Result<(Arc<dyn ObjectStore>, String)> {
    let (store, path) = parse_url_opts(&url.parse()?, std::env::vars())?;
    Ok((store.into(), path.to_string()))
}

fn store(url: &str) -> Result<(RemoteStore, String)> {
    let (client, path) = client(url)?;
    Ok((RemoteStore::new(client), path))
}
