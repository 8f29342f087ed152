"""This workspace, called from Python."""

import lazy_chunks

from job import Unsupported


def store(job):
    lazy_chunks.store(
        job.bands() if job.columns else (block for _, block in job.blocks()),
        job.path,
        chunks=job.chunks,
        shards=job.shards,
        codec=codec(job.codecs),
        checksum=any(codec["name"] == "crc32c" for codec in job.codecs),
        flush=job.flush,
        # The blocks do not change any more. tensorstore is told the same.
        copy=False,
    )


def codec(codecs):
    match codecs:
        case []:
            return "none"
        case [{"name": "zstd", "configuration": {"level": level}}]:
            return f"zstd:{level}"
        case [{"name": "blosc", "configuration": {"cname": "lz4", "clevel": level}}, _]:
            return f"blosc-lz4:{level}"
    raise Unsupported(f"no codec of the package is {codecs}")


def reader(job):
    array = lazy_chunks.open(job.path)
    return lambda selection: array[selection].read()
