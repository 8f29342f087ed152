use lazy_core::{DType, Location};
use ndarray::{ArrayD, Slice};
use proptest::prelude::*;

use super::*;

/// An array of `u16` whose elements are their own flat index, and how it is cut.
#[derive(Clone, Debug)]
struct Cutting {
    rows: Vec<usize>,
    columns: Option<Vec<usize>>,
    trailing: Vec<usize>,
    chunk_shape: Vec<usize>,
    width_is_declared: bool,
}

const FILL: u16 = 0xabcd;

fn cuttings() -> impl Strategy<Value = Cutting> {
    let sizes = || prop::collection::vec(0..6usize, 1..6);
    let trailing = prop::collection::vec(1..4usize, 0..2);
    let chunk_shape = prop::collection::vec(1..8usize, 3);
    (sizes(), prop::option::of(sizes()), trailing, chunk_shape, any::<bool>()).prop_map(
        |(rows, columns, trailing, mut chunk_shape, width_is_declared)| {
            chunk_shape.truncate(1 + usize::from(columns.is_some()) + trailing.len());
            Cutting { rows, columns, trailing, chunk_shape, width_is_declared }
        },
    )
}

impl Cutting {
    fn array(&self) -> ArrayD<u16> {
        let mut shape = vec![self.rows.iter().sum()];
        shape.extend(self.columns.as_ref().map(|columns| columns.iter().sum::<usize>()));
        shape.extend(&self.trailing);
        let n_elements = shape.iter().product::<usize>();
        ArrayD::from_shape_vec(shape, (0..n_elements as u16).collect()).unwrap()
    }

    /// The chunks that are emitted, and the most that were open after any block.
    fn assembled(&self) -> (Vec<Chunk>, usize) {
        let array = self.array();
        let width = self.columns.as_ref().map(|columns| columns.iter().sum::<usize>());
        let mut row_shape: Vec<_> = array.shape()[1..].iter().copied().map(Some).collect();
        if width.is_some() && !self.width_is_declared {
            row_shape[0] = None;
        }
        let chunk_shape = self.chunk_shape.clone();
        let mut assembler = Assembler::new(chunk_shape, row_shape, FillElement::new(FILL));
        let mut chunks = Vec::new();
        let mut most_open = 0;
        let mut emit = |chunk| {
            chunks.push(chunk);
            Ok(())
        };
        let mut row = 0;
        for (i, &n_rows) in self.rows.iter().enumerate() {
            let mut column = 0;
            let sizes = self.columns.clone().unwrap_or_else(|| vec![0]);
            for (j, &n_columns) in sizes.iter().enumerate() {
                let mut block = array.view();
                block.slice_axis_inplace(ndarray::Axis(0), Slice::from(row..row + n_rows));
                if width.is_some() {
                    let columns = Slice::from(column..column + n_columns);
                    block.slice_axis_inplace(ndarray::Axis(1), columns);
                }
                let at = BlockPosition { location: Location::NestedBlock(i, j), row, column };
                let block = ArrayBlock::from_array(block.to_owned());
                assembler.push(at, &block, &mut emit).unwrap();
                most_open = most_open.max(assembler.open.len());
                column += n_columns;
            }
            if let Some(width) = width {
                assembler.set_width(width, &mut emit).unwrap();
            }
            row += n_rows;
        }
        assembler.finish(row, &mut emit).unwrap();
        assert!(assembler.open.is_empty());
        (chunks, most_open)
    }
}

/// The elements of a chunk, cut out of the array by ndarray and padded.
fn expected_chunk(array: &ArrayD<u16>, chunk_shape: &[usize], index: &[usize]) -> Vec<u16> {
    let mut expected = ArrayD::from_elem(chunk_shape, FILL);
    let range = |axis: usize| {
        let start = index[axis] * chunk_shape[axis];
        start..array.shape()[axis].min(start + chunk_shape[axis])
    };
    let valid = array.slice_each_axis(|axis| Slice::from(range(axis.axis.index())));
    expected
        .slice_each_axis_mut(|axis| Slice::from(..range(axis.axis.index()).len()))
        .assign(&valid);
    expected.into_raw_vec_and_offset().0
}

proptest! {
    #[test]
    fn every_chunk_is_emitted_once_and_whole(cutting in cuttings()) {
        let array = cutting.array();
        let (mut chunks, most_open) = cutting.assembled();
        chunks.sort_by(|a, b| a.index.cmp(&b.index));

        let grid: Vec<_> = array
            .shape()
            .iter()
            .zip(&cutting.chunk_shape)
            .map(|(size, chunk_size)| size.div_ceil(*chunk_size))
            .collect();
        let indices: Vec<_> = ndarray::indices(grid.clone())
            .into_iter()
            .map(|index| ndarray::Dimension::slice(&index).to_vec())
            .collect();
        let emitted: Vec<_> = chunks.iter().map(|chunk| chunk.index.clone()).collect();
        prop_assert_eq!(emitted, indices);
        for chunk in chunks {
            let shape = cutting.chunk_shape.clone();
            let block = ArrayBlock::new(DType::UInt16, shape, chunk.data).unwrap();
            prop_assert_eq!(
                block.as_slice::<u16>().unwrap(),
                expected_chunk(&array, &cutting.chunk_shape, &chunk.index)
            );
        }

        // What the memory bound counts on.
        let chunks_per_row: usize = grid[1..].iter().product();
        let highest = cutting.rows.iter().max().unwrap().div_ceil(cutting.chunk_shape[0]);
        let per_column = grid.get(2..).map_or(1, |grid| grid.iter().product::<usize>());
        prop_assert!(most_open <= chunks_per_row + (highest + 1) * per_column);
    }
}
