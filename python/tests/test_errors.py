"""Errors have two parents and name the block, and the target is unchanged."""

from __future__ import annotations

import errno
import inspect
import os
import pickle
import re
import time

import lazy_chunks
import numpy as np
import pytest
from lazy_chunks import errors

from laws import files

BUILTIN = {
    "InvalidArgumentError": ValueError,
    "TargetExistsError": FileExistsError,
    "TargetNotFoundError": FileNotFoundError,
    "NotAnArrayError": ValueError,
    "ResumeMismatchError": ValueError,
    "OutOfMemoryError": MemoryError,
    "AccessDeniedError": PermissionError,
    "StorageError": OSError,
    "BlockError": ValueError,
    "DTypeError": TypeError,
    "StatisticError": ValueError,
}


def test_all_classes_are_errors_of_the_package():
    classes = {
        name: each
        for name, each in vars(errors).items()
        if inspect.isclass(each) and issubclass(each, BaseException)
    }
    assert sorted(classes) == sorted(errors.__all__)
    for name, each in classes.items():
        assert issubclass(each, errors.LazyChunksError) and each.__doc__
        assert each.__module__ == "lazy_chunks.errors"
        if name in BUILTIN:
            assert issubclass(each, BUILTIN[name])
    assert lazy_chunks.LazyChunksError is errors.LazyChunksError


@pytest.mark.parametrize("name", errors.__all__)
def test_an_error_can_be_pickled_and_printed(name):
    error = getattr(errors, name)("a message")
    error.hint, error.target = "a hint", "a place"
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error) and str(again) == str(error) == "a message"
    assert again.hint == "a hint" and again.target == "a place"
    # So does tblib, with which Dask sends exceptions.
    again = type(error).__new__(type(error))
    again.__dict__.update(error.__dict__)
    assert again.hint == "a hint"


def test_an_existing_array_is_an_error_with_a_hint_before_the_first_block(path):
    lazy_chunks.store([np.zeros(2)], path)
    before = files(path)
    called = []

    def block(i):
        called.append(i)
        return np.ones(2)

    with pytest.raises(FileExistsError, match="already exists") as caught:
        lazy_chunks.store(([2], block), path)
    error = caught.value
    assert isinstance(error, errors.TargetExistsError)
    assert "overwrite=True" in error.hint and error.target == str(path)
    assert any("overwrite=True" in note for note in error.__notes__)
    assert "overwrite=True" not in str(error)
    assert not called and files(path) == before


@pytest.mark.parametrize("overwrite", [False, True])
def test_other_data_is_never_replaced(tmp_path, overwrite):
    zarr = pytest.importorskip("zarr")
    group = zarr.create_group(tmp_path / "group")
    group.create_array("member", shape=(2,), dtype="f4")[...] = 1
    (tmp_path / "group" / "notes.txt").write_text("notes")
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "thesis.txt").write_text("thesis")
    (tmp_path / "file").write_text("text")
    for name in ("group", "foreign", "file"):
        before = files(tmp_path)
        with pytest.raises(FileExistsError):
            lazy_chunks.store([np.zeros(2)], tmp_path / name, overwrite=overwrite)
        assert files(tmp_path) == before


def test_a_directory_that_cannot_be_made_is_an_os_error(tmp_path):
    (tmp_path / "file").write_text("text")
    with pytest.raises(OSError) as caught:
        lazy_chunks.store([np.zeros(2)], tmp_path / "file" / "values.zarr")
    assert isinstance(caught.value, errors.LazyChunksError)
    assert caught.value.errno == errno.ENOTDIR


class Mine(Exception):
    """An exception that no library knows."""

    def __init__(self, text, number):
        super().__init__(text)
        self.number = number


def fail():
    raise Mine("my text", 7)


def stream(k):
    for i in range(4):
        if i == k:
            fail()
        yield np.full((2, 3), float(i))


