"""Files of networks: `document.py` makes a network a document and tensors, `safetensors.py` is the container they go into."""
