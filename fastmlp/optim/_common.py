"""Stochastic gradient descent, and Adam."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import DTypeLike

from .._checks import boolean
from ._base import Optimizer


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

    def numbers(self, lr: float) -> dict[str, float]:
        return {"beta1": self.beta1, "beta2": self.beta2, "eps": self.eps, "decay": lr * self.weight_decay}


@dataclass(frozen=True, repr=False)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019): each step also takes lr weight_decay w from
    weights w, not from biases."""

    weight_decay: float = 0.01
