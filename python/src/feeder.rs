//! The calling thread's side of a pass: it runs generators and functions.

use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};

use lazy_chunks::{ArrayBlock, BoxError};
use pyo3::exceptions::PyKeyboardInterrupt;
use pyo3::prelude::*;
use pyo3::types::PyIterator;

use crate::arrays::Taker;
use crate::attach::attach;
use crate::blocks::Blocks;
use crate::detached::BETWEEN_LOOKS;
use crate::queue::{Entry, Sender, queue};
use crate::sequence::{Compute, Declared, Supply, interrupted};
use crate::watch::Watch;

/// Gives the evaluating thread its blocks.
pub(crate) enum Feeder {
    Array {
        array: Py<PyAny>,
        sender: Sender<PyErr>,
    },
    Flat {
        first: Option<Py<PyAny>>,
        rest: Py<PyIterator>,
        sender: Sender<PyErr>,
    },
    Nested {
        first: Option<Py<PyAny>>,
        rest: Py<PyIterator>,
        sender: Sender<PyErr>,
    },
    /// Calls a function when the evaluating thread asks for a block.
    Function {
        function: Arc<Py<PyAny>>,
        is_nested: bool,
        requests: mpsc::Receiver<Request>,
    },
    /// Threads of the evaluation call the function.
    None,
}

/// A request for the block with these indices.
pub(crate) struct Request {
    at: (usize, usize),
    answer: mpsc::SyncSender<PyResult<ArrayBlock>>,
}

pub(crate) fn feeder(blocks: Blocks, declared: &Declared) -> (Feeder, Supply) {
    match blocks {
        Blocks::Array(array) => {
            let (sender, receiver) = queue();
            (Feeder::Array { array, sender }, Supply::Flat(receiver))
        }
        Blocks::Flat { first, rest } => {
            let (sender, receiver) = queue();
            (Feeder::Flat { first, rest, sender }, Supply::Flat(receiver))
        }
        Blocks::Nested { first, rest } => {
            let (sender, receiver) = queue();
            (Feeder::Nested { first, rest, sender }, Supply::Nested(receiver))
        }
        Blocks::Stored(sequence) => (Feeder::None, Supply::Stored(sequence)),
        Blocks::Indexed { rows, function } => {
            let (feeder, compute) = computed(function, false, declared);
            (feeder, Supply::Indexed(rows, compute))
        }
        Blocks::NestedIndexed { rows, columns, function } => {
            let (feeder, compute) = computed(function, true, declared);
            (feeder, Supply::NestedIndexed(rows, columns, compute))
        }
    }
}

/// Returns the two sides of a function: on the calling thread, or on threads of the evaluation.
fn computed(
    function: Arc<Py<PyAny>>,
    is_nested: bool,
    declared: &Declared,
) -> (Feeder, Arc<Compute>) {
    if declared.n_threads.is_some_and(|n_threads| n_threads > 1) {
        let takers = Takers { declared: declared.clone(), unused: Mutex::default() };
        let compute = move |i, j| {
            let block = attach(|py| {
                let mut taker = takers.get();
                let block = call(py, &function, is_nested, (i, j), &mut taker);
                takers.put(taker);
                block
            });
            block.map_err(BoxError::from)
        };
        return (Feeder::None, Arc::new(compute));
    }
    let (sender, requests) = mpsc::sync_channel(0);
    let compute = move |i, j| {
        let (answer, answers) = mpsc::sync_channel(1);
        sender.send(Request { at: (i, j), answer }).map_err(|_| interrupted())?;
        answers.recv().map_err(|_| interrupted())?.map_err(BoxError::from)
    };
    (Feeder::Function { function, is_nested, requests }, Arc::new(compute))
}

/// Memory for the blocks of several threads.
struct Takers {
    declared: Declared,
    unused: Mutex<Vec<Taker>>,
}

impl Takers {
    fn get(&self) -> Taker {
        let taker = self.unused.lock().unwrap_or_else(PoisonError::into_inner).pop();
        taker.unwrap_or_else(|| Taker::new(&self.declared))
    }

    fn put(&self, taker: Taker) {
        self.unused.lock().unwrap_or_else(PoisonError::into_inner).push(taker);
    }
}

