"""The functions that evaluate blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING, Any, NamedTuple, Union

from . import _lazy_chunks as _core
from ._progress import Progress
from ._stored import StoredArray
from ._targets import TargetLike
from .stats import Stat, Statistic

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["Resume", "StoreResult", "from_regions", "from_rows", "reduce", "split", "store"]

#: An array of any library.
ArrayLike = Any
#: A function of the index of a block, or of both indices.
BlockFunction = Callable[..., ArrayLike]
BlocksLike = Union[
    ArrayLike,
    Iterable[ArrayLike],
    Iterable[Iterable[ArrayLike]],
    "tuple[Sequence[int], BlockFunction]",
    "tuple[tuple[Sequence[int], Sequence[int]], BlockFunction]",
]
AnyStat = Union[str, Stat, Statistic]
StatsLike = Union[AnyStat, Iterable[AnyStat], Mapping[str, AnyStat]]


class StoreResult(NamedTuple):
    """The result of :func:`store`: the stored array, and the statistics by name."""

    array: StoredArray
    stats: dict[str, Any]


@dataclass(frozen=True)
class Resume:
    """The key of a write that is continued after an interruption.

    Parameters
    ----------
    key : str
        A text that identifies the blocks: a write with another key is not continued.
    revision : str, optional
        A text that identifies the version of the code or the data. If it changes, blocks are
        computed again, and stored if they differ.
    restart : bool
        Start over if the interrupted write has another key or other settings.
    """

    key: str
    revision: str | None = None
    restart: bool = False


def store(
    blocks: BlocksLike,
    target: TargetLike,
    *,
    stats: StatsLike | None = None,
    chunks: Sequence[int] | str | None = None,
    shards: Sequence[int] | str | None = None,
    codec: str | None = None,
    checksum: bool | None = None,
    dtype: DTypeLike | None = None,
    casting: str | None = None,
    row_type: tuple[DTypeLike, Sequence[int]] | None = None,
    dims: Sequence[str] | None = None,
    attrs: Mapping[str, Any] | None = None,
    fill_value: Any = None,
    overwrite: bool = False,
    append: bool = False,
    resume: str | Resume | None = None,
    threads: int | None = None,
    workers: str | tuple[int, int] | None = None,
    parts: int | None = None,
    memory_limit: int | str | None = None,
    copy: bool = True,
    flush: bool = True,
    progress: bool | Callable[[Progress], object] | None = None,
    on_block: Callable[[tuple[int, int], Any], object] | None = None,
) -> StoreResult:
    """Store blocks as one Zarr array, and compute statistics in the same pass.

    The array appears at the target when it is complete. Until then, and if anything fails, the
    target is unchanged. Only the method ``finish`` of a statistic of your own may fail when the array
    is complete already; the exception says so in a note.

    Parameters
    ----------
    blocks : array, iterable of arrays, iterable of iterables, or (sizes, function)
        The blocks, in order: along axis 0, or as bands of blocks along the axes 0 and 1. An array
        is that of any library: NumPy, PyTorch, JAX, CuPy. ``(sizes, function)`` has the block
        ``function(i)`` with ``sizes[i]`` rows; ``((rows, columns), function)`` has
        ``function(i, j)``. Only these can be resumed, computed on threads or shared by workers. See
        also :func:`from_rows` and :func:`from_regions`.
    target : str, path-like or Target
        A path or a URL, such as ``"s3://bucket/values.zarr"``.
    stats : str, Stat, Statistic, or several in a list or a dict, optional
        Statistics, such as ``"mean,std"`` or ``[stats.mean(axis=0)]``. See :mod:`lazy_chunks.stats`.
    chunks : shape, "auto" or "blocks", optional
        The shape of the chunks. ``"blocks"`` stores each block as a chunk. The grid of chunks is
        regular if the blocks are ``(sizes, function)`` with equal sizes, of which the last one may be
        smaller. Otherwise it is rectilinear, which zarr-python opens only after
        ``zarr.config.set({"array.rectilinear_chunks": True})``, and tensorstore does not.
    shards : shape or "auto", optional
        The shape of shards, which hold many chunks in one file.
    codec : str, optional
        ``"blosc-lz4"``, ``"blosc-zstd"``, ``"zstd"``, ``"gzip"`` or ``"none"``, with an optional
        level, as in ``"zstd:9"``.
    checksum : bool, optional
        Store a CRC-32C with each chunk, so that damage is found. By default, codecs that do not find
        it by themselves have one.
    dtype : dtype, optional
        The dtype of the array. Blocks are cast to it first, so statistics and ``on_block`` receive
        the elements that are stored. They may have several dtypes.
    casting : {"same_kind", "safe", "unsafe"}, optional
        The casts that are allowed, in the words of NumPy. ``"safe"`` keeps all values.
        ``"same_kind"`` lets floats round and overflow to infinity, integers wrap, and integers
        become floats, which rounds large ones. By default, integers do not wrap, and all else is as
        with ``"same_kind"``. ``"unsafe"`` also lets floats become integers: the fraction is lost,
        and what is out of range becomes the nearest integer.
    row_type : (dtype, shape), optional
        The dtype of the blocks, and their shape without axis 0. It is needed for arrays without
        blocks, and if workers share the write.
    dims : sequence of str, optional
        The names of the axes, for Xarray.
    attrs : mapping, optional
        Attributes, with values that JSON has.
    fill_value : number, optional
        The value of elements of chunks that are not stored.
    overwrite : bool
        Replace an array at the target, atomically. The old chunks stay for programs that read them,
        until a later write needs their place or ``lazy clean`` removes them. With ``resume``, an
        interrupted write continues, but a complete array is computed again.
    append : bool
        Add the blocks as rows behind those of the array at the target, atomically.
    resume : str or Resume, optional
        The key of the write. If the same write was interrupted, only the blocks of chunks that are
        missing are computed. So a chunk should not be much larger than a block: ``chunks="blocks"``
        keeps each block as soon as it is computed.
    threads : int, optional
        The number of threads that call the function of ``(sizes, function)``, and that encode
        chunks. By default the calling thread calls it, and as many threads encode as there are cores.
    workers : "env" or (index, count), optional
        Share the write with other processes, which make the same call. ``"env"`` takes the index and
        the count from Slurm, MPI, Kubernetes and others.
    parts : int, optional
        The number of parts that workers share. A part has whole rows of chunks, so there are no
        more parts than these.
    memory_limit : int or str, optional
        The memory for storing and for statistics, in bytes or as ``"2GiB"``.
    copy : bool
        ``False`` if no array changes after it was handed over: then a large array in C order is used
        as it is. By default, an array is copied, unless nothing else refers to it, as to one that a
        function has just computed.
    flush : bool
        Flush everything to the device, so that the array survives a power failure.
    progress : bool or function, optional
        ``True`` for a bar by tqdm, or a function that gets a :class:`Progress`.
    on_block : function, optional
        A function that gets ``(row, column)`` and each block as a read-only array.

    Returns
    -------
    StoreResult
        The array, and the statistics by name.

    Examples
    --------
    >>> import numpy as np, tempfile
    >>> import lazy_chunks
    >>> path = tempfile.mkdtemp() + "/values.zarr"
    >>> blocks = (np.full((2, 3), i, dtype="float32") for i in range(4))
    >>> array, found = lazy_chunks.store(blocks, path, stats="mean,max")
    >>> array.shape
    (8, 3)
    >>> float(found["mean"])
    1.5

    Blocks that any of two threads computes, and that a second call would not compute again:

    >>> x = np.arange(12.0).reshape(6, 2)
    >>> squares = lazy_chunks.from_rows([2, 4], lambda rows: x[rows] ** 2)
    >>> _ = lazy_chunks.store(squares, path, overwrite=True, resume="squares", threads=2)
    """
    settings = {
        "stats": stats,
        "chunks": chunks,
        "shards": shards,
        "codec": codec,
        "checksum": checksum,
        "dtype": dtype,
        "casting": casting,
        "row_type": row_type,
        "dims": dims,
        "attrs": attrs,
        "fill_value": fill_value,
        "overwrite": overwrite,
        "append": append,
        "resume": resume,
        "threads": threads,
        "workers": workers,
        "parts": parts,
        "memory_limit": memory_limit,
        "copy": copy,
        "flush": flush,
        "progress": progress,
        "on_block": on_block,
    }
    array, found = _core.store(blocks, target, settings)
    return StoreResult(StoredArray(array, target), found)


def reduce(
    blocks: BlocksLike | StoredArray,
    stats: StatsLike,
    *,
    row_type: tuple[DTypeLike, Sequence[int]] | None = None,
    threads: int | None = None,
    memory_limit: int | str | None = None,
    copy: bool = True,
    progress: bool | Callable[[Progress], object] | None = None,
    on_block: Callable[[tuple[int, int], Any], object] | None = None,
) -> dict[str, Any]:
    """Compute statistics of blocks, in one pass and without keeping the blocks.

    Parameters
    ----------
    blocks
        As for :func:`store`, or a :class:`StoredArray`.
    stats
        As for :func:`store`.

    Returns
    -------
    dict
        The results by name: NumPy scalars and arrays, or named tuples of them.

    Examples
    --------
    >>> import numpy as np
    >>> import lazy_chunks
    >>> found = lazy_chunks.reduce([np.array([1.0, 5.0]), np.array([3.0])], "mean,argmax")
    >>> float(found["mean"])
    3.0
    >>> int(found["argmax"].row)
    1
    """
    settings = {
        "stats": stats,
        "row_type": row_type,
        "threads": threads,
        "memory_limit": memory_limit,
        "copy": copy,
        "progress": progress,
        "on_block": on_block,
    }
    return _core.reduce(blocks, settings)


def split(n: int, size: int) -> list[int]:
    """Return the sizes of blocks of ``size`` rows, of which the last one may have fewer.

    >>> from lazy_chunks import split
    >>> split(10, 4)
    [4, 4, 2]
    """
    if size < 1 or n < 0:
        raise ValueError(f"cannot split {n} rows into blocks of {size}")
    return [min(size, n - start) for start in range(0, n, size)]


@dataclass(frozen=True)
class _OfSlices:
    """A function of block indices that calls a function of slices."""

    function: BlockFunction
    ends: tuple[tuple[int, ...], ...]

    def __call__(self, *indices: int) -> ArrayLike:
        slices = (
            slice(ends[i - 1] if i else 0, ends[i])
            for ends, i in zip(self.ends, indices, strict=True)
        )
        return self.function(*slices)


def from_rows(
    sizes: Sequence[int], function: BlockFunction
) -> tuple[Sequence[int], BlockFunction]:
    """Return blocks that a function computes from a slice of rows.

    >>> import numpy as np
    >>> import lazy_chunks
    >>> x = np.arange(5.0)
    >>> rows = lazy_chunks.from_rows(lazy_chunks.split(5, 2), lambda rows: 2 * x[rows])
    >>> float(lazy_chunks.reduce(rows, "sum")["sum"])
    20.0
    """
    if callable(sizes):
        raise TypeError("from_rows takes the sizes first, and then the function")
    return sizes, _OfSlices(function, (tuple(accumulate(sizes)),))


def from_regions(
    sizes: tuple[Sequence[int], Sequence[int]], function: BlockFunction
) -> tuple[tuple[Sequence[int], Sequence[int]], BlockFunction]:
    """Return blocks that a function computes from a slice of rows and a slice of columns.

    >>> import numpy as np
    >>> import lazy_chunks
    >>> x = np.arange(3.0)
    >>> kernel = lambda rows, columns: np.exp(-np.subtract.outer(x[rows], x[columns]) ** 2)
    >>> blocks = lazy_chunks.from_regions(([2, 1], [2, 1]), kernel)
    >>> round(float(lazy_chunks.reduce(blocks, "sum")["sum"]), 3)
    4.508
    """
    if callable(sizes):
        raise TypeError("from_regions takes the sizes first, and then the function")
    rows, columns = sizes
    ends = (tuple(accumulate(rows)), tuple(accumulate(columns)))
    return sizes, _OfSlices(function, ends)
