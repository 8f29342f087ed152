//! A power failure at any moment, and of what was not flushed anything may be gone: the target is the old
//! array or the new one, and the next write ends as if nothing had happened.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use lazy_chunks::conformance::FileSystemSuite;
use lazy_chunks::zarr::{
    Durability, Existing, FileSystem, StoredArray, Target, ToZarr, UnfinishedWrite, ZarrSink,
};
use lazy_chunks::{ArrayBlock, LazyChunkSequence};
use lazy_tests::VolatileFileSystem;
use proptest::prelude::*;

#[test]
fn the_file_system_conforms() {
    let place = || (VolatileFileSystem::new(), Path::new("/"));
    FileSystemSuite::new(place).run();
    let place = || (VolatileFileSystem::new().without_exchange(), Path::new("/"));
    FileSystemSuite::new(place).run();
}

/// A write, and where it goes.
#[derive(Clone, Copy, Debug)]
struct Course {
    /// Whether an array is there already.
    replaces: bool,
    can_exchange: bool,
    /// Whether the array is a member of a group, which is there when an array is.
    in_group: bool,
    /// Whether somebody else stores an array in the group meanwhile.
    has_rival: bool,
    /// Whether the next write goes on with what this one left.
    resumes: bool,
}

impl Course {
    fn all() -> impl Iterator<Item = Course> {
        let courses = (0..32).map(|bits| Course {
            replaces: bits & 1 > 0,
            can_exchange: bits & 2 > 0,
            in_group: bits & 4 > 0,
            has_rival: bits & 8 > 0,
            resumes: bits & 16 > 0,
        });
        courses.filter(|course| course.in_group || !course.has_rival)
    }

    fn target(self, file_system: &Arc<VolatileFileSystem>) -> Target {
        let target = Target::on(Arc::clone(file_system), "/data/below/influence.zarr");
        if self.in_group { target.member("values") } else { target }
    }

    fn file_system(self) -> Arc<VolatileFileSystem> {
        let file_system = VolatileFileSystem::new();
        let file_system =
            Arc::new(if self.can_exchange { file_system } else { file_system.without_exchange() });
        if self.replaces {
            self.write(&file_system, 1, Durability::Full).unwrap();
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

    /// Writes two blocks, and counts those that are computed.
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
                // It fails where the power does.
                let _ = LazyChunkSequence::new(|| [array(3, 1)]).to_zarr(rival);
            }
            n_computed.fetch_add(1, Ordering::Relaxed);
            array(value, BLOCK_ROWS[i])
        };
        match self.resumes {
            true => {
                let sink = sink.with_resume(format!("the value {value}"));
                LazyChunkSequence::from_local_fn(BLOCK_ROWS, block).to_zarr(sink)
            }
            false => LazyChunkSequence::new(|| (0..2).map(block)).to_zarr(sink),
        }
    }

    /// The value of the whole array that is found; none when there is nothing.
    fn found(self, file_system: &Arc<VolatileFileSystem>) -> Result<Option<i32>, TestCaseError> {
        let whole = |stored: StoredArray| {
            let read = stored.read().map_err(|error| TestCaseError::fail(error.to_string()))?;
            let value = read.as_slice::<i32>().unwrap()[0];
            prop_assert_eq!(read, array(value, 4));
            Ok(Some(value))
        };
        match StoredArray::open(self.target(file_system)) {
            Ok(stored) => whole(stored),
            Err(lazy_chunks::zarr::Error::NothingThere { .. }) => Ok(None),
            Err(error) => Err(TestCaseError::fail(error.to_string())),
        }
    }

    /// Whether the old array lies in the staging directory, whole, as it may between two renames.
    fn is_aside(self, file_system: &Arc<VolatileFileSystem>) -> bool {
        // Staging lies above the group, or beside the array.
        let directory = Path::new("/data/below");
        let staged = file_system.list(directory).unwrap_or_default().into_iter();
        staged.filter(|name| name.to_string_lossy().ends_with(".staging")).any(|name| {
            let old = Target::on(Arc::clone(file_system), directory.join(name).join("old"));
            StoredArray::open(old).is_ok_and(|stored| stored.read().unwrap() == array(1, 4))
        })
    }
}

