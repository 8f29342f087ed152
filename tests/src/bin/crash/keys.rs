//! The sets of chunk keys, which the versions of an array use in turn.

use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde_json::Value;

/// The set of keys of a version's chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// `c/0/0`.
    Nested,
    /// `0/0`.
    Bare,
    /// `c.0.0`.
    Dotted,
    /// `0.0`, which only arrays of other libraries use.
    BareDotted,
}

impl Keys {
    pub(crate) const ALL: [Keys; 4] = [Keys::Nested, Keys::Bare, Keys::Dotted, Keys::BareDotted];

    /// Returns the keys of the version in an array's directory, if there is one.
    pub(crate) fn of_present(array: &Path) -> Result<Option<Keys>> {
        for name in ["zarr.json", ".zarray"] {
            let path = array.join(name);
            let text = match fs::read(&path) {
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                read => read?,
            };
            let metadata = serde_json::from_slice(&text)
                .with_context(|| format!("{} is not JSON", path.display()))?;
            return Keys::of_metadata(&metadata).map(Some);
        }
        Ok(None)
    }

    pub(crate) fn of_metadata(metadata: &Value) -> Result<Keys> {
        let encoding = &metadata["chunk_key_encoding"];
        let (is_v2, separator) = match metadata["zarr_format"].as_u64() {
            Some(2) => (true, &metadata["dimension_separator"]),
            _ => (encoding["name"] == "v2", &encoding["configuration"]["separator"]),
        };
        Ok(match (is_v2, separator.as_str()) {
            (false, Some("/")) => Keys::Nested,
            (false, Some(".")) => Keys::Dotted,
            (true, Some("/")) => Keys::Bare,
            (true, Some(".")) => Keys::BareDotted,
            _ => bail!("unknown keys of {metadata}"),
        })
    }

    /// Returns the keys of the version that follows one with these keys, or of the first version.
    pub(crate) fn after(present: Option<Keys>) -> Keys {
        match present {
            Some(Keys::Nested) => Keys::Bare,
            Some(Keys::Bare) => Keys::Dotted,
            None | Some(Keys::Dotted | Keys::BareDotted) => Keys::Nested,
        }
    }

    pub(crate) fn key(self, row: usize, column: usize) -> String {
        match self {
            Keys::Nested => format!("c/{row}/{column}"),
            Keys::Bare => format!("{row}/{column}"),
            Keys::Dotted => format!("c.{row}.{column}"),
            Keys::BareDotted => format!("{row}.{column}"),
        }
    }

    /// Returns true if a path in an array's directory is a chunk with one of these keys, or a
    /// directory of such chunks.
    pub(crate) fn cover(self, path: &Path) -> bool {
        let Some(path) = path.to_str() else { return false };
        let (separator, has_letter) = match self {
            Keys::Nested => ('/', true),
            Keys::Bare => ('/', false),
            Keys::Dotted => ('.', true),
            Keys::BareDotted => ('.', false),
        };
        let mut words: Vec<_> = path.split(separator).collect();
        if has_letter && words.remove(0) != "c" {
            return false;
        }
        let is_long_enough = separator == '/' || words.len() == 2;
        let is_index = |word: &&str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_digit());
        is_long_enough && words.len() <= 2 && words.iter().all(is_index)
    }
}
