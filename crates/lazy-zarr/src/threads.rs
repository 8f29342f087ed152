//! How many threads work at something.

use std::num::NonZero;
use std::sync::Once;
use std::thread;

use rayon::ThreadPoolBuilder;
use zarrs::config::{global_config, global_config_mut};

use crate::{Error, Result};

/// As many as there are cores.
pub(crate) fn cores() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Makes zarrs' configuration without the threads that zarrs would start for it.
///
/// It asks rayon how many threads there are, which starts rayon's global pool: threads that nothing here needs, and a panic
/// where the system has no more. Within a pool of one thread, which is the present one, nothing is started.
pub(crate) fn configure_zarrs() {
    fn configure() {
        let pool = ThreadPoolBuilder::new().num_threads(1).use_current_thread().build();
        drop(global_config());
        drop(pool);
        global_config_mut().set_codec_concurrent_target(cores());
    }

    static CONFIGURED: Once = Once::new();
    CONFIGURED.call_once(|| {
        // A thread of its own belongs to no pool, unlike that of a caller who uses rayon.
        let configured = thread::Builder::new().spawn(configure).map(thread::JoinHandle::join);
        if configured.is_err() {
            configure();
        }
    });
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
