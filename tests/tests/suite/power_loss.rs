//! A power failure at any moment, which may lose any unflushed change: the target is the old array
//! or the new one, and the next write succeeds as usual.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::conformance::FileSystemSuite;
use lazy_chunks::zarr::{
    Durability, Existing, FileSystem, Resume, StoredArray, Superseded, Target, ToZarr,
    UnfinishedWrite, ZarrSink,
};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, report};
use lazy_tests::{VolatileFileSystem, chooser};
use proptest::prelude::*;

#[test]
fn the_file_system_conforms() {
    let place = || (VolatileFileSystem::new(), Path::new("/"));
    FileSystemSuite::new(place).run();
    let place = || (VolatileFileSystem::new().without_sync_of_all(), Path::new("/"));
    FileSystemSuite::new(place).run();
}

/// A write, and its target.
#[derive(Clone, Copy, Debug)]
struct Course {
    /// The number of existing versions of the array.
    n_versions: usize,
    can_sync_all: bool,
    /// True if the array is a member of a group. The group exists if the array does.
    in_group: bool,
    /// True if another process stores an array in the group during the write.
    has_rival: bool,
    /// True if the next write resumes.
    resumes: bool,
}

impl Course {
    fn all() -> impl Iterator<Item = Course> {
        let courses = (0..48).map(|bits| Course {
            n_versions: [0, 1, 3][bits % 3],
            can_sync_all: (bits / 3) % 2 == 1,
            in_group: (bits / 6) % 2 == 1,
            has_rival: (bits / 12) % 2 == 1,
            resumes: bits / 24 > 0,
        });
        courses.filter(|course| course.in_group || !course.has_rival)
    }

    fn target(self, file_system: &Arc<VolatileFileSystem>) -> Target {
        let target = Target::on(Arc::clone(file_system), "/data/below/influence.zarr");
        if self.in_group { target.member("values") } else { target }
    }

    fn file_system(self) -> Arc<VolatileFileSystem> {
        let file_system = VolatileFileSystem::new();
        let file_system = Arc::new(if self.can_sync_all {
            file_system
        } else {
            file_system.without_sync_of_all()
        });
        // All versions are flushed, and the older ones have other chunks.
        for version in (0..self.n_versions).rev() {
            self.write(&file_system, 1 - 10 * version as i32, Durability::Full).unwrap();
        }
        file_system
    }

    fn write(
        self,
        file_system: &Arc<VolatileFileSystem>,
        value: i32,
        durability: Durability,
    ) -> lazy_chunks::zarr::Result<StoredArray> {
        self.write_counting(file_system, value, durability, &AtomicUsize::new(0))
    }

    /// Writes two blocks, and counts the computed ones.
    fn write_counting(
        self,
        file_system: &Arc<VolatileFileSystem>,
        value: i32,
        durability: Durability,
        n_computed: &AtomicUsize,
    ) -> lazy_chunks::zarr::Result<StoredArray> {
        let sink = ZarrSink::new(self.target(file_system))
            .with_chunk_shape([3, 2])
            .with_existing(Existing::Replace)
            .with_durability(durability)
            .with_writer_threads(1);
        let rival = self.has_rival.then(|| {
            let group = Target::on(Arc::clone(file_system), "/data/below/influence.zarr");
            ZarrSink::new(group.member("rival"))
                .with_existing(Existing::Replace)
                .with_writer_threads(1)
        });
        let block = |i: usize| {
            if let Some(rival) = rival.clone().filter(|_| i == 0) {
                // It fails if the power does.
                let _ = LazyChunkSequence::new(|| [array(3, 1)]).to_zarr(rival);
            }
            n_computed.fetch_add(1, Ordering::Relaxed);
            array(value, BLOCK_ROWS[i])
        };
        if self.resumes {
            let sink = sink.with_resume(format!("the value {value}"));
            LazyChunkSequence::from_local_fn(BLOCK_ROWS, block).to_zarr(sink)
        } else {
            LazyChunkSequence::new(|| (0..2).map(block)).to_zarr(sink)
        }
    }

    /// Checks that the array at the target is complete, and returns its value, or `None` without an
    /// array.
    fn found(self, file_system: &Arc<VolatileFileSystem>) -> Result<Option<i32>, TestCaseError> {
        let whole = |stored: StoredArray| {
            let read = stored.read().map_err(|error| TestCaseError::fail(report(&error)))?;
            let value = read.as_slice::<i32>().unwrap()[0];
            prop_assert_eq!(read, array(value, 4));
            Ok(Some(value))
        };
        match StoredArray::open(self.target(file_system)) {
            Ok(stored) => whole(stored),
            Err(error) if report(&error).ends_with(" does not exist") => Ok(None),
            Err(error) => Err(TestCaseError::fail(report(&error))),
        }
    }
}

