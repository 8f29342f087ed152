//! The suite for stores on a server.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use lazy_chunks::conformance::StoreSuite;
use lazy_chunks::zarr::RemoteStore;
use lazy_chunks::zarr::object_store::prefix::PrefixStore;

use super::client;

pub(crate) fn run(url: &str) -> Result<()> {
    let (store, path) = client(url)?;
    let n_cases = AtomicUsize::new(0);
    let suite = StoreSuite::new(move || {
        let case = n_cases.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{path}/case {case}");
        RemoteStore::new(Arc::new(PrefixStore::new(Arc::clone(&store), prefix)))
    });
    let cases = suite.cases();
    let n_cases = cases.len();
    lazy_chunks::conformance::run_cases(cases);
    println!("{n_cases} cases passed");
    Ok(())
}
