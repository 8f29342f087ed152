"""The program ``lazy`` as a part of the package."""

from __future__ import annotations

import json
import time

import lazy_chunks
import numpy as np
import pytest

MAIN = """
import sys
from lazy_chunks._program import main
sys.argv[0] = "lazy"
main()
"""


def run(program, *arguments, code=0):
    running = program(MAIN, *arguments)
    out, err = running.wait()
    assert running.process.returncode == code, (running.process.returncode, out, err)
    return out, err


def test_the_version_is_that_of_the_package(program):
    out, _ = run(program, "--version")
    assert lazy_chunks.__version__ in out


def test_help_is_shown(program):
    out, _ = run(program, "--help")
    assert "store" in out and "info" in out


def test_info_describes_an_array(program, path):
    lazy_chunks.store([np.zeros((2, 3), "f4")], path)
    out, _ = run(program, "info", path)
    assert "float32" in out and "2" in out and "3" in out
    out, _ = run(program, "info", "--json", path)
    assert json.loads(out)


def test_a_file_of_numpy_is_stored_and_verified(program, path, tmp_path):
    np.save(tmp_path / "values.npy", np.arange(6.0).reshape(2, 3))
    run(program, "store", tmp_path / "values.npy", "-o", path)
    assert (lazy_chunks.open(path).read() == np.arange(6.0).reshape(2, 3)).all()
    run(program, "verify", path)
    out, _ = run(program, "reduce", path, "--stats", "sum")
    assert "15" in out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [(["info", "nowhere.zarr"], 1), (["no-command"], 2), (["info", "--no-option"], 2), ([], 2)],
    ids=str,
)
def test_a_failure_has_its_exit_code_and_a_text(arguments, code, program):
    _, err = run(program, *arguments, code=code)
    assert err


def test_damage_has_its_exit_code(program, path):
    lazy_chunks.store([np.zeros((2, 3))], path)
    (path / "c" / "0" / "0").unlink()
    run(program, "verify", path, code=3)


def test_an_unfinished_write_of_the_package_is_not_one_of_the_program(program, path):
    def block(i):
        if i == 3:
            raise OSError("the disk is gone")
        return np.full((1, 2), float(i))

    with pytest.raises(OSError, match="the disk is gone"):
        lazy_chunks.store(([1] * 4, block), path, resume="my key", chunks=[1, 2])
    out, _ = run(program, "unfinished", path)
    assert "of my key" in out and out.strip().endswith("continue it with the program that began it")


def test_main_ends_by_system_exit(program, path):
    """The caller may catch it, and Python ends in its own way."""
    text = """
    import atexit, sys
    from lazy_chunks._program import main
    atexit.register(print, "at exit")
    sys.argv[0] = "lazy"
    try:
        main()
    except SystemExit as exit:
        print("code", exit.code)
    """
    for argument, code in (("--version", "0"), ("--help", "0"), ("--no-option", "2")):
        out = program(text, argument).output()
        assert out.splitlines()[-2:] == [f"code {code}", "at exit"]


def test_ctrl_c_ends_the_program(program, path, tmp_path):
    """The program has handlers of its own."""
    text = MAIN.replace("main()", 'print("started", flush=True)\nmain()')
    running = program(text, "store", "-", "-o", path)
    assert running.line() == "started"
    time.sleep(1)
    running.interrupt()
    running.wait()
    assert running.process.returncode != 0
    assert not (path / "zarr.json").exists()
