"""Reads the arrays of the influence examples, as a user of zarr-python would.

usage: read_influence.py DIRECTORY

The directory has the name of the example.
"""

import sys
from pathlib import Path

import numpy as np
import xarray as xr
import zarr

N_PARAMETERS = {"influence": 650, "influence_tch": 910}
ATTRIBUTES = {
    "influence": {"l2": 1e-3},
    "influence_tch": {"damping": 1e-2, "l2": 1e-3, "tolerance": 1e-5},
}

directory = Path(sys.argv[1])
n_parameters, attributes = N_PARAMETERS[directory.name], ATTRIBUTES[directory.name]
group = zarr.open_group(directory / "influence.zarr", mode="r")
assert sorted(group.array_keys()) == ["factors", "self_influence", "values"], list(group.keys())
factors, values = group["factors"], group["values"]

assert factors.shape == (397, n_parameters) and factors.dtype == np.float64, factors.info
assert values.shape == (397, 1400) and values.dtype == np.float64, values.info
assert values.metadata.zarr_format == 3
assert values.metadata.dimension_names == ("test", "train")
stored_attributes = dict(values.attrs)
assert stored_attributes.pop("provenance")["program"] == "lazy-zarr"
assert stored_attributes == attributes, stored_attributes
assert np.isnan(values.fill_value)

assert values.chunks == (64, 1024) and factors.chunks[1] == n_parameters, (values.chunks, factors.chunks)
chunks = (directory / "influence.zarr" / "values" / "c").rglob("*")
n_chunks = len([path for path in chunks if path.is_file()])
assert n_chunks == 7 * 2, n_chunks

# The bits equal those of the aggregation in memory.
in_memory = np.fromfile(directory / "values.f64").reshape(values.shape)
assert values[:].tobytes() == in_memory.tobytes()
assert values[100:140, 7].tobytes() == in_memory[100:140, 7].tobytes()
assert np.isfinite(in_memory).all() and in_memory.std() > 0

dataset = xr.open_zarr(directory / "influence.zarr", consolidated=False)
assert dict(dataset.sizes) == {"test": 397, "parameter": n_parameters, "train": 1400}, dataset.sizes
assert dataset["values"].values.tobytes() == in_memory.tobytes()
assert dataset["self_influence"].dims == ("train",) and float(dataset["self_influence"].max()) > 0

leftovers = [path.name for path in directory.iterdir() if path.name.startswith(".")]
assert not leftovers, leftovers
print(f"zarr-python {zarr.__version__} reads values{values.shape} in chunks of {values.chunks}, "
      "equal to the aggregation in memory bit for bit")
