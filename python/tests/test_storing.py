"""Every reader finds the elements of the blocks, bit for bit."""

from __future__ import annotations

import json
from pathlib import Path

import dask.array
import lazy_chunks
import numpy as np
import pytest
import tensorstore
import xarray
import zarr
from hypothesis import given
from hypothesis import strategies as st
from lazy_chunks import errors

from laws import (
    BFLOAT16,
    DTYPES,
    NUMPY_DTYPES,
    bands,
    concatenated,
    flat_blocks,
    joined,
    of_bytes,
    place,
    same,
)


def by_tensorstore(path: Path) -> np.ndarray:
    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": f"{path}/"}}
    return tensorstore.open(spec).result().read().result()


codecs = st.sampled_from([None, "none", "zstd", "zstd:9", "gzip", "blosc-lz4", "blosc-zstd:1"])


@st.composite
def layouts(draw, shape):
    """Settings of chunks, shards and codecs."""
    found = {"codec": draw(codecs)}
    if draw(st.booleans()):
        chunks = [draw(st.integers(1, 4)) for _ in shape]
        found["chunks"] = chunks
        if draw(st.booleans()):
            found["shards"] = [size * draw(st.integers(1, 3)) for size in chunks]
    return found


@given(st.data(), flat_blocks())
def test_the_array_is_the_concatenation_of_the_blocks(data, blocks):
    expected = concatenated(blocks)
    layout = data.draw(layouts(expected.shape))
    with place() as path:
        array, stats = lazy_chunks.store(iter(blocks), path, **layout)
        assert stats == {}
        assert array.dtype == expected.dtype
        assert same(array.read(), expected)
        assert same(lazy_chunks.open(path).read(), expected)
        assert array.verify()


@given(st.data(), flat_blocks(NUMPY_DTYPES))
def test_zarr_python_and_tensorstore_read_the_same_bits(data, blocks):
    expected = concatenated(blocks)
    layout = data.draw(layouts(expected.shape))
    with place() as path:
        lazy_chunks.store(blocks, path, **layout)
        assert same(zarr.open_array(path, mode="r")[...], expected)
        if expected.size:
            assert same(by_tensorstore(path), expected)


@given(flat_blocks([BFLOAT16]))
def test_tensorstore_reads_the_same_bits_of_bfloat16(blocks):
    expected = concatenated(blocks)
    with place() as path:
        lazy_chunks.store(blocks, path)
        if expected.size:
            assert same(by_tensorstore(path), expected)


@given(st.data(), bands())
def test_the_array_is_that_of_the_bands(data, made):
    expected = joined(made)
    layout = data.draw(layouts(expected.shape))
    with place() as path:
        array, _ = lazy_chunks.store((iter(band) for band in made), path, **layout)
        assert same(array.read(), expected)
        assert array.verify()


@given(st.data(), flat_blocks(NUMPY_DTYPES))
def test_every_form_of_blocks_gives_the_same_array(data, blocks):
    expected = concatenated(blocks)
    sizes = [len(block) for block in blocks]
    ends = np.cumsum(sizes)

    def rows(which):
        assert isinstance(which, slice)
        return expected[which]

    forms = {
        "a list": blocks,
        "a tuple": tuple(blocks),
        "a generator": (block for block in blocks),
        "an array": expected,
        "a function": (sizes, lambda i: blocks[i]),
        "a function of rows": lazy_chunks.from_rows(sizes, rows),
        "sizes of NumPy": (np.array(sizes), lambda i: blocks[i]),
    }
    name = data.draw(st.sampled_from(sorted(forms)))
    if len(blocks) == 2 and name == "a tuple":
        name = "a list"
    assert ends[-1] == len(expected)
    with place() as path:
        assert same(lazy_chunks.store(forms[name], path).array.read(), expected), name


@given(st.data())
def test_a_function_of_regions_gives_the_array(data):
    sizes = st.lists(st.integers(1, 4), min_size=1, max_size=4)
    rows, columns = data.draw(sizes), data.draw(sizes)
    dtype = data.draw(st.sampled_from(DTYPES))
    raw = data.draw(st.binary(min_size=64, max_size=128))
    expected = of_bytes(raw, dtype, (sum(rows), sum(columns)))
    threads = data.draw(st.sampled_from([None, 1, 2]))

    def region(rows, columns):
        return expected[rows, columns]

    row_ends, column_ends = np.cumsum([0, *rows]), np.cumsum([0, *columns])

    def block(i, j):
        return region(
            slice(row_ends[i], row_ends[i + 1]), slice(column_ends[j], column_ends[j + 1])
        )

    blocks = data.draw(
        st.sampled_from(
            [lazy_chunks.from_regions((rows, columns), region), ((rows, columns), block)]
        )
    )
    with place() as path:
        assert same(lazy_chunks.store(blocks, path, threads=threads).array.read(), expected)


