//! The metadata document of a Zarr v3 node, each entry as text.

use std::collections::BTreeMap;

use bytes::Bytes;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::value::{RawValue, to_raw_value};

use super::place::Place;
use crate::error::{AccessError, Error, Result, foreign};

/// The name of the document.
pub(super) const DOCUMENT: &str = "zarr.json";

/// Entries of JSON, each with its text, so that a change of one keeps every byte of the others.
pub(super) type Entries = BTreeMap<String, Box<RawValue>>;

/// The metadata of a node, and the document that they were read from.
pub(super) struct Metadata {
    pub(super) document: Bytes,
    pub(super) entries: Entries,
}

impl Metadata {
    /// Returns the metadata of the Zarr v3 node at a place, if there is one.
    pub(super) fn read(place: &Place) -> Result<Option<Metadata>> {
        let Some(document) = place.document(DOCUMENT)? else { return Ok(None) };
        let entries = parse(&document, || place.locate(DOCUMENT))?;
        Ok(Some(Metadata { document, entries }))
    }

    pub(super) fn is_group(&self) -> bool {
        self.entries.get("node_type").is_some_and(|kind| kind.get() == "\"group\"")
    }

    /// Returns the entry with a name, unless it is `null`.
    pub(super) fn entry(&self, name: &str) -> Option<&RawValue> {
        self.entries.get(name).map(|entry| &**entry).filter(|entry| entry.get() != "null")
    }

    pub(super) fn to_text(&self) -> String {
        serde_json::to_string_pretty(&self.entries).expect("metadata are what JSON can hold")
    }
}

/// Parses a document, or an entry of it.
pub(super) fn parse<T: DeserializeOwned>(text: &[u8], place: impl Fn() -> String) -> Result<T> {
    serde_json::from_slice(text).map_err(|error| invalid(place(), error))
}

fn invalid(path: String, error: serde_json::Error) -> Error {
    AccessError::InvalidMetadata { path, source: foreign(error) }.into()
}

pub(super) fn to_raw(value: &impl Serialize) -> Box<RawValue> {
    to_raw_value(value).expect("metadata are what JSON can hold")
}
