"""Files: a network, its optimiser's state and history, in the safetensors format. `MLP.save` and `MLP.load` use them.

A file holds tensors and one JSON text; nothing in it is ever run. `read` and `write` are of the container, `encode` and
`decode` of the specs in the text.
"""
from ._files.document import FORMAT, SPECS, decode, encode
from ._files.safetensors import DTYPES, MOST_HEADER, read, write

__all__ = ["DTYPES", "FORMAT", "MOST_HEADER", "SPECS", "decode", "encode", "read", "write"]
