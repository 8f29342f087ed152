"""zarr-python 3.4, which reads and writes rectilinear grids. It needs Python 3.12."""

import random
import shutil
import warnings
from dataclasses import dataclass

import numpy as np
import zarr
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, TransposeCodec, ZstdCodec

from compare import read_all
from manifest import Entry, Manifest, numpy_dtype
from unreadable import NOT_BY_ZARR_PYTHON
from zarr_python import zarr_python


def read(directory):
    # Users who open these arrays must not see a warning.
    warnings.simplefilter("error")
    zarr.config.set({"array.rectilinear_chunks": True})
    manifest = Manifest.read(directory)
    failures, lines = read_all(directory, manifest, {"zarr-python": zarr_python}, NOT_BY_ZARR_PYTHON)
    if failures:
        raise SystemExit("\n".join([*failures, f"{len(failures)} failures"]))
    print("\n".join(lines))
    n_rectilinear = sum(entry.sizes is not None for entry in manifest.arrays)
    print(f"{n_rectilinear} of the arrays are rectilinear")


# One to four axes. A number stands for the size of all chunks along an axis.
SIZES = [
    ((5, 1, 64, 30),),
    ((8,) * 40,),
    ((2, 7, 3), (4, 25)),
    ((4,) * 5 + (1,), 10),
    ((3, 1), 4, (2, 5)),
    ((2, 1), (1, 2, 2), 2, (1,)),
]
# With the chunks of these shards.
SHARDS = [
    (((8, 24, 4),), (4,)),
    (((6, 2, 4), (10, 5, 15)), (2, 5)),
    (((4, 4, 8), 6), (2, 3)),
    ((5, (2, 6)), (5, 2)),
]
CODECS = {"none": [], "zstd": [ZstdCodec(level=3)], "gzip": [GzipCodec(level=3)],
          "blosc": [BloscCodec(cname="lz4", clevel=4, shuffle="bitshuffle")]}
DTYPES = ["bool", "int8", "uint16", "int32", "uint64", "float16", "float32", "float64", "complex64",
          "complex128"]


@dataclass(frozen=True)
class Setting:
    """An array to write."""

    number: int
    sizes: tuple  # For each axis the sizes of the chunks, or shards, or one number for all of them.
    chunks: tuple | None  # In shards.
    dtype: str
    codec: str
    has_checksum: bool
    endian: str
    is_transposed: bool
    index_location: str
    resized: float  # The number of rows at the end, as a multiple of the number that is written.

    @property
    def name(self):
        kinds = ["rectilinear", *(["shards"] if self.chunks else []),
                 *(["F"] if self.is_transposed else []), *(["crc32c"] if self.has_checksum else [])]
        return "-".join([f"{self.number:03}", self.dtype, self.codec, *kinds, f"resized{self.resized}"])

    @property
    def shape(self):
        """Returns the shape at first: 2 and a half chunks where all have one size."""
        return tuple(size * 5 // 2 if isinstance(size, int) else sum(size) for size in self.sizes)


def settings():
    """Yields arrays with every dtype and codec. Other settings are random."""
    draw = random.Random(1).choice
    number = 0
    for dtype in DTYPES:
        for codec in CODECS:
            for has_shards in [False, True]:
                sizes, chunks = draw(SHARDS) if has_shards else (draw(SIZES), None)
                number += 1
                yield Setting(
                    number, sizes, chunks, dtype, codec,
                    has_checksum=draw([True, False]),
                    endian=draw(["little", "little", "big"]),
                    # The shape of chunks in transposed shards is another one.
                    is_transposed=len(sizes) > 1 and not has_shards and draw([True, False, False]),
                    index_location=draw(["start", "end"]),
                    # A shard that is added may not be a multiple of the chunks.
                    resized=draw([1, 1, 0.4] if has_shards else [1, 1, 0.4, 1.5]))


def write(directory):
    # zarr-python warns that rectilinear grids are new.
    warnings.simplefilter("ignore")
    zarr.config.set({"array.rectilinear_chunks": True})
    shutil.rmtree(directory, ignore_errors=True)
    (directory / "elements").mkdir(parents=True)
    manifest = Manifest([write_array(directory, setting) for setting in settings()])
    # Without elements, the axis has chunks that it may grow into.
    manifest.arrays.append(write_empty(directory))
    manifest.write(directory)
    n_sharded = sum(entry.shards is not None for entry in manifest.arrays)
    print(f"zarr-python {zarr.__version__}: wrote {len(manifest.arrays)} arrays in rectilinear grids, "
          f"{n_sharded} with shards")


def write_array(directory, setting):
    dtype, shape, path = numpy_dtype(setting.dtype), setting.shape, f"{setting.name}.zarr"
    shards = {"shape": setting.sizes, "index_location": setting.index_location}
    array = zarr.create_array(
        directory / path, shape=shape, dtype=dtype, fill_value=1,
        chunks=setting.chunks or setting.sizes,
        shards=shards if setting.chunks else None,
        serializer="auto" if dtype.itemsize == 1 else BytesCodec(endian=setting.endian),
        compressors=[*CODECS[setting.codec], *([Crc32cCodec()] if setting.has_checksum else [])],
        filters=[TransposeCodec(order=tuple(reversed(range(len(shape)))))] if setting.is_transposed else [])
    elements = random_elements(setting.number, dtype, shape)
    # A row of chunks may be missing.
    elements[:setting.number % 3] = 1
    array[setting.number % 3:] = elements[setting.number % 3:]

    rows, n_rows = setting.sizes[0], int(setting.resized * shape[0])
    n_added = max(n_rows - shape[0], 0)
    array.resize((n_rows, *shape[1:]))
    added = np.ones((n_added, *shape[1:]), dtype)
    elements = np.concatenate([elements, added])[:n_rows]
    sizes = [along if isinstance(along, tuple) else (along,) * 3 for along in setting.sizes]
    if isinstance(rows, int):
        sizes[0] = (rows,) * -(-n_rows // rows)
    elif n_added:
        sizes[0] += (n_added,)
    return entry(directory, path, setting, elements, sizes)


def entry(directory, path, setting, elements, sizes):
    name = f"elements/{setting.number:03}"
    elements.tofile(directory / name)
    first = tuple(along[0] for along in sizes)
    fill = np.ones((), elements.dtype).tobytes().hex()
    chunks, shards = (setting.chunks, first) if setting.chunks else (first, None)
    return Entry(path, None, setting.dtype, elements.shape, chunks, shards, [], fill, None, {}, name,
                 sizes=sizes)


def write_empty(directory):
    zarr.create_array(directory / "empty.zarr", shape=(0, 5), chunks=[[4], [2, 3]], dtype="uint8")
    (directory / "elements/empty").touch()
    return Entry("empty.zarr", None, "uint8", (0, 5), (4, 2), None, [], "00", None, {}, "elements/empty",
                 sizes=((4,), (2, 3)))


def random_elements(seed, dtype, shape):
    """Returns random bits of the dtype."""
    n_values = 2 if dtype.kind == "b" else 256
    bits = np.random.default_rng(seed).integers(0, n_values, dtype.itemsize * int(np.prod(shape)), np.uint8)
    return bits.view(dtype).reshape(shape)
