"""The job of a peer, and the blocks to store. `bench/src/job.rs` writes it."""

import itertools
from dataclasses import dataclass
from urllib.parse import urlsplit

import numpy as np

DTYPE = np.dtype("<f4")


class Unsupported(Exception):
    """The peer does not support the job; the message gives the reason."""


@dataclass
class Job:
    """An array of shape (sum of the rows, width) to store or read."""

    # `store`, `read`, `read_region`, or `read_blocks`: `rows` rows at a time, one after another.
    task: str
    pool: str  # The file that contains the elements of all blocks.
    rows: list  # The block sizes along axis 0.
    columns: list | None  # The block sizes along axis 1 of a nested sequence.
    width: int
    chunks: list
    shards: list | None
    codecs: list  # The metadata of the chunks' bytes-to-bytes codecs.
    path: str  # Or a URL, if there is an endpoint.
    endpoint: str | None  # The address of a server with the interface of S3.
    region: list | None  # The first row and column to read, and the end of the rows and columns.
    flush: bool  # True if the array must be on the device at the end.
    check: bool  # True if the checksum of the elements is needed.

    def __post_init__(self):
        self._elements = np.fromfile(self.pool, DTYPE) if self.task == "store" else None

    @property
    def bucket(self):
        return urlsplit(self.path).netloc

    @property
    def key(self):
        return urlsplit(self.path).path.strip("/")

    @property
    def shape(self):
        return (sum(self.rows), self.width)

    @property
    def unit(self):
        """Returns the shape of the part of the array in one file."""
        return tuple(self.shards or self.chunks)

    @property
    def widths(self):
        return self.columns or [self.width]

    def block(self, number, height, width):
        """Returns a block. A copy is the cheapest computation."""
        size = height * width
        start = number * 6_700_417 % (self._elements.size - size)
        return self._elements[start:start + size].reshape(height, width).copy()

    def bands(self):
        """Yields a generator of blocks for each band."""
        numbers = itertools.count()
        for height in self.rows:
            yield (self.block(next(numbers), height, width) for width in self.widths)

    def blocks(self):
        """Yields each block with its position in the array."""
        row = 0
        for height, band in zip(self.rows, self.bands()):
            column = 0
            for block in band:
                yield (slice(row, row + height), slice(column, column + block.shape[1])), block
                column += block.shape[1]
            row += height

    @property
    def has_blocks_of_units(self):
        """Returns true if no two blocks share a unit."""
        return all(size % unit == 0 for sizes, unit in zip([self.rows, self.widths], self.unit)
                   for size in sizes[:-1])
