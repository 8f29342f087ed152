"""Writes that several processes share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import TYPE_CHECKING, Any, NamedTuple

from . import _lazy_chunks as _core
from ._progress import Progress
from ._store import BlocksLike, Resume, StatsLike, StoreResult
from ._stored import StoredArray
from ._targets import TargetLike, absolute

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

__all__ = ["Part", "PartResult", "Plan", "PlanStatus", "plan"]


class Part(NamedTuple):
    """A run of rows that one worker computes: its number, its first row, and the row behind."""

    number: int
    start: int
    stop: int


class PartResult(NamedTuple):
    """The outcome of :meth:`Plan.run`.

    ``outcome`` is ``"finished"``, ``"finished before"``, or ``"held"`` if another process, the
    ``holder``, computes the part.
    """

    part: int
    outcome: str
    n_blocks: int | None
    seconds: float | None
    holder: str | None


class PlanStatus(NamedTuple):
    """The state of a plan.

    ``finished`` has the numbers of the parts that are finished, and ``taken`` the processes that
    compute others.
    """

    n_parts: int
    finished: list[int]
    taken: dict[int, str]
    is_published: bool

    @property
    def is_complete(self) -> bool:
        """True if all parts are finished."""
        return len(self.finished) == self.n_parts


@dataclass(frozen=True, repr=False)
class Plan:
    """A write that several processes share. It can be pickled if its function can.

    Its state lies beside the array: any process that has the plan can run parts, and any number of
    them at once, in any order, again after a failure. A part that is finished is not computed again.
    """

    blocks: Any
    target: TargetLike
    settings: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"<lazy_chunks.Plan of {self.target!r}>"

    def parts(self) -> list[Part]:
        """Return the parts. The first call of all processes creates the plan."""
        rows = _core.plan_parts(self.blocks, self.target, dict(self.settings))
        return [Part(number, start, stop) for number, (start, stop) in enumerate(rows)]

    def run(self, part: Part | int) -> PartResult:
        """Compute a part, unless it is finished or another process computes it."""
        number = part.number if isinstance(part, Part) else index(part)
        found = _core.plan_run(self.blocks, self.target, dict(self.settings), number)
        return PartResult(number, *found)

    def finish(self) -> StoreResult:
        """Publish the array, after all parts are finished."""
        array, found = _core.plan_finish(self.blocks, self.target, dict(self.settings))
        return StoreResult(StoredArray(array, self.target), found)

    def status(self) -> PlanStatus:
        """Return the state of the plan."""
        n_parts, finished, taken, is_published = _core.plan_status(
            self.blocks, self.target, dict(self.settings)
        )
        return PlanStatus(n_parts, finished, dict(taken), is_published)


def plan(
    blocks: BlocksLike,
    target: TargetLike,
    *,
    resume: str | Resume,
    row_type: tuple[DTypeLike, Sequence[int]],
    parts: int | None = None,
    stats: StatsLike | None = None,
    chunks: Sequence[int] | str | None = None,
    shards: Sequence[int] | str | None = None,
    codec: str | None = None,
    checksum: bool | None = None,
    dtype: DTypeLike | None = None,
    casting: str | None = None,
    dims: Sequence[str] | None = None,
    attrs: Mapping[str, Any] | None = None,
    fill_value: Any = None,
    overwrite: bool = False,
    threads: int | None = None,
    memory_limit: int | str | None = None,
    copy: bool = True,
    progress: bool | Callable[[Progress], object] | None = None,
) -> Plan:
    """Return the plan of a write that several processes share.

    The parameters are those of :func:`store`. ``parts`` is the number of parts, which does not
    depend on that of the processes.

    Examples
    --------
    With Dask, Ray, joblib or :mod:`multiprocessing`, map ``plan.run`` over ``plan.parts()``:

    >>> import numpy as np, tempfile
    >>> import lazy_chunks
    >>> path = tempfile.mkdtemp() + "/values.zarr"
    >>> blocks = ([2, 2, 2], lambda i: np.full((2, 3), i, dtype="float32"))
    >>> plan = lazy_chunks.plan(blocks, path, resume="values", row_type=("float32", [3]), parts=3)
    >>> [plan.run(part).outcome for part in plan.parts()]
    ['finished', 'finished', 'finished']
    >>> plan.finish().array.shape
    (6, 3)
    """
    settings = {
        "resume": resume,
        "row_type": row_type,
        "parts": parts,
        "stats": stats,
        "chunks": chunks,
        "shards": shards,
        "codec": codec,
        "checksum": checksum,
        "dtype": dtype,
        "casting": casting,
        "dims": dims,
        "attrs": attrs,
        "fill_value": fill_value,
        "overwrite": overwrite,
        "threads": threads,
        "memory_limit": memory_limit,
        "copy": copy,
        "progress": progress,
    }
    return Plan(blocks, absolute(target), settings)
