"""Lets the Python package torch load without CUDA, whose libraries take gigabytes.

usage: without_cuda.py LIBTORCH

libtorch_python.so refers to functions and types that only devices need. A library of this name that
does nothing takes the place of libtorch_cuda.so, and empty ones that of CUDA's own libraries.
"""

import subprocess
import sys
from pathlib import Path

CUDA = ["libcudnn.so.9", "libcufile.so.0", "libnccl.so.2"]
SYSTEM = ["libc.so.6", "libm.so.6", "libgcc_s.so.1", "libstdc++.so.6", "ld-linux-x86-64.so.2"]


def symbols(library: Path, which: str) -> set[str]:
    """Returns the names of dynamic symbols, without weak ones that are not defined."""
    lines = subprocess.run(
        ["nm", "-D", which, library], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    fields = [line.split() for line in lines]
    # The version of a symbol follows its name.
    return {field[-1].partition("@")[0] for field in fields if field[-2] not in "wv"}


def link(name: str, directory: Path, source: str) -> None:
    """Makes a library out of assembly."""
    path = directory / name
    options = ["-shared", "-x", "assembler", "-", "-o", path, f"-Wl,-soname,{name}"]
    source += '.section .note.GNU-stack,"",@progbits\n'
    subprocess.run(["c++", *options], check=True, input=source, text=True)


def labels(names: list[str], kind: str) -> str:
    return "".join(f".globl {name}\n.type {name},@{kind}\n{name}:\n" for name in names)


directory = Path(sys.argv[1], "python/torch/lib")
undefined = symbols(directory / "libtorch_python.so", "--undefined-only")
# The link to libtorch.so leads nowhere yet. That library defines nothing.
others = set(directory.glob("*.so*")) - {directory / "libtorch_python.so"}
defined = [path for path in others if path.exists()]
defined += [
    Path(
        subprocess.run(
            ["c++", f"-print-file-name={name}"], check=True, capture_output=True, text=True
        ).stdout.strip()
    )
    for name in SYSTEM
]
for library in defined:
    undefined -= symbols(library, "--defined-only")
names = sorted(name for name in undefined if not name.startswith(("Py", "_Py")))
types = [name for name in names if name.startswith("_ZTI")]
tables = [name for name in names if name.startswith("_ZTV")]
functions = [name for name in names if not name.startswith("_ZT")]
constructors = [name for name in functions if "C1E" in name]

assembly = ".text\n"
# A function returns a reference to zeros. A constructor makes an object whose methods do the same.
assembly += labels([name for name in functions if name not in constructors], "function")
assembly += "nothing: lea zeros(%rip), %rax\nret\n"
assembly += labels(constructors, "function")
assembly += "lea table+16(%rip), %rax\nmov %rax, (%rdi)\nret\n"
assembly += ".data\n.balign 64\nzeros: .zero 4096\n"
assembly += labels(tables, "object") + "table: .quad 0, type\n" + ".quad nothing\n" * 64
for name in ["type", *types]:
    assembly += labels([name], "object") if name in types else f"{name}:\n"
    assembly += f".quad _ZTVN10__cxxabiv117__class_type_infoE+16, name_of_{name}\n"
    assembly += f'name_of_{name}: .asciz "{name.removeprefix("_ZTI")}"\n.balign 8\n'
link("libtorch_cuda.so", directory, assembly)
for name in CUDA:
    link(name, directory, "")
