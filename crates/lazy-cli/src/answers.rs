//! What statistics came to: as a table, as JSON, and as Zarr arrays.

use std::collections::HashMap;
use std::fmt::{self, Write};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lazy_chunks::zarr::{Existing, StoredArray, Target, ToZarr, ZarrSink};
use lazy_chunks::{ArrayBlock, LazyChunkSequence, Number};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::json;

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

/// The elements of a result, in C order.
#[derive(Clone, Copy, Debug)]
enum Elements<'a> {
    Unsigned(&'a [u64]),
    Signed(&'a [i64]),
    Float(&'a [f64]),
}

impl<'a> Elements<'a> {
    fn of(array: &'a ArrayBlock) -> Elements<'a> {
        if let Ok(integers) = array.as_slice() {
            Elements::Unsigned(integers)
        } else if let Ok(integers) = array.as_slice() {
            Elements::Signed(integers)
        } else {
            Elements::Float(array.as_slice().expect("results are uint64, int64 or float64"))
        }
    }

    fn len(self) -> usize {
        match self {
            Elements::Unsigned(elements) => elements.len(),
            Elements::Signed(elements) => elements.len(),
            Elements::Float(elements) => elements.len(),
        }
    }

    fn get(self, i: usize) -> Number {
        match self {
            Elements::Unsigned(elements) => elements[i].into(),
            Elements::Signed(elements) => elements[i].into(),
            Elements::Float(elements) => elements[i].into(),
        }
    }

    /// Writes an element as text.
    fn write(self, i: usize, text: &mut String) -> fmt::Result {
        match self.get(i) {
            Number::Float(float)
                if float != 0.0 && float.is_finite() && !(1e-4..1e16).contains(&float.abs()) =>
            {
                write!(text, "{float:e}")
            }
            number => write!(text, "{number}"),
        }
    }
}

/// All answers, as a program reads them. They are written one number after the other.
#[derive(Debug)]
pub(crate) struct Json<'a>(pub(crate) &'a [Answer]);

impl Serialize for Json<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut entries = serializer.serialize_map(None)?;
        for (i, answer) in self.0.iter().enumerate() {
            // What was asked for twice has one entry.
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

    /// Whether a part has one number whatever the array: not several elements, quantiles, bins or columns.
    fn is_one_number(&self, part: &Part) -> bool {
        let has_one = match part.name {
            "" => self.labels.is_empty() && part.array.shape().len() == 1,
            name => !["values", "rows", "indices", "bins"].contains(&name),
        };
        self.axis == Axis::All && has_one
    }

    /// Returns true if it is of the whole array and has few numbers: it is no matrix, and not of all rows or columns.
    pub(crate) fn is_short(&self) -> bool {
        const FEW: usize = 1000;
        let is_short = |part: &Part| part.array.shape().len() < 2 && part.array.n_elements() <= FEW;
        self.axis == Axis::All && self.parts.iter().all(is_short)
    }
}

/// One number, or arrays in one another.
#[derive(Clone, Copy, Debug)]
enum PartJson<'a> {
    Number(Number),
    /// The elements from a place on, of an array of a shape.
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
            // JSON has no NaN and no infinities, which are strings that Python's `float` takes.
            PartJson::Number(Number::Float(float)) if float.is_nan() => {
                serializer.serialize_str("nan")
            }
            PartJson::Number(Number::Float(float)) => {
                serializer.serialize_str(if float > 0.0 { "inf" } else { "-inf" })
            }
            // What has no axes is a list of one number.
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

/// All answers, as a person reads them: in tables, whose cells are made twice, so that none is kept.
pub(crate) fn to_tables(answers: &[Answer]) -> Tables<'_> {
    match answers.first() {
        None => Tables(Vec::new()),
        Some(Answer { axis: Axis::All, .. }) => of_whole_array(answers),
        Some(answer) => Tables(vec![(None, of_cells(answer.axis, answers))]),
    }
}

/// Tables below one another, with what stands above each.
pub(crate) struct Tables<'a>(Vec<(Option<&'a str>, Table<'a>)>);

impl fmt::Display for Tables<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (head, table) in &self.0 {
            if let Some(head) = head {
                writeln!(formatter, "{head}")?;
            }
            table.fmt(formatter)?;
        }
        Ok(())
    }
}

/// Lines whose columns are aligned: the first to the left, the others to the right.
struct Table<'a> {
    n_columns: usize,
    parts: Vec<Lines<'a>>,
}

/// Writes the cell at a line and a column.
type WriteCell<'a> = Box<dyn Fn(usize, usize, &mut String) -> fmt::Result + 'a>;

/// Lines that are alike.
struct Lines<'a> {
    n_lines: usize,
    cell: WriteCell<'a>,
}

impl<'a> Table<'a> {
    fn new(n_columns: usize) -> Table<'a> {
        Table { n_columns, parts: Vec::new() }
    }

    fn add(
        &mut self,
        n_lines: usize,
        cell: impl Fn(usize, usize, &mut String) -> fmt::Result + 'a,
    ) {
        self.parts.push(Lines { n_lines, cell: Box::new(cell) });
    }

    fn add_line(&mut self, cells: Vec<String>) {
        self.add(1, move |_, column, text| write!(text, "{}", cells[column]));
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = vec![0; self.n_columns];
        let mut text = String::new();
        for Lines { n_lines, cell } in &self.parts {
            for line in 0..*n_lines {
                for (column, width) in widths.iter_mut().enumerate() {
                    text.clear();
                    cell(line, column, &mut text)?;
                    *width = text.chars().count().max(*width);
                }
            }
        }
        let mut aligned = String::new();
        for Lines { n_lines, cell } in &self.parts {
            for line in 0..*n_lines {
                aligned.clear();
                for (column, width) in widths.iter().enumerate() {
                    text.clear();
                    cell(line, column, &mut text)?;
                    if column == 0 {
                        write!(aligned, "{text:<width$}")?;
                    } else {
                        write!(aligned, "  {text:>width$}")?;
                    }
                }
                writeln!(formatter, "{}", aligned.trim_end())?;
            }
        }
        Ok(())
    }
}

