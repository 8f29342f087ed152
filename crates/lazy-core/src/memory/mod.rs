//! Memory for the states of statistics: the limit of a pass, and the memory that its statistics
//! claim.
//!
//! The limit is part of the [`SequenceSpec`](crate::SequenceSpec) of the pass, with which every
//! statistic starts. A statistic counts the states that it has accumulated, and those of blocks in
//! flight, in a [`Claim`]. The contribution of one block is counted in a scope of the thread that
//! computes it, since [`BlockMap::partial`](crate::BlockMap::partial) receives only the block.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Case, MemoryShortage, short_name};
use crate::{Error, Result};

mod system;

pub use system::system_memory;

/// The size of the states of a statistic.
///
/// # Example
///
/// ```
/// # extern crate lazy_core as lazy_chunks;
/// use lazy_chunks::{Histogram, Statistic, Summary};
///
/// let histogram = Histogram::new((0..=20_000).map(f64::from).collect::<Vec<_>>());
/// let size = histogram.per_column().state_size(0, Some(&[100_000]));
/// assert_eq!(size.states, 100_000);
/// // 8 bytes for each of 20,000 bins of each column, and some overhead.
/// assert!((16_000_000_000..16_100_000_000).contains(&size.bytes));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateSize {
    /// The number of states: one for each row or column, or one for the whole array.
    pub states: u128,
    /// The total number of bytes of these states.
    pub bytes: u128,
}

impl StateSize {
    /// Returns the size of `states` states of `bytes_each` bytes each.
    #[must_use]
    pub fn new(states: u128, bytes_each: usize) -> StateSize {
        StateSize { states, bytes: states.saturating_mul(bytes_each as u128) }
    }

    pub(crate) fn plus(self, other: StateSize) -> StateSize {
        StateSize {
            states: self.states.saturating_add(other.states),
            bytes: self.bytes.saturating_add(other.bytes),
        }
    }

    pub(crate) fn minus(self, other: StateSize) -> StateSize {
        StateSize {
            states: self.states.saturating_sub(other.states),
            bytes: self.bytes.saturating_sub(other.bytes),
        }
    }

    pub(crate) fn times(self, n: usize) -> StateSize {
        let n = n as u128;
        StateSize { states: self.states.saturating_mul(n), bytes: self.bytes.saturating_mul(n) }
    }

    pub(crate) fn max(self, other: StateSize) -> StateSize {
        if other.bytes > self.bytes { other } else { self }
    }

    /// Returns the number of bytes, or `u64::MAX` if there are more.
    pub(crate) fn bytes_or_max(self) -> u64 {
        u64::try_from(self.bytes).unwrap_or(u64::MAX)
    }

    /// Returns additional bytes of states that are already counted.
    pub(crate) fn growth(bytes: usize) -> StateSize {
        StateSize { states: 0, bytes: bytes as u128 }
    }
}

/// Returns the number of elements of an array of this shape, or `None` if it exceeds `usize::MAX`.
pub(crate) fn n_elements(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1_usize, |n, size| n.checked_mul(*size))
}

/// Returns true if `bytes` can be allocated. Allocates and frees them at once, so that a failed
/// allocation does not abort the process later.
pub(crate) fn fits(bytes: u128) -> bool {
    /// Smaller allocations are not tested, since glibc would keep their memory from then on.
    const LARGE: u128 = 32 << 20;
    bytes <= LARGE
        || usize::try_from(bytes).is_ok_and(|n| Vec::<u8>::new().try_reserve_exact(n).is_ok())
}

/// The memory for the states of one pass.
#[derive(Clone, Debug)]
pub(crate) struct Memory {
    /// The declared limit; `None` for the memory of the system.
    limit: Option<u64>,
    /// The maximum number of contributions in flight.
    n_in_flight: usize,
    /// The bytes that the statistics of the pass have claimed.
    claimed: Arc<AtomicU64>,
}

