"""Gathers blocks into rows of whole units, for peers that are faster with them.

A unit that is written in parts is read, decoded, encoded and written again for each part. Each call
has a cost. zarr-python stores several chunks concurrently only within one call. So careful users of
these libraries gather blocks themselves.
"""

import numpy as np

from job import DTYPE

# The least number of bytes to gather. More did not make writes faster.
MIN_BYTES = 1 << 20


def gathered_rows(job):
    """Yields rows with the height of whole units, and their position in the array."""
    row_of_units = DTYPE.itemsize * job.unit[0] * job.width
    step = job.unit[0] * max(MIN_BYTES // row_of_units, 1)
    # The first row that was not yielded yet, and the number of rows gathered since.
    row, n_rows = 0, 0
    rows = None
    for height, band in zip(job.rows, job.bands()):
        if job.columns is None and n_rows == 0 and height % step == 0:
            yield slice(row, row + height), next(band)
            row += height
            continue
        if rows is None:
            rows = np.empty((step + max(job.rows), job.width), DTYPE)
        column = 0
        for block in band:
            rows[n_rows:n_rows + height, column:column + block.shape[1]] = block
            column += block.shape[1]
        n_rows += height
        n_whole = n_rows // step * step
        if n_whole > 0:
            # The yielded rows may still be read when the next blocks come.
            whole, rest = rows[:n_whole], rows[n_whole:n_rows]
            rows = np.empty_like(rows)
            rows[:len(rest)] = rest
            yield slice(row, row + n_whole), whole
            row += n_whole
            n_rows = len(rest)
    if n_rows > 0:
        yield slice(row, row + n_rows), rows[:n_rows]
