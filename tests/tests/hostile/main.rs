//! Untrusted arrays: every defect is an error, never a panic, and memory is bounded by the array's
//! own shapes.

mod bombs;
mod damage;
mod sizes;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lazy_chunks::zarr::{Error, StoredArray};
use peak_alloc::PeakAlloc;
use serde_json::{Value, json};
use tempfile::TempDir;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The most memory that reading a tiny array may take, in addition to the memory that its shapes
/// ask for.
const MOST_BYTES: u128 = 64 << 20;

/// The most elements to read at once. A missing chunk stands for this many zeros.
const MOST_ELEMENTS: u128 = 1 << 16;

/// Serializes the tests, since the allocator counts for all threads.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Returns the peak of allocated bytes during a function, with no other test running.
fn peak(function: impl FnOnce()) -> usize {
    let _alone = alone();
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    function();
    ALLOCATOR.peak_usage().saturating_sub(before)
}

/// Opens an array, reads everything in it, and checks that memory stays within the bound.
fn examine(path: &Path) -> Result<(), Error> {
    // The default hook prints a backtrace, which takes more memory than these tests.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let mut examined = None;
    let peak = peak(|| {
        examined = Some(catch_unwind(AssertUnwindSafe(|| examine_all(path))));
    });
    let examined = examined.expect("the function was called");
    let (result, declared) = examined.expect("the library never panics");
    assert!(
        peak as u128 <= MOST_BYTES + 4 * declared,
        "the peak is {peak} bytes, but the array declares {declared}: {result:?}"
    );
    result
}

/// Returns the first error, and the size in bytes that the array declares for a chunk or shard.
fn examine_all(path: &Path) -> (Result<(), Error>, u128) {
    let array = match StoredArray::open(path) {
        Ok(array) => array,
        // The library tests by an allocation whether a declared size fits into memory.
        Err(error) => return (Err(error), 0),
    };
    let elements =
        |shape: &[usize]| shape.iter().fold(1, |n: u128, &x| n.saturating_mul(x as u128));
    let unit = elements(array.shard_shape().unwrap_or(array.chunk_shape()));
    let declared = unit.saturating_mul(array.dtype().size() as u128);
    let mut results = vec![array.fill_value().map(|_| ())];
    // Regions in the first and the last corner, and the whole array if it is small.
    let near = |size: &usize| 0..size.to_owned().min(3);
    let far = |size: &usize| size.saturating_sub(3)..*size;
    if array.shape().len() <= 8 {
        for region in [
            array.shape().iter().map(near).collect::<Vec<_>>(),
            array.shape().iter().map(far).collect(),
        ] {
            results.push(array.read_region(&region).map(|_| ()));
        }
    }
    let n_elements = elements(array.shape());
    if n_elements <= MOST_ELEMENTS || n_elements > 1 << 59 {
        results.push(array.read().map(|_| ()));
    }
    if array.verify().n_chunks() <= 1000 && unit <= MOST_ELEMENTS {
        results.extend(array.verify().map(|defect| match defect {
            Ok(defect) => {
                assert!(!defect.to_string().is_empty());
                Ok(())
            }
            Err(error) => Err(error),
        }));
    }
    (results.into_iter().collect(), declared)
}

/// Returns the codec that stores elements unchanged.
fn bytes() -> Value {
    json!({"name": "bytes", "configuration": {"endian": "little"}})
}

/// Returns the metadata of an array of shape (2, 3) in one chunk.
fn metadata(codecs: &Value) -> Value {
    json!({
        "zarr_format": 3, "node_type": "array", "shape": [2, 3], "data_type": "int32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 3]}},
        "chunk_key_encoding": {"name": "default"}, "fill_value": 0, "codecs": codecs,
        "attributes": {}
    })
}

/// Creates an array from its metadata and its only chunk.
fn array(metadata: &Value, chunk: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    std::fs::create_dir_all(path.join("c/0")).unwrap();
    std::fs::write(path.join("zarr.json"), metadata.to_string()).unwrap();
    std::fs::write(path.join("c/0/0"), chunk).unwrap();
    (directory, path)
}
