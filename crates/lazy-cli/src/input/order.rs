//! The natural order of names: `part-10` after `part-9`.

use std::cmp::Ordering;

use crate::location::Location;

/// Compares names in natural order.
pub(super) fn natural_order(a: &str, b: &str) -> Ordering {
    // Names such as `a01` and `a1` are equal in natural order.
    natord::compare(a, b).then_with(|| a.cmp(b))
}

/// Compares paths and URLs in natural order.
pub(super) fn location_order(a: &Location, b: &Location) -> Ordering {
    natural_order(&a.to_string(), &b.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_follows_nine() {
        let mut names = ["part-10.npy", "part-9.npy", "part-1.npy", "part-01.npy", "a/part-2.npy"];
        names.sort_by(|a, b| natural_order(a, b));
        assert_eq!(
            names,
            ["a/part-2.npy", "part-01.npy", "part-1.npy", "part-9.npy", "part-10.npy"]
        );
    }
}
