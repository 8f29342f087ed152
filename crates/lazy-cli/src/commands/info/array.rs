//! The description of an array.

use std::path::Path;

use indicatif::HumanBytes;
use lazy_chunks::zarr::{MetadataChecksum, StoredArray};
use serde_json::{Value, json};

use crate::failure::Result;
use crate::print;

pub(super) fn describe(path: &Path, stored: &StoredArray) -> Result<Value> {
    let size = stored.stored_size()?;
    let mut attributes = stored.attributes().clone();
    let provenance = attributes.remove("provenance");
    Ok(json!({
        "kind": "array",
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
pub(super) fn to_text(array: &Value) -> String {
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

/// Returns the texts of the entries of a list.
pub(super) fn list(value: &Value) -> Vec<String> {
    let entries = value.as_array().into_iter().flatten();
    entries.map(|entry| entry.as_str().map_or_else(|| entry.to_string(), str::to_owned)).collect()
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
