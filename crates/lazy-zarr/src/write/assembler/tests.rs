use lazy_core::BlockIndex;
use ndarray::{ArrayD, Slice};
use proptest::prelude::*;

use super::*;

/// An array of `u16` whose elements are their own flat index, and the way it is cut.
#[derive(Clone, Debug)]
struct Cutting {
    rows: Vec<usize>,
    columns: Option<Vec<usize>>,
    trailing: Vec<usize>,
    chunk_shape: Vec<usize>,
    /// The number of chunks along each axis of a shard, or 1 if there are no shards.
    chunks_along: Vec<usize>,
    width_is_declared: bool,
    least_part: usize,
}

const FILL: u16 = 0xabcd;

/// A strategy for the limit: the crate's own, with which all parts of these small arrays are
/// copied, or one with which most are not.
pub(crate) fn least_part() -> impl Strategy<Value = usize> {
    prop_oneof![Just(16), Just(LEAST_PART)]
}

/// Returns an assembler that copies parts with fewer bytes than `least_part`.
pub(crate) fn with_least_part(assembler: Assembler, least_part: usize) -> Assembler {
    Assembler { least_part, ..assembler }
}

fn cuttings() -> impl Strategy<Value = Cutting> {
    let sizes = || prop::collection::vec(0..6usize, 1..6);
    let trailing = prop::collection::vec(1..4usize, 0..2);
    // A chunk's size along an axis, and the number of chunks of a shard.
    let unit = prop::collection::vec((1..8usize, 1..4usize), 3);
    let columns = prop::option::of(sizes());
    (sizes(), columns, trailing, unit, any::<bool>(), any::<bool>(), least_part()).prop_map(
        |(rows, columns, trailing, mut unit, is_sharded, width_is_declared, least_part)| {
            unit.truncate(1 + usize::from(columns.is_some()) + trailing.len());
            let (chunk_shape, mut chunks_along): (Vec<_>, Vec<_>) = unit.into_iter().unzip();
            if !is_sharded {
                chunks_along.fill(1);
            }
            Cutting {
                rows,
                columns,
                trailing,
                chunk_shape,
                chunks_along,
                width_is_declared,
                least_part,
            }
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

    /// Returns the units that are output, and the most that were open after any block.
    fn assembled(&self) -> (Vec<Unit>, usize) {
        let array = self.array();
        let width = self.columns.as_ref().map(|columns| columns.iter().sum::<usize>());
        let mut row_shape: Vec<_> = array.shape()[1..].iter().copied().map(Some).collect();
        if width.is_some() && !self.width_is_declared {
            row_shape[0] = None;
        }
        let layout =
            Layout { chunk_shape: self.chunk_shape.clone(), shard_shape: Some(self.unit_shape()) };
        let assembler = Assembler::new(&layout, row_shape, FillElement::new(FILL));
        let mut assembler = with_least_part(assembler, self.least_part);
        let mut most_open = 0;
        let mut output = Collected(Vec::new());
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
                let at = BlockPosition { index: BlockIndex::NestedBlock(i, j), row, column };
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
        (output.0, most_open)
    }
}

/// The units that were output.
pub(crate) struct Collected(pub(crate) Vec<Unit>);

impl Output for Collected {
    fn take(&mut self, unit: Unit) -> Result<()> {
        self.0.push(unit);
        Ok(())
    }

    fn is_stored(&mut self, _: &[usize]) -> bool {
        false
    }
}

/// Returns the elements of a chunk, copied together, and compares them with its slices, if it has
/// any.
fn elements(chunk: &Chunk<'_>) -> Vec<u16> {
    let mut bytes = vec![1; chunk.n_bytes()];
    chunk.gather(&mut bytes);
    if let Some(slices) = chunk.slices(0) {
        assert_eq!(slices.concat(), bytes);
    }
    bytes.as_chunks::<2>().0.iter().map(|element| u16::from_ne_bytes(*element)).collect()
}

/// Returns the elements of a chunk, cut out of the array by ndarray and padded.
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
            let of_unit = unit.chunks().zip(indices(&cutting.chunks_along));
            for (chunk, in_unit) in of_unit {
                let along = unit.index.iter().zip(&cutting.chunks_along).zip(&in_unit);
                let index: Vec<_> = along.map(|((unit, n), i)| unit * n + i).collect();
                let expected = expected_chunk(&array, &cutting.chunk_shape, &index);
                prop_assert_eq!(elements(&chunk), expected);
                let starts = index.iter().zip(&cutting.chunk_shape).map(|(i, size)| i * size);
                let is_outside = starts.zip(array.shape()).any(|(start, size)| start >= *size);
                prop_assert_eq!(chunk.is_outside(), is_outside);
            }
            prop_assert_eq!(unit.chunks().count(), cutting.chunks_along.iter().product::<usize>());
        }

        // The memory bound relies on this.
        let units_per_row: usize = grid[1..].iter().product();
        let highest = cutting.rows.iter().max().unwrap().div_ceil(unit_shape[0]);
        let per_column = grid.get(2..).map_or(1, |grid| grid.iter().product::<usize>());
        prop_assert!(most_open <= units_per_row + (highest + 1) * per_column);
    }

    #[test]
    fn large_parts_are_not_copied(
        chunk_shape in prop::collection::vec(4..7usize, 2..4),
        rows in prop::collection::vec(2..5usize, 1..4),
    ) {
        let mut shape = chunk_shape;
        // Each block has more bytes than the limit.
        shape[1] *= LEAST_PART;
        shape[0] = rows.iter().sum();
        let row_shape = shape[1..].iter().copied().map(Some).collect();
        let layout = Layout { chunk_shape: shape.clone(), shard_shape: None };
        let mut assembler = Assembler::new(&layout, row_shape, FillElement::new(FILL));
        let mut output = Collected(Vec::new());
        let (mut row, mut expected) = (0, Vec::new());
        let blocks: Vec<_> = rows.iter().enumerate().map(|(i, &n_rows)| {
            shape[0] = n_rows;
            let elements = vec![i as u16; shape.iter().product()];
            ArrayBlock::from_vec(shape.clone(), elements).unwrap()
        }).collect();
        for (i, block) in blocks.iter().enumerate() {
            let at = BlockPosition { index: BlockIndex::Block(i), row, column: 0 };
            assembler.push(at, block, &mut output).unwrap();
            row += block.shape()[0];
            expected.push((block.data().as_ptr(), block.data().len()));
        }
        prop_assert_eq!(output.0.len(), 1);
        let chunk = output.0[0].chunks().next().unwrap();
        let slices = chunk.slices(LEAST_PART).unwrap();
        let slices: Vec<_> = slices.iter().map(|slice| (slice.as_ptr(), slice.len())).collect();
        prop_assert_eq!(&slices, &expected);
        // Shorter slices are not worth it.
        prop_assert_eq!(chunk.slices(chunk.n_bytes()).is_some(), rows.len() == 1);
        let shared = chunk.shared().map(|elements| (elements.as_ptr(), elements.len()));
        prop_assert_eq!(shared, expected.first().copied().filter(|_| rows.len() == 1));
    }
}

