"""dask, which stores and reads with zarr-python."""

import dask
import dask.array
import zarr

from job import DTYPE, Unsupported
from with_zarr import create


def store(job):
    if job.flush:
        raise Unsupported("zarr-python does not flush")
    array = blocks(job)
    units = dask.array.core.normalize_chunks(job.unit, job.shape)
    # Tasks that store parts of the same unit would overwrite each other's elements.
    if array.chunks != units:
        array = array.rechunk(units)
    dask.array.store(array, create(job.path, job), lock=False)


def blocks(job):
    make = dask.delayed(job.block, pure=False, traverse=False)
    number, bands = 0, []
    for height in job.rows:
        band = []
        for width in job.widths:
            band.append(dask.array.from_delayed(make(number, height, width), (height, width), DTYPE))
            number += 1
        bands.append(band)
    return dask.array.block(bands)


def reader(job):
    stored = zarr.open_array(job.path, mode="r")
    # Tasks read many chunks each. A shard is best read at once, but dask does not know shards.
    array = dask.array.from_zarr(stored, chunks=stored.shards or "auto")
    return lambda selection: array[selection].compute()
