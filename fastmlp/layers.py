"""Layer specs: frozen, plain, with no weights of their own."""
from dataclasses import dataclass
from typing import Any

__all__ = ["Dense", "Dropout"]


@dataclass(frozen=True, eq=False)
class Dense:
    """A layer of `units` units, each connected to all units of the layer before: s = W^T x + b, x' = theta(s).

    units: d(l), at least 1.
    activation: a name, see `fastmlp.activations()`, or (name, argument), as ("elu", 0.5).
    bias: whether the layer has a bias b.
    init: how W starts: a name (see `fastmlp.initializers()`) or an array of shape (d(l-1), units).
    bias_init: the number that all of b start from, or an array of shape (units,).
    """

    units: int
    activation: Any = "identity"
    bias: bool = True
    init: Any = "glorot_uniform"
    bias_init: Any = 0.0

    kind = "dense"

    def width(self, d_in):
        """d(l) after a layer of d_in units."""
        return self.units


@dataclass(frozen=True)
class Dropout:
    """In training each element of x is dropped with probability `rate`, else divided by 1 - rate; otherwise x passes as
    it is (Srivastava et al. 2014). Which elements are dropped depends on the network's seed, the epoch, the row's number
    and the unit: not on threads or batches.

    rate: at least 0 and below 1.
    """

    rate: float = 0.5

    kind = "dropout"
    activation = "identity"
    bias = False

    def width(self, d_in):
        """d(l) after a layer of d_in units."""
        return d_in
