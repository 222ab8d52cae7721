"""The engine: layers of a compiled network, and the loops over them. `fastmlp._core` is its facade."""
