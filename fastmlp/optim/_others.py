"""Less common optimisers: NAdam, RMSprop, Adagrad and Lion."""
from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ._base import Optimizer


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

    def numbers(self, lr: float) -> dict[str, float]:
        return {"eps": self.eps}


@dataclass(frozen=True, repr=False)
class Lion(Optimizer):
    """Lion (Chen et al. 2023): w <- (1 - lr weight_decay) w - lr sign(beta1 m + (1 - beta1) g), then
    m <- beta2 m + (1 - beta2) g; the decay is for weights, not for biases. Recommended: a third to a tenth of AdamW's
    lr, and three to ten times its weight_decay."""

    lr: Any = 1e-4
    beta1: float = 0.9
    beta2: float = 0.99
    weight_decay: float = 0.0
    l2: float = 0.0
    l1: float = 0.0
    clip_norm: float | None = None

    step = "lion"

    def numbers(self, lr: float) -> dict[str, float]:
        return {"beta1": self.beta1, "beta2": self.beta2, "decay": lr * self.weight_decay}
