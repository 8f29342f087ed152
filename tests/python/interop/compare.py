"""Comparison of what peers read with what was written, bit for bit."""

import json
from collections import Counter
from importlib.metadata import version

import numpy as np

from manifest import numpy_dtype


def read_all(directory, manifest, peers, rows):
    """Reads every array with every peer.

    Returns unexpected differences, and lines that tell what was read.
    """
    failures, n_read, n_refused, used = [], Counter(), Counter(), Counter()
    for entry in manifest.arrays:
        elements = entry.read_elements(directory)
        for peer, open_ in peers.items():
            row = next((row for row in rows if row.applies(peer, entry)), None)
            used[row] += 1
            differences = list(compare(directory, entry, elements, open_))
            failures += [f"{peer}: {entry.path}: {problem}" for problem in judge(row, differences)]
            (n_refused if row and row.what == "reading" else n_read)[peer] += 1
    failures += [f"no array matches the row {row}" for row in rows if not used[row]]
    lines = [f"{peer} {version(peer.removesuffix('-python'))}: {n_read[peer]} arrays bit for bit, "
             f"{n_refused[peer]} rejected as expected" for peer in peers]
    lines += [f"  {used[row]} of {row.peer}, {row.what}: {row.reason}" for row in rows]
    return failures, lines


def compare(directory, entry, elements, open_):
    """Yields the properties of an array that differ, and how they differ."""
    try:
        says, read_part = open_(directory, entry)
        read_parts = [read_part(part) for part in parts(entry)]
    except Exception as error:
        yield "reading", f"{type(error).__name__}: {error}"
        return
    expected = {
        "dtype": numpy_dtype(entry.dtype),
        "shape": entry.shape,
        "chunks": entry.chunks,
        "shards": entry.shards,
        "blocks": blocks(entry),
        "sizes": entry.sizes_within,
        "fill": entry.fill,
        "dimension_names": entry.dimension_names,
        "attributes": canonical(entry.attributes),
        "codecs": entry.codecs,
    }
    if "attributes" in says:
        # All attributes except the provenance, which the sink adds itself.
        attributes = dict(says["attributes"])
        if attributes.pop("provenance", None) is None:
            yield "attributes", "the provenance is missing"
        says["attributes"] = canonical(attributes)
    for what, value in says.items():
        if value != expected[what]:
            yield what, f"{value!r}, expected {expected[what]!r}"
    for part, actual in zip(parts(entry), read_parts):
        if np.asarray(actual).tobytes() != elements[part].tobytes():
            yield "elements", f"the elements of {part} differ"


def canonical(attributes):
    """Distinguishes 1 from 1.0 and true, and 0.0 from -0.0, which compare equal."""
    return json.dumps(attributes, sort_keys=True)


def blocks(entry):
    """Returns the sizes of the chunks of a regular grid along each axis, as dask has them."""
    def along(size, chunk):
        return tuple(min(chunk, size - start) for start in range(0, size, chunk)) or (0,)
    return tuple(map(along, entry.shape, entry.chunks))


def parts(entry):
    """Yields the whole array, a part that crosses the edges of chunks, and the array's end."""
    sizes = list(zip(entry.shape, entry.chunks))
    yield (slice(None),) * len(sizes)
    if not entry.is_empty:
        yield tuple(slice(min(chunk // 2, size - 1), min(chunk + 1, size)) for size, chunk in sizes)
        yield tuple(slice(size // 3, size) for size, _ in sizes)


def judge(row, differences):
    """Yields unexpected differences. A row expects exactly one difference."""
    if row is None:
        yield from (f"{what}: {how}" for what, how in differences)
    elif len(differences) != 1:
        yield f"{len(differences)} differences, expected the one of {row}: {differences}"
    else:
        [(what, how)] = differences
        if what != row.what or row.says not in how:
            yield f"{what}: {how}, expected {row}"
