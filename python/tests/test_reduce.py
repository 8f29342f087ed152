"""Statistics are those of NumPy, whatever the blocks."""

from __future__ import annotations

import pickle
import threading

import lazy_chunks
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st
from lazy_chunks import Statistic, errors, reduce, stats

from laws import bits

TOLERANCE = {"rtol": 1e-9, "atol": 1e-9}

elements = st.floats(-1e6, 1e6, width=32)


@st.composite
def values_and_rows(draw, most_axes=2, least_axes=1, dtypes=("f4", "f8", "i4", "u2", "i8")):
    shape = draw(numpy_st.array_shapes(min_dims=least_axes, max_dims=most_axes, max_side=8))
    dtype = np.dtype(draw(st.sampled_from(dtypes)))
    numbers = elements if dtype.kind == "f" else st.integers(0, 1000)
    values = draw(numpy_st.arrays(dtype, shape, elements=numbers))
    if dtype.kind == "i":
        values = values - dtype.type(500)
    cuts = draw(st.lists(st.integers(0, shape[0]), max_size=3))
    return values, np.split(values, sorted(cuts))


def lower_quantiles(values, probabilities):
    return np.quantile(values, probabilities, method="lower")


OF_NUMPY = {
    "count": np.size,
    "sum": lambda x: x.sum(dtype="f8" if x.dtype.kind == "f" else None),
    "mean": lambda x: x.mean(dtype="f8"),
    "var": lambda x: x.var(dtype="f8"),
    "std": lambda x: x.std(dtype="f8"),
    "min": np.min,
    "max": np.max,
    "l1": lambda x: np.abs(x.astype("f8")).sum(),
    "l2": lambda x: np.sqrt((x.astype("f8") ** 2).sum()),
    "linf": lambda x: np.abs(x.astype("f8")).max(),
    "quantiles:0,0.25,0.5,1": lambda x: lower_quantiles(x.ravel(), [0, 0.25, 0.5, 1]),
}


@given(values_and_rows(most_axes=3))
def test_statistics_of_the_whole_array_are_those_of_numpy(case):
    values, blocks = case
    found = reduce(blocks, ",".join(OF_NUMPY))
    assert list(found) == list(OF_NUMPY)
    for name, of_numpy in OF_NUMPY.items():
        np.testing.assert_allclose(found[name], of_numpy(values), **TOLERANCE, err_msg=name)


ALONG = {
    "count": lambda x, axis: np.full(np.delete(x.shape, axis), x.shape[axis]),
    "sum": lambda x, axis: x.sum(axis, dtype="f8"),
    "mean": lambda x, axis: x.mean(axis, dtype="f8"),
    "var": lambda x, axis: x.var(axis, dtype="f8"),
    "std": lambda x, axis: x.std(axis, dtype="f8"),
    "min": np.min,
    "max": np.max,
    "l1": lambda x, axis: np.abs(x.astype("f8")).sum(axis),
    "l2": lambda x, axis: np.sqrt((x.astype("f8") ** 2).sum(axis)),
    "linf": lambda x, axis: np.abs(x.astype("f8")).max(axis),
}


@pytest.mark.parametrize("axis", [0, 1])
@given(case=values_and_rows(least_axes=2))
def test_statistics_along_an_axis_are_those_of_numpy(axis, case):
    values, blocks = case
    found = reduce(blocks, [getattr(stats, name)(axis=axis) for name in ALONG])
    for name, of_numpy in ALONG.items():
        result = found[f"{name}/{axis}"]
        np.testing.assert_allclose(result, of_numpy(values, axis), **TOLERANCE, err_msg=name)


@given(values_and_rows())
def test_extremes_have_the_index_of_numpy(case):
    values, blocks = case
    found = reduce(blocks, "argmin,argmax")
    for name, of_numpy in (("argmin", np.argmin), ("argmax", np.argmax)):
        row, index = found[name].row, found[name].index
        at = np.unravel_index(of_numpy(values), values.shape)
        assert (row, index) == (at[0], at[1] if values.ndim == 2 else 0)
        assert found[name].value == values[at]
    if values.ndim == 2:
        for axis in (0, 1):
            along = reduce(blocks, [stats.argmax(axis=axis), stats.argmin(axis=axis)])
            assert (along[f"argmax/{axis}"].indices == values.argmax(axis)).all()
            assert (along[f"argmax/{axis}"].values == values.max(axis)).all()
            assert (along[f"argmin/{axis}"].indices == values.argmin(axis)).all()


