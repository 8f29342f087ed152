"""Writes arrays with every peer that writes, for the Rust program to read."""

import shutil
import warnings
from collections import Counter

import zarr

from groups import consolidate
from manifest import Entry, Group, Manifest
from matrix import settings
from oddities import oddities, write_oddity
from unreadable import NOT_HERE, NOT_WRITTEN
from writers import WRITERS

GROUPS = {2: "group-v2.zarr", 3: "group-v3.zarr"}


def write(directory):
    # zarr-python warns of features that other libraries may not support, which this test is for.
    warnings.simplefilter("ignore")
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "elements").mkdir(parents=True)
    for zarr_format, path in GROUPS.items():
        zarr.create_group(directory / path, zarr_format=zarr_format)

    manifest, failures, n_written, used = Manifest(), [], Counter(), Counter()
    for setting in settings():
        row = next((row for row in NOT_WRITTEN if row.applies(setting)), None)
        used[row] += 1
        try:
            entry = write_array(directory, setting)
        except Exception as error:
            how = f"{type(error).__name__}: {error}"
            if row is None or row.says not in how:
                failures.append(f"{setting.name} cannot be written: {how}")
            continue
        if row is not None:
            failures.append(f"{setting.name} can be written, contrary to {row}")
            continue
        row = next((row for row in NOT_HERE if row.applies(setting)), None)
        used[row] += 1
        if row is not None:
            entry.error = {"kind": row.kind, "message": row.says}
        manifest.arrays.append(entry)
        n_written[f"{setting.writer}, v{setting.zarr_format}"] += 1
    for oddity in oddities():
        manifest.arrays.append(write_oddity(directory, oddity))
    failures += [f"no array matches the row {row}"
                 for row in [*NOT_WRITTEN, *NOT_HERE] if not used[row]]
    if failures:
        raise SystemExit("\n".join([*failures, f"{len(failures)} failures"]))

    for path in GROUPS.values():
        consolidate(directory / path)
        manifest.groups.append(Group(path, is_consolidated=True))
    manifest.write(directory)
    for writer, n in n_written.items():
        print(f"{writer}: wrote {n} arrays")
    print(f"{len(oddities())} arrays of other data types and codecs")
    for row in [*NOT_WRITTEN, *NOT_HERE]:
        print(f"  {used[row]} {row.verdict}: {row.reason}")


def write_array(directory, setting):
    group = GROUPS[setting.zarr_format] if setting.is_in_group else None
    path = f"{group}/{setting.name}" if group else f"{setting.name}.zarr"
    fill = WRITERS[setting.writer](setting, directory / path)
    elements = f"elements/{setting.number:03}"
    setting.elements(fill).tofile(directory / elements)
    return Entry(path, group, setting.dtype, setting.shape, setting.chunks, setting.shards, [], fill.hex(),
                 setting.dimension_names, setting.attributes, elements)
