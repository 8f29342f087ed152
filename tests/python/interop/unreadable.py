"""The arrays that one side writes and the other cannot read, with the reasons.

The tests fail if another array cannot be read, or if one of these can.
"""

from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class NotByPeer:
    """An array of this library that a peer cannot read."""

    peer: str
    what: str  # "reading", or the property that differs.
    which: Callable
    says: str  # A part of the error, or of the peer's value.
    reason: str

    def applies(self, peer, entry):
        return peer == self.peer and self.which(entry)


def is_bfloat16(entry):
    return entry.dtype == "bfloat16"


def is_rectilinear(entry):
    return entry.sizes is not None


def is_payload_of_float16(entry):
    return entry.dtype == "float16" and entry.fill == "057e"


# By zarr-python 3.1 and 3.4.
NOT_BY_ZARR_PYTHON = [
    NotByPeer("zarr-python", "reading", is_bfloat16,
              "ValueError: No Zarr data type found that matches 'bfloat16'",
              "it has no bfloat16"),
    NotByPeer("zarr-python", "fill", is_payload_of_float16, "'007e'",
              "it drops the payload of a float16's NaN"),
]

# The first matching row in each list says how an array fails.
NOT_BY_PEERS = [
    NotByPeer("zarr-python", "reading", is_rectilinear,
              "ValueError: Unknown chunk grid. Got rectilinear.",
              "zarr-python reads rectilinear grids from version 3.2 on, which needs Python 3.12"),
    NotByPeer("dask", "reading", is_rectilinear,
              "ValueError: Unknown chunk grid. Got rectilinear.",
              "it reads with zarr-python"),
    NotByPeer("tensorstore", "reading", is_rectilinear,
              'Expected "regular", but received: "rectilinear"',
              "it has no rectilinear grids"),
    *NOT_BY_ZARR_PYTHON,
    NotByPeer("dask", "reading", is_bfloat16,
              "ValueError: No Zarr data type found that matches 'bfloat16'",
              "it reads with zarr-python"),
    NotByPeer("xarray", "reading", lambda entry: entry.group is None,
              "ContainsArrayError",
              "it opens groups only"),
    NotByPeer("xarray", "reading", lambda entry: "bfloat16" in entry.group,
              "ValueError: No Zarr data type found that matches 'bfloat16'",
              "an array that zarr-python cannot read hides the other arrays of the group"),
    NotByPeer("xarray", "fill", is_payload_of_float16, "'007e'",
              "it reads with zarr-python"),
]


@dataclass(frozen=True)
class NotWritten:
    """An array that a peer cannot write."""

    which: Callable
    says: str  # A part of the error.
    reason: str
    verdict = "not written"

    def applies(self, setting):
        return self.which(setting)


@dataclass(frozen=True)
class NotHere:
    """An array of a peer that this library cannot read."""

    which: Callable
    kind: str  # The variant of the error.
    says: str  # A part of its message.
    reason: str
    verdict = "not read here"

    def applies(self, setting):
        return self.which(setting)


NOT_WRITTEN = [
    NotWritten(lambda setting: setting.writer == "zarr-python" and is_bfloat16(setting),
               "ValueError: No Zarr data type found that matches dtype 'dtype(bfloat16)'",
               "zarr-python has no bfloat16"),
]

NOT_HERE = [
    NotHere(lambda setting: setting.zarr_format == 2 and setting.fill_kind == "none"
            and setting.dtype.startswith("complex"),
            "Unsupported", "invalid fill value metadata for data type",
            "zarrs does not accept null as the fill value of complex numbers in v2"),
    NotHere(lambda setting: setting.zarr_format == 2 and is_bfloat16(setting),
            "Unsupported", "data type bfloat16 is not supported",
            "bfloat16 in v2 is an extension of tensorstore"),
]
