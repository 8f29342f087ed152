//! Errors for the tests of a front end.

use crate::error::{Error, examples};

/// Returns an error of each case that this crate distinguishes, and several of some kinds.
///
/// A program that phrases hints of its own can check with them that it covers all cases. The cases
/// and their number change from version to version.
///
/// # Example
///
/// ```
/// # mod lazy_chunks { pub use lazy_zarr::conformance; pub use lazy_zarr as zarr; }
/// use lazy_chunks::conformance::example_errors;
/// use lazy_chunks::zarr::{Error, ErrorKind};
///
/// /// A hint in words of a command line.
/// fn hint(error: &Error) -> Option<&'static str> {
///     match error.kind() {
///         ErrorKind::Exists => Some("replace it with --force"),
///         _ => None,
///     }
/// }
///
/// for error in example_errors() {
///     assert!(hint(&error).is_none_or(|hint| !hint.contains("::")), "{error}");
/// }
/// ```
#[must_use]
pub fn example_errors() -> Vec<Error> {
    examples::all()
}
