"""Adversarial attacks: move inputs by a small distance to increase the loss. All take `model`, an MLP or a fitted
estimator."""
from __future__ import annotations

import math
from typing import Any

from .. import _checks
from .._robustness import Attack
from .._types import Floats
from ._target import MOST_DRAWS, Model, Target, require_network, required


def fgsm(model: Model, X: Any, y: Any, eps: float, norm: float = math.inf,
         clip: tuple[float, float] | None = None) -> Floats:
    """The fast gradient method (Goodfellow, Shlens and Szegedy 2015, arXiv 1412.6572): X + eps sign(de/dx(0)), for norm
    2 X + eps g / |g|.

    X : (n, d(0)). y : the model's targets. eps : the largest distance. clip : (low, high), the range of X, which is
    kept, or None. Returns (n, d(0)). ValueError or TypeError for wrong arguments, or if X is not within clip.
    """
    require_network(model, pipelines=False)
    return _moved(Target(model, X, required(y)), Attack(eps, norm=norm, clip=clip), 0)


def pgd(model: Model, X: Any, y: Any, eps: float, eps_step: float | None = None, max_iter: int = 20,
        num_random_init: int = 0, norm: float = math.inf, clip: tuple[float, float] | None = None,
        random_state: Any = None) -> Floats:
    """Projected gradient descent (Madry et al. 2018, arXiv 1706.06083): steps along the gradient of the loss, each
    projected back to within eps of X.

    X : (n, d(0)). y : the model's targets. eps : the largest distance; eps_step : size of a step, default 2.5 eps /
    max_iter, or eps for a single step. norm : math.inf or 2. num_random_init : 0 starts from X; k > 0 starts k times
    from random points within eps and keeps the worst result for each row. clip : (low, high), the range of X, which is
    kept, or None. Returns (n, d(0)). ValueError and TypeError as in fgsm.
    """
    num_random_init = _checks.integer("num_random_init", num_random_init, 0, MOST_DRAWS)
    require_network(model, pipelines=False)
    spec = Attack(eps, eps_step, max_iter, norm, clip, num_random_init > 0)
    f, starts = Target(model, X, required(y)), max(1, num_random_init)
    seeds = _checks.generator(random_state).integers(2**63, size=starts)
    tries = (_moved(f, spec, int(seed)) for seed in seeds)
    worst = next(tries)
    if starts > 1:
        most = f.value(worst, slice(None))
    for moved in tries:
        losses = f.value(moved, slice(None))
        better = losses > most
        worst[better], most[better] = moved[better], losses[better]
    return worst


def _moved(f: Target, spec: Attack, seed: int) -> Floats:
    network = f.net._network
    data, numbers = network.bind(f.X, f.y), spec.numbers(network.numbers(f.X))
    with network.team(data.n, 3 * spec.max_iter) as team:
        return network.core.attack(data, team, numbers, seed)
