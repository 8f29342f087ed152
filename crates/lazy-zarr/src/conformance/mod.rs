//! What every file system under the writer has to do, as named cases to run in its tests.
//!
//! A write is published by one rename, and an array is safe only as far as that rename, and what is
//! asked of the file system before it, does what [`FileSystem`] says. The suite is given an
//! implementation, and names each claim that it breaks:
//!
//! ```
//! use lazy_zarr::LocalFileSystem;
//! use lazy_zarr::conformance::FileSystemSuite;
//!
//! // In a test of your own: panics, and names every case that fails.
//! FileSystemSuite::new(|| (LocalFileSystem, tempfile::tempdir().unwrap())).run();
//! ```
//!
//! [`FileSystemSuite::cases`] are the same cases one by one, as
//! [`lazy_core::conformance`] describes. This module is behind the feature `conformance`, to be turned
//! on where tests need it: in `[dev-dependencies]`.

mod change;
mod check;
mod examine;
mod make;
mod read;
mod replace;
mod sync;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use lazy_core::conformance::{Case, run_cases};

use crate::FileSystem;

/// What a [`FileSystem`] has to do, operation by operation.
///
/// The cases are named `OPERATION::CLAIM`, such as `write::leaves_an_existing_file_as_it_was`. They
/// know the file system through its operations alone, so symbolic links, permissions and what
/// survives a crash are left to its own tests.
///
/// # Example
///
/// All cases but one that is known to fail:
///
/// ```
/// use lazy_core::conformance::run_cases;
/// use lazy_zarr::LocalFileSystem;
/// use lazy_zarr::conformance::FileSystemSuite;
///
/// let suite = FileSystemSuite::new(|| (LocalFileSystem, tempfile::tempdir().unwrap()));
/// let known = "remove_directory::of_a_file_fails";
/// run_cases(suite.cases().into_iter().filter(|case| case.name() != known));
/// ```
pub struct FileSystemSuite {
    make: Arc<MakePlace>,
}

/// A file system, and what leads to a directory on it.
type Place = (Box<dyn FileSystem>, Box<dyn AsRef<Path>>);
type MakePlace = dyn Fn() -> Place + Send + Sync;

impl FileSystemSuite {
    /// The suite for the file systems that a function makes, with the path of an empty directory in
    /// which anything may be made.
    ///
    /// It is called for each case, at whose end both are dropped: a `TempDir` does as the path, and is
    /// removed then. The directory may be the same in every call as long as it is empty each time.
    pub fn new<F: FileSystem, P: AsRef<Path> + 'static>(
        make: impl Fn() -> (F, P) + Send + Sync + 'static,
    ) -> FileSystemSuite {
        let make = move || -> Place {
            let (file_system, path) = make();
            (Box::new(file_system), Box::new(path))
        };
        FileSystemSuite { make: Arc::new(make) }
    }

    /// The cases one by one, in the order of the trait's operations.
    #[must_use]
    pub fn cases(self) -> Vec<Case> {
        let all =
            [examine::CASES, read::CASES, make::CASES, change::CASES, replace::CASES, sync::CASES];
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
    /// When the file system breaks a claim. The message names every case that fails, and says why.
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
