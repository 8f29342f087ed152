//! What statistics came to: as a table, as JSON, and as Zarr arrays.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lazy_chunks::zarr::{Existing, StoredArray, Target, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, Element, LazyChunkSequence, Number};
use serde_json::{Value, json};

use crate::arguments::Axis;
use crate::failure::{Failure, Result};
use crate::file_kind;

/// The result of one statistic.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The statistic as it was asked for.
    pub(crate) text: String,
    pub(crate) axis: Axis,
    pub(crate) parts: Vec<Part>,
    /// What the entries along the last axis are of, where it is neither elements nor columns.
    pub(crate) labels: Vec<String>,
}

/// One array of it, whose name is empty where it is alone.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    pub(crate) array: ArrayBlock,
}

impl Part {
    /// The elements as text.
    fn texts(&self) -> Vec<String> {
        numbers(&self.array).into_iter().map(to_text).collect()
    }
}

fn to_text(number: Number) -> String {
    match number {
        Number::Float(float) if float == 0.0 || !float.is_finite() => float.to_string(),
        Number::Float(float) if !(1e-4..1e16).contains(&float.abs()) => format!("{float:e}"),
        _ => number.to_string(),
    }
}

/// JSON has no NaN and no infinities, which are strings that Python's `float` takes.
fn to_json_value(number: Number) -> Value {
    match number {
        Number::Signed(integer) => integer.into(),
        Number::Unsigned(integer) => integer.into(),
        Number::Float(float) if float.is_finite() => float.into(),
        Number::Float(float) if float.is_nan() => "nan".into(),
        Number::Float(float) => if float > 0.0 { "inf" } else { "-inf" }.into(),
    }
}

fn numbers(array: &ArrayBlock) -> Vec<Number> {
    fn each<A: Element + Into<Number>>(elements: &[A]) -> Vec<Number> {
        elements.iter().map(|&element| element.into()).collect()
    }
    if let Ok(integers) = array.as_slice::<u64>() {
        each(integers)
    } else if let Ok(integers) = array.as_slice::<i64>() {
        each(integers)
    } else {
        each(array.as_slice::<f64>().expect("results are uint64, int64 or float64"))
    }
}

/// All answers, as a program reads them.
pub(crate) fn to_json(answers: &[Answer]) -> Value {
    let entry = |answer: &Answer| (answer.text.clone(), answer.to_json());
    Value::Object(answers.iter().map(entry).collect())
}

impl Answer {
    fn to_json(&self) -> Value {
        let part = |part: &Part| match nested(part.array.shape(), &numbers(&part.array)) {
            Value::Array(mut array) if self.is_one_number(part) => array.remove(0),
            array => array,
        };
        match &self.parts[..] {
            [alone] if alone.name.is_empty() => part(alone),
            parts => {
                let entries = parts.iter().map(|each| (each.name.to_owned(), part(each)));
                Value::Object(entries.collect())
            }
        }
    }

    /// Whether a part has one number whatever the array: not several elements, quantiles, bins or columns.
    fn is_one_number(&self, part: &Part) -> bool {
        let has_one = match part.name {
            "" => self.labels.is_empty() && part.array.shape().len() == 1,
            name => !["values", "rows", "indices", "bins"].contains(&name),
        };
        self.axis == Axis::All && has_one
    }
}

fn nested(shape: &[usize], numbers: &[Number]) -> Value {
    match shape {
        [] | [_] => numbers.iter().map(|&number| to_json_value(number)).collect(),
        [size, inner @ ..] => {
            let length: usize = inner.iter().product();
            (0..*size).map(|i| nested(inner, &numbers[i * length..][..length])).collect()
        }
    }
}

/// All answers, as a person reads them.
pub(crate) fn to_table(answers: &[Answer]) -> String {
    match answers.first() {
        None => String::new(),
        Some(Answer { axis: Axis::All, .. }) => of_whole_array(answers),
        Some(answer) => of_cells(answer.axis, answers),
    }
}

