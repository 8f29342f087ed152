"""Arrays with data types and codecs that this library does not support."""

from dataclasses import dataclass
from typing import Callable

import numcodecs
import tensorstore
import zarr
from zarr.codecs import numcodecs as zarr_numcodecs
from zarr.dtype import VariableLengthUTF8

from manifest import Entry


@dataclass(frozen=True)
class Oddity:
    name: str
    write: Callable
    kind: str  # The variant of this library's error.
    says: str  # A part of its message, which names the unknown type or codec.


def v3(dtype="float32", **settings):
    return lambda path: zarr.create_array(path, shape=6, chunks=4, dtype=dtype, **settings)


def v2(dtype="float32", **settings):
    return v3(dtype, zarr_format=2, **settings)


def tensorstore_v3(dtype):
    return lambda path: tensorstore.open({
        "driver": "zarr3",
        "kvstore": {"driver": "file", "path": str(path)},
        "metadata": {"data_type": dtype, "shape": [6]},
    }, create=True).result()


STRUCT = [("real", "<f4"), ("imag", "<f4")]

def oddities():
    return [
        # zarrs knows the data type, but this library does not.
        Oddity("v3-datetime", v3("datetime64[s]"), "Unsupported",
               "its data type numpy.datetime64 is not supported"),
        Oddity("v3-timedelta", v3("timedelta64[s]"), "Unsupported",
               "its data type numpy.timedelta64 is not supported"),
        Oddity("v3-string", v3(VariableLengthUTF8()), "Unsupported",
               "its data type string is not supported"),
        Oddity("v3-fixed-string", v3("U5"), "Unsupported",
               "its data type fixed_length_utf32 is not supported"),
        Oddity("v3-int4", tensorstore_v3("int4"), "Unsupported",
               "its data type int4 is not supported"),
        Oddity("v2-string", v2(str), "Unsupported",
               "its data type string is not supported"),
        Oddity("v2-fixed-string", v2("U5"), "Unsupported",
               "its data type fixed_length_utf32 is not supported"),
        # zarrs does not know the data type or codec.
        Oddity("v3-bytes", v3("S5"), "Unsupported", "data type null_terminated_bytes is not supported"),
        Oddity("v3-raw", v3("V4"), "Unsupported", "data type raw_bytes is not supported"),
        Oddity("v3-struct", v3(STRUCT), "Unsupported", "data type structured is not supported"),
        Oddity("v3-float8", tensorstore_v3("float8_e4m3fn"), "Unsupported",
               "data type float8_e4m3fn is not supported"),
        Oddity("v3-delta", v3(filters=[zarr_numcodecs.Delta(dtype="float32")]), "Unsupported", "delta"),
        Oddity("v3-quantize", v3(filters=[zarr_numcodecs.Quantize(digits=2, dtype="float32")]), "Unsupported",
               "quantize"),
        Oddity("v3-lz4", v3(compressors=[zarr_numcodecs.LZ4()]), "Unsupported", "lz4"),
        Oddity("v3-zlib", v3(compressors=[zarr_numcodecs.Zlib()]), "Unsupported", "its entry `codecs` is not supported"),
        Oddity("v2-datetime", v2("datetime64[s]"), "Unsupported", "<M8"),
        Oddity("v2-bytes", v2("S5"), "Unsupported", "|S5"),
        Oddity("v2-struct", v2(STRUCT), "Unsupported", "DataTypeMetadataV2"),
        Oddity("v2-delta", v2(filters=[numcodecs.Delta("<f4")]), "Unsupported", "delta"),
        Oddity("v2-lz4", v2(compressors=numcodecs.LZ4()), "Unsupported", "lz4"),
        Oddity("v2-lzma", v2(compressors=numcodecs.LZMA()), "Unsupported", "lzma"),
    ]


def write_oddity(directory, oddity):
    path = f"{oddity.name}.zarr"
    oddity.write(directory / path)
    return Entry(path, None, oddity.name, (6,), (4,), None, [], "", None, {}, "",
                 {"kind": oddity.kind, "message": oddity.says})
