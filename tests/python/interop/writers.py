"""The peers that write. Each stores an array at a path and returns its fill value's bytes."""

import numcodecs
import numpy as np
import tensorstore
import zarr
from zarr.codecs import (BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec,
                         ZstdCodec)

from manifest import numpy_dtype
from matrix import SHUFFLES


def zarr_python(setting, path):
    settings = {
        "shape": setting.shape,
        "chunks": setting.chunks,
        "zarr_format": setting.zarr_format,
        "fill_value": setting.fill,
        "attributes": setting.attributes,
    }
    dtype = numpy_dtype(setting.dtype)
    if setting.zarr_format == 2:
        array = zarr.create_array(
            path, **settings,
            dtype=dtype.newbyteorder(">") if setting.endian == "big" else dtype,
            compressors=numcodecs_codec(setting.codec),
            filters=[numcodecs.Shuffle(dtype.itemsize)] if setting.codec == "shuffle" else None,
            order=setting.order,
            chunk_key_encoding={"name": "v2", "separator": setting.separator})
    else:
        shards = {"shape": setting.shards, "index_location": setting.index_location}
        array = zarr.create_array(
            path, **settings,
            dtype=dtype,
            serializer="auto" if dtype.itemsize == 1 else BytesCodec(endian=setting.endian),
            compressors=[*zarr_codecs(setting), *([Crc32cCodec()] if setting.has_checksum else [])],
            filters=[TransposeCodec(order=reversed_axes(setting))] if setting.order == "F" else [],
            shards=shards if setting.shards else None,
            chunk_key_encoding={"name": setting.key_encoding, "separator": setting.separator},
            dimension_names=setting.dimension_names)
    fill = np.asarray(0 if array.fill_value is None else array.fill_value, dtype).tobytes()
    array[setting.written] = setting.elements(fill)[setting.written]
    return fill


def numcodecs_codec(codec):
    match codec.split("-"):
        case ["none"] | ["shuffle"]:
            return None
        case ["blosc", compressor, shuffle]:
            shuffle = list(SHUFFLES).index(shuffle)
            return numcodecs.Blosc(compressor, clevel=4, shuffle=shuffle)
        case [name]:
            codecs = {"zstd": numcodecs.Zstd, "gzip": numcodecs.GZip, "zlib": numcodecs.Zlib,
                      "bz2": numcodecs.BZ2}
            return codecs[name]()


def zarr_codecs(setting):
    match setting.codec.split("-"):
        case ["none"]:
            return []
        case ["zstd"]:
            return [ZstdCodec(level=3)]
        case ["gzip"]:
            return [GzipCodec(level=3)]
        case [_, compressor, shuffle]:
            return [BloscCodec(cname=compressor, clevel=4, shuffle=SHUFFLES[shuffle])]


def reversed_axes(setting):
    return tuple(reversed(range(len(setting.shape))))


def tensorstore_(setting, path):
    dtype = numpy_dtype(setting.dtype)
    fill = setting.fill
    json_fill = {} if fill is None and setting.zarr_format == 3 else {"fill_value": json_of(fill)}
    if setting.zarr_format == 2:
        endian = {"little": "<", "big": ">"}[setting.endian]
        driver, metadata = "zarr", {
            "dtype": setting.dtype if setting.dtype == "bfloat16" else dtype.newbyteorder(endian).str,
            "chunks": setting.chunks,
            "compressor": compressor(setting),
            "filters": None,
            "order": setting.order,
            "dimension_separator": setting.separator,
        }
    else:
        codecs = chain(setting, dtype)
        if setting.shards:
            codecs = [{"name": "sharding_indexed", "configuration": {
                "chunk_shape": setting.chunks,
                "codecs": codecs,
                "index_codecs": [bytes_codec("little"), {"name": "crc32c"}],
                "index_location": setting.index_location,
            }}]
        driver, metadata = "zarr3", {
            "data_type": setting.dtype,
            "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": setting.unit}},
            "chunk_key_encoding": {"name": setting.key_encoding,
                                   "configuration": {"separator": setting.separator}},
            "codecs": codecs,
            "attributes": setting.attributes,
        }
        if setting.dimension_names:
            metadata["dimension_names"] = setting.dimension_names
    array = tensorstore.open({
        "driver": driver,
        "kvstore": {"driver": "file", "path": str(path)},
        "metadata": {**metadata, **json_fill, "shape": setting.shape},
    }, create=True).result()
    fill = np.asarray(0 if fill is None else fill, dtype).tobytes()
    array[setting.written].write(setting.elements(fill)[setting.written]).result()
    return fill


def json_of(fill):
    match fill:
        case None:
            return None
        case np.complexfloating():
            return [json_of(fill.real), json_of(fill.imag)]
        case np.bool():
            return bool(fill)
    number = fill.item()
    if number != number:
        return "NaN"
    return {float("inf"): "Infinity", float("-inf"): "-Infinity"}.get(number, number)


def compressor(setting):
    """Returns the compressor's metadata in v2."""
    match setting.codec.split("-"):
        case ["none"]:
            return None
        case ["blosc", name, shuffle]:
            return {"id": "blosc", "cname": name, "clevel": 4, "shuffle": list(SHUFFLES).index(shuffle)}
        case [name]:
            return {"id": name, "level": 3}


def chain(setting, dtype):
    """Returns the codecs' metadata in v3."""
    codecs = [{"name": "bytes"} if dtype.itemsize == 1 else bytes_codec(setting.endian)]
    if setting.order == "F":
        codecs.insert(0, {"name": "transpose", "configuration": {"order": reversed_axes(setting)}})
    match setting.codec.split("-"):
        case ["zstd"]:
            codecs.append({"name": "zstd", "configuration": {"level": 3}})
        case ["gzip"]:
            codecs.append({"name": "gzip", "configuration": {"level": 3}})
        case [_, name, shuffle]:
            codecs.append({"name": "blosc", "configuration": {
                "cname": name, "clevel": 4, "shuffle": SHUFFLES[shuffle], "typesize": dtype.itemsize,
                "blocksize": 0}})
    return [*codecs, *([{"name": "crc32c"}] if setting.has_checksum else [])]


def bytes_codec(endian):
    return {"name": "bytes", "configuration": {"endian": endian}}


WRITERS = {"zarr-python": zarr_python, "tensorstore": tensorstore_}
