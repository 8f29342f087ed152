//! A queue of blocks between the thread that calls Python and the one that evaluates.
//!
//! Ignorant of Python.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use lazy_chunks::ArrayBlock;

/// The bytes of blocks that wait, unless a single block has more.
const MANY_BYTES: usize = 1 << 20;

/// The number of blocks and bands that wait.
const MANY: usize = 256;

/// The number of waiting blocks that wake the evaluating thread. A block of less work than a wake
/// waits for others.
const FEW: usize = 16;

/// The time for which the evaluating thread looks again by itself, before it must be woken.
const SOON: Duration = Duration::from_micros(500);

/// An entry of the queue.
pub(crate) enum Entry<E> {
    Block(ArrayBlock),
    /// The beginning of a band.
    Band,
    /// An error ends the blocks.
    Failed(E),
    /// The sender is gone before it has sent all blocks.
    Broken,
}

/// Creates a queue.
pub(crate) fn queue<E>() -> (Sender<E>, Receiver<E>) {
    let shared = Arc::new(Shared {
        state: Mutex::new(State {
            entries: VecDeque::new(),
            n_bytes: 0,
            is_complete: false,
            is_closed: false,
            wait: Wait::None,
        }),
        filled: Condvar::new(),
        emptied: Condvar::new(),
    });
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

struct Shared<E> {
    state: Mutex<State<E>>,
    filled: Condvar,
    emptied: Condvar,
}

struct State<E> {
    entries: VecDeque<Entry<E>>,
    n_bytes: usize,
    /// True if the sender has sent all blocks.
    is_complete: bool,
    /// True if one end is gone.
    is_closed: bool,
    wait: Wait,
}

/// The state of a receiver that waits.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wait {
    None,
    /// It looks again soon.
    Short,
    /// It must be woken.
    Long,
}

impl<E> Shared<E> {
    fn lock(&self) -> MutexGuard<'_, State<E>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn close(&self) {
        self.lock().is_closed = true;
        self.filled.notify_one();
        self.emptied.notify_one();
    }
}

impl<E> State<E> {
    fn has_room(&self) -> bool {
        self.entries.is_empty() || (self.n_bytes < MANY_BYTES && self.entries.len() < MANY)
    }
}

/// The end of a queue that takes blocks.
pub(crate) struct Sender<E>(Arc<Shared<E>>);

impl<E> Sender<E> {
    /// Waits for room, for at most this time. Returns true if there is room, or if nothing is
    /// received any more.
    pub(crate) fn wait_for_room(&self, most: Duration) -> bool {
        let end = Instant::now() + most;
        let mut state = self.0.lock();
        loop {
            if state.is_closed || state.has_room() {
                return true;
            }
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return false;
            }
            let waited = self.0.emptied.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Returns true if an entry would not wait.
    pub(crate) fn has_room(&self) -> bool {
        let state = self.0.lock();
        state.is_closed || state.has_room()
    }

    /// Adds an entry, without waiting for room. Returns false if nothing is received any more.
    pub(crate) fn send(&self, entry: Entry<E>) -> bool {
        let mut state = self.0.lock();
        if state.is_closed {
            return false;
        }
        state.n_bytes += n_bytes(&entry);
        state.entries.push_back(entry);
        let is_woken = match state.wait {
            Wait::None => false,
            Wait::Short => state.entries.len() >= FEW || state.n_bytes >= MANY_BYTES / 16,
            Wait::Long => true,
        };
        if is_woken {
            self.0.filled.notify_one();
        }
        true
    }

    /// Says that all blocks are sent.
    pub(crate) fn complete(self) {
        self.0.lock().is_complete = true;
    }
}

impl<E> Drop for Sender<E> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// The end of a queue that gives blocks.
pub(crate) struct Receiver<E>(Arc<Shared<E>>);

impl<E> Receiver<E> {
    /// Returns the next entry. Returns `None` at the end.
    pub(crate) fn receive(&self) -> Option<Entry<E>> {
        let mut state = self.0.lock();
        loop {
            if let Some(entry) = state.entries.pop_front() {
                let had_room = state.has_room();
                state.n_bytes -= n_bytes(&entry);
                state.wait = Wait::None;
                if !had_room || state.entries.is_empty() {
                    self.0.emptied.notify_one();
                }
                return Some(entry);
            }
            if state.is_closed {
                return if state.is_complete { None } else { Some(Entry::Broken) };
            }
            state = if state.wait == Wait::None {
                state.wait = Wait::Short;
                let waited = self.0.filled.wait_timeout(state, SOON);
                waited.unwrap_or_else(PoisonError::into_inner).0
            } else {
                state.wait = Wait::Long;
                self.0.filled.wait(state).unwrap_or_else(PoisonError::into_inner)
            };
        }
    }
}

impl<E> Drop for Receiver<E> {
    fn drop(&mut self) {
        self.0.close();
    }
}

fn n_bytes<E>(entry: &Entry<E>) -> usize {
    match entry {
        Entry::Block(block) => block.data().len(),
        Entry::Band | Entry::Failed(_) | Entry::Broken => 0,
    }
}