@given(values_and_rows(most_axes=1))
def test_top_and_bottom_are_the_ends_of_a_stable_sort(case):
    values, blocks = case
    k = min(3, len(values))
    found = reduce(blocks, [stats.top(k), stats.bottom(k)])
    top, bottom = found[f"top:{k}"], found[f"bottom:{k}"]
    descending = np.argsort(-values.astype("f8"), kind="stable")[:k]
    ascending = np.argsort(values, kind="stable")[:k]
    assert (top.values == values[descending]).all() and (top.rows == descending).all()
    assert (bottom.values == values[ascending]).all() and (bottom.rows == ascending).all()


@given(values_and_rows())
def test_a_histogram_is_that_of_numpy(case):
    values, blocks = case
    edges = [-100.0, 0.0, 1.5, 400.0]
    found = reduce(blocks, stats.histogram(edges))
    (histogram,) = found.values()
    assert (histogram.bins == np.histogram(values, edges)[0]).all()
    assert histogram.below == (values < -100).sum() and histogram.above == (values > 400).sum()
    assert histogram.nan == 0


@given(st.integers(2, 30), st.integers(1, 5), st.integers(0, 1000), st.data())
def test_matrices_of_columns_are_those_of_numpy(n_rows, n_columns, seed, data):
    values = np.random.default_rng(seed).normal(3.0, 2.0, (n_rows, n_columns))
    cuts = sorted(data.draw(st.lists(st.integers(0, n_rows), max_size=3)))
    blocks = np.split(values, cuts)
    found = reduce(blocks, "cov,gram,corr")
    cov = np.cov(values, rowvar=False).reshape(n_columns, n_columns)
    np.testing.assert_allclose(found["cov"], cov, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(found["gram"], values.T @ values, rtol=1e-6, atol=1e-6)
    corr = np.corrcoef(values, rowvar=False).reshape(n_columns, n_columns)
    np.testing.assert_allclose(found["corr"], corr, rtol=1e-5, atol=1e-5)


@given(values_and_rows(most_axes=2, dtypes=("f4", "f8")), st.data())
def test_nan_is_that_of_numpy_with_and_without_nan(case, data):
    values, _ = case
    values = values.copy()
    holes = data.draw(numpy_st.arrays(bool, values.shape))
    values[holes] = np.nan
    blocks = np.array_split(values, 2)
    found = reduce(blocks, "sum,mean,min,max,l2,count")
    for name in ("sum", "mean", "min", "max"):
        of_numpy = getattr(np, name)(values.astype("f8"))
        np.testing.assert_allclose(found[name], of_numpy, **TOLERANCE, err_msg=name)
    assert found["count"] == values.size
    assume(not holes.all())
    names = ("sum", "mean", "std", "min", "max", "count")
    found = reduce(blocks, {name: getattr(stats, name)(ignore_nan=True) for name in names})
    for name in names[:-1]:
        of_numpy = getattr(np, f"nan{name}")(values.astype("f8"))
        np.testing.assert_allclose(found[name], of_numpy, **TOLERANCE, err_msg=name)
    assert found["count"] == (~holes).sum()


EXACT = "count,min,max,argmin,argmax,top:1,bottom:1,linf,quantiles:0.1,0.9,histogram:0,1,2"


def all_bits(found):
    if isinstance(found, tuple):
        return tuple(all_bits(each) for each in found)
    return bits(found)


@given(values_and_rows(dtypes=("f8", "i4")))
def test_exact_results_do_not_depend_on_the_blocks(case):
    values, blocks = case
    one, many = reduce(values, EXACT), reduce(blocks, EXACT)
    assert {k: all_bits(v) for k, v in one.items()} == {k: all_bits(v) for k, v in many.items()}


@given(values_and_rows(least_axes=2))
def test_a_grid_has_the_statistics_of_its_array(case):
    values, _ = case
    rows, columns = values.shape
    cut = (rows // 2, columns // 2)
    assume(min(cut) > 0)
    bands = [
        [band[:, : cut[1]], band[:, cut[1] :]] for band in (values[: cut[0]], values[cut[0] :])
    ]
    found = reduce(bands, ["argmax,max,min", stats.sum(axis=0), stats.sum(axis=1)])
    at = np.unravel_index(values.argmax(), values.shape)
    assert (found["argmax"].row, found["argmax"].index) == at
    np.testing.assert_allclose(found["sum/0"], values.sum(0, dtype="f8"), **TOLERANCE)
    np.testing.assert_allclose(found["sum/1"], values.sum(1, dtype="f8"), **TOLERANCE)


def test_quantiles_of_many_elements_are_within_their_rank_error():
    rng = np.random.default_rng(0)
    values = rng.standard_normal(200_000).astype("f4")
    blocks = np.array_split(values, 50)
    probabilities = [0.01, 0.5, 0.99]
    ordered = np.sort(values)
    for rank_error in (None, 0.01):
        (found,) = reduce(blocks, stats.quantiles(probabilities, rank_error=rank_error)).values()
        ranks = np.searchsorted(ordered, found) / len(values)
        assert np.abs(ranks - probabilities).max() <= (rank_error or 0.001) + 1e-4


def test_results_are_numpy_scalars_arrays_and_named_tuples():
    found = reduce(
        [np.array([[1, 2], [3, 4]], "i4")], "sum,mean,max,argmax,top:2,quantiles:0.5,cov"
    )
    assert isinstance(found["sum"], np.int64) and isinstance(found["mean"], np.float64)
    assert isinstance(found["max"], np.integer)
    assert found["argmax"]._fields == ("value", "row", "index")
    assert found["top:2"]._fields == ("values", "rows", "indices")
    assert found["quantiles:0.5"].shape == (1,) and found["cov"].shape == (2, 2)


def test_large_integers_are_exact():
    values = np.array([2**62, 2**62 - 1, 1], "i8")
    found = reduce([values[:1], values[1:]], "sum,max,min")
    assert int(found["sum"]) == 2**63 and int(found["max"]) == 2**62 and int(found["min"]) == 1


def test_statistics_have_the_names_that_a_dict_gives():
    found = reduce(
        [np.eye(2)], {"a": "mean", "b": stats.mean(), "c": stats.mean(axis=0), "d": Nonzero()}
    )
    assert list(found) == ["a", "b", "c", "d"]
    assert found["a"] == found["b"] == 0.5 and found["d"] == 2


def test_forms_of_one_statistic_have_different_names():
    found = reduce(
        [np.eye(2)], [stats.mean(), stats.mean(axis=0), stats.mean(axis=1, ignore_nan=True)]
    )
    assert list(found) == ["mean", "mean/0", "mean/1, without NaN"]


@pytest.mark.parametrize(
    "asked",
    ["mean,mean", ["mean", stats.mean()], [stats.sum(axis=0), stats.sum(axis=0)], "nonzero"],
    ids=str,
)
def test_duplicate_names_are_refused(asked):
    asked = [Nonzero(), Nonzero()] if asked == "nonzero" else asked
    with pytest.raises(ValueError, match="dict"):
        reduce([np.eye(2)], asked)


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ("meen", ValueError),
        ("top", ValueError),
        ("top:-1", ValueError),
        ("quantiles:2", ValueError),
        ("histogram:1,0", ValueError),
        ({"a": "mean,std"}, ValueError),
        ({3: "mean"}, TypeError),
        (stats.sum(axis=2), ValueError),
        (stats.top(-1), ValueError),
        (stats.quantiles([1.5]), ValueError),
        (stats.quantiles([0.5], rank_error=2.0), ValueError),
        (stats.histogram([2, 1]), ValueError),
        (stats.histogram([]), ValueError),
        (3, TypeError),
        ([3], TypeError),
        ([None], TypeError),
        (object(), TypeError),
    ],
    ids=str,
)
def test_an_invalid_statistic_is_refused_before_the_first_block(asked, error):
    called = []

    def block(i):
        called.append(i)
        return np.zeros(1)

    with pytest.raises(error):
        reduce(([1], block), asked)
    assert not called


