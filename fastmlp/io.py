"""Files: a network, its optimiser's state and history, in the safetensors format.

A file is the length of its header (8 bytes, little-endian), the header (JSON: for each tensor its dtype, shape and place
in the data; under "__metadata__" strings), and the data. Everything that is not an array is one JSON text in the metadata,
with a SHA-256 of that text and the data. Nothing in a file is ever run. https://github.com/huggingface/safetensors
"""
import json
import math
import os
import pathlib
import struct
from dataclasses import fields, is_dataclass

import numpy as np

from . import layers, optim, schedules, ties

FORMAT = 1
MOST_HEADER = 16 * 2**20  # bytes; far above what a network needs
DTYPES = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
# what a file may name: specs made of numbers, strings and each other
SPECS = {spec.__name__: spec for module in (layers, optim, schedules, ties) for spec in map(vars(module).get, module.__all__)
         if isinstance(spec, type)}


def encode(value):
    """A spec or plain value as JSON knows it: a spec is {"spec": its name, and its fields}."""
    if is_dataclass(value) and type(value).__name__ in SPECS:
        return {"spec": type(value).__name__, **{f.name: encode(_plain(f.name, getattr(value, f.name))) for f in fields(value)}}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        return value.tolist()
    if isinstance(value, (tuple, list)):
        return [encode(v) for v in value]
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    raise ValueError(f"a network with {value!r} in its specs cannot be saved: only numbers, names and fastmlp's own specs can")


def _plain(field, value):
    """Arrays that weights began from are left out: the weights are in the file as they are now."""
    instead = {"init": "zeros", "bias_init": 0.0}
    return instead[field] if field in instead and not isinstance(value, (str, int, float)) else value


def decode(value):
    if isinstance(value, dict):
        return SPECS[value["spec"]](**{k: decode(v) for k, v in value.items() if k != "spec"})
    return tuple(decode(v) for v in value) if isinstance(value, list) else value


def write(path, text, tensors):
    """Write a file whole or not at all: to a temporary file beside it, which then takes its place."""
    import tempfile  # not above: it and hashlib would take a tenth of the time that importing fastmlp does

    path, header, place = pathlib.Path(path), {}, 0
    names = {dtype: name for name, dtype in DTYPES.items()}
    arrays = {name: np.ascontiguousarray(a, a.dtype.newbyteorder("<")) for name, a in tensors.items()}
    for name, a in arrays.items():
        header[name] = {"dtype": names[a.dtype], "shape": list(a.shape), "data_offsets": [place, place + a.nbytes]}
        place += a.nbytes
    data = b"".join(a.tobytes() for a in arrays.values())
    header = {"__metadata__": {"fastmlp": text, "sha256": _digest(text, header, data)}, **header}
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    if len(head) > MOST_HEADER:
        raise ValueError(f"specs must take at most {MOST_HEADER} bytes in a file, got {len(head)}: arrays of ties are too large")
    try:
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:  # of the file that was asked for
        raise OSError(error.errno, error.strerror, str(path)) from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(struct.pack("<Q", len(head)) + head + data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, 0o666 & ~_umask())
        os.replace(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise


def _umask():
    mask = os.umask(0)
    os.umask(mask)
    return mask


def read(path):
    """(text, tensors) of a file, or a ValueError that says what is wrong with it."""
    content = pathlib.Path(path).read_bytes()
    try:
        return _parse(content)
    except (_Damaged, UnicodeError, RecursionError) as error:
        raise ValueError(f"{os.fspath(path)!r} is not a whole fastmlp file: {error}") from None


class _Damaged(Exception):
    pass


def _require(holds, message):
    if not holds:
        raise _Damaged(message)


def _parse(content):
    _require(len(content) >= 8, f"it has {len(content)} bytes")
    length = struct.unpack("<Q", content[:8])[0]
    _require(length <= min(MOST_HEADER, len(content) - 8), f"its header should have {length} bytes, more than there are")
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
    _require(metadata.get("sha256") == _digest(text, header, data), "its checksum is wrong")
    return text, {name: _tensor(row, data) for name, row in header.items()}


def _tensor(row, data):
    dtype = DTYPES[row["dtype"]]
    flat = np.frombuffer(data[slice(*row["data_offsets"])], dtype)
    return flat.reshape(row["shape"]).astype(dtype.newbyteorder("="))


def _check_row(name, row, size):
    """A tensor's row of the header, against the bytes that there are."""
    _require(isinstance(row, dict) and isinstance(row.get("dtype"), str) and row["dtype"] in DTYPES, f"tensor {name!r} has no known dtype")
    shape, place = row.get("shape"), row.get("data_offsets")
    whole = all(isinstance(n, list) and all(type(k) is int and k >= 0 for k in n) for n in (shape, place))
    _require(whole and len(place) == 2 and place[0] <= place[1] <= size, f"tensor {name!r} is outside of the file")
    _require(len(shape) <= 4 and max(shape, default=0) <= size, f"tensor {name!r} is larger than the file")
    bytes_ = math.prod(shape) * DTYPES[row["dtype"]].itemsize
    _require(bytes_ == place[1] - place[0], f"tensor {name!r} has {place[1] - place[0]} bytes for shape {shape}")


def _digest(text, header, data):
    import hashlib

    h = hashlib.sha256(text.encode())
    h.update(json.dumps(header, sort_keys=True).encode())
    h.update(data)
    return h.hexdigest()
