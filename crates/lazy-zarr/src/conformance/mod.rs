//! Test suites for implementations of [`FileSystem`] and [`Store`](crate::Store).
//!
//! An array is published by renaming its metadata. The array is safe only if the rename, and the
//! operations before it, do what [`FileSystem`] specifies. The suite runs an implementation, and
//! names each requirement that the implementation violates:
//!
//! ```
//! # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
//! use lazy_chunks::zarr::LocalFileSystem;
//! use lazy_chunks::zarr::conformance::FileSystemSuite;
//!
//! // In a test of your own: panics, and names every case that fails.
//! FileSystemSuite::new(|| (LocalFileSystem, tempfile::tempdir().unwrap())).run();
//! ```
//!
//! [`FileSystemSuite::cases`] returns the cases one by one, as [`lazy_core::conformance`]
//! describes. [`StoreSuite`] does the same for stores. This module is behind the feature
//! `conformance`, which belongs in `[dev-dependencies]`.

mod change;
mod check;
mod errors;
mod examine;
mod lock;
mod make;
mod permissions;
mod pin;
mod read;
mod rename;
mod replace;
mod store;
mod sync;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use lazy_core::conformance::{Case, run_cases};

pub use errors::example_errors;

use crate::fs::FileSystem;

pub use store::StoreSuite;

/// The test cases for a [`FileSystem`], grouped by operation.
///
/// The cases are named `OPERATION::CLAIM`, such as `write::an_existing_file_already_exists`. They
/// call only the operations of the trait. They cannot check symbolic links, pipes, permissions,
/// other processes, or the effects of a crash or a power failure. An implementation needs its own
/// tests for those.
///
/// A file system may lack locks, and an operation that flushes all files. For these, the cases
/// accept [`Unsupported`](std::io::ErrorKind::Unsupported).
///
/// # Example
///
/// Runs all cases but one that is known to fail:
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::conformance::run_cases;
/// use lazy_chunks::zarr::LocalFileSystem;
/// use lazy_chunks::zarr::conformance::FileSystemSuite;
///
/// let suite = FileSystemSuite::new(|| (LocalFileSystem, tempfile::tempdir().unwrap()));
/// let known = "remove_directory::of_a_file_fails";
/// run_cases(suite.cases().into_iter().filter(|case| case.name() != known));
/// ```
pub struct FileSystemSuite {
    make: Arc<MakePlace>,
}

/// A file system, and the owner of the path of a directory on it.
type Place = (Box<dyn FileSystem>, Box<dyn AsRef<Path>>);
type MakePlace = dyn Fn() -> Place + Send + Sync;

impl FileSystemSuite {
    /// Creates a suite. The function `make` returns a file system and the path of an empty
    /// directory, in which the cases may create anything.
    ///
    /// Each case calls the function once, and drops both results at its end. If the path is a
    /// `TempDir`, it is then removed. The function may return the same directory each time if the
    /// directory is empty each time.
    pub fn new<F: FileSystem, P: AsRef<Path> + 'static>(
        make: impl Fn() -> (F, P) + Send + Sync + 'static,
    ) -> FileSystemSuite {
        let make = move || -> Place {
            let (file_system, path) = make();
            (Box::new(file_system), Box::new(path))
        };
        FileSystemSuite { make: Arc::new(make) }
    }

    /// Returns the cases one by one, in the order of the trait's operations.
    #[must_use]
    pub fn cases(self) -> Vec<Case> {
        let all = [
            examine::CASES,
            read::CASES,
            pin::CASES,
            make::CASES,
            change::CASES,
            lock::CASES,
            rename::CASES,
            permissions::CASES,
            sync::CASES,
        ];
        let cases = all.into_iter().flatten().map(|&(name, check)| {
            let make = Arc::clone(&self.make);
            Case::new(name, move || {
                let (file_system, path) = make();
                let directory = (*path).as_ref();
                check::is_usable(&*file_system, directory)?;
                check(&*file_system, directory)
            })
        });
        cases.collect()
    }

    /// Runs all cases.
    ///
    /// # Panics
    ///
    /// Panics if a case fails. The message names every failed case and the reason.
    #[track_caller]
    pub fn run(self) {
        run_cases(self.cases());
    }
}

impl fmt::Debug for FileSystemSuite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("FileSystemSuite").finish_non_exhaustive()
    }
}