def test_statistics_of_complex_elements_are_refused():
    with pytest.raises(lazy_chunks.errors.DTypeError, match="block 0"):
        reduce([np.zeros(2, "c8")], "sum")
    assert issubclass(lazy_chunks.errors.DTypeError, TypeError)


@pytest.mark.parametrize("name", ["max", "argmin", "min"])
def test_a_statistic_that_needs_elements_is_an_error_without_any(name):
    with pytest.raises(lazy_chunks.errors.StatisticError):
        reduce([np.zeros((0, 2))], name)


def test_the_sum_of_no_elements_is_zero():
    found = reduce([np.zeros((0, 2))], "sum,count")
    assert found["sum"] == 0 and found["count"] == 0


def test_no_statistics_give_an_empty_dict():
    assert reduce([np.zeros(2)], []) == {} and reduce([np.zeros(2)], {}) == {}


class Nonzero(Statistic):
    def empty(self):
        return 0

    def update(self, state, block, at):
        return state + int(np.count_nonzero(block))

    def merge(self, state, other):
        return state + other

    def finish(self, state):
        return state


class Places(Statistic):
    """The order of all calls."""

    def empty(self):
        return []

    def update(self, state, block, at):
        assert not block.flags.writeable
        return [*state, (at, block.shape, int(block[0, 0]))]

    def merge(self, state, other):
        return state + other

    def finish(self, state):
        return state


@pytest.mark.parametrize("threads", [None, 1, 3])
def test_a_statistic_of_your_own_sees_the_blocks_in_order(threads):
    blocks = ([2] * 12, lambda i: np.full((2, 3), i))
    found = reduce(blocks, [Places()], threads=threads)["Places"]
    assert found == [((2 * i, 0), (2, 3), i) for i in range(12)]


