//! The names of staging directories. They lie in the directory of an array, but are not part of the
//! array.

use std::path::{Path, PathBuf};

/// The prefix of the names of staging directories. A number follows, which increases by one each
/// time a write takes over from another.
const PREFIX: &str = ".lazy.";

/// The prefix, below that of an array in a store, of the objects that writes keep beside the array.
pub(crate) const STAGING_PREFIX: &str = ".lazy/";

/// Returns true if a name is the name of a staging directory.
pub(crate) fn is_staging(name: &str) -> bool {
    number_of(name).is_some()
}

/// Returns the number in the name of a staging directory, or `None` for any other name.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let number: u64 = name.strip_prefix(PREFIX)?.parse().ok()?;
    // The upper bound leaves room for the next number.
    let is_sensible = number > 0 && number < u64::MAX;
    (is_sensible && name == format!("{PREFIX}{number}")).then_some(number)
}

/// Returns the path of the staging directory of an array with this number.
pub(crate) fn directory(array: &Path, number: u64) -> PathBuf {
    array.join(format!("{PREFIX}{number}"))
}
