"""Arrays that have no counterpart here: of data types and codecs that are in no drawn setting."""

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
    kind: str  # The error's variant here.
    says: str  # A part of its message: what it is that is unknown.


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
        # zarrs knows the data type, and there is no counterpart here.
        Oddity("v3-datetime", v3("datetime64[s]"), "UnsupportedDataType", "numpy.datetime64"),
        Oddity("v3-timedelta", v3("timedelta64[s]"), "UnsupportedDataType", "numpy.timedelta64"),
        Oddity("v3-string", v3(VariableLengthUTF8()), "UnsupportedDataType", "string"),
        Oddity("v3-fixed-string", v3("U5"), "UnsupportedDataType", "fixed_length_utf32"),
        Oddity("v3-int4", tensorstore_v3("int4"), "UnsupportedDataType", "int4"),
        Oddity("v2-string", v2(str), "UnsupportedDataType", "string"),
        Oddity("v2-fixed-string", v2("U5"), "UnsupportedDataType", "fixed_length_utf32"),
        # zarrs does not know it.
        Oddity("v3-bytes", v3("S5"), "Open", "data type null_terminated_bytes is not supported"),
        Oddity("v3-raw", v3("V4"), "Open", "data type raw_bytes is not supported"),
        Oddity("v3-struct", v3(STRUCT), "Open", "data type structured is not supported"),
        Oddity("v3-float8", tensorstore_v3("float8_e4m3fn"), "Open",
               "data type float8_e4m3fn is not supported"),
        Oddity("v3-delta", v3(filters=[zarr_numcodecs.Delta(dtype="float32")]), "Open", "delta"),
        Oddity("v3-quantize", v3(filters=[zarr_numcodecs.Quantize(digits=2, dtype="float32")]), "Open",
               "quantize"),
        Oddity("v3-lz4", v3(compressors=[zarr_numcodecs.LZ4()]), "Open", "lz4"),
        Oddity("v3-zlib", v3(compressors=[zarr_numcodecs.Zlib()]), "Open", "ZlibCodecConfiguration"),
        Oddity("v2-datetime", v2("datetime64[s]"), "Open", "<M8"),
        Oddity("v2-bytes", v2("S5"), "Open", "|S5"),
        Oddity("v2-struct", v2(STRUCT), "Open", "DataTypeMetadataV2"),
        Oddity("v2-delta", v2(filters=[numcodecs.Delta("<f4")]), "Open", "delta"),
        Oddity("v2-lz4", v2(compressors=numcodecs.LZ4()), "Open", "lz4"),
        Oddity("v2-lzma", v2(compressors=numcodecs.LZMA()), "Open", "lzma"),
    ]


def write_oddity(directory, oddity):
    path = f"{oddity.name}.zarr"
    oddity.write(directory / path)
    return Entry(path, None, oddity.name, (6,), (4,), None, [], "", None, {}, "",
                 {"kind": oddity.kind, "message": oddity.says})
