"""numpy.memmap: a preallocated file of the whole array, as attribution tools use it."""

import os

import numpy as np

from job import DTYPE, Unsupported


def store(job):
    if job.shards or job.codecs:
        raise Unsupported("a raw file has neither shards nor codecs")
    array = np.memmap(job.path, DTYPE, "w+", shape=job.shape)
    for place, block in job.blocks():
        array[place] = block
    if job.flush:
        array.flush()
        with open(job.path, "rb") as file:
            os.fsync(file.fileno())


def reader(job):
    array = np.memmap(job.path, DTYPE, "r", shape=job.shape)
    return lambda selection: np.array(array[selection])
