"""zarr-python as a reader, in two versions."""

import numpy as np
import zarr


def zarr_python(directory, entry):
    array = zarr.open_array(directory / entry.path, mode="r")
    return {
        "dtype": array.dtype,
        "shape": array.shape,
        **chunks(array, entry),
        "fill": np.asarray(array.fill_value, array.dtype).tobytes().hex(),
        "dimension_names": array.metadata.dimension_names,
        "attributes": dict(array.attrs),
        "codecs": [codec.to_dict()["name"] for codec in array.compressors],
    }, lambda part: array[part]


def chunks(array, entry):
    # Older versions do not open rectilinear grids.
    if entry.sizes:
        return {"sizes": array.read_chunk_sizes}
    return {"chunks": array.chunks, "shards": array.shards}