impl Default for Memory {
    fn default() -> Memory {
        Memory { limit: None, n_in_flight: 1, claimed: Arc::default() }
    }
}

/// Compares the declared limits, not the claims of a pass.
impl PartialEq for Memory {
    fn eq(&self, other: &Memory) -> bool {
        self.limit == other.limit
    }
}

impl Eq for Memory {}

impl Memory {
    pub(crate) fn with_limit(&self, bytes: u64) -> Memory {
        Memory { limit: Some(bytes), claimed: Arc::default(), ..*self }
    }

    /// Returns the memory of a new pass, without claims.
    pub(crate) fn for_pass(&self, n_in_flight: usize) -> Memory {
        Memory { n_in_flight, claimed: Arc::default(), ..*self }
    }

    pub(crate) fn limit(&self) -> Option<u64> {
        self.limit
    }

    pub(crate) fn n_in_flight(&self) -> usize {
        self.n_in_flight
    }

    /// Computes a contribution. Counts it once for each contribution that can be in flight.
    pub(crate) fn contribute<T>(&self, contribution: impl FnOnce() -> T) -> T {
        let limit = self.limit.or_else(system_memory);
        Scope { limit, times: self.n_in_flight.max(1), ..Scope::default() }.enter(contribution).0
    }
}

/// Computes a contribution to reducers that have a limit of their own.
pub(crate) fn contribute_within<T>(limit: u64, contribution: impl FnOnce() -> T) -> T {
    let outer = Scope::current();
    let inner = Scope { limit: Some(limit), times: outer.times, ..Scope::default() };
    let (contribution, taken) = inner.enter(contribution);
    Scope { taken: outer.taken.plus(taken), ..outer }.update();
    contribution
}

/// The memory that one statistic has claimed, for accumulated states and for blocks in flight.
#[derive(Debug)]
pub(crate) struct Claim {
    memory: Memory,
    bytes: u64,
}

impl Claim {
    pub(crate) fn new(memory: &Memory) -> Claim {
        Claim { memory: memory.clone(), bytes: 0 }
    }

    fn limit(&self) -> Option<u64> {
        self.memory.limit.or_else(system_memory)
    }

