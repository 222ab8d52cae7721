"""Read and write safetensors files with tensors and one text.

A file is the length of its header (8 bytes, little-endian), the header (JSON: for each tensor its dtype, shape and
place in the data; under "__metadata__" strings), and the data. The metadata are the text and a SHA-256 of the text, the
tensors' rows of the header and the data. https://github.com/huggingface/safetensors
"""
from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import struct
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np

from .. import _checks
from .._types import Floats, Shape
from . import whole

MOST_HEADER = 16 * 2**20  # bytes; far above what a network needs
DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


# ---- writing


def write(path: str | os.PathLike[str], text: str, tensors: Mapping[str, Floats]) -> None:
    """Write a file completely or not at all; see `whole.write` for existing files.

    ValueError if the header would be larger than `read` accepts; OSError if the file cannot be written.
    """
    path = _checks.path("path", path)
    if not isinstance(text, str):
        raise TypeError(f"text must be a string, got {_checks.described(text)}")
    try:
        text.encode()
    except UnicodeError as error:
        raise ValueError(f"text must have no halves of characters: {error}") from error
    if not isinstance(tensors, Mapping) or not all(
            isinstance(name, str) and isinstance(a, np.ndarray) and a.dtype in (np.float32, np.float64)
            for name, a in tensors.items()):
        raise TypeError(f"tensors must be arrays of float32 or float64 by name, got {_checks.described(tensors)}")
    head, arrays = header(text, tensors)
    whole.write(path, [struct.pack("<Q", len(head)), head, *arrays])


def header(text: str, tensors: Mapping[str, Floats]) -> tuple[bytes, list[Floats]]:
    """(the header, the tensors in the order of the data). ValueError if it would be larger than `read` accepts."""
    names = {dtype: name for name, dtype in DTYPES.items()}
    arrays = {name: np.ascontiguousarray(a, a.dtype.newbyteorder("<")) for name, a in tensors.items()}
    rows: dict[str, Any] = {}
    place = 0
    for name, a in arrays.items():
        rows[name] = {"dtype": names[a.dtype], "shape": list(a.shape), "data_offsets": [place, place + a.nbytes]}
        place += a.nbytes
    metadata = {"fastmlp": text, "sha256": digest(text, rows, *arrays.values())}
    head = json.dumps({"__metadata__": metadata, **rows}).encode()
    head += b" " * (-len(head) % 8)
    if len(head) > MOST_HEADER:
        raise ValueError(f"specs must take at most {MOST_HEADER} bytes in a file, got {len(head)}: arrays of ties are "
                         "too large")
    return head, list(arrays.values())


# ---- reading


class Container:
    """An open file whose header has been read and checked.

    text: its text. tensors: name -> (dtype, shape) of each tensor that it has.
    """

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        first = file.read(8)
        _require(len(first) == 8, f"it has {size} bytes")
        length = struct.unpack("<Q", first)[0]
        _require(length <= min(MOST_HEADER, size - 8), f"its header should have {length} bytes, more than there are")
        try:
            header = json.loads(file.read(length).decode())
        except (ValueError, RecursionError):
            raise _Damaged("its header is not JSON") from None
        has_metadata = isinstance(header, dict) and isinstance(header.get("__metadata__"), dict)
        _require(has_metadata, "its header has no metadata")
        self._metadata, self._rows, self._bytes = header.pop("__metadata__"), header, size - 8 - length
        self.text: str = self._metadata.get("fastmlp")
        _require(isinstance(self.text, str), "it was not written by fastmlp")
        for name, row in header.items():
            _check_row(name, row, self._bytes)
        ends = sorted(row["data_offsets"] for row in header.values())
        tiled = all(a[1] == b[0] for a, b in zip([[0, 0], *ends], [*ends, [self._bytes] * 2]))
        _require(tiled, "its tensors do not lie one after the other")
        self.tensors: dict[str, tuple[np.dtype[Any], Shape]] = {
            name: (DTYPES[row["dtype"]].newbyteorder("="), tuple(row["shape"])) for name, row in header.items()}

    def read_tensors(self) -> dict[str, Floats]:
        """The tensors by name, after verifying the checksum."""
        data = np.empty(self._bytes, np.uint8)
        for block in whole.blocks([data]):
            _require(self._file.readinto(block) == len(block), "it ends too soon")  # type: ignore[attr-defined]
        _require(self._metadata.get("sha256") == digest(self.text, self._rows, data), "its checksum is wrong")
        return {name: _tensor(row, data.data) for name, row in self._rows.items()}


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[Container]:
    """A context with the Container of a file. ValueError says what is wrong with it; OSError if it cannot be read."""
    path = _checks.path("path", path)
    try:
        with whole.reading(path) as (file, size):
            yield Container(file, size)
    except (_Damaged, UnicodeError, RecursionError) as error:
        raise ValueError(f"{path!r} is not a whole fastmlp file: {error}") from None
    except MemoryError as error:
        raise ValueError(f"{path!r} must fit into memory: {error}") from error


def read(path: str | os.PathLike[str]) -> tuple[str, dict[str, Floats]]:
    """(text, tensors) of a file; errors as in `opened`."""
    with opened(path) as container:
        return container.text, container.read_tensors()


class _Damaged(Exception):
    """Says what is wrong with a file."""


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise _Damaged(message)


def _tensor(row: dict[str, Any], data: memoryview) -> Floats:
    dtype = DTYPES[row["dtype"]]
    flat = np.frombuffer(data[slice(*row["data_offsets"])], dtype)
    return flat.reshape(row["shape"]).astype(dtype.newbyteorder("="))


def _check_row(name: str, row: Any, size: int) -> None:
    """Check a tensor's entry in the header against the size of the data."""
    known = isinstance(row, dict) and isinstance(row.get("dtype"), str) and row["dtype"] in DTYPES
    _require(known, f"tensor {name!r} has no known dtype")
    shape, place = row.get("shape"), row.get("data_offsets")
    whole = all(isinstance(n, list) and all(type(k) is int and k >= 0 for k in n) for n in (shape, place))
    _require(whole and len(place) == 2 and place[0] <= place[1] <= size, f"tensor {name!r} is outside of the file")
    _require(len(shape) <= 4 and max(shape, default=0) <= size, f"tensor {name!r} is larger than the file")
    bytes_ = math.prod(shape) * DTYPES[row["dtype"]].itemsize
    _require(bytes_ == place[1] - place[0], f"tensor {name!r} has {place[1] - place[0]} bytes for shape {shape}")


def digest(text: str, header: Mapping[str, Any], *data: Any) -> str:
    """The checksum of a text, the tensors' entries in the header, and the data, bytes or arrays in order."""
    h = hashlib.sha256(text.encode())
    h.update(json.dumps(header, sort_keys=True).encode())
    for block in whole.blocks(data):
        h.update(block)
    return h.hexdigest()
