//! Other formats, found in place of a record.

use super::MAGIC;

/// A format other than `.npy`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// The name of the format, as it follows "not a .npy record, but".
    pub(crate) what: &'static str,
    /// The remedy.
    pub(crate) remedy: &'static str,
}

/// The first bytes of other formats.
const KINDS: [(&[u8], Foreign); 9] = [
    (
        b"PK\x03\x04",
        Foreign {
            what: "a zip archive, such as a .npz file",
            remedy: "pass the file by its path, with a name that ends in .npz",
        },
    ),
    (
        b"version https://git-lfs",
        Foreign { what: "a Git LFS pointer", remedy: "get the file with `git lfs pull`" },
    ),
    (
        b"\x1f\x8b",
        Foreign { what: "compressed with gzip", remedy: "decompress it first with `gunzip`" },
    ),
    (
        b"\x28\xb5\x2f\xfd",
        Foreign { what: "compressed with Zstandard", remedy: "decompress it first with `unzstd`" },
    ),
    (
        b"BZh",
        Foreign { what: "compressed with bzip2", remedy: "decompress it first with `bunzip2`" },
    ),
    (
        b"\xfd7zXZ\0",
        Foreign { what: "compressed with xz", remedy: "decompress it first with `unxz`" },
    ),
    (
        b"\x89HDF\r\n",
        Foreign {
            what: "an HDF5 file",
            remedy: "read it with h5py, and write its blocks with `np.save`",
        },
    ),
    (
        b"\x80\x04",
        Foreign {
            what: "a Python pickle",
            remedy: "load it in Python, and write its blocks with `np.save`",
        },
    ),
    (
        b"\x80\x05",
        Foreign {
            what: "a Python pickle",
            remedy: "load it in Python, and write its blocks with `np.save`",
        },
    ),
];

const TEXT: Foreign = Foreign {
    what: "text",
    remedy: "write only records to standard output, and text with `print(…, file=sys.stderr)`",
};

/// Recognizes a format by the first bytes of data. If a record begins among them, only the bytes
/// before it count.
pub(super) fn recognize(start: &[u8]) -> Option<Foreign> {
    let record = start.windows(MAGIC.len()).position(|bytes| bytes == MAGIC);
    let start = &start[..record.unwrap_or(start.len())];
    let known = KINDS.iter().find(|(magic, _)| start.starts_with(magic));
    known.map(|(_, foreign)| *foreign).or_else(|| is_text(start).then_some(TEXT))
}

fn is_text(start: &[u8]) -> bool {
    let is_control =
        |letter: char| letter.is_control() && !letter.is_whitespace() && letter != '\x1b';
    match std::str::from_utf8(start) {
        Ok(text) => !text.is_empty() && !text.contains(is_control),
        // The last character may be cut off.
        Err(error) if error.error_len().is_none() => is_text(&start[..error.valid_up_to()]),
        Err(_) => false,
    }
}

/// Shows bytes on one line, with escapes for those that are not text. Text behind which other bytes
/// follow is shown up to the end of its first line. Of bytes that are not text, the first few are
/// enough to recognize a format.
pub(super) fn shown(start: &[u8]) -> String {
    const MOST_BYTES: usize = 16;
    let first_line = start.split_inclusive(|byte| *byte == b'\n').next().unwrap_or_default();
    match std::str::from_utf8(start).or_else(|_| std::str::from_utf8(first_line)) {
        Ok(text) => format!("{text:?}"),
        Err(_) => format!("\"{}\"", start[..start.len().min(MOST_BYTES)].escape_ascii()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn other_formats_are_recognized() {
        for (start, what) in [
            (&b"PK\x03\x04\x14\0"[..], "zip"),
            (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
            (b"version 3\n", "text"),
            (b"\x1f\x8b\x08", "gzip"),
            (b"Loading model\xe2\x80\xa6\n", "text"),
            (b"Loading model\xe2\x80", "text"),
            (b"Epoch 1\n\x93NUMPY\x01\0", "text"),
            (b"\x1b[1mEpoch 1\x1b[0m\n", "text"),
        ] {
            let foreign = recognize(start).unwrap();
            assert!(foreign.what.contains(what), "{foreign:?}");
        }
        for start in [&b""[..], b"\0\0\0\0", b"\xff\xff", b"\x93NUMP\0"] {
            assert_eq!(recognize(start), None, "{start:?}");
        }
        assert_eq!(shown(b"a\nb"), "\"a\\nb\"");
        assert_eq!(shown(b"Loading the model\n\x93NUMPY"), "\"Loading the model\\n\"");
        assert_eq!(shown(b"PK\x93"), "\"PK\\x93\"");
        assert_eq!(shown(&[0x93; 99]), format!("\"{}\"", "\\x93".repeat(16)));
    }
}
