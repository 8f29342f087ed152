"""Dtypes, memory layouts and the equality of bits, for several test modules."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
from hypothesis import strategies as st

BFLOAT16 = np.dtype(ml_dtypes.bfloat16)
NUMPY_DTYPES = [np.dtype(name) for name in "bool i1 i2 i4 i8 u1 u2 u4 u8 f2 f4 f8 c8 c16".split()]
DTYPES = [*NUMPY_DTYPES, BFLOAT16]

LAYOUTS = ["c", "fortran", "reversed", "strided", "broadcast", "swapped", "unaligned", "read-only"]


@contextlib.contextmanager
def place() -> Iterator[Path]:
    """A place without an array, for tests that run many examples."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("PYTEST_DEBUG_TEMPROOT")) as directory:
        yield Path(directory) / "values.zarr"


def bits(array: Any) -> tuple[tuple[int, ...], str, bytes]:
    """The shape, the dtype and the bits of an array, whatever its layout and byte order."""
    array = np.asarray(array)
    if array.dtype != BFLOAT16 and not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array.shape, array.dtype.name, array.tobytes()


def same(found: Any, expected: Any) -> bool:
    """True if two arrays have the same shape, dtype and bits."""
    return bits(found) == bits(expected)


def of_bytes(raw: bytes, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """An array with any bits: NaN with payloads, subnormal numbers, -0.0."""
    n_bytes = int(np.prod(shape, dtype=int)) * dtype.itemsize
    raw = (raw * (n_bytes // max(len(raw), 1) + 1))[:n_bytes]
    if dtype.kind == "b":
        return (np.frombuffer(raw, "u1") % 2 == 1).reshape(shape)
    return np.frombuffer(raw, dtype).reshape(shape)


def laid_out(array: np.ndarray[Any, Any], layout: str) -> np.ndarray[Any, Any]:
    """An array with the same elements in another layout of memory."""
    match layout:
        case "fortran":
            laid = np.asfortranarray(array)
        case "reversed":
            backward = (slice(None, None, -1),) * array.ndim
            laid = np.ascontiguousarray(array[backward])[backward]
        case "strided":
            wide = np.zeros(tuple(3 * size + 1 for size in array.shape), array.dtype)
            laid = wide[tuple(slice(1, 3 * size + 1, 3) for size in array.shape)]
            laid[...] = array
        case "broadcast":
            # All rows are the first one, in one place of memory.
            laid = np.broadcast_to(array[:1], array.shape) if array.shape[0] else array
        case "swapped" if array.dtype != BFLOAT16:
            laid = array.astype(array.dtype.newbyteorder())
        case "unaligned":
            rows = np.zeros(array.shape, [("pad", "u1"), ("x", array.dtype)])
            rows["x"] = array
            laid = rows["x"]
        case "read-only":
            laid = array.copy()
            laid.flags.writeable = False
        case _:
            laid = array
    return laid


raw_bytes = st.binary(min_size=64, max_size=200)
sizes = st.integers(0, 4)


@st.composite
def arrays(draw: Any, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.ndarray[Any, Any]:
    """An array of this shape in any layout."""
    return laid_out(of_bytes(draw(raw_bytes), dtype, shape), draw(st.sampled_from(LAYOUTS)))


@st.composite
def flat_blocks(draw: Any, dtypes: Any = DTYPES, most_axes: int = 3) -> list[Any]:
    """Blocks along axis 0."""
    dtype = draw(st.sampled_from(dtypes))
    trailing = tuple(draw(st.lists(sizes, max_size=most_axes - 1)))
    rows = draw(st.lists(sizes, min_size=1, max_size=5))
    return [draw(arrays(dtype, (n, *trailing))) for n in rows]


@st.composite
def bands(draw: Any, dtypes: Any = DTYPES) -> list[list[Any]]:
    """Bands of blocks along the axes 0 and 1, whose columns may differ between bands."""
    dtype = draw(st.sampled_from(dtypes))
    trailing = tuple(draw(st.lists(st.integers(1, 3), max_size=1)))
    width = draw(st.integers(1, 6))
    made = []
    for height in draw(st.lists(st.integers(1, 3), min_size=1, max_size=3)):
        cuts = sorted(draw(st.sets(st.integers(1, width - 1), max_size=3))) if width > 1 else []
        columns = np.diff([0, *cuts, width])
        made.append([draw(arrays(dtype, (height, int(n), *trailing))) for n in columns])
    return made


def joined(made: list[list[Any]]) -> np.ndarray[Any, Any]:
    """The array of bands."""
    native = made[0][0].dtype
    native = native if native == BFLOAT16 else native.newbyteorder("=")
    return np.concatenate([np.concatenate(band, axis=1) for band in made]).astype(native)


def concatenated(blocks: list[Any]) -> np.ndarray[Any, Any]:
    """The array of blocks."""
    native = blocks[0].dtype
    native = native if native == BFLOAT16 else native.newbyteorder("=")
    return np.concatenate(blocks).astype(native)


def files(directory: str | os.PathLike[str]) -> dict[str, bytes]:
    """All files below a directory, with what they hold."""
    root = Path(directory)
    return {
        file.relative_to(root).as_posix(): file.read_bytes()
        for file in root.rglob("*")
        if file.is_file()
    }
