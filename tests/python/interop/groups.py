"""Groups of arrays that this library wrote."""

import warnings

import numpy as np
import xarray
import zarr

from peers import dataset


def check_group(directory, group, entries):
    path = directory / group.path
    names = sorted(entry.name for entry in entries)
    # A write leaves no files beside its array, and a group has no other members.
    children = sorted(child.name for child in path.iterdir() if child.name != "zarr.json")
    assert children == names, set(children) - set(names)
    if path.parent != directory / "groups":
        assert list(zarr.open_group(path.parent, mode="r").group_keys()) == [path.name]
        assert list(xarray.open_datatree(path.parent, engine="zarr", consolidated=False)) == [path.name]
    try:
        listed = sorted(zarr.open_group(path, mode="r").array_keys())
    except ValueError as error:
        assert "bfloat16" in group.path and "bfloat16" in str(error), error
        assert not group.is_consolidated
        return
    assert listed == names, listed
    assert "bfloat16" not in group.path, "zarr-python lists a group with a bfloat16 array"
    check_dataset(path, entries)
    if group.is_consolidated:
        consolidate(path)
        assert sorted(zarr.open_consolidated(path, mode="r").array_keys()) == names
        check_dataset(path, entries, consolidated=True)


def check_dataset(path, entries, consolidated=False):
    """Compares xarray's eager and its lazy, dask-backed dataset with each other, bit for bit."""
    eager = xarray.open_dataset(path, engine="zarr", consolidated=consolidated)
    lazy = xarray.open_zarr(path, consolidated=consolidated)
    assert sorted(eager.data_vars) == sorted(entry.name for entry in entries), eager
    assert not eager.coords and not eager.attrs, eager
    sizes = {name: size for entry in entries for name, size in zip(entry.dimension_names, entry.shape)}
    assert dict(eager.sizes) == sizes, eager.sizes
    for entry in entries:
        expected = dataset(path)[entry.name].values.tobytes()
        for opened in [eager, lazy]:
            elements = np.asarray(opened[entry.name].values)
            assert elements.tobytes() == expected, f"{entry.name} differs"


def consolidate(path):
    with warnings.catch_warnings():
        # zarr-python warns that consolidated metadata is not part of Zarr v3 yet.
        warnings.simplefilter("ignore", zarr.errors.ZarrUserWarning)
        zarr.consolidate_metadata(path)
