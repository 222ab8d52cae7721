"""Activations as layers, with or without learned numbers, and gated linear units."""
from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

from numpy.typing import ArrayLike, DTypeLike

from .. import _checks, _core
from .._types import Shape
from ._base import Layer, Theta, checked_activation


@dataclass(frozen=True)
class Activation(Layer):
    """x(l) = theta(x(l-1)): an activation after layers that have none of their own, such as normalisations, pooling or
    sums: `[Dense(64), BatchNorm(), Activation("relu")]`. For a Dense layer or a convolution, its own `activation` is
    faster.

    activation: a name, see `fastmlp.activations()`, or (name, argument).
    """

    activation: Theta

    kind: ClassVar[str] = "identity"

    def brief(self) -> str:
        return f"Activation({self.activation!r})"


class _WithTheta(Layer):
    """A layer that has an activation inside, theta, beside that of its output."""

    theta: Any

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        theta, spec = checked_activation(f"theta of {name}", self.theta, dtype), super().checked(name, dtype)
        return spec if theta is self.theta else replace(spec, theta=theta)  # type: ignore[type-var]

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        name, argument = _checks.named("theta", self.theta, _core.ACTIVATIONS)
        return super().engine_row(shape) | {"mixed": (_core.ACTIVATIONS[name][0], argument)}


class _Blended(_WithTheta):
    """An interpolation between x and theta(x), by a learned number for each feature, W."""

    def weights(self, shape: Shape) -> Shape:
        return shape[-1:]

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"features": shape[-1], "scaled": True}


@dataclass(frozen=True, eq=False)
class PReLU(_Blended):
    """s = x where x > 0, else a x, with a learned a for each unit, for maps for each channel (He et al. 2015). a is
    `net.W[l]` (units,).

    init: the initial a: a number for all elements, an array of shape (units,), or a name as in Dense.
    lr_scale: factor of the learning rate of a, 0 to freeze it. decay: factor of the optimiser's l2, l1 and
        weight_decay, 0 by default.
    """

    init: str | ArrayLike = 0.25
    lr_scale: float = 1.0
    decay: float = 0.0

    kind: ClassVar[str] = "prelu"
    theta = "relu"

    def brief(self) -> str:
        return f"PReLU({self.own_factors()})"


@dataclass(frozen=True, eq=False)
class Mixture(_Blended):
    """s = (1 - a) x + a theta(x), with a learned a for each unit, for maps for each channel: between the identity,
    a = 0, and an activation, a = 1, or beyond (as in RealMLP, Holzmüller et al. 2024). a is `net.W[l]` (units,). Use it
    instead of the activation of the layer before: `[Dense(64), Mixture("mish")]`.

    theta: a name, see `fastmlp.activations()`, or (name, argument).
    init: the initial a: a number for all elements, an array of shape (units,), or a name as in Dense.
    lr_scale: factor of the learning rate of a, 0 to freeze it. decay: factor of the optimiser's l2, l1 and
        weight_decay, 0 by default.
    """

    theta: Theta
    init: str | ArrayLike = 1.0
    lr_scale: float = 1.0
    decay: float = 0.0

    kind: ClassVar[str] = "mixture"

    def brief(self) -> str:
        return f"Mixture({', '.join(filter(None, (repr(self.theta), self.own_factors())))})"


@dataclass(frozen=True)
class GLU(_WithTheta):
    """Gated linear units: x(l) = b theta(c), where b is the first and c the second half of the units of x(l-1), for
    maps of the channels at each position: half as many units, each with a gate (Dauphin et al. 2017). `GLU("silu")` is
    SwiGLU, `GLU("gelu")` GEGLU (Shazeer 2020): `[Dense(2 * 64), GLU("silu")]` has 64 units.

    theta: a name, see `fastmlp.activations()`, or (name, argument).
    """

    theta: Theta = "sigmoid"

    kind: ClassVar[str] = "glu"

    def after(self, shape: Shape) -> Shape:
        if shape[-1] % 2:
            raise ValueError(f"GLU must come after an even number of units or channels, got {shape[-1]}")
        return *shape[:-1], shape[-1] // 2

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"features": shape[-1] // 2, "positions": math.prod(shape[:-1])}
