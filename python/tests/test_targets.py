"""Targets: paths, URLs, and stores of other packages that have either."""

from __future__ import annotations

import os
import pickle
import uuid
from pathlib import Path, PurePosixPath

import lazy_chunks
import numpy as np
import pytest
import zarr
from lazy_chunks import Target, errors
from lazy_chunks._targets import resolve

from laws import same

VALUES = np.arange(6.0).reshape(2, 3)


class PathLike:
    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return str(self.path)


FORMS = {
    "str": str,
    "Path": Path,
    "path-like": PathLike,
    "URL": lambda path: f"file://{path}",
    "URL of fsspec": lambda path: f"local://{path}",
    "Target": Target,
    "Target of a str": lambda path: Target(str(path)),
    "Target of a Target": lambda path: Target(Target(path)),
    "LocalStore": zarr.storage.LocalStore,
}


@pytest.mark.parametrize("form", FORMS)
def test_every_form_of_a_path_is_a_target(form, path):
    target = FORMS[form](path)
    array, _ = lazy_chunks.store([VALUES], target)
    assert same(array.read(), VALUES) and same(lazy_chunks.open(target).read(), VALUES)
    assert same(zarr.open_array(path, mode="r")[...], VALUES)
    assert same(array.zarr()[...], VALUES)
    assert array.target is target and str(path) in array._repr_html_()
    array.zarr(mode="r+")[0, 0] = 7
    assert zarr.open_array(path, mode="r")[0, 0] == 7


def test_parents_are_made(tmp_path):
    path = tmp_path / "a" / "b" / "values.zarr"
    assert same(lazy_chunks.store([VALUES], path).array.read(), VALUES)


@pytest.mark.parametrize("name", ["with space", "ü→é", "a%20b", "a#b?c", "-x", "a:b", "'\""])
def test_any_name_of_a_file_is_a_path(name, tmp_path):
    for path in (tmp_path / name, str(tmp_path / f"{name}.str")):
        array, _ = lazy_chunks.store([VALUES], path)
        assert os.path.isdir(path) and same(lazy_chunks.open(path).read(), VALUES)
        assert same(array.zarr()[...], VALUES)


def test_a_path_of_bytes_that_are_no_text(tmp_path):
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe.zarr"))
    lazy_chunks.store([VALUES], path)
    assert path.is_dir() and same(lazy_chunks.open(path).read(), VALUES)


def test_memory_is_a_target():
    url = f"memory://{uuid.uuid4()}/values.zarr"
    with pytest.raises(FileNotFoundError):
        lazy_chunks.open(url)
    array, _ = lazy_chunks.store([VALUES], url, chunks=[1, 3])
    assert same(lazy_chunks.open(url).read(), VALUES) and array.verify()
    with pytest.raises(FileExistsError):
        lazy_chunks.store([VALUES], url)
    lazy_chunks.store([2 * VALUES], url, overwrite=True)
    assert same(lazy_chunks.open(url)[1].read(), 2 * VALUES[1])
    lazy_chunks.store([VALUES], url, append=True)
    assert lazy_chunks.open(url).shape == (4, 3)


def test_the_array_of_zarr_python_in_memory_is_this_one_or_an_error_that_says_so():
    url = f"memory://{uuid.uuid4()}/values.zarr"
    array, _ = lazy_chunks.store([VALUES], url)
    try:
        found = array.zarr()
    except errors.LazyChunksError as error:
        assert "memory" in str(error)
    else:
        assert same(found[...], VALUES)


@pytest.mark.parametrize("target", [None, 3, b"values.zarr", [], object(), {}], ids=str)
def test_what_is_no_place_is_a_type_error(target):
    with pytest.raises(TypeError, match="path"):
        lazy_chunks.store([VALUES], target)
    with pytest.raises(TypeError, match="path"):
        lazy_chunks.open(target)


@pytest.mark.parametrize("target", ["", "foo://bucket/x", "s3://"])
def test_an_invalid_place_is_a_value_error(target):
    with pytest.raises(ValueError) as caught:
        lazy_chunks.store([VALUES], target)
    assert isinstance(caught.value, errors.InvalidArgumentError)


