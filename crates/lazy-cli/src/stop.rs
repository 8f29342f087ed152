//! SIGINT and SIGTERM: what is under way ends after its block.

use std::io;
use std::process::exit;
use std::sync::atomic::{AtomicBool, Ordering};

/// What shells expect of a program that a signal ended.
const STOPPED: i32 = 130;

static IS_STOPPED: AtomicBool = AtomicBool::new(false);

/// From now on signals are heeded.
pub(crate) fn listen() -> io::Result<()> {
    let handler = || {
        // Who sends a second one does not want to wait for the block.
        if IS_STOPPED.swap(true, Ordering::Relaxed) {
            exit(STOPPED);
        }
    };
    ctrlc::set_handler(handler).map_err(io::Error::other)
}

/// Whether a signal has come.
pub(crate) fn is_asked_for() -> bool {
    IS_STOPPED.load(Ordering::Relaxed)
}