def function(k):
    return ([2] * 4, lambda i: fail() if i == k else np.full((2, 3), float(i)))


def nested(k):
    def band(i):
        for j in range(2):
            if 2 * i + j == k:
                fail()
            yield np.full((2, 2 - j), float(i))

    return (band(i) for i in range(2))


def nested_function(k):
    return (
        ([2, 2], [2, 1]),
        lambda i, j: fail() if 2 * i + j == k else np.full((2, 2 - j), float(i)),
    )


def target_is_free(path):
    """The next call does not meet anything of the one before."""
    if not path.exists():
        assert lazy_chunks.store([np.zeros(3)], path).array.shape == (3,)
    else:
        before = lazy_chunks.open(path).read()
        assert (before == 5).all()
        lazy_chunks.store([np.zeros(3)], path, overwrite=True)
        assert lazy_chunks.open(path).shape == (3,)


@pytest.fixture(params=["a new target", "an array to overwrite", "an array to append to"])
def write(request, path):
    """Write where nothing or an array is, and check that it failed without a trace."""
    settings = {}
    if request.param != "a new target":
        lazy_chunks.store([np.full((2, 3), 5.0)], path)
        settings = {"overwrite": True} if "overwrite" in request.param else {"append": True}

    def store(blocks, error, **more):
        before = files(path)
        with pytest.raises(error) as caught:
            lazy_chunks.store(blocks, path, **settings, **more)
        assert files(path) == before
        if request.param == "a new target":
            assert not path.exists()
        target_is_free(path)
        return caught.value

    return store


