//! A line of the journal: the key, length and hash of a stored chunk.

use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::Xxh3Default;

/// The length and hash of a stored chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The length in bytes.
    pub(crate) length: u64,
    /// The XXH3 hash of the bytes. A CRC could not tell chunks apart: it has the same value for all
    /// byte strings that end in their own CRC.
    pub(crate) hash: u64,
}

impl Entry {
    /// Returns the entry of a chunk whose bytes are given as consecutive pieces.
    pub(crate) fn of<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Entry {
        let (mut length, mut hash) = (0, Xxh3Default::new());
        for piece in pieces {
            length += piece.len() as u64;
            hash.update(piece);
        }
        Entry { length, hash: hash.digest() }
    }
}

/// Returns the line of a chunk: its key, its length in bytes, its hash, and the CRC-32C of all
/// these.
pub(super) fn line(key: &str, entry: Entry) -> String {
    let noted = format!("{key} {} {:016x}", entry.length, entry.hash);
    format!("{noted} {:08x}\n", crc32c::crc32c(noted.as_bytes()))
}

/// Returns the key and the entry of a line, or `None` if the line is torn or damaged.
pub(super) fn parse(line: &[u8]) -> Option<(&str, Entry)> {
    let line = std::str::from_utf8(line).ok()?;
    let (noted, checksum) = line.rsplit_once(' ')?;
    if checksum.len() != 8
        || u32::from_str_radix(checksum, 16).ok()? != crc32c::crc32c(noted.as_bytes())
    {
        return None;
    }
    let mut words = noted.rsplitn(3, ' ');
    let hash = u64::from_str_radix(words.next()?, 16).ok()?;
    let length = words.next()?.parse().ok()?;
    Some((words.next()?, Entry { length, hash }))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn chunks_with_checksums_of_their_own_are_told_apart() {
        let chunk = |byte: u8| {
            let data = [byte; 100];
            [&data[..], &crc32c::crc32c(&data).to_le_bytes()].concat()
        };
        assert_eq!(crc32c::crc32c(&chunk(1)), crc32c::crc32c(&chunk(2)), "whatever the data is");
        assert_ne!(Entry::of([&*chunk(1)]), Entry::of([&*chunk(2)]));
    }

    proptest! {
        #[test]
        fn a_line_is_read_as_it_was_written(length: u64, hash: u64) {
            let entry = Entry { length, hash };
            let line = line("c/1/2 3", entry);
            prop_assert_eq!(parse(line.trim_end().as_bytes()), Some(("c/1/2 3", entry)));
        }
    }
}
