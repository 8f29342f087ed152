"""The peers that read.

Each peer is a function that opens an array and returns its properties, and a function that reads a
part of it. Properties that a peer does not report are left out.
"""

import functools

import dask.array
import numpy as np
import tensorstore
import xarray

from zarr_python import zarr_python


def tensorstore_(directory, entry):
    store = {"driver": "file", "path": str(directory / entry.path)}
    array = tensorstore.open({"driver": "zarr3", "kvstore": store}, read=True).result()
    layout = array.chunk_layout
    write, read = layout.write_chunk.shape, layout.read_chunk.shape
    metadata = array.spec().to_json()["metadata"]
    codecs = metadata["codecs"]
    if codecs[0]["name"] == "sharding_indexed":
        codecs = codecs[0]["configuration"]["codecs"]
    return {
        "dtype": array.dtype.numpy_dtype,
        "shape": array.shape,
        "chunks": read,
        "shards": None if codecs is metadata["codecs"] else write,
        "fill": array.fill_value.tobytes().hex(),
        # tensorstore uses an empty label for an axis without a name.
        "dimension_names": array.domain.labels if entry.dimension_names else None,
        "attributes": metadata.get("attributes", {}),
        "codecs": [codec["name"] for codec in codecs[1:]],
    }, lambda part: array[part].read().result()


@functools.cache
def dataset(path):
    return xarray.open_dataset(path, engine="zarr", consolidated=False)


def xarray_(directory, entry):
    # xarray opens groups only.
    variable = dataset(directory / (entry.group or entry.path))[entry.name]
    encoding = variable.encoding
    return {
        "dtype": variable.dtype,
        "shape": variable.shape,
        "chunks": encoding["chunks"],
        "shards": encoding["shards"],
        "fill": np.asarray(encoding["fill_value"], variable.dtype).tobytes().hex(),
        "dimension_names": variable.dims,
        "attributes": variable.attrs,
        "codecs": [codec.to_dict()["name"] for codec in encoding["compressors"]],
    }, lambda part: variable[part].values


def dask_(directory, entry):
    if entry.group:
        array = dask.array.from_zarr(str(directory / entry.group), component=entry.name)
    else:
        array = dask.array.from_zarr(str(directory / entry.path))
    return {"dtype": array.dtype, "shape": array.shape, "blocks": array.chunks}, \
        lambda part: array[part].compute(scheduler="synchronous")


PEERS = {
    "zarr-python": zarr_python,
    "tensorstore": tensorstore_,
    "xarray": xarray_,
    "dask": dask_,
}
