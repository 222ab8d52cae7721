"""The tasks of Dask's workers in a round: each trains a copy of the estimator on its rows, then one worker averages."""
from __future__ import annotations

import copy
import math
from typing import Any, NamedTuple

import numpy as np
from sklearn.metrics import accuracy_score

from .. import _arrays, _checks
from .._optional import needs
from ..estimators._stochastic import batch_size
from .collections import Shard


class Trained(NamedTuple):
    """An estimator after some epochs on a worker's rows, or the average of several: with the weight of the rows and the
    mean loss of the last epoch."""

    est: Any
    weight: float
    loss: float


def trained(est: Any, shard: Shard, epochs: int, seed: int) -> Trained:
    """A copy of an estimator, trained for some epochs. seed: of the order of the rows."""
    weight = float(_weights(shard).sum())
    if weight == 0:
        return Trained(est, 0.0, 0.0)
    threads = est.n_threads
    est = copy.copy(est)  # what a task is given may be used by others
    est._random_state = np.random.RandomState(seed)
    est.n_threads = threads or threads_of_worker()
    for _ in range(epochs):
        est._fit(shard.X, shard.y, shard.weight, incremental=True)
    est.n_threads = threads
    return Trained(est, weight, est.loss_)


def threads_of_worker() -> int:
    """The number of threads of this Dask worker, all of which a task may use."""
    return int(needs("distributed", "a round").get_worker().state.nthreads)


def averaged(results: list[Trained]) -> Trained:
    """The mean of estimators: of weights, the optimiser's arrays and the loss, weighted by rows, added in their order.
    """
    results = [result for result in results if result.weight > 0]
    if not results:
        raise ValueError("sample_weight must not be all 0")
    total = sum(result.weight for result in results)
    est = copy.copy(results[0].est)
    mean = [np.zeros_like(a) for a in _arrays_of(est)]
    for result in results:
        for a, own in zip(mean, _arrays_of(result.est)):
            a += own * a.dtype.type(result.weight / total)
    network = est._mlp()._network
    p, *state = mean
    network.parameters.assign(p)
    for a, values in zip(network.progress.optimizer_state.arrays(), state):
        a[...] = values
    return Trained(est, total, sum(result.loss * result.weight for result in results) / total)


def _arrays_of(est: Any) -> list[Any]:
    network = est._mlp()._network
    return [network.parameters.values(), *network.progress.optimizer_state.arrays()]


class Losses(NamedTuple):
    """The sum of the weighted losses of rows, and their weight: numbers, or arrays with one for each member."""

    total: Any
    weight: Any

    def __add__(self, other: Losses) -> Losses:  # type: ignore[override]
        return Losses(self.total + other.total, self.weight + other.weight)


class Tally(NamedTuple):
    """Sums from which loss and score of some rows are computed; Tallies can be added.

    n: the number of rows with a weight above 0. weight: the sum of weights. loss: the sum of the losses. For
    classifiers, right: the weight of correct rows. For regressors, for each output: mean of y; spread, the sum of
    (y - mean)^2; missed, the sum of (y - prediction)^2.
    """

    n: int
    weight: float
    loss: float
    right: float
    mean: Any
    spread: Any
    missed: Any

    def __add__(self, other: Tally) -> Tally:  # type: ignore[override]
        """The Tally of the rows of both (Chan, Golub and LeVeque 1979)."""
        weight = self.weight + other.weight
        if not weight:
            return self
        apart = other.mean - self.mean
        return Tally(self.n + other.n, weight, self.loss + other.loss, self.right + other.right,
                     self.mean + apart * (other.weight / weight),
                     self.spread + other.spread + apart**2 * (self.weight * other.weight / weight),
                     self.missed + other.missed)

    def score(self, classifies: bool) -> float:
        """Accuracy, or R^2, the mean over outputs, by scikit-learn's conventions if y is constant; NaN if there are too
        few rows."""
        if self.n < (1 if classifies else 2):
            return math.nan
        if classifies:
            return self.right / self.weight
        constant = self.spread == 0
        share = 1 - self.missed / np.where(constant, 1, self.spread)
        return float(np.mean(np.where(constant, self.missed == 0, share)))


def tally(result: Trained, shard: Shard) -> Tally:
    """The Tally of a worker's rows."""
    est, weight = result.est, _weights(shard)
    network, total = est._mlp()._network, float(weight.sum())
    targets = _targets_of(est, shard, network.dtype)
    loss = est._loss_to_report(network.evaluate(shard.X, targets, weight)) * total if total else 0.0
    return _tally(est, shard, weight, float(loss))


def training_loss(result: Trained, shard: Shard) -> Losses:
    """The loss of a worker's rows with the present weights, without noise and dropout, with the penalties of
    training."""
    est, net, weight, n = result.est, result.est._mlp(), _weights(shard), shard.X.shape[0]
    total = float(weight.sum())
    if not total:
        return Losses(0.0, 0.0)
    given = shard.X, _targets_of(est, shard, net.dtype), weight
    loss = (net.loss_and_grad(*given, gradient_penalty=est.gradient_penalty)[0] if est.gradient_penalty
            else net.evaluate(*given))
    weights = [W for W in net.W if W is not None]
    penalty = sum(est.alpha / 2 * np.vdot(W, W) + est.l1 * np.abs(W).sum() for W in weights)
    batches = math.ceil(n / batch_size(est, n))
    return Losses(est._loss_to_report(loss) * total + penalty * batches, total)


def _weights(shard: Shard) -> Any:
    """Of a worker's rows, (n,) of float64, which may all be 0."""
    n = shard.X.shape[0]
    return np.ones(n) if shard.weight is None else _arrays.unscaled_weights(shard.weight, n, np.dtype(np.float64))


def _targets_of(est: Any, shard: Shard, dtype: Any) -> Any:
    """y of a worker's rows, as the network takes it."""
    return est._targets(est._validate_input(shard.X, shard.y, incremental=True, reset=False)[1], dtype)


def tally_of_predictions(est: Any, shard: Shard) -> Tally:
    """The Tally of a worker's rows without the loss, for any estimator."""
    return _tally(est, shard, _weights(shard), 0.0)


def _tally(est: Any, shard: Shard, weight: Any, loss: float) -> Tally:
    n, total, predicted, y = int((weight > 0).sum()), float(weight.sum()), est.predict(shard.X), shard.y
    y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
    if hasattr(est, "classes_"):
        with _checks.under("y"):
            right = float(accuracy_score(y, predicted, normalize=False, sample_weight=weight)) if total else 0.0
        return Tally(n, total, loss, right, 0.0, 0.0, 0.0)
    y = _arrays.shaped("y", y, predicted.shape, np.dtype(np.float64))
    y, predicted = (np.asarray(a, np.float64).reshape(len(a), -1) for a in (y, predicted))
    mean = weight @ y / total if total else np.zeros(y.shape[1])
    return Tally(n, total, loss, 0.0, mean, weight @ (y - mean) ** 2, weight @ (y - predicted) ** 2)


def labels(shard: Shard) -> tuple[Any, Any]:
    """(the classes in a worker's y, the number of rows of each); (None, None) for an indicator matrix."""
    y = shard.y.reshape(len(shard.y)) if shard.y.ndim == 2 and shard.y.shape[1] == 1 else shard.y
    with _checks.under("y"):
        return (None, None) if y.ndim == 2 else np.unique(y, return_counts=True)


def given(what: Any) -> Any:
    """Return the argument: the task that `sent` submits."""
    return what


def head(shard: Shard) -> Shard:
    """Its first row."""
    return Shard(shard.X[:1], shard.y[:1], None)