/// Stores bands of 10 rows in chunks of 13 rows. Some chunks receive one or two rows of a band, and
/// then wait for a whole band and a part of the next.
#[test]
fn one_band_is_held_on_to_at_a_time() {
    const N_BANDS: usize = 13;
    const N_COLUMNS: usize = 4;
    /// A part of one row of a block is large enough not to be copied.
    const WIDTH: usize = LEAST_PART / size_of::<u16>();
    let layout = Layout { chunk_shape: vec![13, WIDTH], shard_shape: None };
    let row_shape = vec![Some(WIDTH * N_COLUMNS)];
    let mut assembler = Assembler::new(&layout, row_shape, FillElement::new(FILL));
    let pool = BlockPool::<u16>::new();
    let mut n_units = 0;
    for i in 0..N_BANDS {
        for j in 0..N_COLUMNS {
            let mut block = pool.buffer([10, WIDTH]).unwrap();
            block.fill(i as u16);
            let index = BlockIndex::NestedBlock(i, j);
            let at = BlockPosition { index, row: 10 * i, column: WIDTH * j };
            let mut output = Collected(Vec::new());
            assembler.push(at, &block.into_block(), &mut output).unwrap();
            for unit in output.0 {
                let chunk = unit.chunks().next().unwrap();
                let rows = 13 * unit.index[0]..;
                let expected: Vec<_> =
                    rows.take(13).flat_map(|row| [(row / 10) as u16; WIDTH]).collect();
                assert_eq!(elements(&chunk), expected);
                n_units += 1;
            }
        }
    }
    assert_eq!(n_units, 10 * N_COLUMNS);
    // The most blocks that were alive at once: a band, and the block that has just arrived.
    assert_eq!(pool.n_free(), N_COLUMNS + 1);
}
