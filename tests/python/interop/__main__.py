"""Reads and writes arrays with other libraries, to test interoperability with this one.

usage: interop (read|write|statistics|read-newer|write-newer) DIRECTORY

`read` reads the arrays of the Rust program `interop write` with every peer. `write` stores arrays
of every sort with every peer that writes, for `interop read`. `statistics` computes the statistics
of `interop statistics` with NumPy. `read-newer` and `write-newer` need zarr-python 3.4 and no other
peer: it reads and writes rectilinear grids, too.
"""

import importlib
import sys
from pathlib import Path

# The modules and functions. Only one of them is imported, since each environment has its own peers.
TASKS = {
    "read": ("read", "read"),
    "write": ("write", "write"),
    "statistics": ("numpy_statistics", "check_statistics"),
    "read-newer": ("newer", "read"),
    "write-newer": ("newer", "write"),
}

if len(sys.argv) != 3 or sys.argv[1] not in TASKS:
    raise SystemExit(__doc__)
module, function = TASKS[sys.argv[1]]
getattr(importlib.import_module(module), function)(Path(sys.argv[2]))
