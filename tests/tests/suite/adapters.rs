//! Reducers that change blocks before they pass them to another reducer. The inner reducer uses the
//! changed blocks, or returns an error that names the block.

use std::fmt::Debug;

use lazy_chunks::zarr::ZarrSink;
use lazy_chunks::{
    ArrayBlock, BlockGrid, BlockMap, BlockPosition, Concatenate, Cut, DType, LazyChunkSequence,
    NestedLazyChunkSequence, Reducer, Result, RowType, SaveState, SequenceSpec, report,
};
use lazy_tests::{Visitor, every_statistic, every_statistic_of_rows};

/// Makes a changed block from the block with this number.
type Change = fn(usize, &ArrayBlock) -> ArrayBlock;

/// Passes changed blocks to a reducer, with any declaration.
struct Adapter<R> {
    inner: R,
    change: Change,
    declare: fn(&SequenceSpec) -> SequenceSpec,
}

struct AdapterMap<M> {
    inner: M,
    change: Change,
}

impl<R: Reducer> Reducer for Adapter<R> {
    type Map = AdapterMap<R::Map>;
    type Run = R::Run;
    type Output = R::Output;

    fn start(self, spec: &SequenceSpec) -> Result<(Self::Map, Self::Run)> {
        let (inner, run) = self.inner.start(&(self.declare)(spec))?;
        Ok((AdapterMap { inner, change: self.change }, run))
    }
}

impl<M: BlockMap> BlockMap for AdapterMap<M> {
    type Partial = M::Partial;

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<M::Partial> {
        let number = at.row / N_ROWS * 2 + at.column / 2;
        self.inner.partial(at, &(self.change)(number, block))
    }
}

/// The rows of each block. There are two bands of four columns, in one block or two.
const N_ROWS: usize = 2;

fn block(shape: &[usize]) -> ArrayBlock {
    let n = shape.iter().product::<usize>();
    ArrayBlock::from_vec(shape, (0..n).map(|i| i as f32 + 0.5).collect()).unwrap()
}

/// Returns a block of another shape, whose elements are whole numbers.
fn reshaped(shape: &[usize]) -> ArrayBlock {
    let n = shape.iter().product::<usize>();
    ArrayBlock::from_vec(shape, (0..n).map(|i| i as f32).collect()).unwrap()
}

fn cast(block: &ArrayBlock) -> ArrayBlock {
    let elements = block.as_slice::<f32>().unwrap();
    ArrayBlock::from_vec(block.shape(), elements.iter().map(|x| *x as i32).collect()).unwrap()
}

/// The changes that an adapter makes, each with a word in the error if the change is not declared.
const CHANGES: [(&str, Change); 8] = [
    ("dtype", |_, block| cast(block)),
    ("dtype", |_, block| {
        let elements = vec![0_u8; block.shape().iter().product()];
        ArrayBlock::from_vec(block.shape(), elements).unwrap()
    }),
    // Changes all blocks except the first.
    ("dtype", |n, block| if n == 0 { block.clone() } else { cast(block) }),
    ("", |_, block| reshaped(&[block.shape()[0], block.shape()[1] - 1])),
    ("", |_, block| reshaped(&[block.shape()[0], block.shape()[1] + 1])),
    ("", |_, block| reshaped(&[block.shape()[0] - 1, block.shape()[1]])),
    ("", |_, block| reshaped(&[block.shape()[0], block.shape()[1], 1])),
    ("", |_, block| reshaped(&[block.shape()[0] * block.shape()[1]])),
];

/// Passes the blocks of every kind of sequence to a reducer.
fn of_every_kind<R: Reducer>(
    mut check: impl FnMut(&str, Result<R::Output>),
    reducer: impl Fn() -> R,
) {
    let flat = || LazyChunkSequence::new(|| [block(&[2, 4]), block(&[2, 4])]);
    check("streamed", flat().compute(reducer()));
    check("declared", flat().with_row_type(DType::Float32, [4]).compute(reducer()));
    let indexed = || LazyChunkSequence::from_fn([2, 2], |_| block(&[2, 4]));
    check("indexed", indexed().compute(reducer()));
    check("indexed and declared", indexed().with_row_type(DType::Float32, [4]).compute(reducer()));
    check("on threads", indexed().with_threads(3).compute(reducer()));
    let nested = || {
        NestedLazyChunkSequence::new(|| {
            [[block(&[2, 2]), block(&[2, 2])], [block(&[2, 2]), block(&[2, 2])]]
        })
    };
    check("nested", nested().compute(reducer()));
    check("nested and declared", nested().with_row_type(DType::Float32, [4]).compute(reducer()));
    let indexed = NestedLazyChunkSequence::from_fn([2, 2], [2, 2], |_, _| block(&[2, 2]));
    check("nested and indexed", indexed.compute(reducer()));
}

