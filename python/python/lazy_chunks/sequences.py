"""Sequences with the interface of pyDVL.

They replace those of ``pydvl.influence.array``: the same names, parameters and results. Storing is
that of :func:`lazy_chunks.store`, so blocks that do not fit together are an error, and the array
appears when it is complete.
"""

from __future__ import annotations

import os
import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from . import _lazy_chunks as _core
from ._stored import StoredArray
from ._targets import Target, import_zarr
from .errors import BlockError, TargetExistsError, UnsupportedError

__all__ = [
    "LazyChunkSequence",
    "ListAggregator",
    "NestedLazyChunkSequence",
    "NestedListAggregator",
    "NestedSequenceAggregator",
    "NumpyConverter",
    "SequenceAggregator",
]

TensorType = TypeVar("TensorType", bound=Collection[Any])


class NumpyConverter(Generic[TensorType], ABC):
    """Converts tensors to NumPy arrays and back."""

    @abstractmethod
    def to_numpy(self, x: TensorType) -> np.ndarray[Any, Any]:
        """Return an array with the elements of a tensor."""

    @abstractmethod
    def from_numpy(self, x: np.ndarray[Any, Any]) -> TensorType:
        """Return a tensor with the elements of an array."""


class SequenceAggregator(Generic[TensorType], ABC):
    """Makes one result of the blocks of a :class:`LazyChunkSequence`."""

    @abstractmethod
    def __call__(self, tensor_sequence: LazyChunkSequence[TensorType]) -> Any:
        """Return the result."""


class ListAggregator(SequenceAggregator[Any]):
    """Makes a list of the blocks."""

    def __call__(self, tensor_sequence: LazyChunkSequence[Any]) -> list[Any]:
        """Return a list of the blocks."""
        return list(_watched(tensor_sequence.generator_factory(), tensor_sequence.len_generator))


class NestedSequenceAggregator(Generic[TensorType], ABC):
    """Makes one result of the blocks of a :class:`NestedLazyChunkSequence`."""

    @abstractmethod
    def __call__(self, nested_sequence_of_tensors: NestedLazyChunkSequence[TensorType]) -> Any:
        """Return the result."""


class NestedListAggregator(NestedSequenceAggregator[Any]):
    """Makes a list of lists of the blocks."""

    def __call__(self, nested_sequence_of_tensors: NestedLazyChunkSequence[Any]) -> list[list[Any]]:
        """Return a list of the blocks of each band."""
        bands = nested_sequence_of_tensors.generator_factory()
        n_bands = nested_sequence_of_tensors.len_outer_generator
        return [list(band) for band in _watched(bands, n_bands)]


class LazyChunkSequence(Generic[TensorType]):
    """An array whose blocks along axis 0 a generator yields.

    Parameters
    ----------
    generator_factory : function
        A function that returns a new generator of the blocks each time.
    len_generator : int, optional
        The number of blocks, for a progress bar. Another number of blocks is an error of
        :meth:`to_zarr`.

    Examples
    --------
    >>> import numpy as np
    >>> from lazy_chunks import LazyChunkSequence
    >>> sequence = LazyChunkSequence(lambda: (np.full(2, i) for i in range(2)))
    >>> sequence.compute()
    [array([0, 0]), array([1, 1])]
    """

    def __init__(
        self,
        generator_factory: Callable[[], Iterable[TensorType]],
        len_generator: int | None = None,
    ) -> None:
        self.generator_factory = generator_factory
        self.len_generator = len_generator

    def compute(self, aggregator: SequenceAggregator[TensorType] | None = None) -> Any:
        """Return the result of an aggregator, by default a list of the blocks."""
        aggregator = ListAggregator() if aggregator is None else aggregator
        return aggregator(self)

    def to_zarr(
        self,
        path_or_url: Any,
        converter: NumpyConverter[TensorType],
        return_stored: bool = False,
        overwrite: bool = False,
    ) -> Any:
        """Store the blocks as one Zarr array.

        Parameters
        ----------
        path_or_url : str, path-like, Target, or a store of zarr-python
            The place of the array.
        converter : NumpyConverter
            Converts each block to a NumPy array.
        return_stored : bool
            Return the array, as a ``zarr.Array``.
        overwrite : bool
            Replace an array at the place.
        """
        blocks = map(converter.to_numpy, self.generator_factory())
        return _to_zarr(
            _counted(blocks, self.len_generator, "blocks"),
            path_or_url,
            self.len_generator,
            return_stored,
            overwrite,
        )


