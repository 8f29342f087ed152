//! Computes items on several threads and yields them in order.
//!
//! The evaluating thread deals items to all threads, consumes the results in order, and computes
//! items itself while it waits for the next result. It deals only items within a window after the
//! item that it consumes next, which bounds the number of items in flight.

use std::any::Any;
use std::collections::VecDeque;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

use super::TraceOfThreads;
/// The result of an item, or the panic of its computation.
type Outcome<P, E> = Result<Result<P, E>, Box<dyn Any + Send>>;

/// Computes items `0..n_items` with `compute` on `n_threads` threads, including the caller's, while
/// `consume` pulls the results in order.
///
/// `compute` receives the index of an item and the input that [`Items::next`] supplied for it. It
/// returns `None` if the evaluation is over.
pub(crate) fn in_order<X: Send, P: Send, E: Send, T>(
    n_items: usize,
    n_threads: usize,
    trace: &TraceOfThreads,
    compute: impl Fn(usize, Option<X>) -> Result<Option<P>, E> + Sync,
    consume: impl FnOnce(&mut Items<'_, X, P, E>) -> T,
) -> T {
    let shared = Shared {
        queue: Mutex::new(Queue {
            tasks: VecDeque::new(),
            results: VecDeque::new(),
            n_consumed: 0,
            failed: usize::MAX,
            is_over: false,
        }),
        changed: Condvar::new(),
        compute: &compute,
    };
    thread::scope(|scope| {
        let _over = Over(&shared);
        for _ in 1..n_threads.min(n_items) {
            let thread = thread::Builder::new().name("lazy-core evaluation".to_owned());
            let work = || trace.within(|| shared.work());
            if thread.spawn_scoped(scope, work).is_err() {
                // The system has no more threads. The existing ones do all the work.
                break;
            }
        }
        let mut items = Items { shared: &shared, n_items, n_dealt: 0, ready: VecDeque::new() };
        consume(&mut items)
    })
}

/// The results of items, in order.
pub(crate) struct Items<'e, X, P, E> {
    shared: &'e Shared<'e, X, P, E>,
    n_items: usize,
    n_dealt: usize,
    /// Results that are ready and not yet consumed, in order.
    ready: VecDeque<Outcome<P, E>>,
}

impl<X: Send, P: Send, E: Send> Items<'_, X, P, E> {
    /// Returns the next result. First deals the items within the window of `max_in_flight` items,
    /// `run_length` at a time; `supply` may supply the input of an item. If `supply` fails, its
    /// error becomes the result of the item.
    ///
    /// A panic of `compute` continues here.
    pub(crate) fn next(
        &mut self,
        index: usize,
        dealing: impl Fn() -> Dealing,
        mut supply: impl FnMut(usize) -> Result<Option<X>, E>,
    ) -> Result<P, E> {
        loop {
            self.deal(index, &dealing, &mut supply);
            if let Some(outcome) = self.ready.pop_front() {
                return outcome.unwrap_or_else(|panic| resume_unwind(panic));
            }
            self.shared.advance(&mut self.ready);
        }
    }

    /// Skips the items before `end`: no thread starts any of them. Results of those already started
    /// are dropped, even failures.
    ///
    /// The items must be dealt one at a time.
    pub(crate) fn skip_to(&mut self, end: usize) {
        let mut queue = self.shared.lock();
        let next = queue.n_consumed - self.ready.len();
        let n_ready = self.ready.len().min(end.saturating_sub(next));
        let mut dropped: Vec<_> = self.ready.drain(..n_ready).map(Some).collect();
        if queue.n_consumed < end {
            let n_tasks = queue.tasks.len();
            queue.tasks.retain(|task| task.first() >= end);
            let n_not_begun = n_tasks - queue.tasks.len();
            let n_dealt = self.n_dealt.min(end) - queue.n_consumed;
            let n_without_result = |queue: &Queue<X, P, E>| {
                queue.results.iter().take(n_dealt).filter(|result| result.is_none()).count()
            };
            // Items that were started are in flight until they are done.
            while n_without_result(&queue) > n_not_begun {
                queue = self.shared.wait(queue);
            }
            dropped.extend(queue.results.drain(..n_dealt));
            queue.n_consumed = end;
        }
        let first = queue.n_consumed - self.ready.len();
        let results = self.ready.iter().map(Some).chain(queue.results.iter().map(Option::as_ref));
        let failed = results.map(|result| result.is_some_and(has_failed)).position(|failed| failed);
        queue.failed = failed.map_or(usize::MAX, |i| first + i);
        drop(queue);
        self.n_dealt = self.n_dealt.max(end);
        self.shared.changed.notify_all();
    }

    fn deal(
        &mut self,
        next: usize,
        dealing: &impl Fn() -> Dealing,
        supply: &mut impl FnMut(usize) -> Result<Option<X>, E>,
    ) {
        loop {
            let Dealing { run_length, max_in_flight } = dealing();
            let mut end = self.n_items.min(self.n_dealt + run_length);
            if self.n_dealt == self.n_items || end > next.saturating_add(max_in_flight) {
                return;
            }
            let mut tasks = VecDeque::new();
            let mut start = self.n_dealt;
            let mut failure = None;
            for index in self.n_dealt..end {
                match supply(index) {
                    Ok(Some(supplied)) => {
                        tasks.extend((start < index).then_some(Task::Compute(start..index)));
                        tasks.push_back(Task::Supplied(index, supplied));
                        start = index + 1;
                    }
                    Ok(None) => {}
                    Err(error) => {
                        failure = Some(error);
                        end = index;
                        break;
                    }
                }
            }
            tasks.extend((start < end).then_some(Task::Compute(start..end)));
            let mut queue = self.shared.lock();
            queue.tasks.append(&mut tasks);
            queue.results.extend((self.n_dealt..end).map(|_| None));
            if let Some(error) = failure {
                // It is the last result, unless an item before it fails.
                queue.results.push_back(Some(Ok(Err(error))));
                queue.failed = queue.failed.min(end);
                end += 1;
                self.n_items = end;
            }
            drop(queue);
            self.shared.changed.notify_all();
            self.n_dealt = end;
        }
    }
}

