"""Takes out of wheels what a libtorch for the CPU consists of.

usage: unpack.py WHEELS LIBTORCH
"""

import shutil
import sys
from pathlib import Path
from zipfile import ZipFile

HEADERS = "torch/include/"
LIBRARIES = {
    "torch/lib/libc10.so",
    "torch/lib/libgomp.so.1",
    "torch/lib/libtorch_cpu.so",
    "nvidia/cu13/lib/libcudart.so.13",
    "nvidia/cu13/lib/libcupti.so.13",
}

wheels, libtorch = map(Path, sys.argv[1:])
missing = LIBRARIES | {HEADERS + "torch/csrc/api/include/torch/torch.h"}
for wheel in sorted(wheels.glob("*.whl")):
    with ZipFile(wheel) as members:
        for name in members.namelist():
            if name in LIBRARIES:
                path = libtorch / "lib" / Path(name).name
            elif name.startswith(HEADERS) and not name.endswith("/"):
                path = libtorch / "include" / name.removeprefix(HEADERS)
            else:
                continue
            path.parent.mkdir(parents=True, exist_ok=True)
            with members.open(name) as member, path.open("wb") as file:
                shutil.copyfileobj(member, file, 1 << 20)
            missing.discard(name)
assert not missing, f"no wheel has {sorted(missing)}"
