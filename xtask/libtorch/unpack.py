"""Takes out of wheels a libtorch for the CPU, and the Python package torch beside it.

usage: unpack.py WHEELS LIBTORCH
"""

import os
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
# The package needs these as well. Of CUDA, c10_cuda only calls the runtime.
OF_PYTHON = {
    "torch/bin/torch_shm_manager",
    "torch/lib/libc10_cuda.so",
    "torch/lib/libshm.so",
    "torch/lib/libtorch_global_deps.so",
    "torch/lib/libtorch_python.so",
}


def place(name: str) -> Path | None:
    """Returns the path of a member of a wheel, unless it is left out."""
    path = Path(name)
    if name in LIBRARIES:
        return Path("lib", path.name)
    if name.startswith(HEADERS):
        return Path("include", name.removeprefix(HEADERS))
    is_module = path.suffix == ".py" or path.name.startswith("_C.")
    if name in OF_PYTHON or (name.startswith(("torch/", "torchgen/")) and is_module):
        return Path("python", path)
    return None


wheels, libtorch = map(Path, sys.argv[1:])
missing = LIBRARIES | OF_PYTHON | {HEADERS + "torch/csrc/api/include/torch/torch.h"}
for wheel in sorted(wheels.glob("*.whl")):
    with ZipFile(wheel) as members:
        for name in members.namelist():
            relative = None if name.endswith("/") else place(name)
            if relative is None:
                continue
            path = libtorch / relative
            path.parent.mkdir(parents=True, exist_ok=True)
            with members.open(name) as member, path.open("wb") as file:
                shutil.copyfileobj(member, file, 1 << 20)
            missing.discard(name)
assert not missing, f"no wheel has {sorted(missing)}"
# The package finds its libraries where the wheel has them. The last one is linked later.
for name in [*(Path(library).name for library in LIBRARIES), "libtorch.so"]:
    os.symlink(f"../../../lib/{name}", libtorch / "python/torch/lib" / name)
