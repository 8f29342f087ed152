"""Overwriting, appending and resuming."""

from __future__ import annotations

import itertools
import time

import lazy_chunks
import numpy as np
import pytest
import zarr
from hypothesis import given
from hypothesis import strategies as st
from lazy_chunks import Resume, errors

from laws import files, flat_blocks, place, same


class Break(Exception):
    """The end of a write before its last block."""


@given(flat_blocks(most_axes=2), st.data())
def test_appended_rows_follow_those_of_the_array(blocks, data):
    cut = data.draw(st.integers(0, len(blocks) - 1))
    first, rest = blocks[: cut + 1], blocks[cut + 1 :]
    chunks = [data.draw(st.integers(1, 4)) for _ in range(blocks[0].ndim)]
    with place() as path, place() as whole:
        lazy_chunks.store(first, path, chunks=chunks)
        for block in rest:
            array, _ = lazy_chunks.store([block], path, append=True)
        expected, _ = lazy_chunks.store(blocks, whole)
        array = lazy_chunks.open(path)
        assert same(array.read(), expected.read()) and array.verify()


def test_appending_to_nothing_stores(path):
    array, _ = lazy_chunks.store([np.arange(3.0)], path, append=True)
    assert same(array.read(), np.arange(3.0))


@pytest.mark.parametrize(
    ("block", "error"),
    [
        (np.zeros((2, 3), "f4"), errors.DTypeError),
        (np.zeros((2, 4)), errors.BlockError),
        (np.zeros(2), errors.BlockError),
        (np.zeros(()), errors.LazyChunksError),
    ],
    ids=["dtype", "shape", "axes", "no axes"],
)
def test_rows_that_do_not_fit_the_array_are_refused(block, error, path):
    lazy_chunks.store([np.ones((2, 3))], path)
    before = files(path)
    for blocks in ([block], block):
        with pytest.raises(error):
            lazy_chunks.store(blocks, path, append=True)
        assert files(path) == before


def test_appending_keeps_the_attributes_and_the_chunks(path):
    lazy_chunks.store([np.zeros((2, 3))], path, attrs={"unit": "m"}, chunks=[2, 2], dims=["a", "b"])
    array, found = lazy_chunks.store([np.ones((3, 3))], path, append=True, stats="mean")
    assert array.attrs["unit"] == "m" and array.chunks == (2, 2) and array.dims == ("a", "b")
    assert found["mean"] == 1 and array.shape == (5, 3)


def test_overwriting_shows_the_old_array_or_the_new_one(path):
    old, new = np.arange(12.0).reshape(6, 2), np.arange(30.0).reshape(10, 3)
    lazy_chunks.store([old], path, chunks=[2, 2])
    of_zarr = zarr.open_array(path, mode="r")
    seen = []

    def blocks():
        for row in new:
            seen.append(same(lazy_chunks.open(path).read(), old) and same(of_zarr[...], old))
            yield row[None]

    lazy_chunks.store(blocks(), path, overwrite=True, chunks=[1, 3])
    assert seen == [True] * 10
    assert same(lazy_chunks.open(path).read(), new)
    assert same(zarr.open_array(path, mode="r")[...], new)
    # A reader of zarr-python goes on with the version that it has opened.
    assert same(of_zarr[...], old)


def test_an_array_that_is_replaced_is_no_mixture(path):
    array, _ = lazy_chunks.store([np.zeros((4, 2))], path)
    region = array[1:]
    lazy_chunks.store([np.ones((4, 2))], path, overwrite=True)
    for each in (array, region):
        with pytest.raises(errors.ChangedError):
            each.read()
        with pytest.raises(errors.ChangedError):
            list(each.blocks())


def test_an_array_can_replace_itself(path):
    values = np.arange(40.0).reshape(10, 4)
    array, _ = lazy_chunks.store([values], path, chunks=[3, 4])
    array, _ = lazy_chunks.store(array[::-1], path, overwrite=True, chunks=[2, 2])
    assert same(array.read(), values[::-1])
    blocks = (2 * block for block in array.blocks())
    assert same(lazy_chunks.store(blocks, path, overwrite=True).array.read(), 2 * values[::-1])


def test_other_files_beside_the_chunks_stay(path):
    lazy_chunks.store([np.zeros(2)], path)
    (path / "notes.txt").write_text("notes")
    lazy_chunks.store([np.ones(2)], path, overwrite=True)
    assert (path / "notes.txt").read_text() == "notes"


