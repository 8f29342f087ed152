"""Answers requests about arrays, with zarr-python.

usage: crash.py

A request is a line of JSON, and so is its answer:

- {"open": PATH} reads a path: nothing, or an array's shape, data type, version and elements.
- {"hold": PATH} opens an array, and returns the number of its handle.
- {"held": NUMBER} reads that array again, without reopening it.
- {"release": NUMBER} closes it.
- {"members": PATH} lists the names of the arrays in a group.

Elements are in C order, as hexadecimal digits. An answer contains the warnings, and the error if
the request failed.
"""

import json
import sys
import warnings

import zarr

held = {}


def contents(array):
    elements = array[...]
    return {
        "shape": array.shape,
        "dtype": str(array.dtype),
        "version": array.attrs.get("version"),
        "elements": elements.tobytes().hex(),
    }


def answer(request):
    match request:
        case {"open": path}:
            try:
                array = zarr.open_array(path, mode="r")
            except FileNotFoundError:
                return {"nothing": True}
            return contents(array)
        case {"hold": path}:
            number = max(held, default=0) + 1
            held[number] = zarr.open_array(path, mode="r")
            return {"number": number}
        case {"held": number}:
            return contents(held[number])
        case {"release": number}:
            del held[number]
            return {}
        case {"members": path}:
            group = zarr.open_group(path, mode="r")
            return {"members": sorted(name for name, _ in group.arrays())}
    raise ValueError(f"unknown request {request}")


for line in sys.stdin:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            said = answer(json.loads(line))
        except Exception as error:
            said = {"error": f"{type(error).__name__}: {error}"}
    said["warnings"] = [str(warning.message) for warning in caught]
    print(json.dumps(said), flush=True)
