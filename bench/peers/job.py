"""What is to be done, and the blocks that are stored; the other half is in Rust."""

import itertools
from dataclasses import dataclass

import numpy as np

DTYPE = np.dtype("<f4")


class Unsupported(Exception):
    """The peer cannot do it; the message says why, in a few words."""


@dataclass
class Job:
    """An array of shape (sum of the rows, width) that is to be stored or read."""

    task: str  # `store`, `read`, or `read_blocks`: `rows` rows at a time, each let go of before the next.
    pool: str  # The file of the elements that blocks are made of.
    rows: list  # The blocks' sizes along axis 0.
    columns: list | None  # Along axis 1, of a nested sequence; blocks of the others have the width.
    width: int
    chunks: list
    shards: list | None
    codecs: list  # The metadata of those that turn bytes into bytes; of the chunks, where there are shards.
    path: str
    flush: bool  # Whether all has to be on the device in the end.
    check: bool  # Whether the checksum of what is read is asked for.

    def __post_init__(self):
        self._elements = np.fromfile(self.pool, DTYPE) if self.task == "store" else None

    @property
    def shape(self):
        return (sum(self.rows), self.width)

    @property
    def unit(self):
        """The shape of what is stored in one file."""
        return tuple(self.shards or self.chunks)

    @property
    def widths(self):
        return self.columns or [self.width]

    def block(self, number, height, width):
        """A block, computed as cheaply as can be: by a copy."""
        size = height * width
        start = number * 6_700_417 % (self._elements.size - size)
        return self._elements[start:start + size].reshape(height, width).copy()

    def bands(self):
        """Yields a generator of blocks for each of the rows."""
        numbers = itertools.count()
        for height in self.rows:
            yield (self.block(next(numbers), height, width) for width in self.widths)

    def blocks(self):
        """Yields each block with its place in the array."""
        row = 0
        for height, band in zip(self.rows, self.bands()):
            column = 0
            for block in band:
                yield (slice(row, row + height), slice(column, column + block.shape[1])), block
                column += block.shape[1]
            row += height

    @property
    def has_blocks_of_units(self):
        """Whether no two blocks have a part of the same unit."""
        return all(size % unit == 0 for sizes, unit in zip([self.rows, self.widths], self.unit)
                   for size in sizes[:-1])