def test_a_statistic_of_your_own_sees_the_places_of_a_grid():
    bands = [[np.full((2, 2), 1), np.full((2, 3), 2)], [np.full((1, 4), 3), np.full((1, 1), 4)]]
    found = reduce(bands, Places())["Places"]
    assert [at for at, _, _ in found] == [(0, 0), (0, 2), (2, 0), (2, 4)]


def test_a_statistic_of_your_own_has_the_key_that_it_names():
    class Blocks(lazy_chunks.Statistic):
        def __init__(self, name):
            self.name = name

        def empty(self):
            return 0

        def update(self, state, block, at):
            return state + 1

        def merge(self, state, other):
            return state + other

        def finish(self, state):
            return state

    blocks = [np.zeros(2), np.ones(3)]
    found = lazy_chunks.reduce(blocks, [Blocks("blocks"), Blocks("parts"), Blocks(None)])
    assert found == {"blocks": 2, "parts": 2, "Blocks": 2}


def test_any_object_with_the_methods_is_a_statistic():
    class Duck:
        def empty(self):
            return 0

        def update(self, state, block, at):
            return state + 1

        def merge(self, state, other):
            return state + other

        def finish(self, state):
            return state

    assert reduce([np.zeros(2)] * 3, [Duck()]) == {"Duck": 3}


def test_the_state_may_be_false_and_the_result_may_be_none():
    class Nothing(Nonzero):
        def update(self, state, block, at):
            assert state == 0
            return 0

        def finish(self, state):
            return None

    assert reduce([np.zeros(2)] * 3, [Nothing()]) == {"Nothing": None}


def test_an_update_that_returns_nothing_is_an_error():
    class Forgotten(Nonzero):
        def update(self, state, block, at):
            state += 1

    with pytest.raises(TypeError, match="update returned None"):
        reduce([np.zeros(2)], [Forgotten()])


def test_statistics_of_a_stored_array_and_of_its_regions(path):
    values = np.arange(40.0).reshape(10, 4)
    array, _ = lazy_chunks.store([values], path, chunks=[3, 2])
    assert reduce(array, "sum")["sum"] == values.sum()
    assert reduce(array, "sum", threads=2)["sum"] == values.sum()
    assert reduce(array[2:9:3, 1], "sum")["sum"] == values[2:9:3, 1].sum()
    assert (reduce(array[::-1], stats.sum(axis=1))["sum/1"] == values[::-1].sum(1)).all()


def test_a_memory_limit_holds_for_statistics():
    blocks = lazy_chunks.from_rows([100] * 10, lambda rows: np.zeros((100, 1000)))
    with pytest.raises(MemoryError) as caught:
        reduce(blocks, stats.quantiles([0.5], axis=0), memory_limit="10K", row_type=("f8", [1000]))
    assert isinstance(caught.value, lazy_chunks.errors.OutOfMemoryError)


def test_reduce_can_be_called_in_a_callback():
    inner = []

    def on_block(at, block):
        inner.append(reduce([block], "sum")["sum"])

    reduce([np.ones(3)] * 2, "mean", on_block=on_block)
    assert inner == [3, 3]


def test_threads_of_python_can_reduce_at_once():
    found = [None] * 6

    def work(k):
        found[k] = reduce((np.full(10, k) for _ in range(200)), "sum")["sum"]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(len(found))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [2000 * k for k in range(len(found))]


@pytest.mark.parametrize(
    "stat",
    ["argmax", "top:2", "histogram:0,1,2", stats.argmin(axis=0), stats.top(2, axis=1)],
    ids=lambda stat: getattr(stat, "name", stat),
)
def test_results_can_be_pickled(stat):
    (found,) = lazy_chunks.reduce([np.arange(6.0).reshape(2, 3)], [stat]).values()
    again = pickle.loads(pickle.dumps(found))
    assert type(again) is type(found) and again._fields == found._fields
    assert all(np.array_equal(one, other) for one, other in zip(found, again, strict=True))


def test_a_generator_that_is_used_up_is_an_error():
    blocks = (np.ones((2, 2)) for _ in range(2))
    assert lazy_chunks.reduce(blocks, "sum")["sum"] == 8
    with pytest.raises(errors.BlockError, match="yields its blocks once"):
        lazy_chunks.reduce(blocks, "sum")
    assert lazy_chunks.reduce([], "sum")["sum"] == 0


@pytest.mark.parametrize(
    ("stats", "problem"),
    [
        (3, "stats must be a name"),
        ("mean/0", r"`stats\.mean\(axis=0\)`"),
        ("nothing", "unknown statistic"),
    ],
)
def test_what_is_no_statistic_is_told(stats, problem):
    with pytest.raises((TypeError, ValueError), match=problem):
        lazy_chunks.reduce([np.ones(2)], stats)
