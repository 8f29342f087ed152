//! The names of axes of stored results: xarray opens every group, because axes of one name have one
//! size in a group and in the groups above it.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::sync::Arc;

use lazy_chunks::zarr::{
    ErrorKind, Group, MemberKind, MemoryStore, StoreResult, StoredArray, Target, ToZarr, ZarrSink,
    store_result,
};
use lazy_chunks::{
    ArgMax, ArrayBlock, Error, Histogram, LazyChunkSequence, MeanVariance, NamedArrays, Quantiles,
    SaveState, Sum, Summary, TopK,
};
use lazy_tests::{Visitor, every_statistic, every_statistic_of_rows};

const N_ROWS: usize = 6;
const N_COLUMNS: usize = 4;

fn data() -> LazyChunkSequence<'static, ArrayBlock> {
    let block = |i: usize| {
        let values = (0..3 * N_COLUMNS).map(|j| ((7 * i + 5 * j) % 11) as f64).collect();
        ArrayBlock::from_vec([3, N_COLUMNS], values).unwrap()
    };
    LazyChunkSequence::new(move || (0..N_ROWS / 3).map(block))
}

/// Checks that axes of one name have one size in a group and in the groups above it, as xarray
/// requires. Returns the number of arrays.
fn check(group: &Target, above: &BTreeMap<String, usize>) -> usize {
    let mut sizes = above.clone();
    let (mut inner, mut n_arrays) = (Vec::new(), 0);
    for member in Group::open(group).unwrap().members().unwrap() {
        match member.kind() {
            MemberKind::Array => {
                let array = StoredArray::open(member.target()).unwrap();
                let names = array.dimension_names().expect("each array names its axes");
                for (name, size) in names.iter().zip(array.shape()) {
                    let name = name.clone().expect("each axis has a name");
                    let other = *sizes.entry(name.clone()).or_insert(*size);
                    assert_eq!(other, *size, "{}: the axis {name}", member.target());
                }
                n_arrays += 1;
            }
            MemberKind::Group => inner.push(member.target().clone()),
            kind => panic!("{}: {kind:?}", member.target()),
        }
    }
    n_arrays + inner.iter().map(|group| check(group, &sizes)).sum::<usize>()
}

/// Stores every statistic as a member of a group.
struct InOneGroup {
    group: Target,
    n_results: usize,
    n_arrays: usize,
}

impl Visitor for InOneGroup {
    type Error = Error;

    fn visit<S>(&mut self, _: S, _: bool) -> Result<(), Error>
    where
        S: SaveState,
        S::Output: Debug,
    {
        Ok(())
    }

    fn visit_storable<S>(&mut self, statistic: S, _: bool) -> Result<(), Error>
    where
        S: SaveState,
        S::Output: Debug + NamedArrays,
    {
        let target = self.group.member(format!("result-{}", self.n_results));
        let (_, arrays) = data().compute(StoreResult::new(statistic, target))?;
        self.n_results += 1;
        self.n_arrays += arrays.len();
        Ok(())
    }
}

#[test]
fn results_of_every_statistic_lie_beside_their_array() {
    let group = Target::from(Arc::new(MemoryStore::new()));
    let sink = ZarrSink::new(group.member("data")).with_dimension_names(["sample", "feature"]);
    data().to_zarr(sink).unwrap();
    // Without names of its own.
    data().to_zarr(group.member("values")).unwrap();
    let mut visitor = InOneGroup { group: group.clone(), n_results: 0, n_arrays: 2 };
    every_statistic(&mut visitor, 3).unwrap();
    every_statistic_of_rows(&mut visitor).unwrap();
    assert!(visitor.n_results > 14 * 6, "{}", visitor.n_results);
    assert_eq!(check(&group, &BTreeMap::new()), visitor.n_arrays);
}

#[test]
fn results_of_several_arrays_lie_directly_in_one_group() {
    let run = Target::in_store(MemoryStore::new(), "/run");
    let results = data().compute((
        ZarrSink::new(run.member("values-of-run")).with_dimension_names(["sample", "feature"]),
        StoreResult::new(MeanVariance.per_row(), &run),
        StoreResult::new(TopK::new(2).per_column(), &run),
        StoreResult::new(Histogram::new([0.0, 1.0, 5.0]), &run),
        // Results of the same statistic, in groups below.
        StoreResult::new(MeanVariance.per_column(), run.member("columns")),
        StoreResult::new(MeanVariance, run.member("columns").member("all")),
        StoreResult::new(ArgMax.per_column(), run.member("columns").member("max")),
        (
            StoreResult::new(Sum.per_row(), run.member("sum")),
            StoreResult::new(Quantiles::new([0.5, 0.9]).per_row(), run.member("quantiles")),
        ),
    ));
    results.unwrap();
    assert_eq!(check(&run, &BTreeMap::new()), 1 + 3 + 2 + 4 + 3 + 3 + 2 + 2);
    // The arrays of a result share their axes.
    let names =
        |target: Target| StoredArray::open(target).unwrap().dimension_names().map(<[_]>::to_vec);
    for name in ["count", "mean", "variance"] {
        assert_eq!(names(run.member(name)), Some(vec![Some("run_count_0".to_owned())]));
        let of_columns = names(run.member("columns").member(name));
        assert_eq!(of_columns, Some(vec![Some("columns_count_0".to_owned())]));
    }
    assert_eq!(names(run.member("sum")), Some(vec![Some("sum_0".to_owned())]));
}

/// A sink that names the axes names those of every array of a result.
#[test]
fn a_result_from_memory_has_the_names_of_its_sink() {
    let moments = data().compute(MeanVariance.per_column()).unwrap();
    for (given, expected) in [(None, ["moments_count_0"; 3]), (Some("column"), ["column"; 3])] {
        let group = Target::from(Arc::new(MemoryStore::new()));
        let sink = ZarrSink::new(group.member("moments"));
        let sink = match given {
            Some(name) => sink.with_dimension_names([name]),
            None => sink,
        };
        let arrays = store_result(&moments, sink).unwrap();
        let names = arrays.iter().map(|array| array.dimension_names().unwrap()[0].as_deref());
        assert!(names.eq(expected.map(Some)), "{given:?}");
    }
    // All arrays of the result must have as many axes.
    let sink = ZarrSink::new(Target::from(Arc::new(MemoryStore::new())));
    let error = store_result(&moments, sink.with_dimension_names(["row", "column"])).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidSetting);
}
