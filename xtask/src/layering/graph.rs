//! Cycles of a directed graph.

use std::collections::{BTreeMap, BTreeSet};

/// Returns the sets of nodes that reach each other, of two nodes at least.
pub(super) fn cyclic_sets<'n>(
    edges: impl IntoIterator<Item = (&'n str, &'n str)>,
) -> Vec<BTreeSet<&'n str>> {
    let mut successors = BTreeMap::<&str, BTreeSet<&str>>::new();
    for (from, to) in edges {
        successors.entry(from).or_default().insert(to);
    }
    let reached: BTreeMap<_, _> =
        successors.keys().map(|&node| (node, reached_from(node, &successors))).collect();
    let mut sets = BTreeSet::new();
    for (node, others) in &reached {
        let returns = |other: &&&str| reached.get(*other).is_some_and(|back| back.contains(node));
        let set: BTreeSet<_> = others.iter().filter(returns).copied().collect();
        if set.len() > 1 {
            sets.insert(set);
        }
    }
    sets.into_iter().collect()
}

/// Returns the nodes at the ends of all paths that begin at a node and have an edge.
fn reached_from<'n>(
    start: &'n str,
    successors: &BTreeMap<&'n str, BTreeSet<&'n str>>,
) -> BTreeSet<&'n str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start];
    while let Some(node) = open.pop() {
        for &next in successors.get(node).into_iter().flatten() {
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sets(edges: &[(&str, &str)]) -> Vec<String> {
        let sets = cyclic_sets(edges.iter().copied());
        sets.into_iter().map(|set| Vec::from_iter(set).join(" ")).collect()
    }

    #[test]
    fn nodes_that_reach_each_other_are_a_set() {
        assert!(sets(&[]).is_empty());
        assert!(sets(&[("a", "b"), ("b", "c"), ("a", "c")]).is_empty());
        assert_eq!(sets(&[("a", "b"), ("b", "a"), ("b", "c")]), ["a b"]);
        assert_eq!(sets(&[("a", "b"), ("b", "c"), ("c", "a"), ("d", "a")]), ["a b c"]);
        let two = [("a", "b"), ("b", "a"), ("b", "c"), ("c", "d"), ("d", "c")];
        assert_eq!(sets(&two), ["a b", "c d"]);
    }
}
