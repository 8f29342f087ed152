"""The classes of pyDVL: their surface, and right data or an error where pyDVL loses data."""

from __future__ import annotations

import copy
import functools
import inspect
import pickle
import sys
import types
import uuid
import weakref
from abc import ABC
from typing import Generic

import lazy_chunks
import numpy as np
import pytest
import zarr
from lazy_chunks import (
    LazyChunkSequence,
    ListAggregator,
    NestedLazyChunkSequence,
    NestedListAggregator,
    NestedSequenceAggregator,
    NumpyConverter,
    SequenceAggregator,
    errors,
)

from laws import files, same

# What zarr-python raises where no array is.
NOTHING = (zarr.errors.ArrayNotFoundError, FileNotFoundError)


class Numbers(NumpyConverter[list]):
    """Lists of lists of numbers, as tensors of a library of its own."""

    def __init__(self, dtype=None):
        self.dtype = dtype

    def to_numpy(self, x):
        return np.asarray(x, self.dtype)

    def from_numpy(self, x):
        return x.tolist()


class Same(NumpyConverter[np.ndarray]):
    def to_numpy(self, x):
        return x

    def from_numpy(self, x):
        return x


def rows_of_numbers():
    return ([[float(3 * i + j) for j in range(3)]] for i in range(4))


def bands_of_numbers():
    return (([[10.0 * i + j]] for j in range(3)) for i in range(2))


FLAT = np.arange(12.0).reshape(4, 3)
NESTED = np.array([[0.0, 1, 2], [10, 11, 12]])


def parameters(function):
    return [(name, p.default) for name, p in inspect.signature(function).parameters.items()]


def test_the_signatures_are_those_of_pydvl():
    empty = inspect.Parameter.empty
    to_zarr = [
        ("self", empty),
        ("path_or_url", empty),
        ("converter", empty),
        ("return_stored", False),
        ("overwrite", False),
    ]
    for sequence, length in (
        (LazyChunkSequence, "len_generator"),
        (NestedLazyChunkSequence, "len_outer_generator"),
    ):
        assert parameters(sequence.__init__) == [
            ("self", empty),
            ("generator_factory", empty),
            (length, None),
        ]
        assert parameters(sequence.compute) == [("self", empty), ("aggregator", None)]
        assert parameters(sequence.to_zarr) == to_zarr
        kinds = {p.kind for p in inspect.signature(sequence.to_zarr).parameters.values()}
        assert kinds == {inspect.Parameter.POSITIONAL_OR_KEYWORD}
    for aggregator, name in (
        (SequenceAggregator, "tensor_sequence"),
        (ListAggregator, "tensor_sequence"),
        (NestedSequenceAggregator, "nested_sequence_of_tensors"),
        (NestedListAggregator, "nested_sequence_of_tensors"),
    ):
        assert parameters(aggregator.__call__) == [("self", empty), (name, empty)]
    assert parameters(NumpyConverter.to_numpy) == [("self", empty), ("x", empty)]
    assert parameters(NumpyConverter.from_numpy) == [("self", empty), ("x", empty)]


def test_the_bases_and_the_subscripts_are_those_of_pydvl():
    for each in (
        NumpyConverter,
        SequenceAggregator,
        NestedSequenceAggregator,
        LazyChunkSequence,
        NestedLazyChunkSequence,
    ):
        assert issubclass(each, Generic) and each[int] is not None
    for each in (NumpyConverter, SequenceAggregator, NestedSequenceAggregator):
        assert issubclass(each, ABC)
        with pytest.raises(TypeError, match="abstract"):
            each()
    assert issubclass(ListAggregator, SequenceAggregator)
    assert issubclass(NestedListAggregator, NestedSequenceAggregator)
    for each in (ListAggregator, NestedListAggregator):
        with pytest.raises(TypeError):
            each[int]