FORMS = {
    "a stream": (stream, ["block 0", "block 1", "block 2", "block 3"]),
    "a function": (function, ["block 0", "block 1", "block 2", "block 3"]),
    "bands": (nested, ["block (0, 0)", "block (0, 1)", "block (1, 0)", "block (1, 1)"]),
    "a function of both": (
        nested_function,
        ["block (0, 0)", "block (0, 1)", "block (1, 0)", "block (1, 1)"],
    ),
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("k", [0, 1, 3])
@pytest.mark.parametrize("threads", [None, 2])
def test_an_exception_of_the_blocks_arrives_as_itself_with_the_block(form, k, threads, write):
    make, names = FORMS[form]
    error = write(make(k), Mine, threads=threads, stats="mean")
    assert error.number == 7 and error.args == ("my text",)
    assert any(names[k] in note for note in error.__notes__)
    frames, frame = [], error.__traceback__
    while frame is not None:
        frames.append(frame.tb_frame.f_code.co_name)
        frame = frame.tb_next
    assert "fail" in frames


def test_an_exception_of_the_outer_generator_arrives_as_itself(write):
    def bands():
        yield [np.zeros((2, 3))]
        fail()

    error = write(bands(), Mine)
    assert error.number == 7 and error.__notes__


def test_an_exception_of_the_first_band_arrives_as_itself(write):
    def bands():
        fail()
        yield

    write(bands(), Mine)


def test_an_exception_of_iter_arrives_as_itself(write):
    class Blocks:
        def __iter__(self):
            fail()

    write(Blocks(), Mine)


class Failing(lazy_chunks.Statistic):
    def __init__(self, method):
        self.method = method

    def empty(self):
        return fail() if self.method == "empty" else 0

    def update(self, state, block, at):
        return fail() if self.method == "update" and at[0] >= 2 else state + 1

    def merge(self, state, other):
        return fail() if self.method == "merge" else state + other

    def finish(self, state):
        return fail() if self.method == "finish" else state


@pytest.mark.parametrize("method", ["empty", "update"])
def test_an_exception_of_a_statistic_arrives_as_itself(method, write):
    error = write(stream(9), Mine, stats=[Failing(method)])
    assert error.number == 7
    if method == "update":
        assert any("row 2, column 0" in note for note in error.__notes__)


@pytest.mark.parametrize("threads", [None, 2])
def test_an_exception_of_a_callback_arrives_as_itself(threads, write):
    def on_block(at, block):
        if at == (4, 0):
            fail()

    error = write(function(9), Mine, on_block=on_block, threads=threads)
    assert error.number == 7 and any("row 4, column 0" in note for note in error.__notes__)


def test_an_exception_of_the_progress_function_arrives_as_itself(write):
    def blocks():
        for _ in range(400):
            time.sleep(0.02)
            yield np.zeros((2, 3))

    assert write(blocks(), Mine, progress=lambda progress: fail()).number == 7


def test_a_progress_function_that_fails_at_the_end_keeps_the_array(path):
    with pytest.raises(Mine) as caught:
        lazy_chunks.store(
            [np.zeros((2, 3))], path, progress=lambda at: at.stage == "finished" and fail()
        )
    assert caught.value.__notes__ == ["the pass was complete when `progress` failed"]
    assert lazy_chunks.open(path).shape == (2, 3)


@pytest.mark.parametrize("error", [StopIteration, StopAsyncIteration, GeneratorExit, SystemExit])
@pytest.mark.parametrize("threads", [None, 2])
def test_exceptions_with_a_meaning_of_their_own_end_no_array_early(error, threads, write):
    def block(i):
        if i == 2:
            raise error
        return np.zeros((2, 3))

    write(([2] * 4, block), error, threads=threads)


@pytest.mark.parametrize("error", [GeneratorExit, SystemExit, KeyboardInterrupt])
def test_a_generator_that_exits_ends_no_array_early(error, write):
    def blocks():
        yield np.zeros((2, 3))
        raise error

    write(blocks(), error)


@pytest.mark.parametrize("error", [StopIteration, GeneratorExit])
def test_exceptions_of_a_callback_with_a_meaning_of_their_own_arrive(error, write):
    def on_block(at, block):
        raise error

    write(stream(9), error, on_block=on_block)


def test_stop_iteration_in_a_generator_is_the_runtime_error_of_python(write):
    def blocks():
        yield np.zeros((2, 3))
        raise StopIteration

    write(blocks(), RuntimeError)


@pytest.mark.parametrize("threads", [None, 2])
def test_an_interrupt_that_a_function_raises_arrives(threads, write):
    def block(i):
        raise KeyboardInterrupt

    write(([2], block), KeyboardInterrupt, threads=threads)


def test_an_exception_that_takes_no_note_arrives(write):
    class NoNote(Exception):
        def add_note(self, note):
            raise RuntimeError("no notes")

    def block(i):
        raise NoNote

    write(([2], block), NoNote)


def test_an_exception_has_one_note_each_time(path):
    error = Mine("again", 1)

    def block(i):
        raise error

    for _ in range(2):
        with pytest.raises(Mine):
            lazy_chunks.store(([2], block), path)
    assert len(error.__notes__) == 2


def zeros(*shapes, dtype="f8"):
    return [np.zeros(shape, dtype) for shape in shapes]


WRONG = {
    "another trailing size": (zeros((2, 3), (2, 4)), "BlockError", "block 1"),
    "fewer axes": (zeros((2, 3), (2,)), "BlockError", "block 1"),
    "more axes": (zeros((2, 3), (2, 3, 1)), "BlockError", "block 1"),
    "no axes": (zeros((2, 3), ()), "BlockError", "block 1"),
    "another dtype": (zeros((2, 3)) + zeros((2, 3), dtype="f4"), "DTypeError", "block 1"),
    "another height in a band": ([zeros((2, 3), (3, 3))], "BlockError", "(0, 1)"),
    "a narrower band": ([zeros((2, 3), (2, 3)), zeros((2, 3))], "BlockError", "band 1"),
    "a wider band": ([zeros((2, 3)), zeros((2, 3), (2, 3))], "BlockError", "(1, 1)|band 1"),
    "an empty band": ([zeros((2, 3)), []], "BlockError", "band 1"),
    "an empty band first": ([[], zeros((2, 3))], "BlockError", "band 0"),
    "an empty band between": ([zeros((2, 3)), [], zeros((2, 3))], "BlockError", "band 1"),
    "one axis in a band": ([zeros((3,))], "BlockError", "(0, 0)"),
    "an array among bands": ([zeros((2, 3)), np.zeros((2, 3))], "BlockError", "(1, 0)"),
    "too few rows": (([2, 2], lambda i: np.zeros((2 - i, 3))), "BlockError", "block 1"),
    "too many rows": (([2, 2], lambda i: np.zeros((2 + i, 3))), "BlockError", "block 1"),
    "other columns": ((([2], [3, 3]), lambda i, j: np.zeros((2, 3 - j))), "BlockError", "(0, 1)"),
    "no blocks": ([], "BlockError", "no blocks"),
    "no bands": (iter(()), "BlockError", "no blocks"),
}


@pytest.mark.parametrize("name", WRONG)
def test_blocks_that_do_not_fit_together_are_refused_by_name(name, path):
    blocks, error, text = WRONG[name]
    with pytest.raises(getattr(errors, error), match="|".join(map(re.escape, text.split("|")))):
        lazy_chunks.store(blocks, path)
    assert not path.exists()
    target_is_free(path)


def test_a_band_among_blocks_is_refused(path):
    with pytest.raises(TypeError, match="list"):
        lazy_chunks.store([np.zeros((2, 3)), [np.zeros((2, 3))]], path)
    assert not path.exists()


@pytest.mark.parametrize(
    "blocks",
    [3, None, object(), ([-1], np.zeros), ([1.5], np.zeros), (3, np.zeros), ([1], [1], [1])],
    ids=str,
)
def test_what_gives_no_blocks_is_a_type_error(blocks, path):
    with pytest.raises((TypeError, ValueError)):
        lazy_chunks.store(blocks, path)
    assert not path.exists()
    with pytest.raises((TypeError, ValueError)):
        lazy_chunks.reduce(blocks, "sum")


def test_a_negative_size_is_named(path):
    with pytest.raises((ValueError, TypeError), match="-1"):
        lazy_chunks.store(([2, -1], lambda i: np.zeros(2)), path)


def test_a_full_device_is_an_os_error(tmp_path):
    """A file system without room, where there is one for tests."""
    full = "/dev/full"
    with pytest.raises(OSError):
        lazy_chunks.store([np.zeros(2)], full)


def test_a_directory_without_permission_is_an_os_error(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(OSError):
            lazy_chunks.store([np.zeros(2)], tmp_path / "values.zarr")
    finally:
        tmp_path.chmod(0o700)


def test_an_unfinished_or_other_generator_is_not_run_after_a_failure(path):
    produced = []

    def blocks():
        for i in range(10_000):
            produced.append(i)
            yield np.zeros((2, 3 if i < 3 else 4))

    with pytest.raises(errors.BlockError, match="block 3"):
        lazy_chunks.store(blocks(), path)
    # Some blocks are produced ahead.
    assert len(produced) < 2_000

ROWS = ([2, 2], lambda i: np.full((2, 3), float(i)))


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"threads": -1}, "threads must be at least 1, got -1"),
        ({"threads": 0}, "threads must be at least 1, got 0"),
        ({"parts": -2}, "parts must be at least 1, got -2"),
        ({"memory_limit": -5}, "memory_limit must be at least 1, got -5"),
        ({"chunks": (-1, 3)}, "chunks must have sizes of at least 1, got (-1, 3)"),
        ({"shards": [0, 3]}, "shards must have sizes of at least 1, got [0, 3]"),
        ({"resume": ""}, "resume is empty, but it is the text by which a write is recognized"),
        (
            {"resume": lazy_chunks.Resume("")},
            "resume is empty, but it is the text by which a write is recognized",
        ),
        ({"stats": "mean,"}, "a name of a statistic is empty"),
    ],
)
def test_a_wrong_value_is_told_before_the_first_block(arguments, problem, path):
    with pytest.raises(ValueError) as caught:
        lazy_chunks.store((0 / 0 for _ in range(1)), path, **arguments)
    assert str(caught.value) == problem


