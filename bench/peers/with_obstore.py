"""zarr-python, with its store over obstore."""

import zarr
from obstore.store import S3Store
from zarr.storage import ObjectStore

from with_zarr import CONCURRENCY, reader_of, store_in

zarr.config.set({"async.concurrency": CONCURRENCY})


def store(job):
    store_in(store_of(job), job)


def reader(job):
    return reader_of(store_of(job))


def store_of(job):
    options = {"allow_http": True}
    return ObjectStore(S3Store(
        job.bucket, prefix=job.key, endpoint=job.endpoint, client_options=options))
