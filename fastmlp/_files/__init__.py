"""Files of networks: `document.py` converts a network to a document and tensors, `safetensors.py` stores them in a
file, and `whole.py` writes files completely or not at all."""