def test_instances_have_their_attributes_and_can_be_copied():
    for sequence, length in (
        (LazyChunkSequence(rows_of_numbers, 4), "len_generator"),
        (NestedLazyChunkSequence(bands_of_numbers, 2), "len_outer_generator"),
    ):
        assert sorted(vars(sequence)) == sorted(["generator_factory", length])
        sequence.extra = 1
        setattr(sequence, length, None)
        for again in (copy.copy(sequence), pickle.loads(pickle.dumps(sequence))):
            assert again.compute() == sequence.compute() and again.extra == 1
        assert weakref.ref(sequence)() is sequence
        assert sequence != copy.copy(sequence)
        with pytest.raises(TypeError):
            len(sequence)
        with pytest.raises(TypeError):
            iter(sequence)


def test_the_constructors_call_and_check_nothing():
    assert LazyChunkSequence(None).generator_factory is None
    sequence = LazyChunkSequence(generator_factory=rows_of_numbers, len_generator=7)
    assert sequence.len_generator == 7


def test_compute_gives_lists():
    assert LazyChunkSequence(rows_of_numbers).compute() == list(rows_of_numbers())
    expected = [list(band) for band in bands_of_numbers()]
    assert NestedLazyChunkSequence(bands_of_numbers).compute() == expected
    assert LazyChunkSequence(lambda: []).compute() == []
    assert NestedLazyChunkSequence(lambda: []).compute() == []
    assert NestedLazyChunkSequence(lambda: [[1], [], [2, 3]]).compute() == [[1], [], [2, 3]]


def test_compute_with_a_length_shows_a_bar(capfd):
    pytest.importorskip("tqdm")
    LazyChunkSequence(rows_of_numbers, 4).compute()
    assert "4/4" in capfd.readouterr().err
    NestedLazyChunkSequence(bands_of_numbers, 2).compute()
    assert "2/2" in capfd.readouterr().err
    LazyChunkSequence(rows_of_numbers).compute()
    assert capfd.readouterr().err == ""


def test_an_aggregator_gets_the_sequence():
    class Cat(SequenceAggregator[list]):
        def __call__(self, tensor_sequence):
            assert tensor_sequence.len_generator == 4
            return np.concatenate([np.asarray(x) for x in tensor_sequence.generator_factory()])

    class NestedCat(NestedSequenceAggregator[list]):
        def __call__(self, nested_sequence_of_tensors):
            outer = nested_sequence_of_tensors.generator_factory()
            bands = map(lambda band: np.concatenate([np.asarray(x) for x in band], axis=1), outer)
            return np.concatenate(list(bands))

    assert same(LazyChunkSequence(rows_of_numbers, 4).compute(aggregator=Cat()), FLAT)
    assert same(NestedLazyChunkSequence(bands_of_numbers).compute(NestedCat()), NESTED)
    sequence = LazyChunkSequence(rows_of_numbers)
    assert sequence.compute(lambda each: each) is sequence
    with pytest.raises(TypeError):
        sequence.compute(3)


def test_a_sequence_can_be_subclassed():
    class Mine(LazyChunkSequence[list]):
        def __init__(self, n):
            super().__init__(lambda: ([[float(i)]] for i in range(n)), len_generator=n)

    assert Mine(3).compute() == [[[0.0]], [[1.0]], [[2.0]]]


def local(path):
    return zarr.storage.LocalStore(path)


PLACES = {
    "str": lambda path: str(path),
    "Path": lambda path: path,
    "LocalStore": local,
    "file URL": lambda path: f"file://{path}",
    "MemoryStore": lambda path: zarr.storage.MemoryStore(),
    "dict": lambda path: {},
    "ZipStore": lambda path: zarr.storage.ZipStore(path.with_suffix(".zip"), mode="w"),
    "StorePath": lambda path: zarr.storage.StorePath(zarr.storage.MemoryStore(), "a"),
}


@pytest.mark.parametrize("place", PLACES)
def test_to_zarr_stores_and_returns_the_array_of_zarr_python(place, path):
    target = PLACES[place](path)
    sequence = LazyChunkSequence(rows_of_numbers)
    stored = sequence.to_zarr(target, Numbers(), return_stored=True)
    assert isinstance(stored, zarr.Array)
    assert same(stored[...], FLAT)
    np.testing.assert_allclose(stored, FLAT)


