"""Losses: the engine's by name, and users' own functions."""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from . import _arrays, _checks, _core
from ._types import Floats, Integers

__all__ = ["Loss"]

LossFunction = Callable[[Floats, Any], tuple[Any, Any]]
# name -> (whether a number is good, in words)
ARGUMENTS: dict[str, tuple[Callable[[float], bool], str]] = {
    "huber": (lambda a: a > 0, "above 0"),
    "quantile": (lambda a: 0 < a < 1, "between 0 and 1"),
}


class Loss:
    """What a network minimises: the mean over rows of e(x(L), y), itself a sum over the outputs.

    spec: a name of the engine's table, a pair (name, number) for huber's threshold or the quantile, or a callable
    loss(x, y) that gets blocks of rows x = x(L) and y, both (m, d(L)), and returns their values (m,) and derivatives
    de/dx (m, d(L)). ValueError or TypeError for others.

    name: of the engine's table, None for a callable; function: the callable, or None. kind, arg, link: as the engine
    takes them.
    """

    def __init__(self, spec: str | tuple[str, float] | LossFunction) -> None:
        self.spec = spec
        self.function: LossFunction | None = spec if callable(spec) else None
        self.name: str | None = None
        self.kind, self.arg, self.link = 0, 0.0, _core.LINKS["identity"]
        if self.function is None:
            self.name, self.arg = _checks.named("loss", spec, _core.LOSSES)
            self.kind, self.link, _ = _core.LOSSES[self.name]
            if self.name in ARGUMENTS and not ARGUMENTS[self.name][0](self.arg):
                wanted = ARGUMENTS[self.name][1]
                raise ValueError(f"the number of loss {self.name!r} must be {wanted}, got {self.arg:g}")

    def rows(self, y: Any, dtype: np.dtype[Any]) -> Callable[[Integers, Floats], tuple[Floats, Floats]] | None:
        """The function as the engine calls it: (rows of the data, x) -> values and derivatives, checked. None where the
        loss is one of the engine's."""
        function = self.function
        if function is None:
            return None

        def call(rows: Integers, x: Floats) -> tuple[Floats, Floats]:
            result = function(x, _arrays.dense(y[rows]))
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError(f"a loss function must return (values, derivatives), got {type(result).__name__}")
            value, grad = (np.array(a, dtype, order="C") for a in result)
            if value.shape != (len(x),) or grad.shape != x.shape:
                raise ValueError(f"a loss function must return values of shape ({len(x)},) and derivatives of shape "
                                 f"{x.shape}, got {value.shape} and {grad.shape}")
            return value, grad

        return call
