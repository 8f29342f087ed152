//! Ranks of keys: all keys while they are few, and every other key of sorted runs afterwards.
//!
//! After Munro and Paterson, *Selection and sorting with limited storage* (1980), and Manku,
//! Rajagopalan and Lindsay, *Approximate medians and other quantiles in one pass and with limited
//! memory* (1998). Level `i` has keys that stand for 2ⁱ elements each. A level with [`capacity`]
//! keys is *compacted*: its keys are sorted, and every other one moves to the next level.
//!
//! The error is proven, and nothing is random. If an even number of sorted keys is replaced by
//! every other one, with twice the weight, then the estimated number of elements below any value
//! changes by 0 or by the weight of one key: it grows if the first key of each pair is kept, and
//! decreases if the second one is. So the true rank lies between the estimate minus `over` and the
//! estimate plus `under`, the sums of these weights, and a result is looked up in the middle, at
//! most ⌈(`over` + `under`) / 2⌉ ranks away. Each element passes a level once, however states are
//! merged, so level `i` is compacted at most `n` / (2ⁱ · [`capacity`]) times, and `over` + `under`
//! is at most the sum of `n` / [`capacity`] over all levels below [`TOP`]: at most 2 · `rank_error`
//! · `n`.
//!
//! [`capacity`]: Plan::capacity

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// The highest level, which is never compacted. Each of its keys stands for 2²² elements.
const TOP: usize = 22;

/// The offset of levels in their capacity. The sum of 1 / (`i` + 4) over the levels `i` below
/// [`TOP`] is less than 2.
const OFFSET: usize = 4;

/// A key that is ordered as an unsigned integer.
pub(crate) trait Key: Copy + Ord + Serialize + DeserializeOwned {
    /// Returns the key as an integer of 64 bits, in the same order.
    fn bits(self) -> u64;
    /// Returns the key with these bits.
    fn of_bits(bits: u64) -> Self;
}

impl Key for u32 {
    fn bits(self) -> u64 {
        self.into()
    }

    fn of_bits(bits: u64) -> u32 {
        bits as u32
    }
}

impl Key for u64 {
    fn bits(self) -> u64 {
        self
    }

    fn of_bits(bits: u64) -> u64 {
        bits
    }
}

/// The settings of a compactor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// The number of elements that are kept exactly.
    pub(crate) exact_len: usize,
    /// The largest error of a rank, as a fraction of the number of elements.
    pub(crate) rank_error: f64,
}

impl Plan {
    /// Returns the number of keys with which a level is compacted. It is even.
    fn capacity(self, level: usize) -> usize {
        let capacity = ((level + OFFSET) as f64 / self.rank_error).ceil() as usize;
        capacity.next_multiple_of(2)
    }

    /// Returns the largest number of elements that are kept exactly: at least as many as a level
    /// holds.
    fn n_exact(self) -> usize {
        self.exact_len.max(self.capacity(0))
    }

    /// Returns upper bounds for a compactor of `n` elements: the number of keys in memory, and the
    /// number of keys that additionally are in memory while it changes.
    pub(crate) fn most_keys(self, n: usize) -> (usize, usize) {
        if n <= self.n_exact() {
            return (with_spare(n).min(self.n_exact()), with_spare(n));
        }
        let keys_at = |level: usize| {
            let keys = with_spare((n >> level).saturating_add(1));
            if level < TOP { keys.min(self.capacity(level)) } else { keys }
        };
        let levels = 0..=self.n_levels(n);
        let at_all = levels.clone().fold(0, |sum: usize, level| sum.saturating_add(keys_at(level)));
        let at_one = levels.map(keys_at).max().unwrap_or(0).max(self.n_exact());
        // While a level grows, its keys are in memory twice, and keys of the level below follow.
        (at_all.max(self.n_exact()), at_one.saturating_mul(2))
    }

    /// Returns an upper bound of the memory of a compactor of `n` elements besides its keys, in
    /// bytes.
    pub(crate) fn most_overhead<K>(self, n: usize) -> usize {
        if n <= self.n_exact() {
            return 0;
        }
        // A list of levels may have room for twice as many, and is moved while it grows.
        size_of::<Compacted<K>>() + 3 * self.n_levels(n).max(4) * size_of::<Vec<K>>()
    }

