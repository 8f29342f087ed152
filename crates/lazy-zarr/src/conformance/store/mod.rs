//! The test suite for stores.

mod change;
mod check;
mod condition;
mod list;
mod read;

use std::fmt;
use std::sync::Arc;

use lazy_core::conformance::{Case, run_cases};

use crate::objects::Store;

/// The test cases for a [`Store`], grouped by operation.
///
/// The cases are named `OPERATION::CLAIM`, such as `put::replaces_the_object`. They call only the
/// operations of the trait. They cannot check other processes, or the effects of lost requests and
/// responses.
///
/// A store may lack conditions and tags. For conditions, the cases accept
/// [`Unsupported`](crate::StoreError::Unsupported) if nothing has changed.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
/// use lazy_chunks::zarr::MemoryStore;
/// use lazy_chunks::zarr::conformance::StoreSuite;
///
/// // In a test of your own: panics, and names every case that fails.
/// StoreSuite::new(MemoryStore::new).run();
/// ```
pub struct StoreSuite {
    make: Arc<dyn Fn() -> Box<dyn Store> + Send + Sync>,
}

impl StoreSuite {
    /// Creates a suite. The function `make` returns an empty store, in which a case may put
    /// anything. Each case calls the function once, and drops the store at its end.
    pub fn new<S: Store + 'static>(make: impl Fn() -> S + Send + Sync + 'static) -> StoreSuite {
        StoreSuite { make: Arc::new(move || Box::new(make())) }
    }

    /// Returns the cases one by one.
    #[must_use]
    pub fn cases(self) -> Vec<Case> {
        let all = [read::CASES, change::CASES, condition::CASES, list::CASES];
        let cases = all.into_iter().flatten().map(|&(name, check)| {
            let make = Arc::clone(&self.make);
            Case::new(name, move || {
                let store = make();
                check::is_usable(&*store)?;
                check(&*store)
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

impl fmt::Debug for StoreSuite {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("StoreSuite").finish_non_exhaustive()
    }
}
