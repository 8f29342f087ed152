"""Statistics that are computed in the same pass as an array is stored.

A name stands for a statistic of the whole array: ``"mean"``, ``"top:10"``,
``"quantiles:0.25,0.75"``, ``"histogram:0,0.5,1"``. The functions of this module make the same
statistics, and those along an axis. The key of a result is the name of its statistic, with ``/0`` or ``/1`` for
an axis and ``, without NaN`` if NaN is left out; a dict of statistics has keys of its own.

>>> import numpy as np
>>> import lazy_chunks
>>> from lazy_chunks import stats
>>> blocks = [np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[5.0, 6.0]])]
>>> found = lazy_chunks.reduce(blocks, ["sum", stats.mean(axis=0)])
>>> float(found["sum"])
21.0
>>> found["mean/0"]
array([3., 4.])
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import namedtuple
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = [
    "Stat",
    "Statistic",
    "argmax",
    "argmin",
    "bottom",
    "corr",
    "count",
    "cov",
    "gram",
    "histogram",
    "l1",
    "l2",
    "linf",
    "max",
    "mean",
    "min",
    "quantiles",
    "std",
    "sum",
    "top",
    "var",
]


@dataclass(frozen=True)
class Stat:
    """A statistic of the library.

    Parameters
    ----------
    axis : {None, 0, 1}
        The axis that the statistic goes over, as in NumPy: ``None`` for one result for the whole
        array, 0 for one for each column, 1 for one for each row.
    ignore_nan : bool
        Leave out NaN elements.
    rank_error : float, optional
        The error of quantiles in rank.
    """

    _text: str
    axis: int | None = None
    ignore_nan: bool = False
    rank_error: float | None = None

    @property
    def name(self) -> str:
        """The key of the result."""
        name = self._text if self.axis is None else f"{self._text}/{self.axis}"
        return f"{name}, without NaN" if self.ignore_nan else name


class Statistic(ABC):
    """A statistic of your own.

    The states of blocks that are computed on several threads, or by several workers, are merged in
    the order of the blocks. Workers send them as pickles. The key of the result is the attribute
    ``name``, if there is one, and otherwise the name of the class.

    If :meth:`finish` raises an exception, the array is stored nevertheless.

    Examples
    --------
    The number of elements that are not zero:

    >>> import numpy as np
    >>> import lazy_chunks
    >>> class CountNonzero(lazy_chunks.Statistic):
    ...     def empty(self):
    ...         return 0
    ...
    ...     def update(self, state, block, at):
    ...         return state + np.count_nonzero(block)
    ...
    ...     def merge(self, state, other):
    ...         return state + other
    ...
    ...     def finish(self, state):
    ...         return int(state)
    >>> lazy_chunks.reduce([np.eye(2), np.eye(2)], [CountNonzero()])
    {'CountNonzero': 4}
    """

    @abstractmethod
    def empty(self) -> Any:
        """Return the state of no blocks."""

    @abstractmethod
    def update(self, state: Any, block: Any, at: tuple[int, int]) -> Any:
        """Return the state with one more block, a read-only array.

        ``at`` is the row and the column of its first element in the array.
        """

    @abstractmethod
    def merge(self, state: Any, other: Any) -> Any:
        """Return the state of the blocks of two states. Those of the second come later."""

    @abstractmethod
    def finish(self, state: Any) -> Any:
        """Return the result."""


def _simple(text: str, summary: str) -> Any:
    def make(axis: int | None = None, ignore_nan: bool = False) -> Stat:
        return Stat(text, axis, ignore_nan)

    make.__name__ = make.__qualname__ = text
    make.__doc__ = f"{summary}\n\nSee :class:`Stat` for the parameters."
    return make


_EXTREMUM = """The first {}, and where it lies.

The result has the fields ``value``, ``row`` and ``index``, the place of the element in its row, which
is counted in C order if the array has more than two axes. Along an axis, the fields are ``values`` and
``indices``."""

count = _simple("count", "The number of elements.")
sum = _simple("sum", "The sum.")
mean = _simple("mean", "The mean.")
var = _simple("var", "The variance, divided by the number of elements.")
std = _simple("std", "The standard deviation.")
min = _simple("min", "The minimum.")
max = _simple("max", "The maximum.")
argmin = _simple("argmin", _EXTREMUM.format("minimum"))
argmax = _simple("argmax", _EXTREMUM.format("maximum"))
l1 = _simple("l1", "The sum of absolute values.")
l2 = _simple("l2", "The Euclidean norm.")
linf = _simple("linf", "The largest absolute value.")


def top(k: int, axis: int | None = None, ignore_nan: bool = False) -> Stat:
    """The ``k`` largest elements, and where they lie.

    The result has the fields ``values``, ``rows`` and ``indices``, the places of the elements in their
    rows; along an axis, ``values`` and ``indices``.
    """
    return Stat(f"top:{k}", axis, ignore_nan)


def bottom(k: int, axis: int | None = None, ignore_nan: bool = False) -> Stat:
    """The ``k`` smallest elements, and where they lie, in the fields of :func:`top`."""
    return Stat(f"bottom:{k}", axis, ignore_nan)


def quantiles(
    probabilities: Sequence[float],
    axis: int | None = None,
    ignore_nan: bool = False,
    rank_error: float | None = None,
) -> Stat:
    """Approximate quantiles, in bounded memory. ``rank_error`` bounds their error in rank."""
    return Stat("quantiles:" + _numbers(probabilities), axis, ignore_nan, rank_error)


def histogram(
    edges: Sequence[float], axis: int | None = None, ignore_nan: bool = False
) -> Stat:
    """The numbers of elements between edges.

    The result has the fields ``bins``, whose entry ``i`` counts ``edges[i] <= x < edges[i + 1]``, the
    last one with its upper edge, ``below`` and ``above`` for the elements outside, and ``nan``.
    """
    return Stat("histogram:" + _numbers(edges), axis, ignore_nan)


def cov() -> Stat:
    """The covariance matrix of the columns, divided by the number of rows less one."""
    return Stat("cov")


def corr() -> Stat:
    """The correlation matrix of the columns."""
    return Stat("corr")


def gram() -> Stat:
    """The sums of products of each two columns."""
    return Stat("gram")


def _numbers(numbers: Sequence[float]) -> str:
    return ",".join(repr(float(number)) for number in numbers)


@cache
def _class(name: str, fields: tuple[str, ...]) -> Any:
    make: Any = namedtuple
    of_fields = make(name, fields)
    # Pickle looks a class up by its name, but here a function of this module has that name.
    of_fields.__reduce__ = lambda result: (_result, (name, result._asdict()))
    return of_fields


def _result(name: str, fields: dict[str, Any]) -> Any:
    """Return a result of several arrays."""
    return _class(name, tuple(fields))(**fields)
