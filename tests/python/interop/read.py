"""Reads what was written here with every peer, and compares it bit for bit."""

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
    # A warning would be seen by whoever opens such an array.
    warnings.simplefilter("error")
    # zarr-python's event loop reports each array that it cannot list, beside the error.
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
    failures += [f"no array is like this any more: {row}" for row in NOT_BY_PEERS if not used[row]]

    # Nothing of a write is left beside its array.
    written = {entry.path for entry in manifest.arrays} | {"elements", "groups", "manifest.json"}
    failures += [f"{path.name} is in the directory, and is nothing that was written"
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
              f"{n_refused[peer]} refused as they should be")
    for row in NOT_BY_PEERS:
        print(f"  {used[row]} of {row.peer}, {row.what}: {row.reason}")
    print(f"{len(manifest.groups)} groups list what was written")


def compare(directory, entry, elements, open_):
    """Yields what of an array differs, and how."""
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
        # All but what says who wrote the array, which is not asked for.
        attributes = dict(says["attributes"])
        if attributes.pop("provenance", None) is None:
            yield "attributes", "there is no provenance among them"
        says["attributes"] = canonical(attributes)
    for what, value in says.items():
        if value != expected[what]:
            yield what, f"{value!r} instead of {expected[what]!r}"
    for part, actual in zip(parts(entry), read_parts):
        if np.asarray(actual).tobytes() != elements[part].tobytes():
            yield "elements", f"those of {part} differ"


def canonical(attributes):
    """Tells 1 from 1.0 and true, and 0.0 from -0.0, which compare equal."""
    return json.dumps(attributes, sort_keys=True)


def parts(entry):
    """The whole array, a part that crosses the edges of chunks, and the end of the array."""
    sizes = list(zip(entry.shape, entry.chunks))
    yield (slice(None),) * len(sizes)
    if not entry.is_empty:
        yield tuple(slice(min(chunk // 2, size - 1), min(chunk + 1, size)) for size, chunk in sizes)
        yield tuple(slice(size // 3, size) for size, _ in sizes)


def judge(row, differences):
    """Yields what is wrong with the differences, of which one is expected when there is a row."""
    if row is None:
        yield from (f"{what}: {how}" for what, how in differences)
    elif len(differences) != 1:
        yield f"{len(differences)} differences instead of the one of {row}: {differences}"
    else:
        [(what, how)] = differences
        if what != row.what or row.says not in how:
            yield f"{what}: {how}, instead of {row}"
