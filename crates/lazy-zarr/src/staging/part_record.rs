//! The record of a finished part.

use lazy_core::PartReport;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

/// The record of a finished part, as the first sink of the pass stores it: a line of JSON, and two
/// byte strings.
#[derive(Debug)]
pub(crate) struct PartRecord {
    /// The description of the chunks of this sink.
    pub(crate) stored: Vec<u8>,
    /// The record of the pass, with the results of all its reducers.
    pub(crate) pass: Vec<u8>,
}

/// The first line of a record.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct Head {
    version: u32,
    pub(super) report: PartReport,
    /// The size of the chunks in bytes.
    pub(super) stored_bytes: u64,
    /// The lengths of what follows.
    lengths: [usize; 2],
    /// The hash of what follows.
    hash: u64,
}

const VERSION: u32 = 1;

/// The most bytes of the first line.
pub(super) const LONGEST_HEAD: usize = 1024;

impl PartRecord {
    /// Returns the bytes of a record.
    pub(crate) fn bytes(
        report: &PartReport,
        stored_bytes: u64,
        stored: &[u8],
        pass: &[u8],
    ) -> Vec<u8> {
        let rest = [stored, pass].concat();
        let (report, lengths) = (report.clone(), [stored.len(), pass.len()]);
        let hash = xxh3_64(&rest);
        let head = Head { version: VERSION, report, stored_bytes, lengths, hash };
        let head = serde_json::to_string(&head).expect("a record is what JSON can hold");
        let line = format!("{head} {:08x}\n", crc32c::crc32c(head.as_bytes()));
        [line.as_bytes(), &rest].concat()
    }

    /// Parses a record. Returns `None` if it is damaged.
    pub(crate) fn parse(bytes: &[u8]) -> Option<PartRecord> {
        let head = Head::parse(bytes)?;
        let start = bytes.iter().position(|byte| *byte == b'\n')? + 1;
        let rest = &bytes[start..];
        let [n_stored, n_pass] = head.lengths;
        if n_stored.checked_add(n_pass) != Some(rest.len()) || xxh3_64(rest) != head.hash {
            return None;
        }
        let (stored, pass) = rest.split_at(n_stored);
        Some(PartRecord { stored: stored.to_vec(), pass: pass.to_vec() })
    }
}

impl Head {
    /// Parses the first line of a record, from the beginning of its bytes.
    pub(super) fn parse(bytes: &[u8]) -> Option<Head> {
        let end = bytes.iter().take(LONGEST_HEAD).position(|byte| *byte == b'\n')?;
        let line = std::str::from_utf8(&bytes[..end]).ok()?;
        let (json, checksum) = line.rsplit_once(' ')?;
        if checksum != format!("{:08x}", crc32c::crc32c(json.as_bytes())) {
            return None;
        }
        let head: Head = serde_json::from_str(json).ok()?;
        (head.version == VERSION).then_some(head)
    }
}

#[cfg(test)]
mod tests {
    use lazy_core::{BlockSizes, PartSizes};

    use super::*;

    #[test]
    fn a_damaged_record_is_no_record() {
        let part = PartSizes::Number(2).cut(&BlockSizes::uniform(10, 2), None).remove(1);
        let report = PartReport::new(part, 3, 0.25);
        let whole = PartRecord::bytes(&report, 7, b"the chunks", b"the results");
        let record = PartRecord::parse(&whole).unwrap();
        assert_eq!((&*record.stored, &*record.pass), (&b"the chunks"[..], &b"the results"[..]));
        assert_eq!(Head::parse(&whole).unwrap().report, report);
        for i in 0..whole.len() {
            assert!(PartRecord::parse(&whole[..i]).is_none(), "cut at {i}");
            let mut flipped = whole.clone();
            flipped[i] ^= 4;
            assert!(PartRecord::parse(&flipped).is_none(), "flipped at {i}");
        }
    }
}
