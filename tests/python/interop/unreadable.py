"""All that one side writes and the other cannot read, and why.

The tests fail when something else cannot be read, and when something in here can.
"""

from dataclasses import dataclass
from typing import Callable


@dataclass(frozen=True)
class NotByPeer:
    """What a peer cannot read of what was written here."""

    peer: str
    what: str  # "reading", or what it says otherwise.
    which: Callable
    says: str  # A part of the error, or of what it says instead.
    reason: str

    def applies(self, peer, entry):
        return peer == self.peer and self.which(entry)


def is_bfloat16(entry):
    return entry.dtype == "bfloat16"


NOT_BY_PEERS = [
    NotByPeer("zarr-python", "reading", is_bfloat16,
              "ValueError: No Zarr data type found that matches 'bfloat16'",
              "it has no bfloat16"),
    NotByPeer("zarr-python", "fill",
              lambda entry: entry.dtype == "float16" and entry.fill == "057e",
              "'007e'",
              "it reads the hexadecimal form of a float16's NaN, and drops its payload"),
    NotByPeer("dask", "reading", is_bfloat16,
              "ValueError: No Zarr data type found that matches 'bfloat16'",
              "it reads with zarr-python"),
    NotByPeer("xarray", "reading", lambda entry: entry.group is None,
              "ContainsArrayError",
              "it opens groups only"),
    NotByPeer("xarray", "reading", lambda entry: "bfloat16" in entry.group,
              "ValueError: No Zarr data type found that matches 'bfloat16'",
              "an array that zarr-python cannot read hides the group's others from it"),
    NotByPeer("xarray", "reading", lambda entry: entry.dimension_names is None,
              "dimension_names",
              "it wants names for the dimensions of all arrays of a group"),
]
