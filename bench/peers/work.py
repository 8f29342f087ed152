"""Runs a job with a peer, and measures its time and memory."""

import time
import zlib
from pathlib import Path

from job import DTYPE


def work(peer, job):
    """Runs a job, and returns its measurements.

    A peer is a module with two functions: `store` stores the job's blocks; `reader` opens an array
    and returns the function that reads a selection of elements as a NumPy array.
    """
    measure, crc32 = Measure(), 0
    match job.task:
        case "store":
            peer.store(job)
            result = measure.result()
        case "read":
            array = peer.reader(job)(slice(None))
            result = measure.result()
            if job.check:
                crc32 = checksum(array)
        case "read_region":
            top, left, bottom, right = job.region
            array = peer.reader(job)((slice(top, bottom), slice(left, right)))
            result = measure.result()
            if job.check:
                crc32 = checksum(array)
        case "read_blocks":
            read, row = peer.reader(job), 0
            for height in job.rows:
                array = read(slice(row, row + height))
                row += height
                if job.check:
                    crc32 = checksum(array, crc32)
                del array
            result = measure.result()
        case _:
            raise SystemExit(f"there is no task {job.task!r}, only store, read, "
                             "read_region and read_blocks")
    return {**result, "crc32": crc32 if job.check and job.task != "store" else None}


def checksum(array, crc32=0):
    return zlib.crc32(array.astype(DTYPE, order="C", copy=False), crc32)


class Measure:
    """Measures the time and the peak of additional memory since its creation."""

    def __init__(self):
        # Resets the peak to the resident memory.
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self.n_bytes = n_bytes("VmRSS")
        self.start = time.perf_counter()

    def result(self):
        seconds = time.perf_counter() - self.start
        return {"seconds": seconds, "peak_bytes": max(n_bytes("VmHWM") - self.n_bytes, 0)}


def n_bytes(field):
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    [line] = [line for line in lines if line.startswith(f"{field}:")]
    return 1024 * int(line.split()[1])
