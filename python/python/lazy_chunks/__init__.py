"""Lazily evaluated, chunked arrays: store and summarize them in one pass, in bounded memory.

:func:`store` writes blocks, which any array library computes, as one Zarr array, and computes
statistics meanwhile. :func:`reduce` computes statistics alone. :func:`open` opens a stored array.
:func:`plan` shares a write between processes. The sequences, aggregators and converters are those of
pyDVL's ``pydvl.influence.array``.
"""

from __future__ import annotations

import atexit

from . import errors, stats
from ._lazy_chunks import __version__, wait_at_exit
from ._plan import Part, PartResult, Plan, PlanStatus, plan
from ._progress import Progress
from ._store import Resume, StoreResult, from_regions, from_rows, reduce, split, store
from ._stored import Defect, StoredArray, Verification, open
from ._targets import Target
from .errors import LazyChunksError
from .sequences import (
    LazyChunkSequence,
    ListAggregator,
    NestedLazyChunkSequence,
    NestedListAggregator,
    NestedSequenceAggregator,
    NumpyConverter,
    SequenceAggregator,
)
from .stats import Stat, Statistic

__all__ = [
    "Defect",
    "LazyChunkSequence",
    "LazyChunksError",
    "ListAggregator",
    "NestedLazyChunkSequence",
    "NestedListAggregator",
    "NestedSequenceAggregator",
    "NumpyConverter",
    "Part",
    "PartResult",
    "Plan",
    "PlanStatus",
    "Progress",
    "Resume",
    "SequenceAggregator",
    "Stat",
    "Statistic",
    "StoreResult",
    "StoredArray",
    "Target",
    "Verification",
    "__version__",
    "errors",
    "from_regions",
    "from_rows",
    "open",
    "plan",
    "reduce",
    "split",
    "stats",
    "store",
]

atexit.register(wait_at_exit)
