//! `lazy view`.

use std::io::Write;
use std::ops::Range;

use lazy_chunks::zarr::StoredArray;
use lazy_chunks::{ArrayBlock, DynArrayView};
use ndarray::{Array2, Axis};

use crate::arguments::View;
use crate::failure::{Failure, Result};
use crate::input::unit;
use crate::output_file::{OutputFile, check_place};
use crate::picture::{self, HeatMap};
use crate::print;
use crate::progress::Display;
use crate::stop;

/// What is read of an array at most: of larger ones, some of the chunks.
const MOST_BYTES: u64 = 4 << 30;

/// A chunk of fewer bytes counts as one of as many.
const LEAST_PER_CHUNK: usize = 4 << 10;

/// How much is read at a time, where chunks are not larger.
const AT_ONCE: usize = 32 << 20;

pub(crate) fn run(arguments: &View) -> Result<()> {
    let path = &*arguments.output;
    let failed = |source| Failure::Write { path: path.to_owned(), source };
    check_place(path, arguments.replace)?;
    let stored = StoredArray::open(&*arguments.path)?;
    let shape = stored.shape();
    let (n_rows, n_columns) = match shape {
        [] => return Err(Failure::Usage(format!("{} has no axes", arguments.path.display()))),
        // One axis runs from left to right.
        [n_columns] => (1, *n_columns),
        [n_rows, n_columns, ..] => (*n_rows, *n_columns),
    };
    let rows = arguments.rows.along("rows", n_rows).map_err(Failure::Usage)?;
    let columns = arguments.cols.along("columns", n_columns).map_err(Failure::Usage)?;
    if rows.is_empty() || columns.is_empty() || shape[2.min(shape.len())..].contains(&0) {
        return Err(Failure::Usage("there are no elements to draw".to_owned()));
    }

    let display = Display::new(arguments.quiet);
    let (means, fraction) = means(&stored, &rows, &columns, &display)?;
    let mut subtitle = format!("{} {shape:?}", stored.dtype());
    if !(arguments.rows.is_all() && arguments.cols.is_all()) {
        subtitle.push_str(&format!(
            ", [{}:{}, {}:{}]",
            rows.start, rows.end, columns.start, columns.end
        ));
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
    let title = arguments.path.display().to_string();
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
    let mut file = OutputFile::create(path, arguments.replace)?;
    file.as_file_mut().write_all(&picture).map_err(failed)?;
    file.publish()?;
    if !arguments.quiet {
        print::note(format_args!("drew {}: {}", path.display(), heat_map.subtitle));
    }
    Ok(())
}

/// The mean of the elements of each pixel, and how much of them was read. Pixels of which no number was read are NaN.
fn means(
    stored: &StoredArray,
    rows: &Range<usize>,
    columns: &Range<usize>,
    display: &Display,
) -> Result<(Array2<f64>, f64)> {
    let shape = stored.shape();
    // What saturates is more than memory holds, as the library says of the first region.
    let behind = shape[2.min(shape.len())..].iter();
    let trailing = behind.fold(1, |n: usize, &size| n.saturating_mul(size));
    let unit = unit(stored, AT_ONCE);
    let (unit_rows, unit_columns) =
        if shape.len() == 1 { (1, unit[0]) } else { (unit[0], unit[1]) };
    let element_bytes = trailing.saturating_mul(stored.dtype().size());
    // Whole chunks, as many as make so many bytes.
    let n_units = |unit_bytes: usize| (AT_ONCE / unit_bytes.max(1)).max(1);
    // A chunk takes its time to be looked for, however small it is.
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
    // Bands are left out first; where there are few of them, parts of all bands as well.
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

/// A range that is cut at the multiples of a number.
struct Parts {
    range: Range<usize>,
    at_once: usize,
}

impl Parts {
    fn len(&self) -> usize {
        self.range.end.div_ceil(self.at_once) - self.range.start / self.at_once
    }

    fn part(&self, i: usize) -> Range<usize> {
        let start = (self.range.start / self.at_once + i).saturating_mul(self.at_once);
        start.max(self.range.start)..start.saturating_add(self.at_once).min(self.range.end)
    }

    /// The parts that are read, where an index is of so many bytes: all, or spread evenly over them as many as may
    /// be.
    fn spread(&self, bytes_each: usize) -> Vec<Range<usize>> {
        let total = self.range.len() as f64 * bytes_each as f64;
        let share = (MOST_BYTES as f64 / total).min(1.0);
        let n_read = ((self.len() as f64 * share) as usize).clamp(1, self.len());
        let place = |i: usize| (2 * i as u128 + 1) * self.len() as u128 / (2 * n_read as u128);
        (0..n_read).map(|i| self.part(place(i) as usize)).collect()
    }
}

/// Sums and numbers of elements, by the pixels that they belong to.
struct Pixels {
    rows: Range<usize>,
    columns: Range<usize>,
    sums: Array2<f64>,
    counts: Array2<u64>,
    /// Of which rows and columns of pixels something was read.
    is_row_read: Vec<bool>,
    is_column_read: Vec<bool>,
}

impl Pixels {
    fn new(rows: &Range<usize>, columns: &Range<usize>) -> Pixels {
        let dim = picture::size(rows.len(), columns.len());
        Pixels {
            rows: rows.clone(),
            columns: columns.clone(),
            sums: Array2::zeros(dim),
            counts: Array2::zeros(dim),
            is_row_read: vec![false; dim.0],
            is_column_read: vec![false; dim.1],
        }
    }

    /// Adds a block, which has these rows and columns of the array.
    fn add(
        &mut self,
        block: &ArrayBlock,
        rows: &Range<usize>,
        columns: &Range<usize>,
        trailing: usize,
    ) {
        let (height, width) = self.sums.dim();
        let pixel = |i: usize, range: &Range<usize>, n_pixels: usize| {
            ((i - range.start) as u128 * n_pixels as u128 / range.len() as u128) as usize
        };
        let x_pixels: Vec<_> = columns.clone().map(|i| pixel(i, &self.columns, width)).collect();
        let y_pixels: Vec<_> = rows.clone().map(|i| pixel(i, &self.rows, height)).collect();
        y_pixels.iter().for_each(|&y| self.is_row_read[y] = true);
        x_pixels.iter().for_each(|&x| self.is_column_read[x] = true);
        let (mut row, mut column, mut rest) = (0, 0, 0);
        let mut add = |value: f64| {
            if value.is_finite() {
                let pixel = [y_pixels[row], x_pixels[column]];
                self.sums[pixel] += value;
                self.counts[pixel] += 1;
            }
            rest += 1;
            if rest == trailing {
                (rest, column) = (0, column + 1);
            }
            if column == x_pixels.len() {
                (column, row) = (0, row + 1);
            }
        };
        match block.view() {
            DynArrayView::Complex64(view) => view.iter().for_each(|z| add(f64::from(z.norm()))),
            DynArrayView::Complex128(view) => view.iter().for_each(|z| add(z.norm())),
            _ => block.for_each_f64(add).expect("the elements are real"),
        }
    }

    /// The means; where nothing was read of a row or a column of pixels, those of the nearest one before it, or else
    /// behind.
    fn means(self) -> Array2<f64> {
        let mut means = self.sums;
        means.zip_mut_with(&self.counts, |sum, &count| *sum /= count as f64);
        for (axis, is_read) in [(Axis(0), self.is_row_read), (Axis(1), self.is_column_read)] {
            let mut nearest = is_read.iter().position(|is_read| *is_read).unwrap_or(0);
            for (i, is_read) in is_read.into_iter().enumerate() {
                if is_read {
                    nearest = i;
                } else {
                    let before = means.index_axis(axis, nearest).to_owned();
                    means.index_axis_mut(axis, i).assign(&before);
                }
            }
        }
        means
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_is_the_mean_of_its_elements() {
        let (rows, columns) = (0..1280, 10..13);
        let mut pixels = Pixels::new(&rows, &columns);
        let element = |i: usize| if i == 5 { f64::NAN } else { i as f64 };
        let elements = (0..rows.len() * columns.len()).map(element).collect();
        let block = ArrayBlock::from_vec([rows.len(), columns.len()], elements).unwrap();
        pixels.add(&block, &rows, &columns, 1);
        let means = pixels.means();
        assert_eq!(means.dim(), (640, 3));
        // The mean of rows 0 and 1; where one of them is NaN, of the other.
        assert_eq!(means.row(0).to_vec(), [1.5, 2.5, 2.0]);
        assert_eq!(means[[1, 0]], 7.5);
    }

    #[test]
    fn parts_end_at_multiples() {
        let parts = |range: Range<usize>, at_once| {
            let parts = Parts { range, at_once };
            (0..parts.len()).map(|i| parts.part(i)).collect::<Vec<_>>()
        };
        assert_eq!(parts(3..17, 5), [3..5, 5..10, 10..15, 15..17]);
        assert_eq!(parts(3..4, usize::MAX), std::slice::from_ref(&(3..4)));
        assert_eq!(parts(5..10, 5), std::slice::from_ref(&(5..10)));
    }

    #[test]
    fn what_is_too_much_is_read_in_parts() {
        let bands = Parts { range: 0..1000, at_once: 10 };
        assert_eq!(bands.spread(1).len(), 100);
        let read = bands.spread(MOST_BYTES as usize / 250);
        assert_eq!(read.len(), 25);
        assert_eq!((read[0].clone(), read[24].clone()), (20..30, 980..990));
        assert_eq!(bands.spread(usize::MAX).len(), 1);
    }

    #[test]
    fn pixels_of_which_nothing_was_read_look_as_those_beside_them() {
        let mut pixels = Pixels::new(&(0..4), &(0..4));
        let block = ArrayBlock::from_vec([1, 2], vec![1.0, 2.0]).unwrap();
        pixels.add(&block, &(1..2), &(1..3), 1);
        let means = pixels.means();
        assert_eq!(means.row(3).to_vec(), [1.0, 1.0, 2.0, 2.0]);
        assert_eq!(means.row(0), means.row(3));
    }
}
