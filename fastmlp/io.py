"""Files of networks, with optimiser state and history, in the safetensors format, as `MLP.save` and `MLP.load` use
them.

A file holds tensors and one JSON text; nothing in it is ever executed. `read` and `write` handle the file format,
`encode` and `decode` the specs in the JSON text.
"""
from ._files.document import FORMAT, SPECS, decode, encode
from ._files.safetensors import DTYPES, MOST_HEADER, read, write

__all__ = ["DTYPES", "FORMAT", "MOST_HEADER", "SPECS", "decode", "encode", "read", "write"]
