"""zarr-python, with its store over obstore."""

from obstore.store import S3Store
from zarr.storage import ObjectStore

from with_zarr import on_stores


def store_of(job):
    options = {"allow_http": True}
    return ObjectStore(S3Store(
        job.bucket, prefix=job.key, endpoint=job.endpoint, client_options=options))


store, reader = on_stores(store_of)
