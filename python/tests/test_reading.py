"""A stored array is indexed as a NumPy array is, and reads what NumPy's has."""

from __future__ import annotations

import copy
import itertools
import pickle
import re
import shutil
from itertools import pairwise
from pathlib import Path

import lazy_chunks
import numpy as np
import pytest
import zarr
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as numpy_st
from lazy_chunks import errors

from laws import BFLOAT16, place, same

VALUES = np.arange(7 * 5 * 3, dtype="i4").reshape(7, 5, 3)


@pytest.fixture(scope="module")
def stored(tmp_path_factory):
    path = tmp_path_factory.mktemp("reading") / "values.zarr"
    return lazy_chunks.store(
        [VALUES], path, chunks=[2, 3, 2], dims=["a", "b", "c"], attrs={"unit": "m"}
    ).array


@given(st.data())
def test_any_chain_of_indices_reads_what_numpy_has(stored, data):
    array, values = stored, VALUES
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(
            numpy_st.basic_indices(values.shape, allow_newaxis=False, allow_ellipsis=True)
        )
        try:
            values = values[key]
        except IndexError:
            assume(False)
        array = array[key]
        values = np.asarray(values)
        assert array.shape == values.shape and array.ndim == values.ndim
        assert array.size == values.size and array.nbytes == values.nbytes
    assert same(array.read(), values)
    assert same(np.asarray(array), values)


@given(st.data())
def test_slices_of_slices_reach_beyond_the_ends_as_in_numpy(stored, data):
    ends = st.one_of(st.none(), st.integers(-12, 12), st.sampled_from([2**40, -(2**40)]))
    steps = st.one_of(st.none(), st.integers(-4, 4).filter(bool))
    array, values = stored, VALUES
    for _ in range(4):
        key = slice(data.draw(ends), data.draw(ends), data.draw(steps))
        array, values = array[key], values[key]
    assert same(array.read(), values)


BAD_KEYS = {
    "too large": 7,
    "too small": -8,
    "too large for a word": 2**70,
    "too many": (0, 0, 0, 0),
    "two ellipses": (..., 0, ...),
    "None": None,
    "a list": [0, 1],
    "an array": np.array([0, 1]),
    "a mask": np.zeros(7, bool),
    "a text": "a",
    "a float": 1.0,
    "a boolean": True,
    "a text in a tuple": (0, "a"),
}


@pytest.mark.parametrize("name", BAD_KEYS)
def test_a_bad_key_is_an_index_error(stored, name):
    with pytest.raises(IndexError):
        stored[BAD_KEYS[name]]
    with pytest.raises(IndexError):
        stored[1:][:, 1:, 1:][BAD_KEYS[name]]


@pytest.mark.parametrize("key", [slice(0, 2, 0), slice(None, None, 1.5), slice("a")], ids=str)
def test_a_bad_slice_is_the_error_of_numpy(stored, key):
    with pytest.raises((ValueError, TypeError)) as of_numpy:
        VALUES[key]
    with pytest.raises(type(of_numpy.value)):
        stored[key]


def test_integers_of_numpy_are_indices(stored):
    for index in (np.int64(2), np.uint8(2), np.array(2)):
        assert same(stored[index, 1].read(), VALUES[2, 1])


def test_an_array_says_what_it_is(stored):
    assert stored.shape == (7, 5, 3) and len(stored) == 7 and stored.ndim == 3
    assert stored.dtype == np.dtype("i4") and stored.size == 105 and stored.nbytes == 420
    assert stored.chunks == (2, 3, 2) and stored.shards is None
    assert stored.dims == ("a", "b", "c") and stored.attrs["unit"] == "m"
    assert stored.stored_bytes > 0 and isinstance(stored.codecs, list)
    assert repr(stored) == "<lazy_chunks.StoredArray (7, 5, 3) int32>"


def test_a_region_says_what_it_is(stored):
    region = stored[1, :, ::2]
    assert region.shape == (5, 2) and len(region) == 5 and region.dims == ("b", "c")
    assert "region" in repr(region) and "(5, 2)" in repr(region)
    assert region.target == stored.target


def test_a_region_without_axes_is_an_element(stored):
    element = stored[1, 2, 0]
    assert element.shape == () and element.item() == VALUES[1, 2, 0]
    assert element[...].item() == element[()].item() == VALUES[1, 2, 0]
    assert isinstance(element.item(), int)
    assert np.asarray(element) == VALUES[1, 2, 0]
    for error in (len, list, lambda e: list(e.blocks())):
        with pytest.raises(TypeError):
            error(element)
    with pytest.raises(IndexError):
        element[0]


