"""Stored arrays."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

import numpy as np

from . import _lazy_chunks as _core
from ._targets import TargetLike, absolute, import_zarr, resolve
from .errors import ForkedError, UnsupportedError

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["Defect", "StoredArray", "Verification", "open"]


class Defect(NamedTuple):
    """A chunk that is ``"missing"``, ``"truncated"`` or ``"corrupt"``."""

    kind: str
    chunk: tuple[int, ...]
    key: str
    problem: str


class Verification(NamedTuple):
    """The result of :meth:`StoredArray.verify`. It is true if there are no defects."""

    n_chunks: int
    defects: list[Defect]

    def __bool__(self) -> bool:
        return not self.defects


class StoredArray:
    """An array in a Zarr store, or a region of it.

    Indexing with integers, slices and ``...`` makes a region, without reading anything.
    :meth:`read`, or ``numpy.asarray``, reads it.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> import lazy_chunks
    >>> path = tempfile.mkdtemp() + "/values.zarr"
    >>> array, _ = lazy_chunks.store([np.arange(6.0).reshape(2, 3)] * 2, path)
    >>> array
    <lazy_chunks.StoredArray (4, 3) float64>
    >>> array[1:3, 0].read()
    array([3., 0.])
    """

    __slots__ = ("_core", "_target")

    def __init__(self, core: _core._StoredArray, target: TargetLike) -> None:
        self._core = core
        self._target = absolute(target)

    @property
    def shape(self) -> tuple[int, ...]:
        """The size along each axis."""
        return tuple(self._core.shape)

    @property
    def ndim(self) -> int:
        """The number of axes."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """The number of elements."""
        size = 1
        for n in self.shape:
            size *= n
        return size

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the elements. That of bfloat16 comes from the package ``ml_dtypes``."""
        name = self._core.dtype_name
        if name == "bfloat16":
            import ml_dtypes

            name = ml_dtypes.bfloat16
        dtype: np.dtype[Any] = np.dtype(name)
        return dtype

    @property
    def nbytes(self) -> int:
        """The size of the elements in memory, in bytes."""
        return self.size * self.dtype.itemsize

    @property
    def chunks(self) -> tuple[int, ...]:
        """The shape of the chunks of the array."""
        return tuple(self._core.chunks)

    @property
    def shards(self) -> tuple[int, ...] | None:
        """The shape of the shards, if there are any."""
        shards = self._core.shards
        return None if shards is None else tuple(shards)

    @property
    def dims(self) -> tuple[str | None, ...] | None:
        """The names of the axes."""
        dims = self._core.dims
        return None if dims is None else tuple(dims)

    @property
    def attrs(self) -> dict[str, Any]:
        """The attributes. ``provenance`` tells how the package stored the array."""
        attributes: dict[str, Any] = json.loads(self._core.attributes_json)
        return attributes

    @property
    def codecs(self) -> list[Any]:
        """The codecs, as in the metadata."""
        codecs: list[Any] = json.loads(self._core.codecs_json)
        return codecs

    @property
    def target(self) -> TargetLike:
        """The place of the array."""
        return self._target

    @property
    def stored_bytes(self) -> int:
        """The size of all stored chunks, in bytes."""
        _, n_bytes = self._core.stored_size()
        return n_bytes

    def __getitem__(self, key: Any) -> StoredArray:
        """Return a region, without reading it.

        Parameters
        ----------
        key : int, slice, Ellipsis, or a tuple of them
            The indices along each axis, as in NumPy. Steps may be negative. An integer drops its
            axis.
        """
        return StoredArray(self._core.region(key), self._target)

    def __len__(self) -> int:
        """Return the size along axis 0."""
        if not self.shape:
            raise TypeError("len() of an array without axes")
        return self.shape[0]

    def read(self) -> NDArray[Any]:
        """Read the elements into a new NumPy array."""
        # A region without axes is read as a scalar.
        return np.asarray(self._core.read())

    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("an array that is read is always a new one")
        elements = self.read()
        return elements if dtype is None else elements.astype(dtype, copy=False)

    def item(self) -> Any:
        """Read the only element."""
        return self.read().item()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __complex__(self) -> complex:
        return complex(self.item())

    def blocks(self, rows: int | None = None) -> Iterator[NDArray[Any]]:
        """Read the array block by block.

        Parameters
        ----------
        rows : int, optional
            The number of rows of a block. By default, a block has the rows of a chunk, or of a
            shard if there are shards.
        """
        if not self.shape:
            raise TypeError("an array without axes has no blocks")
        rows = self._core.block_rows if rows is None else rows
        if rows < 1:
            raise ValueError(f"rows must be at least 1, got {rows}")
        for start in range(0, self.shape[0], rows):
            yield self[start : start + rows].read()

    def __iter__(self) -> Iterator[NDArray[Any]]:
        for block in self.blocks():
            yield from block

    def verify(self) -> Verification:
        """Read and check all chunks of the array."""
        n_chunks, defects = self._core.check()
        return Verification(
            n_chunks,
            [Defect(kind, tuple(chunk), key, text) for kind, chunk, key, text in defects],
        )

    def zarr(self, mode: str = "r") -> Any:
        """Open the whole array with zarr-python, as a ``zarr.Array``.

        For a URL, zarr-python needs fsspec and its package for the scheme, such as s3fs, and takes
        the options of the target as ``storage_options``, which have other names there.
        """
        zarr = import_zarr()

        place, options, members = resolve(self._target)
        path = "/".join(members)
        if isinstance(place, str) and place.startswith("file://"):
            place = unquote(place[len("file://") :])
        if isinstance(place, str) and "://" in place:
            if place.startswith("memory://"):
                raise UnsupportedError("zarr-python cannot open an array in the memory of lazy_chunks")
            return zarr.open_array(place, path=path, mode=mode, storage_options=options)
        return zarr.open_array(Path(os.fspath(place)), path=path, mode=mode)

    def __reduce__(self) -> tuple[Any, ...]:
        return _reopened, (self._target, self._core.keys)

    def __repr__(self) -> str:
        kind = "region of " if self._core.is_region else ""
        name = "lazy_chunks.StoredArray"
        return f"<{kind}{name} {self.shape} {self._core.dtype_name}>"

    def _repr_html_(self) -> str:
        place, _, members = resolve(self._target)
        place = os.fspath(place)
        rows = {
            "place": "/".join([place, *members]),
            "shape": " × ".join(map(str, self.shape)) or "no axes",
            "dtype": self._core.dtype_name,
            "chunks": " × ".join(map(str, self.chunks)),
            "shards": " × ".join(map(str, self.shards)) if self.shards else None,
            "axes": ", ".join(name or "–" for name in self.dims) if self.dims else None,
        }
        cells = "".join(
            f"<tr><th style='text-align:left'>{key}</th>"
            f"<td style='text-align:left'>{escape(text)}</td></tr>"
            for key, text in rows.items()
            if text is not None
        )
        return f"<table>{cells}</table>"


class _Forked(StoredArray):
    """An array that was sent to a forked process, which says so when it is used.

    A pool whose process fails while it unpickles would start others without end.
    """

    __slots__ = ("_error",)

    def __init__(self, error: ForkedError) -> None:
        self._error = error

    @property
    def _core(self) -> Any:  # type: ignore[override]
        raise self._error

    def __repr__(self) -> str:
        return "<lazy_chunks.StoredArray of another process>"


def _reopened(target: TargetLike, keys: tuple[Any, ...]) -> StoredArray:
    """Return an array that was pickled."""
    try:
        return StoredArray(_core.open(target).region(keys), target)
    except ForkedError as error:
        return _Forked(error)


def open(target: TargetLike) -> StoredArray:
    """Open a stored array.

    Parameters
    ----------
    target : str, path-like or Target
        The place of the array.

    Raises
    ------
    TargetNotFoundError
        If nothing exists there.
    NotAnArrayError
        If something other than an array does.
    """
    return StoredArray(_core.open(target), target)
