//! Ctrl-C: the pass that is under way ends after its block, and the next run goes on with what it stored.

use std::error::Error;
use std::ops::ControlFlow;
use std::process::{ExitCode, exit};
use std::sync::atomic::{AtomicBool, Ordering};

use lazy_chunks::{Progress, report, zarr};

/// What shells expect of a program that Ctrl-C ended.
const STOPPED: u8 = 130;

/// Whether somebody has pressed Ctrl-C.
static IS_STOPPED: AtomicBool = AtomicBool::new(false);

/// Runs the example, and says how it ended.
pub(crate) fn run(example: impl FnOnce() -> Result<(), Box<dyn Error>>) -> ExitCode {
    let handler = || {
        // Who presses it twice does not want to wait for the block.
        if IS_STOPPED.swap(true, Ordering::Relaxed) {
            exit(STOPPED.into());
        }
    };
    let ended = ctrlc::set_handler(handler).map_err(Box::from).and_then(|()| example());
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if is_cancelled(&*error) => {
            let said = report(&*error);
            eprintln!("{said}; what was stored is kept, and the same command goes on with it");
            ExitCode::from(STOPPED)
        }
        Err(error) => {
            eprintln!("{}", report(&*error));
            ExitCode::FAILURE
        }
    }
}

/// An observer that stops the pass.
pub(crate) fn when_asked(_: &Progress) -> ControlFlow<()> {
    if IS_STOPPED.load(Ordering::Relaxed) {
        ControlFlow::Break(())
    } else {
        ControlFlow::Continue(())
    }
}

/// Of a pass with a sink alone, or with statistics beside it.
fn is_cancelled(error: &(dyn Error + 'static)) -> bool {
    let error = match error.downcast_ref::<zarr::Error>() {
        Some(zarr::Error::Sequence(error)) => Some(error),
        _ => error.downcast_ref::<lazy_chunks::Error>(),
    };
    matches!(error, Some(lazy_chunks::Error::Cancelled { .. }))
}
