"""Places of arrays: paths, URLs, and stores of other packages that have either."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Union

__all__ = ["Target", "TargetLike", "absolute", "import_zarr", "resolve"]


@dataclass(frozen=True, repr=False)
class Target:
    """The place of an array, with options of its store.

    Parameters
    ----------
    place : str or path-like
        A path, or a URL with one of the schemes ``file``, ``memory``, ``s3``, ``gs``, ``az``,
        ``abfs`` and ``https``. A string without a scheme is a path, in which ``~`` is the home
        directory.
    options : mapping, optional
        Options of the object store, such as ``{"aws_region": "eu-west-1"}``, or ``{"endpoint":
        "http://localhost:9000", "allow_http": True}`` for a server of your own. What they leave out
        comes from the environment. They are part of the pickles of a plan.
    members : tuple of str, optional
        The names of groups and of the array below the place. See :meth:`member`.

    Examples
    --------
    >>> from lazy_chunks import Target
    >>> target = Target("s3://bucket/values.zarr", {"skip_signature": "true"})
    """

    place: str | os.PathLike[str]
    options: Mapping[str, Any] = field(default_factory=dict)
    members: tuple[str, ...] = ()

    def member(self, name: str) -> Target:
        """Return the array or group with a name in the group at this target.

        A write creates the group. Xarray opens a group whose arrays have ``dims``.

        >>> from lazy_chunks import Target
        >>> Target("run.zarr").member("values")
        Target('run.zarr', members=('values',))
        """
        return Target(self.place, self.options, (*self.members, name))

    def __repr__(self) -> str:
        # Options may be secrets.
        options = ", options=…" if self.options else ""
        members = f", members={self.members!r}" if self.members else ""
        return f"Target({os.fspath(self.place)!r}{options}{members})"


TargetLike = Union[str, "os.PathLike[str]", Target, Any]


def absolute(target: Any) -> Any:
    """Return a target that means the same in another directory, and in another process."""
    if isinstance(target, Target):
        place = absolute(target.place)
        is_same = place is target.place
        return target if is_same else Target(place, target.options, target.members)
    is_path = isinstance(target, (str, PurePath)) and "://" not in str(target)
    if not is_path or os.path.isabs(target):
        return target
    return type(target)(os.path.abspath(_expanded(target)))


def _expanded(path: Any) -> Any:
    """Return a path in which ``~`` is the home directory, as in a shell."""
    if isinstance(path, (str, PurePath)) and str(path).startswith("~"):
        return type(path)(os.path.expanduser(path))
    return path


def import_zarr() -> Any:
    """Return zarr-python. An older version cannot open what this library writes."""
    try:
        import zarr
    except ImportError as error:
        raise ImportError('zarr-python is not installed; `pip install "zarr>=3.1"`') from error
    version = zarr.__version__
    if not hasattr(zarr.storage, "StorePath"):
        raise ImportError(
            f"zarr-python 3.1 or newer is needed, got {version}; it needs Python 3.11 or newer"
        )
    return zarr


# The schemes of fsspec that have other names here.
_SCHEMES = {"gcs": "gs", "s3n": "s3", "local": "file"}


def resolve(
    target: Any,
) -> tuple[str | os.PathLike[str], dict[str, str] | None, tuple[str, ...]]:
    """Return the path or URL of a target, the options of its store, and the members below."""
    if isinstance(target, Target):
        place, _, members = resolve(target.place)
        options = {str(key): _text(value) for key, value in target.options.items()}
        return place, options or None, (*members, *target.members)
    return (*_resolve(target), ())


def _resolve(target: Any) -> tuple[str | os.PathLike[str], dict[str, str] | None]:
    if isinstance(target, str):
        scheme, separator, rest = target.partition("://")
        if not separator:
            return _expanded(target), None
        return _SCHEMES.get(scheme, scheme) + separator + rest, None
    if isinstance(target, os.PathLike):
        return _expanded(target), None
    module, name = type(target).__module__, type(target).__qualname__
    if module.startswith("obstore"):
        return _of_obstore(target, name)
    if module.startswith("zarr.") and name == "LocalStore":
        return os.fspath(target.root), None
    if module.startswith("zarr.") and name == "ObjectStore":
        return _resolve(target.store)
    if module.startswith("zarr.") and name == "FsspecStore":
        return _resolve(_of_fsspec(target.fs, target.path))
    if module.startswith("fsspec") and name == "FSMap":
        return _resolve(_of_fsspec(target.fs, target.root))
    if module.startswith(("upath", "universal_pathlib")):
        return _resolve(str(target))
    raise TypeError(f"a target is a path, a URL or a lazy_chunks.Target, got {module}.{name}")


def _of_fsspec(file_system: Any, path: str) -> str:
    protocol = file_system.protocol
    protocol = protocol if isinstance(protocol, str) else protocol[0]
    return f"{protocol}://{path}"


def _of_obstore(store: Any, name: str) -> tuple[str, dict[str, str] | None]:
    config = {key: _text(value) for key, value in (getattr(store, "config", None) or {}).items()}
    config |= {
        key: _text(value) for key, value in (getattr(store, "client_options", None) or {}).items()
    }
    prefix = getattr(store, "prefix", None) or ""
    if name == "LocalStore":
        return os.fspath(prefix), None
    schemes = {
        "S3Store": ("s3", ("aws_bucket", "bucket", "aws_bucket_name")),
        "GCSStore": ("gs", ("google_bucket", "bucket", "google_bucket_name")),
        "AzureStore": ("az", ("azure_container_name", "container", "container_name")),
    }
    if name not in schemes:
        raise TypeError(f"a store obstore.{name} has no URL; pass a path or a URL")
    scheme, keys = schemes[name]
    containers = [config.pop(key) for key in keys if key in config]
    if not containers:
        raise ValueError(f"the store {store!r} names no bucket")
    return f"{scheme}://{containers[0]}/{prefix}".rstrip("/"), config


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
