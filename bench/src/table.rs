//! Tables in Markdown with aligned columns.

use std::fmt;

pub(crate) struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(crate) fn new<S: Into<String>>(header: impl IntoIterator<Item = S>) -> Table {
        Table { header: header.into_iter().map(Into::into).collect(), rows: Vec::new() }
    }

    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = || std::iter::once(&self.header).chain(&self.rows);
        let width =
            |column: usize| all().map(|row| row[column].chars().count()).max().unwrap_or_default();
        let widths: Vec<_> = (0..self.header.len()).map(width).collect();
        let mut line = |cells: &[String]| {
            let padded = cells.iter().zip(&widths).map(|(cell, &width)| format!(" {cell:width$} "));
            writeln!(formatter, "|{}|", padded.collect::<Vec<_>>().join("|"))
        };
        line(&self.header)?;
        line(&widths.iter().map(|&width| "-".repeat(width)).collect::<Vec<_>>())?;
        self.rows.iter().try_for_each(|row| line(row))
    }
}
