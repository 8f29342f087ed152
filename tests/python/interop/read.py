"""Reads this library's arrays with every peer, and compares them bit for bit."""

import logging
import warnings

from compare import read_all
from groups import check_group
from manifest import Manifest
from peers import PEERS
from unreadable import NOT_BY_PEERS


def read(directory):
    # Users who open these arrays must not see a warning.
    warnings.simplefilter("error")
    # zarr-python's event loop reports each array that it cannot list, in addition to the error.
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)
    manifest = Manifest.read(directory)
    failures, lines = read_all(directory, manifest, PEERS, NOT_BY_PEERS)

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

    print("\n".join(lines))
    print(f"{len(manifest.groups)} groups list the written arrays")
