"""How a network's outputs and its error depend on its input: derivatives, attacks."""
from .._robust import Attack
from ._attacks import fgsm, pgd
from ._derivatives import input_gradient, jacobian, jvp, vjp

__all__ = ["Attack", "fgsm", "input_gradient", "jacobian", "jvp", "pgd", "vjp"]
