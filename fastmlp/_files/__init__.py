"""Files of networks: `document.py` makes a network a document and tensors, `safetensors.py` puts them into a file, and
`whole.py` writes that whole or not at all."""
