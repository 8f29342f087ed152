//! `lazy info`.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use indicatif::HumanBytes;
use lazy_chunks::zarr::{ErrorKind, MetadataChecksum, StoredArray};
use serde_json::{Value, json};

use super::open;
use crate::failure::{Failure, Result};
use crate::input::InputError;
use crate::options::Info;
use crate::print;

pub(crate) fn run(options: &Info) -> Result<()> {
    let error = match open(&options.path) {
        Ok(stored) => {
            let described = describe(&options.path, &stored)?;
            return if options.json {
                print::json(&described)
            } else {
                print::result(to_text(&described))
            };
        }
        Err(Failure::Zarr(error))
            if error.kind() == ErrorKind::NotAnArray && options.path.is_dir() =>
        {
            error
        }
        Err(failure) => return Err(failure),
    };
    let (mut described, mut failures) = (Vec::new(), Vec::new());
    let mut members = members(&options.path, &mut failures);
    if members.is_empty() && failures.is_empty() {
        return Err(error.into());
    }
    members.sort();
    // A member that cannot be described does not hide the others.
    for path in members {
        match StoredArray::open(&*path)
            .map_err(Failure::from)
            .and_then(|array| describe(&path, &array))
        {
            Ok(array) => described.push(array),
            Err(failure) => failures.push(failure),
        }
    }
    if options.json {
        print::json(&described)?;
    } else {
        print::result(described.iter().map(to_text).collect::<Vec<_>>().join("\n"))?;
    }
    failures.into_iter().next().map_or(Ok(()), Err)
}

/// Returns the arrays in a group, at any depth. Adds failures that may hide some of them.
fn members(group: &Path, failures: &mut Vec<Failure>) -> Vec<PathBuf> {
    let (mut arrays, mut groups) = (Vec::new(), vec![group.to_owned()]);
    while let Some(group) = groups.pop() {
        match nodes(&group, failures) {
            Ok(nodes) => {
                for path in nodes {
                    match StoredArray::open(&*path) {
                        Err(error) if error.kind() == ErrorKind::NotAnArray => groups.push(path),
                        // Describing an array that cannot be opened reports the error.
                        Ok(_) | Err(_) => arrays.push(path),
                    }
                }
            }
            Err(source) => failures.push(unreadable(&group, source)),
        }
    }
    arrays
}

fn unreadable(path: &Path, source: io::Error) -> Failure {
    InputError::Read { name: path.display().to_string(), source }.into()
}

/// Returns the arrays and groups directly in a group.
fn nodes(group: &Path, failures: &mut Vec<Failure>) -> io::Result<Vec<PathBuf>> {
    let mut nodes = Vec::new();
    for entry in fs::read_dir(group)? {
        let entry = entry?;
        // Links are not followed, since one may lead back to the group.
        if !entry.file_type()?.is_dir() {
            continue;
        }
        let path = entry.path();
        match is_node(&path) {
            Ok(true) => nodes.push(path),
            Ok(false) => {}
            Err(failure) => failures.push(failure),
        }
    }
    Ok(nodes)
}

/// Returns true if a directory has the metadata of an array or a group.
fn is_node(path: &Path) -> Result<bool> {
    for name in ["zarr.json", ".zarray", ".zgroup"] {
        let metadata = path.join(name);
        if metadata.try_exists().map_err(|source| unreadable(&metadata, source))? {
            return Ok(true);
        }
    }
    Ok(false)
}

fn describe(path: &Path, stored: &StoredArray) -> Result<Value> {
    let size = stored.stored_size()?;
    let mut attributes = stored.attributes().clone();
    let provenance = attributes.remove("provenance");
    Ok(json!({
        "path": path.to_string_lossy(),
        "dtype": stored.dtype().name(),
        "shape": stored.shape(),
        "dimension_names": stored.dimension_names(),
        "chunk_grid": stored.chunk_grid(),
        "chunk_shape": stored.chunk_shape(),
        "shard_shape": stored.shard_shape(),
        "codecs": stored.codecs(),
        "bytes": stored.n_bytes(),
        "stored_bytes": size.bytes,
        "n_chunks": size.n_chunks,
        "n_stored_chunks": size.n_stored,
        "metadata": match stored.metadata_checksum() {
            MetadataChecksum::Match => "as it was written",
            MetadataChecksum::Mismatch => "changed since it was written",
            _ => "without a checksum",
        },
        "provenance": provenance,
        "attributes": attributes,
    }))
}

/// Formats a description as text.
fn to_text(array: &Value) -> String {
    let list = |value: &Value| {
        let entries = value.as_array().into_iter().flatten();
        entries
            .map(|entry| entry.as_str().map_or_else(|| entry.to_string(), str::to_owned))
            .collect::<Vec<_>>()
    };
    let number = |name: &str| array[name].as_u64().unwrap_or(0);
    // Names and values are untrusted, and may hold control sequences of terminals.
    let mut lines = vec![print::one_line(array["path"].as_str().unwrap_or_default())];
    let mut line = |name: &str, text: String| {
        lines.push(format!("  {name:<11} {}", print::one_line(&text)));
    };
    line("dtype", array["dtype"].as_str().unwrap_or_default().to_owned());
    line("shape", list(&array["shape"]).join(" × "));
    if array["dimension_names"].is_array() {
        line("dimensions", list(&array["dimension_names"]).join(", "));
    }
    let of_grid = match array["chunk_grid"].as_str() {
        Some("regular") | None => String::new(),
        Some(name) => format!(", the first of a {name} grid"),
    };
    line("chunks", list(&array["chunk_shape"]).join(" × ") + &of_grid);
    if array["shard_shape"].is_array() {
        line("shards", list(&array["shard_shape"]).join(" × "));
    }
    let codecs = array["codecs"].as_array().into_iter().flatten().map(codec);
    line("codecs", codecs.collect::<Vec<_>>().join(", "));
    let (raw, stored) = (number("bytes"), number("stored_bytes"));
    let ratio = if stored > 0 { raw as f64 / stored as f64 } else { 1.0 };
    line("size", format!("{}, stored in {} ({ratio:.2} : 1)", HumanBytes(raw), HumanBytes(stored)));
    let (n_chunks, n_stored) = (number("n_chunks"), number("n_stored_chunks"));
    let unit = if array["shard_shape"].is_array() { "shards" } else { "chunks" };
    line("stored", format!("{n_stored} of {n_chunks} {unit}"));
    line("metadata", array["metadata"].as_str().unwrap_or_default().to_owned());
    for (name, value) in array["provenance"].as_object().into_iter().flatten() {
        line("provenance", format!("{name} {value}"));
    }
    for (name, value) in array["attributes"].as_object().into_iter().flatten() {
        line("attribute", format!("{name} {value}"));
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Formats a codec as its name with its settings.
fn codec(codec: &Value) -> String {
    let name = codec["name"].as_str().or(codec["id"].as_str()).or(codec.as_str()).unwrap_or("?");
    let settings = codec["configuration"].as_object().into_iter().flatten();
    // The chunks and codecs within shards are listed on their own.
    let settings = settings.filter(|(_, value)| !value.is_array() && !value.is_object());
    let settings: Vec<_> = settings
        .map(|(name, value)| {
            format!("{name} {}", value.as_str().map_or(value.to_string(), str::to_owned))
        })
        .collect();
    if settings.is_empty() { name.to_owned() } else { format!("{name} ({})", settings.join(", ")) }
}
