"""Runs the peers' jobs of the benchmark.

usage: peers PEER < JOBS

Each line of JOBS is a JSON object with the fields of `Job` in `job.py`. The result is one line of
JSON on standard output: `seconds` and `peak_bytes` of the work alone, and the `crc32` of the
elements that were read if the job asks for it; or `unsupported`, with the reason, if the peer does
not support the job.
"""

import importlib
import json
import os
import sys

from job import Job, Unsupported
from work import work

# The modules have other names than the packages, which they would shadow.
PEERS = {
    "python": "with_lazy_chunks",
    "pydvl": "with_pydvl",
    "zarr": "with_zarr",
    "zarrs": "with_zarrs",
    "tensorstore": "with_tensorstore",
    "dask": "with_dask",
    "memmap": "with_memmap",
    "obstore": "with_obstore",
    "s3fs": "with_s3fs",
}

if len(sys.argv) != 2 or sys.argv[1] not in PEERS:
    raise SystemExit(f"{__doc__}\nPEER is one of {', '.join(PEERS)}")
# Imports the packages of one peer only, so that no other is in memory.
peer = importlib.import_module(PEERS[sys.argv[1]])
for line in sys.stdin:
    # Imports happen once, but each job has its own process and memory.
    process = os.fork()
    if process == 0:
        try:
            result = work(peer, Job(**json.loads(line)))
        except Unsupported as reason:
            result = {"unsupported": str(reason)}
        print(json.dumps(result), flush=True)
        # Skips the work of threads and libraries at the end of a process.
        os._exit(0)
    if os.waitpid(process, 0)[1] != 0:
        raise SystemExit(f"{sys.argv[1]} failed at {line}")
