//! Example errors for tests of front ends.

use crate::error::{Error, examples};

/// Returns an example of each error of this crate. There are several examples of some kinds.
///
/// A program that phrases its own hints can use them to check that it covers every error. The
/// examples and their number change between versions.
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
