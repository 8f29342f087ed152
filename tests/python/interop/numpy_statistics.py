"""Computes with NumPy the statistics that were computed here, and compares them."""

import warnings
from pathlib import Path

import numpy as np
import zarr

# As in `statistics.rs`.
EDGES = [-1e300, -1.0, 0.0, 0.5, 1e9]
QUANTILES = [0.0, 0.1, 0.5, 0.999, 1.0]

AXES = {"all": None, "rows": 1, "columns": 0}


def check_statistics(directory):
    # What is NaN, and what has no mean.
    warnings.simplefilter("ignore")
    failures, n_compared = [], 0
    for case in sorted(directory.iterdir()):
        data = zarr.open_array(case / "data", mode="r")[:]
        for kind in sorted(path for path in case.iterdir() if path.name != "data" and path.is_dir()):
            for stored in sorted(path for path in kind.iterdir() if path.is_dir()):
                problem = compare(data, stored)
                n_compared += 1
                if problem:
                    failures.append(f"{stored.relative_to(directory)}: {problem}")
    if failures:
        raise SystemExit("\n".join([*failures, f"{len(failures)} failures"]))
    print(f"NumPy {np.__version__}: {n_compared} statistics of {len(list(directory.iterdir()))} arrays agree")


def compare(data, stored):
    """What differs, if anything does."""
    name, *form = stored.name.split("-")
    axis = AXES[form[0]] if form else None
    numbers_alone = "numbers" in form
    exact = data.astype(object) if data.dtype.kind in "iu" and data.dtype.itemsize == 8 else None
    expected = REFERENCES[name](data, axis, numbers_alone, exact)
    for array, (reference, tolerance) in expected.items():
        path = stored / array if array else stored
        actual = zarr.open_array(path, mode="r")[:]
        reference = np.asarray(reference)
        if reference.ndim == 0:
            reference = reference.reshape(1)
        if actual.shape != reference.shape:
            return f"{array} has shape {actual.shape}, and NumPy's {reference.shape}"
        if not agree(actual, reference, tolerance):
            worst = np.nanmax(np.abs(actual.astype(np.longdouble) - reference))
            return f"{array} is {actual}, and NumPy's {reference} (tolerance {tolerance}, {worst})"
    return None


def agree(actual, reference, tolerance):
    actual, reference = actual.astype(np.longdouble), reference.astype(np.longdouble)
    same = (actual == reference) | (np.isnan(actual) & np.isnan(reference))
    return bool(np.all(same | (np.abs(actual - reference) <= tolerance)))


def wide(data):
    """The elements without loss, and with room for their squares."""
    return data.astype(np.longdouble)


def scale_of(data, axis, power=1):
    """The size of what is added up, against which rounding counts."""
    finite = np.where(np.isfinite(wide(data)), np.abs(wide(data)), 0)
    return np.asarray((finite ** power).sum(axis=axis))


def count(data, axis, numbers_alone, _):
    counted = ~np.isnan(data.astype(float)) if numbers_alone else np.ones(data.shape, bool)
    return {"": (counted.sum(axis=axis), 0)}


def sum_(data, axis, numbers_alone, exact):
    reference = (np.nansum if numbers_alone else np.sum)(wide(data), axis=axis)
    if exact is not None:
        # NumPy's integers overflow; Python's do not.
        reference = np.asarray(exact.sum(axis=axis)).astype(float)
    return {"": (reference, 1e-15 * scale_of(data, axis))}


def moments(data, axis, numbers_alone, _):
    mean = (np.nanmean if numbers_alone else np.mean)(wide(data), axis=axis)
    variance = (np.nanvar if numbers_alone else np.var)(wide(data), axis=axis)
    n = np.maximum(np.asarray(count(data, axis, numbers_alone, None)[""][0]), 1)
    scale = scale_of(data, axis) / n
    # The least that can be told apart, of the deviations and of the mean.
    of_variance = 1e-13 * np.where(np.isfinite(variance), variance, 0) + (1e-16 * scale) ** 2 * 100
    return {
        "count": count(data, axis, numbers_alone, None)[""],
        "mean": (mean, 1e-15 * scale),
        "variance": (variance, of_variance + 3e-16 * scale * np.sqrt(np.abs(np.nan_to_num(variance)))),
    }


def norm(power, root):
    def reference(data, axis, numbers_alone, _):
        total = (np.nansum if numbers_alone else np.sum)(np.abs(wide(data)) ** power, axis=axis)
        result = np.asarray(total ** np.longdouble(root))
        return {"": (result, 1e-14 * np.where(np.isfinite(result), result, 0))}
    return reference