/// A line for each number; of elements, where they are.
fn of_whole_array(answers: &[Answer]) -> String {
    let mut lines = Vec::new();
    let mut matrices = String::new();
    let line = |cells: [&str; 4]| cells.map(str::to_owned).to_vec();
    let has_places =
        answers.iter().any(|answer| answer.part("row").or(answer.part("rows")).is_some());
    lines.push(line(if has_places {
        ["", "value", "row", "index"]
    } else {
        ["", "value", "", ""]
    }));
    for answer in answers {
        let part = |one: &str, many: &str| answer.part(one).or(answer.part(many)).map(Part::texts);
        let name = answer.text.split(':').next().unwrap_or_default();
        if let Some(values) = part("value", "values") {
            let (rows, indices) = (part("row", "rows"), part("index", "indices"));
            let places = rows.into_iter().flatten().zip(indices.into_iter().flatten());
            for (i, (value, (row, index))) in values.iter().zip(places).enumerate() {
                let text = if i == 0 { &answer.text[..] } else { "" };
                lines.push(line([text, value, &row, &index]));
            }
        } else if let Some(bins) = answer.part("bins") {
            for (label, count) in answer.labels.iter().zip(bins.texts()) {
                lines.push(line([&format!("{name} {label}"), &count, "", ""]));
            }
            for part in &answer.parts[1..] {
                lines.push(line([&format!("{name} {}", part.name), &part.texts()[0], "", ""]));
            }
        } else if answer.parts[0].array.shape().len() == 2 {
            matrices.push_str(&matrix(answer));
        } else if answer.labels.is_empty() {
            lines.push(line([&answer.text, &answer.parts[0].texts()[0], "", ""]));
        } else {
            for (label, value) in answer.labels.iter().zip(answer.parts[0].texts()) {
                lines.push(line([&format!("{name} {label}"), &value, "", ""]));
            }
        }
    }
    let table = if lines.len() > 1 { aligned(&lines) } else { String::new() };
    table + &matrices
}

/// A matrix under its name.
fn matrix(answer: &Answer) -> String {
    let (texts, n_columns) = (answer.parts[0].texts(), answer.parts[0].array.shape()[1]);
    let lines: Vec<_> = texts.chunks(n_columns.max(1)).map(<[String]>::to_vec).collect();
    format!("{}\n{}", answer.text, aligned(&lines))
}

/// A line for each row or column of the array.
fn of_cells(axis: Axis, answers: &[Answer]) -> String {
    let n_axes = answers[0].parts[0].array.shape().len();
    let is_one_more = answers[0].has_entries();
    let cells = &answers[0].parts[0].array.shape()[..n_axes - usize::from(is_one_more)];
    let n_cells: usize = cells.iter().product();
    let mut head = vec![if axis == Axis::Rows { "row" } else { "column" }.to_owned()];
    let mut columns: Vec<Vec<String>> = vec![(0..n_cells).map(|i| index(cells, i)).collect()];
    for answer in answers {
        for part in &answer.parts {
            let texts = part.texts();
            let n_entries = texts.len().checked_div(n_cells).unwrap_or(0);
            let name = answer.text.split(':').next().unwrap_or_default();
            for entry in 0..n_entries {
                let of = match (&answer.labels.get(entry), answer.has_entries()) {
                    (Some(label), _) => format!("{name} {label}"),
                    (None, true) => format!("{name} {}", entry + 1),
                    (None, false) => answer.text.clone(),
                };
                head.push(if part.name == "indices" { format!("{of} at") } else { of });
                columns.push(texts.iter().skip(entry).step_by(n_entries).cloned().collect());
            }
        }
    }
    let mut lines = vec![head];
    for i in 0..n_cells {
        lines.push(columns.iter().map(|column| column[i].clone()).collect());
    }
    aligned(&lines)
}

/// The index of a cell in C order, along each axis.
fn index(shape: &[usize], mut place: usize) -> String {
    let mut index = vec![String::new(); shape.len()];
    for (index, size) in index.iter_mut().zip(shape).rev() {
        (*index, place) = ((place % size).to_string(), place / size);
    }
    index.join(",")
}

impl Answer {
    fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// Whether there are several numbers for each row or column, along one more axis.
    fn has_entries(&self) -> bool {
        !self.labels.is_empty() || self.text.starts_with("top") || self.text.starts_with("bottom")
    }
}

/// Lines whose columns are aligned: the first to the left, the others to the right.
fn aligned(lines: &[Vec<String>]) -> String {
    let n_columns = lines.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..n_columns).map(width).collect();
    let mut text = String::new();
    for line in lines {
        let mut cells = line.iter().zip(&widths);
        let mut aligned =
            cells.next().map_or(String::new(), |(cell, width)| format!("{cell:<width$}"));
        for (cell, width) in cells {
            aligned.push_str(&format!("  {cell:>width$}"));
        }
        text.push_str(aligned.trim_end());
        text.push('\n');
    }
    text
}

