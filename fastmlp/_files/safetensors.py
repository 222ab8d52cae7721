"""The container: a safetensors file of tensors and one text.

A file is the length of its header (8 bytes, little-endian), the header (JSON: for each tensor its dtype, shape and
place in the data; under "__metadata__" strings), and the data. The metadata are the text and a SHA-256 of the text, the
tensors' rows of the header and the data. https://github.com/huggingface/safetensors
"""
from __future__ import annotations

import hashlib
import json
import math
import os
import pathlib
import struct
import tempfile
from collections.abc import Mapping
from typing import Any

import numpy as np

from .._types import Floats

MOST_HEADER = 16 * 2**20  # bytes; far above what a network needs
DTYPES: dict[str, np.dtype[Any]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}


def write(path: str | os.PathLike[str], text: str, tensors: Mapping[str, Floats]) -> None:
    """Write a file whole or not at all: to a temporary file beside it, which then takes its place.

    ValueError where the header would be larger than `read` takes; OSError where the file cannot be written.
    """
    content = _content(text, tensors)
    path = pathlib.Path(path)
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:  # names the file that was asked for, not the temporary one
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _content(text: str, tensors: Mapping[str, Floats]) -> bytes:
    header: dict[str, Any] = {}
    place = 0
    names = {dtype: name for name, dtype in DTYPES.items()}
    arrays = {name: np.ascontiguousarray(a, a.dtype.newbyteorder("<")) for name, a in tensors.items()}
    for name, a in arrays.items():
        header[name] = {"dtype": names[a.dtype], "shape": list(a.shape), "data_offsets": [place, place + a.nbytes]}
        place += a.nbytes
    data = b"".join(a.tobytes() for a in arrays.values())
    header = {"__metadata__": {"fastmlp": text, "sha256": digest(text, header, data)}, **header}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    if len(head) > MOST_HEADER:
        raise ValueError(f"specs must take at most {MOST_HEADER} bytes in a file, got {len(head)}: arrays of ties are "
                         "too large")
    return struct.pack("<Q", len(head)) + head + data


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read(path: str | os.PathLike[str]) -> tuple[str, dict[str, Floats]]:
    """(text, tensors) of a file, or a ValueError that says what is wrong with it; OSError where it cannot be read."""
    content = pathlib.Path(path).read_bytes()
    try:
        return _parse(content)
    except (_Damaged, UnicodeError, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)!r} is not a whole fastmlp file: {error}") from None


class _Damaged(Exception):
    """Says what is wrong with a file."""


def _require(holds: bool, message: str) -> None:
    if not holds:
        raise _Damaged(message)


def _parse(content: bytes) -> tuple[str, dict[str, Floats]]:
    _require(len(content) >= 8, f"it has {len(content)} bytes")
    length = struct.unpack("<Q", content[:8])[0]
    there = min(MOST_HEADER, len(content) - 8)
    _require(length <= there, f"its header should have {length} bytes, more than there are")
    try:
        header = json.loads(content[8:8 + length].decode())
    except (ValueError, RecursionError):
        raise _Damaged("its header is not JSON") from None
    _require(isinstance(header, dict) and isinstance(header.get("__metadata__"), dict), "its header has no metadata")
    metadata, data = header.pop("__metadata__"), memoryview(content)[8 + length:]
    text = metadata.get("fastmlp")
    _require(isinstance(text, str), "it was not written by fastmlp")
    for name, row in header.items():
        _check_row(name, row, len(data))
    ends = sorted(row["data_offsets"] for row in header.values())
    tiled = all(a[1] == b[0] for a, b in zip([[0, 0], *ends], [*ends, [len(data)] * 2]))
    _require(tiled, "its tensors do not lie one after the other")
    _require(metadata.get("sha256") == digest(text, header, data), "its checksum is wrong")
    return text, {name: _tensor(row, data) for name, row in header.items()}


def _tensor(row: dict[str, Any], data: memoryview) -> Floats:
    dtype = DTYPES[row["dtype"]]
    flat = np.frombuffer(data[slice(*row["data_offsets"])], dtype)
    return flat.reshape(row["shape"]).astype(dtype.newbyteorder("="))


def _check_row(name: str, row: Any, size: int) -> None:
    """Hold a tensor's row of the header against the bytes that there are."""
    known = isinstance(row, dict) and isinstance(row.get("dtype"), str) and row["dtype"] in DTYPES
    _require(known, f"tensor {name!r} has no known dtype")
    shape, place = row.get("shape"), row.get("data_offsets")
    whole = all(isinstance(n, list) and all(type(k) is int and k >= 0 for k in n) for n in (shape, place))
    _require(whole and len(place) == 2 and place[0] <= place[1] <= size, f"tensor {name!r} is outside of the file")
    _require(len(shape) <= 4 and max(shape, default=0) <= size, f"tensor {name!r} is larger than the file")
    bytes_ = math.prod(shape) * DTYPES[row["dtype"]].itemsize
    _require(bytes_ == place[1] - place[0], f"tensor {name!r} has {place[1] - place[0]} bytes for shape {shape}")


def digest(text: str, header: Mapping[str, Any], data: bytes | memoryview) -> str:
    """The checksum of a text, the tensors' rows of the header and the data."""
    h = hashlib.sha256(text.encode())
    h.update(json.dumps(header, sort_keys=True).encode())
    h.update(data)
    return h.hexdigest()
