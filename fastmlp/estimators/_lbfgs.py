"""Solver "lbfgs": scipy's L-BFGS-B on the loss of all rows."""
from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import scipy.optimize
from numpy.typing import NDArray
from sklearn.utils.optimize import _check_optimize_result

from .. import _core, _robustness, _running_fits
from .._fit.loop import Notify, Notifying
from .._network import Network
from .._types import Floats
from . import _solvers

Packed = NDArray[np.float64]  # all weights, then all biases, in one array


def check_lbfgs(est: Any, validation_data: Any) -> None:
    """ValueError if parameters are set that L-BFGS does not support."""
    if est.l1 or est._draws_random_numbers():
        raise ValueError("l1, dropout and input_noise must be 0 for solver='lbfgs', "
                         "which wants a smooth loss that is the same each time")
    asked = {"gradient_clip": est.gradient_clip, "monitor": None if est.monitor == "loss" else est.monitor,
             "validation_data": validation_data}  # or X_val, which is the same
    refused = [name for name, value in asked.items() if value is not None]
    if refused:
        raise ValueError(f"{' and '.join(refused)} must be None for solver='lbfgs', "
                         "which chooses its steps itself, by the training loss")


def fit_lbfgs(job: _solvers.FitJob) -> None:
    """Minimise the loss of all rows. The loop is scipy's; callbacks see its iterations as epochs.

    However it ends, the weights are those of the last iterate, not of a trial point of the line search.
    """
    est, network = job.est, job.network
    callbacks = _solvers.callbacks_of(est)
    _solvers.start_curves(est)
    est.n_iter_ = est.t_ = 0
    network.progress.optimizer_state = None  # it does not go with the new weights
    with network.team(job.data.n, 3 * est.max_iter) as team, Notifying(callbacks, job.net, est.max_iter) as notify, \
            _solvers.Tasks(job, None) as tasks:
        function = LossAndGradient(est, network, job.data, team, est.alpha / job.mean_weight())
        iterations = Iterations(est, function, tasks, notify)
        _running_fits.training_begins(est)
        try:
            result = scipy.optimize.minimize(
                function, iterations.x, method="L-BFGS-B", jac=True, callback=iterations,
                options={"maxfun": est.max_fun, "maxiter": est.max_iter, "gtol": est.tol})
            iterations.x = result.x
        except KeyboardInterrupt:
            iterations.stopped = True
            warnings.warn("Training interrupted by user.", stacklevel=2)
        finally:
            est.loss_ = function(iterations.x)[0]
    est.best_loss_ = min([*est.loss_curve_, est.loss_])
    if not np.isfinite(est.loss_) or not np.isfinite(job.net.params).all():
        raise ValueError(_solvers.NOT_FINITE)
    if not iterations.stopped:
        est.n_iter_ = _check_optimize_result("lbfgs", result, est.max_iter)


class LossAndGradient:
    """The penalised mean loss and its gradient as functions of all weights, then all biases, in one array.

    If the loss overflows, it is infinite and the gradient NaN: scipy's line search then goes back.
    """

    def __init__(self, est: Any, network: Network, data: _core.Data, team: _core.Team, alpha: float) -> None:
        self.est, self.network, self.data, self.team, self.alpha = est, network, data, team, alpha / data.n
        self.penalty = _robustness.penalty(network, gradient_penalty=est.gradient_penalty)

    def arrays(self, padded: Floats | None = None) -> list[Floats]:
        """Weights and biases, or the corresponding parts of a padded array."""
        parameters = self.network.parameters
        W, b = (parameters.W, parameters.b) if padded is None else parameters.by_layer(padded)
        return [a for a in (*W, *b) if a is not None]

    def start(self) -> Packed:
        return np.concatenate([a.ravel() for a in self.arrays()], dtype=np.float64)

    def set(self, packed: Packed) -> None:
        for a in self.arrays():
            a[...] = packed[:a.size].reshape(a.shape)
            packed = packed[a.size:]

    def __call__(self, packed: Packed) -> tuple[float, Packed]:
        self.set(packed)
        total, G = self.network.core.gradient(self.data, self.team, self.penalty)
        W = [a for a in self.network.parameters.W if a is not None]
        penalty = 0.5 * self.alpha * sum(float(np.vdot(w, w)) for w in W)
        loss = self.est._loss_to_report(total / self.data.weight_sum) + penalty
        if not np.isfinite(loss):
            return np.inf, np.full(packed.size, np.nan)
        scale = self.est._loss_to_report(1.0)
        gradient = [scale * g for g in self.arrays(G)]
        for g, w in zip(gradient, W):
            g += self.alpha * w
        return loss, np.concatenate([g.ravel() for g in gradient], dtype=np.float64)


def loss_and_gradient(est: Any, packed: Packed, X: Any, y: Any, sample_weight: Any) -> tuple[float, Packed]:
    """The function that L-BFGS minimises, and its gradient, at weights and biases packed in one array."""
    network = est._build(est.coefs_, est.intercepts_, "float64")._network
    mean = 1.0 if sample_weight is None else float(np.mean(sample_weight))
    with network.team(X.shape[0], 3) as team:
        return LossAndGradient(est, network, network.bind(X, y, sample_weight), team, est.alpha / mean)(packed)


class Iterations:
    """scipy's callback, which reports each iteration to the estimator's callbacks. x : the last iterate. stopped :
    whether a callback wanted to stop."""

    def __init__(self, est: Any, function: LossAndGradient, tasks: _solvers.Tasks, notify: Notify) -> None:
        self.est, self.function, self.tasks, self.notify = est, function, tasks, notify
        self.x, self.stopped = function.start(), False

    def __call__(self, intermediate_result: Any) -> None:
        est, loss = self.est, float(intermediate_result.fun)
        self.x = intermediate_result.x.copy()
        self.function.set(self.x)
        est.n_iter_ += 1
        est.loss_ = loss
        est.loss_curve_.append(loss)
        est.best_loss_ = min(loss, est.best_loss_)
        if est.verbose:
            print(f"Iteration {est.n_iter_}, loss = {loss:.8f}")
        self.tasks.begin_epoch()
        self.stopped = bool(self.tasks.end_epoch() | self.notify(est.n_iter_, {"loss": loss}))
        if self.stopped:
            raise StopIteration
