//! The description of a group and its members.

use lazy_chunks::report;
use lazy_chunks::zarr::{Consolidation, ErrorKind, Group, Member, MemberKind, StoredArray};
use serde_json::{Value, json};

use super::array;
use crate::failure::{Failure, Result};
use crate::location::Location;
use crate::print;

/// Describes a group. Adds a failure for each member that cannot be described.
pub(super) fn describe(
    location: &Location,
    group: &Group,
    failures: &mut Vec<Failure>,
) -> Result<Value> {
    let mut members = Vec::new();
    for member in group.all_members()? {
        members.extend(describe_member(location, member, failures));
    }
    Ok(json!({
        "kind": "group",
        "path": location.to_string(),
        "zarr_format": group.zarr_format(),
        "consolidated": consolidated(group),
        "attributes": group.attributes()?,
        "members": members,
    }))
}

/// Returns the state of the consolidated metadata. None for Zarr v2, or if a member prevents the
/// comparison.
fn consolidated(group: &Group) -> Option<&'static str> {
    match group.consolidation().ok()? {
        Consolidation::Missing => Some("no"),
        Consolidation::Current => Some("current"),
        Consolidation::Outdated => Some("outdated"),
        _ => None,
    }
}

/// Describes a member, or returns `None` if it was removed meanwhile.
fn describe_member(group: &Location, member: Member, failures: &mut Vec<Failure>) -> Option<Value> {
    let (name, target) = (member.name().to_owned(), member.target().clone());
    let location = group.member(&name);
    let described = match member.into_kind() {
        MemberKind::Array => StoredArray::open(target)
            .map_err(Failure::from)
            .and_then(|stored| array::describe(&location, &stored)),
        MemberKind::Group => Group::open(target)
            .and_then(|group| group.attributes())
            .map(|attributes| json!({"kind": "group", "attributes": attributes}))
            .map_err(Failure::from),
        MemberKind::Broken(error) => Err(error.into()),
        _ => return None,
    };
    let mut described = match described {
        Ok(described) => described,
        Err(Failure::Zarr(error)) if error.kind() == ErrorKind::NotFound => return None,
        Err(failure) => {
            let described = json!({"kind": "broken", "error": report(&failure)});
            failures.push(failure);
            described
        }
    };
    described["name"] = name.into();
    described["path"] = location.to_string().into();
    Some(described)
}

/// Formats a description as text.
pub(super) fn to_text(group: &Value) -> String {
    // Names and values are untrusted, and may hold control sequences of terminals.
    let mut lines = vec![print::one_line(group["path"].as_str().unwrap_or_default())];
    let mut line = |name: &str, text: String| {
        lines.push(format!("  {name:<12} {}", print::one_line(&text)));
    };
    line("group", format!("Zarr v{}", group["zarr_format"]));
    if group["zarr_format"] == 3 {
        line("consolidated", group["consolidated"].as_str().unwrap_or("unknown").to_owned());
    }
    for (name, value) in group["attributes"].as_object().into_iter().flatten() {
        line("attribute", format!("{name} {value}"));
    }
    let members = group["members"].as_array().map_or(&[][..], Vec::as_slice);
    line("members", members.len().to_string());
    let rows: Vec<_> = members.iter().map(row).collect();
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max();
    let widths = [0, 1, 2, 3].map(|column| width(column).unwrap_or(0));
    for row in rows {
        let mut text = String::new();
        for (cell, width) in row.iter().zip(widths) {
            text += &format!("  {cell:<width$}");
        }
        lines.push(text.trim_end().to_owned());
    }
    lines.push(String::new());
    lines.join("\n")
}

/// Returns the name of a member, the dtype of an array or the kind of another member, the shape,
/// and the chunks or the error.
fn row(member: &Value) -> [String; 4] {
    let text = |name: &str| print::one_line(member[name].as_str().unwrap_or_default());
    let sizes = |name: &str| array::list(&member[name]).join(" × ");
    match member["kind"].as_str() {
        Some("array") => {
            let of_shards = member["shard_shape"].is_array();
            let (unit, shape) =
                if of_shards { ("shards", "shard_shape") } else { ("chunks", "chunk_shape") };
            let units = match member["chunk_grid"].as_str() {
                Some("regular") | None => format!("in {unit} of {}", sizes(shape)),
                Some(grid) => format!("in {} {grid} {unit}", member["n_chunks"]),
            };
            [text("name"), text("dtype"), sizes("shape"), units]
        }
        _ => [text("name"), text("kind"), String::new(), text("error")],
    }
}
