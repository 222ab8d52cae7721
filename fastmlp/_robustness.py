"""Options of training against sensitivity to the input: penalties, and adversarial training."""
from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _checks, _core
from ._engine.requests import AttackNumbers, Penalty

if TYPE_CHECKING:
    from ._network import Network

PENALTY_NAMES = {kind: name for name, kind in _core.PENALTIES.items()}  # kind -> option of fit


def penalty(network: Network, **lams: float) -> Penalty:
    """The Penalty from options of fit, at most one of which may be above 0."""
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
    """An attack: moves inputs to increase the loss, by steps along its gradient, at most eps away from the input.

    eps : the largest distance from the input, in the norm.
    eps_step : the size of a step; default 2.5 eps / max_iter, or eps for a single step.
    max_iter : the number of steps. 1 is the fast gradient method (Goodfellow, Shlens and Szegedy 2015), more are
        projected gradient descent (Madry et al. 2018).
    norm : math.inf, steps along the signs of the gradient, or 2, steps along the gradient.
    clip : (low, high), the range of valid inputs, or None.
    random_start : start from a random point in the cube, or on the sphere, of radius eps around the input.
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
        """AttackNumbers for the engine. X : the inputs to be moved; ValueError if they are not within clip."""
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
    """fit's option `adversarial` for the engine: AttackNumbers or None."""
    return None if spec is None else spec.numbers(X)


def checked_attack(name: str, spec: Any) -> Attack | None:
    """Check fit's option `adversarial`: TypeError unless it is an Attack or None."""
    if spec is None or isinstance(spec, Attack):
        return spec
    raise TypeError(f"{name} must be a fastmlp.sensitivity.Attack(..) or None, got {_checks.described(spec)}")