def test_a_second_writer_is_refused_while_the_first_one_writes(path):
    def blocks():
        yield np.zeros(2)
        while not path.exists():
            time.sleep(0.01)
        with pytest.raises(errors.InUseError):
            lazy_chunks.store([np.ones(3)], path)
        yield np.zeros(2)

    assert lazy_chunks.store(blocks(), path).array.shape == (4,)


class Counting:
    """A function of blocks that breaks off at one of them, and counts its calls."""

    def __init__(self, n=8, rows=2):
        self.blocks = ([rows] * n, self)
        self.rows, self.calls, self.breaks_at = rows, [], None

    def __call__(self, i):
        self.calls.append(i)
        if i == self.breaks_at:
            raise Break
        return np.full((self.rows, 3), float(i))

    def store(self, path, breaks_at=None, **settings):
        """Return the result, or none if the write broke off, and the calls."""
        self.calls, self.breaks_at = [], breaks_at
        settings = {"chunks": [self.rows, 3], "resume": "key", **settings}
        try:
            result = lazy_chunks.store(self.blocks, path, **settings)
        except Break:
            result = None
        return result, sorted(self.calls)


EXPECTED = np.repeat(np.arange(8.0), 6).reshape(16, 3)


@pytest.mark.parametrize("k", [0, 1, 5, 7])
@pytest.mark.parametrize("threads", [None, 2])
def test_a_write_goes_on_where_it_broke_off(k, threads, path):
    function = Counting()
    result, _ = function.store(path, breaks_at=k, threads=threads)
    assert result is None
    # Nothing is left if no chunk was complete.
    with pytest.raises(errors.UnfinishedError if path.exists() else errors.TargetNotFoundError):
        lazy_chunks.open(path)
    (array, found), calls = function.store(path, threads=threads, stats="sum,max")
    # Blocks behind the one that failed may have been stored by another thread.
    assert k in calls and len(calls) <= 8 - k + (0 if threads is None else k)
    if threads is None:
        assert calls == list(range(k, 8))
    assert same(array.read(), EXPECTED) and array.verify()
    assert found == {"sum": EXPECTED.sum(), "max": 7}
    _, calls = function.store(path)
    assert calls == []


def test_a_write_that_breaks_off_again_and_again_computes_each_block_once(path):
    function, all_calls = Counting(), []
    for k in range(8):
        result, calls = function.store(path, breaks_at=k)
        assert result is None
        all_calls += calls[:-1]
    (array, _), calls = function.store(path)
    assert all_calls + calls == list(range(8))
    assert same(array.read(), EXPECTED)


def test_a_resumed_write_has_the_bytes_of_one_that_never_stopped(tmp_path):
    function = Counting()
    function.store(tmp_path / "a.zarr", breaks_at=5)
    function.store(tmp_path / "a.zarr")
    function.store(tmp_path / "b.zarr")
    assert files(tmp_path / "a.zarr") == files(tmp_path / "b.zarr")


def test_a_grid_goes_on_where_it_broke_off(path):
    calls = []

    def block(i, j):
        calls.append((i, j))
        if calls.count((1, 1)) == 1 and (i, j) == (1, 1):
            raise Break
        return np.full((2, 3), 10.0 * i + j)

    blocks = (([2] * 3, [3] * 2), block)
    with pytest.raises(Break):
        lazy_chunks.store(blocks, path, resume="grid", chunks=[2, 3])
    calls[:] = [(1, 1)]
    array, _ = lazy_chunks.store(blocks, path, resume="grid", chunks=[2, 3])
    assert set(calls[1:]) <= {(1, 0), (1, 1), (2, 0), (2, 1)}
    assert same(array.read()[::2, ::3], [[0.0, 1.0], [10.0, 11.0], [20.0, 21.0]])


def test_another_key_is_refused_until_it_may_restart(path):
    function = Counting()
    function.store(path, breaks_at=4)
    with pytest.raises(errors.ResumeMismatchError) as caught:
        function.store(path, resume="other")
    assert isinstance(caught.value, ValueError) and "restart" in caught.value.hint
    assert "key" in str(caught.value) and function.calls == []
    with pytest.raises(errors.ResumeMismatchError):
        function.store(path, chunks=[4, 3])
    (array, _), calls = function.store(path, resume=Resume("other", restart=True))
    assert calls == list(range(8)) and same(array.read(), EXPECTED)