fn has_failed<P, E>(outcome: &Outcome<P, E>) -> bool {
    !matches!(outcome, Ok(Ok(_)))
}

/// The number of items that a thread is dealt at once, and the maximum number in flight.
#[derive(Clone, Copy)]
pub(crate) struct Dealing {
    pub(crate) run_length: usize,
    pub(crate) max_in_flight: usize,
}

/// The state that all threads share.
struct Shared<'e, X, P, E> {
    queue: Mutex<Queue<X, P, E>>,
    /// Signals new tasks, results, and the end.
    changed: Condvar,
    compute: &'e (dyn Fn(usize, Option<X>) -> Result<Option<P>, E> + Sync),
}

struct Queue<X, P, E> {
    /// The dealt tasks, in the order of their items.
    tasks: VecDeque<Task<X>>,
    /// The results from the first unconsumed item on; `None` for an item without a result.
    results: VecDeque<Option<Outcome<P, E>>>,
    n_consumed: usize,
    /// The first item that is known to fail. No thread starts an item after it.
    failed: usize,
    is_over: bool,
}

/// Items that one thread computes.
enum Task<X> {
    Compute(Range<usize>),
    Supplied(usize, X),
}

impl<X> Task<X> {
    fn first(&self) -> usize {
        match self {
            Task::Compute(range) => range.start,
            Task::Supplied(index, _) => *index,
        }
    }
}

impl<X, P, E> Queue<X, P, E> {
    /// Takes the next task, unless an item before it has failed.
    fn next_task(&mut self) -> Option<Task<X>> {
        let task = self.tasks.front()?;
        if task.first() <= self.failed { self.tasks.pop_front() } else { None }
    }
}

/// Ends the work of all threads when the caller returns or panics.
struct Over<'o, 'e, X, P, E>(&'o Shared<'e, X, P, E>);

impl<X, P, E> Drop for Over<'_, '_, X, P, E> {
    fn drop(&mut self) {
        self.0.lock().is_over = true;
        self.0.changed.notify_all();
    }
}

impl<X, P, E> Shared<'_, X, P, E> {
    fn lock(&self) -> MutexGuard<'_, Queue<X, P, E>> {
        // No code panics while it holds the lock, so the queue is consistent.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wait<'q>(&self, queue: MutexGuard<'q, Queue<X, P, E>>) -> MutexGuard<'q, Queue<X, P, E>> {
        self.changed.wait(queue).unwrap_or_else(PoisonError::into_inner)
    }

    /// Does tasks until the end.
    fn work(&self) {
        let mut queue = self.lock();
        while !queue.is_over {
            queue = match queue.next_task() {
                Some(task) => {
                    drop(queue);
                    self.do_task(task);
                    self.lock()
                }
                None => self.wait(queue),
            };
        }
    }

    /// Takes the results that are ready. If there are none, does a task, or waits for a result or a
    /// task.
    fn advance(&self, ready: &mut VecDeque<Outcome<P, E>>) {
        let mut queue = self.lock();
        loop {
            while let Some(Some(_)) = queue.results.front() {
                ready.extend(queue.results.pop_front().flatten());
                queue.n_consumed += 1;
            }
            if !ready.is_empty() {
                return;
            }
            if let Some(task) = queue.next_task() {
                drop(queue);
                return self.do_task(task);
            }
            queue = self.wait(queue);
        }
    }

    fn do_task(&self, task: Task<X>) {
        let (range, mut supplied) = match task {
            Task::Compute(range) => (range, None),
            Task::Supplied(index, supplied) => (index..index + 1, Some(supplied)),
        };
        let first = range.start;
        let mut outcomes = Vec::with_capacity(range.len());
        for index in range {
            let is_void = {
                let queue = self.lock();
                queue.is_over || (index > first && index > queue.failed)
            };
            if is_void {
                break;
            }
            let supplied = supplied.take();
            let outcome = catch_unwind(AssertUnwindSafe(|| (self.compute)(index, supplied)));
            let Some(outcome) = outcome.map(Result::transpose).transpose() else { break };
            let is_failure = has_failed(&outcome);
            outcomes.push(outcome);
            if is_failure {
                let mut queue = self.lock();
                queue.failed = queue.failed.min(index);
                break;
            }
        }
        let mut queue = self.lock();
        for (i, outcome) in outcomes.into_iter().enumerate() {
            let place = first + i - queue.n_consumed;
            queue.results[place] = Some(outcome);
        }
        drop(queue);
        self.changed.notify_all();
    }
}