/// The first block is a row of chunks, which is complete before the second block is computed.
const BLOCK_ROWS: [usize; 2] = [3, 1];

fn array(value: i32, n_rows: usize) -> ArrayBlock {
    ArrayBlock::from_vec([n_rows, 5], vec![value; 5 * n_rows]).unwrap()
}

/// Makes the power fail before each operation in turn. Returns the number of operations.
fn check(course: Course, seed: u64) -> Result<usize, TestCaseError> {
    for n in 0.. {
        let file_system = course.file_system();
        file_system.fail_at(n);
        let written = course.write(&file_system, 2, Durability::Full);
        let n_changes = file_system.n_changes();
        let after = Arc::new(file_system.after_power_loss(chooser(seed ^ n as u64)));
        let found = course.found(&after)?;
        match (&written, found) {
            (_, Some(2)) => {}
            (Err(_), Some(1)) => prop_assert!(course.n_versions > 0),
            (Err(_), None) if course.n_versions == 0 => {}
            _ => prop_assert!(false, "{course:?}, failure {n}: {written:?}, but {found:?}"),
        }
        check_next(course, &after, seed ^ !(n as u64))?;
        if n_changes <= n {
            prop_assert!(written.is_ok());
            return Ok(n);
        }
    }
    unreachable!("the write ends")
}

/// Checks that the next write succeeds after a power failure, even if the power fails once more
/// during it.
fn check_next(
    course: Course,
    after: &Arc<VolatileFileSystem>,
    seed: u64,
) -> Result<(), TestCaseError> {
    let mut choose = chooser(seed);
    let mut file_system = Arc::clone(after);
    file_system.fail_at(choose(40));
    let _ = course.write(&file_system, 2, Durability::Full);
    file_system = Arc::new(file_system.after_power_loss(choose));
    let written = course.write(&file_system, 2, Durability::Full);
    let written = written.map_err(|error| TestCaseError::fail(format!("{course:?}: {error}")))?;
    prop_assert_eq!(written.read().unwrap(), array(2, 4));
    prop_assert_eq!(course.found(&file_system)?, Some(2));
    // An interrupted write of the rival is listed and can be removed.
    let below = || Target::on(Arc::clone(&file_system), "/data/below");
    for left in UnfinishedWrite::list(below()).unwrap() {
        left.remove().map_err(|error| TestCaseError::fail(report(&error)))?;
    }
    for old in Superseded::list(below()).unwrap() {
        old.remove().map_err(|error| TestCaseError::fail(report(&error)))?;
    }
    prop_assert_eq!(course.found(&file_system)?, Some(2));
    let names = |directory: &str| -> BTreeSet<String> {
        let names = file_system.list(Path::new(directory)).unwrap();
        names.into_iter().map(|name| name.into_string().unwrap()).collect()
    };
    prop_assert_eq!(names("/"), BTreeSet::from(["data".to_owned()]));
    prop_assert_eq!(names("/data/below"), BTreeSet::from(["influence.zarr".to_owned()]));
    let array = if course.in_group {
        let members = names("/data/below/influence.zarr");
        prop_assert!(members.contains("zarr.json") && members.contains("values"), "{:?}", members);
        names("/data/below/influence.zarr/values")
    } else {
        names("/data/below/influence.zarr")
    };
    // The metadata, and the chunks of one version.
    let [nested, bare] = [&["c", "zarr.json"][..], &["0", "1", "zarr.json"]];
    let dotted = ["c.0.0", "c.0.1", "c.0.2", "c.1.0", "c.1.1", "c.1.2", "zarr.json"];
    let is_one = [nested, bare, &dotted].iter().any(|names| array.iter().eq(names.iter()));
    prop_assert!(is_one, "{course:?}: {array:?}");
    Ok(())
}

#[test]
#[ignore = "slow: `cargo xtask properties` runs it"]
fn the_target_is_the_old_array_or_the_new_in_every_course() {
    let mut n_failures = 0;
    for course in Course::all() {
        let n_operations = check(course, 7).unwrap_or_else(|error| panic!("{error}"));
        // Six chunks, the metadata, two flushes, publishing, the lock, and directories.
        assert!(n_operations > 6 + 1 + 2 + 1 + 1, "{course:?}: {n_operations}");
        n_failures += n_operations;
    }
    println!("{n_failures} moments at which the power failed");
}

proptest! {
    #[test]
    #[ignore = "slow: `cargo xtask properties` runs it"]
    fn the_target_is_the_old_array_or_the_new(
        course in prop::sample::select(Course::all().collect::<Vec<_>>()),
        seed in any::<u64>(),
    ) {
        check(course, seed)?;
    }
}

