//! Writes an array for each setting.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::AtomicUsize;

use anyhow::{Context, Result};
use lazy_chunks::DType;
use lazy_chunks::zarr::{Existing, StoredArray, ToZarr, ZarrSink};
use lazy_tests::Case;
use serde_json::{Map, Value, json};

use crate::manifest::{Entry, Group, Manifest, hexadecimal, target};
use crate::matrix::{Setting, settings, settings_of_blocks};

pub(crate) fn run(directory: &Path) -> Result<()> {
    if directory.exists() {
        fs::remove_dir_all(directory)?;
    }
    fs::create_dir_all(directory.join("elements"))?;
    let mut manifest = Manifest::default();
    for (i, setting) in settings().iter().chain(&settings_of_blocks()).enumerate() {
        let entry = write(directory, i, setting)
            .with_context(|| format!("{} cannot be written", setting.name()))?;
        manifest.arrays.push(entry);
    }
    let groups: BTreeSet<_> =
        manifest.arrays.iter().filter_map(|entry| entry.group.clone()).collect();
    manifest.groups = groups
        .into_iter()
        .map(|path| Group { is_consolidated: path == CONSOLIDATED, path })
        .collect();
    manifest.write(directory)?;
    println!("wrote {} arrays, in {} groups", manifest.arrays.len(), manifest.groups.len());
    Ok(())
}

fn write(directory: &Path, i: usize, setting: &Setting) -> Result<Entry> {
    let case = setting.case(i as u64);
    let group = setting.is_in_group.then(|| group(i, setting));
    let is_named = match &group {
        None => !i.is_multiple_of(3),
        Some(group) => group != UNNAMED,
    };
    let dimension_names = is_named.then(|| dimension_names(case.shape().len()));
    let name = format!("{i:03}-{}", setting.name());
    let path = match &group {
        None => format!("{name}.zarr"),
        Some(group) => format!("{group}/{name}"),
    };
    let default_names: Option<Vec<_>> = group
        .is_some()
        .then(|| (0..case.shape().len()).map(|axis| format!("{name}_{axis}")).collect());
    let attributes = attributes(i);

    let mut sink = setting.fill.of(case.sink(target(directory, &path)), setting.dtype);
    if let Some(names) = &dimension_names {
        sink = sink.with_dimension_names(names);
    }
    if setting.is_of_blocks {
        sink = sink.with_chunks_of_blocks();
    }
    for (name, value) in &attributes {
        sink = sink.with_attribute(name, value.clone());
    }
    // The chunks of each version have different keys.
    let sink = sink.with_existing(Existing::Replace);
    for _ in 0..i % 3 {
        store(&case, sink.clone())?;
    }
    let stored = store(&case, sink)?;

    let elements = format!("elements/{i:03}");
    fs::write(directory.join(&elements), case.array().data())?;
    Ok(Entry {
        path,
        group,
        dtype: setting.dtype.to_string(),
        shape: case.shape(),
        chunks: stored.chunk_shape().to_vec(),
        shards: stored.shard_shape().map(<[usize]>::to_vec),
        sizes: (stored.chunk_grid() == "rectilinear").then(|| sizes(&case)),
        codecs: setting.codec_names(),
        fill: hexadecimal(stored.fill_value()?.data()),
        dimension_names: dimension_names
            .or(default_names)
            .map(|names| names.into_iter().map(Some).collect()),
        attributes,
        elements,
        error: None,
    })
}

/// The group that a peer consolidates.
const CONSOLIDATED: &str = "groups/line.zarr";

/// The group of arrays with default dimension names.
const UNNAMED: &str = "groups/unnamed.zarr";

/// Returns the group of an array. Arrays of one shape share their dimensions and are in one group.
/// Arrays that keep xarray from opening a group are in other groups.
fn group(i: usize, setting: &Setting) -> String {
    match setting.dtype {
        DType::BFloat16 | DType::UInt16 => "groups/bfloat16.zarr".to_owned(),
        _ if i.is_multiple_of(16) => UNNAMED.to_owned(),
        _ => match setting.shape.name {
            "small" => "groups/outer.zarr/inner".to_owned(),
            name => format!("groups/{name}.zarr"),
        },
    }
}

/// Stores the blocks of the case from an indexed sequence.
fn store(case: &Case, sink: ZarrSink) -> Result<StoredArray> {
    let computed = AtomicUsize::new(0);
    // The last sequence of each kind declares its row type, so that it may be empty.
    Ok(match &case.columns {
        None => case.sequences(&computed).indexed[1].to_zarr(sink)?,
        Some(_) => case.nested_sequences(&computed).indexed[1].to_zarr(sink)?,
    })
}

/// Returns the sizes of the blocks along each axis. An array without elements has no chunk.
fn sizes(case: &Case) -> Vec<Vec<usize>> {
    let shape = case.shape();
    let mut sizes: Vec<_> = shape.iter().map(|&size| vec![size]).collect();
    if !shape.contains(&0) {
        sizes[0].clone_from(&case.rows);
        if let Some(columns) = &case.columns {
            sizes[1].clone_from(columns);
        }
    }
    sizes
}

fn dimension_names(n_axes: usize) -> Vec<String> {
    ["sample", "größe", "", "c"][..n_axes].iter().map(|&name| name.to_owned()).collect()
}

fn attributes(i: usize) -> Map<String, Value> {
    let attributes = match i % 4 {
        0 => json!({}),
        1 => json!({"l2": 1e-3, "unit": "µm"}),
        2 => json!({"größe": 9_007_199_254_740_993_u64, "": -0.0, "none": null}),
        _ => {
            json!({"nested": {"list": [1, [true, 2.5], {}], "tiny": 5e-324}, "text": "\"\\\n\u{0}"})
        }
    };
    match attributes {
        Value::Object(attributes) => attributes,
        _ => unreachable!("an object"),
    }
}