@given(st.data(), flat_blocks())
def test_a_stored_array_can_be_stored_again(data, blocks):
    expected = concatenated(blocks)
    with place() as path:
        array, _ = lazy_chunks.store(blocks, path)
        again = path.with_name("again.zarr")
        assert same(lazy_chunks.store(array, again).array.read(), expected)
        step = data.draw(st.sampled_from([1, 2, -1]))
        part = array[::step]
        again = path.with_name("part.zarr")
        assert same(lazy_chunks.store(part, again).array.read(), expected[::step])


def test_a_region_without_an_axis_can_be_stored(path):
    values = np.arange(24.0).reshape(4, 3, 2)
    array, _ = lazy_chunks.store(values, path)
    again, _ = lazy_chunks.store(array[:, 1, ::-1], path.with_name("again.zarr"))
    assert same(again.read(), values[:, 1, ::-1])


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_an_array_without_axes_is_refused_with_a_remedy(dtype, path):
    value = of_bytes(b"\x01\x3f\x80\x41" * 4, dtype, ())
    with pytest.raises(lazy_chunks.errors.BlockError, match=r"reshape\(1\)"):
        lazy_chunks.store(value, path)
    array, _ = lazy_chunks.store(value.reshape(1), path)
    assert same(array.read(), value.reshape(1))


@pytest.mark.parametrize("shape", [(0,), (0, 3), (3, 0), (2, 0, 3), (0, 0)])
def test_an_empty_array_keeps_its_shape(shape, path):
    array, _ = lazy_chunks.store(np.zeros(shape, "f4"), path)
    assert array.shape == shape and array.dtype == "f4"
    assert same(array.read(), np.zeros(shape, "f4"))
    assert zarr.open_array(path, mode="r").shape == shape


def test_an_array_without_blocks_needs_a_row_type(path):
    with pytest.raises(lazy_chunks.errors.BlockError):
        lazy_chunks.store([], path)
    assert not path.exists()
    array, _ = lazy_chunks.store([], path, row_type=("float32", [3]))
    assert array.shape == (0, 3) and array.dtype == "f4"


def test_booleans_of_other_bytes_are_true(path):
    raw = np.array([0, 1, 2, 128, 255, 0], "u1")
    array, _ = lazy_chunks.store([raw.view(bool)], path)
    assert same(array.read(), raw != 0)
    assert array.read().view("u1").max() == 1
    assert same(zarr.open_array(path, mode="r")[...], raw != 0)


@pytest.mark.parametrize("dtype", ["i4", "f8", "c16", "u2", "f2"])
def test_blocks_of_both_byte_orders_make_one_array(dtype, path):
    values = np.arange(6).astype(dtype)
    swapped = values.astype(np.dtype(dtype).newbyteorder(">"))
    array, _ = lazy_chunks.store([values, swapped, values.astype(f"<{dtype}")], path)
    assert same(array.read(), np.concatenate([values] * 3))


def test_a_block_of_a_larger_array_is_not_the_larger_array(path):
    whole = np.arange(60.0).reshape(10, 6)
    blocks = [whole[i : i + 2, 1:-1:2] for i in range(0, 10, 2)]
    assert same(lazy_chunks.store(blocks, path).array.read(), whole[:, 1:-1:2])


def test_a_generator_may_use_its_memory_again(path):
    def blocks():
        memory = np.empty((2, 3))
        for i in range(50):
            memory[...] = i
            yield memory

    array, found = lazy_chunks.store(blocks(), path, stats="sum")
    assert same(array.read(), np.repeat(np.arange(50.0), 6).reshape(100, 3))
    assert found["sum"] == 6 * sum(range(50))


def test_xarray_and_dask_read_the_array(tmp_path):
    group = lazy_chunks.Target(tmp_path / "group")
    path = tmp_path / "group" / "values"
    values = np.arange(12, dtype="f4").reshape(4, 3)
    array, _ = lazy_chunks.store(
        [values[:2], values[2:]],
        group.member("values"),
        dims=["sample", "weight"],
        attrs={"units": "m", "list": [1, None, {"a": True}]},
        chunks=[2, 2],
    )
    assert array.dims == ("sample", "weight")
    assert array.attrs.items() >= {"units": "m", "list": [1, None, {"a": True}]}.items()
    dataset = xarray.open_zarr(tmp_path / "group", consolidated=False)
    assert dataset["values"].dims == ("sample", "weight")
    assert dataset["values"].attrs["units"] == "m"
    assert same(dataset["values"].to_numpy(), values)
    assert same(dask.array.from_zarr(path).compute(), values)
    assert same(dask.array.from_array(array, chunks=2).compute(), values)


