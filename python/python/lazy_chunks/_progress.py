"""The progress of a pass."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple


class Progress(NamedTuple):
    """The progress of a pass.

    ``blocks``, of ``n_blocks`` if that is known, have been computed, with ``bytes`` in memory, and
    ``restored`` of them were stored by an earlier write. ``chunks`` have been stored in
    ``stored_bytes``. ``stage`` is ``"running"``, ``"waiting"`` for other workers, ``"finished"`` or
    ``"aborted"``.
    """

    blocks: int
    n_blocks: int | None
    bytes: int
    restored: int
    chunks: int
    stored_bytes: int
    stage: str


class _Bar:
    def __init__(self) -> None:
        try:
            from tqdm.auto import tqdm
        except ImportError as error:
            raise ImportError(
                "progress=True needs the package tqdm; install it, or pass a function"
            ) from error
        self._tqdm = tqdm
        self._bar: Any = None

    def __call__(self, progress: Progress) -> None:
        if self._bar is None:
            self._bar = self._tqdm(total=progress.n_blocks, unit=" blocks")
        # The rate is that of the blocks that are computed.
        self._bar.initial = progress.restored
        self._bar.update(progress.blocks - self._bar.n)
        self._bar.set_postfix_str(f"{progress.stored_bytes / 2**20:.1f} MiB stored")
        if progress.stage in ("finished", "aborted"):
            self._bar.close()


def function(progress: object) -> Callable[[Progress], object] | None:
    """Return the function that an argument ``progress`` stands for."""
    if progress is None or progress is False:
        return None
    if progress is True:
        return _Bar()
    if callable(progress):
        return progress
    raise TypeError(f"progress must be a bool or a function, got {progress!r}")
