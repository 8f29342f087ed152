//! Answers as tables, for people.

use std::fmt::{self, Write};

use super::elements::Elements;
use super::table::Table;
use crate::statistics::{Answer, Axis};

/// Returns answers as tables. Each cell is formatted twice, so that none is kept in memory.
pub(crate) fn to_tables(answers: &[Answer]) -> Tables<'_> {
    match answers.first() {
        None => Tables(Vec::new()),
        Some(Answer { axis: Axis::All, .. }) => of_whole_array(answers),
        Some(answer) => Tables(vec![(None, of_cells(answer.axis, answers))]),
    }
}

/// Tables below one another, each with an optional title.
pub(crate) struct Tables<'a>(Vec<(Option<&'a str>, Table<'a>)>);

impl fmt::Display for Tables<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (title, table) in &self.0 {
            if let Some(title) = title {
                writeln!(formatter, "{title}")?;
            }
            table.fmt(formatter)?;
        }
        Ok(())
    }
}

/// Makes a table with a line for each number, and the positions of elements. Matrices are tables of
/// their own.
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
    let table = (table.n_groups() > 1).then_some((None, table));
    Tables(table.into_iter().chain(matrices).collect())
}

/// Makes a table with a line for each row or column of the array.
fn of_cells(axis: Axis, answers: &[Answer]) -> Table<'_> {
    let shape = answers[0].parts[0].array.shape();
    let cells = &shape[..shape.len() - usize::from(answers[0].has_entries())];
    let n_cells: usize = cells.iter().product();
    let mut head = vec![if axis == Axis::Rows { "row" } else { "column" }.to_owned()];
    // For each column of the table: the elements, the index of the first, and the step to the next.
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

/// Writes the index along each axis of a cell, given its position in C order.
fn write_index(shape: &[usize], place: usize, text: &mut String) -> fmt::Result {
    let mut stride: usize = shape.iter().product();
    for (axis, size) in shape.iter().enumerate() {
        stride /= size;
        write!(text, "{}{}", if axis > 0 { "," } else { "" }, place / stride % size)?;
    }
    Ok(())
}
