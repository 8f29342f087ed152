//! Requests that do not depend on each other.

use std::panic::resume_unwind;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::interface::Store;

/// Calls a function for each item, with as many requests in flight as the store should have, and
/// returns the results in the order of the items. Of several errors, returns that of the first item
/// among those that were begun.
pub(crate) fn for_each<I: Sync, T: Send, E: Send>(
    store: &dyn Store,
    items: &[I],
    request: impl Fn(&I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let n_threads = store.concurrency().unwrap_or(1).min(items.len());
    if n_threads <= 1 {
        return items.iter().map(request).collect();
    }
    let next = AtomicUsize::new(0);
    let work = || {
        let mut results = Vec::new();
        loop {
            let i = next.fetch_add(1, Ordering::Relaxed);
            let Some(item) = items.get(i) else { return results };
            let result = request(item);
            if result.is_err() {
                next.store(items.len(), Ordering::Relaxed);
            }
            results.push((i, result));
        }
    };
    let mut results = thread::scope(|scope| {
        let others: Vec<_> = (1..n_threads).map(|_| scope.spawn(work)).collect();
        let mut results = work();
        for other in others {
            results.extend(other.join().unwrap_or_else(|payload| resume_unwind(payload)));
        }
        results
    });
    results.sort_unstable_by_key(|(i, _)| *i);
    results.into_iter().map(|(_, result)| result).collect()
}

/// Calls two functions, at the same time if the store waits.
pub(crate) fn both<A: Send, B>(
    store: &dyn Store,
    first: impl FnOnce() -> A + Send,
    second: impl FnOnce() -> B,
) -> (A, B) {
    if store.concurrency().is_none() {
        return (first(), second());
    }
    thread::scope(|scope| {
        let first = scope.spawn(first);
        let second = second();
        (first.join().unwrap_or_else(|payload| resume_unwind(payload)), second)
    })
}