def test_an_unknown_option_is_refused():
    with pytest.raises(ValueError, match="nonsense"):
        lazy_chunks.open(Target("s3://bucket/x", {"nonsense": "1"}, ()))


def test_a_target_is_a_value_that_can_be_pickled():
    import pickle

    target = Target("s3://bucket/x", {"skip_signature": "true"}, ())
    assert (
        pickle.loads(pickle.dumps(target))
        == target
        == Target("s3://bucket/x", {"skip_signature": "true"}, ())
    )
    assert target != Target("s3://bucket/x")


def test_options_are_not_shown():
    target = Target("s3://bucket/x", {"secret_access_key": "hidden"})
    assert "hidden" not in repr(target) and "s3://bucket/x" in repr(target)


def test_a_member_is_an_array_in_a_group(tmp_path):
    group = Target(tmp_path / "run.zarr")
    for k, name in enumerate(("a", "b")):
        array, _ = lazy_chunks.store([k * VALUES], group.member(name))
        assert same(array.zarr()[...], k * VALUES)
        assert array._repr_html_().count(f"run.zarr/{name}") == 1
    opened = zarr.open_group(tmp_path / "run.zarr", mode="r")
    assert sorted(opened.array_keys()) == ["a", "b"]
    assert same(opened["b"][...], VALUES)
    assert same(lazy_chunks.open(tmp_path / "run.zarr" / "b").read(), VALUES)
    deep = group.member("c").member("d")
    assert deep == Target(tmp_path / "run.zarr", members=("c", "d"))
    lazy_chunks.store([VALUES], deep)
    assert same(zarr.open_group(tmp_path / "run.zarr", mode="r")["c/d"][...], VALUES)
    with pytest.raises(errors.NotAnArrayError):
        lazy_chunks.open(group)
    url = f"memory://{uuid.uuid4()}/run.zarr"
    lazy_chunks.store([VALUES], Target(url).member("a"))
    assert same(lazy_chunks.open(f"{url}/a").read(), VALUES)


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/a", "zarr.json"])
def test_a_member_has_the_name_of_a_node(name, tmp_path):
    with pytest.raises((ValueError, errors.LazyChunksError)):
        lazy_chunks.store([VALUES], Target(tmp_path / "run.zarr").member(name))
    assert list(tmp_path.iterdir()) == []


def fake(module, name, **attributes):
    """An object of a class of another package."""
    made = type(name, (), {"__module__": module})()
    for key, value in attributes.items():
        setattr(made, key, value)
    return made


class FileSystem:
    def __init__(self, protocol):
        self.protocol = protocol


RESOLVED = [
    ("values.zarr", ("values.zarr", None, ())),
    ("gcs://bucket/x", ("gs://bucket/x", None, ())),
    ("s3n://bucket/x", ("s3://bucket/x", None, ())),
    ("az://container/x", ("az://container/x", None, ())),
    (PurePosixPath("a/b"), (PurePosixPath("a/b"), None, ())),
    (
        Target("gcs://bucket/x", {"timeout": 3, "allow_http": True}),
        ("gs://bucket/x", {"timeout": "3", "allow_http": "true"}, ()),
    ),
    (
        fake(
            "obstore.store",
            "S3Store",
            prefix="a/b",
            config={"bucket": "data", "region": "eu"},
            client_options={"allow_http": True},
        ),
        ("s3://data/a/b", {"region": "eu", "allow_http": "true"}, ()),
    ),
    (
        fake("obstore.store", "S3Store", prefix=None, config={"aws_bucket": "data"}),
        ("s3://data", {}, ()),
    ),
    (
        fake("obstore.store", "GCSStore", prefix="a", config={"google_bucket": "data"}),
        ("gs://data/a", {}, ()),
    ),
    (
        fake("obstore.store", "AzureStore", prefix="a", config={"container_name": "data"}),
        ("az://data/a", {}, ()),
    ),
    (fake("obstore.store", "LocalStore", prefix=Path("/a/b")), ("/a/b", None, ())),
    (
        fake(
            "zarr.storage._obstore",
            "ObjectStore",
            store=fake("obstore.store", "GCSStore", prefix="a", config={"bucket": "data"}),
        ),
        ("gs://data/a", {}, ()),
    ),
    (
        fake("zarr.storage._fsspec", "FsspecStore", fs=FileSystem(("s3", "s3a")), path="data/a"),
        ("s3://data/a", None, ()),
    ),
    (
        fake("zarr.storage._fsspec", "FsspecStore", fs=FileSystem("gcs"), path="data/a"),
        ("gs://data/a", None, ()),
    ),
    (
        fake("fsspec.mapping", "FSMap", fs=FileSystem(("file", "local")), root="/a/b"),
        ("file:///a/b", None, ()),
    ),
]