class NestedLazyChunkSequence(Generic[TensorType]):
    """An array whose blocks along the axes 0 and 1 a generator of generators yields.

    Parameters
    ----------
    generator_factory : function
        A function that returns a new generator of bands each time. A band is a generator of the
        blocks along axis 1.
    len_outer_generator : int, optional
        The number of bands.
    """

    def __init__(
        self,
        generator_factory: Callable[[], Iterable[Iterable[TensorType]]],
        len_outer_generator: int | None = None,
    ) -> None:
        self.generator_factory = generator_factory
        self.len_outer_generator = len_outer_generator

    def compute(self, aggregator: NestedSequenceAggregator[TensorType] | None = None) -> Any:
        """Return the result of an aggregator, by default a list of lists of the blocks."""
        aggregator = NestedListAggregator() if aggregator is None else aggregator
        return aggregator(self)

    def to_zarr(
        self,
        path_or_url: Any,
        converter: NumpyConverter[TensorType],
        return_stored: bool = False,
        overwrite: bool = False,
    ) -> Any:
        """Store the blocks as one Zarr array. See :meth:`LazyChunkSequence.to_zarr`."""
        bands = (map(converter.to_numpy, band) for band in self.generator_factory())
        return _to_zarr(
            _counted(bands, self.len_outer_generator, "bands"),
            path_or_url,
            self.len_outer_generator,
            return_stored,
            overwrite,
        )


def _watched(items: Iterable[Any], n: int | None) -> Iterable[Any]:
    """Return items with a progress bar, if their number is known and tqdm is installed."""
    if n is None:
        return items
    try:
        from tqdm.auto import tqdm
    except ImportError:
        return items
    return tqdm(items, total=n, desc="Blocks")


def _counted(items: Iterable[Any], n: int | None, name: str) -> Iterator[Any]:
    """Yield items, and check their number."""
    n_found = 0
    for n_found, item in enumerate(items, 1):
        yield item
    if n is not None and n_found != n:
        raise BlockError(f"the generator has {n_found} {name}, but {n} were declared")


def _to_zarr(
    blocks: Iterator[Any], place: Any, n: int | None, return_stored: bool, overwrite: bool
) -> Any:
    store, prefix = _other_store(place)
    if store is not None:
        return _to_store(blocks, (store, prefix), n, return_stored, overwrite)
    if return_stored:
        # Before the blocks are computed.
        import_zarr()
        if str(place).startswith("memory://"):
            raise UnsupportedError("zarr-python cannot open an array in the memory of lazy_chunks")
    _core.store(_watched(blocks, n), place, {"overwrite": overwrite})
    if not return_stored:
        return None
    return StoredArray(_core.open(place), place).zarr(mode="r+")


def _other_store(place: Any) -> tuple[Any, str]:
    """Return the store of zarr-python that is neither a directory nor has a URL, and a prefix."""
    if isinstance(place, (str, os.PathLike, Target)):
        return None, ""
    zarr = import_zarr()
    if isinstance(place, dict):
        return zarr.storage.MemoryStore(place), ""
    if isinstance(place, zarr.storage.StorePath):
        return place.store, f"{place.path}/" if place.path else ""
    is_other = type(place).__name__ in ("MemoryStore", "ZipStore")
    return (place, "") if is_other else (None, "")


# The keys of an array: its metadata, and its chunks in either encoding.
_KEYS = re.compile(r"zarr\.json|\.zarray|\.zattrs|c([/.]\d+)*|\d+([/.]\d+)*")


def _to_store(
    blocks: Iterator[Any],
    place: tuple[Any, str],
    n: int | None,
    return_stored: bool,
    overwrite: bool,
) -> Any:
    """Store blocks in a temporary directory, and copy the files to a store of zarr-python."""
    zarr = import_zarr()
    from zarr.core.buffer import default_buffer_prototype
    from zarr.core.sync import sync

    store, prefix = place

    async def keys() -> list[str]:
        return [key async for key in store.list_prefix(prefix)]

    present = [key[len(prefix) :] for key in sync(keys())]
    others = [key for key in present if not _KEYS.fullmatch(key)]
    if others or (present and not overwrite):
        raise TargetExistsError(f"{store} already holds {(others or present)[0]}")
    if present:
        try:
            zarr.open_array(store, path=prefix.rstrip("/"), mode="r")
        except Exception as error:
            raise TargetExistsError(f"{store} holds something other than an array") from error
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "array.zarr"
        _core.store(_watched(blocks, n), path, {})
        files = sorted(file for file in path.rglob("*") if file.is_file())
        # The metadata come last.
        files.sort(key=lambda file: file.name == "zarr.json")
        for key in present:
            sync(store.delete(prefix + key))
        buffer = default_buffer_prototype().buffer
        for file in files:
            key = prefix + file.relative_to(path).as_posix()
            sync(store.set(key, buffer.from_bytes(file.read_bytes())))
    return zarr.open_array(store, path=prefix.rstrip("/"), mode="r+") if return_stored else None
