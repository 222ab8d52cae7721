"""Optimisers: small frozen specs. The steps themselves are in the C storey.

lr is a number, or a callable of the epoch such as those of `fastmlp.schedules`.
l2 adds l2/2 ||W||^2 and l1 adds l1 ||W||_1 to what is minimised, for weights, not for biases; the losses that fit
reports are without them. clip_norm scales the gradient of all parameters down to that Euclidean norm where it is
larger, before penalties. learning_rate, of all of them and by keyword alone, is another name for lr in the call:
Adam(learning_rate=0.01) is Adam(lr=0.01).
"""
from __future__ import annotations

import math
from dataclasses import InitVar, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from ._checks import Limits, boolean, builtin_fields, described, number, one_of
from ._core import STEPS
from ._engine.requests import Step
from ._shown import Shown

__all__ = ["SGD", "Adam", "AdamW", "NAdam", "RMSprop", "Adagrad", "Lion"]


BELOW_1: Limits = {"least": 0, "below": 1}


def eps_limits(dtype: DTypeLike) -> Limits:
    """What an eps that is added to sqrt(v) must be: with less, g^2 may be 0 where g / eps is large."""
    return {"above": 0, "least": math.sqrt(np.finfo(dtype).tiny)}


@dataclass(frozen=True, repr=False)
class _OtherName:
    """Gives all specs below the keyword learning_rate, another name for lr."""

    learning_rate: InitVar[Any] = field(default=None, kw_only=True)


class Optimizer(_OtherName, Shown):
    """What is asked of an optimiser's spec.

    step: the name of its step in the engine's table STEPS. lr, learning_rate, l2, l1, clip_norm: as above.
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

    def limits(self, dtype: DTypeLike) -> dict[str, Limits]:
        """What each of its numbers must be, in a dtype."""
        return {"lr": {"above": 0}, "l2": {"least": 0}, "l1": {"least": 0}, "clip_norm": {"above": 0}}

    def check(self, dtype: DTypeLike) -> None:
        """ValueError or TypeError that names a number with which no network of a dtype can be trained."""
        optional = {"lr": callable(self.lr), "clip_norm": self.clip_norm is None}
        for name, limits in self.limits(dtype).items():
            if not optional.get(name):
                number(name, getattr(self, name), **limits, dtype=dtype)

    def numbers(self, lr: float) -> dict[str, float]:
        """What the formula of a step has besides, by the names of `Step`."""
        return {}

    def at_rate(self, lr: float) -> Step:
        """A step as the engine takes it."""
        numbers = self.numbers(lr)
        return Step(STEPS[self.step][0], lr, l2=self.l2, l1=self.l1, clip_norm=self.clip_norm or 0.0, **numbers)

    @property
    def n_slots(self) -> int:
        """How many numbers of state there are for each parameter."""
        return STEPS[self.step][1]


@dataclass(frozen=True, repr=False)
class SGD(Optimizer):
    """Stochastic gradient descent: u <- momentum u - lr g, w <- w + u.

    With nesterov, w <- w + momentum u - lr g with the new u (Nesterov 1983; Sutskever et al. 2013).
    """

    lr: Any = 0.01
    momentum: float = 0.0
    nesterov: bool = False
    l2: float = 0.0
    l1: float = 0.0
    clip_norm: float | None = None

    def limits(self, dtype: DTypeLike) -> dict[str, Limits]:
        return super().limits(dtype) | {"momentum": {"least": 0, "most": 1}}

    def check(self, dtype: DTypeLike) -> None:
        super().check(dtype)
        boolean("nesterov", self.nesterov)

    @property
    def step(self) -> str:
        """The name of its step in the core's table."""
        return "nesterov" if self.nesterov and self.momentum else "momentum" if self.momentum else "sgd"

    def numbers(self, lr: float) -> dict[str, float]:
        return {"beta1": self.momentum}


@dataclass(frozen=True, repr=False)
class Adam(Optimizer):
    """Adam (Kingma and Ba 2015): m <- beta1 m + (1 - beta1) g, v <- beta2 v + (1 - beta2) g^2,
    w <- w - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + eps)."""

    lr: Any = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    l2: float = 0.0
    l1: float = 0.0
    clip_norm: float | None = None

    step = "adam"
    weight_decay = 0.0

    def limits(self, dtype: DTypeLike) -> dict[str, Limits]:
        return super().limits(dtype) | {"beta1": BELOW_1, "beta2": BELOW_1, "eps": eps_limits(dtype)}

    def numbers(self, lr: float) -> dict[str, float]:
        return {"beta1": self.beta1, "beta2": self.beta2, "eps": self.eps, "decay": lr * self.weight_decay}


