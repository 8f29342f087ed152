"""Computes this library's statistics with NumPy, and compares them."""

import warnings
from pathlib import Path

import numpy as np
import xarray
import zarr

# These equal the constants in `statistics.rs`.
EDGES = [-1e300, -1.0, 0.0, 0.5, 1e9]
QUANTILES = [0.0, 0.1, 0.5, 0.999, 1.0]
RANK_ERROR = 0.05

# The results that are integers for arrays of integers.
OF_INTEGERS = {
    "sum": [""], "min": [""], "max": [""], "quantiles": [""], "sketch": [""],
    **{name: ["value", "values"] for name in ("argmin", "argmax", "top", "bottom", "top3", "bottom3")},
}

AXES = {"all": None, "rows": 1, "columns": 0}


def check_statistics(directory):
    # NumPy warns of NaN and of means of no elements.
    warnings.simplefilter("ignore")
    failures, n_compared = [], 0
    for case in sorted(directory.iterdir()):
        data = zarr.open_array(case / "data", mode="r")[:]
        for kind in (case / "flat", case / "nested"):
            for stored in sorted(path for path in kind.glob("*") if path.is_dir()):
                problem = compare(data, stored)
                n_compared += 1
                if problem:
                    failures.append(f"{stored.relative_to(directory)}: {problem}")
        failures += [f"{group}: {problem}" for group, problem in not_opened(case)]
    if failures:
        raise SystemExit("\n".join([*failures, f"{len(failures)} failures"]))
    print(f"NumPy {np.__version__}: {n_compared} statistics of {len(list(directory.iterdir()))} arrays agree")


def not_opened(case):
    """Yields the groups that xarray does not open, alone or with the groups below, and how they fail."""
    for metadata in sorted(case.rglob("zarr.json")):
        group = metadata.parent
        if zarr.open(group, mode="r").__class__ is not zarr.Group:
            continue
        try:
            data_set = xarray.open_zarr(group, consolidated=False)
            tree = xarray.open_datatree(group, engine="zarr", consolidated=False)
        except Exception as error:
            yield group, f"xarray does not open it: {error}"
            continue
        arrays = sorted(zarr.open_group(group, mode="r").array_keys())
        if not sorted(data_set) == sorted(tree.to_dataset()) == arrays:
            yield group, f"xarray finds {sorted(data_set)}, not {arrays}"


def compare(data, stored):
    """Returns a description of the first difference, or None."""
    name, *form = stored.name.split("-")
    axis = AXES[form[0]] if form else None
    numbers_alone = "numbers" in form
    # All axes after the first are flattened, except for columns.
    rows = data.reshape(len(data), int(np.prod(data.shape[1:])))
    exact = rows.astype(object) if data.dtype.kind in "iu" and data.dtype.itemsize == 8 else None
    expected = REFERENCES[name](rows, axis, numbers_alone, exact)
    if "" not in expected:
        found = {path.name for path in stored.iterdir() if path.is_dir()}
        if found != set(expected):
            return f"expected {sorted(expected)}, found {sorted(found)}"
    for array, (reference, tolerance) in expected.items():
        path = stored / array if array else stored
        actual = zarr.open_array(path, mode="r")[:]
        reference = np.asarray(reference)
        if reference.ndim == 0:
            reference = reference.reshape(1)
        if axis == 0:
            shape = data.shape[1:] + reference.shape[1:]
            reference, tolerance = reference.reshape(shape), np.asarray(tolerance)
            tolerance = tolerance.reshape(shape) if tolerance.ndim else tolerance
        if actual.shape != reference.shape:
            return f"{array} has shape {actual.shape}, expected {reference.shape}"
        if name in OF_INTEGERS and array in OF_INTEGERS[name] and data.dtype.kind in "iu" and data.size:
            if actual.dtype.kind not in "iu" and np.abs(reference.astype(float)).max() < 2**63:
                return f"{array} of integers is {actual.dtype}"
        if not agree(actual, reference, tolerance):
            worst = np.nanmax(np.abs(actual.astype(np.longdouble) - reference))
            return f"{array} is {actual}, expected {reference} (tolerance {tolerance}, {worst})"
    return None


