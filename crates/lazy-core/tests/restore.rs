//! A block that a reducer restores is not computed, and the result is the same.

use std::sync::Mutex;

use lazy_core::{
    Access, ArrayBlock, Bands, BlockIndex, BlockMap, BlockPosition, Blocks, BoxedReducer,
    Concatenate, DType, Error, ErrorKind, LazyChunkSequence, MeanVariance, NdarrayConverter,
    NestedLazyChunkSequence, NestedSequenceAggregator, Reducer, Result, Run, SequenceAggregator,
    SequenceSpec, report,
};
use ndarray::Array2;

/// The requested and the received blocks.
#[derive(Default)]
struct Record {
    asked: Mutex<Vec<BlockPosition>>,
    handed: Mutex<Vec<BlockPosition>>,
}

/// A reducer that restores the blocks whose bits are set.
struct Archive<'r> {
    bits: usize,
    record: &'r Record,
}

/// The grid: the rows of the bands and the columns of the blocks. One block in each band has no
/// columns.
const ROWS: [usize; 2] = [2, 1];
const COLUMNS: [usize; 3] = [1, 0, 3];

fn block(i: usize, j: usize) -> Array2<f64> {
    Array2::from_shape_fn((ROWS[i], COLUMNS[j]), |(row, column)| {
        (100 * i + 10 * j) as f64 + (3 * row + column) as f64
    })
}

fn number(at: BlockPosition) -> usize {
    match at.index {
        BlockIndex::NestedBlock(i, j) => COLUMNS.len() * i + j,
        BlockIndex::Block(i) => i,
        _ => unreachable!("a reducer is asked only for blocks"),
    }
}

impl<'r> Reducer for Archive<'r> {
    type Map = &'r Record;
    type Run = Archive<'r>;
    type Output = ();

    fn start(self, _: &SequenceSpec) -> Result<(&'r Record, Archive<'r>)> {
        Ok((self.record, self))
    }
}

impl BlockMap for &Record {
    type Partial = ();

    fn partial(&self, at: BlockPosition, _: &ArrayBlock) -> Result<()> {
        self.handed.lock().unwrap().push(at);
        Ok(())
    }
}

impl Run for Archive<'_> {
    type Partial = ();
    type Output = ();

    fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        self.record.asked.lock().unwrap().push(at);
        let n = number(at);
        if self.bits >> n & 1 == 0 {
            return Ok(None);
        }
        Ok(Some(ArrayBlock::from_array(match at.index {
            BlockIndex::NestedBlock(i, j) => block(i, j),
            _ => block(0, n),
        })))
    }

    fn merge(&mut self, _: BlockPosition, (): ()) -> Result<()> {
        Ok(())
    }

    fn commit(self) -> Result<()> {
        Ok(())
    }
}

/// Evaluates with an archive that restores these blocks, and compares the results.
fn check<K: Access>(
    sequence: &NestedLazyChunkSequence<'_, ArrayBlock, K>,
    computed: &Mutex<Vec<usize>>,
    bits: usize,
) {
    let expected = sequence.compute((Concatenate, MeanVariance)).unwrap();
    computed.lock().unwrap().clear();
    let (none, record) = (Record::default(), Record::default());
    // The archive is asked at any position in the tuple.
    let archives = vec![Archive { bits: 0, record: &none }, Archive { bits, record: &record }];
    let (array, (moments, _)) = sequence.compute((Concatenate, (MeanVariance, archives))).unwrap();
    assert_eq!((array, moments), expected);
    let missing: Vec<_> = (0..6).filter(|n| bits >> n & 1 == 0).collect();
    assert_eq!(sorted(&computed.lock().unwrap()), missing, "{bits:b}");
    let asked = record.asked.lock().unwrap();
    assert_eq!(asked.iter().map(|at| number(*at)).collect::<Vec<_>>(), (0..6).collect::<Vec<_>>());
    let mut handed = record.handed.lock().unwrap().clone();
    handed.sort_by_key(|at| number(*at));
    assert_eq!(*asked, handed, "the positions are the requested ones");
}

fn sorted(numbers: &[usize]) -> Vec<usize> {
    let mut numbers = numbers.to_vec();
    numbers.sort_unstable();
    numbers
}