    /// Returns the most levels above the first that a compactor of `n` elements has: all but the
    /// last one are compacted, and no level has keys for more elements than there are.
    fn n_levels(self, n: usize) -> usize {
        (0..TOP).take_while(|level| n >> level >= self.capacity(*level)).count()
    }
}

/// Returns the capacity of a list of `len` keys that grows.
fn with_spare(len: usize) -> usize {
    len.saturating_add(len / 8)
}

/// Makes room for more keys, with an eighth to spare, but not for more than `most` without need.
fn reserve<K>(keys: &mut Vec<K>, n_more: usize, most: usize) {
    let needed = keys.len() + n_more;
    if needed > keys.capacity() {
        keys.reserve_exact(with_spare(needed).min(most.max(needed)) - keys.len());
    }
}

/// The ranks of keys.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "K: Key")]
pub(crate) struct Compactor<K> {
    /// The number of elements.
    n: u64,
    /// The keys of level 0: all of them until the first compaction.
    base: Vec<K>,
    compacted: Option<Box<Compacted<K>>>,
}

/// The keys that stand for several elements.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(bound = "K: Key")]
struct Compacted<K> {
    /// The keys of level 1 and later levels.
    levels: Vec<Vec<K>>,
    /// The most by which an estimated rank exceeds the true one.
    over: u64,
    /// The most by which a true rank exceeds the estimated one.
    under: u64,
    /// The smallest and the largest key that was compacted.
    extremes: (K, K),
}

impl<K: Key> Compactor<K> {
    pub(crate) fn new() -> Compactor<K> {
        Compactor { n: 0, base: Vec::new(), compacted: None }
    }

    /// Returns the number of elements.
    pub(crate) fn n(&self) -> u64 {
        self.n
    }

    /// Returns the heap memory, in bytes.
    pub(crate) fn heap(&self) -> usize {
        let keys = |keys: &Vec<K>| keys.capacity() * size_of::<K>();
        let compacted = self.compacted.as_ref().map_or(0, |compacted| {
            let levels = &compacted.levels;
            size_of::<Compacted<K>>()
                + levels.capacity() * size_of::<Vec<K>>()
                + levels.iter().map(keys).sum::<usize>()
        });
        keys(&self.base) + compacted
    }

    /// Applies a function that keeps the order to all keys.
    pub(crate) fn map<L: Key>(self, key: impl Fn(K) -> L) -> Compactor<L> {
        let of_all = |keys: Vec<K>| keys.into_iter().map(&key).collect::<Vec<L>>();
        let base = of_all(self.base);
        let compacted = self.compacted.map(|compacted| {
            let Compacted { levels, over, under, extremes: (least, most) } = *compacted;
            let levels = levels.into_iter().map(of_all).collect();
            Box::new(Compacted { levels, over, under, extremes: (key(least), key(most)) })
        });
        Compactor { n: self.n, base, compacted }
    }

    /// Adds keys.
    pub(crate) fn extend(&mut self, plan: Plan, mut keys: &[K]) {
        while !keys.is_empty() {
            let most = self.most_at_base(plan);
            let room = most.saturating_sub(self.base.len());
            if room == 0 {
                self.compact_base(plan);
                continue;
            }
            let (now, later) = keys.split_at(room.min(keys.len()));
            reserve(&mut self.base, now.len(), most);
            self.base.extend_from_slice(now);
            self.n += now.len() as u64;
            keys = later;
        }
    }

    /// Adds the keys of another compactor with the same plan.
    pub(crate) fn merge(&mut self, plan: Plan, next: Compactor<K>) {
        if self.n == 0 {
            *self = next;
            return;
        }
        if let Some(next_compacted) = next.compacted {
            let next_compacted = *next_compacted;
            self.n += next.n - next.base.len() as u64;
            match &mut self.compacted {
                Some(compacted) => compacted.merge(plan, next_compacted),
                None => {
                    self.compacted = Some(Box::new(next_compacted));
                    // No longer all keys are kept.
                    if self.base.len() > plan.capacity(0) {
                        self.compact_base(plan);
                    }
                }
            }
        }
        self.extend(plan, &next.base);
    }