def test_a_callback_that_is_no_function_is_told_before_the_first_block(path):
    for evaluate in (
        lambda blocks: lazy_chunks.store(blocks, path, on_block=3),
        lambda blocks: lazy_chunks.reduce(blocks, "sum", on_block=3),
    ):
        with pytest.raises(TypeError, match="on_block must be a function, got 3"):
            evaluate(0 / 0 for _ in range(1))


def test_a_part_that_no_plan_has_is_an_index_error(path):
    plan = lazy_chunks.plan(ROWS, path, resume="rows", row_type=("float64", [3]))
    for number in (-1, 99):
        with pytest.raises(IndexError, match=f"the plan has no part {number}"):
            plan.run(number)


def test_appended_rows_that_differ_are_compared_with_those_of_the_array(path):
    lazy_chunks.store([np.zeros((2, 3))], path, codec="gzip:6", fill_value=1.5, dtype="float64")
    append = lambda block, **settings: lazy_chunks.store([block], path, append=True, **settings)
    cases = [
        (np.zeros((1, 3), "float32"), {}, "must be float64, as in the rows of the array"),
        (np.zeros((1, 4)), {}, r"must be \[3\], as in the rows of the array"),
        (np.zeros((1, 3)), {"codec": "zstd:3"}, "its codec is gzip of level 6, not Zstandard of level 3"),
        (np.zeros((1, 3)), {"checksum": False}, "its checksum is CRC-32C, not none"),
        (
            np.zeros((1, 3)),
            {"fill_value": float("nan"), "dtype": "float64"},
            'its fill value is 1.5 of float64, not "NaN" of float64',
        ),
    ]
    for block, settings, problem in cases:
        with pytest.raises((TypeError, ValueError), match=problem):
            append(block, **settings)
    assert append(np.ones((1, 3))).array.shape == (3, 3)


