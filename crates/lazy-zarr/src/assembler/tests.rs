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
    /// The chunks along each axis of a shard; one each where there are no shards.
    chunks_along: Vec<usize>,
    width_is_declared: bool,
}

const FILL: u16 = 0xabcd;

fn cuttings() -> impl Strategy<Value = Cutting> {
    let sizes = || prop::collection::vec(0..6usize, 1..6);
    let trailing = prop::collection::vec(1..4usize, 0..2);
    // A chunk's size along an axis, and how many of them a shard has.
    let unit = prop::collection::vec((1..8usize, 1..4usize), 3);
    (sizes(), prop::option::of(sizes()), trailing, unit, any::<bool>(), any::<bool>()).prop_map(
        |(rows, columns, trailing, mut unit, is_sharded, width_is_declared)| {
            unit.truncate(1 + usize::from(columns.is_some()) + trailing.len());
            let (chunk_shape, mut chunks_along): (Vec<_>, Vec<_>) = unit.into_iter().unzip();
            if !is_sharded {
                chunks_along.fill(1);
            }
            Cutting { rows, columns, trailing, chunk_shape, chunks_along, width_is_declared }
        },
    )
}

impl Cutting {
    fn unit_shape(&self) -> Vec<usize> {
        self.chunk_shape.iter().zip(&self.chunks_along).map(|(size, n)| size * n).collect()
    }

    fn array(&self) -> ArrayD<u16> {
        let mut shape = vec![self.rows.iter().sum()];
        shape.extend(self.columns.as_ref().map(|columns| columns.iter().sum::<usize>()));
        shape.extend(&self.trailing);
        let n_elements = shape.iter().product::<usize>();
        ArrayD::from_shape_vec(shape, (0..n_elements as u16).collect()).unwrap()
    }

    /// The units that are emitted, and the most that were open after any block.
    fn assembled(&self) -> (Vec<Unit>, usize) {
        let array = self.array();
        let width = self.columns.as_ref().map(|columns| columns.iter().sum::<usize>());
        let mut row_shape: Vec<_> = array.shape()[1..].iter().copied().map(Some).collect();
        if width.is_some() && !self.width_is_declared {
            row_shape[0] = None;
        }
        let layout =
            Layout { chunk_shape: self.chunk_shape.clone(), shard_shape: Some(self.unit_shape()) };
        let mut assembler = Assembler::new(&layout, row_shape, FillElement::new(FILL));
        let mut most_open = 0;
        let mut output = Collected { units: Vec::new(), late: Vec::new() };
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
                assembler.push(at, &block, &mut output).unwrap();
                most_open = most_open.max(assembler.open.len());
                column += n_columns;
            }
            if let Some(width) = width {
                assembler.set_width(width, &mut output).unwrap();
            }
            row += n_rows;
        }
        assembler.finish(row, &mut output).unwrap();
        assert!(assembler.open.is_empty());
        output.copy_late();
        (output.units, most_open)
    }
}

/// The units; tasks are done when they come or, every other one, in the end.
struct Collected {
    units: Vec<Unit>,
    late: Vec<Task>,
}

impl Collected {
    fn copy_late(&mut self) {
        // In another order than they came in.
        self.units.extend(self.late.drain(..).rev().filter_map(Task::unit));
    }
}

impl Output for Collected {
    fn take(&mut self, task: Task) -> Result<()> {
        if (self.units.len() + self.late.len()).is_multiple_of(2) {
            self.units.extend(task.unit());
        } else {
            self.late.push(task);
        }
        Ok(())
    }

    fn is_stored(&mut self, _: &[usize]) -> bool {
        false
    }
}

/// The elements of a chunk, cut out of the array by ndarray and padded.
fn expected_chunk(array: &ArrayD<u16>, chunk_shape: &[usize], index: &[usize]) -> Vec<u16> {
    let mut expected = ArrayD::from_elem(chunk_shape, FILL);
    let range = |axis: usize| {
        let (start, end) = (index[axis] * chunk_shape[axis], array.shape()[axis]);
        start.min(end)..end.min(start + chunk_shape[axis])
    };
    let valid = array.slice_each_axis(|axis| Slice::from(range(axis.axis.index())));
    expected
        .slice_each_axis_mut(|axis| Slice::from(..range(axis.axis.index()).len()))
        .assign(&valid);
    expected.into_raw_vec_and_offset().0
}

proptest! {
    #[test]
    fn every_unit_is_emitted_once_and_whole(cutting in cuttings()) {
        let array = cutting.array();
        let (mut units, most_open) = cutting.assembled();
        units.sort_by(|a, b| a.index.cmp(&b.index));

        let unit_shape = cutting.unit_shape();
        let grid: Vec<_> =
            array.shape().iter().zip(&unit_shape).map(|(size, unit)| size.div_ceil(*unit)).collect();
        let indices = |grid: &[usize]| -> Vec<Vec<usize>> {
            let indices = ndarray::indices(grid).into_iter();
            indices.map(|index| ndarray::Dimension::slice(&index).to_vec()).collect()
        };
        let emitted: Vec<_> = units.iter().map(|unit| unit.index.clone()).collect();
        prop_assert_eq!(emitted, indices(&grid));
        for unit in units {
            let n_elements = unit_shape.iter().product::<usize>();
            let block = ArrayBlock::new(DType::UInt16, [n_elements], unit.data).unwrap();
            let expected: Vec<_> = indices(&cutting.chunks_along)
                .into_iter()
                .flat_map(|in_unit| {
                    let along = unit.index.iter().zip(&cutting.chunks_along).zip(&in_unit);
                    let chunk: Vec<_> = along.map(|((unit, n), i)| unit * n + i).collect();
                    expected_chunk(&array, &cutting.chunk_shape, &chunk)
                })
                .collect();
            prop_assert_eq!(block.as_slice::<u16>().unwrap(), expected);
        }

        // What the memory bound counts on.
        let units_per_row: usize = grid[1..].iter().product();
        let highest = cutting.rows.iter().max().unwrap().div_ceil(unit_shape[0]);
        let per_column = grid.get(2..).map_or(1, |grid| grid.iter().product::<usize>());
        prop_assert!(most_open <= units_per_row + (highest + 1) * per_column);
    }

    #[test]
    fn a_block_that_is_a_unit_is_not_copied(
        chunk_shape in prop::collection::vec(1..4usize, 1..4),
        chunks_along in prop::collection::vec(1..4usize, 3),
    ) {
        let unit_shape: Vec<_> = chunk_shape.iter().zip(&chunks_along).map(|(c, n)| c * n).collect();
        let n_elements = unit_shape.iter().product::<usize>();
        let elements: Vec<_> = (0..n_elements as u16).collect();
        let block = ArrayBlock::from_vec(unit_shape.clone(), elements.clone()).unwrap();
        let row_shape = unit_shape[1..].iter().copied().map(Some).collect();
        let layout = Layout { chunk_shape, shard_shape: Some(unit_shape) };
        let mut assembler = Assembler::new(&layout, row_shape, FillElement::new(FILL));
        let at = BlockPosition { location: Location::Block(0), row: 0, column: 0 };
        let mut output = Collected { units: Vec::new(), late: Vec::new() };
        assembler.push(at, &block, &mut output).unwrap();
        // Where its chunks, one after the other, are what it is.
        let unit = &output.units[0].data;
        prop_assert_eq!(unit.as_ptr() == block.data().as_ptr(), unit == block.data());
    }
}
