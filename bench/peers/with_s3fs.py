"""zarr-python, with its store over fsspec and s3fs."""

from zarr.storage import FsspecStore

from with_zarr import on_stores


def store_of(job):
    return FsspecStore.from_url(job.path, storage_options={"endpoint_url": job.endpoint})


store, reader = on_stores(store_of)
