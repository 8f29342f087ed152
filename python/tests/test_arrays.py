"""Arrays of any library are taken with one copy or none, or refused with the remedy."""

from __future__ import annotations

import array
import gc
import sys
import weakref

import lazy_chunks
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lazy_chunks import _lazy_chunks

from laws import BFLOAT16, DTYPES, NUMPY_DTYPES, arrays, bits, of_bytes, place, same


class OnlyDlpack:
    """A tensor of a library that knows nothing of NumPy."""

    def __init__(self, values):
        self.values = values

    def __dlpack__(self, **arguments):
        return self.values.__dlpack__(**arguments)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


class OnlyArray:
    def __init__(self, values):
        self.values = values

    def __array__(self, dtype=None, copy=None):
        return self.values


class OldDlpack(OnlyDlpack):
    """A tensor from before DLPack 1.0."""

    def __dlpack__(self, stream=None):
        return self.values.__dlpack__(stream=stream)


class OnDevice:
    """A tensor in the memory of an accelerator."""

    def __init__(self, values, method):
        self.values = values
        setattr(self, method, lambda: values)

    def __dlpack__(self, **arguments):
        raise BufferError("the host cannot read this memory")

    def __dlpack_device__(self):
        return (2, 0)


@given(st.data())
def test_each_array_is_copied_once(data):
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = tuple(data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=3)))
    block = data.draw(arrays(dtype, shape))
    before = _lazy_chunks.copies()
    lazy_chunks.reduce([block, block], [])
    after = _lazy_chunks.copies()
    assert (after[0] - before[0], after[1] - before[1]) == (2, 2 * block.nbytes)


@given(st.data())
def test_a_block_arrives_as_it_is(data):
    dtype = data.draw(st.sampled_from(DTYPES))
    shape = tuple(data.draw(st.lists(st.integers(0, 5), min_size=1, max_size=4)))
    block = data.draw(arrays(dtype, shape))
    seen = []
    lazy_chunks.reduce([block], [], on_block=lambda at, each: seen.append(each))
    assert len(seen) == 1 and same(seen[0], block)
    assert seen[0].flags.c_contiguous


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_blocks_of_callbacks_and_statistics_are_read_only(dtype):
    class Flags(lazy_chunks.Statistic):
        def empty(self):
            return []

        def update(self, state, block, at):
            return [*state, block.flags.writeable]

        def merge(self, state, other):
            return state + other

        def finish(self, state):
            return state

    seen = []
    found = lazy_chunks.reduce(
        [np.zeros((2, 3), dtype)],
        [Flags()],
        on_block=lambda at, block: seen.append(block.flags.writeable),
    )
    assert seen == [False] and found["Flags"] == [False]


