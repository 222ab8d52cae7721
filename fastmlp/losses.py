"""Losses: the engine's by name, and users' own functions."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from . import _arrays, _checks, _core
from ._types import Floats, Integers

__all__ = ["Loss"]

LossFunction = Callable[[Floats, Any], tuple[Any, Any]]
# name -> what its number must be, where it has one
LIMITS: dict[str, _checks.Limits] = {
    "huber": {"above": 0},
    "quantile": {"above": 0, "below": 1},
}


# other libraries' names -> ours
ALIASES = {
    "mse": "squared_error",
    "mean_squared_error": "squared_error",
    "mae": "absolute_error",
    "mean_absolute_error": "absolute_error",
    "log_loss": "cross_entropy",
    "categorical_crossentropy": "cross_entropy",
    "sparse_categorical_crossentropy": "cross_entropy",
    "binary_crossentropy": "binary_cross_entropy",
}


class Loss:
    """What a network minimises: the mean over rows of e(x(L), y), itself a sum over the outputs.

    spec: a name of the engine's table or of ALIASES, a pair (name, number) for huber's threshold or the quantile, or a
    callable loss(x, y) that gets blocks of rows x = x(L) and y, both (m, d(L)), and returns their values (m,) and
    derivatives de/dx (m, d(L)). dtype: in which it is computed. ValueError or TypeError for others, and for a
    number that it cannot be computed with.

    name: of the engine's table, None for a callable; function: the callable, or None. kind, arg, link: as the engine
    takes them.
    """

    def __init__(self, spec: str | tuple[str, float] | LossFunction, dtype: DTypeLike = np.float64) -> None:
        spec = spec if callable(spec) else _checks.canonical(spec, ALIASES)
        self.spec = spec
        self.function: LossFunction | None = spec if callable(spec) else None
        self.name: str | None = None
        self.kind, self.arg, self.link = 0, 0.0, _core.LINKS["identity"]
        if self.function is None:
            self.name, self.arg = _checks.named("loss", spec, _core.LOSSES, LIMITS, _checks.floating(dtype))
            self.kind, self.link, _ = _core.LOSSES[self.name]

    @property
    def link_name(self) -> str:
        """What makes x(L) a prediction, by its name in the engine's table."""
        return next(name for name, number in _core.LINKS.items() if number == self.link)

    def rows(self, y: Any, dtype: np.dtype[Any]) -> Callable[[Integers, Floats], tuple[Floats, Floats]] | None:
        """The function as the engine calls it: (rows of the data, x) -> values and derivatives, checked. None where the
        loss is one of the engine's."""
        function = self.function
        if function is None:
            return None

        def call(rows: Integers, x: Floats) -> tuple[Floats, Floats]:
            result = function(x, _arrays.dense(y[rows], "y"))
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError(f"a loss function must return (values, derivatives), got {type(result).__name__}")
            value, grad = (np.array(_arrays.numeric("what a loss function returns", a, dtype), dtype, order="C")
                           for a in result)
            if value.shape != (len(x),) or grad.shape != x.shape:
                raise ValueError(f"a loss function must return values of shape ({len(x)},) and derivatives of shape "
                                 f"{x.shape}, got {value.shape} and {grad.shape}")
            return value, grad

        return call
