"""Learning rate schedules: callables of the epoch, which counts from 0 and continues in partial_fit."""
from __future__ import annotations

import math
from dataclasses import dataclass

from . import _checks
from ._repr import Shown

__all__ = ["Constant", "Step", "Exponential", "InverseScaling", "Cosine", "OneCycle"]


@dataclass(frozen=True, repr=False)
class _Schedule(Shown):
    lr: float

    def __post_init__(self) -> None:
        _checks.builtin_fields(self)
        _checks.number("lr", self.lr, least=0)

    def __call__(self, epoch: int) -> float:
        """The learning rate of an epoch; the first is 0."""
        return self.at(_checks.integer("epoch", epoch, 0))

    def at(self, epoch: int) -> float:
        raise NotImplementedError


@dataclass(frozen=True, repr=False)
class Constant(_Schedule):
    """Always lr."""

    def at(self, epoch: int) -> float:
        return self.lr


@dataclass(frozen=True, repr=False)
class Step(_Schedule):
    """lr times factor after every `every` epochs."""

    every: int
    factor: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.integer("every", self.every, 1)
        _checks.number("factor", self.factor, least=0)

    def at(self, epoch: int) -> float:
        return self.lr * _power(self.factor, epoch // self.every)


@dataclass(frozen=True, repr=False)
class Exponential(_Schedule):
    """lr times factor^epoch."""

    factor: float = 0.95

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.number("factor", self.factor, least=0)

    def at(self, epoch: int) -> float:
        return self.lr * _power(self.factor, epoch)


@dataclass(frozen=True, repr=False)
class InverseScaling(_Schedule):
    """lr / (epoch + 1)^power."""

    power: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.number("power", self.power)

    def at(self, epoch: int) -> float:
        divisor = _power(epoch + 1, abs(self.power))  # at least 1
        return self.lr / divisor if self.power >= 0 else self.lr * divisor


@dataclass(frozen=True, repr=False)
class Cosine(_Schedule):
    """Half a cosine from lr down to `final` over `epochs` epochs, then constantly `final` (Loshchilov and Hutter 2017).
    """

    epochs: int
    final: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.integer("epochs", self.epochs, 1)
        _checks.number("final", self.final, least=0)

    def at(self, epoch: int) -> float:
        return _cosine(self.lr, self.final, epoch / max(1, self.epochs - 1))


@dataclass(frozen=True, repr=False)
class OneCycle(_Schedule):
    """Warm-up by half a cosine from lr / div to lr over the first `warmup` of `epochs`, then by half a cosine down to
    lr / final_div (Smith and Topin 2018)."""

    epochs: int
    warmup: float = 0.3
    div: float = 25.0
    final_div: float = 1e4

    def __post_init__(self) -> None:
        super().__post_init__()
        _checks.integer("epochs", self.epochs, 1)
        _checks.number("warmup", self.warmup, least=0, most=1)
        for name in ("div", "final_div"):
            _checks.number(name, getattr(self, name), above=0)

    def at(self, epoch: int) -> float:
        peak = self.warmup * (self.epochs - 1)
        if epoch < peak:
            return _cosine(self.lr / self.div, self.lr, epoch / peak)
        return _cosine(self.lr, self.lr / self.final_div, (epoch - peak) / max(1e-9, self.epochs - 1 - peak))


def _power(base: float, exponent: float) -> float:
    """base^exponent; infinite if it is too large for a float."""
    try:
        return float(base) ** float(exponent)
    except OverflowError:
        return math.inf


def _cosine(start: float, end: float, part: float) -> float:
    return end + (start - end) * 0.5 * (1.0 + math.cos(math.pi * min(1.0, part)))
