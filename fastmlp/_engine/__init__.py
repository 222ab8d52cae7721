"""The engine: the layers of a compiled network and the loops over them. Its public side is `fastmlp._core`."""