def test_chunks_shards_and_codecs_are_those_that_were_asked_for(path):
    values = np.arange(240.0).reshape(24, 10)
    array, _ = lazy_chunks.store([values], path, chunks=(4, 5), shards=(8, 10), codec="gzip:3")
    assert array.chunks == (4, 5) and array.shards == (8, 10)
    metadata = json.loads((path / "zarr.json").read_text())
    assert "gzip" in json.dumps(metadata["codecs"]) and "gzip" in json.dumps(array.codecs)
    opened = zarr.open_array(path, mode="r")
    assert opened.chunks == (4, 5) and opened.shards == (8, 10)


def test_chunks_can_be_the_blocks(path):
    values = np.arange(30.0).reshape(10, 3)
    array, _ = lazy_chunks.store(
        [values[i : i + 2] for i in range(0, 10, 2)], path, chunks="blocks"
    )
    assert array.chunks == (2, 3)
    with zarr.config.set({"array.rectilinear_chunks": True}):
        assert same(zarr.open_array(path, mode="r")[...], values)


def test_blocks_of_unequal_sizes_can_be_the_chunks(path):
    values = np.arange(30.0).reshape(10, 3)
    blocks = [values[:3], values[3:4], values[4:]]
    array, _ = lazy_chunks.store(blocks, path, chunks="blocks")
    assert same(array.read(), values) and array.verify().n_chunks == 3
    with zarr.config.set({"array.rectilinear_chunks": True}):
        assert same(zarr.open_array(path, mode="r")[...], values)


def test_automatic_chunks_and_shards(path):
    array, _ = lazy_chunks.store([np.zeros((4, 3))], path, chunks="auto", shards="auto")
    assert array.shards is not None
    assert same(zarr.open_array(path, mode="r")[...], np.zeros((4, 3)))


@pytest.mark.parametrize(
    ("dtype", "fill"),
    [
        ("f8", np.nan),
        ("f8", 0),
        ("f4", 7.5),
        ("f4", 0),
        ("f4", np.nan),
        ("f4", np.float32(1.5)),
        ("i4", -3),
        ("u1", 255),
        ("bool", True),
        ("c8", 1 + 2j),
        ("c16", 1),
    ],
)
def test_the_fill_value_is_in_the_metadata(dtype, fill, path):
    lazy_chunks.store([np.zeros(3, dtype)], path, fill_value=fill)
    found = zarr.open_array(path, mode="r").fill_value
    assert same(np.asarray(found, dtype), np.asarray(fill, dtype))


@pytest.mark.parametrize(("dtype", "fill"), [("u1", -1), ("u1", 256), ("i4", 1.5), ("f4", 1j)])
def test_a_fill_value_that_the_dtype_cannot_hold_is_refused(dtype, fill, path):
    with pytest.raises((ValueError, TypeError, OverflowError)):
        lazy_chunks.store([np.zeros(3, dtype)], path, fill_value=fill)
    assert not path.exists()


CASTS = {
    "floats round": ([0.1, 1.5, np.nan, 1e300], "f8", "f4", {"same_kind", "unsafe"}),
    "integers wrap": ([2**40 + 1, -1, 2**31], "i8", "i4", {"same_kind", "unsafe"}),
    "unsigned integers wrap": ([300, 7], "u2", "u1", {"same_kind", "unsafe"}),
    "integers become floats": ([1, -3], "i2", "f4", {"safe", "same_kind", "unsafe"}),
    "integers become wider": ([1, -3], "i2", "i8", {"safe", "same_kind", "unsafe"}),
    "floats become wider": ([0.1, np.inf], "f4", "f8", {"safe", "same_kind", "unsafe"}),
    "floats become complex": ([0.1, np.inf], "f4", "c8", {"safe", "same_kind", "unsafe"}),
    "booleans become integers": ([True, False], "?", "i4", {"safe", "same_kind", "unsafe"}),
    "floats are cut off": ([1.5, 7.0], "f8", "u1", {"unsafe"}),
}


