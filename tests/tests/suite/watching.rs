//! Progress that a write reports to observers.

use std::sync::{Arc, Mutex};

use lazy_chunks::zarr::{Existing, MemoryStore, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, MeanVariance, Observer, Progress, Stage};
use lazy_tests::{flat, zeros};

/// Records the progress that an observer receives.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Progress>>>);

impl Told {
    fn observer(&self) -> impl Observer + 'static {
        let told = Arc::clone(&self.0);
        move |progress: &Progress| told.lock().unwrap().push(*progress)
    }

    /// Returns an observed sequence of blocks of these shapes.
    fn flat(&self, shapes: &[&[usize]]) -> LazyChunkSequence<'static, ArrayBlock> {
        flat(shapes).with_observer(self.observer())
    }

    fn take(&self) -> Vec<Progress> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

fn sink() -> ZarrSink {
    ZarrSink::new(Arc::new(MemoryStore::new()))
}

#[test]
fn an_observer_is_notified_of_every_block_and_chunk() {
    let told = Told::default();
    let sequence = told.flat(&[&[2, 3], &[0, 3], &[3, 3]]);
    for (sequence, n_blocks) in [(sequence.clone(), None), (sequence.with_len(3), Some(3))] {
        let sink = sink().with_chunk_shape([2, 2]);
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
fn stored_chunks_and_bytes_count_files() {
    let told = Told::default();
    let sequence = told.flat(&[&[4, 3], &[4, 3]]);
    let sharded = sink().with_chunk_shape([1, 1]).with_shard_shape([4, 3]);
    sequence.to_zarr(sharded).unwrap();
    assert_eq!(told.take().last().unwrap().chunks, 2, "each shard counts once");

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let to_files = ZarrSink::new(&path).with_chunk_shape([4, 3]);
    sequence.to_zarr(to_files.clone()).unwrap();
    let size = |name| std::fs::metadata(path.join(name)).unwrap().len();
    let stored_bytes = size("c/0/0") + size("c/1/0");
    assert_eq!(told.take().last().unwrap().stored_bytes, stored_bytes);

    // All sinks of a pass count.
    let sinks = (to_files.with_existing(Existing::Replace), sink().with_chunk_shape([2, 3]));
    sequence.compute(sinks).unwrap();
    let last = told.take().last().copied().unwrap();
    assert_eq!(last.chunks, 2 + 4);
    assert!(last.stored_bytes > stored_bytes);
}

#[test]
fn an_observer_is_notified_of_a_failure() {
    let told = Told::default();
    let failing = LazyChunkSequence::try_new(|| [Ok(zeros(&[1, 2])), Err("out of memory")]);
    failing.with_observer(told.observer()).to_zarr(sink()).unwrap_err();
    let stages: Vec<_> = told.take().iter().map(|p| (p.blocks, p.stage)).collect();
    assert_eq!(stages, [(0, Stage::Running), (1, Stage::Running), (1, Stage::Aborted)]);

    // An invalid setting is an error before the pass begins.
    told.flat(&[&[1, 2]]).to_zarr(sink().with_writer_threads(1025)).unwrap_err();
    assert_eq!(told.take(), []);
}
