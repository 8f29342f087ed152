"""Says what zarr-python finds at paths.

usage: crash.py

A path is a line of the input; the answer is a line of JSON: that there is nothing, or what an array is and
its elements' bytes in C order, or the error of an array that cannot be read.
"""

import json
import sys
import warnings

import zarr

# A warning would be seen by whoever opens such an array.
warnings.simplefilter("error")


def answer(path):
    try:
        array = zarr.open_array(path, mode="r")
    except FileNotFoundError:
        return {"nothing": True}
    elements = array[...]
    return {
        "shape": array.shape,
        "dtype": str(array.dtype),
        "version": array.attrs.get("version"),
        "elements": elements.tobytes().hex(),
    }


for line in sys.stdin:
    try:
        said = answer(line.rstrip("\n"))
    except Exception as error:
        said = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps(said), flush=True)