#[test]
fn only_blocks_that_are_not_restored_are_computed() {
    for bits in 0..1 << 6 {
        let computed = Mutex::new(Vec::new());
        let compute = |i, j| {
            computed.lock().unwrap().push(COLUMNS.len() * i + j);
            block(i, j)
        };
        let shared =
            NestedLazyChunkSequence::from_fn(ROWS, COLUMNS, compute).convert(NdarrayConverter);
        check(&shared, &computed, bits);
        check(&shared.clone().with_threads(3), &computed, bits);
        check(&shared.clone().streamed(), &computed, bits);
        check(&shared.clone().with_threads(2).streamed(), &computed, bits);
        check(&shared.map_local(|block| block), &computed, bits);
        let local = NestedLazyChunkSequence::from_local_fn(ROWS, COLUMNS, compute);
        let local = local.map(|block| block + 1.0).map(|block| block - 1.0);
        check(&local.clone().convert(NdarrayConverter), &computed, bits);
        check(&local.streamed().convert(NdarrayConverter), &computed, bits);
    }
}

#[test]
fn blocks_cut_along_axis_0_are_restored_as_well() {
    let computed = Mutex::new(Vec::new());
    let rows = LazyChunkSequence::from_fn([2; 3], |i| {
        computed.lock().unwrap().push(i);
        Array2::<f64>::zeros((2, 1))
    });
    // A restored block with another width is an error, like a computed one.
    let record = Record::default();
    let archive = Archive { bits: 0b101, record: &record };
    let error = rows.clone().convert(NdarrayConverter).compute(archive).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Shape, "{error}");
    assert_eq!(error.block(), Some(BlockIndex::Block(2)));
    assert_eq!(*computed.lock().unwrap(), [1]);
}

#[test]
fn no_block_of_an_iterator_is_restored() {
    let record = Record::default();
    let archive = Archive { bits: usize::MAX, record: &record };
    let sequence = NestedLazyChunkSequence::new(|| [[block(0, 0), block(0, 2)]]);
    sequence.convert(NdarrayConverter).compute(vec![archive]).unwrap();
    assert_eq!(record.asked.lock().unwrap().len(), 0);
    assert_eq!(record.handed.lock().unwrap().len(), 2);
}

#[test]
fn reducers_pass_on_restored_blocks_unless_a_function_is_in_front() {
    let computed = Mutex::new(Vec::new());
    let sequence = NestedLazyChunkSequence::from_fn(ROWS, COLUMNS, |i, j| {
        computed.lock().unwrap().push(COLUMNS.len() * i + j);
        ArrayBlock::from_array(block(i, j))
    });
    let record = Record::default();
    let archive = || Archive { bits: 0b010_110, record: &record };
    let n_computed = || computed.lock().unwrap().drain(..).count();
    sequence.compute(Some(archive())).unwrap();
    assert_eq!(n_computed(), 3);
    sequence.compute(BoxedReducer::new(archive(), |()| ())).unwrap();
    assert_eq!(n_computed(), 3);
    sequence.compute(vec![(None, Some(archive())), (Some(MeanVariance), None)]).unwrap();
    assert_eq!(n_computed(), 3);

    record.asked.lock().unwrap().clear();
    sequence.compute(archive().of(|block| Ok(block.clone()), None)).unwrap();
    assert_eq!(n_computed(), 6);
    assert_eq!(record.asked.lock().unwrap().len(), 0);
}

/// An aggregator that passes all blocks to a reducer.
struct Through<R>(R);

impl<R: Reducer> SequenceAggregator<ArrayBlock> for Through<R> {
    type Output = R::Output;

    fn aggregate(self, blocks: Blocks<'_, ArrayBlock>) -> Result<R::Output> {
        self.0.aggregate(blocks)
    }
}

impl<R: Reducer> NestedSequenceAggregator<ArrayBlock> for Through<R> {
    type Output = R::Output;

    fn aggregate_nested(self, bands: Bands<'_, ArrayBlock>) -> Result<R::Output> {
        self.0.aggregate_nested(bands)
    }
}

