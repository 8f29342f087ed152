//! The order of an array's elements in a file, and their conversion to the order of a block.

use std::ops::Range;

use bytes::Bytes;
use lazy_chunks::{ArrayBlock, BlockBuffer, BlockPool, DType};
use ndarray::{ArrayView, IxDyn};

use super::InputError;

/// The dtype and shape of an array in a file, and the order of its elements.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    /// True if the first index runs fastest.
    is_fortran: bool,
    /// True if the byte order is not the machine's.
    is_swapped: bool,
}

impl Layout {
    /// Makes a layout, after a check that the number of bytes does not overflow.
    pub(crate) fn new(
        name: &str,
        dtype: DType,
        shape: &[u64],
        is_fortran: bool,
        is_swapped: bool,
    ) -> Result<Layout, InputError> {
        let too_large =
            || InputError::TooLarge { name: name.to_owned(), shape: shape.to_vec(), dtype };
        // A size of 0 counts as 1, so that no product of some of the sizes overflows.
        let n_bytes =
            shape.iter().try_fold(dtype.size() as u64, |n, size| n.checked_mul(*size.max(&1)));
        if n_bytes.is_none_or(|n_bytes| n_bytes > isize::MAX as u64) {
            return Err(too_large());
        }
        let shape: Vec<_> = shape.iter().map(|&size| size as usize).collect();
        // Both orders are the same for an array of one axis.
        let is_fortran = is_fortran && shape.len() > 1;
        Ok(Layout { dtype, shape, is_fortran, is_swapped })
    }

    /// Returns the layout that blocks are cut from: the array, which must have an axis, or with
    /// `stack` the row that it becomes.
    pub(crate) fn of_blocks(mut self, name: &str, stack: bool) -> Result<Layout, InputError> {
        if stack {
            // Both orders are the same for one row.
            self.shape.insert(0, 1);
        } else if self.shape.is_empty() {
            return Err(InputError::NoAxes { name: name.to_owned() });
        }
        Ok(self)
    }