/// The group whose members answers are stored as.
#[derive(Debug)]
pub(crate) struct Group {
    path: PathBuf,
    existing: Existing,
    /// The names of the axes of the array that is summarized, where it has some.
    dims: Vec<String>,
}

impl Group {
    pub(crate) fn new(path: &Path, replace: bool) -> Group {
        let existing = if replace { Existing::Replace } else { Existing::Fail };
        Group { path: path.to_owned(), existing, dims: Vec::new() }
    }

    /// The same, of an array whose axes have names.
    pub(crate) fn with_dims(self, dims: Vec<String>) -> Group {
        Group { dims, ..self }
    }

    /// The names of the axes of a result. No two arrays of the group have one name for axes of different sizes, so that
    /// xarray opens it.
    fn dims_of(&self, answer: &Answer, name: &str, part: &Part) -> Vec<String> {
        let named = |axis: usize, otherwise: &str| {
            self.dims.get(axis).cloned().unwrap_or_else(|| otherwise.to_owned())
        };
        let n_axes = part.array.shape().len();
        let n_cells = match answer.axis {
            Axis::All => 0,
            Axis::Rows => 1,
            Axis::Columns => n_axes - usize::from(answer.has_entries()),
        };
        let of_axis = |axis: usize| match answer.axis {
            Axis::Rows if axis < n_cells => named(0, "row"),
            Axis::Columns if axis < n_cells => match axis {
                0 => named(1, "column"),
                _ => named(axis + 1, &format!("axis_{}", axis + 1)),
            },
            _ => format!("{name}_{}", axis - n_cells),
        };
        let of_part = |axis| {
            if part.name.is_empty() || axis < n_cells {
                of_axis(axis)
            } else {
                format!("{}_{}", part.name, axis - n_cells)
            }
        };
        (0..n_axes).map(of_part).collect()
    }

    /// Checks, before anything is computed, that nothing is in the way of what these statistics are stored as.
    pub(crate) fn check(&self, texts: &[&str]) -> Result<()> {
        let no_group = |what: &str| {
            let path = self.path.display();
            Err(Failure::Usage(format!("{path} is {what}, and no group; name another place")))
        };
        match fs::metadata(&self.path) {
            Ok(there) if !there.is_dir() => return no_group(file_kind::name(there.file_type())),
            Ok(_) if StoredArray::open(&*self.path).is_ok() => return no_group("an array"),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => return Err(Failure::Write { path: self.path.clone(), source }),
        }
        let paths = names(texts).into_iter().map(|name| self.path.join(name));
        let is_there = |path: &PathBuf| fs::symlink_metadata(path).is_ok();
        match paths.into_iter().find(|path| self.existing == Existing::Fail && is_there(path)) {
            Some(path) => Err(Failure::Exists(path)),
            None => Ok(()),
        }
    }

    /// Stores an array for each part of each answer.
    pub(crate) fn store(&self, answers: &[Answer]) -> Result<()> {
        let mut last = None;
        let texts: Vec<_> = answers.iter().map(|answer| &answer.text[..]).collect();
        for (answer, name) in answers.iter().zip(names(&texts)) {
            for part in &answer.parts {
                let member = Target::from(&*self.path).member(&*name);
                let mut path = self.path.join(&name);
                let member = if part.name.is_empty() {
                    member
                } else {
                    path.push(part.name);
                    member.member(part.name)
                };
                let mut sink = ZarrSink::new(member)
                    .with_existing(self.existing)
                    .with_attribute("statistic", &answer.text)
                    .with_dimension_names(self.dims_of(answer, &name, part));
                if !answer.labels.is_empty() && matches!(part.name, "" | "bins") {
                    sink = sink.with_attribute("entries", json!(answer.labels));
                }
                let stored = LazyChunkSequence::new(|| [part.array.clone()]).to_zarr(sink);
                match (stored, &last) {
                    (Ok(_), _) => last = Some(path),
                    (Err(error), None) => return Err(error.into()),
                    (Err(error), Some(last)) => {
                        return Err(Failure::from(error).after_storing(last));
                    }
                }
            }
        }
        Ok(())
    }
}

/// A name for each statistic: what is in front of its numbers, and a number of its own where there are several.
fn names<'t>(texts: &[&'t str]) -> Vec<String> {
    let mut counts: HashMap<&str, usize> = HashMap::new();
    let name = |text: &&'t str| {
        let name = text.split(':').next().unwrap_or_default();
        let count = counts.entry(name).or_default();
        *count += 1;
        if *count == 1 { name.to_owned() } else { format!("{name}-{count}") }
    };
    texts.iter().map(name).collect()
}