def test_an_item_of_many_elements_is_a_value_error(stored):
    with pytest.raises(ValueError):
        stored.item()


def test_numpy_converts(stored):
    assert np.asarray(stored, dtype="f8").dtype == np.float64
    assert same(np.array(stored), VALUES) and np.array(stored).flags.writeable
    assert np.sum(stored) == VALUES.sum()
    with pytest.raises(ValueError):
        np.asarray(stored, copy=False)


def test_what_is_read_belongs_to_the_caller(stored):
    first = stored.read()
    first[...] = 0
    assert same(stored.read(), VALUES)
    part = stored[::2].read()
    part[...] = 0
    assert same(stored.read(), VALUES)


@pytest.mark.parametrize("chunks", [[3, 200], [16, 16], [400, 500]])
def test_regions_with_steps(tmp_path, chunks):
    values = np.arange(400.0 * 500).reshape(400, 500)
    array, _ = lazy_chunks.store([values], tmp_path / "a.zarr", chunks=chunks)
    steps = [None, 2, 39, 1000, -1, -5, -60]
    for rows, columns in itertools.product(steps, steps):
        for key in (
            (slice(None, None, rows), slice(None, None, columns)),
            (slice(3, 391, rows), slice(444, 1, columns)),
            (slice(390, 2, rows), 7),
            (-4, slice(1, 499, columns)),
        ):
            assert same(array[key].read(), values[key]), key
            assert same(array[key][1:, ...].read(), values[key][1:]), key