    /// Returns the bytes of all elements.
    pub(crate) fn n_bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }

    /// Returns the bytes of one row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.shape[1..].iter().product::<usize>() * self.dtype.size()
    }

    /// Returns the bytes of one column of one row, which is one element if there is one axis.
    pub(crate) fn column_bytes(&self) -> usize {
        self.n_trailing() * self.dtype.size()
    }

    /// Returns true if rows are stored one after the other.
    pub(crate) fn is_row_after_row(&self) -> bool {
        !self.is_fortran
    }

    /// Returns the number of elements of one column of one row.
    fn n_trailing(&self) -> usize {
        self.shape.iter().skip(2).product()
    }

    /// Returns the positions of the bytes of rows, or of some of their columns.
    pub(crate) fn runs(&self, rows: &Range<usize>, columns: Option<&Range<usize>>) -> Runs {
        let size = self.dtype.size();
        let (n_rows, n_columns) = (self.shape[0], self.shape.get(1).copied().unwrap_or(1));
        let columns = columns.cloned().unwrap_or(0..n_columns);
        let all_columns = columns.len() == n_columns;
        if !self.is_fortran {
            let (row, column) = (self.row_bytes(), self.column_bytes());
            let start = rows.start * row + columns.start * column;
            return if all_columns {
                Runs::one(start, rows.len() * row)
            } else {
                Runs::new(start, columns.len() * column, row, rows.len())
            };
        }
        // The row runs fastest, then the column, then later axes.
        let (column, trailing) = (n_rows * size, n_rows * n_columns * size);
        let start = (columns.start * n_rows + rows.start) * size;
        match (rows.len() == n_rows, all_columns) {
            (true, true) => Runs::one(start, self.n_bytes()),
            (true, false) => Runs::new(start, columns.len() * column, trailing, self.n_trailing()),
            (false, true) => {
                Runs::new(start, rows.len() * size, column, n_columns * self.n_trailing())
            }
            (false, false) => Runs {
                start,
                length: rows.len() * size,
                stride: column,
                n_runs: columns.len(),
                outer_stride: trailing,
                n_outer: self.n_trailing(),
            },
        }
    }

    /// Takes memory for a part of the elements out of a pool.
    pub(crate) fn buffer(
        &self,
        name: &str,
        n_bytes: usize,
        pool: &BlockPool<u8>,
    ) -> Result<BlockBuffer<u8>, InputError> {
        let too_large = || InputError::TooLarge {
            name: name.to_owned(),
            shape: self.shape.iter().map(|&size| size as u64).collect(),
            dtype: self.dtype,
        };
        // The size is untrusted, so the memory is first requested in a way that can fail.
        Vec::<u8>::new().try_reserve_exact(n_bytes).map_err(|_| too_large())?;
        pool.buffer([n_bytes]).map_err(|_| too_large())
    }

    /// Makes a block of the bytes of rows, or of some of their columns, [run](Self::runs) after
    /// run. They are not copied if they have the order and the byte order of a block.
    pub(crate) fn block(
        &self,
        name: &str,
        rows: Range<usize>,
        columns: Option<Range<usize>>,
        data: Bytes,
    ) -> Result<ArrayBlock, InputError> {
        let mut shape = self.shape.clone();
        shape[0] = rows.len();
        if let Some(columns) = columns {
            shape[1] = columns.len();
        }
        let data = match (self.is_fortran, self.dtype.size()) {
            (false, _) => data,
            (true, 1) => transposed::<1>(&shape, &data),
            (true, 2) => transposed::<2>(&shape, &data),
            (true, 4) => transposed::<4>(&shape, &data),
            (true, 8) => transposed::<8>(&shape, &data),
            (true, _) => transposed::<16>(&shape, &data),
        };
        let data = if self.is_swapped { self.swapped(&data) } else { data };
        ArrayBlock::new(self.dtype, shape, data).map_err(|error| InputError::Corrupt {
            name: name.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Returns the elements in the machine's byte order.
    fn swapped(&self, data: &[u8]) -> Bytes {
        // A complex number is two of half its size.
        let size = match self.dtype {
            DType::Complex64 => 4,
            DType::Complex128 => 8,
            dtype => dtype.size(),
        };
        let mut swapped = data.to_vec();
        match size {
            2 => swapped.as_chunks_mut::<2>().0.iter_mut().for_each(|bytes| bytes.reverse()),
            4 => swapped.as_chunks_mut::<4>().0.iter_mut().for_each(|bytes| bytes.reverse()),
            _ => swapped.as_chunks_mut::<8>().0.iter_mut().for_each(|bytes| bytes.reverse()),
        }
        swapped.into()
    }
}

/// Reorders elements of `SIZE` bytes from Fortran order to C order.
fn transposed<const SIZE: usize>(shape: &[usize], data: &[u8]) -> Bytes {
    let (elements, _) = data.as_chunks::<SIZE>();
    let reversed: Vec<_> = shape.iter().rev().copied().collect();
    let array = ArrayView::from_shape(IxDyn(&reversed), elements)
        .expect("the data has the size of the shape");
    array.reversed_axes().iter().copied().collect::<Vec<_>>().into_flattened().into()
}

/// Runs of bytes of equal length: `n_runs` of them at equal distances, and all of these `n_outer`
/// times at equal distances.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Runs {
    pub(crate) start: usize,
    pub(crate) length: usize,
    /// The distance from the start of one run to the start of the next.
    pub(crate) stride: usize,
    pub(crate) n_runs: usize,
    /// The distance from one repetition of the runs to the next.
    pub(crate) outer_stride: usize,
    pub(crate) n_outer: usize,
}

impl Runs {
    fn one(start: usize, length: usize) -> Runs {
        Runs::new(start, length, length, 1)
    }

    fn new(start: usize, length: usize, stride: usize, n_runs: usize) -> Runs {
        Runs { start, length, stride, n_runs, outer_stride: 0, n_outer: 1 }
    }

    /// Returns the bytes of all runs.
    pub(crate) fn n_bytes(&self) -> usize {
        self.n_outer * self.n_runs * self.length
    }
}

#[cfg(test)]
mod tests {
    use ndarray::s;

    use super::*;

    #[test]
    fn all_orders_give_the_same_block() {
        let shape = [3, 4, 2];
        let elements: Vec<u32> = (0..24).collect();
        let expected = ArrayBlock::from_vec(shape, elements.clone()).unwrap();
        let in_c = ndarray::Array::from_shape_vec(shape, elements).unwrap();
        let in_fortran: Vec<u32> = in_c.t().iter().copied().collect();
        for is_fortran in [false, true] {
            for is_swapped in [false, true] {
                let layout =
                    Layout::new("", DType::UInt32, &[3, 4, 2], is_fortran, is_swapped).unwrap();
                let elements = if is_fortran { &in_fortran } else { expected.as_slice().unwrap() };
                let swap = |x: &u32| if is_swapped { x.swap_bytes() } else { *x };
                // Shifted by one byte, so that elements are not aligned.
                let mut bytes = vec![0];
                bytes.extend(elements.iter().flat_map(|x| swap(x).to_ne_bytes()));
                for (rows, columns) in [
                    (0..3, None),
                    (1..3, None),
                    (2..2, None),
                    (0..3, Some(1..3)),
                    (1..3, Some(1..4)),
                    (1..2, Some(0..4)),
                    (0..1, Some(2..2)),
                ] {
                    let runs = layout.runs(&rows, columns.as_ref());
                    let starts = (0..runs.n_outer).flat_map(|outer| {
                        let start = 1 + runs.start + outer * runs.outer_stride;
                        (0..runs.n_runs).map(move |i| start + i * runs.stride)
                    });
                    let part: Vec<_> =
                        starts.flat_map(|start| &bytes[start..][..runs.length]).copied().collect();
                    assert_eq!(part.len(), runs.n_bytes());
                    let part = Bytes::from([&[0], &part[..]].concat()).slice(1..);
                    let block = layout.block("", rows.clone(), columns.clone(), part).unwrap();
                    let columns = columns.unwrap_or(0..4);
                    let expected = in_c.slice(s![rows, columns, ..]);
                    assert_eq!(
                        block.as_array::<u32, ndarray::IxDyn>().unwrap(),
                        expected.into_dyn()
                    );
                }
            }
        }
    }

    #[test]
    fn the_parts_of_a_complex_number_are_swapped_one_by_one() {
        let layout = Layout::new("", DType::Complex64, &[1], false, true).unwrap();
        let parts = [1.5_f32, 2.5].map(|x| x.to_bits().swap_bytes().to_ne_bytes());
        let block = layout.block("", 0..1, None, parts.concat().into()).unwrap();
        assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(block.data()), [1.5, 2.5]);
    }
}
