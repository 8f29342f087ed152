"""pyDVL, which stores with zarr-python."""

import zarr
from pydvl.influence.array import LazyChunkSequence, NestedLazyChunkSequence, NumpyConverter
from zarr.codecs import ZstdCodec

from job import Unsupported

# pyDVL creates its array with zarr-python's defaults. The configuration can still change this
# default, but no longer the compressor.
zarr.config.set({"array.write_empty_chunks": True})


class Identity(NumpyConverter):
    """The blocks are NumPy arrays already."""

    def to_numpy(self, x):
        return x

    def from_numpy(self, x):
        return x


def store(job):
    if job.flush:
        raise Unsupported("zarr-python does not flush")
    if job.shards:
        raise Unsupported("pyDVL has no shards")
    if not is_default(job.codecs):
        raise Unsupported("pyDVL has zarr-python's default codec only, zstd of level 0")
    # The chunks have the shape of the first block, whatever the job asks for.
    if job.columns:
        sequence = NestedLazyChunkSequence(job.bands)
    else:
        sequence = LazyChunkSequence(lambda: (block for _, block in job.blocks()))
    sequence.to_zarr(job.path, Identity())


def is_default(codecs):
    return [codec["name"] for codec in codecs] == ["zstd"] and ZstdCodec.from_dict(codecs[0]) == ZstdCodec()


def reader(job):
    raise Unsupported("pyDVL does not read")