def agree(actual, reference, tolerance):
    actual, reference = actual.astype(np.longdouble), reference.astype(np.longdouble)
    same = (actual == reference) | (np.isnan(actual) & np.isnan(reference))
    return bool(np.all(same | (np.abs(actual - reference) <= tolerance)))


def wide(data):
    """Returns the elements in a type that also holds their squares."""
    return data.astype(np.longdouble)


def scale_of(data, axis, power=1):
    """Returns the scale of a sum, which bounds its rounding error."""
    finite = np.where(np.isfinite(wide(data)), np.abs(wide(data)), 0)
    return np.asarray((finite ** power).sum(axis=axis))


def count(data, axis, numbers_alone, _):
    counted = ~np.isnan(data.astype(float)) if numbers_alone else np.ones(data.shape, bool)
    return {"": (counted.sum(axis=axis), 0)}


def sum_(data, axis, numbers_alone, exact):
    reference = (np.nansum if numbers_alone else np.sum)(wide(data), axis=axis)
    is_one_dtype = True
    if exact is not None:
        # NumPy's integers overflow, but Python's do not. This library returns a float beyond 64
        # bits.
        reference = np.asarray(exact.sum(axis=axis))
        is_one_dtype = ((reference >= -(2**63)) & (reference < 2**63)).all() or ((reference >= 0) & (reference < 2**64)).all()
        reference = reference.astype(np.longdouble if is_one_dtype else float)
    is_integer = data.dtype.kind in "biu" and is_one_dtype
    return {"": (reference, 0 if is_integer else 1e-15 * scale_of(data, axis))}


def moments(data, axis, numbers_alone, _):
    mean = (np.nanmean if numbers_alone else np.mean)(wide(data), axis=axis)
    variance = (np.nanvar if numbers_alone else np.var)(wide(data), axis=axis)
    n = np.maximum(np.asarray(count(data, axis, numbers_alone, None)[""][0]), 1)
    scale = scale_of(data, axis) / n
    # The smallest resolvable differences, for the deviations and for the mean.
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
    # Without NaN, a norm of only NaN is the norm of no elements.
    return {"": (np.nan_to_num(result, nan=0.0, posinf=np.inf) if numbers_alone else result, 0)}


def along(data, axis):
    """Returns the elements of each cell along the last axis."""
    cells = data.reshape(1, -1) if axis is None else np.moveaxis(data, axis, -1)
    return cells


def histogram(data, axis, numbers_alone, _):
    cells = [np.histogram(cell.astype(float), EDGES)[0] for cell in along(data, axis)]
    bins = np.array(cells).reshape(len(cells), len(EDGES) - 1)
    if axis is not None:
        return {"": (bins, 0)}
    elements = data.astype(float)
    outside = {"below": elements < EDGES[0], "above": elements > EDGES[-1], "nan": np.isnan(elements)}
    outside["nan"] &= not numbers_alone
    return {"bins": (bins[0], 0), **{name: (mask.sum(), 0) for name, mask in outside.items()}}


def quantiles(rank_error):
    def of(cell, numbers_alone):
        """Returns the quantiles of a cell, and the largest difference to an element that is near in rank."""
        # NumPy converts integers of 64 bits to floats, so elements are looked up by their ranks.
        is_nan = np.isnan(cell.astype(float))
        cell = cell[~is_nan] if numbers_alone else cell
        if not len(cell) or (is_nan.any() and not numbers_alone):
            return [np.nan] * len(QUANTILES), [0] * len(QUANTILES)
        cell = np.sort(cell).astype(np.longdouble)
        last = len(cell) - 1
        ranks = np.array([int(quantile * last) for quantile in QUANTILES])
        error = np.where((ranks == 0) | (ranks == last), 0, int(rank_error * len(cell)))
        below, above = cell[np.maximum(ranks - error, 0)], cell[np.minimum(ranks + error, last)]
        # The difference of two infinities is 0.
        tolerance = np.maximum(*(np.nan_to_num(x, nan=0, posinf=np.inf) for x in (above - cell[ranks], cell[ranks] - below)))
        return cell[ranks], tolerance

    def reference(data, axis, numbers_alone, _):
        cells = along(data, axis)
        found = np.array([of(cell, numbers_alone) for cell in cells], np.longdouble)
        result, tolerance = np.moveaxis(found.reshape(len(cells), 2, len(QUANTILES)), 1, 0)
        return {"": (result[0], tolerance[0]) if axis is None else (result, tolerance)}
    return reference


