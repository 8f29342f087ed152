//! SIGINT and SIGTERM: what is under way ends after its block.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use signal_hook::consts::{SIGINT, SIGTERM, SIGXFSZ};
use signal_hook::flag;

/// What shells expect of a program that a signal ended.
const STOPPED: i32 = 130;

static IS_STOPPED: LazyLock<Arc<AtomicBool>> = LazyLock::new(Arc::default);

/// From now on signals are heeded, by who asks for them; others end the program as ever.
pub(crate) fn listen() -> io::Result<()> {
    for signal in [SIGINT, SIGTERM] {
        // Who sends a second one does not want to wait for the block.
        flag::register_conditional_shutdown(signal, STOPPED, Arc::clone(&IS_STOPPED))?;
        flag::register(signal, Arc::clone(&IS_STOPPED))?;
    }
    // A file that may not grow is an error of the write, which is told as any other.
    flag::register(SIGXFSZ, Arc::default())?;
    Ok(())
}

/// Whether a signal has come.
pub(crate) fn is_asked_for() -> bool {
    IS_STOPPED.load(Ordering::Relaxed)
}
