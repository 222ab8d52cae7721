"""Attributions: how much each feature of a row contributes to an output, or to the row's error.

All take `model`, an MLP, a fitted estimator, or a fitted Pipeline that ends with one; for a Pipeline, attributions are
those of its last step, for the features that the previous steps compute. X (n, d(0)), dense or sparse, is as the model
takes it. The attributed number f of each row is the loss if y is given, the model's targets (labels of a classifier's
classes_); or an output if `output` is given, k or one for each row (n,); or with neither, the only output, or with
softmax that of the predicted class. They return (n, d(0)) in the network's dtype, and work in blocks of rows: memory
besides the result is about 100 MiB, or what one row needs. Random numbers do not depend on the blocks.

For a TabularClassifier or TabularRegressor they return (n, n_features_in_): for each column of the table the sum over
the features that encode it. f is the mean of the members' outputs x(L), probabilities or losses; in regression it is in
units of the standardised y.

at="logits", the default, is for x(L), before the loss's link; at="probabilities" for the results of predict. If a
softmax is saturated, derivatives of probabilities vanish, while those of logits still show which inputs matter; and a
probability also rises as the other classes' logits fall, so it mixes reasons for one class with reasons against others.

Categorical columns are not changed where an attribution moves a row, and have attribution 0.

Errors: ValueError if y and output are both given, or neither for several outputs without softmax, or do not fit;
TypeError for another kind of model.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from .. import _arrays, _checks
from .._types import Floats
from ._target import MOST_DRAWS, Model, Target, dense_rows, last_step, naming, networks, standard_deviations

MOST_STEPS = 4096  # nodes of a quadrature: the time to compute its weights grows with their cube
# of m rows x (m, 1, d(0)) and their numbers: points (m, n_points, d(0)), and what derivatives there are multiplied by
Points = Callable[[Floats, slice], tuple[Floats, Any]]


def saliency(model: Model, X: Any, y: Any = None, output: Any = None, at: str = "logits") -> Floats:
    """|df/dx_j| (Simonyan, Vedaldi, Zisserman 2014, arXiv 1312.6034)."""
    return _weighted_sum(Target(model, X, y, output, at), 1, lambda x, rows: (x, 1), np.abs)


def input_x_gradient(model: Model, X: Any, y: Any = None, output: Any = None, at: str = "logits") -> Floats:
    """x_j df/dx_j (Shrikumar et al. 2016, arXiv 1605.01713). For a linear f without bias they sum to f."""
    return _weighted_sum(Target(model, X, y, output, at), 1, lambda x, rows: (x, x))


def integrated_gradients(model: Model, X: Any, y: Any = None, output: Any = None, at: str = "logits", *,
                         baselines: ArrayLike | None = None, n_steps: int = 50,
                         return_convergence_delta: bool = False) -> Floats | tuple[Floats, Floats]:
    """(x_j - b_j) times the mean of df/dx_j on the straight line from a baseline b to x (Sundararajan, Taly, Yan 2017,
    arXiv 1703.01365).

    baselines : (d(0),), or (n, d(0)) for one for each row, flat or as maps; None for zeros. For an estimator of tables,
    a table of one row or n; None for encoded features of 0, which carry no information about any column. n_steps :
    nodes of the Gauss-Legendre rule.

    They sum to f(x) - f(b). With return_convergence_delta=True returns (attributions, delta), where delta (n,) is the
    error of this sum. It falls with n_steps: fast for smooth activations, as 1 / n_steps if df/dx has jumps because of
    relu or max pooling.
    """
    _checks.boolean("return_convergence_delta", return_convergence_delta)
    f = Target(model, X, y, output, at)
    B, dtype, n_steps = _baselines(baselines, f), f.net.dtype, _checks.integer("n_steps", n_steps, 1, MOST_STEPS)
    nodes, weights = np.polynomial.legendre.leggauss(n_steps)
    t, w = ((a / 2).astype(dtype)[:, None] for a in (nodes + 1, weights))

    def way(x: Floats, rows: slice) -> tuple[Floats, Floats]:
        b = B[rows][:, None]
        return b + t * (x - b), w * (x - b)

    attributions = _weighted_sum(f, n_steps, way)
    if not return_convergence_delta:
        return attributions
    rises = [f.value(dense_rows(f.X, rows, dtype), rows) - f.value(B[rows], rows)
             for rows in _arrays.blocks(f.n, 3 * sum(f.net.d) * dtype.itemsize)]
    return attributions, attributions.sum(axis=1) - np.concatenate(rises)


def smooth_grad(model: Model, X: Any, y: Any = None, output: Any = None, at: str = "logits", *, n_samples: int = 50,
                stdev: ArrayLike = 0.1, random_state: Any = None) -> Floats:
    """The mean of df/dx_j at n_samples points around x, x plus normal noise (Smilkov et al. 2017, arXiv 1706.03825).

    stdev : of the noise, a number or one for each feature (d(0),), in units of X; the paper uses 0.1 to 0.2 of X's
    range. For an estimator of tables, in units of the encoded features.
    """
    f = Target(model, X, y, output, at)
    n_samples = _checks.integer("n_samples", n_samples, 1, MOST_DRAWS)
    stdev = standard_deviations("stdev", stdev, f.net)
    rng = _checks.generator(random_state)

    def around(x: Floats, rows: slice) -> tuple[Floats, float]:
        return x + stdev * rng.standard_normal((len(x), n_samples, f.d), f.net.dtype), 1 / n_samples

    return _weighted_sum(f, n_samples, around)


def expected_gradients(model: Model, X: Any, y: Any = None, output: Any = None, at: str = "logits", *, background: Any,
                       n_samples: int = 200, random_state: Any = None) -> Floats:
    """Integrated gradients with baselines drawn from a background: the mean over n_samples draws of b from the
    background and t from [0, 1] of (x_j - b_j) df/dx_j at b + t (x - b) (Erion et al. 2021, arXiv 1906.10670).

    background : (m, d(0)), rows such as the training data. The sum is f(x) minus the mean of f over the background, up
    to sampling error.
    """
    f = Target(model, X, y, output, at)
    n_samples, rng = _checks.integer("n_samples", n_samples, 1, MOST_DRAWS), _checks.generator(random_state)
    with naming("background"):
        background = networks(model, background).X

    def ways(x: Floats, rows: slice) -> tuple[Floats, Floats]:
        draws = rng.random((len(x), n_samples, 2))  # b and t together, so that blocks do not matter
        drawn = (draws[..., 0] * background.shape[0]).astype(int).ravel()
        b = dense_rows(background, drawn, f.net.dtype).reshape(len(x), n_samples, f.d)
        return b + draws[..., 1:].astype(f.net.dtype) * (x - b), (x - b) / n_samples

    return _weighted_sum(f, n_samples, ways)


def _weighted_sum(f: Target, n_points: int, points: Points, change: Callable[..., Floats] = np.asarray) -> Floats:
    """sum_t D_t df/dx(Z_t) for each row x. points(x, rows), for m rows x (m, 1, d(0)), returns Z (m, n_points, d(0))
    and D, which is broadcast to the same shape. change : applied to the sums, before those of a table's columns are
    added."""
    out, numeric = np.empty((f.n, f.n_columns), f.net.dtype), f.net._network.numeric
    for rows in f.blocks(n_points):
        x = dense_rows(f.X, rows, f.net.dtype)[:, None]
        Z, D = points(x, rows)
        if numeric < f.d:
            Z = np.where(np.arange(f.d) < numeric, Z, x)
        gradients = f.gradient(Z.reshape(-1, f.d), np.repeat(np.arange(f.n)[rows], n_points))
        sums = change((D * gradients.reshape(Z.shape)).sum(axis=1))
        sums[:, numeric:] = 0
        out[rows] = f.by_column(sums)
    return out


def _baselines(given: Any, f: Target) -> Floats:
    """baselines as (n, d(0))."""
    if given is not None and f.source is not None:
        with naming("baselines"):
            given = networks(last_step(f.model), given).X
    b = np.zeros(f.d) if given is None else f.net._network.flat_row(_arrays.dense(given, "baselines"), "baselines")
    b = _arrays.numeric("baselines", f.net._network.flat_rows(b, "baselines"), f.net.dtype)
    if b.shape not in ((f.d,), (1, f.d), (f.n, f.d)):
        raise ValueError(f"baselines must have shape ({f.d},) or ({f.n}, {f.d}), got {b.shape}")
    numeric = f.net._network.numeric
    _arrays.finite("baselines", b[..., :numeric], f.net.dtype)
    b = np.broadcast_to(b.astype(f.net.dtype), (f.n, f.d))
    return b if numeric == f.d else np.where(np.arange(f.d) < numeric, b, f.X)
