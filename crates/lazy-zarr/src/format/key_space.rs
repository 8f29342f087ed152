//! The keys of the chunks of one version of an array.

use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::Value;
use zarrs::array::chunk_key_encoding::{DefaultChunkKeyEncoding, V2ChunkKeyEncoding};
use zarrs::array::{ChunkKeyEncoding, ChunkKeySeparator};

/// A set of chunk keys that has no key in common with the other sets, whatever the number of axes.
///
/// A version of an array has its chunks in one key space, which its `zarr.json` names. The next
/// version is therefore written beside it, and replaces it when its `zarr.json` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeySpace {
    /// `c/0/0`, Zarr's default.
    Nested,
    /// `0/0`, with the key encoding of Zarr v2.
    Bare,
    /// `c.0.0`.
    Dotted,
    /// `0.0`. Other programs write it. This crate only replaces it.
    BareDotted,
}

impl KeySpace {
    pub(crate) const ALL: [KeySpace; 4] =
        [KeySpace::Nested, KeySpace::Bare, KeySpace::Dotted, KeySpace::BareDotted];

    /// Returns the name of the key space in the names of objects.
    pub(crate) fn name(self) -> &'static str {
        match self {
            KeySpace::Nested => "nested",
            KeySpace::Bare => "bare",
            KeySpace::Dotted => "dotted",
            KeySpace::BareDotted => "bare-dotted",
        }
    }

    /// Returns the key space with a name.
    pub(crate) fn named(name: &str) -> Option<KeySpace> {
        KeySpace::ALL.into_iter().find(|keys| keys.name() == name)
    }

    /// Returns the key space that the metadata of an array names. The metadata is a `zarr.json`, or
    /// a `.zarray` of Zarr v2. Returns `None` if the encoding of keys is unknown to this crate.
    pub(crate) fn of_metadata(metadata: &[u8]) -> Option<KeySpace> {
        /// The entries that determine the keys.
        #[derive(Deserialize)]
        struct Head {
            shape: Vec<IgnoredAny>,
            zarr_format: Option<u8>,
            dimension_separator: Option<String>,
            chunk_key_encoding: Option<Value>,
        }
        let head: Head = serde_json::from_slice(metadata).ok()?;
        let n_axes = head.shape.len();
        if head.zarr_format == Some(2) {
            let separator = head.dimension_separator.as_deref().unwrap_or(".");
            return KeySpace::of_names("v2", Some(separator), n_axes);
        }
        let encoding = head.chunk_key_encoding?;
        let name = encoding.as_str().or(encoding["name"].as_str())?;
        KeySpace::of_names(name, encoding["configuration"]["separator"].as_str(), n_axes)
    }

    fn of_names(encoding: &str, separator: Option<&str>, n_axes: usize) -> Option<KeySpace> {
        match (encoding, separator) {
            ("default", None | Some("/")) => Some(KeySpace::Nested),
            // The key of the only chunk is `c`.
            ("default", Some(".")) if n_axes == 0 => Some(KeySpace::Nested),
            ("default", Some(".")) => Some(KeySpace::Dotted),
            ("v2", Some("/")) => Some(KeySpace::Bare),
            ("v2", None | Some(".")) if n_axes < 2 => Some(KeySpace::Bare),
            ("v2", None | Some(".")) => Some(KeySpace::BareDotted),
            _ => None,
        }
    }

    /// Returns the key space of the version after this one. Three key spaces take turns, so that
    /// the version before this one stays whole while the next one is written.
    fn next(self) -> KeySpace {
        match self {
            KeySpace::Nested => KeySpace::Bare,
            KeySpace::Bare => KeySpace::Dotted,
            KeySpace::Dotted | KeySpace::BareDotted => KeySpace::Nested,
        }
    }

    /// Returns the key space of a new version after the present version, or of the first version if
    /// there is none.
    pub(crate) fn after(present: Option<KeySpace>) -> KeySpace {
        present.map_or(KeySpace::Nested, KeySpace::next)
    }

    pub(crate) fn encoding(self) -> ChunkKeyEncoding {
        match self {
            KeySpace::Nested => DefaultChunkKeyEncoding::new(ChunkKeySeparator::Slash).into(),
            KeySpace::Bare => V2ChunkKeyEncoding::new(ChunkKeySeparator::Slash).into(),
            KeySpace::Dotted => DefaultChunkKeyEncoding::new(ChunkKeySeparator::Dot).into(),
            KeySpace::BareDotted => V2ChunkKeyEncoding::new(ChunkKeySeparator::Dot).into(),
        }
    }

    /// Returns true if an entry of the directory of the array is a chunk of this key space, or
    /// holds such chunks.
    pub(crate) fn has_entry(self, name: &str) -> bool {
        match self {
            KeySpace::Nested => name == "c",
            KeySpace::Bare => is_index(name),
            KeySpace::Dotted => {
                name.strip_prefix("c.").is_some_and(|rest| rest.split('.').all(is_index))
            }
            KeySpace::BareDotted => name.contains('.') && name.split('.').all(is_index),
        }
    }

    /// Returns the index along axis 0 of the chunk with a key, or of all chunks in a directory of
    /// this name.
    pub(crate) fn first_index(self, key: &str) -> Option<u64> {
        let (rest, separator) = self.indices(key)?;
        index_below(rest.split(separator).next()?, u64::MAX)
    }

    /// Returns true if a key is the key of a chunk of this key space, whatever the number of axes.
    pub(crate) fn has_key(self, key: &str) -> bool {
        let (entry, indices) = match key.split_once('/') {
            Some((entry, indices)) => (entry, Some(indices)),
            None => (key, None),
        };
        let may_nest = matches!(self, KeySpace::Nested | KeySpace::Bare);
        self.has_entry(entry)
            && indices.is_none_or(|indices| may_nest && indices.split('/').all(is_index))
    }

    /// Returns the number in C order of the chunk with a key, in an array with `n_chunks` chunks
    /// along each axis. Returns `None` if there is no such chunk.
    pub(crate) fn number(self, key: &str, n_chunks: &[u64]) -> Option<u64> {
        let (rest, separator) = self.indices(key)?;
        let mut words = rest.split(separator);
        let mut number = 0_u64;
        for &n in n_chunks {
            let index = index_below(words.next()?, n)?;
            number = number.checked_mul(n)?.checked_add(index)?;
        }
        words.next().is_none().then_some(number)
    }

    /// Returns the indices in a key, and their separator.
    fn indices(self, key: &str) -> Option<(&str, char)> {
        Some(match self {
            KeySpace::Nested => (key.strip_prefix("c/")?, '/'),
            KeySpace::Bare => (key, '/'),
            KeySpace::Dotted => (key.strip_prefix("c.")?, '.'),
            KeySpace::BareDotted => (key, '.'),
        })
    }
}

