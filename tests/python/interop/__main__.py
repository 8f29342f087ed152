"""The peers' half of the test of who reads whose arrays.

usage: interop (read|write|statistics) DIRECTORY

`read` reads what the Rust program `interop write` stored there, with every peer; `write` stores arrays
of every sort with every peer that writes, for `interop read`; `statistics` computes with NumPy what `interop
statistics` has.
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
