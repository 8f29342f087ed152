"""The documentation runs, and the types are right."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import shutil
import subprocess
import sys
from importlib import resources
from pathlib import Path

import lazy_chunks
import pytest

MODULES = [
    "lazy_chunks",
    *(f"lazy_chunks.{module.name}" for module in pkgutil.iter_modules(lazy_chunks.__path__)),
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_of_the_documentation_run(name, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    module = importlib.import_module(name)
    found = doctest.testmod(module, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert found.failed == 0


def test_there_are_examples():
    finder = doctest.DocTestFinder()
    names = {
        test.name
        for name in MODULES
        for test in finder.find(importlib.import_module(name))
        if test.examples
    }
    for name in ("store", "reduce", "split", "from_rows", "from_regions"):
        assert f"lazy_chunks._store.{name}" in names
    assert {"lazy_chunks._plan.plan", "lazy_chunks.stats"} <= names


def test_all_public_names_exist_and_are_documented():
    for name in lazy_chunks.__all__:
        each = getattr(lazy_chunks, name)
        if inspect.isclass(each) or inspect.isfunction(each):
            assert inspect.getdoc(each), name
            methods = vars(each).items() if inspect.isclass(each) else []
            for method, function in methods:
                if not method.startswith("_") and (
                    inspect.isfunction(function) or isinstance(function, property)
                ):
                    assert inspect.getdoc(function), f"{name}.{method}"
    assert sorted(lazy_chunks.__all__) == lazy_chunks.__all__
    for name in lazy_chunks.stats.__all__:
        assert inspect.getdoc(getattr(lazy_chunks.stats, name)), name


def test_the_version_is_that_of_the_package():
    assert lazy_chunks.__version__.count(".") == 2


def test_the_types_are_shipped():
    assert (resources.files("lazy_chunks") / "py.typed").is_file()
    assert (resources.files("lazy_chunks") / "_lazy_chunks.pyi").is_file()


def test_the_stub_names_what_the_extension_module_has():
    stub = (resources.files("lazy_chunks") / "_lazy_chunks.pyi").read_text()
    from lazy_chunks import _lazy_chunks

    in_stub = {
        node.name if not isinstance(node, ast.AnnAssign) else node.target.id
        for node in ast.parse(stub).body
        if isinstance(node, (ast.FunctionDef, ast.ClassDef, ast.AnnAssign))
    }
    in_module = {name for name in dir(_lazy_chunks) if not name.startswith("__")} | {"__version__"}
    assert in_stub == in_module - {"_Block"}


CONSUMER = """
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lazy_chunks
import numpy as np
from lazy_chunks import (
    LazyChunkSequence, NumpyConverter, Plan, Progress, Resume, Statistic, StoredArray, Target,
    stats,
)
from numpy.typing import NDArray


def blocks() -> Iterator[NDArray[np.float32]]:
    for i in range(3):
        yield np.full((2, 3), i, np.float32)


def block(rows: slice) -> NDArray[np.float64]:
    return np.zeros((rows.stop - rows.start, 3))


class Nonzero(Statistic):
    def empty(self) -> int:
        return 0

    def update(self, state: int, block: NDArray[Any], at: tuple[int, int]) -> int:
        return state + int(np.count_nonzero(block))

    def merge(self, state: int, other: int) -> int:
        return state + other

    def finish(self, state: int) -> int:
        return state


def show(progress: Progress) -> None:
    print(progress.blocks, progress.n_blocks, progress.stage)


class Same(NumpyConverter[Any]):
    def to_numpy(self, x: Any) -> NDArray[Any]:
        return np.asarray(x)

    def from_numpy(self, x: NDArray[Any]) -> Any:
        return x


path: Path = Path("values.zarr")
array, found = lazy_chunks.store(blocks(), path, stats="mean", progress=show, chunks=(2, 3))
lazy_chunks.store(
    lazy_chunks.from_rows([2, 1], block),
    Target("s3://bucket/x", {"skip_signature": "true"}),
    stats=["sum", stats.mean(axis=0), Nonzero()],
    resume=Resume("key", restart=True),
    row_type=("float64", [3]),
    dtype=np.float32,
    threads=2,
    memory_limit="1GiB",
    on_block=lambda at, block: print(at, block),
)
lazy_chunks.store(np.zeros(3), "values.zarr", stats={"a": "mean", "b": Nonzero()})
mean: Any = lazy_chunks.reduce(array, stats.top(3))["top:3"]
region: StoredArray = array[1:, ..., 0]
shape: tuple[int, ...] = region.shape
values: NDArray[Any] = region.read()
for row in array:
    print(row.shape)
problems: list[str] = [defect.key for defect in array.verify().defects]
shared: Plan = lazy_chunks.plan(
    ([2, 2], block), path, resume="key", row_type=(np.float32, [3]), parts=2
)
outcomes: list[str] = [shared.run(part).outcome for part in shared.parts()]
complete: bool = shared.status().is_complete
sequence: LazyChunkSequence[Any] = LazyChunkSequence(blocks, len_generator=3)
sequence.to_zarr(path, Same(), return_stored=True)
try:
    lazy_chunks.open(path)
except lazy_chunks.errors.TargetNotFoundError as error:
    hint: str | None = error.hint
"""

WRONG = """
import lazy_chunks

lazy_chunks.store([], "x", chunk=[2])
lazy_chunks.store([], "x", threads="two")
lazy_chunks.open("x").shape.append(3)
lazy_chunks.split("3", 2)
"""


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """The messages of mypy for the package and its consumers, by file."""
    pytest.importorskip("mypy")
    directory = tmp_path_factory.mktemp("types")
    (directory / "consumer.py").write_text(CONSUMER)
    (directory / "wrong.py").write_text(WRONG)
    # mypy takes the files beside an installed package for modules of its own.
    sources = directory / "lazy_chunks"
    shutil.copytree(Path(lazy_chunks.__file__).parent, sources)
    found = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--strict", "--python-version", "3.12"),
            *("--cache-dir", str(directory / "cache"), "--no-error-summary"),
            *(str(directory / "consumer.py"), str(directory / "wrong.py"), str(sources)),
        ],
        capture_output=True,
        text=True,
        cwd=directory,
    )
    assert found.returncode in (0, 1), found.stdout + found.stderr
    return found.stdout.splitlines()


def test_the_package_passes_mypy_strict(checked):
    assert [line for line in checked if "lazy_chunks/" in line] == []


def test_a_program_that_uses_the_package_passes_mypy_strict(checked):
    assert [line for line in checked if line.startswith("consumer.py")] == []


def test_mypy_finds_wrong_calls(checked):
    wrong = {line.split(":")[1] for line in checked if line.startswith("wrong.py")}
    assert wrong == {"4", "5", "6", "7"}