def test_to_zarr_refuses_to_return_an_array_that_zarr_python_cannot_open():
    url = f"memory://{uuid.uuid4()}/values.zarr"
    sequence = LazyChunkSequence(rows_of_numbers)
    with pytest.raises(errors.UnsupportedError):
        sequence.to_zarr(url, Numbers(), return_stored=True)
    assert sequence.to_zarr(url, Numbers()) is None
    assert same(lazy_chunks.open(url).read(), FLAT)


@pytest.mark.parametrize("place", ["str", "Path", "LocalStore", "MemoryStore", "dict"])
def test_to_zarr_stores_bands_and_overwrites_if_that_is_asked_for(place, path):
    target = PLACES[place](path)
    sequence = NestedLazyChunkSequence(bands_of_numbers, 2)
    assert sequence.to_zarr(target, Numbers()) is None
    with pytest.raises(FileExistsError):
        sequence.to_zarr(target, Numbers())
    flat = LazyChunkSequence(rows_of_numbers)
    with pytest.raises(FileExistsError):
        flat.to_zarr(target, Numbers(), return_stored=True)
    stored = zarr.open_array(target, mode="r")
    assert same(stored[...], NESTED)
    stored = flat.to_zarr(target, Numbers(), True, True)
    assert same(stored[...], FLAT)
    assert same(zarr.open_array(target, mode="r")[...], FLAT)


def test_the_returned_array_can_be_written(path):
    for target in (path, {}):
        stored = LazyChunkSequence(rows_of_numbers).to_zarr(target, Numbers(), True)
        stored[0, 0] = 100
        assert zarr.open_array(target, mode="r")[0, 0] == 100


def test_to_zarr_with_a_length_shows_a_bar(path, capfd):
    pytest.importorskip("tqdm")
    LazyChunkSequence(rows_of_numbers, 4).to_zarr(path, Numbers())
    assert "4/4" in capfd.readouterr().err


def test_a_band_is_exhausted_before_the_next_one_begins(path):
    """The blocks of a band may use variables of the outer generator."""

    def bands():
        for i in range(3):
            yield (np.full((2, 2), 10.0 * i + j) for j in range(2))

    expected = NestedLazyChunkSequence(bands).compute()
    stored = NestedLazyChunkSequence(bands).to_zarr(path, Same(), True)
    assert same(stored[...], np.block(expected))
    assert stored[5, 3] == 21


def test_the_factory_is_called_once_for_each_pass(path):
    calls = []

    def factory():
        calls.append(None)
        return rows_of_numbers()

    sequence = LazyChunkSequence(factory)
    assert calls == []
    sequence.compute()
    sequence.to_zarr(path, Numbers())
    assert len(calls) == 2


def test_a_converter_decides_the_dtype(path):
    stored = LazyChunkSequence(rows_of_numbers).to_zarr(path, Numbers("float32"), True)
    assert stored.dtype == np.float32 and same(stored[...], FLAT.astype("f4"))


def test_exceptions_arrive_as_themselves_and_nothing_is_left(path):
    class Mine(Exception):
        pass

    class Broken(Same):
        def to_numpy(self, x):
            raise Mine

    def generator():
        yield FLAT
        raise Mine

    def factory():
        raise Mine

    cases = [
        LazyChunkSequence(generator),
        LazyChunkSequence(factory),
        NestedLazyChunkSequence(lambda: [generator()]),
        NestedLazyChunkSequence(factory),
    ]
    for target in (path, zarr.storage.MemoryStore()):
        for sequence in cases:
            with pytest.raises(Mine):
                sequence.to_zarr(target, Same())
        for sequence in (
            LazyChunkSequence(lambda: [FLAT]),
            NestedLazyChunkSequence(lambda: [[FLAT]]),
        ):
            with pytest.raises(Mine):
                sequence.to_zarr(target, Broken())
        assert not path.exists()
    with pytest.raises(NOTHING):
        zarr.open_array(target, mode="r")


# Where pyDVL loses data without an error. Each case is a sequence, and the data that is right, or
# the error.

