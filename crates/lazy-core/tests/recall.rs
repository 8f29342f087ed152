//! Blocks that a reducer recalls are not computed, and the result is the same.

use std::sync::Mutex;

use lazy_core::{
    ArrayBlock, BlockPosition, Concatenate, Declared, Error, IndexedKind, LazyChunkSequence,
    Location, MeanVariance, NdarrayConverter, NestedLazyChunkSequence, Reducer, Result,
};
use ndarray::Array2;

/// Recalls the blocks whose bits are set, and notes which it is asked for and which it is handed.
#[derive(Default)]
struct Archive {
    bits: usize,
    asked: Mutex<Vec<BlockPosition>>,
    handed: Mutex<Vec<BlockPosition>>,
}

/// The grid: the rows of the bands and the columns of the blocks, some of them none.
const ROWS: [usize; 2] = [2, 1];
const COLUMNS: [usize; 3] = [1, 0, 3];

fn block(i: usize, j: usize) -> Array2<f64> {
    Array2::from_shape_fn((ROWS[i], COLUMNS[j]), |(row, column)| {
        (100 * i + 10 * j) as f64 + (3 * row + column) as f64
    })
}

fn number(at: BlockPosition) -> usize {
    match at.location {
        Location::NestedBlock(i, j) => COLUMNS.len() * i + j,
        Location::Block(i) => i,
        _ => unreachable!("a reducer is asked for blocks"),
    }
}

impl Reducer for Archive {
    type Partial = ();
    type State = ();
    type Output = ();

    fn start(&self, _: &Declared) -> Result<()> {
        Ok(())
    }

    fn recall(&self, (): &mut (), at: BlockPosition) -> Result<Option<ArrayBlock>> {
        self.asked.lock().unwrap().push(at);
        let n = number(at);
        if self.bits >> n & 1 == 0 {
            return Ok(None);
        }
        Ok(Some(ArrayBlock::from_array(match at.location {
            Location::NestedBlock(i, j) => block(i, j),
            _ => block(0, n),
        })))
    }

    fn partial(&self, at: BlockPosition, _: &ArrayBlock) -> Result<()> {
        self.handed.lock().unwrap().push(at);
        Ok(())
    }

    fn absorb(&self, (): &mut (), _: BlockPosition, (): ()) -> Result<()> {
        Ok(())
    }

    fn seal(&self, (): &mut ()) -> Result<()> {
        Ok(())
    }

    fn finish(&self, (): ()) -> Result<()> {
        Ok(())
    }
}

/// Evaluates with an archive that recalls these blocks, and compares.
fn check<K: IndexedKind>(
    sequence: &NestedLazyChunkSequence<'_, ArrayBlock, K>,
    computed: &Mutex<Vec<usize>>,
    bits: usize,
) {
    let expected = sequence.compute((Concatenate, MeanVariance)).unwrap();
    computed.lock().unwrap().clear();
    let archive = Archive { bits, ..Archive::default() };
    // It is asked wherever it stands in the tuple.
    let recalling = vec![Archive::default(), archive];
    let (array, (moments, _)) = {
        let recalling = Recalling(&recalling);
        sequence.compute((Concatenate, (MeanVariance, recalling))).unwrap()
    };
    assert_eq!((array, moments), expected);
    let missing: Vec<_> = (0..6).filter(|n| bits >> n & 1 == 0).collect();
    assert_eq!(*computed.lock().unwrap(), missing, "{bits:b}");
    let asked = recalling[1].asked.lock().unwrap();
    assert_eq!(asked.iter().map(|at| number(*at)).collect::<Vec<_>>(), (0..6).collect::<Vec<_>>());
    assert_eq!(*asked, *recalling[1].handed.lock().unwrap(), "it lies where it was expected");
}

/// The archives of a vector, by reference.
struct Recalling<'a>(&'a Vec<Archive>);

impl Reducer for Recalling<'_> {
    type Partial = Vec<()>;
    type State = Vec<()>;
    type Output = Vec<()>;

    fn start(&self, declared: &Declared) -> Result<Vec<()>> {
        self.0.start(declared)
    }

    fn recall(&self, state: &mut Vec<()>, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        self.0.recall(state, at)
    }

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<Vec<()>> {
        self.0.partial(at, block)
    }

    fn absorb(&self, state: &mut Vec<()>, at: BlockPosition, partial: Vec<()>) -> Result<()> {
        self.0.absorb(state, at, partial)
    }

    fn seal(&self, state: &mut Vec<()>) -> Result<()> {
        self.0.seal(state)
    }

    fn finish(&self, state: Vec<()>) -> Result<Vec<()>> {
        self.0.finish(state)
    }
}

#[test]
fn only_what_is_not_recalled_is_computed() {
    for bits in 0..1 << 6 {
        let computed = Mutex::new(Vec::new());
        let compute = |i, j| {
            computed.lock().unwrap().push(COLUMNS.len() * i + j);
            block(i, j)
        };
        let shared = NestedLazyChunkSequence::from_fn(ROWS, COLUMNS, compute);
        check(&shared.convert(NdarrayConverter), &computed, bits);
        let local = NestedLazyChunkSequence::from_local_fn(ROWS, COLUMNS, compute);
        check(
            &local.map(|block| block + 1.0).map(|block| block - 1.0).convert(NdarrayConverter),
            &computed,
            bits,
        );
    }
}

#[test]
fn blocks_cut_along_axis_0_are_recalled_as_well() {
    let computed = Mutex::new(Vec::new());
    let rows = LazyChunkSequence::from_fn([2; 3], |i| {
        computed.lock().unwrap().push(i);
        Array2::<f64>::zeros((2, 1))
    });
    // A block of another width is refused like a computed one.
    let archive = Archive { bits: 0b101, ..Archive::default() };
    let error = rows.clone().convert(NdarrayConverter).compute(archive).unwrap_err();
    assert!(matches!(error, Error::TrailingShape { at: Location::Block(2), .. }), "{error}");
    assert_eq!(*computed.lock().unwrap(), [1]);
}

#[test]
fn iterators_are_not_asked_to_leave_out_blocks() {
    let archive = Archive { bits: usize::MAX, ..Archive::default() };
    let sequence = NestedLazyChunkSequence::new(|| [[block(0, 0), block(0, 2)]]);
    let recalling = vec![archive];
    sequence.convert(NdarrayConverter).compute(Recalling(&recalling)).unwrap();
    assert_eq!(recalling[0].asked.lock().unwrap().len(), 0);
    assert_eq!(recalling[0].handed.lock().unwrap().len(), 2);
}
