//! The named test case; every suite is a list of them.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{BoxError, panic_message, report};

/// One requirement on an implementation, with the name under which it is reported.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::conformance::Case;
///
/// let case = Case::new("doubling_is_adding", || match 2 * 2 {
///     4 => Ok(()),
///     product => Err(format!("2 * 2 is {product}").into()),
/// });
/// assert_eq!(case.name(), "doubling_is_adding");
/// assert!(case.run().is_ok());
///
/// let failure = Case::new("panics_are_failures", || panic!("oh")).run().unwrap_err();
/// assert_eq!(failure.to_string(), "panics_are_failures: panicked: oh");
/// ```
pub struct Case {
    name: String,
    check: Box<dyn Fn() -> Result<(), BoxError> + Send + Sync>,
}

impl Case {
    /// Creates a case that fails if `check` returns an error or panics.
    pub fn new(
        name: impl Into<String>,
        check: impl Fn() -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Case {
        Case { name: name.into(), check: Box::new(check) }
    }

    /// Returns the name, which is the same in every run.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks the requirement.
    ///
    /// # Errors
    ///
    /// A [`Failure`] if the implementation does not meet the requirement or panics.
    pub fn run(&self) -> Result<(), Failure> {
        let problem = match catch_unwind(AssertUnwindSafe(&self.check)) {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => report(&*error),
            Err(payload) => format!("panicked: {}", panic_message(&*payload)),
        };
        Err(Failure { case: self.name.clone(), problem })
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Case").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The failure of a case.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{case}: {problem}")]
#[non_exhaustive]
pub struct Failure {
    /// The name of the case.
    pub case: String,
    /// The problem.
    pub problem: String,
}

/// Runs all cases, even after one has failed.
///
/// # Panics
///
/// Panics if a case fails. The message lists every failed case, one per line.
#[track_caller]
pub fn run_cases(cases: impl IntoIterator<Item = Case>) {
    let mut n_cases = 0;
    let mut failures = String::new();
    let mut n_failures = 0;
    for case in cases {
        n_cases += 1;
        if let Err(failure) = case.run() {
            n_failures += 1;
            failures += &format!("\n  {failure}");
        }
    }
    assert!(n_failures == 0, "{n_failures} of {n_cases} cases failed:{failures}");
}