ONE = np.ones((2, 2))


def flat(*blocks):
    return LazyChunkSequence(lambda: iter(blocks))


def nested(*bands):
    return NestedLazyChunkSequence(lambda: (iter(band) for band in bands))


def at(*values, dtype):
    return np.array([[value] for value in values], dtype)


def one_shot_inner():
    """Blocks of two test batches by a training set that can be iterated once."""
    training = iter([ONE, ONE, ONE])
    return ((block for block in training) for _ in range(3))


def same_generator():
    return LazyChunkSequence(functools.partial(next, iter([iter(())])))


LOST = {
    "a later block is narrower": (flat(np.ones((2, 3)), np.ones((2, 2))), errors.BlockError),
    "a narrow block, then a wide one": (
        flat(np.ones((2, 3)), np.ones((2, 2)), np.ones((2, 3))),
        errors.BlockError,
    ),
    "a later block is wider": (flat(np.ones((2, 2)), np.ones((2, 4))), errors.BlockError),
    "int32, then float64": (
        flat(at(1, 1, dtype="i4"), at(1.9, 1.0, dtype="f8")),
        errors.DTypeError,
    ),
    "uint8, then int64": (flat(at(1, dtype="u1"), at(300, -1, dtype="i8")), errors.DTypeError),
    "float32, then float64": (
        flat(at(1, dtype="f4"), at(0.1, 1e300, dtype="f8")),
        errors.DTypeError,
    ),
    "int32, then nan": (flat(at(1, dtype="i4"), at(np.nan, np.inf, dtype="f8")), errors.DTypeError),
    "float32, then complex": (flat(at(1, dtype="f4"), at(1 + 2j, dtype="c16")), errors.DTypeError),
    "bool, then floats": (flat(at(True, dtype="?"), at(0.5, 0.0, dtype="f8")), errors.DTypeError),
    "no blocks": (flat(), errors.BlockError),
    "no bands": (nested(), errors.BlockError),
    "a generator that is used up": (same_generator(), errors.BlockError),
    "fewer blocks than declared": (
        LazyChunkSequence(lambda: [at(1, dtype="f8")] * 2, 5),
        errors.BlockError,
    ),
    "more blocks than declared": (
        LazyChunkSequence(lambda: [at(1, dtype="f8")] * 7, 5),
        errors.BlockError,
    ),
    "fewer bands than declared": (NestedLazyChunkSequence(lambda: [[ONE]], 2), errors.BlockError),
    "more bands than declared": (
        NestedLazyChunkSequence(lambda: [[ONE]] * 3, 2),
        errors.BlockError,
    ),
    "an empty band between": (nested([ONE], [], [ONE]), errors.BlockError),
    "an empty band at the end": (nested([ONE], []), errors.BlockError),
    "an empty band at the beginning": (nested([], [ONE]), errors.BlockError),
    "a high block, then a low one": (
        nested([np.ones((3, 2)), np.ones((1, 2))], [ONE, ONE]),
        errors.BlockError,
    ),
    "a low block, then a high one": (
        nested([np.ones((1, 2)), np.ones((3, 2))], [ONE, ONE]),
        errors.BlockError,
    ),
    "a narrower band": (nested([ONE, ONE], [ONE]), errors.BlockError),
    "a wider band": (nested([ONE], [ONE, ONE]), errors.BlockError),
    "another trailing size in a band": (
        nested([np.ones((1, 1, 3)), np.ones((1, 1, 2))]),
        errors.BlockError,
    ),
    "a one-shot iterable inside": (
        NestedLazyChunkSequence(one_shot_inner, 3),
        errors.BlockError,
    ),
    "more axes": (flat(ONE, np.ones((2, 2, 2))), errors.BlockError),
    "no axes": (flat(np.ones(())), errors.BlockError),
    "one axis in a band": (nested([np.ones(2)]), errors.BlockError),
    "no rows at first": (flat(np.ones((0, 2)), ONE), ONE),
    "no rows at all": (flat(np.ones((0, 3))), np.ones((0, 3))),
    "no columns": (flat(np.ones((4, 0))), np.ones((4, 0))),
    "unequal heights": (
        flat(np.ones((1, 2)), np.full((3, 2), 2.0)),
        np.repeat([[1.0], [2]], [1, 3], 0) * np.ones(2),
    ),
    "unaligned columns": (
        nested([np.ones((1, 1)), np.ones((1, 3))], [np.ones((1, 2)), np.ones((1, 2))]),
        np.ones((2, 4)),
    ),
    "big-endian blocks": (flat(ONE.astype(">f8"), ONE), np.ones((4, 2))),
    "Fortran order": (flat(np.asfortranarray(FLAT)), FLAT),
    "a list instead of an array": (flat([[1.0, 2.0]]), TypeError),
}


