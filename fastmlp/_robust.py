"""What training may do about a network's sensitivity to its input: penalties on it, and training on attacked inputs."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _checks, _core
from ._engine.requests import AttackNumbers, Penalty

if TYPE_CHECKING:
    from ._network import Network

PENALTY_NAMES = {kind: name for name, kind in _core.PENALTIES.items()}  # the option of fit that asks for each


def penalty(network: Network, **lams: float) -> Penalty:
    """The Penalty of a network, of options of which at most one may be above 0."""
    lams = {name: _checks.number(name, lam, least=0, dtype=network.dtype) for name, lam in lams.items()}
    asked = {name: lam for name, lam in lams.items() if lam > 0}
    if len(asked) > 1:
        raise ValueError(" and ".join(asked) + " must not both be above 0, got "
                         + " and ".join(f"{lam:g}" for lam in asked.values()))
    for name, lam in asked.items():
        if name == "gradient_penalty" and network.loss.function:
            raise ValueError("gradient_penalty must be 0 where the loss is a function, which has no second "
                             f"derivatives, got {lam:g}")
        return Penalty(_core.PENALTIES[name], lam)
    return Penalty()


@dataclass(frozen=True)
class Attack:
    """Moves inputs to where the loss is larger, by steps along its gradient, and never further than eps.

    eps : the largest distance from the input, in the norm.
    eps_step : of a step; default 2.5 eps / max_iter, of a single step eps.
    max_iter : steps. 1 is the fast gradient method (Goodfellow, Shlens and Szegedy 2015), more are projected gradient
        descent (Madry et al. 2018).
    norm : math.inf, steps by the signs of the gradient, or 2, steps along it.
    clip : (low, high), the range that inputs have, or None.
    random_start : begin anywhere in the cube, or on the sphere, around the input.
    """

    eps: float
    eps_step: float | None = None
    max_iter: int = 1
    norm: float = math.inf
    clip: Any = None
    random_start: bool = False

    def __post_init__(self) -> None:
        _checks.builtin_fields(self)
        _checks.number("eps", self.eps, least=0)
        if self.eps_step is not None:
            _checks.number("eps_step", self.eps_step, above=0)
        _checks.integer("max_iter", self.max_iter, 1, 2**31 - 1)
        if not _checks.is_number(self.norm) or self.norm not in (2, math.inf):
            raise ValueError(f"norm must be 2 or math.inf, got {_checks.described(self.norm)}")
        if self.clip is not None:
            if not isinstance(self.clip, (tuple, list)) or len(self.clip) != 2:
                raise TypeError(f"clip must be (low, high) or None, got {_checks.described(self.clip)}")
            low, high = (_checks.number("clip", end) for end in self.clip)
            if not low < high:
                raise ValueError(f"clip must be (low, high) with low < high, got {_checks.described(self.clip)}")

        _checks.boolean("random_start", self.random_start)

    def numbers(self, X: Any) -> AttackNumbers:
        """For the core, AttackNumbers. X : what is going to be moved; ValueError where it is not within clip."""
        low, high = (-math.inf, math.inf) if self.clip is None else map(float, self.clip)
        if self.clip is not None:
            X = X if hasattr(X, "tocsr") else np.asarray(X)
            if min(X.shape) and (X.min() < low or X.max() > high):
                raise ValueError(f"X must be within clip, {low:g} to {high:g}, "
                                 f"got values from {X.min():g} to {X.max():g}")
        step = self.eps_step or self.eps * (1 if self.max_iter == 1 else 2.5 / self.max_iter)
        norm = 2 if self.norm == 2 else 0
        return AttackNumbers(norm, float(self.eps), step, low, high, self.max_iter, self.random_start)


def attack(spec: Attack | None, X: Any) -> AttackNumbers | None:
    """fit's `adversarial` for the core: AttackNumbers or None."""
    return None if spec is None else spec.numbers(X)


def checked_attack(name: str, spec: Any) -> Attack | None:
    """fit's `adversarial`. TypeError where it is none."""
    if spec is None or isinstance(spec, Attack):
        return spec
    raise TypeError(f"{name} must be a fastmlp.sensitivity.Attack(..) or None, got {_checks.described(spec)}")
