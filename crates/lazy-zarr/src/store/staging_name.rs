//! The names of staging directories, which lie in an array's directory and are no part of the array.

use std::path::{Path, PathBuf};

/// How names of staging directories begin. A number follows, which goes up by one each time that a write
/// takes over from another.
const PREFIX: &str = ".lazy.";

/// Returns true if a name is that of a staging directory.
pub(crate) fn is_staging(name: &str) -> bool {
    number_of(name).is_some()
}

/// Returns the number in the name of a staging directory; none if it is another name.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    let number: u64 = name.strip_prefix(PREFIX)?.parse().ok()?;
    // There is a next one.
    let is_sensible = number > 0 && number < u64::MAX;
    (is_sensible && name == format!("{PREFIX}{number}")).then_some(number)
}

/// Returns the path of an array's staging directory of a number.
pub(crate) fn directory(array: &Path, number: u64) -> PathBuf {
    array.join(format!("{PREFIX}{number}"))
}
