//! Changes to the metadata document of an array that keep everything else in it, byte for byte.

use std::collections::BTreeMap;
use std::ops::Range;

use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// The entries of a metadata document that change. Parsing skips all other entries.
#[derive(Deserialize)]
struct Head<'j> {
    #[serde(borrow)]
    shape: &'j RawValue,
    #[serde(borrow, default)]
    attributes: Option<&'j RawValue>,
}

/// Returns the metadata document of a Zarr v3 array with another number of rows and some changed or
/// additional attributes. The rest of the text stays.
///
/// # Errors
///
/// Returns an error if the document is not the metadata of an array with an axis.
pub(crate) fn changed(
    document: &[u8],
    n_rows: usize,
    attributes: &BTreeMap<String, Value>,
) -> Result<String> {
    let text = std::str::from_utf8(document).map_err(Error::metadata)?;
    let head: Head<'_> = serde_json::from_str(text).map_err(Error::metadata)?;
    let mut edits = vec![(first_number(text, head.shape)?, n_rows.to_string())];
    if !attributes.is_empty() {
        edits.extend(edits_of_attributes(text, head.attributes, attributes)?);
    }
    edits.sort_by_key(|(range, _)| range.start);
    let mut changed = text.to_owned();
    for (range, new) in edits.into_iter().rev() {
        changed.replace_range(range, &new);
    }
    Ok(changed)
}

/// Returns the place of a part of a text.
fn place(text: &str, part: &RawValue) -> Range<usize> {
    let start = part.get().as_ptr() as usize - text.as_ptr() as usize;
    start..start + part.get().len()
}

/// Returns the place of the first number of a list.
fn first_number(text: &str, list: &RawValue) -> Result<Range<usize>> {
    let place = place(text, list);
    let digits = |c: char| c.is_ascii_digit();
    let start = list.get().find(digits).ok_or_else(|| Error::metadata("it has no axis"))?;
    let length = list.get()[start..].find(|c: char| !digits(c)).unwrap_or(0);
    Ok(place.start + start..place.start + start + length)
}

fn edits_of_attributes(
    text: &str,
    present: Option<&RawValue>,
    attributes: &BTreeMap<String, Value>,
) -> Result<Vec<(Range<usize>, String)>> {
    const INDENT: &str = "\n    ";
    let mut edits = Vec::new();
    let places: BTreeMap<String, &RawValue> = match present {
        Some(present) => serde_json::from_str(present.get()).map_err(Error::metadata)?,
        None => BTreeMap::new(),
    };
    let mut added = String::new();
    for (name, value) in attributes {
        let value = serde_json::to_string_pretty(value).map_err(Error::metadata)?;
        let value = value.replace('\n', INDENT);
        match places.get(name) {
            Some(at) => edits.push((place(text, at), value)),
            None => {
                let name = serde_json::to_string(name).map_err(Error::metadata)?;
                added.push_str(&format!("{INDENT}{name}: {value},"));
            }
        }
    }
    if added.is_empty() {
        return Ok(edits);
    }
    let is_empty = places.is_empty();
    if is_empty {
        added.pop();
        added.push_str("\n  ");
    }
    match present.map(|present| place(text, present)) {
        Some(place) if is_empty => edits.push((place, format!("{{{added}}}"))),
        Some(place) => edits.push((place.start + 1..place.start + 1, added)),
        None => {
            let start = text.find('{').map_or(0, |brace| brace + 1);
            edits.push((start..start, format!("\n  \"attributes\": {{{added}}},")));
        }
    }
    Ok(edits)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn change(document: &str, attributes: Value) -> String {
        let attributes = serde_json::from_value(attributes).unwrap();
        changed(document.as_bytes(), 12, &attributes).unwrap()
    }

    #[test]
    fn everything_else_stays() {
        let document = r#"{"a":1e3,  "shape":[ 7 ,3],"b":123456789012345678901234567890,"c":null}"#;
        assert_eq!(change(document, json!({})), document.replace("[ 7 ", "[ 12 "));
        for attributes in ["", r#""attributes": {},"#, r#""attributes": {"x":1.50},"#] {
            let document = format!(r#"{{ {attributes} "shape": [7], "node_type": "array" }}"#);
            for new in [json!({"y": [1, {"z": 2}]}), json!({"x": 3, "y": "}"}), json!({"x": {}})] {
                let mut expected: Value = serde_json::from_str(&document).unwrap();
                expected["shape"] = json!([12]);
                for (name, value) in new.as_object().unwrap() {
                    expected["attributes"][name] = value.clone();
                }
                let changed = change(&document, new);
                assert_eq!(serde_json::from_str::<Value>(&changed).unwrap(), expected, "{changed}");
            }
        }
        let document = r#"{"attributes": {"x":1.50}, "shape": [7]}"#;
        assert!(change(document, json!({"y": 1})).contains("\"x\":1.50"));
    }

    #[test]
    fn documents_without_rows_are_refused() {
        for document in ["", "{}", r#"{"shape": []}"#, r#"{"shape": [1], "shape": [1]}"#] {
            assert!(changed(document.as_bytes(), 1, &BTreeMap::new()).is_err(), "{document}");
        }
        let document = r#"{"shape": [1], "attributes": 3}"#;
        let attributes = [("a".to_owned(), json!(1))].into();
        assert!(changed(document.as_bytes(), 1, &attributes).is_err());
    }
}
