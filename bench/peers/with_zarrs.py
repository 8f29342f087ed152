"""zarr-python with zarrs' pipeline of codecs."""

import zarr
import zarrs  # noqa: F401: the pipeline, which would be imported when the first array is opened.

import with_zarr
from job import Unsupported
from with_zarr import reader  # noqa: F401: the same, through the pipeline.

# Without `strict`, zarr-python would take over what the pipeline does not support.
zarr.config.set({"codec_pipeline.path": "zarrs.ZarrsCodecPipeline", "codec_pipeline.strict": True})


def store(job):
    if job.flush:
        raise Unsupported("zarrs' pipeline does not flush")
    with_zarr.store(job)
