"""Dense layers and Dropout."""
from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .. import _checks
from .._types import Shape
from ._base import MOST_UNITS, Layer, Theta, activation_name, in_brackets


@dataclass(frozen=True, eq=False)
class Dense(Layer):
    """A layer of `units` units, each connected to all units of the layer before: s = W^T x + b, x' = theta(s).

    With groups=g, the inputs and the units are divided into g groups of equal size, and units see only inputs of their
    own group: W is block diagonal with g blocks, stored and computed without the zeros. `net.W[l]` has shape
    (g, d(l-1) / g, units / g).

    units: d(l), at least 1.
    activation: a name, see `fastmlp.activations()`, or (name, argument), as ("elu", 0.5).
    bias: whether the layer has a bias b.
    init: the initial W: a name (see `fastmlp.initializers()`); ("normal", sigma) or ("uniform", a) for random numbers
        with this standard deviation, or from -a to a; or an array of shape (d(l-1), units), with groups
        (g, d(l-1) / g, units / g).
    bias_init: the initial b: a number for all elements, such a pair, or an array of shape (units,).
    groups: at least 1; d(l-1) and units must be multiples of it.
    lr_scale: factor of the learning rate of W and b, 0 to freeze them. bias_lr_scale: a further factor for b.
    decay, bias_decay: factors of the optimiser's l2, l1 and weight_decay for W and for b, 0 for none.
        Layers with ties must have the defaults of all four.
    """

    units: int
    activation: Theta = "identity"
    bias: bool = True
    init: str | tuple[str, float] | ArrayLike = "glorot_uniform"
    bias_init: tuple[str, float] | ArrayLike = 0.0
    groups: int = 1
    lr_scale: float = 1.0
    decay: float = 1.0
    bias_lr_scale: float = 1.0
    bias_decay: float = 0.0

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "dense" if self.groups == 1 else "grouped"

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        units = _checks.integer(f"units of {name}", self.units, 1, MOST_UNITS)
        groups = _checks.integer(f"groups of {name}", self.groups, 1, MOST_UNITS)
        if units % groups:
            raise ValueError(f"units of {name} must be a multiple of its groups, {groups}, got {units}")
        return replace(super().checked(name, dtype), units=units, groups=groups)

    def after(self, shape: Shape) -> Shape:
        if math.prod(shape) % self.groups:
            raise ValueError(f"groups must divide the units before, {math.prod(shape)}, got {self.groups}")
        return (self.units,)

    def weights(self, shape: Shape) -> Shape:
        block = math.prod(shape) // self.groups, self.units // self.groups
        return block if self.groups == 1 else (self.groups, *block)

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | ({"groups": self.groups} if self.groups > 1 else {})

    def initial_weights(self, shape: Shape, rng: np.random.Generator, name: str, dtype: np.dtype[Any]) -> Any:
        if self.groups == 1 or not isinstance(self.init, str):
            return super().initial_weights(shape, rng, name, dtype)
        return np.stack([super(Dense, self).initial_weights(shape[1:], rng, name, dtype) for _ in range(self.groups)])

    def brief(self) -> str:
        groups = f" in {self.groups} groups" if self.groups > 1 else ""
        return f"{self.units} {activation_name(self.activation)}{groups}{in_brackets(self.own_factors())}"


@dataclass(frozen=True)
class Dropout(Layer):
    """In training, each element of x is set to 0 with probability `rate`, and divided by 1 - rate otherwise; in
    prediction x is unchanged (Srivastava et al. 2014).

    Which elements are dropped depends on the network's seed, the epoch, the row's number and the unit, not on threads
    or batches.

    rate: at least 0 and below 1, or a callable (epoch) -> rate, such as those of `fastmlp.schedules`; epochs are
        counted as for the learning rate.
    """

    rate: Any = 0.5

    kind: ClassVar[str] = "dropout"

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        rate = self.rate if callable(self.rate) else _dropout_rate(f"rate of {name}", self.rate)
        return replace(super().checked(name, dtype), rate=rate)

    def rate_at(self, epoch: int) -> float:
        """The rate of an epoch; the first is 0. ValueError if a schedule returns an invalid rate."""
        rate = self.rate(epoch) if callable(self.rate) else self.rate
        return _dropout_rate(f"the rate of Dropout in epoch {epoch}", rate)

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"rate": self.rate_at(0)}


def _dropout_rate(name: str, rate: Any) -> float:
    return _checks.number(name, rate, least=0, below=1, dtype=np.float32)