def peak_bytes():
    status = Path("/proc/self/status").read_text()
    return int(re.search(r"VmHWM:\s*(\d+) kB", status)[1]) << 10


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system has no such file")
def test_a_region_with_steps_is_not_read_with_all_that_lies_between(tmp_path):
    size, n_rows = 1 << 20, 300
    rows = (np.full((1, size), i % 256, "u1") for i in range(n_rows))
    array, _ = lazy_chunks.store(rows, tmp_path / "a.zarr", chunks=[1, size // 64])
    expected = np.repeat((np.arange(n_rows) % 256).astype("u1"), 256).reshape(-1, 256)
    for step in (2, 3, -7, 1000):
        Path("/proc/self/clear_refs").write_text("5")
        before = peak_bytes()
        assert same(array[::step, ::4096].read(), expected[::step])
        assert array[:, ::3][::step].read().shape == (len(range(0, n_rows, abs(step))), -(-size // 3))
        assert peak_bytes() - before < 72 + 2 * 64 << 20


@pytest.mark.parametrize("rows", [None, 1, 3, 100])
def test_blocks_cover_the_array(stored, rows):
    for array, values in ((stored, VALUES), (stored[::-1, 1:], VALUES[::-1, 1:])):
        blocks = list(array.blocks(rows))
        assert same(np.concatenate(blocks), values)
        assert all(len(block) == (rows or 2) for block in blocks[:-1])


@pytest.mark.parametrize("rows", [0, -1])
def test_blocks_without_rows_are_refused(stored, rows):
    with pytest.raises(ValueError):
        list(stored.blocks(rows))


def test_iterating_gives_the_rows(stored):
    rows = list(stored)
    assert len(rows) == 7 and all(same(a, b) for a, b in zip(rows, VALUES, strict=True))


def test_the_array_of_zarr_python_has_the_same_elements(stored):
    assert isinstance(stored.zarr(), zarr.Array)
    assert same(stored.zarr()[...], VALUES)
    assert same(stored[1:].zarr()[...], VALUES)


def test_the_html_names_the_place_and_the_shape(tmp_path):
    path = tmp_path / "<a&b>.zarr"
    array, _ = lazy_chunks.store([VALUES], path, dims=["a", "b", "<c>"], shards="auto")
    html = array._repr_html_()
    assert "7 × 5 × 3" in html and "int32" in html and "shards" in html
    assert "&lt;a&amp;b&gt;.zarr" in html and "<c>" not in html
    assert "no axes" in array[0, 0, 0]._repr_html_()


def test_an_array_of_zarr_python_can_be_read(tmp_path):
    for version in (2, 3):
        path = tmp_path / f"{version}.zarr"
        other = zarr.create_array(
            path, shape=(7, 5, 3), chunks=(3, 2, 3), dtype="i4", zarr_format=version
        )
        other[...] = VALUES
        array = lazy_chunks.open(path)
        assert same(array[::2, ::-1].read(), VALUES[::2, ::-1])
        assert lazy_chunks.reduce(array, "sum")["sum"] == VALUES.sum()


def chunk_files(path):
    return sorted(file for file in path.rglob("*") if file.is_file() and file.name != "zarr.json")


@pytest.mark.parametrize("codec", ["none", "zstd", None])
def test_a_missing_a_cut_and_a_changed_chunk_are_found(path, codec):
    values = np.arange(40.0).reshape(10, 4)
    array, _ = lazy_chunks.store([values], path, chunks=[2, 4], codec=codec)
    sound = array.verify()
    assert sound and sound.n_chunks == 5 and sound.defects == []
    missing, cut, changed = chunk_files(path)[:3]
    missing.unlink()
    cut.write_bytes(cut.read_bytes()[:-3])
    found = array.verify()
    assert not found and found.n_chunks == 5
    assert [defect.chunk for defect in found.defects] == [(0, 0), (1, 0)]
    assert found.defects[0].kind == "missing" and found.defects[1].kind in ("truncated", "corrupt")
    assert found.defects[0].key == missing.relative_to(path).as_posix()
    if codec != "none":
        raw = bytearray(changed.read_bytes())
        raw[len(raw) // 2] ^= 1
        changed.write_bytes(raw)
        assert array.verify().defects[2].kind == "corrupt"
    again = lazy_chunks.open(path)
    for rows in (slice(0, 2), slice(2, 4), slice(None)):
        with pytest.raises(errors.CorruptError):
            again[rows].read()
    assert same(again[6:].read(), values[6:])


def test_what_is_not_there_is_not_found(path):
    with pytest.raises(errors.TargetNotFoundError) as caught:
        lazy_chunks.open(path)
    assert isinstance(caught.value, FileNotFoundError) and caught.value.target == str(path)


def test_what_is_no_array_is_refused(tmp_path):
    zarr.create_group(tmp_path / "group")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("text")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "zarr.json").write_text('{"zarr')
    with pytest.raises(errors.NotAnArrayError):
        lazy_chunks.open(tmp_path / "group")
    for name in ("empty", "file", "broken"):
        with pytest.raises(errors.LazyChunksError):
            lazy_chunks.open(tmp_path / name)


def test_an_array_that_was_removed_is_an_error(path):
    array, _ = lazy_chunks.store([np.arange(4.0)], path)
    shutil.rmtree(path)
    with pytest.raises(errors.LazyChunksError):
        array.read()


@given(st.data())
def test_a_region_of_an_array_of_empty_axes_is_read(data):
    shape = data.draw(st.sampled_from([(0,), (0, 3), (3, 0), (2, 0, 3)]))
    values = np.zeros(shape)
    with place() as path:
        array, _ = lazy_chunks.store(values, path)
        key = data.draw(st.sampled_from([..., slice(None, None, -1), slice(1, 2)]))
        assert same(array[key].read(), values[key])
        assert list(array[key].blocks()) == [] or shape[0] != 0


def test_bfloat16_can_be_read_by_region(path):
    values = np.arange(12).astype(BFLOAT16).reshape(4, 3)
    array, _ = lazy_chunks.store([values], path)
    assert same(array[::-2, 1].read(), values[::-2, 1])
    assert array[1, 1].item() == 4.0


def test_an_array_opened_again_follows_a_relative_path(path, monkeypatch):
    monkeypatch.chdir(path.parent)
    array, _ = lazy_chunks.store([np.arange(4.0)], path.name)
    monkeypatch.chdir("/")
    assert same(array.read(), np.arange(4.0))


def test_reading_does_not_change_a_file(stored, tmp_path):
    path = tmp_path / "values.zarr"
    lazy_chunks.store(stored, path)
    before = sorted((f, f.stat().st_mtime_ns) for f in path.rglob("*"))
    array = lazy_chunks.open(path)
    array.read(), array.verify(), array.zarr()[...], array.stored_bytes
    assert sorted((f, f.stat().st_mtime_ns) for f in path.rglob("*")) == before


def test_blocks_come_one_after_the_other(stored):
    blocks = stored.blocks(3)
    starts = [int(block[0, 0, 0]) for block in blocks]
    assert all(a < b for a, b in pairwise(starts))


@pytest.mark.parametrize(
    "copied", [copy.copy, copy.deepcopy, lambda a: pickle.loads(pickle.dumps(a))]
)
def test_a_stored_array_can_be_copied_and_pickled(stored, copied):
    for array, values in ((stored, VALUES), (stored[::-2, 1], VALUES[::-2, 1])):
        assert same(copied(array).read(), values)


def test_one_element_is_a_number(path):
    array, _ = lazy_chunks.store([np.array([[1.5, 2.0]])], path)
    assert (float(array[0, 0]), int(array[0, 1]), complex(array[0, 0])) == (1.5, 2, 1.5 + 0j)
    assert float(array[:, :1]) == 1.5
    with pytest.raises(ValueError):
        float(array)
