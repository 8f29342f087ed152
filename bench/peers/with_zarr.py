"""zarr-python."""

import zarr

from gather import gathered_rows
from job import DTYPE, Unsupported


# The number of requests at a time in stores: with the default of 10, zarr-python is slower there.
CONCURRENCY = 64


def store(job):
    if job.flush:
        raise Unsupported("zarr-python does not flush")
    store_in(job.path, job)


def store_in(store, job):
    """Stores the blocks in a store of zarr-python, or at a path."""
    array = create(store, job)
    # One call stores many chunks concurrently.
    for place, rows in gathered_rows(job):
        array[place] = rows


def create(store, job):
    return zarr.create_array(
        store,
        shape=job.shape,
        dtype=DTYPE,
        chunks=tuple(job.chunks),
        shards=tuple(job.shards) if job.shards else None,
        compressors=job.codecs,
        # zarr-python recommends this if hardly any chunk contains only fill values, since it need
        # not check for them then.
        config={"write_empty_chunks": True})


def reader(job):
    return reader_of(job.path)


def reader_of(store):
    array = zarr.open_array(store, mode="r")
    return lambda selection: array[selection]


def on_stores(store_of):
    """Returns `store` and `reader` for the stores of zarr-python that a function makes."""
    zarr.config.set({"async.concurrency": CONCURRENCY})
    return lambda job: store_in(store_of(job), job), lambda job: reader_of(store_of(job))