@dataclass(frozen=True, repr=False)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): each step also takes lr weight_decay w from
    weights w, not from biases."""

    weight_decay: float = 0.01

    def limits(self, dtype: DTypeLike) -> dict[str, Limits]:
        return super().limits(dtype) | {"weight_decay": {"least": 0}}


@dataclass(frozen=True, repr=False)
class NAdam(Optimizer):
    """Adam with Nesterov's momentum (Dozat 2016), as PyTorch has it: m and v as Adam's,
    mu(t) = beta1 (1 - 0.96^(t momentum_decay) / 2), M(t) the product of mu(1) .. mu(t), and
    w <- w - lr (mu(t+1) m / (1 - M(t+1)) + (1 - mu(t)) g / (1 - M(t))) / (sqrt(v / (1 - beta2^t)) + eps)."""

    lr: Any = 0.002
    beta1: float = 0.9
    beta2: float = 0.999
    eps: float = 1e-8
    momentum_decay: float = 0.004
    l2: float = 0.0
    l1: float = 0.0
    clip_norm: float | None = None

    step = "nadam"
    n_powers = 3

    def limits(self, dtype: DTypeLike) -> dict[str, Limits]:
        return super().limits(dtype) | {"beta1": BELOW_1, "beta2": BELOW_1, "eps": eps_limits(dtype),
                                        "momentum_decay": {"least": 0}}

    def numbers(self, lr: float) -> dict[str, float]:
        # rounded the same way on every machine
        from decimal import Decimal  # here: it takes a millisecond, which each import would

        fade = float(Decimal("0.96") ** Decimal(float(self.momentum_decay)))
        return {"beta1": self.beta1, "beta2": self.beta2, "eps": self.eps, "fade": fade}


@dataclass(frozen=True, repr=False)
class RMSprop(Optimizer):
    """RMSprop (Tieleman and Hinton 2012): v <- rho v + (1 - rho) g^2, w <- w - lr g / (sqrt(v) + eps); with momentum,
    u <- momentum u + g / (sqrt(v) + eps), w <- w - lr u."""

    lr: Any = 0.01
    rho: float = 0.99
    eps: float = 1e-8
    momentum: float = 0.0
    l2: float = 0.0
    l1: float = 0.0
    clip_norm: float | None = None

    def limits(self, dtype: DTypeLike) -> dict[str, Limits]:
        return super().limits(dtype) | {"rho": BELOW_1, "eps": eps_limits(dtype), "momentum": {"least": 0, "most": 1}}

    @property
    def step(self) -> str:
        """The name of its step in the core's table."""
        return "rmsprop_momentum" if self.momentum else "rmsprop"

    def numbers(self, lr: float) -> dict[str, float]:
        return {"beta1": self.momentum, "beta2": self.rho, "eps": self.eps}


@dataclass(frozen=True, repr=False)
class Adagrad(Optimizer):
    """Adagrad (Duchi, Hazan and Singer 2011): v <- v + g^2, w <- w - lr g / (sqrt(v) + eps)."""

    lr: Any = 0.01
    eps: float = 1e-10
    l2: float = 0.0
    l1: float = 0.0
    clip_norm: float | None = None

    step = "adagrad"

    def limits(self, dtype: DTypeLike) -> dict[str, Limits]:
        return super().limits(dtype) | {"eps": eps_limits(dtype)}

    def numbers(self, lr: float) -> dict[str, float]:
        return {"eps": self.eps}


@dataclass(frozen=True, repr=False)
class Lion(Optimizer):
    """Lion (Chen et al. 2023): w <- (1 - lr weight_decay) w - lr sign(beta1 m + (1 - beta1) g), then
    m <- beta2 m + (1 - beta2) g; the decay is of weights, not of biases. lr and weight_decay suit it where they are a
    third to a tenth, and three to ten times, AdamW's."""

    lr: Any = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    l2: float = 0.0
    l1: float = 0.0
    clip_norm: float | None = None

    step = "lion"

    def limits(self, dtype: DTypeLike) -> dict[str, Limits]:
        return super().limits(dtype) | {"beta1": BELOW_1, "beta2": BELOW_1, "weight_decay": {"least": 0}}

    def numbers(self, lr: float) -> dict[str, float]:
        return {"beta1": self.beta1, "beta2": self.beta2, "decay": lr * self.weight_decay}


# the lower-case names of those that there are -> the specs, whose defaults a name stands for
BY_NAME = {name.lower(): spec for name, spec in list(globals().items())
           if name in __all__ and issubclass(spec, Optimizer)}


def named(given: Any) -> Optimizer:
    """An optimiser's spec, or its name, which stands for its defaults, as a spec."""
    if isinstance(given, Optimizer):
        return given
    if not isinstance(given, str):
        raise TypeError(f"optimizer must be SGD(..), Adam(..) or one of the other optimisers, or a name of one of "
                        f"{', '.join(BY_NAME)}, got {described(given)}")
    spec: type[Optimizer] = BY_NAME[one_of("optimizer", given, BY_NAME)]
    return spec()


def rate(optimizer: Optimizer, epoch: int, dtype: DTypeLike = np.float64) -> float:
    """The learning rate of an epoch. ValueError where a schedule gives what is none in a dtype."""
    lr = optimizer.lr(epoch) if callable(optimizer.lr) else optimizer.lr
    return number(f"the learning rate of epoch {epoch}", lr, least=0, dtype=dtype)