    /// Frees the memory that is not needed.
    pub(crate) fn shrink(&mut self) {
        self.base.shrink_to_fit();
        if let Some(compacted) = &mut self.compacted {
            compacted.levels.shrink_to_fit();
            compacted.levels.iter_mut().for_each(Vec::shrink_to_fit);
        }
    }

    /// Sorts the keys, so that ranks can be looked up.
    pub(crate) fn sort(&mut self) {
        self.base.sort_unstable();
        if let Some(compacted) = &mut self.compacted {
            compacted.levels.iter_mut().for_each(|keys| keys.sort_unstable());
        }
    }

    /// Returns the key of the element that has `rank` elements below it. The keys are sorted, and
    /// `rank` is less than the number of elements.
    pub(crate) fn at_rank(&self, rank: u64) -> K {
        let Some(compacted) = &self.compacted else { return self.base[rank as usize] };
        let (least, most) = compacted.extremes;
        let least = self.base.first().map_or(least, |key| least.min(*key));
        let most = self.base.last().map_or(most, |key| most.max(*key));
        // Twice the rank in the middle of the possible ones.
        let twice = 2 * i128::from(rank) + i128::from(compacted.over) - i128::from(compacted.under);
        if rank == 0 || twice < 0 {
            return least;
        }
        if rank == self.n - 1 || twice >= 2 * i128::from(self.n) {
            return most;
        }
        let n_up_to = |bits: u64| {
            let of = |keys: &[K]| keys.partition_point(|key| key.bits() <= bits) as u64;
            let levels = compacted.levels.iter().enumerate();
            of(&self.base) + levels.map(|(i, keys)| of(keys) << (i + 1)).sum::<u64>()
        };
        // The first key up to which there are more elements than the rank.
        let (mut low, mut high) = (least.bits(), most.bits());
        while low < high {
            let middle = low.midpoint(high);
            if 2 * i128::from(n_up_to(middle)) > twice {
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        K::of_bits(low)
    }

    /// Returns the most by which the rank of a result can differ from the rank that was asked for.
    #[cfg(test)]
    fn error(&self) -> u64 {
        self.compacted
            .as_ref()
            .map_or(0, |compacted| (compacted.over + compacted.under).div_ceil(2))
    }

    /// Returns true if this may be the result of adding and merging with this plan.
    pub(crate) fn is_valid(&self, plan: Plan) -> bool {
        let Some(compacted) = &self.compacted else {
            return self.n == self.base.len() as u64 && self.base.len() <= plan.n_exact();
        };
        let Compacted { levels, over, under, extremes: (least, most) } = &**compacted;
        let fits = |(i, keys): (usize, &Vec<K>)| {
            let has_room = i + 1 == TOP || keys.len() < plan.capacity(i + 1);
            has_room && keys.iter().all(|key| (least..=most).contains(&key))
        };
        let n = levels.iter().enumerate().map(|(i, keys)| (keys.len() as u128) << (i + 1));
        let most_error = 2.0 * plan.rank_error * self.n as f64;
        levels.len() <= TOP
            && self.base.len() <= plan.capacity(0)
            && levels.iter().enumerate().all(fits)
            && u128::from(self.n) == self.base.len() as u128 + n.sum::<u128>()
            && over.checked_add(*under).is_some_and(|error| error as f64 <= most_error)
    }

    fn most_at_base(&self, plan: Plan) -> usize {
        if self.compacted.is_none() { plan.n_exact() } else { plan.capacity(0) }
    }

    /// Moves every other key of level 0 to level 1.
    fn compact_base(&mut self, plan: Plan) {
        self.base.sort_unstable();
        let Some((&least, &most)) = self.base.first().zip(self.base.last()) else { return };
        let compacted = self.compacted.get_or_insert_with(|| {
            Box::new(Compacted { levels: Vec::new(), over: 0, under: 0, extremes: (least, most) })
        });
        let (of_all, of_base) = (compacted.extremes, (least, most));
        compacted.extremes = (of_all.0.min(of_base.0), of_all.1.max(of_base.1));
        compacted.halve(plan, 0, &mut self.base);
        compacted.compact(plan);
    }
}

impl<K: Key> Compacted<K> {
    fn merge(&mut self, plan: Plan, next: Compacted<K>) {
        self.over += next.over;
        self.under += next.under;
        let ((least, most), (next_least, next_most)) = (self.extremes, next.extremes);
        self.extremes = (least.min(next_least), most.max(next_most));
        for (i, keys) in next.levels.into_iter().enumerate() {
            let level = self.level(i + 1);
            reserve(level, keys.len(), plan.capacity(i + 1));
            level.extend(keys);
        }
        self.compact(plan);
    }

    fn level(&mut self, level: usize) -> &mut Vec<K> {
        if self.levels.len() < level {
            self.levels.resize_with(level, Vec::new);
        }
        &mut self.levels[level - 1]
    }

    /// Compacts the levels that are full.
    fn compact(&mut self, plan: Plan) {
        for level in 1..TOP {
            let Some(keys) = self.levels.get_mut(level - 1) else { return };
            if keys.len() >= plan.capacity(level) {
                let mut keys = std::mem::take(keys);
                keys.sort_unstable();
                self.halve(plan, level, &mut keys);
                self.levels[level - 1] = keys;
            }
        }
    }

    /// Moves every other one of the sorted keys of a level to the next level. If their number is
    /// odd, the last one stays.
    fn halve(&mut self, plan: Plan, level: usize, keys: &mut Vec<K>) {
        let (n_keys, weight) = (keys.len(), 1 << level);
        // The error grows in the direction in which it is smaller.
        let kept = usize::from(self.over > self.under);
        let error = if kept == 0 { &mut self.over } else { &mut self.under };
        *error += weight;
        let next = self.level(level + 1);
        reserve(next, n_keys / 2, plan.capacity(level + 1));
        next.extend(keys.chunks_exact(2).map(|pair| pair[kept]));
        keys.drain(..n_keys - n_keys % 2);
        keys.shrink_to(plan.capacity(level));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(exact_len: usize, rank_error: f64) -> Plan {
        Plan { exact_len, rank_error }
    }

    /// Numbers in an order that looks random.
    fn mixed(n: usize, seed: u64) -> Vec<u64> {
        let mix = |i: u64| (i ^ seed).wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
        (0..n as u64).map(|i| mix(mix(i)) >> 20).collect()
    }

    /// Checks every rank of a compactor of these keys.
    fn check(plan: Plan, mut compactor: Compactor<u64>, mut keys: Vec<u64>) {
        let n = keys.len();
        assert!(compactor.is_valid(plan));
        assert_eq!(compactor.n(), n as u64);
        let (most_keys, _) = plan.most_keys(n);
        assert!(compactor.heap() <= 8 * most_keys + plan.most_overhead::<u64>(n), "{n}");
        let error = compactor.error();
        assert!(error as f64 <= plan.rank_error * n as f64, "{error} of {n}");
        assert_eq!(compactor.compacted.is_none(), n <= plan.n_exact(), "{n}");
        compactor.sort();
        keys.sort_unstable();
        for rank in (0..n).step_by(1 + n / 1000).chain(n.checked_sub(1)) {
            let key = compactor.at_rank(rank as u64);
            let first = keys.partition_point(|other| *other < key) as u64;
            let end = keys.partition_point(|other| *other <= key) as u64;
            assert!(first < end, "{key} is an element");
            let rank = rank as u64;
            assert!(first <= rank + error && rank < end + error, "{first}..{end}, {rank}, {error}");
            if rank == 0 || rank == n as u64 - 1 {
                assert!((first..end).contains(&rank));
            }
        }
    }

    #[test]
    fn the_capacities_bound_the_error() {
        let sum: f64 = (0..TOP).map(|level| 1.0 / (level + OFFSET) as f64).sum();
        assert!(sum <= 2.0, "{sum}");
        let plan = plan(0, 0.001);
        assert_eq!((plan.capacity(0), plan.capacity(21)), (4000, 25_000));
        // The documented sizes of sketches.
        let most_keys = |rank_error, n| Plan { rank_error, ..plan }.most_keys(n).0;
        assert!((55_000..67_000).contains(&most_keys(0.001, 1_000_000)));
        assert!((190_000..220_000).contains(&most_keys(0.001, 1_000_000_000)));
        assert!((9_000..11_000).contains(&most_keys(0.01, 1_000_000)));
        assert!((24_000..29_000).contains(&most_keys(0.01, 1_000_000_000)));
    }

    #[test]
    fn ranks_are_within_their_error_for_every_order_and_every_cut() {
        for plan in [plan(0, 0.5), plan(0, 0.05), plan(500, 0.02), plan(37, 0.1)] {
            for n in [0, 1, 2, 7, 8, 9, 80, 81, 499, 500, 501, 3000, 40_000] {
                let few: Vec<u64> = mixed(n, 3).iter().map(|key| key % 7).collect();
                let sorted: Vec<u64> = (0..n as u64).collect();
                let reversed: Vec<u64> = (0..n as u64).rev().collect();
                for keys in [mixed(n, 1), few, sorted, reversed] {
                    for part in [1, 3, 100, 1000, 1 << 20] {
                        if n / part > 4000 {
                            continue;
                        }
                        let mut chained = Compactor::new();
                        let mut pushed = Compactor::new();
                        for keys in keys.chunks(part) {
                            let mut next = Compactor::new();
                            next.extend(plan, keys);
                            next.shrink();
                            chained.merge(plan, next);
                            pushed.extend(plan, keys);
                        }
                        check(plan, chained, keys.clone());
                        check(plan, pushed, keys.clone());
                    }
                }
            }
        }
    }

    #[test]
    fn merging_in_a_tree_keeps_the_error() {
        let plan = plan(0, 0.02);
        let keys = mixed(100_000, 9);
        let mut parts: Vec<Compactor<u64>> = keys
            .chunks(777)
            .map(|keys| {
                let mut part = Compactor::new();
                part.extend(plan, keys);
                part
            })
            .collect();
        while parts.len() > 1 {
            let last = parts.pop().unwrap();
            let middle = parts.len() / 2;
            parts[middle].merge(plan, last);
        }
        check(plan, parts.pop().unwrap(), keys);
    }

    #[test]
    fn the_order_of_ranks_survives_a_conversion() {
        let plan = plan(0, 0.1);
        let keys = mixed(5000, 2).iter().map(|key| *key as u32).collect::<Vec<_>>();
        let mut narrow = Compactor::new();
        narrow.extend(plan, &keys);
        let wide = narrow.map(|key| u64::from(key) << 7);
        check(plan, wide, keys.iter().map(|key| u64::from(*key) << 7).collect());
    }

    #[test]
    fn a_changed_compactor_is_invalid() {
        let plan = plan(0, 0.1);
        let mut whole = Compactor::new();
        whole.extend(plan, &mixed(5000, 4));
        let change = |change: fn(&mut Compactor<u64>)| {
            let mut changed = whole.clone();
            change(&mut changed);
            changed.is_valid(plan)
        };
        assert!(change(|_| ()));
        assert!(!change(|changed| changed.n += 1));
        assert!(!change(|changed| changed.base.push(1)));
        assert!(!change(|changed| changed.compacted = None));
        assert!(!change(|changed| changed.compacted.as_mut().unwrap().over = 10_000));
        assert!(!change(|changed| changed.compacted.as_mut().unwrap().under = u64::MAX));
        assert!(!change(|changed| changed.compacted.as_mut().unwrap().extremes = (0, 0)));
        assert!(!change(|changed| changed.compacted.as_mut().unwrap().levels[1].clear()));
        assert!(!change(|changed| {
            changed.compacted.as_mut().unwrap().levels.resize(80, Vec::new());
        }));
    }
}