#[test]
fn an_undeclared_change_of_blocks_is_an_error() {
    for (n, (word, change)) in CHANGES.into_iter().enumerate() {
        let adapter = || Adapter { inner: Concatenate, change, declare: SequenceSpec::clone };
        let mut expected = Vec::new();
        of_every_kind(
            |kind, joined| {
                // Without a declaration, blocks that fit together are valid.
                let may_be = n < 2 || n == 3 || n == 4 || n == 6;
                if let Err(error) = &joined {
                    assert!(report(error).contains(word), "{kind}, change {n}: {error}");
                } else {
                    assert!(may_be && !kind.contains("declared"), "{kind}, change {n}: {joined:?}");
                }
                expected.push(joined.ok());
            },
            adapter,
        );

        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.zarr");
        let mut joined = expected.into_iter();
        let adapter = || Adapter {
            inner: ZarrSink::new(&path).with_chunk_shape(vec![3; 2 + usize::from(n == 6)]),
            change,
            declare: SequenceSpec::clone,
        };
        of_every_kind(
            |kind, stored| {
                let expected = joined.next().unwrap();
                match (stored, expected) {
                    (Ok(stored), Some(expected)) => {
                        assert_eq!(stored.read().unwrap(), expected, "{kind}, change {n}");
                        std::fs::remove_dir_all(&path).unwrap();
                    }
                    (Err(_), None) => assert!(!path.exists(), "{kind}, change {n}"),
                    (stored, expected) => {
                        panic!("{kind}, change {n}: expected {expected:?}, got {stored:?}")
                    }
                }
            },
            adapter,
        );
    }
}

/// A reducer that declares its changes determines the stored array.
#[test]
fn a_declared_change_of_blocks_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let row_type = RowType { dtype: DType::Int32, shape: vec![4] };
    let sink = || ZarrSink::new(&path);
    let cast = |block: &ArrayBlock| Ok(cast(block));
    let sequence = LazyChunkSequence::new(|| [block(&[2, 4]), block(&[2, 4])]);
    let sequence = sequence.with_row_type(DType::Float32, [4]);
    let stored = sequence.compute(sink().of(cast, Some(row_type.clone()))).unwrap();
    let expected: Vec<i32> = (0..8).chain(0..8).collect();
    assert_eq!(stored.read().unwrap().as_slice::<i32>().unwrap(), expected);

    std::fs::remove_dir_all(&path).unwrap();
    let adapter = || (sink().of(cast, Some(row_type.clone())), Concatenate.of(cast, None));
    of_every_kind(
        |kind, outputs| {
            let (stored, joined) = outputs.unwrap();
            assert_eq!(stored.read().unwrap(), joined, "{kind}");
            assert_eq!((joined.dtype(), joined.shape()), (DType::Int32, &[4, 4][..]), "{kind}");
            std::fs::remove_dir_all(&path).unwrap();
        },
        adapter,
    );

    // Blocks with fewer columns, which the declared grid states.
    let adapter = Adapter {
        inner: ZarrSink::new(directory.path().join("b.zarr")),
        change: |_, block| reshaped(&[block.shape()[0], 1]),
        declare: |spec| {
            assert_eq!(spec.cut(), Cut::RowsAndColumns);
            let rows = spec.grid().unwrap().rows().clone();
            SequenceSpec::indexed(BlockGrid::rows_and_columns(rows, [1, 1]))
        },
    };
    let sequence = NestedLazyChunkSequence::from_fn([2, 2], [2, 2], |_, _| block(&[2, 2]));
    // The positions are still those of the unchanged blocks.
    let error = sequence.compute(adapter).unwrap_err();
    let expected = "block (0, 1) starts at row 0 and column 2, but the blocks before it end at row 0 \
                    and column 1";
    assert_eq!(error.to_string(), expected);
}

/// No statistic panics, whatever changes a reducer makes to its blocks.
#[test]
fn statistics_never_panic_on_changed_blocks() {
    struct Check;

    impl Visitor for Check {
        type Error = String;

        fn visit<S>(&mut self, statistic: S, _: bool) -> std::result::Result<(), String>
        where
            S: SaveState,
            S::Output: Debug,
        {
            for (_, change) in CHANGES {
                let adapter =
                    || Adapter { inner: &statistic, change, declare: SequenceSpec::clone };
                of_every_kind(|_, _| (), adapter);
            }
            Ok(())
        }
    }

    every_statistic(&mut Check, 2).unwrap();
    every_statistic_of_rows(&mut Check).unwrap();
}
