"""Reads this library's arrays with every peer, and compares them bit for bit."""

import json
import logging
import warnings
from collections import Counter
from importlib.metadata import version

import dask.array
import numpy as np

from groups import check_group
from manifest import Manifest, numpy_dtype
from peers import PEERS
from unreadable import NOT_BY_PEERS


def read(directory):
    # Users who open these arrays must not see a warning.
    warnings.simplefilter("error")
    # zarr-python's event loop reports each array that it cannot list, in addition to the error.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    manifest = Manifest.read(directory)
    failures, n_read, n_refused, used = [], Counter(), Counter(), Counter()
    for entry in manifest.arrays:
        elements = entry.read_elements(directory)
        for peer, open_ in PEERS.items():
            row = next((row for row in NOT_BY_PEERS if row.applies(peer, entry)), None)
            used[row] += 1
            differences = list(compare(directory, entry, elements, open_))
            failures += [f"{peer}: {entry.path}: {problem}" for problem in judge(row, differences)]
            (n_refused if row and row.what == "reading" else n_read)[peer] += 1
    failures += [f"no array matches the row {row}" for row in NOT_BY_PEERS if not used[row]]

    # A write leaves no files beside its array.
    written = {entry.path for entry in manifest.arrays} | {"elements", "groups", "manifest.json"}
    failures += [f"{path.name} in the directory was not written by a test"
                 for path in directory.iterdir() if path.name not in written]

    for group in manifest.groups:
        try:
            check_group(directory, group, [e for e in manifest.arrays if e.group == group.path])
        except Exception as error:
            failures.append(f"{group.path}: {type(error).__name__}: {error}")
    if failures:
        raise SystemExit("\n".join([*failures, f"{len(failures)} failures"]))

    for peer in PEERS:
        print(f"{peer} {version(peer.removesuffix('-python'))}: {n_read[peer]} arrays bit for bit, "
              f"{n_refused[peer]} rejected as expected")
    for row in NOT_BY_PEERS:
        print(f"  {used[row]} of {row.peer}, {row.what}: {row.reason}")
    print(f"{len(manifest.groups)} groups list the written arrays")


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
        "blocks": dask.array.core.normalize_chunks(entry.chunks, entry.shape),
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
