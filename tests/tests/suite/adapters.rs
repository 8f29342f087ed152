//! Reducers that change blocks before they hand them to another one: what is stored is what was handed on, or there
//! is an error that names the block.

use std::fmt::Debug;

use lazy_chunks::zarr::ZarrSink;
use lazy_chunks::{
    ArrayBlock, BlockGrid, BlockPosition, Concatenate, Cut, DType, Declared, Error,
    LazyChunkSequence, NestedLazyChunkSequence, Reducer, Result, RowType, Statistic, report,
};
use lazy_tests::{Visitor, every_statistic, every_statistic_of_rows};

/// Makes another block of the one of this number.
type Change = fn(usize, &ArrayBlock) -> ArrayBlock;

/// Hands changed blocks to a reducer.
struct Adapter<R> {
    inner: R,
    change: Change,
    declare: fn(&Declared) -> Declared,
}

impl<R: Reducer> Reducer for Adapter<R> {
    type Partial = R::Partial;
    type State = R::State;
    type Output = R::Output;

    fn start(&self, declared: &Declared) -> Result<R::State> {
        self.inner.start(&(self.declare)(declared))
    }

    fn partial(&self, at: BlockPosition, block: &ArrayBlock) -> Result<R::Partial> {
        let number = at.row / N_ROWS * 2 + at.column / 2;
        self.inner.partial(at, &(self.change)(number, block))
    }

    fn absorb(&self, state: &mut R::State, at: BlockPosition, partial: R::Partial) -> Result<()> {
        self.inner.absorb(state, at, partial)
    }

    fn seal(&self, state: &mut R::State) -> Result<()> {
        self.inner.seal(state)
    }

    fn finish(&self, state: R::State) -> Result<R::Output> {
        self.inner.finish(state)
    }
}

/// The rows of each block; there are two bands of four columns, in one block or two.
const N_ROWS: usize = 2;

fn block(shape: &[usize]) -> ArrayBlock {
    let n = shape.iter().product::<usize>();
    ArrayBlock::from_vec(shape, (0..n).map(|i| i as f32 + 0.5).collect()).unwrap()
}

/// A block of another shape, whose elements are whole numbers.
fn reshaped(shape: &[usize]) -> ArrayBlock {
    let n = shape.iter().product::<usize>();
    ArrayBlock::from_vec(shape, (0..n).map(|i| i as f32).collect()).unwrap()
}

fn cast(block: &ArrayBlock) -> ArrayBlock {
    let elements = block.as_slice::<f32>().unwrap();
    ArrayBlock::from_vec(block.shape(), elements.iter().map(|x| *x as i32).collect()).unwrap()
}

/// The changes that another reducer may make, with what the errors of those say that are not declared.
const CHANGES: [(&str, Change); 8] = [
    ("dtype", |_, block| cast(block)),
    ("dtype", |_, block| {
        let elements = vec![0_u8; block.shape().iter().product()];
        ArrayBlock::from_vec(block.shape(), elements).unwrap()
    }),
    // Of all but the first block.
    ("dtype", |n, block| if n == 0 { block.clone() } else { cast(block) }),
    ("", |_, block| reshaped(&[block.shape()[0], block.shape()[1] - 1])),
    ("", |_, block| reshaped(&[block.shape()[0], block.shape()[1] + 1])),
    ("", |_, block| reshaped(&[block.shape()[0] - 1, block.shape()[1]])),
    ("", |_, block| reshaped(&[block.shape()[0], block.shape()[1], 1])),
    ("", |_, block| reshaped(&[block.shape()[0] * block.shape()[1]])),
];

/// Hands the blocks of every kind of sequence to a reducer.
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
fn what_was_not_declared_is_refused() {
    for (n, (word, change)) in CHANGES.into_iter().enumerate() {
        let adapter = || Adapter { inner: Concatenate, change, declare: Declared::clone };
        let mut expected = Vec::new();
        of_every_kind(
            |kind, joined| {
                // Without a declaration, whatever fits together is right.
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
            declare: Declared::clone,
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
                        panic!("{kind}, change {n}: {stored:?}, not {expected:?}")
                    }
                }
            },
            adapter,
        );
    }
}

/// A reducer that declares what it hands on makes the array of it.
#[test]
fn what_was_declared_is_stored() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.zarr");
    let adapter = Adapter {
        inner: ZarrSink::new(&path),
        change: |_, block| cast(block),
        declare: |declared| {
            let row_type =
                declared.row_type().map(|row| RowType { dtype: DType::Int32, ..row.clone() });
            declared.clone().with_row_type(row_type)
        },
    };
    let sequence = LazyChunkSequence::new(|| [block(&[2, 4]), block(&[2, 4])]);
    let stored = sequence.with_row_type(DType::Float32, [4]).compute(adapter).unwrap();
    let expected: Vec<i32> = (0..8).chain(0..8).collect();
    assert_eq!(stored.read().unwrap().as_slice::<i32>().unwrap(), expected);

    // Of fewer columns, which the grid tells.
    let adapter = Adapter {
        inner: ZarrSink::new(directory.path().join("b.zarr")),
        change: |_, block| reshaped(&[block.shape()[0], 1]),
        declare: |declared| {
            assert_eq!(declared.cut(), Cut::RowsAndColumns);
            let rows = declared.grid().unwrap().rows().clone();
            Declared::indexed(BlockGrid::rows_and_columns(rows, [1, 1]))
        },
    };
    let sequence = NestedLazyChunkSequence::from_fn([2, 2], [2, 2], |_, _| block(&[2, 2]));
    // Their positions are those of the blocks that were there before.
    let error = sequence.compute(adapter).unwrap_err();
    assert!(matches!(error, Error::BlockPlace { expected: [0, 1], actual: [0, 2], .. }), "{error}");
}

/// No statistic panics, whatever a reducer in front of it hands on.
#[test]
fn statistics_do_not_panic() {
    struct Check;

    impl Visitor for Check {
        type Error = String;

        fn visit<S>(&mut self, statistic: S, _: bool) -> std::result::Result<(), String>
        where
            S: Statistic,
            S::Output: Debug,
        {
            for (_, change) in CHANGES {
                let adapter = || Adapter { inner: &statistic, change, declare: Declared::clone };
                of_every_kind(|_, _| (), adapter);
            }
            Ok(())
        }
    }

    every_statistic(&mut Check, 2).unwrap();
    every_statistic_of_rows(&mut Check).unwrap();
}
