"""The base class of optimiser specs."""
from __future__ import annotations

import functools
import math
from dataclasses import InitVar, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .._checks import Limits, builtin_fields, described, number
from .._core import STEPS
from .._engine.requests import Step
from .._repr import Shown

BELOW_1: Limits = {"least": 0, "below": 1}
LEAST_0: Limits = {"least": 0}
# what an optimiser's numbers must be, by their names; eps depends on the dtype
LIMITS: dict[str, Limits] = {
    "lr": {"above": 0}, "beta1": BELOW_1, "beta2": BELOW_1, "rho": BELOW_1, "momentum": {"least": 0, "most": 1},
    "momentum_decay": LEAST_0, "weight_decay": LEAST_0, "l2": LEAST_0, "l1": LEAST_0, "clip_norm": {"above": 0},
}


@functools.cache
def eps_limits(dtype: Any) -> Limits:
    """What an eps that is added to sqrt(v) must be: with less, g^2 may be 0 where g / eps is large."""
    return {"above": 0, "least": math.sqrt(np.finfo(dtype).tiny)}


@dataclass(frozen=True, repr=False)
class _OtherName:
    """Makes the keyword learning_rate an alias of lr, in all subclasses."""

    learning_rate: InitVar[Any] = field(default=None, kw_only=True)


class Optimizer(_OtherName, Shown):
    """The base class of optimiser specs.

    step: the name of its step in the engine's table STEPS. lr, learning_rate, l2, l1, clip_norm: as in `fastmlp.optim`.
    """

    step: Any  # str, of the class or of its numbers
    lr: Any
    l2: float
    l1: float
    clip_norm: float | None
    n_powers = 2  # of what changes from step to step: those of beta1 and beta2

    def __post_init__(self, learning_rate: Any) -> None:
        if learning_rate is not None:
            if self.lr is not type(self).lr:  # type: ignore[misc]  # the default is of the class
                raise ValueError(f"learning_rate is another name for lr: one of them must be left out, got "
                                 f"{described(learning_rate)} and {described(self.lr)}")
            object.__setattr__(self, "lr", learning_rate)
        builtin_fields(self)
        self.check(np.float64)

    def limits(self, dtype: Any) -> dict[str, Limits]:
        """What each of its numbers must be, in a dtype."""
        known = {**LIMITS, "eps": eps_limits(dtype)}
        return {name: known[name] for name in vars(self) if name in known}

    def check(self, dtype: DTypeLike) -> None:
        """ValueError or TypeError that names a number which is not valid for networks of this dtype."""
        optional = {"lr": callable(self.lr), "clip_norm": self.clip_norm is None}
        for name, limits in self.limits(dtype).items():
            if not optional.get(name):
                number(name, getattr(self, name), **limits, dtype=dtype)

    def numbers(self, lr: float) -> dict[str, float]:
        """The other numbers in the formula of a step, by the names of `Step`."""
        return {}

    def at_rate(self, lr: float) -> Step:
        """A step as the engine takes it."""
        numbers = self.numbers(lr)
        return Step(STEPS[self.step][0], lr, l2=self.l2, l1=self.l1, clip_norm=self.clip_norm or 0.0, **numbers)

    @property
    def n_slots(self) -> int:
        """The number of state arrays."""
        return STEPS[self.step][1]
