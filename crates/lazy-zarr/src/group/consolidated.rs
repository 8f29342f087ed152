//! Consolidated metadata: a copy of the metadata of all members in a group.

use std::collections::BTreeMap;
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use super::handle::Group;
use super::metadata::{DOCUMENT, Metadata, parse, to_raw};
use super::place::Place;
use crate::error::{Error, Result};

/// The entry of the metadata of a group that holds the copy.
const ENTRY: &str = "consolidated_metadata";

/// The copy, in the format of zarr-python.
#[derive(Serialize)]
struct Inline {
    kind: &'static str,
    must_understand: bool,
    metadata: BTreeMap<String, Box<RawValue>>,
}

/// The state of the consolidated metadata of a [`Group`], as [`Group::consolidation`] finds it.
///
/// [`Group::consolidate`] has an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Consolidation {
    /// The group has no consolidated metadata.
    Missing,
    /// The consolidated metadata agree with the metadata of the members.
    Current,
    /// The consolidated metadata differ from the metadata of the members: another program has
    /// added, changed or removed members since.
    Outdated,
}

impl Group {
    /// Copies the metadata of all members into the metadata of the group, and returns the number of
    /// members at any depth.
    ///
    /// The format is the one of `consolidate_metadata` in zarr-python. An existing copy is
    /// replaced, and the metadata of the group are replaced atomically. Members that are symbolic
    /// links to arrays are followed. A symbolic link to a group is an error. Members of Zarr v2 are
    /// left out.
    ///
    /// Readers can then open the group with one request. This crate refuses to write arrays into
    /// the group, to remove members of it and to change the attributes of groups in it, because the
    /// copy would become outdated. [Remove](Self::remove_consolidated) the copy first, and
    /// consolidate again afterwards.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the group is of Zarr v2.
    /// - [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if the group was removed after it was
    ///   opened.
    /// - [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if the metadata of the group or of a
    ///   member are not valid JSON.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the file system or the store fails, or if
    ///   another program replaces the metadata of the group at the same time.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{Consolidation, Group, Target, ToZarr};
    /// use ndarray::array;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// let target = Target::from(directory.path().join("influence.zarr"));
    /// let values = LazyChunkSequence::new(|| [array![1.0, 2.0]]).convert(NdarrayConverter);
    /// values.to_zarr(target.member("monday"))?;
    /// let group = Group::open(&target)?;
    /// assert_eq!(group.consolidation()?, Consolidation::Missing);
    /// assert_eq!(group.consolidate()?, 1);
    /// assert_eq!(group.consolidation()?, Consolidation::Current);
    ///
    /// // The next day's.
    /// assert!(values.to_zarr(target.member("tuesday")).is_err());
    /// assert!(group.remove_consolidated()?);
    /// values.to_zarr(target.member("tuesday"))?;
    /// assert_eq!(group.consolidate()?, 2);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn consolidate(&self) -> Result<usize> {
        self.check_v3()?;
        let members = self.copies()?;
        let n_members = members.len();
        let entry = Inline { kind: "inline", must_understand: false, metadata: members };
        self.rewrite(|metadata| {
            metadata.entries.insert(ENTRY.to_owned(), to_raw(&entry));
            Ok(true)
        })?;
        Ok(n_members)
    }

    /// Removes the copy of the metadata of all members from the metadata of the group, and returns
    /// true if there was one.
    ///
    /// The metadata of the group are replaced atomically. The members do not change.
    ///
    /// # Errors
    ///
    /// Returns errors of the same kinds as [`consolidate`](Self::consolidate).
    pub fn remove_consolidated(&self) -> Result<bool> {
        self.check_v3()?;
        self.rewrite(|metadata| {
            let entry = metadata.entries.remove(ENTRY);
            Ok(entry.is_some_and(|entry| entry.get() != "null"))
        })
    }

    /// Compares the consolidated metadata of the group with the metadata of its members.
    ///
    /// # Errors
    ///
    /// Returns errors of the same kinds as [`consolidate`](Self::consolidate).
    pub fn consolidation(&self) -> Result<Consolidation> {
        #[derive(Deserialize)]
        struct Copy {
            #[serde(default)]
            metadata: BTreeMap<String, Value>,
        }

        self.check_v3()?;
        let metadata = self.metadata()?;
        let Some(entry) = metadata.entry(ENTRY) else { return Ok(Consolidation::Missing) };
        let place = || self.place.locate(DOCUMENT);
        let copy: Copy = parse(entry.get().as_bytes(), place)?;
        let mut present = BTreeMap::new();
        for (name, text) in self.copies()? {
            present.insert(name, comparable(parse(text.get().as_bytes(), place)?));
        }
        let copied = copy.metadata.into_iter().map(|(name, value)| (name, comparable(value)));
        let is_current = copied.collect::<BTreeMap<_, _>>() == present;
        Ok(if is_current { Consolidation::Current } else { Consolidation::Outdated })
    }

    /// Returns the metadata of all arrays and groups in the group, at any depth, by their paths in
    /// the group.
    fn copies(&self) -> Result<BTreeMap<String, Box<RawValue>>> {
        let mut members = BTreeMap::new();
        let mut open: Vec<(Place, String)> = vec![(self.place.clone(), String::new())];
        while let Some((place, path)) = open.pop() {
            for child in place.children()? {
                let Some(mut metadata) = Metadata::read(&child.place)? else { continue };
                let name = format!("{path}{}", child.name);
                if metadata.is_group() {
                    if child.is_link {
                        // It could lead back to a group above it.
                        let message = "it is a link to a group, which is not followed";
                        let at = place.locate(&child.name);
                        return Err(Error::examine(at, io::Error::other(message)));
                    }
                    open.push((child.place, format!("{name}/")));
                }
                metadata.entries.remove(ENTRY);
                members.insert(name, to_raw(&metadata.entries));
            }
        }
        Ok(members)
    }
}

/// Returns the metadata of a node in a form in which different spellings are equal: programs leave
/// out empty entries or write them, and write a codec without settings as an object or as its name.
fn comparable(metadata: Value) -> Value {
    let Value::Object(mut entries) = metadata else { return metadata };
    // zarr-python gives each group in the copy a copy of its own.
    entries.remove(ENTRY);
    normalized(Value::Object(entries))
}

fn normalized(value: Value) -> Value {
    let is_empty = |value: &Value| match value {
        Value::Null => true,
        Value::Array(values) => values.is_empty(),
        Value::Object(entries) => entries.is_empty(),
        _ => false,
    };
    match value {
        Value::Array(values) => values.into_iter().map(normalized).collect(),
        Value::Object(entries) => {
            let entries = entries.into_iter().map(|(name, value)| (name, normalized(value)));
            let mut entries: serde_json::Map<_, _> =
                entries.filter(|(_, value)| !is_empty(value)).collect();
            match entries.remove("name") {
                Some(Value::String(name)) if entries.is_empty() => Value::String(name),
                name => {
                    entries.extend(name.map(|name| ("name".to_owned(), name)));
                    Value::Object(entries)
                }
            }
        }
        value => value,
    }
}