def test_a_block_of_another_size_is_compared_with_the_declared_one(path):
    with pytest.raises(errors.BlockError, match=r"it must have 3 rows, as declared"):
        lazy_chunks.store(([3], lambda i: np.zeros((4, 2))), path)


def test_an_array_that_is_not_complete_has_a_hint(path):
    def fail(i):
        if i == 1:
            raise OSError("stop")
        return np.full((2, 3), float(i))

    with pytest.raises(OSError, match="stop"):
        lazy_chunks.store(([2, 2], fail), path, resume="rows", chunks="blocks")
    with pytest.raises(errors.UnfinishedError) as caught:
        lazy_chunks.open(path)
    assert "`store` with the same blocks and `resume` continues it" in caught.value.hint
    assert caught.value.target == str(path)


def test_a_statistic_that_fails_at_the_end_keeps_the_array(path):
    class Fails(lazy_chunks.Statistic):
        name = "fails"

        def empty(self):
            return 0

        def update(self, state, block, at):
            return state + 1

        def merge(self, state, other):
            return state + other

        def finish(self, state):
            raise ZeroDivisionError(f"{state} blocks")

    with pytest.raises(ZeroDivisionError, match="2 blocks") as caught:
        lazy_chunks.store(ROWS, path, stats=["sum", Fails()])
    assert caught.value.__notes__ == ["the array is stored; `lazy_chunks.open` opens it"]
    assert (lazy_chunks.open(path).read() == [[0] * 3] * 2 + [[1] * 3] * 2).all()
    with pytest.raises(ZeroDivisionError, match="2 blocks") as caught:
        lazy_chunks.reduce(ROWS, [Fails()])
    assert not hasattr(caught.value, "__notes__")