def test_a_write_without_a_key_is_refused_where_one_is_unfinished(path):
    function = Counting()
    function.store(path, breaks_at=4)
    for settings in ({}, {"overwrite": True}, {"append": True}):
        with pytest.raises(errors.UnfinishedError) as caught:
            lazy_chunks.store([np.zeros(2)], path, **settings)
        assert "restart" in caught.value.hint
    (array, _), calls = function.store(path, resume=Resume("key"))
    assert calls == [4, 5, 6, 7] and same(array.read(), EXPECTED)


def test_a_revision_says_that_blocks_may_have_changed(path):
    function = Counting()
    function.store(path, breaks_at=5, resume=Resume("key", revision="1"))
    _, calls = function.store(path, breaks_at=6, resume=Resume("key", revision="1"))
    assert calls == [5, 6]
    (array, _), calls = function.store(path, resume=Resume("key", "2"))
    assert calls == list(range(8)) and same(array.read(), EXPECTED)


def test_a_finished_write_of_another_key_is_in_the_way(path):
    function = Counting()
    function.store(path)
    with pytest.raises(errors.TargetExistsError):
        function.store(path, resume="other")
    (array, _), calls = function.store(path, resume="other", overwrite=True)
    assert calls == list(range(8))


@pytest.mark.parametrize("blocks", ["a list", "a generator", "bands", "an array"])
def test_a_stream_cannot_be_resumed(blocks, path):
    forms = {
        "a list": [np.zeros((2, 3))],
        "a generator": (np.zeros((2, 3)) for _ in range(3)),
        "bands": [[np.zeros((2, 3))]],
        "an array": np.zeros((2, 3)),
    }
    with pytest.raises((TypeError, errors.UnsupportedError), match="cannot be resumed"):
        lazy_chunks.store(forms[blocks], path, resume="key")
    assert not path.exists()


def test_a_stored_array_can_be_resumed(path):
    source, _ = lazy_chunks.store([EXPECTED], path.with_name("source.zarr"), chunks=[2, 3])

    def on_block(at, block):
        if at[0] == 8:
            raise Break

    with pytest.raises((Break, errors.LazyChunksError)):
        lazy_chunks.store(source, path, resume="copy", chunks=[2, 3], on_block=on_block)
    assert same(
        lazy_chunks.store(source, path, resume="copy", chunks=[2, 3]).array.read(), EXPECTED
    )


def test_rows_that_are_appended_with_a_key_are_appended_once(path):
    lazy_chunks.store([np.zeros((2, 3))], path, chunks=[2, 3])
    function = Counting(n=4)
    result, _ = function.store(path, breaks_at=2, append=True, chunks=None)
    assert result is None and lazy_chunks.open(path).shape == (2, 3)
    for calls in ([2, 3], []):
        (array, _), found = function.store(path, append=True, chunks=None)
        assert found == calls and array.shape == (10, 3)
        assert same(array[2:].read(), EXPECTED[:8])


def test_progress_counts_restored_blocks(path):
    function, seen = Counting(), []
    function.store(path, breaks_at=5)
    function.store(path, progress=seen.append)
    assert seen[-1].restored == 5 and seen[-1].blocks == 8
    assert all(a.blocks <= b.blocks for a, b in itertools.pairwise(seen))


def test_resume_is_a_value():
    assert Resume("a") == Resume("a", None, False) != Resume("a", restart=True)
    assert hash(Resume("a")) == hash(Resume("a"))


class Same(lazy_chunks.NumpyConverter):
    def to_numpy(self, x):
        return x

    def from_numpy(self, x):
        return x


@pytest.mark.parametrize("kind", ["generator", "pyDVL"])
def test_a_target_that_is_taken_is_told_before_any_block(kind, path):
    lazy_chunks.store([np.zeros(2)], path)

    def blocks():
        raise AssertionError("no block is needed")
        yield

    with pytest.raises(errors.TargetExistsError):
        if kind == "pyDVL":
            lazy_chunks.LazyChunkSequence(blocks).to_zarr(path, Same())
        else:
            lazy_chunks.store(blocks(), path)
    with pytest.raises(errors.TargetExistsError):
        lazy_chunks.store(blocks(), path / "zarr.json", overwrite=True)
    with pytest.raises(ValueError, match="sizes of at least 1"):
        lazy_chunks.store(blocks(), path, overwrite=True, chunks=(0, 3))
    assert (lazy_chunks.open(path).read() == 0).all()