    /// Returns the bytes that other statistics of the pass have claimed.
    fn others(&self) -> u64 {
        self.memory.claimed.load(Ordering::Relaxed).saturating_sub(self.bytes)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Returns true if the limit was declared.
    pub(crate) fn is_limited(&self) -> bool {
        self.memory.limit.is_some()
    }

    /// Returns the largest number of bytes that this claim can have.
    pub(crate) fn most(&self) -> u64 {
        self.limit().unwrap_or(isize::MAX as u64).saturating_sub(self.others())
    }

    /// Raises the claim to `size` bytes, if that is more than before.
    pub(crate) fn raise(
        &mut self,
        size: StateSize,
        statistic: impl FnOnce() -> String,
    ) -> Result<()> {
        if size.bytes <= u128::from(self.bytes) {
            return Ok(());
        }
        match u64::try_from(size.bytes) {
            Ok(bytes) if bytes <= self.most() => {
                self.add(bytes - self.bytes);
                Ok(())
            }
            _ => Err(refused(size, u128::from(self.others()), self.limit(), statistic())),
        }
    }

    /// Adds bytes to the claim, which the limit allows.
    pub(crate) fn add(&mut self, bytes: u64) {
        self.memory.claimed.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
    }

    /// Calls a function that adds to states of this size, and returns by how much they grew.
    pub(crate) fn grow<T>(&self, states: StateSize, grow: impl FnOnce() -> T) -> (T, StateSize) {
        let others = u128::from(self.others());
        let scope = Scope { limit: self.limit(), others, taken: states, ..Scope::default() };
        let (output, taken) = scope.enter(grow);
        (output, taken.minus(states))
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.memory.claimed.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// The memory that the function running on this thread may take.
#[derive(Clone, Copy, Debug)]
struct Scope {
    limit: Option<u64>,
    /// The bytes of the limit that others have taken.
    others: u128,
    /// The maximum number of contributions in flight.
    times: usize,
    taken: StateSize,
    /// The part of `taken` that other statistics took before this one.
    before: StateSize,
}

impl Default for Scope {
    fn default() -> Scope {
        let none = StateSize::default();
        Scope { limit: None, others: 0, times: 1, taken: none, before: none }
    }
}

thread_local! {
    static SCOPE: Cell<Option<Scope>> = const { Cell::new(None) };
}

impl Scope {
    /// Returns the scope of this thread. Outside a pass, the limit is the memory of the system.
    fn current() -> Scope {
        SCOPE.get().unwrap_or_else(|| Scope { limit: system_memory(), ..Scope::default() })
    }

    fn enter<T>(self, function: impl FnOnce() -> T) -> (T, StateSize) {
        /// Leaves the scope when the function returns or panics.
        struct Outer(Option<Scope>);

        impl Drop for Outer {
            fn drop(&mut self) {
                SCOPE.set(self.0);
            }
        }

        let _outer = Outer(SCOPE.replace(Some(self)));
        let output = function();
        (output, Scope::current().taken)
    }

    fn update(self) {
        if SCOPE.get().is_some() {
            SCOPE.set(Some(self));
        }
    }
}

/// Takes memory that is about to be allocated.
pub(crate) fn take(size: StateSize, statistic: impl FnOnce() -> String) -> Result<()> {
    let scope = Scope::current();
    let taken = scope.taken.plus(size);
    let in_all = scope.others.saturating_add(taken.times(scope.times).bytes);
    let is_within = scope.limit.is_none_or(|limit| in_all <= u128::from(limit));
    if !is_within || !fits(size.bytes) {
        // Within the limit, the system does not have that much memory.
        let limit = scope.limit.filter(|_| !is_within);
        let others = scope.others.saturating_add(scope.before.times(scope.times).bytes);
        let own = taken.minus(scope.before).times(scope.times);
        return Err(refused(own, others, limit, statistic()));
    }
    Scope { taken, ..scope }.update();
    Ok(())
}

/// Checks that a result, which replaces states, is within the limit on its own.
pub(crate) fn check_result(size: StateSize, statistic: impl FnOnce() -> String) -> Result<()> {
    let limit = Scope::current().limit;
    let is_within = limit.is_none_or(|limit| size.bytes <= u128::from(limit));
    if is_within && fits(size.bytes) {
        Ok(())
    } else {
        Err(refused(size, 0, limit.filter(|_| !is_within), statistic()))
    }
}

/// Gives back memory that was taken and has been freed.
pub(crate) fn give_back(size: StateSize) {
    let scope = Scope::current();
    Scope { taken: scope.taken.minus(size), ..scope }.update();
}

/// Calls a function of one statistic, and returns the memory that it has taken.
pub(crate) fn measured<T>(function: impl FnOnce() -> T) -> (T, StateSize) {
    let outer = Scope::current();
    let (output, taken) = Scope { before: outer.taken, ..outer }.enter(function);
    Scope { taken, ..outer }.update();
    (output, taken.minus(outer.taken))
}

/// Reserves capacity for `n_more` more states, which were taken before.
pub(crate) fn reserve<T>(
    states: &mut Vec<T>,
    n_more: usize,
    statistic: impl FnOnce() -> String,
) -> Result<()> {
    // If there is no room for extra capacity, there may be for these states alone.
    if states.try_reserve(n_more).is_ok() || states.try_reserve_exact(n_more).is_ok() {
        return Ok(());
    }
    let size =
        StateSize::new((states.len() as u128).saturating_add(n_more as u128), size_of::<T>());
    Err(refused(size, 0, None, statistic()))
}

pub(crate) fn refused(
    size: StateSize,
    taken: u128,
    limit: Option<u64>,
    statistic: String,
) -> Error {
    let StateSize { states, bytes } = size;
    let statistic = short_name(statistic);
    Case::StatisticMemory(MemoryShortage { statistic, states, bytes, taken, limit }).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> String {
        "a statistic".to_owned()
    }

    fn bytes(bytes: usize) -> StateSize {
        StateSize::new(1, bytes)
    }

    fn refused(result: Result<()>) -> (u128, u128, Option<u64>) {
        let error = result.unwrap_err();
        let shortage = error.memory().expect("an error of memory");
        (shortage.bytes, shortage.taken, shortage.limit)
    }

    #[test]
    fn claims_share_a_limit_and_give_it_back() {
        let memory = Memory::default().with_limit(100);
        let (mut one, mut other) = (Claim::new(&memory), Claim::new(&memory));
        one.raise(bytes(60), name).unwrap();
        one.raise(bytes(50), name).unwrap();
        other.raise(bytes(40), name).unwrap();
        assert_eq!(refused(other.raise(bytes(41), name)), (41, 60, Some(100)));
        drop(one);
        other.raise(bytes(100), name).unwrap();
        // Each pass has the whole limit.
        Claim::new(&memory.for_pass(1)).raise(bytes(100), name).unwrap();
    }

    #[test]
    fn contributions_count_as_often_as_there_may_be_some() {
        let memory = Memory::default().with_limit(100).for_pass(3);
        memory.contribute(|| {
            let (taken, size) = measured(|| take(bytes(20), name));
            taken.unwrap();
            assert_eq!(size.bytes, 20);
            let (taken, _) = measured(|| take(bytes(14), name));
            assert_eq!(refused(taken), (42, 60, Some(100)));
            give_back(bytes(5));
            take(bytes(18), name).unwrap();
            assert_eq!(refused(take(bytes(1), name)), (102, 0, Some(100)));
        });
        // Nothing of it is left.
        memory.contribute(|| take(bytes(33), name)).unwrap();
    }

    #[test]
    fn growth_is_counted_above_what_has_been_accumulated() {
        let claim = Claim::new(&Memory::default().with_limit(100));
        let (grown, growth) = claim.grow(bytes(70), || take(StateSize::growth(30), name));
        grown.unwrap();
        assert_eq!((growth.states, growth.bytes), (0, 30));
        let (grown, _) = claim.grow(bytes(70), || take(StateSize::growth(31), name));
        assert_eq!(refused(grown), (101, 0, Some(100)));
    }

    #[test]
    fn an_inner_limit_counts_among_the_outer_ones() {
        Memory::default().with_limit(100).contribute(|| {
            assert_eq!(refused(contribute_within(10, || take(bytes(11), name))), (11, 0, Some(10)));
            contribute_within(1000, || take(bytes(90), name)).unwrap();
            assert_eq!(refused(take(bytes(11), name)), (101, 0, Some(100)));
        });
    }

    #[test]
    fn a_panic_leaves_no_scope_behind() {
        let memory = Memory::default().with_limit(1);
        let contribute = || memory.contribute(|| panic!("as a reducer may"));
        assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(contribute)).is_err());
        take(bytes(2), name).unwrap();
    }

    #[test]
    fn what_is_larger_than_memory_is_not_allocated() {
        assert!(fits(0) && fits(1 << 20));
        assert!(!fits(u128::MAX) && !fits(1 << 62) && !fits(isize::MAX as u128 + 1));
        let (_, _, limit) = refused(
            Memory::default().with_limit(u64::MAX).contribute(|| take(bytes(1 << 62), name)),
        );
        assert_eq!(limit, None, "the allocation fails");
        let mut states = vec![1_u64];
        assert_eq!(refused(reserve(&mut states, usize::MAX, name)).2, None);
        assert_eq!(n_elements(&[usize::MAX, 2, 0]), Some(0));
        assert_eq!(n_elements(&[usize::MAX, 2]), None);
    }
}
