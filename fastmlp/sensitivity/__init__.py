"""How a network's outputs and its error depend on its input: derivatives, attributions, noise."""
from ._derivatives import input_gradient, jacobian, jvp, vjp

__all__ = ["input_gradient", "jacobian", "jvp", "vjp"]
