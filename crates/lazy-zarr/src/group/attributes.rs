//! The attributes of a group.

use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

use super::handle::Group;
use super::metadata::{DOCUMENT, Entries, parse, to_raw};
use crate::error::{Result, SettingError};
use crate::format::attribute;

/// The entry of the metadata that holds the attributes.
const ENTRY: &str = "attributes";

/// The document that holds the attributes of a Zarr v2 group.
const V2_DOCUMENT: &str = ".zattrs";

impl Group {
    /// Returns the attributes.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if the group was removed after it was
    ///   opened.
    /// - [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if the metadata are not valid JSON.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the file system or the store fails.
    pub fn attributes(&self) -> Result<Map<String, Value>> {
        if self.zarr_format() == 2 {
            let document = self.place.document(V2_DOCUMENT)?;
            let parse = |text: &_| parse(text, || self.place.locate(V2_DOCUMENT));
            return document.as_deref().map_or(Ok(Map::new()), parse);
        }
        let metadata = self.metadata()?;
        let parse = |text: &str| parse(text.as_bytes(), || self.place.locate(DOCUMENT));
        metadata.entry(ENTRY).map_or(Ok(Map::new()), |entry| parse(entry.get()))
    }

    /// Sets an attribute, and keeps all others.
    ///
    /// The value must serialize to JSON. The name `provenance` is reserved, as for arrays.
    ///
    /// # Errors
    ///
    /// The errors of [`set_attributes`](Self::set_attributes). A value with NaN or an infinity is
    /// an error of the kind [`ErrorKind::InvalidSetting`](crate::ErrorKind::InvalidSetting).
    pub fn set_attribute(&self, name: impl Into<String>, value: impl Serialize) -> Result<()> {
        let name = name.into();
        let value = match attribute(&name, &value) {
            Ok(value) => value,
            Err(reason) => return Err(SettingError::Attribute { name, reason }.into()),
        };
        self.set_attributes([(name, Some(value))])
    }

    /// Sets each attribute that is given with a value, removes each that is given as `None`, and
    /// keeps all others.
    ///
    /// One atomic step replaces the metadata of the group: a rename on a file system, which is then
    /// flushed, or a put in a store. All other entries of the metadata keep their text.
    ///
    /// # Errors
    ///
    /// - [`ErrorKind::InvalidSetting`](crate::ErrorKind::InvalidSetting) if an attribute cannot be
    ///   stored.
    /// - [`ErrorKind::Consolidated`](crate::ErrorKind::Consolidated) if the group lies in a group
    ///   with consolidated metadata, which the change would make outdated.
    /// - [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) if the group is of Zarr v2.
    /// - [`ErrorKind::NotFound`](crate::ErrorKind::NotFound) if the group was removed after it was
    ///   opened.
    /// - [`ErrorKind::Corrupt`](crate::ErrorKind::Corrupt) if the metadata are not valid JSON.
    /// - [`ErrorKind::Io`](crate::ErrorKind::Io) if the metadata cannot be replaced, or if another
    ///   program replaces them at the same time.
    ///
    /// # Example
    ///
    /// ```
    /// # mod lazy_chunks { pub use lazy_core::*; pub use lazy_zarr as zarr; }
    /// use lazy_chunks::{LazyChunkSequence, NdarrayConverter};
    /// use lazy_chunks::zarr::{Group, MemoryStore, Target, ToZarr};
    /// use ndarray::array;
    /// use serde_json::json;
    ///
    /// let run = Target::in_store(MemoryStore::new(), "/run");
    /// let values = LazyChunkSequence::new(|| [array![1, 2]]).convert(NdarrayConverter);
    /// values.to_zarr(run.member("values"))?;
    ///
    /// let group = Group::open(run)?;
    /// group.set_attributes([("model", Some(json!("digits"))), ("draft", Some(json!(true)))])?;
    /// group.set_attributes([("epoch", Some(json!(3))), ("draft", None)])?;
    /// assert_eq!(json!(group.attributes()?), json!({"model": "digits", "epoch": 3}));
    /// # Ok::<(), lazy_chunks::zarr::Error>(())
    /// ```
    pub fn set_attributes<N: Into<String>>(
        &self,
        changes: impl IntoIterator<Item = (N, Option<Value>)>,
    ) -> Result<()> {
        self.check_v3()?;
        let mut checked = Vec::new();
        for (name, value) in changes {
            let name = name.into();
            if let Some(Err(reason)) = value.as_ref().map(|value| attribute(&name, value)) {
                return Err(SettingError::Attribute { name, reason }.into());
            }
            checked.push((name, value.map(|value| to_raw(&value))));
        }
        self.place.check_not_copied("change", &self.target)?;
        self.rewrite(|metadata| {
            let mut attributes = match metadata.entry(ENTRY) {
                Some(entry) => parse(entry.get().as_bytes(), || self.place.locate(DOCUMENT))?,
                None => Entries::new(),
            };
            let mut is_changed = false;
            for (name, value) in checked {
                let (new, old) = match value {
                    Some(value) => (Some(value.get().to_owned()), attributes.insert(name, value)),
                    None => (None, attributes.remove(&name)),
                };
                is_changed |= new.as_deref() != old.as_deref().map(RawValue::get);
            }
            metadata.entries.insert(ENTRY.to_owned(), to_raw(&attributes));
            Ok(is_changed)
        })?;
        Ok(())
    }
}