def targets(path):
    return {"a path": path, "a MemoryStore": zarr.storage.MemoryStore()}


@pytest.mark.parametrize("kind", ["a path", "a MemoryStore"])
@pytest.mark.parametrize("old", [False, True], ids=["new", "overwrite"])
@pytest.mark.parametrize("name", LOST)
def test_what_pydvl_loses_is_an_error_or_right(name, old, kind, path):
    sequence, expected = LOST[name]
    if name == "a generator that is used up":
        sequence = same_generator()
    target = targets(path)[kind]
    before = np.full((9, 1), 5.0)
    if old:
        flat(before).to_zarr(target, Same())
    if not isinstance(expected, type):
        stored = sequence.to_zarr(target, Same(), return_stored=True, overwrite=old)
        assert same(stored[...], expected)
        return
    with pytest.raises(expected):
        sequence.to_zarr(target, Same(), return_stored=True, overwrite=old)
    if old:
        assert same(zarr.open_array(target, mode="r")[...], before)
    else:
        with pytest.raises(NOTHING):
            zarr.open_array(target, mode="r")
        # Nothing is in the way of the next call.
        flat(ONE).to_zarr(target, Same())


def test_an_empty_sequence_does_not_pass_an_array_that_exists(path):
    for target in targets(path).values():
        flat(ONE).to_zarr(target, Same())
        with pytest.raises((FileExistsError, errors.BlockError)):
            flat().to_zarr(target, Same())


@pytest.mark.parametrize("kind", ["a path", "a MemoryStore"])
def test_a_failure_after_some_blocks_leaves_nothing_or_the_old_array(kind, path):
    def blocks():
        yield ONE
        yield ONE
        raise RuntimeError("boom")

    target = targets(path)[kind]
    with pytest.raises(RuntimeError, match="boom"):
        LazyChunkSequence(blocks).to_zarr(target, Same())
    with pytest.raises(NOTHING):
        zarr.open_array(target, mode="r")
    flat(np.full((9, 1), 5.0)).to_zarr(target, Same())
    with pytest.raises(RuntimeError, match="boom"):
        LazyChunkSequence(blocks).to_zarr(target, Same(), overwrite=True)
    assert same(zarr.open_array(target, mode="r")[...], np.full((9, 1), 5.0))


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize("kind", ["a path", "a MemoryStore", "a dict"])
def test_a_group_and_its_members_are_never_replaced(kind, overwrite, path):
    target = {**targets(path), "a dict": {}}[kind]
    group = zarr.create_group(target)
    group.create_array("member", shape=(2,), dtype="f4")[...] = 1
    with pytest.raises((FileExistsError, ValueError)):
        flat(ONE).to_zarr(target, Same(), overwrite=overwrite)
    assert (zarr.open_group(target, mode="r")["member"][...] == 1).all()


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_files_are_never_removed(overwrite, path):
    (path / "sub").mkdir(parents=True)
    (path / "thesis.txt").write_text("thesis")
    (path / "sub" / "x").write_text("x")
    before = files(path)
    with pytest.raises(FileExistsError):
        flat(ONE).to_zarr(path, Same(), overwrite=overwrite)
    assert files(path) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_keys_of_a_store_are_never_removed(overwrite):
    store = {}
    zarr.create_array(store, name="other", shape=(2,), dtype="f4")[...] = 1
    with pytest.raises((FileExistsError, ValueError)):
        flat(ONE).to_zarr(store, Same(), overwrite=overwrite)
    assert (zarr.open_array(store, path="other", mode="r")[...] == 1).all()


