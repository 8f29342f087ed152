//! Arrays that may be anybody's: whatever is wrong with one is an error, never a panic, and memory is
//! bounded by what the array's own shapes ask for.

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

/// What reading a tiny array takes at most, beside what its shapes ask for.
const MOST_BYTES: u128 = 64 << 20;

/// More elements than that are not asked for, since a missing chunk stands for as many.
const MOST_ELEMENTS: u128 = 1 << 16;

/// The allocator counts for all threads, so that tests take turns.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The most bytes that are allocated at once by a function, with nothing beside it.
fn peak(function: impl FnOnce()) -> usize {
    let _alone = alone();
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    function();
    ALLOCATOR.peak_usage().saturating_sub(before)
}

/// Opens an array and reads of it all that can be asked for, within the bound.
fn examine(path: &Path) -> Result<(), Error> {
    // A backtrace takes more memory than all that is tested here.
    std::panic::set_hook(Box::new(|panic| eprintln!("{panic}")));
    let mut examined = None;
    let peak = peak(|| {
        examined = Some(catch_unwind(AssertUnwindSafe(|| examine_all(path))));
    });
    let examined = examined.expect("it was examined");
    let (result, declared) = examined.expect("no panic leaves the crate");
    assert!(
        peak as u128 <= MOST_BYTES + 4 * declared,
        "{peak} bytes, where the array declares {declared}: {result:?}"
    );
    result
}

/// What came of it, and the bytes that a chunk or shard has as the array declares it.
fn examine_all(path: &Path) -> (Result<(), Error>, u128) {
    let array = match StoredArray::open(path) {
        Ok(array) => array,
        // What is too large is asked for, to see whether memory has it.
        Err(error) => return (Err(error), 0),
    };
    let elements =
        |shape: &[usize]| shape.iter().fold(1, |n: u128, &x| n.saturating_mul(x as u128));
    let unit = elements(array.shard_shape().unwrap_or(array.chunk_shape()));
    let declared = unit.saturating_mul(array.dtype().size() as u128);
    let mut results = vec![array.fill_value().map(|_| ())];
    // The corners, whole blocks of them, and all of it where it is small.
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

/// The codec of elements as they are.
fn bytes() -> Value {
    json!({"name": "bytes", "configuration": {"endian": "little"}})
}

/// The metadata of an array of shape (2, 3) in one chunk.
fn metadata(codecs: &Value) -> Value {
    json!({
        "zarr_format": 3, "node_type": "array", "shape": [2, 3], "data_type": "int32",
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": [2, 3]}},
        "chunk_key_encoding": {"name": "default"}, "fill_value": 0, "codecs": codecs,
        "attributes": {}
    })
}

/// Makes an array of these documents.
fn array(metadata: &Value, chunk: &[u8]) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    std::fs::create_dir_all(path.join("c/0")).unwrap();
    std::fs::write(path.join("zarr.json"), metadata.to_string()).unwrap();
    std::fs::write(path.join("c/0/0"), chunk).unwrap();
    (directory, path)
}
