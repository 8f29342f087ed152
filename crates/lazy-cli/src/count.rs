//! Numbers with the noun that they count.

/// Returns a number with a noun in the singular or the plural: `1 chunk`, `2 chunks`.
pub(crate) fn count(number: impl TryInto<u64>, noun: &str) -> String {
    // Every number that the program prints fits.
    let number = number.try_into().unwrap_or(u64::MAX);
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nouns_agree_with_their_numbers() {
        assert_eq!(count(0_usize, "chunk"), "0 chunks");
        assert_eq!(count(1_u64, "chunk"), "1 chunk");
        assert_eq!(count(2_u64, "old chunk"), "2 old chunks");
    }
}
