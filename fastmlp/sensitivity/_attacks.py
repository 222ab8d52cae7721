"""Inputs moved, within a small distance, to where the loss is larger."""
import math

import numpy as np

from .. import _check, training
from .._robust import Attack


def fgsm(net, X, y, eps, norm=math.inf, clip=None):
    """The fast gradient method (Goodfellow, Shlens and Szegedy 2015): X + eps sign(de/dx(0)), for norm 2 X + eps g / |g|.

    X : (n, d(0)). y : targets. eps : how far. clip : (low, high), the range of X, kept, or None. Returns (n, d(0)).
    """
    return _attack(net, X, y, Attack(eps, norm=norm, clip=clip), 0)


def pgd(net, X, y, eps, eps_step=None, max_iter=20, num_random_init=0, norm=math.inf, clip=None, random_state=None):
    """Projected gradient descent (Madry et al. 2018): steps along the gradient of the loss, each back to within eps of X.

    X : (n, d(0)). y : targets. eps : how far; eps_step : of a step, default 2.5 eps / max_iter, of a single step eps. norm : math.inf or 2.
    num_random_init : 0 starts from X; k > 0 starts k times at random within eps and keeps for each row the worst.
    clip : (low, high), the range of X, kept, or None. Returns (n, d(0)).
    """
    _check.integer("num_random_init", num_random_init, 0)
    spec = Attack(eps, eps_step, max_iter, norm, clip, num_random_init > 0)
    seeds = np.random.default_rng(random_state).integers(2**63, size=max(1, num_random_init))
    worst, most = None, None
    for seed in seeds:
        moved = _attack(net, X, y, spec, int(seed))
        losses = _losses(net, moved, y) if len(seeds) > 1 else None
        if worst is None:
            worst, most = moved, losses
            continue
        better = losses > most
        worst[better], most[better] = moved[better], losses[better]
    return worst


def _losses(net, X, y):
    """e of each row."""
    data = net._data(X, y)
    with training.team_for(net, data.n, 2) as team:
        return net._core.pull(data, team)[1]


def _attack(net, X, y, spec, seed):
    data = net._data(X, y)
    numbers = spec.numbers(X)
    net._finite_weights()
    with training.team_for(net, data.n, 3 * spec.max_iter) as team:
        return net._core.attack(data, team, numbers, seed)