/// Chunks that an unfinished write of other blocks has stored never end up in the array, whatever a
/// power failure keeps of them.
#[test]
fn a_restart_and_a_comparison_keep_no_chunk_of_other_blocks() {
    let resumes: [fn(i32) -> Resume; 2] = [
        |value| Resume::new(format!("the value {value}")).or_restart(),
        |value| Resume::new("a value").with_revision(value.to_string()),
    ];
    let courses = [0, 1].map(|n_versions| Course {
        n_versions,
        can_sync_all: true,
        in_group: false,
        has_rival: false,
        resumes: true,
    });
    for (course, resume) in courses.into_iter().flat_map(|course| resumes.map(|of| (course, of))) {
        let store = |file_system: &Arc<VolatileFileSystem>, value, n_blocks| {
            let sink = ZarrSink::new(course.target(file_system))
                .with_chunk_shape([3, 2])
                .with_existing(Existing::Replace)
                .with_writer_threads(1)
                .with_resume(resume(value));
            let blocks = LazyChunkSequence::try_from_local_fn(BLOCK_ROWS, |i| {
                if i < n_blocks { Ok(array(value, BLOCK_ROWS[i])) } else { Err("it is stopped") }
            });
            blocks.to_zarr(sink)
        };
        for seed in 0..6 {
            for n in 0.. {
                let file_system = course.file_system();
                store(&file_system, 7, 1).unwrap_err();
                file_system.sync_file_system(Path::new("/")).unwrap();
                file_system.fail_at(n);
                let stopped = store(&file_system, 2, 1).unwrap_err();
                let n_changes = file_system.n_changes();
                let after = Arc::new(file_system.after_power_loss(chooser(seed ^ n as u64)));
                let stored = store(&after, 2, 2)
                    .unwrap_or_else(|error| panic!("{course:?}, {seed}, {n}: {}", report(&error)));
                assert_eq!(
                    stored.read().unwrap(),
                    array(2, 4),
                    "{course:?}, {seed}, {n}: {stopped}"
                );
                if n_changes <= n {
                    break;
                }
            }
        }
    }
}

/// Chunks that were flushed survive a power failure and are not computed again.
#[test]
fn a_write_resumes_from_flushed_chunks() {
    for course in Course::all().filter(|course| course.resumes) {
        let file_system = course.file_system();
        let sink = ZarrSink::new(course.target(&file_system)).with_chunk_shape([3, 2]);
        let failing = LazyChunkSequence::try_from_local_fn(BLOCK_ROWS, |i| match i {
            0 => Ok(array(2, 3)),
            _ => Err("the power fails soon"),
        });
        let sink = sink.with_existing(Existing::Replace).with_resume("the value 2");
        failing.to_zarr(sink).unwrap_err();
        // The system may also flush in its own time.
        let _ = file_system.sync_file_system(Path::new("/"));
        if !course.can_sync_all {
            continue;
        }
        let after = Arc::new(file_system.after_power_loss(chooser(1)));
        let n_computed = AtomicUsize::new(0);
        course.write_counting(&after, 2, Durability::Full, &n_computed).unwrap();
        assert_eq!(n_computed.into_inner(), 1, "{course:?}");
        assert_eq!(course.found(&after).unwrap(), Some(2));
    }
}

/// A flush that fails loses what the files contain and is reported once. The next write stores that
/// again, or only flushes an array that was published, so its success means that nothing is lost.
#[test]
fn a_write_after_a_failed_flush_makes_the_array_survive() {
    let courses = Course::all()
        .filter(|course| course.n_versions == 0 && course.resumes && !course.has_rival);
    for course in courses {
        let mut n_published = 0;
        for n in 0.. {
            let context = format!("{course:?}, flush {n}");
            let file_system = course.file_system();
            file_system.lose_at(n);
            let write = || {
                let sink = ZarrSink::new(course.target(&file_system)).with_resume("the value 2");
                LazyChunkSequence::from_fn(BLOCK_ROWS, |i| array(2, BLOCK_ROWS[i])).to_zarr(sink)
            };
            let first = write();
            if file_system.n_flushes() <= n {
                assert!(first.is_ok(), "{context}");
                break;
            }
            n_published += usize::from(first.unwrap_err().is_published());
            write().unwrap_or_else(|error| panic!("{context}: {}", report(&error)));
            let after = Arc::new(file_system.after_power_loss(|_| 0));
            assert_eq!(course.found(&after).unwrap(), Some(2), "{context}");
        }
        assert!(n_published > 0, "{course:?}");
    }
}

/// Without flushing, arrays can be lost. This shows that the model does lose unflushed changes.
#[test]
fn unflushed_arrays_can_be_lost() {
    for course in Course::all() {
        let is_lost = (0..100).any(|seed| {
            let file_system = course.file_system();
            course.write(&file_system, 2, Durability::None).unwrap();
            let after = Arc::new(file_system.after_power_loss(chooser(seed)));
            !matches!(course.found(&after), Ok(Some(2)))
        });
        assert!(is_lost, "{course:?}");
    }
}
