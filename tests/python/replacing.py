"""Reads one array repeatedly while the program replaces it.

usage: replacing.py LAZY COUNT

All elements of a version of the array are its number. Readers, each in its own process, open the
array again for each read, or keep a handle while the array is replaced once. Either way they must
read one complete version and no fill value. A read that returns an error is counted but is not a
failure. The same holds for a read during which the array was replaced twice: the first replacement
keeps the old chunks, and the second one removes them.
"""

import json
import subprocess
import sys
import tempfile
from collections import Counter
from io import BytesIO
from pathlib import Path

import numpy as np

SHAPE, CHUNKS = (64, 64), "8,8"
READERS = ["zarr-python", "tensorstore"]


def open_with(reader, path):
    """Opens the array, and returns a function that reads it."""
    if reader == "zarr-python":
        import zarr

        array = zarr.open_array(path, mode="r")
        return lambda: array[...]
    import tensorstore

    spec = {"driver": "zarr3", "kvstore": {"driver": "file", "path": str(path)}}
    array = tensorstore.open(spec, read=True).result()
    return lambda: array.read().result()


def versions(read):
    """Returns the versions among the elements; 0 is the fill value."""
    return sorted({int(version) for version in np.unique(np.nan_to_num(read))})


class Counters:
    """The last published version and the last begun one, shared by all processes."""

    def __init__(self, path, mode):
        self.values = np.memmap(path, np.int64, mode, shape=2)

    published = property(lambda self: int(self.values[0]))
    begun = property(lambda self: int(self.values[1]))

    def set(self, **values):
        for name, value in values.items():
            self.values[["published", "begun"].index(name)] = value


def read_anew(reader, path, counters):
    """Reads until the last version is published, and prints the counts."""
    counts, wrong, last = Counter(), [], 0
    count = int(sys.stdin.readline())
    print("begun", flush=True)
    while True:
        before = counters.published
        try:
            found = versions(open_with(reader, path)())
        except Exception as error:
            found, problem = None, f"{type(error).__name__}: {error}"
        is_promised = counters.begun <= before + 1
        if found is None:
            counts["errors"] += 1
            counts[f"error {problem[:150].replace(str(path), '…')}"] += 1
        elif len(found) == 1 and max(before, last) <= found[0] <= count:
            counts["whole" if is_promised else "whole, while it was replaced twice or more"] += 1
            last = found[0]
        elif is_promised:
            wrong.append(f"{found[:9]} after version {max(before, last)}")
        else:
            counts["not whole, while it was replaced twice or more"] += 1
        if before == count:
            break
    print(json.dumps({"counts": counts, "wrong": wrong}), flush=True)


def read_later(reader, path, _counters):
    """Opens the array, and reads it when the parent asks for it."""
    counts, wrong = Counter(), []
    for line in sys.stdin:
        version = int(line)
        try:
            read = open_with(reader, path)
        except Exception as error:
            wrong.append(f"version {version} could not be opened: {error}")
            read = None
        print("opened", flush=True)
        sys.stdin.readline()
        try:
            found = versions(read()) if read else None
            if found == [version]:
                counts["whole"] += 1
            elif found is not None:
                wrong.append(f"{found[:9]} by a handle of version {version}")
        except Exception as error:
            counts["errors"] += 1
            counts[f"error {type(error).__name__}: {error}"[:150]] += 1
        print("read", flush=True)
    print(json.dumps({"counts": counts, "wrong": wrong}), flush=True)


TASKS = {"anew": read_anew, "later": read_later}


def store(lazy, path, version):
    output = BytesIO()
    np.save(output, np.full(SHAPE, version, np.float32))
    command = [lazy, "store", "-", "-o", path, "--replace", "--chunks", CHUNKS, "--quiet", "--no-sync"]
    subprocess.run(command, input=output.getvalue(), check=True)


def main(lazy, count):
    with tempfile.TemporaryDirectory() as directory:
        path, counted = Path(directory, "a.zarr"), Path(directory, "counters")
        counters = Counters(counted, "w+")
        store(lazy, path, 1)
        counters.set(published=1, begun=1)
        readers = {}
        for reader in READERS:
            for task in TASKS:
                command = [sys.executable, __file__, task, reader, path, counted]
                readers[reader, task] = subprocess.Popen(command, stdin=-1, stdout=-1, text=True, bufsize=1)

        def tell(process, line, answer):
            process.stdin.write(f"{line}\n")
            said = process.stdout.readline().strip()
            assert said == answer, f"expected {answer}, got {said!r}"

        later = [process for (_, task), process in readers.items() if task == "later"]
        for process in readers.values():
            if process not in later:
                tell(process, count, "begun")
        for version in range(1, count):
            for process in later:
                tell(process, version, "opened")
            counters.set(begun=version + 1)
            store(lazy, path, version + 1)
            counters.set(published=version + 1)
            for process in later:
                tell(process, "", "read")
        is_wrong = False
        for (reader, task), process in readers.items():
            said = json.loads(process.communicate()[0])
            print(f"{reader}, {'a new handle' if task == 'anew' else 'the previous handle'}:")
            for what, n in said["counts"].items():
                print(f"  {n:6} {what}")
            print(f"  {len(said['wrong']):6} wrong" + "".join(f"\n    {wrong}" for wrong in said["wrong"][:5]))
            is_wrong |= bool(said["wrong"]) or not said["counts"].get("whole")
        raise SystemExit(is_wrong)


if len(sys.argv) == 3:
    main(sys.argv[1], int(sys.argv[2]))
elif len(sys.argv) == 5 and sys.argv[1] in TASKS:
    TASKS[sys.argv[1]](sys.argv[2], Path(sys.argv[3]), Counters(sys.argv[4], "r"))
else:
    raise SystemExit(__doc__)
