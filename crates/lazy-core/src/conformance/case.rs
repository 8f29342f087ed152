//! The named case, of which every suite is a list.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::{BoxError, panic_message, report};

/// One claim about an implementation, with the name under which it is reported.
///
/// # Example
///
/// ```
/// use lazy_core::conformance::Case;
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
    /// A case that fails when `check` returns an error or panics.
    pub fn new(
        name: impl Into<String>,
        check: impl Fn() -> Result<(), BoxError> + Send + Sync + 'static,
    ) -> Case {
        Case { name: name.into(), check: Box::new(check) }
    }

    /// The name, the same in every run.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Checks the claim.
    ///
    /// # Errors
    ///
    /// When it does not hold, or the implementation panics.
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

/// Why a case failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{case}: {problem}")]
#[non_exhaustive]
pub struct Failure {
    /// The case's name.
    pub case: String,
    /// What was wrong.
    pub problem: String,
}

/// Runs all cases, those after a failing one as well.
///
/// # Panics
///
/// When a case fails. The message names every one that does, a line each.
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
