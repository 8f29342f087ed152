//! The description of an array.

use indicatif::HumanBytes;
use lazy_chunks::BlockSizes;
use lazy_chunks::zarr::{MetadataChecksum, StoredArray};
use serde_json::{Value, json};

use crate::failure::Result;
use crate::location::Location;
use crate::print;

pub(super) fn describe(location: &Location, stored: &StoredArray) -> Result<Value> {
    let size = stored.stored_size()?;
    let mut attributes = stored.attributes().clone();
    let provenance = attributes.remove("provenance");
    Ok(json!({
        "kind": "array",
        "path": location.to_string(),
        "dtype": stored.dtype().name(),
        "shape": stored.shape(),
        "dimension_names": stored.dimension_names(),
        "chunk_grid": stored.chunk_grid(),
        "chunk_sizes": sizes(stored)?,
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
    let grid = array["chunk_grid"].as_str().filter(|name| *name != "regular");
    let has_shards = array["shard_shape"].is_array();
    let shape = |name: &str, is_of_grid: bool| match grid.filter(|_| is_of_grid) {
        None => list(&array[name]).join(" × "),
        Some(grid) => format!("{grid}, the first of {}", list(&array[name]).join(" × ")),
    };
    line("chunks", shape("chunk_shape", !has_shards));
    if has_shards {
        line("shards", shape("shard_shape", true));
    }
    for (axis, sizes) in array["chunk_sizes"].as_array().into_iter().flatten().enumerate() {
        line(&format!("axis {axis}"), first_sizes(sizes));
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

/// Returns the sizes of the chunks, or shards, along each axis, if the grid is not regular: sizes,
/// and runs `[size, count]` of equal sizes, as in the metadata of a rectilinear grid.
fn sizes(stored: &StoredArray) -> Result<Option<Vec<Value>>> {
    if stored.chunk_grid() == "regular" {
        return Ok(None);
    }
    let runs = |sizes: &BlockSizes| -> Value {
        let sizes: Vec<_> = sizes.ranges().map(|range| range.len()).collect();
        let run = |run: &[usize]| match run {
            [size] => json!(size),
            run => json!([run[0], run.len()]),
        };
        sizes.chunk_by(|one, next| one == next).map(run).collect()
    };
    let along = |axis: usize| -> Result<Value> {
        let sizes = match stored.shard_sizes(axis)? {
            Some(sizes) => sizes,
            None => stored.chunk_sizes(axis)?,
        };
        Ok(runs(&sizes))
    };
    (0..stored.shape().len()).map(along).collect::<Result<_>>().map(Some)
}

/// Formats the first sizes of chunks along an axis.
fn first_sizes(sizes: &Value) -> String {
    const MOST: usize = 8;
    let sizes = sizes.as_array().map_or(&[][..], Vec::as_slice);
    let run = |run: &Value| match run.as_array().map(Vec::as_slice) {
        Some([size, count]) => format!("{size} ({count} times)"),
        _ => run.to_string(),
    };
    let first = sizes.iter().take(MOST).map(run);
    let more = (sizes.len() > MOST).then(|| "…".to_owned());
    first.chain(more).collect::<Vec<_>>().join(", ")
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