@pytest.mark.parametrize("casting", ["safe", "same_kind", "unsafe"])
@pytest.mark.parametrize("name", CASTS)
def test_casts_are_allowed_and_made_as_by_numpy(name, casting, path):
    values, before, after, allowed = CASTS[name]
    values = np.array(values, before)
    assert np.can_cast(values.dtype, after, casting) == (casting in allowed)
    if casting in allowed:
        array, _ = lazy_chunks.store([values], path, dtype=after, casting=casting)
        with np.errstate(over="ignore"):
            assert same(array.read(), values.astype(after))
    else:
        with pytest.raises(lazy_chunks.errors.DTypeError, match="may change values"):
            lazy_chunks.store([values], path, dtype=after, casting=casting)
        assert not path.exists()


def test_statistics_are_those_of_the_blocks_before_the_cast(path):
    _, found = lazy_chunks.store([np.array([1.25, 2.5])], path, dtype="f2", stats="sum")
    assert found["sum"] == 3.75


@pytest.mark.parametrize("dtype", ["f4", np.float32, np.dtype("f4"), "float32", ">f4"])
def test_a_dtype_has_the_names_of_numpy(dtype, path):
    array, _ = lazy_chunks.store([], path, row_type=(dtype, [2]))
    assert array.dtype == np.float32


def test_bfloat16_is_a_dtype(path):
    array, _ = lazy_chunks.store([np.zeros(2, BFLOAT16)], path, row_type=("bfloat16", []))
    assert array.dtype == BFLOAT16
    again, _ = lazy_chunks.store([], path.with_name("b.zarr"), row_type=(BFLOAT16, [2]))
    assert again.dtype == BFLOAT16


def test_statistics_and_blocks_come_from_the_same_pass(path):
    n_calls = []

    def block(i):
        n_calls.append(i)
        return np.full((2, 3), float(i))

    array, found = lazy_chunks.store(([2] * 4, block), path, stats="mean,max")
    assert n_calls == [0, 1, 2, 3]
    assert found["mean"] == array.read().mean() and found["max"] == 3


def test_an_unlimited_number_of_blocks_needs_little_memory(path):
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    block = np.zeros((1000, 1000), "f4")
    array, _ = lazy_chunks.store((block for _ in range(200)), path, codec="zstd", chunks="auto")
    assert array.nbytes == 800_000_000
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < 400_000_000


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ({"chunks": "some"}, ValueError),
        ({"chunks": [0, 1]}, ValueError),
        ({"chunks": [2]}, ValueError),
        ({"chunks": 3}, TypeError),
        ({"chunks": [-1, 2]}, (TypeError, ValueError, OverflowError)),
        ({"shards": "blocks"}, ValueError),
        ({"shards": [3, 3], "chunks": [2, 2]}, ValueError),
        ({"codec": "lzma"}, ValueError),
        ({"codec": 3}, TypeError),
        ({"dtype": "float128"}, TypeError),
        ({"dtype": "no dtype"}, TypeError),
        ({"row_type": "float32"}, (TypeError, ValueError)),
        ({"casting": "some"}, ValueError),
        ({"casting": "equiv"}, ValueError),
        ({"dims": ["a"]}, ValueError),
        ({"dims": "ab"}, TypeError),
        ({"attrs": [1]}, TypeError),
        ({"attrs": {"a": object()}}, TypeError),
        ({"attrs": {"a": float("nan")}}, (TypeError, ValueError)),
        ({"fill_value": [1, 2]}, ValueError),
        ({"fill_value": "a"}, (TypeError, ValueError)),
        ({"overwrite": True, "append": True}, ValueError),
        ({"overwrite": "yes"}, TypeError),
        ({"threads": 0}, ValueError),
        ({"threads": -1}, (TypeError, ValueError, OverflowError)),
        ({"threads": "two"}, TypeError),
        ({"memory_limit": "much"}, ValueError),
        ({"memory_limit": -1}, (TypeError, ValueError, OverflowError)),
        ({"memory_limit": 1}, MemoryError),
        ({"stats": "meen"}, ValueError),
        ({"stats": 3}, TypeError),
        ({"stats": lazy_chunks.stats.mean}, TypeError),
        ({"stats": [lazy_chunks.stats.mean]}, TypeError),
        ({"stats": lazy_chunks.Statistic}, TypeError),
        ({"stats": [3]}, TypeError),
        ({"progress": "yes"}, TypeError),
        ({"on_block": 3}, TypeError),
        ({"workers": "3"}, ValueError),
        ({"workers": (2, 2), "row_type": ("f8", [2])}, ValueError),
        ({"resume": 3}, TypeError),
    ],
    ids=str,
)
def test_an_invalid_setting_is_refused_and_nothing_is_left(settings, error, path):
    blocks = ([2, 2], lambda i: np.zeros((2, 2)))
    with pytest.raises(error):
        lazy_chunks.store(blocks, path, **settings)
    assert not path.exists()


