//! Numbers of threads.

use std::num::NonZero;
use std::thread;

use crate::error::{Result, SettingError};

/// Returns the number of cores.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Checks the number of threads that a user has set.
pub(crate) fn check(setting: &'static str, n_threads: Option<usize>) -> Result<()> {
    match n_threads {
        Some(n_threads) if n_threads > 1024 => Err(SettingError::OutOfRange {
            setting,
            value: i64::try_from(n_threads).unwrap_or(i64::MAX),
            range: "at most 1024",
        }
        .into()),
        _ => Ok(()),
    }
}
