"""The description of written arrays, for the reader. The Rust program has the same."""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import ml_dtypes
import numpy as np


def numpy_dtype(name):
    """Returns NumPy's dtype with this name, little-endian."""
    return np.dtype(ml_dtypes.bfloat16 if name == "bfloat16" else name).newbyteorder("<")


@dataclass
class Entry:
    """An array and its expected contents. All paths are relative to the manifest."""

    path: str
    group: str | None
    dtype: str
    shape: tuple
    chunks: tuple
    shards: tuple | None
    codecs: list  # The names of the bytes-to-bytes codecs.
    fill: str  # The little-endian bytes in hexadecimal.
    dimension_names: tuple | None
    attributes: dict
    elements: str  # The file of the little-endian bytes in C order.
    error: dict | None = None  # The reader's error: `kind` and a part of its `message`.
    # The sizes of the chunks, or shards, along each axis of a rectilinear grid. The last ones may lie
    # beyond the array.
    sizes: tuple | None = None

    @property
    def name(self):
        return Path(self.path).name

    @property
    def is_empty(self):
        return 0 in self.shape

    @property
    def sizes_within(self):
        """Returns the sizes of the chunks of a rectilinear grid, as far as they lie in the array."""
        def along(sizes, rest):
            for size in sizes:
                if part := min(size, rest):
                    yield part
                rest -= part
        return self.sizes and tuple(tuple(along(*axis)) for axis in zip(self.sizes, self.shape))

    def read_elements(self, directory):
        elements = np.fromfile(directory / self.elements, numpy_dtype(self.dtype))
        return elements.reshape(self.shape)


@dataclass
class Group:
    path: str
    # True if its metadata is consolidated before the other side reads it.
    is_consolidated: bool


@dataclass
class Manifest:
    arrays: list = field(default_factory=list)
    groups: list = field(default_factory=list)

    @staticmethod
    def read(directory):
        json_ = json.loads((directory / "manifest.json").read_text(encoding="utf-8"))
        manifest = Manifest([Entry(**entry) for entry in json_["arrays"]],
                            [Group(**group) for group in json_["groups"]])
        for entry in manifest.arrays:
            for name in ["shape", "chunks", "shards", "dimension_names"]:
                sizes = getattr(entry, name)
                setattr(entry, name, None if sizes is None else tuple(sizes))
        return manifest

    def write(self, directory):
        (directory / "manifest.json").write_text(json.dumps(asdict(self)), encoding="utf-8")
