"""Normalisation over the batch and over each row, and layers that scale and shift each feature."""
from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .. import _checks
from .._types import Shape
from ..initializers import initial
from ._base import Layer


@dataclass(frozen=True, eq=False)
class BatchNorm(Layer):
    """s = gamma x^ + beta, x^ = (x - mean) / sqrt(var + eps), for each unit, or for maps for each channel (Ioffe and
    Szegedy 2015).

    In training, mean and var are those of the batch, weighted by sample weights, and derivatives go through them. In
    all other calls they are running statistics, updated by each batch: mean <- (1 - momentum) mean + momentum times the
    batch's; var likewise, with the batch's unbiased variance. They start at 0 and 1, are not parameters, and are kept
    in partial_fit, files and pickles. gamma is `net.W[l]` (units,), initially 1, beta is `net.b[l]`, initially 0.

    With `adversarial` rows are moved where the network predicts worse, by the running statistics before the batch (as
    in the code of TRADES, Zhang et al. 2019); the batch's are then of the rows that were moved. Penalties on the
    sensitivity go through mean and var: they are of 1/c_i de/dx_i(0), where e is the sum over the batch of c_k e_k and
    c_k the share of row k in its weights.

    momentum: above 0, at most 1. eps: above 0. lr_scale, decay: as in Scale, for gamma and beta.
    """

    momentum: float = 0.1
    eps: float = 1e-5
    lr_scale: float = 1.0
    decay: float = 0.0

    kind: ClassVar[str] = "batch_norm"
    bias = True
    init = 1.0

    @property
    def bias_decay(self) -> float:  # type: ignore[override]
        return self.decay

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        eps = _checks.number(f"eps of {name}", self.eps, above=0, dtype=dtype)
        momentum = _checks.number(f"momentum of {name}", self.momentum, above=0, most=1)
        return replace(super().checked(name, dtype), eps=eps, momentum=momentum)

    def weights(self, shape: Shape) -> Shape:
        return shape[-1:]

    def n_statistics(self, shape: Shape) -> int:
        return 2 * shape[-1]

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"channels": shape[-1], "momentum": self.momentum, "eps": self.eps}


class _ByFeature(Layer):
    """A layer with a factor gamma and a summand beta, or one of them, for each feature: for each unit of a row, or for
    each channel of a map, the same at all positions.

    scale, shift: whether it has gamma, beta.
    """

    scale: bool = True
    shift: bool = False

    @property
    def bias(self) -> bool:  # type: ignore[override]
        return self.shift

    @property
    def bias_decay(self) -> float:  # type: ignore[override]
        return self.decay

    def weights(self, shape: Shape) -> Shape | None:
        return shape[-1:] if self.scale else None

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"features": shape[-1], "scaled": self.scale}


@dataclass(frozen=True, eq=False)
class Scale(_ByFeature):
    """s = gamma x: a learned factor for each unit, for maps for each channel. gamma is `net.W[l]` (units,).

    init: the initial gamma: a number for all elements, an array of shape (units,), or a name as in Dense.
    lr_scale: factor of the learning rate of gamma, 0 to freeze it. decay: factor of the optimiser's l2, l1 and
        weight_decay, 0 by default.
    """

    init: str | ArrayLike = 1.0
    lr_scale: float = 1.0
    decay: float = 0.0

    kind: ClassVar[str] = "scale"

    def brief(self) -> str:
        return f"Scale({self.own_factors()})"


@dataclass(frozen=True, eq=False)
class Shift(_ByFeature):
    """s = x + beta: a learned summand for each unit, for maps for each channel. beta is `net.b[l]` (units,).

    init: the initial beta: a number for all elements, an array of shape (units,), or a name as in Dense.
    lr_scale, decay: as in Scale.
    """

    init: str | ArrayLike = 0.0
    lr_scale: float = 1.0
    decay: float = 0.0

    kind: ClassVar[str] = "shift"
    scale = False
    shift = True

    def initial_bias(self, shape: Shape, rng: np.random.Generator, name: str, dtype: np.dtype[Any]) -> Any:
        return initial(self.init, shape, rng, f"init of {name}", dtype)

    def brief(self) -> str:
        return f"Shift({self.own_factors()})"


class _RowNorm(_ByFeature):
    """A normalisation of each row by statistics of its own units.

    centred: whether their mean is subtracted. eps: added to their variance, or to the mean of their squares.
    """

    centred: ClassVar[bool]
    eps: float
    init = 1.0

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"centred": self.centred, "eps": self.eps}


@dataclass(frozen=True, eq=False)
class LayerNorm(_RowNorm):
    """s = gamma x^ + beta, x^ = (x - mean) / sqrt(var + eps), for each row: mean and var are those of the row's own
    units (Ba et al. 2016). For maps, those of the channels at each position, as in ConvNeXt.

    gamma is `net.W[l]` (units,), initially 1, beta is `net.b[l]`, initially 0.

    eps: above 0. scale, shift: whether there is a gamma, a beta; otherwise 1 and 0. lr_scale, decay: as in Scale, for
    both.
    """

    eps: float = 1e-5
    scale: bool = True
    shift: bool = True
    lr_scale: float = 1.0
    decay: float = 0.0

    kind: ClassVar[str] = "layer_norm"
    centred: ClassVar[bool] = True

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        _checks.boolean(f"scale of {name}", self.scale)
        _checks.boolean(f"shift of {name}", self.shift)
        eps = _checks.number(f"eps of {name}", self.eps, above=0, dtype=dtype)
        return replace(super().checked(name, dtype), eps=eps)

    def after(self, shape: Shape) -> Shape:
        if shape[-1] == 1:
            raise ValueError("LayerNorm must come after at least 2 units or channels, got 1, of which it makes 0")
        return shape


@dataclass(frozen=True, eq=False)
class RMSNorm(_RowNorm):
    """s = gamma x^, x^ = x / sqrt(mean(x^2) + eps), for each row: the mean is over the row's own units (Zhang and
    Sennrich 2019). For maps it is over the channels at each position. gamma as in LayerNorm.

    eps: above 0. scale: whether there is a gamma. lr_scale, decay: as in Scale.
    """

    eps: float = 1e-5
    scale: bool = True
    lr_scale: float = 1.0
    decay: float = 0.0

    kind: ClassVar[str] = "rms_norm"
    centred: ClassVar[bool] = False

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        _checks.boolean(f"scale of {name}", self.scale)
        eps = _checks.number(f"eps of {name}", self.eps, above=0, dtype=dtype)
        return replace(super().checked(name, dtype), eps=eps)
