"""The exceptions of the package.

Each one is a :class:`LazyChunksError`, and also the exception of Python that has the same meaning.
``hint`` is the remedy, if one is known, and ``target`` the place of the array concerned.

Arguments of a wrong type or form are a ``TypeError`` or a ``ValueError``.

An exception that a generator or a function of yours raises arrives unchanged, with a note that names
the block.
"""

from __future__ import annotations

__all__ = [
    "AccessDeniedError",
    "BlockError",
    "ChangedError",
    "CorruptError",
    "DTypeError",
    "ForkedError",
    "InUseError",
    "InvalidArgumentError",
    "LazyChunksError",
    "NotAnArrayError",
    "OutOfMemoryError",
    "ResumeMismatchError",
    "StatisticError",
    "StorageError",
    "TargetExistsError",
    "TargetNotFoundError",
    "UnfinishedError",
    "UnsupportedError",
]


class LazyChunksError(Exception):
    """The base of all exceptions of the package."""

    hint: str | None = None
    target: str | None = None


class InvalidArgumentError(LazyChunksError, ValueError):
    """A setting, a target or a region is invalid."""


class TargetExistsError(LazyChunksError, FileExistsError):
    """Something exists at the target."""


class TargetNotFoundError(LazyChunksError, FileNotFoundError):
    """Nothing exists at the target."""


class NotAnArrayError(LazyChunksError, ValueError):
    """The target is not an array, but a group or other data."""


class InUseError(LazyChunksError):
    """Another process writes the array."""


class UnfinishedError(LazyChunksError):
    """An interrupted write, or parts of a plan, must be finished first."""


class ResumeMismatchError(LazyChunksError, ValueError):
    """The interrupted write has another key or other settings."""


class ChangedError(LazyChunksError):
    """The array was replaced while it was used."""


class CorruptError(LazyChunksError):
    """Stored data is damaged."""


class UnsupportedError(LazyChunksError):
    """The array or the store does not support the operation."""


class OutOfMemoryError(MemoryError, LazyChunksError):
    """The memory, or its limit, does not suffice."""


class AccessDeniedError(LazyChunksError, PermissionError):
    """A file system or a store refuses access."""


class StorageError(LazyChunksError, OSError):
    """A file system or a store failed."""


class BlockError(LazyChunksError, ValueError):
    """The blocks do not fit together, or there are none."""


class DTypeError(LazyChunksError, TypeError):
    """A block has another dtype than the others, or one that a statistic does not support."""


class StatisticError(LazyChunksError, ValueError):
    """A statistic is invalid, or undefined for the data."""


class ForkedError(LazyChunksError):
    """The process was forked after its parent had used the package."""
