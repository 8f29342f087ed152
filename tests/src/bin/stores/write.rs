//! A write that can be killed at each of its requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::Result;
use lazy_chunks::zarr::{Codec, Existing, Target, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, Error, LazyChunkSequence};
use serde::{Deserialize, Serialize};

use super::killing::{Failpoint, KillingStore};
use super::store;

/// The array has this many blocks of rows, and a chunk or a shard for each.
const N_BLOCKS: usize = 4;
const N_ROWS: usize = 10;
const N_COLUMNS: usize = 6;

/// The settings of a write. Element i of the array is `1000 * value + i`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Settings {
    value: u32,
    /// The name of the array in the group at the URL. Without it, the array is at the URL.
    member: Option<String>,
    is_resumable: bool,
    is_sharded: bool,
    /// The block that fails.
    fails_at: Option<usize>,
    failpoint: Option<Failpoint>,
}

/// The results of a write, printed as JSON.
#[derive(Serialize)]
struct Results {
    requests: Vec<String>,
    n_computed: usize,
    error: Option<String>,
}

pub(crate) fn run(url: &str, settings: &str) -> Result<()> {
    let settings: Settings = serde_json::from_str(settings)?;
    let (store, path) = store(url)?;
    let store = KillingStore::new(store, settings.failpoint);
    let target = Target::in_store(store.clone(), format!("/{path}"));
    let target = match &settings.member {
        Some(member) => target.member(member),
        None => target,
    };
    // Requests have an order.
    let mut sink = ZarrSink::new(target).with_existing(Existing::Replace).with_writer_threads(1);
    sink = if settings.is_sharded {
        sink.with_chunk_shape([N_ROWS / 2, N_COLUMNS / 2])
            .with_shard_shape([N_ROWS, N_COLUMNS])
            .with_codec(Codec::Zstd { level: 3 })
    } else {
        sink.with_chunk_shape([N_ROWS, N_COLUMNS])
    };
    if settings.is_resumable {
        sink = sink.with_resume(format!("value {}", settings.value));
    }
    let n_computed = Arc::new(AtomicUsize::new(0));
    let Settings { value, fails_at, .. } = settings;
    let count = Arc::clone(&n_computed);
    let blocks = LazyChunkSequence::try_from_fn([N_ROWS; N_BLOCKS], move |block| {
        if fails_at == Some(block) {
            return Err(Error::other("the block fails, as the settings ask for"));
        }
        count.fetch_add(1, Ordering::Relaxed);
        let start = block * N_ROWS * N_COLUMNS;
        let element = |i: usize| f64::from(1000 * value) + (start + i) as f64;
        ArrayBlock::from_vec([N_ROWS, N_COLUMNS], (0..N_ROWS * N_COLUMNS).map(element).collect())
    });
    let error = blocks.to_zarr(sink).err().map(|error| lazy_chunks::report(&error).to_string());
    let n_computed = n_computed.load(Ordering::Relaxed);
    let results = Results { requests: store.requests(), n_computed, error };
    println!("{}", serde_json::to_string(&results)?);
    Ok(())
}
