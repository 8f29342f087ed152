//! A pass: a thread evaluates, and the calling thread calls Python.
//!
//! Generators and functions run on the thread that called the package, since the modes of PyTorch
//! and the contexts of CUDA belong to threads. Meanwhile that thread looks for Ctrl-C, whatever the
//! evaluating thread does. With `threads`, functions run on threads of the evaluation.

use std::sync::Arc;
use std::sync::mpsc::{self, RecvTimeoutError};

use lazy_chunks::zarr::Result;
use pyo3::prelude::*;

use crate::arrays::{Taker, drop_returned};
use crate::attach::Call;
use crate::blocks::Blocks;
use crate::detached::{BETWEEN_LOOKS, leave, panicked, prepare, spawn};
use crate::errors::{add_note, raised};
use crate::feeder::feeder;
use crate::progress::Display;
use crate::sequence::{Declared, Sequence};
use crate::watch::{Shared, Watch};

/// Evaluates blocks: `work` gets their sequence, on a thread of its own.
pub(crate) fn run<T: Send + 'static>(
    py: Python<'_>,
    blocks: Blocks,
    declared: Declared,
    display: &mut Display,
    work: impl FnOnce(&Sequence) -> Result<T> + Send + 'static,
) -> PyResult<T> {
    let _call = Call::begin();
    prepare(py)?;
    let shared = Arc::new(Shared::default());
    let (feeder, supply) = feeder(blocks, &declared);
    let taker = Taker::new(&declared);
    let (sender, mut results) = mpsc::sync_channel(1);
    let observer = Arc::clone(&shared);
    let thread = spawn(py, move || {
        let sequence = Sequence::new(supply, &declared, observer);
        let result = sequence.map_err(Into::into).and_then(|sequence| work(&sequence));
        // After Ctrl-C, the result is not received.
        let _ = sender.send(result);
    })?;
    let mut watch = Watch { shared, display };
    let fed = feeder.feed(py, taker, &mut watch);
    let ended = fed.and_then(|()| {
        let results = &mut results;
        watch.wait(py, move || match results.recv_timeout(BETWEEN_LOOKS) {
            Ok(result) => Some(Some(result)),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => Some(None),
        })
    });
    let ended = ended.and_then(|result| match watch.show(py) {
        Ok(()) => Ok(result),
        Err(exception) => {
            if matches!(result, Some(Ok(_))) {
                add_note(py, &exception, "the pass was complete when `progress` failed");
            }
            Err(exception)
        }
    });
    drop_returned(py);
    match ended {
        Ok(Some(Ok(output))) => Ok(output),
        Ok(Some(Err(error))) => Err(raised(py, error)),
        Ok(None) => Err(panicked(py)),
        Err(interrupt) => {
            watch.cancel();
            leave(py, thread);
            // The interrupt comes before an exception of the display.
            let _ = watch.show(py);
            Err(interrupt)
        }
    }
}
