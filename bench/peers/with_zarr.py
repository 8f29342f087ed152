"""zarr-python."""

import zarr

from gather import gathered_rows
from job import DTYPE, Unsupported


def store(job):
    if job.flush:
        raise Unsupported("zarr-python does not flush")
    array = create(job)
    # One call stores many chunks concurrently.
    for place, rows in gathered_rows(job):
        array[place] = rows


def create(job):
    return zarr.create_array(
        job.path,
        shape=job.shape,
        dtype=DTYPE,
        chunks=tuple(job.chunks),
        shards=tuple(job.shards) if job.shards else None,
        compressors=job.codecs,
        # zarr-python recommends this if hardly any chunk contains only fill values, since it need
        # not check for them then.
        config={"write_empty_chunks": True})


def reader(job):
    array = zarr.open_array(job.path, mode="r")
    return lambda start, stop: array[start:stop]
