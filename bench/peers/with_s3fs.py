"""zarr-python, with its store over fsspec and s3fs."""

import zarr
from zarr.storage import FsspecStore

from with_zarr import CONCURRENCY, reader_of, store_in

zarr.config.set({"async.concurrency": CONCURRENCY})


def store(job):
    store_in(store_of(job), job)


def reader(job):
    return reader_of(store_of(job))


def store_of(job):
    return FsspecStore.from_url(job.path, storage_options={"endpoint_url": job.endpoint})
