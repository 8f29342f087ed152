"""A process that was forked after the package was used is told so, and does not hang."""

from __future__ import annotations

import pytest

FORK = """
import os, sys, traceback
import numpy as np
import lazy_chunks
path = sys.argv[1]
BEFORE
pid = os.fork()
if pid == 0:
    CALLS = {
        "store": lambda: lazy_chunks.store([np.zeros(2)], path + ".child"),
        "0-d": lambda: lazy_chunks.store(np.array(1.0), path + ".child"),
        "reduce": lambda: lazy_chunks.reduce([np.zeros(2)], "sum"),
        "open": lambda: lazy_chunks.open(path),
        "read": lambda: array.read(),
        "verify": lambda: array.verify(),
        "plan": lambda: lazy_chunks.plan(
            ([1], np.zeros), path + ".plan", resume="k", row_type=("f8", [])
        ).parts(),
    }
    for name, call in CALLS.items():
        if name in ("read", "verify") and "array" not in globals():
            continue
        try:
            call()
            print(name, "works", flush=True)
        except lazy_chunks.errors.ForkedError as error:
            assert "spawn" in str(error)
            print(name, "ForkedError", flush=True)
        except BaseException as error:
            print(name, repr(error), flush=True)
    os._exit(0)
_, status = os.waitpid(pid, 0)
assert os.path.exists(path + ".child") is False or "fresh" in sys.argv
if "array" in globals():
    assert array.read().sum() == 3
print("parent", status)
"""


def test_a_forked_child_gets_an_error(program, path):
    text = FORK.replace("BEFORE", "array, _ = lazy_chunks.store([np.ones(3)], path)")
    lines = program(text, path).output().splitlines()
    assert lines[-1] == "parent 0"
    assert lines[:-1] == [
        f"{name} ForkedError" for name in "store 0-d reduce open read verify plan".split()
    ]


@pytest.mark.parametrize(
    "use",
    [
        "lazy_chunks.reduce([np.ones(2)], 'sum')",
        "array = None; del array\ntry: lazy_chunks.open('nowhere')\nexcept FileNotFoundError: pass",
    ],
)
def test_any_use_before_the_fork_counts(use, program, path):
    lines = program(FORK.replace("BEFORE", use), path).output().splitlines()
    assert "store ForkedError" in lines and "reduce ForkedError" in lines


def test_a_process_that_is_forked_before_the_first_use_works(program, path):
    lines = program(FORK.replace("BEFORE", ""), path, "fresh").output().splitlines()
    assert "store works" in lines and "reduce works" in lines and lines[-1] == "parent 0"


def test_forked_workers_of_multiprocessing_get_an_error_and_do_not_hang(program, path):
    text = """
    import multiprocessing, sys
    import numpy as np
    import lazy_chunks

    def work(k):
        try:
            return float(lazy_chunks.reduce([np.full(2, k)], "sum")["sum"])
        except lazy_chunks.errors.ForkedError:
            return "ForkedError"

    if __name__ == "__main__":
        context = multiprocessing.get_context("fork")
        with context.Pool(2) as pool:
            print(pool.map(work, [1, 2]))
        lazy_chunks.reduce([np.zeros(2)], "sum")
        with context.Pool(2) as pool:
            print(pool.map(work, [1, 2]))
    """
    assert program(text, path).output().splitlines() == [
        "[2.0, 4.0]",
        "['ForkedError', 'ForkedError']",
    ]


POOL = """
import multiprocessing, sys
import numpy as np
import lazy_chunks
array, _ = lazy_chunks.store([np.ones((4, 4))], sys.argv[1])
with multiprocessing.get_context("fork").Pool(2) as pool:
    try:
        pool.map(np.asarray, [array[:1], array[1:2]])
    except lazy_chunks.errors.ForkedError as error:
        assert "spawn" in str(error)
        print("told")
"""


def test_a_pool_of_forked_processes_does_not_hang(program, path):
    assert program(POOL, path).output().splitlines() == ["told"]
