"""Reads what the example `influence` stored, as any user of zarr-python would.

usage: read_influence.py DIRECTORY
"""

import sys
from pathlib import Path

import numpy as np
import zarr

directory = Path(sys.argv[1])
factors = zarr.open(directory / "factors.zarr", mode="r")
values = zarr.open(directory / "values.zarr", mode="r")

assert factors.shape == (397, 650) and factors.dtype == np.float64, factors.info
assert values.shape == (397, 1400) and values.dtype == np.float64, values.info
assert values.metadata.zarr_format == 3
assert values.metadata.dimension_names == ("test", "train")
assert values.attrs["l2"] == 1e-3
assert sorted(values.attrs) == ["l2", "provenance"]
assert values.attrs["provenance"]["program"] == "lazy-zarr"
assert np.isnan(values.fill_value)

assert values.chunks == (64, 1024) and factors.chunks[1] == 650, (values.chunks, factors.chunks)
n_chunks = len([path for path in (directory / "values.zarr" / "c").rglob("*") if path.is_file()])
assert n_chunks == 7 * 2, n_chunks

# Bit for bit what the aggregation in memory gives.
in_memory = np.fromfile(directory / "values.f64").reshape(values.shape)
assert values[:].tobytes() == in_memory.tobytes()
assert values[100:140, 7].tobytes() == in_memory[100:140, 7].tobytes()
assert np.isfinite(in_memory).all() and in_memory.std() > 0

leftovers = [path.name for path in directory.iterdir() if path.name.startswith(".")]
assert not leftovers, leftovers
print(f"zarr-python {zarr.__version__} reads values{values.shape} in chunks of {values.chunks}, "
      "equal to the aggregation in memory bit for bit")
