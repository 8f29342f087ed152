//! Events that a write reports to a `tracing` subscriber. A single test, since threads without a
//! subscriber may disable events for the whole process.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use lazy_chunks::zarr::{MemoryStore, ToZarr, ZarrSink};
use lazy_tests::flat;
use tracing_subscriber::fmt::MakeWriter;

/// Collects the lines that a subscriber writes.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'w> MakeWriter<'w> for Lines {
    type Writer = Lines;

    fn make_writer(&'w self) -> Lines {
        self.clone()
    }
}

#[test]
fn a_subscriber_receives_the_write_inside_the_evaluation() {
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();
    let sink =
        ZarrSink::new(Arc::new(MemoryStore::new())).with_chunk_shape([2, 2]).with_writer_threads(2);
    tracing::subscriber::with_default(subscriber, || flat(&[&[2, 3], &[3, 3]]).to_zarr(sink))
        .unwrap();
    let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let count = |text: &str| lines.lines().filter(|line| line.contains(text)).count();
    assert_eq!(count("layout chosen chunk_shape=[2, 2]"), 1, "{lines}");
    assert_eq!(count("chunk stored chunk=["), 6, "{lines}");
    assert_eq!(count("encode_seconds="), 6, "{lines}");
    assert_eq!(count("array stored shape=[5, 3] chunks=6 bytes=60 stored_bytes="), 1, "{lines}");
    assert_eq!(count("write{target=store:/}"), 8, "{lines}");
    assert_eq!(
        count("evaluation{cut=\"rows\""),
        9,
        "expected the lines of the write and of the evaluation: {lines}"
    );
    assert_eq!(count("evaluation completed blocks=2 bytes=60"), 1, "{lines}");
}
