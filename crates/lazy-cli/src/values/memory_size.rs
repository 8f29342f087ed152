//! Amounts of memory.

use std::str::FromStr;

/// A number of bytes, written with an optional unit: `8G` or `512MiB`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MemorySize(u64);

impl MemorySize {
    pub(crate) fn bytes(self) -> u64 {
        self.0
    }
}

impl Default for MemorySize {
    /// Returns half of the system's memory, since other processes need memory too. If the system
    /// does not tell how much there is, returns all that can be addressed.
    fn default() -> MemorySize {
        MemorySize(lazy_chunks::system_memory().map_or(isize::MAX as u64, |bytes| bytes / 2))
    }
}

impl FromStr for MemorySize {
    type Err = String;

    /// Parses a size. The units of `8G` and `8GiB` are powers of 1024, as those of `ulimit` and
    /// systemd are, and the unit of `8GB` is one of 1000.
    fn from_str(text: &str) -> Result<MemorySize, String> {
        let n_digits = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
        let (number, unit) = text.split_at(n_digits);
        let unit = match unit.trim_start().to_ascii_uppercase().as_str() {
            "" | "B" => Some(1),
            "K" | "KIB" => Some(1 << 10),
            "M" | "MIB" => Some(1 << 20),
            "G" | "GIB" => Some(1 << 30),
            "T" | "TIB" => Some(1 << 40),
            "KB" => Some(1_000),
            "MB" => Some(1_000_000),
            "GB" => Some(1_000_000_000),
            "TB" => Some(1_000_000_000_000),
            _ => None,
        };
        let bytes = number.parse().ok().zip(unit).and_then(|(number, unit): (u64, u64)| {
            number.checked_mul(unit).filter(|bytes| *bytes > 0)
        });
        bytes.map(MemorySize).ok_or_else(|| {
            format!(
                "{text:?} is not a size of memory; give a number of bytes, or one with K, M, G or \
                 T, such as 8G"
            )
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_1024_or_of_1000() {
        let bytes = |text: &str| text.parse().map(MemorySize::bytes);
        for (text, expected) in [
            ("1", 1),
            ("4096B", 4096),
            ("3K", 3 << 10),
            ("512M", 512 << 20),
            ("8G", 8 << 30),
            ("4GiB", 4 << 30),
            ("4 gib", 4 << 30),
            ("2t", 2 << 40),
            ("2GB", 2_000_000_000),
            ("2 kb", 2000),
        ] {
            assert_eq!(bytes(text), Ok(expected));
        }
        for wrong in ["", "0", "0G", "G", "-1G", "1.5G", "8GX", "8X", "1e9", "16777216T"] {
            assert!(bytes(wrong).is_err_and(|error| error.contains("such as 8G")), "{wrong:?}");
        }
    }
}
