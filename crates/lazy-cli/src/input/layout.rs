//! How the elements of an array lie in a file, and how they come to lie as those of a block do.

use std::ops::Range;

use bytes::Bytes;
use lazy_chunks::{ArrayBlock, DType};
use ndarray::{ArrayView, Axis, IxDyn, Slice};

use super::InputError;

/// How the elements of an array lie in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) dtype: DType,
    pub(crate) shape: Vec<usize>,
    /// Whether the first index runs fastest.
    is_fortran: bool,
    /// Whether bytes come in the order that the machine has not.
    is_swapped: bool,
}

impl Layout {
    /// Of an array of one axis at least, whose bytes can be counted.
    pub(crate) fn new(
        name: &str,
        dtype: DType,
        shape: &[u64],
        is_fortran: bool,
        is_swapped: bool,
    ) -> Result<Layout, InputError> {
        if shape.is_empty() {
            return Err(InputError::NoAxes { name: name.to_owned() });
        }
        let too_large =
            || InputError::TooLarge { name: name.to_owned(), shape: shape.to_vec(), dtype };
        // Counted with a size of 0 as 1, so that no part of a shape is too large for numbers.
        let n_bytes =
            shape.iter().try_fold(dtype.size() as u64, |n, size| n.checked_mul(*size.max(&1)));
        if n_bytes.is_none_or(|n_bytes| n_bytes > isize::MAX as u64) {
            return Err(too_large());
        }
        let shape: Vec<_> = shape.iter().map(|&size| size as usize).collect();
        // An array of one axis is the same in both orders.
        let is_fortran = is_fortran && shape.len() > 1;
        Ok(Layout { dtype, shape, is_fortran, is_swapped })
    }

    /// The bytes of all elements.
    pub(crate) fn n_bytes(&self) -> usize {
        self.shape.iter().product::<usize>() * self.dtype.size()
    }

    /// The bytes of one row.
    pub(crate) fn row_bytes(&self) -> usize {
        self.shape[1..].iter().product::<usize>() * self.dtype.size()
    }

    /// The bytes that rows are made of.
    pub(crate) fn bytes_of(&self, rows: &Range<usize>) -> Range<usize> {
        if self.is_fortran {
            0..self.n_bytes()
        } else {
            rows.start * self.row_bytes()..rows.end * self.row_bytes()
        }
    }

    /// A block of rows, made of [their bytes](Self::bytes_of): without a copy where they lie as those of a block do.
    pub(crate) fn block(
        &self,
        name: &str,
        rows: Range<usize>,
        data: Bytes,
    ) -> Result<ArrayBlock, InputError> {
        let mut shape = self.shape.clone();
        shape[0] = rows.len();
        let data = match (self.is_fortran, self.dtype.size()) {
            (false, _) => data,
            (true, 1) => self.transposed::<1>(rows, &data),
            (true, 2) => self.transposed::<2>(rows, &data),
            (true, 4) => self.transposed::<4>(rows, &data),
            (true, 8) => self.transposed::<8>(rows, &data),
            (true, _) => self.transposed::<16>(rows, &data),
        };
        let data = if self.is_swapped { self.swapped(&data) } else { data };
        ArrayBlock::new(self.dtype, shape, data).map_err(|error| InputError::Corrupt {
            name: name.to_owned(),
            reason: error.to_string(),
        })
    }

    /// Rows in C order, of an array in Fortran's, whose elements have so many bytes.
    fn transposed<const SIZE: usize>(&self, rows: Range<usize>, data: &[u8]) -> Bytes {
        let (elements, _) = data.as_chunks::<SIZE>();
        let reversed: Vec<_> = self.shape.iter().rev().copied().collect();
        let array = ArrayView::from_shape(IxDyn(&reversed), elements)
            .expect("there are as many bytes as the shape asks for");
        let array = array.reversed_axes();
        let rows = array.slice_axis(Axis(0), Slice::from(rows));
        rows.iter().copied().collect::<Vec<_>>().into_flattened().into()
    }

    /// The same elements in the machine's byte order.
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

#[cfg(test)]
mod tests {
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
                // One byte off, so that they are not aligned.
                let mut bytes = vec![0];
                bytes.extend(elements.iter().flat_map(|x| swap(x).to_ne_bytes()));
                let bytes = Bytes::from(bytes).slice(1..);
                for rows in [0..3, 1..3, 2..2] {
                    let part = bytes.slice(layout.bytes_of(&rows));
                    let block = layout.block("", rows.clone(), part).unwrap();
                    let n = 8 * rows.start..8 * rows.end;
                    let expected = &expected.as_slice::<u32>().unwrap()[n];
                    assert_eq!(block.as_slice::<u32>().unwrap(), expected);
                }
            }
        }
    }

    #[test]
    fn the_parts_of_a_complex_number_are_swapped_one_by_one() {
        let layout = Layout::new("", DType::Complex64, &[1], false, true).unwrap();
        let parts = [1.5_f32, 2.5].map(|x| x.to_bits().swap_bytes().to_ne_bytes());
        let block = layout.block("", 0..1, parts.concat().into()).unwrap();
        assert_eq!(bytemuck::pod_collect_to_vec::<u8, f32>(block.data()), [1.5, 2.5]);
    }
}
