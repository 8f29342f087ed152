//! Text in aligned columns.

use std::fmt::{self, Write};

/// Lines with aligned columns: the first to the left, the others to the right.
pub(super) struct Table<'a> {
    n_columns: usize,
    groups: Vec<Lines<'a>>,
}

/// A function that writes the cell at a line and a column.
type WriteCell<'a> = Box<dyn Fn(usize, usize, &mut String) -> fmt::Result + 'a>;

/// Lines whose cells are written by the same function.
struct Lines<'a> {
    n_lines: usize,
    cell: WriteCell<'a>,
}

impl<'a> Table<'a> {
    pub(super) fn new(n_columns: usize) -> Table<'a> {
        Table { n_columns, groups: Vec::new() }
    }

    /// Adds lines whose cells a function writes.
    pub(super) fn add(
        &mut self,
        n_lines: usize,
        cell: impl Fn(usize, usize, &mut String) -> fmt::Result + 'a,
    ) {
        self.groups.push(Lines { n_lines, cell: Box::new(cell) });
    }

    /// Adds one line.
    pub(super) fn add_line(&mut self, cells: Vec<String>) {
        self.add(1, move |_, column, text| write!(text, "{}", cells[column]));
    }

    /// Returns how many times lines were added.
    pub(super) fn n_groups(&self) -> usize {
        self.groups.len()
    }
}

impl fmt::Display for Table<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut widths = vec![0; self.n_columns];
        let mut text = String::new();
        for Lines { n_lines, cell } in &self.groups {
            for line in 0..*n_lines {
                for (column, width) in widths.iter_mut().enumerate() {
                    text.clear();
                    cell(line, column, &mut text)?;
                    *width = text.chars().count().max(*width);
                }
            }
        }
        let mut aligned = String::new();
        for Lines { n_lines, cell } in &self.groups {
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