def largest_magnitude(data, axis, numbers_alone, _):
    reduce = np.nanmax if numbers_alone else np.max
    if 0 in data.shape:
        return {"": (np.zeros(np.sum(wide(data), axis=axis).shape), 0)}
    result = reduce(np.abs(data.astype(float)), axis=axis)
    # Of nothing but NaN a norm is that of no elements.
    return {"": (np.nan_to_num(result, nan=0.0, posinf=np.inf) if numbers_alone else result, 0)}


def along(data, axis):
    """The elements of each cell, along the last axis."""
    cells = data.reshape(1, -1) if axis is None else np.moveaxis(data, axis, -1)
    return cells


def histogram(data, axis, _, __):
    cells = [np.histogram(cell.astype(float), EDGES)[0] for cell in along(data, axis)]
    bins = np.array(cells).reshape(len(cells), len(EDGES) - 1)
    return {"": (bins, 0)} if axis is not None else {"bins": (bins[0], 0)}


def quantiles(data, axis, numbers_alone, _):
    def of(cell):
        cell = cell.astype(float)
        cell = cell[~np.isnan(cell)] if numbers_alone else cell
        if not len(cell) or np.isnan(cell).any():
            return [np.nan] * len(QUANTILES)
        return np.quantile(cell, QUANTILES, method="lower")
    cells = along(data, axis)
    result = np.array([of(cell) for cell in cells]).reshape(len(cells), len(QUANTILES))
    result = result[0] if axis is None else result
    return {"": (result, 0.01000001 * np.where(np.isfinite(result), np.abs(result), 0))}


def extremum(reduce, of_numbers):
    def reference(data, axis, numbers_alone, _):
        if 0 in data.shape:
            return {"": (np.zeros(np.sum(wide(data), axis=axis).shape), 0)}
        return {"": ((of_numbers if numbers_alone else reduce)(data, axis=axis).astype(float), 0)}
    return reference


def position(find, is_first):
    """The index, and the element there. `is_first` fills what is NaN, where it is to be left out."""
    def reference(data, axis, numbers_alone, _, as_row=False):
        if 0 in data.shape:
            nothing = np.zeros(np.sum(wide(data), axis=axis).shape)
            return {"values": (nothing, 0), "indices": (nothing, 0)}
        searched = data.astype(float) if numbers_alone and data.dtype.kind == "f" else data
        if numbers_alone and data.dtype.kind == "f":
            searched = np.where(np.isnan(searched), is_first, searched)
        index = find(searched, axis=axis)
        if axis is None:
            row, column = np.unravel_index(index, data.shape)
            value = float(data[row, column])
            return {"value": (value, 0), "row": (row, 0), "index": (column, 0)}
        value = np.take_along_axis(data, np.expand_dims(index, axis), axis).squeeze(axis)
        return {"values": (value.astype(float), 0), "indices": (index, 0)}
    return reference


def first_of(find):
    """The first of one: as an index and a value, with an axis more."""
    def reference(data, axis, numbers_alone, exact):
        found = find(data, axis, numbers_alone, exact)
        if axis is None:
            names = {"value": "values", "row": "rows", "index": "indices"}
            return {names[name]: entry for name, entry in found.items()}
        return {name: (np.asarray(array)[..., None], 0) for name, (array, _) in found.items()}
    return reference


def covariance(data, _, __, ___):
    n = len(data)
    centred = wide(data) - wide(data).mean(axis=0)
    reference = centred.T @ centred / (n - 1) if n > 1 else np.full((data.shape[1],) * 2, np.nan)
    scale = scale_of(data, 0) / max(n, 1)
    spread = np.sqrt(np.abs(np.nan_to_num(np.diag(reference))))
    tolerance = 1e-12 * np.outer(spread, spread) + 3e-16 * (np.outer(scale, spread) + np.outer(spread, scale))
    return {
        "count": (n, 0),
        "mean": (wide(data).mean(axis=0), 1e-15 * scale),
        "covariance": (reference, tolerance + 1e-30 * np.outer(scale, scale)),
    }


LARGEST = position(np.argmax, -np.inf)
SMALLEST = position(np.argmin, np.inf)


def bottom(data, axis, _, exact):
    # Where the smallest are asked for in order, NaN comes last.
    return first_of(SMALLEST)(data, axis, True, exact)


REFERENCES = {
    "count": count,
    "sum": sum_,
    "moments": moments,
    "l1": norm(1, 1),
    "l2": norm(2, 0.5),
    "linf": largest_magnitude,
    "histogram": histogram,
    "quantiles": quantiles,
    "min": extremum(np.min, np.nanmin),
    "max": extremum(np.max, np.nanmax),
    "argmin": SMALLEST,
    "argmax": LARGEST,
    "top": first_of(LARGEST),
    "bottom": bottom,
    "covariance": covariance,
}
