//! How many threads work at something.

use std::num::NonZero;
use std::thread;

use crate::{Error, Result};

/// As many as there are cores.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Checks a number that was asked for, by the name of its setting.
pub(crate) fn check(setting: &'static str, n_threads: Option<usize>) -> Result<()> {
    match n_threads {
        Some(n_threads) if !(1..=1024).contains(&n_threads) => Err(Error::Setting {
            setting,
            value: i64::try_from(n_threads).unwrap_or(i64::MAX),
            range: "between 1 and 1024",
        }),
        _ => Ok(()),
    }
}
