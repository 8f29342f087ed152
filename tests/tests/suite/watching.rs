//! What observers are told of a write.

use std::sync::{Arc, Mutex};

use lazy_chunks::zarr::{MemoryStore, ToZarr, ZarrSink};
use lazy_chunks::{LazyChunkSequence, MeanVariance, Progress, Stage};
use lazy_tests::{flat, zeros};

/// Keeps all that an observer is told.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Progress>>>);

impl Told {
    fn sink(&self) -> ZarrSink {
        let told = Arc::clone(&self.0);
        ZarrSink::new(Arc::new(MemoryStore::new()))
            .with_observer(move |progress: &Progress| told.lock().unwrap().push(*progress))
    }

    fn take(&self) -> Vec<Progress> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[test]
fn an_observer_hears_of_every_block_and_chunk() {
    let told = Told::default();
    let blocks: &[&[usize]] = &[&[2, 3], &[0, 3], &[3, 3]];
    for (sequence, n_blocks) in [(flat(blocks), None), (flat(blocks).with_len(3), Some(3))] {
        let sink = told.sink().with_chunk_shape([2, 2]);
        let (_, stored) = sequence.compute((MeanVariance, sink)).unwrap();
        let told = told.take();
        let expect = |blocks, bytes| (blocks, bytes, n_blocks);
        let counted: Vec<_> = told.iter().map(|p| (p.blocks, p.bytes, p.n_blocks)).collect();
        assert_eq!(
            counted,
            [expect(0, 0), expect(1, 24), expect(2, 24), expect(3, 60), expect(3, 60)]
        );
        let stages: Vec<_> = told.iter().map(|progress| progress.stage).collect();
        assert_eq!(stages[..4], [Stage::Running; 4]);
        assert!(told.is_sorted_by_key(|progress| (progress.chunks, progress.stored_bytes)));

        let last = told.last().unwrap();
        assert_eq!((last.stage, last.chunks), (Stage::Finished, 3 * 2));
        assert_eq!(stored.shape(), [5, 3]);
        assert!(last.stored_bytes > 0);
    }
}

#[test]
fn what_is_stored_is_counted_in_files() {
    let told = Told::default();
    let sink = told.sink().with_chunk_shape([1, 1]).with_shard_shape([4, 3]);
    flat(&[&[4, 3], &[4, 3]]).to_zarr(sink).unwrap();
    assert_eq!(told.take().last().unwrap().chunks, 2, "shards");

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let seen = told.clone();
    let observer = move |progress: &Progress| seen.0.lock().unwrap().push(*progress);
    let sink = ZarrSink::new(&path).with_chunk_shape([4, 3]).with_observer(observer);
    flat(&[&[4, 3], &[4, 3]]).to_zarr(sink).unwrap();
    let size = |name| std::fs::metadata(path.join(name)).unwrap().len();
    assert_eq!(told.take().last().unwrap().stored_bytes, size("c/0/0") + size("c/1/0"));
}

#[test]
fn an_observer_hears_of_a_failure() {
    let told = Told::default();
    let failing = LazyChunkSequence::try_new(|| [Ok(zeros(&[1, 2])), Err("out of memory")]);
    failing.to_zarr(told.sink()).unwrap_err();
    let stages: Vec<_> = told.take().iter().map(|p| (p.blocks, p.stage)).collect();
    assert_eq!(stages, [(0, Stage::Running), (1, Stage::Running), (1, Stage::Aborted)]);

    // A target that is refused: nothing began.
    flat(&[&[1, 2]]).to_zarr(told.sink().with_writer_threads(0)).unwrap_err();
    assert_eq!(told.take(), []);
}
