"""Losses: the engine's, by name, and users' functions."""
from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from . import _arrays, _checks, _core
from ._repr import Shown
from ._types import Floats, Integers

__all__ = ["Loss"]


@dataclass(frozen=True)
class OfMembers:
    """The loss of several networks that are one while they train: each has d(L) / members outputs, those of the first
    come first, and each is held against all of y. The mean of their losses.

    loss: the name of that of each, which is not of quantiles. members: how many they are, at least 1.
    """

    loss: str
    members: int


LossFunction = Callable[[Floats, Any], tuple[Any, Any]]
LossName = str | tuple[str, float | Sequence[float]] | OfMembers  # alone, or with its number or numbers
# name -> what its number must be, where it has one
LIMITS: dict[str, _checks.Limits] = {
    "huber": {"above": 0},
    "quantile": {"above": 0, "below": 1},
    "ordered_quantile": {"above": 0, "below": 1},
}
OF_QUANTILES = ("quantile", "ordered_quantile")  # these also take several numbers

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


class Loss(Shown):
    """The loss of a network: the mean over rows of e(x(L), y), which is a sum over the outputs.

    spec: a name in the engine's table or in ALIASES; a pair (name, number) for huber's threshold or a quantile; a pair
    (name, numbers) for several increasing quantiles; or a callable loss(x, y), which gets blocks of rows x = x(L) and
    y, both (m, d(L)), and returns their values (m,) and derivatives de/dx (m, d(L)). dtype: of the computation.
    ValueError or TypeError for anything else, and for numbers outside of their limits.

    name: of the engine's table, None for a callable; function: the callable, or None. kind, arg, link: as the engine
    takes them. levels: the quantiles for each of which a target has an output; () of other losses. members: 1, or those
    of an OfMembers, which the spec may be, too.
    """

    def __init__(self, spec: LossName | LossFunction, dtype: DTypeLike = np.float64) -> None:
        spec = spec if callable(spec) else _checks.canonical(spec, ALIASES)
        self.function: LossFunction | None = spec if callable(spec) else None
        self.name: str | None = None
        self.kind, self.link = 0, _core.LINKS["identity"]
        self.arg: float | tuple[float, ...] = 0.0
        self.levels: tuple[float, ...] = ()
        self.spec: Any = spec
        self.members, of_one = 1, self.spec
        if isinstance(spec, OfMembers):
            self.members = _checks.integer("members of loss", spec.members, 1)
            of_one = _checks.one_of("loss of members", spec.loss, [name for name in _core.LOSSES
                                                                   if name not in OF_QUANTILES])
        if self.function is None:
            self.name, self.arg = _named(of_one, _checks.floating(dtype))
            self.kind, self.link, _ = _core.LOSSES[self.name]
        if isinstance(self.arg, tuple):
            self.levels = self.arg
            if isinstance(of_one, tuple) and not _checks.is_number(of_one[1]):
                self.spec = self.name, self.levels

    @property
    def outputs_each(self) -> int:
        """Outputs for each target."""
        return max(1, len(self.levels))

    def n_targets(self, outputs: int) -> int:
        """Of how many targets a row's outputs are. ValueError where some target lacks an output."""
        if outputs % (self.outputs_each * self.members):
            of_members = f" for each of {self.members} members" if self.members > 1 else ""
            raise ValueError(f"the last of layers must have a multiple of {self.outputs_each} units{of_members}, one "
                             f"for each of the loss's quantiles of each target, got {outputs}")
        return outputs // (self.outputs_each * self.members)

    @property
    def link_name(self) -> str:
        """The name of the link, which turns x(L) into a prediction, in the engine's table."""
        return next(name for name, number in _core.LINKS.items() if number == self.link)

    def rows(self, y: Any, dtype: np.dtype[Any]) -> Callable[[Integers, Floats], tuple[Floats, Floats]] | None:
        """The user's function as the engine calls it: (row numbers, x) -> checked values and derivatives. None if the
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


def _named(spec: Any, dtype: np.dtype[Any]) -> tuple[str, float | tuple[float, ...]]:
    """(the name of a loss, its number, or its quantiles)"""
    if isinstance(spec, tuple) and len(spec) == 2 and isinstance(spec[0], str) and spec[0] in OF_QUANTILES:
        name, given = spec
        return name, _levels(name, (given,) if _checks.is_number(given) else given, dtype)
    name, number = _checks.named("loss", spec, _core.LOSSES, LIMITS, dtype)
    return name, (number,) if name in OF_QUANTILES else number


def _levels(name: str, given: Any, dtype: np.dtype[Any]) -> tuple[float, ...]:
    """The quantiles of a loss, checked."""
    argument = f"the number of loss {name!r}"
    if not isinstance(given, (list, tuple)) and not (isinstance(given, np.ndarray) and given.ndim == 1):
        raise TypeError(f"{argument} must be a number or several, got {_checks.described(given)}")
    levels = tuple(_checks.number(argument, q, **LIMITS[name], dtype=dtype) for q in given)
    if not levels or not (np.diff(np.array(levels, dtype)) > 0).all():
        raise ValueError(f"{argument} must increase in {dtype.name}, got {_checks.described(given)}")
    return levels
