"""The peers' half of the test of who reads whose arrays.

usage: interop (read|write) DIRECTORY

`read` reads what the Rust program `interop write` stored there, with every peer; `write` stores arrays
of every sort with every peer that writes, for `interop read`.
"""

import sys
from pathlib import Path

from read import read
from write import write

TASKS = {"read": read, "write": write}

if len(sys.argv) != 3 or sys.argv[1] not in TASKS:
    raise SystemExit(__doc__)
TASKS[sys.argv[1]](Path(sys.argv[2]))