/// A line for each number; of elements, where they are.
fn of_whole_array(answers: &[Answer]) -> Tables<'_> {
    let has_places =
        answers.iter().any(|answer| answer.part("row").or(answer.part("rows")).is_some());
    let head = if has_places { ["", "value", "row", "index"] } else { ["", "value", "", ""] };
    let mut table = Table::new(4);
    table.add_line(head.map(str::to_owned).to_vec());
    let mut matrices = Vec::new();
    for answer in answers {
        let part = |one: &str, many: &str| {
            answer.part(one).or(answer.part(many)).map(|part| Elements::of(&part.array))
        };
        let name = answer.name();
        let alone = &answer.parts[0].array;
        let elements = Elements::of(alone);
        let labelled = move |line: usize, column: usize, text: &mut String| match column {
            0 => write!(text, "{name} {}", answer.labels[line]),
            1 => elements.write(line, text),
            _ => Ok(()),
        };
        let n_labelled = answer.labels.len().min(elements.len());
        if let Some(values) = part("value", "values") {
            let columns = [Some(values), part("row", "rows"), part("index", "indices")];
            let n_lines = columns.iter().flatten().map(|part| part.len()).min().unwrap_or(0);
            table.add(n_lines, move |line, column, text| match column.checked_sub(1) {
                None if line == 0 => write!(text, "{}", answer.text),
                None => Ok(()),
                Some(column) => columns[column].map_or(Ok(()), |part| part.write(line, text)),
            });
        } else if answer.part("bins").is_some() {
            table.add(n_labelled, labelled);
            for part in &answer.parts[1..] {
                let elements = Elements::of(&part.array);
                table.add(1, move |_, column, text| match column {
                    0 => write!(text, "{name} {}", part.name),
                    1 => elements.write(0, text),
                    _ => Ok(()),
                });
            }
        } else if let [n_rows, n_columns] = *alone.shape() {
            let mut matrix = Table::new(n_columns);
            matrix.add(n_rows, move |row, column, text| {
                elements.write(row * n_columns + column, text)
            });
            matrices.push((Some(&answer.text[..]), matrix));
        } else if answer.labels.is_empty() {
            table.add(1, move |_, column, text| match column {
                0 => write!(text, "{}", answer.text),
                1 => elements.write(0, text),
                _ => Ok(()),
            });
        } else {
            table.add(n_labelled, labelled);
        }
    }
    let table = (table.parts.len() > 1).then_some((None, table));
    Tables(table.into_iter().chain(matrices).collect())
}

/// A line for each row or column of the array.
fn of_cells(axis: Axis, answers: &[Answer]) -> Table<'_> {
    let shape = answers[0].parts[0].array.shape();
    let cells = &shape[..shape.len() - usize::from(answers[0].has_entries())];
    let n_cells: usize = cells.iter().product();
    let mut head = vec![if axis == Axis::Rows { "row" } else { "column" }.to_owned()];
    // The numbers of each column: the first of them, and how far they are apart.
    let mut columns = Vec::new();
    for answer in answers {
        for part in &answer.parts {
            let elements = Elements::of(&part.array);
            let n_entries = elements.len().checked_div(n_cells).unwrap_or(0);
            for entry in 0..n_entries {
                let of = match (&answer.labels.get(entry), answer.has_entries()) {
                    (Some(label), _) => format!("{} {label}", answer.name()),
                    (None, true) => format!("{} {}", answer.name(), entry + 1),
                    (None, false) => answer.text.clone(),
                };
                head.push(if part.name == "indices" { format!("{of} at") } else { of });
                columns.push((elements, entry, n_entries));
            }
        }
    }
    let mut table = Table::new(head.len());
    table.add_line(head);
    table.add(n_cells, move |cell, column, text| match column.checked_sub(1) {
        None => write_index(cells, cell, text),
        Some(column) => {
            let (elements, first, n_entries) = columns[column];
            elements.write(first + cell * n_entries, text)
        }
    });
    table
}

/// Writes the index of a cell in C order, along each axis.
fn write_index(shape: &[usize], place: usize, text: &mut String) -> fmt::Result {
    let mut stride: usize = shape.iter().product();
    for (axis, size) in shape.iter().enumerate() {
        stride /= size;
        write!(text, "{}{}", if axis > 0 { "," } else { "" }, place / stride % size)?;
    }
    Ok(())
}

impl Answer {
    fn part(&self, name: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.name == name)
    }

    /// What is in front of its numbers.
    fn name(&self) -> &str {
        self.text.split(':').next().unwrap_or_default()
    }

    /// Whether there are several numbers for each row or column, along one more axis.
    fn has_entries(&self) -> bool {
        !self.labels.is_empty() || self.text.starts_with("top") || self.text.starts_with("bottom")
    }
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