/// Returns true if a word is an index in the spelling of chunk keys.
pub(crate) fn is_index(word: &str) -> bool {
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    is_number && (word.len() == 1 || !word.starts_with('0'))
}

/// Returns the index that a word spells, if it is less than `n`.
pub(crate) fn index_below(word: &str, n: u64) -> Option<u64> {
    let index = is_index(word).then(|| word.parse().ok())??;
    (index < n).then_some(index)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Three axes, of 3, 1 and 4 chunks.
    const N_CHUNKS: [u64; 3] = [3, 1, 4];

    fn keys(keys: KeySpace) -> Vec<String> {
        let indices = (0..3).flat_map(|i| (0..4).map(move |k| [i, 0, k]));
        indices.map(|index| keys.encoding().encode(&index).to_string()).collect()
    }

    #[test]
    fn metadata_names_the_key_space() {
        for space in KeySpace::ALL {
            for (n_axes, shape) in [(1, json!([8])), (2, json!([8, 9])), (3, json!([8, 9, 1]))] {
                let encoding = serde_json::to_value(space.encoding().metadata()).unwrap();
                let metadata = json!({"shape": shape, "chunk_key_encoding": encoding});
                let expected = match space {
                    KeySpace::BareDotted if n_axes == 1 => KeySpace::Bare,
                    space => space,
                };
                assert_eq!(
                    KeySpace::of_metadata(metadata.to_string().as_bytes()),
                    Some(expected),
                    "{metadata}"
                );
            }
        }
        for (metadata, expected) in [
            (json!({"shape": [8, 9], "chunk_key_encoding": "default"}), Some(KeySpace::Nested)),
            (json!({"shape": [8, 9], "chunk_key_encoding": "v2"}), Some(KeySpace::BareDotted)),
            (json!({"shape": [8, 9], "chunk_key_encoding": "fanout"}), None),
            (json!({"shape": [8, 9], "zarr_format": 2}), Some(KeySpace::BareDotted)),
            (json!({"shape": [8], "zarr_format": 2}), Some(KeySpace::Bare)),
            (
                json!({"shape": [8, 9], "zarr_format": 2, "dimension_separator": "/"}),
                Some(KeySpace::Bare),
            ),
        ] {
            assert_eq!(
                KeySpace::of_metadata(metadata.to_string().as_bytes()),
                expected,
                "{metadata}"
            );
        }
    }

    #[test]
    fn key_spaces_have_no_entry_in_common() {
        for space in KeySpace::ALL {
            for key in keys(space) {
                let entry = key.split('/').next().unwrap();
                for other in KeySpace::ALL {
                    assert_eq!(other.has_entry(entry), other == space, "{key} {other:?}");
                    assert_eq!(other.has_key(&key), other == space, "{key} {other:?}");
                }
            }
            assert!(!space.has_entry("zarr.json") && !space.has_entry(".lazy.1"));
        }
        for name in ["007", "c.x", "c.", "0.", "", "zarr.json"] {
            assert!(KeySpace::ALL.iter().all(|keys| !keys.has_entry(name)), "{name}");
        }
        for key in ["c/x", "c/0/", "c//0", "0/x", "c.0/0", "0.0/0", "x/0", "c/0/zarr.json"] {
            assert!(KeySpace::ALL.iter().all(|keys| !keys.has_key(key)), "{key}");
        }
    }

    #[test]
    fn keys_have_the_numbers_of_their_chunks() {
        for space in KeySpace::ALL {
            let numbers: Vec<_> =
                keys(space).iter().map(|key| space.number(key, &N_CHUNKS)).collect();
            assert_eq!(numbers, (0..12).map(Some).collect::<Vec<_>>());
        }
        for key in ["c/3/0/0", "c/0/1/0", "c/0/0", "c/0/0/0/0", "c/0/0/-1", "c/0/0/", "0/0/0", ""] {
            assert_eq!(KeySpace::Nested.number(key, &N_CHUNKS), None, "{key}");
        }
        assert_eq!(KeySpace::Nested.number("c/1/0/0", &[2, u64::MAX, u64::MAX]), None);
    }
}
