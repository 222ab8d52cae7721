"""What fit may do about a network's sensitivity to its input: penalties on it, and training on attacked inputs."""
import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _check, _core

def penalty(net, **lams):
    """(number of the penalty or 0, lam) for the core, of at most one that is not 0."""
    lams = {name: _check.number(name, lam, least=0) for name, lam in lams.items()}
    asked = {name: lam for name, lam in lams.items() if lam > 0}
    if len(asked) > 1:
        raise ValueError(" and ".join(asked) + " must not both be above 0, got " + " and ".join(f"{lam:g}" for lam in asked.values()))
    for name, lam in asked.items():
        if name == "gradient_penalty" and net.loss.function:
            raise ValueError(f"gradient_penalty must be 0 where the loss is a function, which has no second derivatives, got {lam:g}")
        return _core.PENALTIES[name], lam
    return 0, 0.0


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

    def __post_init__(self):
        _check.number("eps", self.eps, least=0)
        if self.eps_step is not None:
            _check.number("eps_step", self.eps_step, above=0)
        _check.integer("max_iter", self.max_iter, 1)
        if self.norm not in (2, math.inf):
            raise ValueError(f"norm must be 2 or math.inf, got {self.norm!r}")
        if self.clip is not None:
            if not isinstance(self.clip, (tuple, list)) or len(self.clip) != 2:
                raise TypeError(f"clip must be (low, high) or None, got {self.clip!r}")
            low, high = (_check.number("clip", end) for end in self.clip)
            if not low < high:
                raise ValueError(f"clip must be (low, high) with low < high, got {self.clip!r}")

    def numbers(self, X):
        """For the core: numbers of attack_t, steps, whether to start at random. X : what is going to be moved."""
        low, high = (-math.inf, math.inf) if self.clip is None else map(float, self.clip)
        if self.clip is not None:
            X = X if hasattr(X, "tocsr") else np.asarray(X)
            if X.min() < low or X.max() > high:
                raise ValueError(f"X must be within clip, {low:g} to {high:g}, got values from {X.min():g} to {X.max():g}")
        step = self.eps_step or self.eps * (1 if self.max_iter == 1 else 2.5 / self.max_iter)
        return (2 if self.norm == 2 else 0, float(self.eps), step, low, high), self.max_iter, self.random_start


def attack(spec, X):
    """fit's `adversarial` for the core."""
    if spec is None:
        return None
    if not isinstance(spec, Attack):
        raise TypeError(f"adversarial must be a fastmlp.sensitivity.Attack(..) or None, got {spec!r}")
    return spec.numbers(X)
