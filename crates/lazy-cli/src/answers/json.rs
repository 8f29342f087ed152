//! Answers as JSON, for programs.

use lazy_chunks::Number;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use super::elements::Elements;
use crate::statistics::{Answer, Axis, Part};

/// Answers as JSON. They are written one number at a time.
#[derive(Debug)]
pub(crate) struct Json<'a>(pub(crate) &'a [Answer]);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries = serializer.serialize_map(None)?;
        for (i, answer) in self.0.iter().enumerate() {
            // A statistic that is listed twice has one entry.
            if self.0[..i].iter().all(|other| other.text != answer.text) {
                entries.serialize_entry(&answer.text, answer)?;
            }
        }
        entries.end()
    }
}

impl Serialize for Answer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.parts[..] {
            [alone] if alone.name.is_empty() => self.json(alone).serialize(serializer),
            parts => serializer.collect_map(parts.iter().map(|part| (part.name, self.json(part)))),
        }
    }
}

impl Answer {
    fn json<'a>(&self, part: &'a Part) -> PartJson<'a> {
        let elements = Elements::of(&part.array);
        if self.is_one_number(part) && elements.len() > 0 {
            PartJson::Number(elements.get(0))
        } else {
            PartJson::Array { elements, shape: part.array.shape(), start: 0 }
        }
    }

    /// Returns true if a part has one number for every array. Elements, quantiles, bins and
    /// matrices have several.
    fn is_one_number(&self, part: &Part) -> bool {
        let has_one = match part.name {
            "" => self.labels.is_empty() && part.array.shape().len() == 1,
            name => !["values", "rows", "indices", "bins"].contains(&name),
        };
        self.axis == Axis::All && has_one
    }
}

/// A number or a nested list.
#[derive(Clone, Copy, Debug)]
enum PartJson<'a> {
    Number(Number),
    /// A list of the elements from `start` on, for an array of this shape.
    Array {
        elements: Elements<'a>,
        shape: &'a [usize],
        start: usize,
    },
}

impl Serialize for PartJson<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match *self {
            PartJson::Number(Number::Signed(integer)) => serializer.serialize_i64(integer),
            PartJson::Number(Number::Unsigned(integer)) => serializer.serialize_u64(integer),
            PartJson::Number(Number::Float(float)) if float.is_finite() => {
                serializer.serialize_f64(float)
            }
            // JSON has no NaN and no infinities. These strings can be passed to `float` of Python.
            PartJson::Number(Number::Float(float)) if float.is_nan() => {
                serializer.serialize_str("nan")
            }
            PartJson::Number(Number::Float(float)) => {
                serializer.serialize_str(if float > 0.0 { "inf" } else { "-inf" })
            }
            // An array without axes is a list of one number.
            PartJson::Array { elements, shape: shape @ ([] | [_]), start } => {
                let numbers = start..start + shape.first().copied().unwrap_or(1);
                serializer.collect_seq(numbers.map(|i| PartJson::Number(elements.get(i))))
            }
            PartJson::Array { elements, shape: [size, inner @ ..], start } => {
                let length: usize = inner.iter().product();
                let part =
                    |i| PartJson::Array { elements, shape: inner, start: start + i * length };
                serializer.collect_seq((0..*size).map(part))
            }
        }
    }
}
