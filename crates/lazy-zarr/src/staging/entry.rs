//! A line of the journal: a chunk as it was stored.

use xxhash_rust::xxh3::Xxh3Default;

/// A chunk as it was stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// In bytes.
    pub(crate) length: u64,
    /// By XXH3. A CRC would not tell chunks apart: of any bytes with their own CRC at the end it is the same.
    pub(crate) hash: u64,
}

impl Entry {
    /// Of bytes in pieces that follow each other.
    pub(super) fn of<'p>(pieces: impl IntoIterator<Item = &'p [u8]>) -> Entry {
        let (mut length, mut hash) = (0, Xxh3Default::new());
        for piece in pieces {
            length += piece.len() as u64;
            hash.update(piece);
        }
        Entry { length, hash: hash.digest() }
    }
}

/// A line: the key, the length in bytes and the hash of a chunk, and the CRC-32C of all that.
pub(super) fn line(key: &str, entry: Entry) -> String {
    let noted = format!("{key} {} {:016x}", entry.length, entry.hash);
    format!("{noted} {:08x}\n", crc32c::crc32c(noted.as_bytes()))
}

/// Returns the key and the entry of a line; none if it is torn or damaged.
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
