"""Reads and writes arrays with other libraries, to test interoperability with this one.

usage: interop (read|write|statistics) DIRECTORY

`read` reads the arrays of the Rust program `interop write` with every peer. `write` stores arrays
of every sort with every peer that writes, for `interop read`. `statistics` computes the statistics
of `interop statistics` with NumPy.
"""

import sys
from pathlib import Path

from read import read
from numpy_statistics import check_statistics
from write import write

TASKS = {"read": read, "write": write, "statistics": check_statistics}

if len(sys.argv) != 3 or sys.argv[1] not in TASKS:
    raise SystemExit(__doc__)
TASKS[sys.argv[1]](Path(sys.argv[2]))