def test_an_unknown_setting_is_refused(path):
    with pytest.raises(TypeError):
        lazy_chunks.store([np.zeros(2)], path, chunk=[2])


@pytest.mark.parametrize("limit", ["1GiB", "512 MiB", 2**30])
def test_a_memory_limit_is_a_number_or_a_text(limit, path):
    lazy_chunks.store([np.zeros(2)], path, memory_limit=limit)


def test_split_covers_all_rows():
    assert lazy_chunks.split(10, 4) == [4, 4, 2]
    assert lazy_chunks.split(0, 4) == []
    for wrong in ((3, 0), (3, -1), (-3, 1)):
        with pytest.raises(ValueError):
            lazy_chunks.split(*wrong)


@pytest.mark.parametrize("threads", [None, 2])
def test_a_write_with_a_cast_is_resumed(threads, path):
    computed, is_broken = [], True

    def block(i):
        computed.append(i)
        if i == 6 and is_broken:
            raise OSError("the disk is gone")
        return np.full((10, 2), i + 1 + 1e-9)

    arguments = {"resume": "key", "chunks": "blocks", "dtype": "f4", "stats": "sum"}
    store = lambda: lazy_chunks.store(([10] * 10, block), path, threads=threads, **arguments)
    with pytest.raises(OSError, match="the disk is gone"):
        store()
    n_before, is_broken = len(computed), False
    found = store().stats
    # Two threads may have lost the block before the one that failed.
    assert set(range(6, 10)) <= set(computed[n_before:]) <= set(range(5, 10))
    n_before = len(computed)
    assert store().stats["sum"] == found["sum"] == 20 * 55
    assert len(computed) == n_before


def test_statistics_and_callbacks_receive_what_is_stored(path):
    seen = []
    blocks = [np.array([1e300, 0.1]), np.array([2.0])]
    array, found = lazy_chunks.store(
        blocks, path, dtype="f4", stats="max,sum", on_block=lambda at, block: seen.append(block)
    )
    assert all(block.dtype == np.float32 for block in seen)
    assert found["max"] == np.inf and same(np.concatenate(seen), array.read())


def test_blocks_of_several_dtypes_are_cast_to_one(path):
    blocks = [np.arange(3), np.arange(3, dtype="f4"), np.arange(3, dtype="u1")]
    array, _ = lazy_chunks.store(blocks, path, dtype="f8")
    assert same(array.read(), np.tile(np.arange(3.0), 3))
    with pytest.raises(errors.DTypeError, match="float64.*may change values; pass casting=\"unsafe\""):
        lazy_chunks.store([np.arange(3.0), np.arange(3)], path, dtype="u1", overwrite=True)
    with pytest.raises(errors.DTypeError, match="would wrap; pass casting=\"same_kind\""):
        lazy_chunks.store(np.arange(3), path, dtype="i4", overwrite=True)
    with pytest.raises(errors.DTypeError, match="would wrap; pass casting=\"unsafe\""):
        lazy_chunks.store(np.arange(3), path, dtype="u1", overwrite=True)
    assert same(lazy_chunks.open(path).read(), np.tile(np.arange(3.0), 3))


def test_equal_blocks_are_chunks_that_all_open(path):
    sizes = lazy_chunks.split(10, 4)
    values = np.arange(30.0).reshape(10, 3)
    blocks = lazy_chunks.from_rows(sizes, lambda rows: values[rows])
    array, _ = lazy_chunks.store(blocks, path, chunks="blocks")
    assert array.chunks == (4, 3) and array.zarr().chunks == (4, 3)
    assert same(array.zarr()[:], values) and same(by_tensorstore(path), values)
    more, _ = lazy_chunks.store(blocks, path, append=True)
    assert same(more.zarr()[:], np.concatenate([values, values]))


def test_workers_share_blocks_that_are_chunks(path):
    values = np.arange(60.0).reshape(20, 3)
    blocks = lazy_chunks.from_rows(lazy_chunks.split(20, 3), lambda rows: values[rows])
    arguments = {"resume": "key", "row_type": ("f8", [3]), "parts": 3}
    plan = lazy_chunks.plan(blocks, path, chunks="blocks", **arguments)
    assert len(plan.parts()) == 3
    for part in plan.parts():
        plan.run(part)
    array = plan.finish().array
    assert array.chunks == (3, 3) and same(array.zarr()[:], values)
