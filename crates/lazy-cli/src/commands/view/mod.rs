//! `lazy view`.

mod pixels;

use std::io::Write;
use std::ops::Range;

use lazy_chunks::zarr::StoredArray;
use ndarray::Array2;

use super::open;
use super::parts::{AT_ONCE, LEAST_PER_CHUNK, Parts, chosen};
use crate::failure::{Failure, Result};
use crate::input::{saturating_product, unit};
use crate::options::View;
use crate::output_file::{OutputFile, check_place};
use crate::picture::{self, HeatMap};
use crate::print;
use crate::progress::Display;
use crate::stop;
use pixels::Pixels;

pub(crate) fn run(options: &View) -> Result<()> {
    let path = &*options.output;
    let failed = |source| Failure::Write { path: path.to_owned(), source };
    check_place(path, options.replace)?;
    let stored = open(&options.path)?;
    let shape = stored.shape();
    let (rows, columns) = match chosen(&options.path, shape, &options.rows, &options.columns)? {
        (rows, Some(columns)) => (rows, columns),
        // A single axis runs from left to right.
        (elements, None) => (0..1, elements),
    };
    if rows.is_empty() || columns.is_empty() || shape[2.min(shape.len())..].contains(&0) {
        return Err(Failure::Usage("there are no elements to draw".to_owned()));
    }

    let display = Display::new(options.quiet);
    let (means, fraction) = means(&stored, &rows, &columns, &display)?;
    let mut subtitle = format!("{} {shape:?}", stored.dtype());
    if !(options.rows.is_all() && options.columns.is_all()) {
        subtitle.push_str(", [");
        if shape.len() > 1 {
            subtitle.push_str(&format!("{}:{}, ", rows.start, rows.end));
        }
        subtitle.push_str(&format!("{}:{}]", columns.start, columns.end));
    }
    let (height, width) = means.dim();
    if height < rows.len() || width < columns.len() {
        let per = |n: usize, pixels: usize| n.div_ceil(pixels);
        let (of_rows, of_columns) = (per(rows.len(), height), per(columns.len(), width));
        subtitle
            .push_str(&format!("; a pixel is the mean of up to {of_rows} × {of_columns} elements"));
    }
    if fraction < 1.0 {
        subtitle.push_str(&format!("; {:.1} % of the elements were read", 100.0 * fraction));
    }
    let title = options.path.to_string();
    let names = stored.dimension_names().unwrap_or_default();
    let name = |axis: usize, default: &str| {
        names.get(axis).cloned().flatten().unwrap_or_else(|| default.to_owned())
    };
    let (y_name, x_name) = match shape.len() {
        1 => (String::new(), name(0, "index")),
        _ => (name(0, "row"), name(1, "column")),
    };
    let heat_map = HeatMap { title, subtitle, means, rows, columns, y_name, x_name };
    let picture = picture::draw(&heat_map).map_err(Failure::Picture)?;
    let mut file = OutputFile::create(path, options.replace)?;
    file.as_file_mut().write_all(&picture).map_err(failed)?;
    file.publish()?;
    if !options.quiet {
        print::note(format_args!("drew {}: {}", path.display(), heat_map.subtitle));
    }
    Ok(())
}

/// Returns the mean of the elements of each pixel, and the fraction of elements that was read. A
/// pixel without numbers is NaN.
fn means(
    stored: &StoredArray,
    rows: &Range<usize>,
    columns: &Range<usize>,
    display: &Display,
) -> Result<(Array2<f64>, f64)> {
    let shape = stored.shape();
    // A product that saturates exceeds memory, which the library reports for the first region.
    let trailing = saturating_product(&shape[2.min(shape.len())..]);
    let unit = unit(stored, AT_ONCE);
    let (unit_rows, unit_columns) =
        if shape.len() == 1 { (1, unit[0]) } else { (unit[0], unit[1]) };
    let element_bytes = trailing.saturating_mul(stored.dtype().size());
    // Whole chunks, up to this number of bytes.
    let n_units = |unit_bytes: usize| (AT_ONCE / unit_bytes.max(1)).max(1);
    // Small chunks count as larger ones.
    let unit_elements = unit_rows.saturating_mul(unit_columns).max(1);
    let element_bytes = element_bytes.max(LEAST_PER_CHUNK.div_ceil(unit_elements));
    let row_bytes = columns.len().saturating_mul(element_bytes);
    let width = if unit_rows.saturating_mul(row_bytes) <= AT_ONCE {
        columns.len()
    } else {
        let unit_bytes = unit_rows.saturating_mul(unit_columns).saturating_mul(element_bytes);
        unit_columns.saturating_mul(n_units(unit_bytes))
    };
    let height = unit_rows.saturating_mul(n_units(unit_rows.saturating_mul(row_bytes)));

    let bands = Parts { range: rows.clone(), at_once: height };
    let parts = Parts { range: columns.clone(), at_once: width };
    // Bands are left out first. If there are few bands, parts of all bands are left out as well.
    let bands = bands.spread(row_bytes.max(1));
    let n_rows_read: usize = bands.iter().map(Range::len).sum();
    let parts = parts.spread(n_rows_read.saturating_mul(element_bytes).max(1));
    let n_columns_read: usize = parts.iter().map(Range::len).sum();

    let mut pixels = Pixels::new(rows, columns);
    let bar = display.of_steps(n_rows_read as u64, "rows");
    for band in &bands {
        for part in &parts {
            if stop::is_asked_for() {
                display.clear();
                return Err(Failure::Stopped("stopped; nothing was drawn".to_owned()));
            }
            let mut region: Vec<_> = shape.iter().map(|&size| 0..size).collect();
            if shape.len() > 1 {
                region[0] = band.clone();
                region[1] = part.clone();
            } else {
                region[0] = part.clone();
            }
            pixels.add(&stored.read_region(&region)?, band, part, trailing);
        }
        bar.inc(band.len() as u64);
    }
    display.clear();
    let share = |n_read: usize, all: &Range<usize>| n_read as f64 / all.len() as f64;
    Ok((pixels.means(), share(n_rows_read, rows) * share(n_columns_read, columns)))
}