VIEWS = {
    "all": lambda values: values,
    "transposed": lambda values: values.T,
    "every second column backwards": lambda values: values[::-1, ::2],
    "swapped": lambda values: values.astype(">f8"),
    "a column": lambda values: values[:, :1],
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_large_array_is_copied_once_and_right(view):
    block = VIEWS[view](np.arange(3_000_000.0).reshape(1000, 3000))
    before = _lazy_chunks.copies()
    seen = []
    lazy_chunks.reduce([block], [], on_block=lambda at, each: seen.append(each))
    assert same(seen[0], block)
    after = _lazy_chunks.copies()
    assert (after[0] - before[0], after[1] - before[1]) == (1, block.nbytes)


ROWS = 4
LARGE = (ROWS, 1 << 14)


def large(i, dtype="float32"):
    """Return an array of at least 64 KiB, which is not copied if nothing else refers to it."""
    return np.full(LARGE, i, dtype)


def of_variable(n):
    for i in range(n):
        block = large(i)
        yield block


def of_buffer(n):
    block = large(0)
    for i in range(n):
        block[:] = i
        yield block


def of_views(n):
    whole = np.empty((2 * ROWS, LARGE[1]), "float32")
    for i in range(n):
        whole[:] = i
        yield whole[:ROWS]


def of_weak_references(n):
    last = lambda: None
    for i in range(n):
        if last() is not None:
            last()[:] = -1
        block = large(i)
        last = weakref.ref(block)
        yield [block].pop()
        del block


def of_cache(n):
    kept = [large(i) for i in range(n)]
    while kept:
        yield kept[0]
        kept.pop(0)[:] = -1


def of_function(n):
    return [ROWS] * n, large


def of_shared_function(n):
    block = large(0)

    def function(i):
        block[:] = i
        return block

    return [ROWS] * n, function


KEPT = {
    "an expression": lambda n: (large(i) for i in range(n)),
    "map": lambda n: map(large, range(n)),
    "a function": of_function,
}
COPIED = {
    "a variable": of_variable,
    "a buffer": of_buffer,
    "views": of_views,
    "weak references": of_weak_references,
    "a cache": of_cache,
    "a function with a buffer": of_shared_function,
    "transposed": lambda n: (np.full(LARGE[::-1], i, "float32").T for i in range(n)),
    "booleans": lambda n: (large(i % 2, "bool") for i in range(n)),
    "swapped": lambda n: (large(i, ">f4") for i in range(n)),
    "small": lambda n: (np.full((ROWS, 10), i, "float32") for i in range(n)),
}


def copies_of(call):
    before = _lazy_chunks.copies()[0]
    result = call()
    return _lazy_chunks.copies()[0] - before, result


@pytest.mark.parametrize("threads", [None, 2])
@pytest.mark.parametrize("blocks", [*KEPT, *COPIED])
def test_an_array_is_copied_if_it_may_change(blocks, threads, path):
    n = 12
    make = {**KEPT, **COPIED}[blocks]
    if threads and blocks == "a function with a buffer":
        pytest.skip("two threads would fill one buffer")
    store = lambda: lazy_chunks.store(make(n), path, codec="zstd:9", threads=threads)
    n_copies, (stored, _) = copies_of(store)
    assert n_copies == (0 if blocks in KEPT else n)
    expected = np.arange(n) % 2 if blocks == "booleans" else np.arange(n)
    assert (stored.read() == np.repeat(expected, ROWS)[:, None]).all()


@pytest.mark.parametrize("blocks", ["a variable", "a function", "an expression"])
def test_arrays_that_do_not_change_need_no_copy(blocks, path):
    make = {**KEPT, **COPIED}[blocks]
    store = lambda: lazy_chunks.store(make(8), path, copy=False)
    n_copies, (stored, _) = copies_of(store)
    assert n_copies == 0
    assert (stored.read() == np.repeat(np.arange(8), ROWS)[:, None]).all()


@pytest.mark.parametrize("kind", [np.asarray, OnlyDlpack, OldDlpack, OnlyArray])
def test_an_array_of_any_library_needs_no_copy(kind):
    blocks = [kind(large(i)) for i in range(4)]
    n_copies, found = copies_of(lambda: lazy_chunks.reduce(blocks, "sum", copy=False))
    assert n_copies == 0 and found["sum"] == 6 * np.prod(LARGE)
    n_copies, _ = copies_of(lambda: lazy_chunks.reduce(blocks, "sum"))
    assert n_copies == 4


@pytest.mark.parametrize("kind", [np.asarray, OnlyDlpack])
def test_a_whole_array_needs_no_copy(kind, path):
    values = np.arange(3e5).reshape(300, 1000)
    n_copies, (stored, _) = copies_of(lambda: lazy_chunks.store(kind(values), path))
    assert n_copies == 0 and same(stored.read(), values)


def test_arrays_are_given_back():
    references = []

    def blocks():
        for i in range(20):
            block = large(i)
            references.append(weakref.ref(block))
            yield block

    lazy_chunks.reduce(blocks(), "sum", copy=False)
    assert [reference() for reference in references] == [None] * 20


@pytest.mark.parametrize("threads", [None, 2])
def test_arrays_are_given_back_while_others_are_computed(threads, path):
    """A producer that never waits does not fill the memory with arrays that are stored."""
    alive, most = set(), 0

    class Array(np.ndarray):
        pass

    def block(i):
        nonlocal most
        values = np.full((256, 1024), i, "float32").view(Array)
        key = id(values)
        alive.add(key)
        weakref.finalize(values, alive.discard, key)
        most = max(most, len(alive))
        return values

    blocks = ([256] * 200, block) if threads else map(block, range(200))
    array, _ = lazy_chunks.store(
        blocks, path, chunks=(256, 1024), codec="none", copy=False, threads=threads, flush=False
    )
    assert most < 40 and not alive
    assert (array[::256, 0].read() == np.arange(200)).all()


def test_an_array_that_a_callback_has_kept_is_given_back_with_it():
    class Array(np.ndarray):
        pass

    references, seen = [], []

    def block(i):
        values = large(i).view(Array)
        references.append(weakref.ref(values))
        return values

    lazy_chunks.reduce(
        map(block, range(3)), "sum", copy=False, on_block=lambda at, each: seen.append(each)
    )
    assert all(reference() is not None for reference in references)
    seen.clear()
    assert [reference() for reference in references] == [None] * 3


def test_a_plan_needs_no_copy(path):
    arguments = {"resume": "key", "row_type": ("float32", LARGE[1:]), "parts": 2}
    kept = [large(i) for i in range(4)]
    blocks = [ROWS] * 4, kept.__getitem__
    plan = lazy_chunks.plan(blocks, path, copy=False, chunks=LARGE, **arguments)
    n_copies, _ = copies_of(lambda: [plan.run(part) for part in plan.parts()])
    assert n_copies == 0 and same(plan.finish().array.read(), np.concatenate(kept))


@pytest.mark.parametrize("kind", [OnlyDlpack, OldDlpack, OnlyArray])
@pytest.mark.parametrize("dtype", NUMPY_DTYPES, ids=str)
def test_an_object_with_one_protocol_is_an_array(kind, dtype, path):
    values = of_bytes(bytes(range(200)), dtype, (3, 4)).copy()
    before = _lazy_chunks.copies()
    stored, _ = lazy_chunks.store([kind(values), kind(values[::-1])], path)
    after = _lazy_chunks.copies()
    assert same(stored.read(), np.concatenate([values, values[::-1]]))
    assert (after[0] - before[0], after[1] - before[1]) == (2, 2 * values.nbytes)


def test_one_object_with_dlpack_is_the_whole_array(path):
    values = np.arange(12.0).reshape(3, 4)
    assert same(lazy_chunks.store(OnlyDlpack(values), path).array.read(), values)
    again = path.with_name("again.zarr")
    assert same(lazy_chunks.store(OnlyArray(values), again).array.read(), values)


@pytest.mark.parametrize("code", "bBhHiIlLqQfd")
def test_an_array_of_the_standard_library_is_an_array(code, path):
    values = array.array(code, [1, 2, 3])
    stored, _ = lazy_chunks.store([values, values], path)
    assert same(stored.read(), np.concatenate([np.asarray(values)] * 2))


def test_memoryviews_are_arrays(path):
    view = memoryview(b"abcdef").cast("B", (2, 3))
    assert same(lazy_chunks.store([view], path).array.read(), np.asarray(view))
    view = memoryview(np.arange(6.0))[::2]
    again = path.with_name("again.zarr")
    assert same(lazy_chunks.store([view], again).array.read(), [0.0, 2.0, 4.0])


def test_a_subclass_of_a_numpy_array_is_an_array(path, tmp_path):
    class Tagged(np.ndarray):
        pass

    values = np.arange(4.0)
    assert same(lazy_chunks.store([values.view(Tagged)], path).array.read(), values)
    mapped = np.memmap(tmp_path / "mapped", "f8", "w+", shape=(4,))
    mapped[...] = values
    again = path.with_name("again.zarr")
    assert same(lazy_chunks.store([mapped], again).array.read(), values)


@pytest.mark.parametrize("method", ["cpu", "get"])
def test_a_tensor_of_an_accelerator_is_moved_to_the_host(method, path):
    values = np.arange(4.0)
    assert same(lazy_chunks.store([OnDevice(values, method)], path).array.read(), values)


def test_other_arrays_that_numpy_reads_are_arrays(path):
    dask_array = pytest.importorskip("dask.array")
    pandas = pytest.importorskip("pandas")
    xarray = pytest.importorskip("xarray")
    values = np.arange(12.0).reshape(6, 2)
    others = {
        "dask": dask_array.from_array(values, chunks=2),
        "pandas": pandas.DataFrame(values),
        "xarray": xarray.DataArray(values),
        "zarr": lazy_chunks.store(values, path).array.zarr(),
    }
    for name, other in others.items():
        place = path.with_name(f"{name}.zarr")
        assert same(lazy_chunks.store(other, place).array.read(), values), name
        place = path.with_name(f"{name}-twice.zarr")
        twice = lazy_chunks.store([other, other], place).array.read()
        assert same(twice, np.concatenate([values, values])), name


def test_no_array_is_kept_alive(path):
    values = np.zeros((50, 4))
    references = sys.getrefcount(values)
    lazy_chunks.store((values for _ in range(10)), path, stats="mean")
    gc.collect()
    assert sys.getrefcount(values) == references


def test_the_block_of_a_callback_outlives_the_pass():
    kept = []
    blocks = (np.full((2, 2), i) for i in range(20))
    lazy_chunks.reduce(blocks, [], on_block=lambda at, block: kept.append((at, block)))
    gc.collect()
    assert [at for at, _ in kept] == [(2 * i, 0) for i in range(20)]
    assert all((block == i).all() for i, (_, block) in enumerate(kept))
    with pytest.raises(ValueError):
        kept[0][1][...] = 1


def mask(values):
    return np.ma.masked_array(values, mask=[True, False])


REFUSED = {
    "a number": (lambda: 3, "numpy.asarray"),
    "a text": (lambda: "abc", "numpy.asarray"),
    "bytes": (lambda: b"abc", "numpy.asarray"),
    "a bytearray": (lambda: bytearray(b"abc"), "numpy.asarray"),
    "None": (lambda: None, "numpy.asarray"),
    "a list": (lambda: [1.0, 2.0], "numpy.asarray"),
    "a masked array": (lambda: mask([1.0, 2.0]), "filled"),
    "objects": (lambda: np.array([1.0, None], object), "astype"),
    "times": (lambda: np.zeros(2, "M8[s]"), "view"),
    "durations": (lambda: np.zeros(2, "m8[s]"), "view"),
    "long doubles": (lambda: np.zeros(2, "g"), "astype"),
    "complex long doubles": (lambda: np.zeros(2, "G"), "astype"),
    "a structured array": (lambda: np.zeros(2, "i4,f8"), "dtype"),
    "texts": (lambda: np.array(["a", "b"]), "dtype"),
    "bytes of NumPy": (lambda: np.array([b"a"]), "dtype"),
    "objects behind __array__": (lambda: OnlyArray(np.array([None])), "astype"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("form", ["a stream", "a function", "threads"])
def test_what_is_not_an_array_is_refused_with_the_block_and_the_remedy(name, form, path):
    make, remedy = REFUSED[name]
    blocks = [np.zeros(2), make()]
    threads = 2 if form == "threads" else None
    given = iter(blocks) if form == "a stream" else ([2, 2], lambda i: blocks[i])
    with pytest.raises(TypeError, match=remedy) as caught:
        lazy_chunks.store(given, path, threads=threads)
    assert any("block 1" in note for note in caught.value.__notes__)
    assert not path.exists()


@pytest.mark.parametrize("name", sorted(REFUSED.keys() - {"a list"}))
def test_what_is_not_an_array_is_refused_as_the_first_block(name, path):
    make, remedy = REFUSED[name]
    with pytest.raises(TypeError, match=remedy) as caught:
        lazy_chunks.store([make()], path)
    assert any("block 0" in note for note in caught.value.__notes__)
    assert not path.exists()


def test_an_error_of_an_array_arrives_as_itself(path):
    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("the device is lost")

    class BrokenDlpack:
        def __dlpack__(self, **arguments):
            raise RuntimeError("the device is lost")

        def __dlpack_device__(self):
            return (1, 0)

    for broken in (Broken(), BrokenDlpack()):
        with pytest.raises(RuntimeError, match="the device is lost") as caught:
            lazy_chunks.store([np.zeros(2), broken], path)
        assert any("block 1" in note for note in caught.value.__notes__)
        assert not path.exists()


def test_bfloat16_is_read_as_bfloat16():
    values = of_bytes(bytes(range(64)), BFLOAT16, (4, 4))
    with place() as path:
        stored, _ = lazy_chunks.store([values], path)
        assert stored.dtype == BFLOAT16 and bits(stored[1:, ::-1].read()) == bits(values[1:, ::-1])


def test_no_array_of_ml_dtypes_but_bfloat16_is_taken(path):
    import ml_dtypes

    for dtype in (ml_dtypes.float8_e4m3fn, ml_dtypes.int4):
        with pytest.raises(TypeError, match="dtype"):
            lazy_chunks.store([np.zeros(2, dtype)], path)
