//! The means of elements by pixel.

use std::ops::Range;

use lazy_chunks::{ArrayBlock, DynArrayView};
use ndarray::{Array2, Axis};

use crate::picture;

/// The sum and the number of the elements of each pixel.
pub(super) struct Pixels {
    rows: Range<usize>,
    columns: Range<usize>,
    sums: Array2<f64>,
    counts: Array2<u64>,
    /// True for each row and each column of pixels that has elements that were read.
    is_row_read: Vec<bool>,
    is_column_read: Vec<bool>,
}

impl Pixels {
    pub(super) fn new(rows: &Range<usize>, columns: &Range<usize>) -> Pixels {
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

    /// Adds a block, which has these rows and columns of the array, and `trailing` elements for
    /// each of them.
    pub(super) fn add(
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

    /// Returns the means. A row or a column of pixels that was not read repeats the nearest one
    /// before it, or the first one after it.
    pub(super) fn means(self) -> Array2<f64> {
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
        // The mean of rows 0 and 1. One element is NaN, so its pixel is the other element.
        assert_eq!(means.row(0).to_vec(), [1.5, 2.5, 2.0]);
        assert_eq!(means[[1, 0]], 7.5);
    }

    #[test]
    fn pixels_that_were_not_read_repeat_their_neighbours() {
        let mut pixels = Pixels::new(&(0..4), &(0..4));
        let block = ArrayBlock::from_vec([1, 2], vec![1.0, 2.0]).unwrap();
        pixels.add(&block, &(1..2), &(1..3), 1);
        let means = pixels.means();
        assert_eq!(means.row(3).to_vec(), [1.0, 1.0, 2.0, 2.0]);
        assert_eq!(means.row(0), means.row(3));
    }
}
