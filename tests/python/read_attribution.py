"""Recomputes the arrays of the example `attribution` with NumPy, and opens its groups with xarray.

usage: read_attribution.py DIRECTORY N_TRAIN
"""

import sys
from pathlib import Path

import numpy as np
import xarray as xr
import zarr

N_CLASSES, N_INPUTS, N_COMPONENTS = 100, 50, 256
N_PARAMETERS = N_CLASSES * N_INPUTS
BATCH = 250
QUANTILES, RANK_ERROR = [0.0, 0.01, 0.5, 0.99, 1.0], 0.01

directory, first_day = Path(sys.argv[1]), int(sys.argv[2])
path = directory / "attribution.zarr"
group = zarr.open_group(path, mode="r")
n_train, n_test = first_day + first_day // 4, first_day // 10


def pseudorandom(rows, n_columns):
    i, j = rows[:, None], np.arange(n_columns)
    return np.sin(((i + 1) * (i + 17 * j + 1)).astype(np.float64)).astype(np.float32)


def gradients(samples):
    inputs = pseudorandom(samples, N_INPUTS)
    scores = np.exp(inputs @ pseudorandom(np.arange(N_CLASSES), N_INPUTS).T)
    residuals = scores / scores.sum(axis=1, keepdims=True)
    residuals[np.arange(len(samples)), samples % N_CLASSES] -= 1
    return (residuals[:, :, None] * inputs[:, None, :]).reshape(len(samples), N_PARAMETERS)


def largest_difference(a, b):
    assert a.shape == b.shape, (a.shape, b.shape)
    return np.abs(np.subtract(a, b, dtype=np.float64)).max() / np.abs(b).max()


projection = pseudorandom(np.arange(N_PARAMETERS), N_COMPONENTS) / np.float32(np.sqrt(N_COMPONENTS))
for name, first, n_rows in [("train", 1_000_000, n_train), ("test", 2_000_000, n_test)]:
    # The appended rows are in their place, and nothing was appended twice.
    members = {member: group[name][member] for member in ["gradients", "norms", "projections"]}
    shapes = {member: (array.shape, array.dtype) for member, array in members.items()}
    assert shapes == {
        "gradients": ((n_rows, N_PARAMETERS), np.float32),
        "norms": ((n_rows,), np.float32),
        "projections": ((n_rows, N_COMPONENTS), np.float16),
    }, shapes
    sums, sums_of_squares = np.zeros(N_PARAMETERS), np.zeros(N_PARAMETERS)
    for start in range(0, n_rows, BATCH):
        rows = slice(start, min(start + BATCH, n_rows))
        stored = members["gradients"][rows]
        assert largest_difference(stored, gradients(first + np.arange(rows.start, rows.stop))) < 1e-5
        norms = np.linalg.norm(stored.astype(np.float64), axis=1)
        assert largest_difference(members["norms"][rows], norms) < 1e-5
        # Within the rounding of float16, 2⁻¹¹ of an element.
        exact = stored.astype(np.float64) @ projection
        error = np.abs(members["projections"][rows] - exact)
        assert (error <= 2**-11 * np.abs(exact) + 1e-5 * np.abs(exact).max()).all(), error.max()
        sums += stored.sum(axis=0, dtype=np.float64)
        sums_of_squares += np.square(stored, dtype=np.float64).sum(axis=0)
    moments = {member: array[:] for member, array in group[name]["moments"].arrays()}
    mean = sums / n_rows
    assert (moments["count"] == n_rows).all()
    assert largest_difference(moments["mean"], mean) < 1e-9
    assert largest_difference(moments["variance"], sums_of_squares / n_rows - mean**2) < 1e-9
    dataset = xr.open_zarr(path / name, consolidated=False)
    assert dict(dataset.sizes) == {"sample": n_rows, "parameter": N_PARAMETERS, "component": N_COMPONENTS}

products = group["products"][:]
test, train = (group[name]["projections"][:].astype(np.float32) for name in ["test", "train"])
assert products.dtype == np.float32 and largest_difference(products, test @ train.T) < 1e-5

# Equal elements rank in the order of their indices.
indices = np.argsort(-products, axis=1, kind="stable")[:, :20]
assert (group["top"]["indices"][:] == indices).all()
assert (group["top"]["values"][:] == np.take_along_axis(products, indices, axis=1)).all()

quantiles = group["quantiles"][:]
expected_ranks = np.floor(np.array(QUANTILES) * (n_train - 1))
ascending = np.sort(products, axis=1)
error = RANK_ERROR * n_train if n_train > 16 / RANK_ERROR else 0
largest_error = 0
for row, found in zip(ascending, quantiles):
    # An element that occurs repeatedly has several ranks.
    lowest, highest = np.searchsorted(row, found, "left"), np.searchsorted(row, found, "right") - 1
    assert (lowest <= highest).all(), "a quantile is no element"
    errors = np.maximum(lowest - expected_ranks, expected_ranks - highest).clip(0)
    assert (errors <= error).all() and errors[0] == errors[-1] == 0, errors
    largest_error = max(largest_error, errors.max())

dataset = xr.open_zarr(path, consolidated=False)
assert dict(dataset.sizes) == {"test": n_test, "train": n_train, "quantile": len(QUANTILES)}, dataset.sizes
assert dataset["products"].dims == ("test", "train")
assert dataset["products"].values.tobytes() == products.tobytes()
xr.open_zarr(path / "top", consolidated=False)

leftovers = [file.name for file in path.rglob(".*")]
assert not leftovers, leftovers
print(f"NumPy agrees with {n_train} gradients of {N_PARAMETERS} parameters, their moments, norms and "
      f"projections, and with products{products.shape}, their top 20 and their quantiles, whose rank "
      f"differs by at most {largest_error / n_train:.2%}")
