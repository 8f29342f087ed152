"""The peers' half of the benchmark.

usage: peers PEER < JOBS

Each line of JOBS is an object of JSON; `job.py` says what is in it. The result is one line of JSON on standard
output: `seconds` and `peak_bytes` of the work alone, and the `crc32` of what was read where the job asks for
it; or `unsupported`, with the reason, where the peer cannot do what is asked.
"""

import importlib
import json
import os
import sys

from job import Job, Unsupported
from work import work

# The modules are not named after the packages that they import, which they would hide.
PEERS = {
    "pydvl": "with_pydvl",
    "zarr": "with_zarr",
    "zarrs": "with_zarrs",
    "tensorstore": "with_tensorstore",
    "dask": "with_dask",
    "memmap": "with_memmap",
}

if len(sys.argv) != 2 or sys.argv[1] not in PEERS:
    raise SystemExit(f"{__doc__}\nPEER is one of {', '.join(PEERS)}")
# One peer's packages only, so that no other is in its memory.
peer = importlib.import_module(PEERS[sys.argv[1]])
for line in sys.stdin:
    # What is imported is imported once; and yet each job has a process, and memory, of its own.
    process = os.fork()
    if process == 0:
        try:
            result = work(peer, Job(**json.loads(line)))
        except Unsupported as reason:
            result = {"unsupported": str(reason)}
        print(json.dumps(result), flush=True)
        # Without what threads and libraries would do at the end of a process.
        os._exit(0)
    if os.waitpid(process, 0)[1] != 0:
        raise SystemExit(f"{sys.argv[1]} failed at {line}")