#[test]
fn an_aggregator_that_passes_blocks_to_a_reducer_restores_them() {
    for bits in 0..1 << 6 {
        let computed = Mutex::new(Vec::new());
        let sequence = NestedLazyChunkSequence::from_fn(ROWS, COLUMNS, |i, j| {
            computed.lock().unwrap().push(COLUMNS.len() * i + j);
            ArrayBlock::from_array(block(i, j))
        });
        let expected = sequence.compute(Concatenate).unwrap();
        let record = Record::default();
        let through = || Through((Concatenate, Archive { bits, record: &record }));
        computed.lock().unwrap().clear();
        assert_eq!(sequence.compute(through()).unwrap().0, expected);
        let missing: Vec<_> = (0..6).filter(|n| bits >> n & 1 == 0).collect();
        assert_eq!(*computed.lock().unwrap(), missing, "{bits:b}");
        // Threads may compute blocks ahead that are then restored.
        for n_threads in 2..4 {
            let sequence = sequence.clone().with_threads(n_threads);
            assert_eq!(sequence.compute(through()).unwrap().0, expected);
        }
    }
}

#[test]
fn an_aggregator_on_threads_restores_the_rows_of_a_reducer() {
    const N_BLOCKS: usize = 40;
    let row = |i: usize| ArrayBlock::from_vec([1, 1], vec![i as f64]).unwrap();
    struct EveryThird;
    impl Reducer for EveryThird {
        type Map = fn(BlockPosition, &ArrayBlock) -> Result<()>;
        type Run = EveryThird;
        type Output = ();

        fn start(self, _: &SequenceSpec) -> Result<(Self::Map, EveryThird)> {
            Ok((|_, _| Ok(()), self))
        }
    }
    impl Run for EveryThird {
        type Partial = ();
        type Output = ();

        fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
            let is_there = at.row % 3 == 2;
            Ok(is_there.then(|| ArrayBlock::from_vec([1, 1], vec![at.row as f64]).unwrap()))
        }

        fn merge(&mut self, _: BlockPosition, (): ()) -> Result<()> {
            Ok(())
        }

        fn commit(self) -> Result<()> {
            Ok(())
        }
    }
    let expected = LazyChunkSequence::from_fn([1; N_BLOCKS], row).compute(Concatenate).unwrap();
    // Blocks that are restored fail when they are computed.
    let sequence = LazyChunkSequence::try_from_fn([1; N_BLOCKS], move |i| {
        if i % 3 == 2 { Err("it was restored") } else { Ok(row(i)) }
    });
    for n_threads in 1..5 {
        let sequence = sequence.clone().with_threads(n_threads);
        let (array, ()) = sequence.compute((Concatenate, EveryThird)).unwrap();
        assert_eq!(array, expected);
        let (array, ()) = sequence.compute(Through((Concatenate, EveryThird))).unwrap();
        assert_eq!(array, expected);
    }
}

/// A sink that cannot read a block back.
struct Unreadable(usize);

impl Reducer for Unreadable {
    type Map = fn(BlockPosition, &ArrayBlock) -> Result<()>;
    type Run = Unreadable;
    type Output = ();

    fn start(self, _: &SequenceSpec) -> Result<(Self::Map, Unreadable)> {
        Ok((|_, _| Ok(()), self))
    }
}

impl Run for Unreadable {
    type Partial = ();
    type Output = ();

    fn restore(&mut self, at: BlockPosition) -> Result<Option<ArrayBlock>> {
        if number(at) == self.0 {
            return Err(Error::dtype_mismatch(DType::Bool, DType::UInt8));
        }
        Ok(None)
    }

    fn merge(&mut self, _: BlockPosition, (): ()) -> Result<()> {
        Ok(())
    }

    fn commit(self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn an_error_of_restoring_names_the_block_unless_an_earlier_one_fails() {
    let block = |_| ArrayBlock::from_vec([1], vec![0_u8]).unwrap();
    let sequence = LazyChunkSequence::from_fn([1; 6], block);
    for n_threads in 1..4 {
        let error = sequence.clone().with_threads(n_threads).compute(Unreadable(4)).unwrap_err();
        assert_eq!(error.block(), Some(BlockIndex::Block(4)), "{n_threads} threads: {error}");
        assert_eq!(error.kind(), ErrorKind::DType, "{error:?}");
    }
    let failing = LazyChunkSequence::try_from_fn([1; 6], |i| {
        if i == 3 {
            std::thread::sleep(std::time::Duration::from_millis(5));
            return Err("no");
        }
        Ok(block(i))
    });
    for n_threads in 1..4 {
        let error = failing.clone().with_threads(n_threads).compute(Unreadable(4)).unwrap_err();
        assert_eq!(report(&error), "the producer failed at block 3: no", "{n_threads} threads");
    }
}