def test_an_array_of_zarr_version_2_in_a_store_is_an_array_that_exists():
    store = {}
    zarr.create_array(store, shape=(2,), dtype="f4", zarr_format=2)[...] = 1
    with pytest.raises(FileExistsError):
        flat(ONE).to_zarr(store, Same())
    stored = flat(ONE).to_zarr(store, Same(), return_stored=True, overwrite=True)
    assert same(stored[...], ONE) and same(zarr.open_array(store, mode="r")[...], ONE)


def test_a_read_only_store_is_refused():
    store = zarr.storage.MemoryStore(read_only=True)
    with pytest.raises((ValueError, OSError)):
        flat(ONE).to_zarr(store, Same())


def test_an_array_that_exists_is_an_error_before_the_first_block(path):
    computed = []

    def blocks():
        computed.append(None)
        yield ONE

    for target in targets(path).values():
        flat(ONE).to_zarr(target, Same())
        with pytest.raises(FileExistsError):
            LazyChunkSequence(blocks).to_zarr(target, Same())
    # The first block of a generator may be taken to see what the generator yields.
    assert len(computed) <= 2


@pytest.mark.parametrize("kind", ["a path", "a MemoryStore"])
def test_an_array_can_be_the_source_of_its_own_replacement(kind, path):
    target = targets(path)[kind]
    source = flat(*[np.full((2, 2), 10.0 * k) for k in (1, 2, 3)]).to_zarr(target, Same(), True)
    expected = source[...]
    sequence = LazyChunkSequence(lambda: (source[i : i + 2] for i in range(0, 6, 2)))
    stored = sequence.to_zarr(target, Same(), return_stored=True, overwrite=True)
    assert same(stored[...], expected)


def test_two_writers_of_one_path_make_one_whole_array(path, program):
    text = """
    import sys, time
    import numpy as np
    import lazy_chunks
    path, k = sys.argv[1], float(sys.argv[2])
    class Same(lazy_chunks.NumpyConverter):
        def to_numpy(self, x): return x
        def from_numpy(self, x): return x
    def blocks():
        for _ in range(20):
            time.sleep(0.01)
            yield np.full((2, 3), k)
    try:
        lazy_chunks.LazyChunkSequence(blocks).to_zarr(path, Same(), overwrite=True)
        print("stored")
    except lazy_chunks.errors.InUseError:
        print("in use")
    """
    writers = [program(text, path, k) for k in (1, 2)]
    outcomes = [writer.output() for writer in writers]
    values = lazy_chunks.open(path).read()
    assert "stored" in outcomes and set(outcomes) <= {"stored", "in use"}
    assert values.shape == (40, 3) and len(np.unique(values)) == 1


def test_the_metadata_are_written_once(path):
    stored = LazyChunkSequence(lambda: (np.full((2, 2), k) for k in range(200)))
    array = stored.to_zarr(path, Same(), True)
    assert array.shape == (400, 2) and array.nchunks < 20


class OldZarr(types.ModuleType):
    """zarr-python of a version that cannot open the arrays."""

    __version__ = "2.18.3"
    storage = types.SimpleNamespace()


@pytest.mark.parametrize(
    ("module", "problem"), [(None, "pip install"), (OldZarr("zarr"), r"3\.1 or newer.*2\.18\.3")]
)
def test_a_missing_zarr_python_is_told_before_any_block(module, problem, path, monkeypatch):
    array, _ = lazy_chunks.store([np.zeros(2)], path)
    monkeypatch.setitem(sys.modules, "zarr", module)

    def blocks():
        raise AssertionError("no block is needed")
        yield

    for store in [path, {}]:
        with pytest.raises(ImportError, match=problem):
            LazyChunkSequence(blocks).to_zarr(store, Same(), return_stored=True, overwrite=True)
    with pytest.raises(ImportError, match=problem):
        array.zarr()
    assert (array.read() == 0).all()
