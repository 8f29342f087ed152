//! Handling of Ctrl-C: it cancels the pass after the current block, and the next run resumes.

use std::error::Error;
use std::process::{ExitCode, exit};
use std::sync::atomic::{AtomicBool, Ordering};

use lazy_chunks::{report, zarr};

/// The exit code that shells expect of a program that Ctrl-C stopped.
const CANCELLED: u8 = 130;

/// True after the first Ctrl-C. As an observer, it cancels the pass.
pub(crate) static CANCEL: AtomicBool = AtomicBool::new(false);

/// Runs the example, prints its error if there is one, and returns the exit code.
pub(crate) fn run(example: impl FnOnce() -> Result<(), Box<dyn Error>>) -> ExitCode {
    let handler = || {
        // A second Ctrl-C stops the program without waiting for the block.
        if CANCEL.swap(true, Ordering::Relaxed) {
            exit(CANCELLED.into());
        }
    };
    let ended = ctrlc::set_handler(handler).map_err(Box::from).and_then(|()| example());
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_cancelled(&*error) => {
            eprintln!("{}; the same command resumes", report(&*error));
            ExitCode::from(CANCELLED)
        }
        Err(error) => {
            eprintln!("{}", report(&*error));
            ExitCode::FAILURE
        }
    }
}

/// Returns true for the error of a cancelled pass, with a sink alone or with statistics beside it.
fn is_cancelled(error: &(dyn Error + 'static)) -> bool {
    match error.downcast_ref::<zarr::Error>() {
        Some(error) => error.is_cancelled(),
        None => error.downcast_ref().is_some_and(lazy_chunks::Error::is_cancelled),
    }
}