@pytest.mark.parametrize(("target", "expected"), RESOLVED, ids=lambda each: str(each)[:40])
def test_a_place_of_another_package_has_a_url(target, expected):
    assert resolve(target) == expected


@pytest.mark.parametrize(
    ("target", "error"),
    [
        (fake("obstore.store", "MemoryStore"), TypeError),
        (fake("obstore.store", "HTTPStore"), TypeError),
        (fake("obstore.store", "S3Store", prefix="a", config={}), ValueError),
        (fake("zarr.storage._memory", "MemoryStore"), TypeError),
        (fake("fsspec.spec", "AbstractFileSystem"), TypeError),
    ],
    ids=str,
)
def test_a_store_without_a_url_is_refused(target, error):
    with pytest.raises(error):
        resolve(target)


def test_directories_of_obstore_and_fsspec_are_targets(path):
    obstore = pytest.importorskip("obstore")
    fsspec = pytest.importorskip("fsspec")
    path.mkdir()
    lazy_chunks.store([VALUES], obstore.store.LocalStore(prefix=path))
    assert same(lazy_chunks.open(fsspec.get_mapper(str(path))).read(), VALUES)
    assert same(lazy_chunks.open(path).read(), VALUES)


def test_a_store_of_obstore_has_a_url():
    obstore = pytest.importorskip("obstore")
    store = obstore.store.S3Store("data", prefix="a/b", region="eu-west-1", skip_signature=True)
    place, options, _ = resolve(store)
    assert place == "s3://data/a/b"
    assert sorted(options.values()) == ["eu-west-1", "true"]
    # The library knows the names of these options.
    with pytest.raises(errors.LazyChunksError) as caught:
        lazy_chunks.store([np.zeros(1)], Target(place, {**options, "nonsense": "1"}))
    assert "nonsense" in str(caught.value)


@pytest.mark.parametrize("target", ["a.zarr", Path("a.zarr"), Target("a.zarr"), Target("g").member("a")])
def test_a_relative_target_means_the_same_elsewhere(target, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = ([2, 2], np.full((2, 3), 1.0).__mul__)
    arguments = {"resume": "key", "row_type": ("f8", [3]), "parts": 2, "chunks": [2, 3]}
    plan = lazy_chunks.plan(blocks, target, **arguments)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    plan = pickle.loads(pickle.dumps(plan))
    for part in plan.parts():
        plan.run(part)
    array = plan.finish().array
    assert list(elsewhere.iterdir()) == []
    monkeypatch.chdir(tmp_path)
    opened = lazy_chunks.open(target)
    monkeypatch.chdir(elsewhere)
    for again in [array, pickle.loads(pickle.dumps(opened))]:
        assert same(again.read(), np.repeat([0.0, 1.0], 2)[:, None] * np.ones(3))


def test_a_path_may_begin_with_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for target in ("~/data/a.zarr", Path("~/data/b.zarr"), lazy_chunks.Target("~/data/c.zarr")):
        array, _ = lazy_chunks.store([np.zeros(2)], target)
        place = array.target.place if isinstance(target, lazy_chunks.Target) else array.target
        assert Path(place).parent == tmp_path / "data"
        assert lazy_chunks.open(target).shape == (2,)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["data"]