fn call(
    py: Python<'_>,
    function: &Py<PyAny>,
    is_nested: bool,
    (i, j): (usize, usize),
    taker: &mut Taker,
) -> PyResult<ArrayBlock> {
    let array = if is_nested { function.call1(py, (i, j)) } else { function.call1(py, (i,)) }?;
    taker.take_block(array.bind(py))
}

impl Feeder {
    /// Gives all blocks, or those that the evaluation asks for. An exception of the user's code ends
    /// the evaluation, and an interrupt ends this function.
    pub(crate) fn feed(
        self,
        py: Python<'_>,
        mut taker: Taker,
        watch: &mut Watch<'_>,
    ) -> PyResult<()> {
        match self {
            Feeder::Array { array, sender } => {
                // The caller waits until the pass is over, and does not change the array meanwhile.
                let block = taker.keeping_all().take_block(array.bind(py));
                if give(py, watch, &sender, block.map(Entry::Block))? {
                    sender.complete();
                }
            }
            Feeder::Flat { first, rest, sender } => {
                let mut items = Items { first, rest: rest.into_bound(py) };
                while let Some(item) = items.next(py) {
                    let block = item.and_then(|item| taker.take_block(&item));
                    if !give(py, watch, &sender, block.map(Entry::Block))? {
                        return Ok(());
                    }
                }
                sender.complete();
            }
            Feeder::Nested { first, rest, sender } => {
                let mut bands = Items { first, rest: rest.into_bound(py) };
                while let Some(band) = bands.next(py) {
                    let blocks = band.and_then(|band| band.try_iter());
                    let (entry, blocks) = match blocks {
                        Ok(blocks) => (Ok(Entry::Band), Some(blocks)),
                        Err(error) => (Err(error), None),
                    };
                    if !give(py, watch, &sender, entry)? {
                        return Ok(());
                    }
                    for item in blocks.into_iter().flatten() {
                        let block = item.and_then(|item| taker.take_block(&item));
                        if !give(py, watch, &sender, block.map(Entry::Block))? {
                            return Ok(());
                        }
                    }
                }
                sender.complete();
            }
            Feeder::Function { function, is_nested, mut requests } => loop {
                let requests = &mut requests;
                let request =
                    watch.wait(py, move || match requests.recv_timeout(BETWEEN_LOOKS) {
                        Ok(request) => Some(Some(request)),
                        Err(RecvTimeoutError::Timeout) => None,
                        Err(RecvTimeoutError::Disconnected) => Some(None),
                    })?;
                let Some(Request { at, answer }) = request else { break };
                watch.look(py)?;
                let block = call(py, &function, is_nested, at, &mut taker);
                // The evaluation has ended if it does not wait for the answer.
                let _ = answer.send(unless_interrupt(py, block)?);
            },
            Feeder::None => {}
        }
        Ok(())
    }
}

/// The items of an iterator, of which the first one may be taken already.
struct Items<'py> {
    first: Option<Py<PyAny>>,
    rest: Bound<'py, PyIterator>,
}

impl<'py> Items<'py> {
    fn next(&mut self, py: Python<'py>) -> Option<PyResult<Bound<'py, PyAny>>> {
        match self.first.take() {
            Some(first) => Some(Ok(first.into_bound(py))),
            None => self.rest.next(),
        }
    }
}

/// Gives an entry to the evaluating thread, when there is room. Returns false if there is nothing
/// more to give.
fn give(
    py: Python<'_>,
    watch: &mut Watch<'_>,
    sender: &Sender<PyErr>,
    entry: PyResult<Entry<PyErr>>,
) -> PyResult<bool> {
    let entry = match unless_interrupt(py, entry)? {
        Ok(entry) => entry,
        Err(error) => {
            sender.send(Entry::Failed(error));
            return Ok(false);
        }
    };
    watch.look(py)?;
    if !sender.has_room() {
        watch.wait(py, || sender.wait_for_room(BETWEEN_LOOKS).then_some(()))?;
    }
    Ok(sender.send(entry))
}

/// Returns a result of the user's code, unless it was interrupted.
fn unless_interrupt<T>(py: Python<'_>, result: PyResult<T>) -> PyResult<PyResult<T>> {
    match result {
        Err(error) if error.is_instance_of::<PyKeyboardInterrupt>(py) => Err(error),
        result => Ok(result),
    }
}