/// The first block is a row of chunks, which is complete before the second one is computed.
const BLOCK_ROWS: [usize; 2] = [3, 1];

fn array(value: i32, n_rows: usize) -> ArrayBlock {
    ArrayBlock::from_vec([n_rows, 5], vec![value; 5 * n_rows]).unwrap()
}

/// Numbers that follow from a seed.
fn chooser(mut seed: u64) -> impl FnMut(usize) -> usize {
    move |end| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % end
    }
}

/// Lets the power fail before every operation in turn; returns their number.
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
            (Err(_), Some(1)) => prop_assert!(course.replaces),
            (Err(_), None) if !course.replaces => {}
            (Err(_), None) => prop_assert!(
                !course.can_exchange && course.is_aside(&after),
                "{course:?}, failure {n}: the old array is gone"
            ),
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

/// The next write ends well, whatever the power failure left; also when the power fails again meanwhile.
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
    // What came back with the power is listed, and can be removed; but for locks that nobody holds.
    for left in UnfinishedWrite::list(Target::on(Arc::clone(&file_system), "/data/below")).unwrap()
    {
        left.remove().map_err(|error| TestCaseError::fail(error.to_string()))?;
    }
    prop_assert_eq!(course.found(&file_system)?, Some(2));
    for (directory, expected) in [("/", "data"), ("/data/below", "influence.zarr")] {
        let mut names = file_system.list(Path::new(directory)).unwrap();
        names.retain(|name| !name.to_string_lossy().ends_with(".lock"));
        prop_assert_eq!(names, [expected], "{:?}", course);
    }
    Ok(())
}

#[test]
fn the_target_is_the_old_array_or_the_new_in_every_course() {
    let mut n_failures = 0;
    for course in Course::all() {
        let n_operations = check(course, 7).unwrap_or_else(|error| panic!("{error}"));
        // Six chunks, the metadata, two flushes, the rename, the lock, and directories.
        assert!(n_operations > 6 + 1 + 2 + 1 + 1, "{course:?}: {n_operations}");
        n_failures += n_operations;
    }
    println!("{n_failures} moments at which the power failed");
}

proptest! {
    #[test]
    fn the_target_is_the_old_array_or_the_new(
        course in prop::sample::select(Course::all().collect::<Vec<_>>()),
        seed in any::<u64>(),
    ) {
        check(course, seed)?;
    }
}

/// What was stored long before is there after a power failure, and is not computed again.
#[test]
fn what_was_flushed_is_gone_on_with() {
    for course in Course::all().filter(|course| course.resumes) {
        let file_system = course.file_system();
        let sink = ZarrSink::new(course.target(&file_system)).with_chunk_shape([3, 2]);
        let failing = LazyChunkSequence::try_from_local_fn(BLOCK_ROWS, |i| match i {
            0 => Ok(array(2, 3)),
            _ => Err("the power fails soon"),
        });
        let sink = sink.with_existing(Existing::Replace).with_resume("the value 2");
        failing.to_zarr(sink).unwrap_err();
        // The system writes to the device in its own time, too.
        file_system.sync_tree(Path::new("/")).unwrap();
        let after = Arc::new(file_system.after_power_loss(chooser(1)));
        let n_computed = AtomicUsize::new(0);
        course.write_counting(&after, 2, Durability::Full, &n_computed).unwrap();
        assert_eq!(n_computed.into_inner(), 1, "{course:?}");
        assert_eq!(course.found(&after).unwrap(), Some(2));
    }
}

/// Without flushing, arrays are lost: the model is not one that loses nothing.
#[test]
fn what_is_not_flushed_can_be_lost() {
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
