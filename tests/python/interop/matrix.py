"""The arrays that the peers write."""

import random
from dataclasses import dataclass

import numpy as np

from manifest import numpy_dtype

DTYPES = ["bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float16",
          "bfloat16", "float32", "float64", "complex64", "complex128"]

# Shapes and chunk shapes: zero to four axes, and chunks that fill the array, exceed it, or cross
# its edge.
SHAPES = [
    ((), ()),
    ((300,), (64,)),
    ((37, 29), (8, 10)),
    ((32, 24), (8, 6)),
    ((9, 8, 7), (4, 3, 7)),
    ((3, 5, 2, 1), (4, 5, 1, 2)),
    ((0, 5), (4, 3)),
]

BLOSC = ["blosc-lz4-none", "blosc-lz4-byte", "blosc-lz4-bit", "blosc-zstd-none", "blosc-zstd-byte",
         "blosc-zstd-bit", "blosc-zlib-byte", "blosc-blosclz-byte", "blosc-lz4hc-bit"]
CODECS = {
    ("zarr-python", 2): ["none", "zstd", "gzip", "zlib", "bz2", "shuffle", *BLOSC],
    ("zarr-python", 3): ["none", "zstd", "gzip", *BLOSC],
    ("tensorstore", 2): ["none", "zstd", "zlib", "bz2", *BLOSC, "blosc-snappy-none"],
    ("tensorstore", 3): ["none", "zstd", "gzip", *BLOSC, "blosc-snappy-none"],
}
SHUFFLES = {"none": "noshuffle", "byte": "shuffle", "bit": "bitshuffle"}

FILLS = ["none", "zero", "one", "least", "nan"]


@dataclass(frozen=True)
class Setting:
    """An array to write."""

    number: int
    writer: str
    zarr_format: int
    dtype: str
    codec: str
    shape: tuple
    chunks: tuple
    shards: tuple | None  # Only in v3.
    index_location: str
    has_checksum: bool  # Only in v3.
    endian: str
    order: str  # F reverses the axes, in v3 by a codec.
    key_encoding: str  # Always `v2` in v2.
    separator: str
    fill_kind: str
    is_partial: bool  # Chunks are missing.
    has_attributes: bool
    has_names: bool  # Only in v3.
    is_in_group: bool

    @property
    def name(self):
        return "-".join([f"{self.number:03}", self.writer, f"v{self.zarr_format}", self.dtype, self.codec,
                         *(["crc32c"] if self.has_checksum else []),
                         *([f"shards@{self.index_location}"] if self.shards else []),
                         self.endian, self.order, self.fill_kind])

    @property
    def fill(self):
        """Returns the fill value, or None for the writer's default."""
        dtype = numpy_dtype(self.dtype)
        match self.fill_kind:
            case "none":
                return None
            case "zero":
                return dtype.type(0)
            case "one":
                return dtype.type(1)
            case "least" if dtype.kind in "iu":
                return dtype.type(np.iinfo(dtype).min)
            case "least":
                return dtype.type(0) if dtype.kind == "b" else dtype.type(-np.inf)
            case "nan":
                return dtype.type(1) if dtype.kind in "iub" else dtype.type(np.nan)

    @property
    def attributes(self):
        # A provenance that was copied along with an array's other attributes.
        provenance = {"program": "lazy-zarr", "version": "0.1.0", "metadata_crc32c": "0badcafe"}
        attributes = {"größe": [1, 2.5, None, {"nested": True}], "provenance": provenance}
        return attributes if self.has_attributes else {}

    @property
    def dimension_names(self):
        return ("x", None, "größe", "")[:len(self.shape)] if self.has_names and self.shape else None

    @property
    def unit(self):
        return self.shards or self.chunks

    def elements(self, fill):
        """Returns random bits of the dtype, and the fill value in missing chunks."""
        dtype = numpy_dtype(self.dtype)
        rng = np.random.default_rng(self.number)
        n_bytes = dtype.itemsize * int(np.prod(self.shape))
        if dtype.kind == "b":
            elements = rng.integers(0, 2, n_bytes, np.uint8)
        else:
            elements = rng.integers(0, 256, n_bytes, np.uint8)
        elements = elements.view(dtype).reshape(self.shape)
        if self.is_partial:
            elements[self.missing] = np.frombuffer(fill, dtype)[0]
        return elements

    @property
    def missing(self):
        """Returns the first row of chunks."""
        return (slice(0, self.n_missing), ...) if self.shape else ...

    @property
    def written(self):
        """Returns the part that is written."""
        return (slice(self.n_missing, None), ...) if self.is_partial and self.shape else ...

    @property
    def n_missing(self):
        return min(self.unit[0], self.shape[0])


def settings():
    """Yields each writer's formats with each dtype and codec. Other settings are random."""
    draw = random.Random(1).choice
    number = 0
    for (writer, zarr_format), codecs in CODECS.items():
        is_v3 = zarr_format == 3
        for dtype in DTYPES:
            for codec in codecs:
                shape, chunks = draw(SHAPES)
                shards = tuple(2 * size for size in chunks)
                number += 1
                yield Setting(
                    number, writer, zarr_format, dtype, codec, shape, chunks,
                    shards=draw([None, shards]) if is_v3 and shape else None,
                    index_location=draw(["start", "end"]),
                    has_checksum=is_v3 and draw([True, False]),
                    endian=draw(["little", "little", "big"]),
                    order=draw("CCCF") if len(shape) > 1 else "C",
                    key_encoding=draw(["default", "v2"]) if is_v3 else "v2",
                    separator=draw("./"),
                    fill_kind=draw(FILLS),
                    is_partial=draw([True, False]),
                    has_attributes=draw([True, False]) and (is_v3 or writer == "zarr-python"),
                    has_names=is_v3 and draw([True, False]),
                    is_in_group=writer == "zarr-python" and draw([True, False, False]))
