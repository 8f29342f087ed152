"""tensorstore."""

from collections import deque

import tensorstore

from gather import gathered_rows

# Below this many bytes, a write takes longer than copying its block.
SMALL = 1 << 16


def store(job):
    array = tensorstore.open({
        "driver": "zarr3",
        "kvstore": kvstore(job, {"file_io_sync": job.flush}),
        "metadata": {
            "data_type": "float32",
            "shape": job.shape,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": job.unit}},
            "codecs": codecs(job),
        },
        # Then tensorstore need not check for chunks that contain only fill values.
        "store_data_equal_to_fill_value": True,
    }, create=True).result()
    is_small = 4 * max(job.rows) * max(job.widths) < SMALL
    if job.has_blocks_of_units and not is_small:
        parts, n_in_flight = job.blocks(), 8
    else:
        parts, n_in_flight = gathered_rows(job), 4
    writes = deque()
    for place, elements in parts:
        # The elements do not change any more, so they need not be copied.
        writes.append(array[place].write(elements, can_reference_source_data_indefinitely=True))
        if len(writes) == n_in_flight:
            writes.popleft().result()
    for write in writes:
        write.result()


def kvstore(job, options_of_files):
    if job.endpoint is None:
        return {"driver": "file", "path": job.path, **options_of_files}
    return {
        "driver": "s3",
        "bucket": job.bucket,
        "path": f"{job.key}/",
        "endpoint": job.endpoint,
        "aws_region": "us-east-1",
        "aws_credentials": {"type": "environment"},
    }


def codecs(job):
    of_chunks = [{"name": "bytes", "configuration": {"endian": "little"}}, *job.codecs]
    if not job.shards:
        return of_chunks
    configuration = {"chunk_shape": job.chunks, "codecs": of_chunks}
    return [{"name": "sharding_indexed", "configuration": configuration}]


def reader(job):
    array = tensorstore.open({
        "driver": "zarr3",
        "kvstore": kvstore(job, {"file_io_mode": {"mode": "memmap"}}),
    }, read=True).result()
    return lambda selection: array[selection].read().result()
