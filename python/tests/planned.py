"""Blocks of plans, in a module that other processes import."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import lazy_chunks
import numpy as np

ROWS = [3, 2, 4, 1, 3, 2, 4, 1]
EXPECTED = np.arange(20.0 * 3).reshape(20, 3)


def rows(which):
    """A function of rows that can be pickled."""
    return EXPECTED[which]


class Noting:
    """A function of rows that notes its calls in a directory, for all processes."""

    def __init__(self, directory, seconds=0.0):
        self.directory, self.seconds = Path(directory), seconds

    def __call__(self, which):
        time.sleep(self.seconds)
        self.directory.mkdir(exist_ok=True)
        (self.directory / f"{which.start}-{os.getpid()}-{time.monotonic_ns()}").touch()
        return EXPECTED[which]

    def calls(self):
        """The first row of each call."""
        return sorted(int(file.name.split("-")[0]) for file in self.directory.iterdir())


class KillingOnce:
    """A function of rows that kills the first process that comes to the middle."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __call__(self, which):
        if which.start >= 9 and not os.path.exists(self.mark):
            Path(self.mark).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return EXPECTED[which]


class Sum(lazy_chunks.Statistic):
    """A statistic whose states other processes send."""

    def empty(self):
        return 0.0

    def update(self, state, block, at):
        return state + float(block.sum())

    def merge(self, state, other):
        return state + other

    def finish(self, state):
        return state


def plan(path, function=rows, **settings):
    """A plan of all tests."""
    settings = {
        "parts": 4,
        "chunks": [2, 3],
        "resume": "key",
        "stats": ["sum,argmax", Sum()],
        **settings,
    }
    blocks = lazy_chunks.from_rows(ROWS, function)
    return lazy_chunks.plan(blocks, path, row_type=("float64", [3]), **settings)