def extremum(reduce, of_numbers):
    def reference(data, axis, numbers_alone, _):
        if 0 in data.shape:
            return {"": (np.zeros(np.sum(wide(data), axis=axis).shape), 0)}
        return {"": ((of_numbers if numbers_alone else reduce)(data, axis=axis), 0)}
    return reference


def position(find, is_first):
    """Finds an element and its index. `is_first` replaces NaN if NaN is ignored."""
    def reference(data, axis, numbers_alone, _):
        if 0 in data.shape:
            nothing = np.zeros(np.sum(wide(data), axis=axis).shape)
            return {"values": (nothing, 0), "indices": (nothing, 0)}
        searched = data.astype(float) if numbers_alone and data.dtype.kind == "f" else data
        if numbers_alone and data.dtype.kind == "f":
            searched = np.where(np.isnan(searched), is_first, searched)
        index = find(searched, axis=axis)
        if axis is None:
            row, column = np.unravel_index(index, data.shape)
            return {"value": (data[row, column], 0), "row": (row, 0), "index": (column, 0)}
        value = np.take_along_axis(data, np.expand_dims(index, axis), axis).squeeze(axis)
        return {"values": (value, 0), "indices": (index, 0)}
    return reference


def ranked(k, largest):
    """Returns the first `k` elements and their indices, along one more axis."""
    def reference(data, axis, numbers_alone, _):
        if 0 in data.shape:
            nothing = np.zeros((*np.sum(wide(data), axis=axis).shape, k))
            return {"values": (nothing, 0), "indices": (nothing, 0)}
        cells = along(data, axis)
        keys = cells
        if numbers_alone and largest and data.dtype.kind == "f":
            keys = np.where(np.isnan(cells), -np.inf, cells)
        # NaN sorts to the end. Reversing keeps equal elements in the order of their indices.
        order = np.argsort(keys[:, ::-1] if largest else keys, axis=-1, kind="stable")
        order = cells.shape[1] - 1 - order[:, ::-1] if largest else order
        indices = order[:, :k]
        values = np.take_along_axis(cells, indices, -1)
        if axis is not None:
            return {"values": (values, 0), "indices": (indices, 0)}
        rows, columns = np.unravel_index(indices[0], data.shape)
        return {"values": (values[0], 0), "rows": (rows, 0), "indices": (columns, 0)}
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


def gram(data, _, __, ___):
    sizes = np.sqrt(scale_of(data, 0, 2))
    products = wide(data).T @ wide(data)
    # Deviations from an infinite mean are NaN, and so are their products.
    is_finite = np.isfinite(wide(data)).all(axis=0)
    return {"": (np.where(np.outer(is_finite, is_finite), products, np.nan), 1e-14 * np.outer(sizes, sizes))}


def correlation(data, *_):
    reference, tolerance = covariance(data, *_)["covariance"]
    deviations = np.sqrt(np.diag(reference))
    coefficients = reference / np.outer(deviations, deviations)
    # If all elements of a column are equal, the result depends on the last bit.
    tolerance = 4 * tolerance / np.outer(deviations, deviations)
    return {"": (coefficients, np.where(np.isfinite(tolerance), tolerance, 0))}


REFERENCES = {
    "count": count,
    "sum": sum_,
    "moments": moments,
    "l1": norm(1, 1),
    "l2": norm(2, 0.5),
    "linf": largest_magnitude,
    "histogram": histogram,
    "quantiles": quantiles(0),
    "sketch": quantiles(RANK_ERROR),
    "min": extremum(np.min, np.nanmin),
    "max": extremum(np.max, np.nanmax),
    "argmin": position(np.argmin, np.inf),
    "argmax": position(np.argmax, -np.inf),
    "top": ranked(1, largest=True),
    "bottom": ranked(1, largest=False),
    "top3": ranked(3, largest=True),
    "bottom3": ranked(3, largest=False),
    "covariance": covariance,
    "gram": gram,
    "correlation": correlation,
}
