"""Solver "lbfgs": scipy's L-BFGS-B on the loss of all rows."""
import numpy as np
import scipy.optimize
from sklearn.utils.optimize import _check_optimize_result

from .. import _robust
from .._fit.loop import notifying
from . import _solvers


def check_lbfgs(est, validation_data):
    """ValueError where something is asked for that L-BFGS cannot do."""
    if est.l1 or est._draws_random_numbers():
        raise ValueError("l1, dropout and input_noise must be 0 for solver='lbfgs', "
                         "which wants a smooth loss that is the same each time")
    asked = {"gradient_clip": est.gradient_clip, "monitor": None if est.monitor == "loss" else est.monitor,
             "validation_data": validation_data}
    refused = [name for name, value in asked.items() if value is not None]
    if refused:
        raise ValueError(f"{' and '.join(refused)} must be None for solver='lbfgs', "
                         "which chooses its steps itself, by the training loss")


def fit_lbfgs(job):
    """Minimise the loss of all rows. The loop is scipy's; what looks on sees its iterations as epochs."""
    est, net, network = job.est, job.net, job.network
    callbacks = _solvers.callbacks_of(est)
    with network.team(job.data.n, 3 * est.max_iter) as team, notifying(callbacks, net, est.max_iter) as notify, \
            _solvers.Tasks(job, None) as tasks:
        function = LossAndGradient(est, network, job.data, team, est.alpha / job.mean_weight())
        result = scipy.optimize.minimize(
            function, function.start(), method="L-BFGS-B", jac=True, callback=Iterations(est, function, tasks, notify),
            options={"maxfun": est.max_fun, "maxiter": est.max_iter, "gtol": est.tol})
        function.set(result.x)
    est.n_iter_ = _check_optimize_result("lbfgs", result, est.max_iter)
    est.loss_ = result.fun
    if not np.isfinite(net.params).all():
        raise ValueError(_solvers.NOT_FINITE)


class LossAndGradient:
    """The penalised mean loss and its gradient as functions of all weights, then all biases, in one array."""

    def __init__(self, est, network, data, team, alpha):
        self.est, self.network, self.data, self.team, self.alpha = est, network, data, team, alpha / data.n
        self.penalty = _robust.penalty(network, gradient_penalty=est.gradient_penalty)

    def arrays(self, of=None):
        """Weights and biases, or what is laid out as they are."""
        parameters = self.network.parameters
        W, b = (parameters.W, parameters.b) if of is None else parameters.by_layer(of)
        return [a for a in (*W, *b) if a is not None]

    def start(self):
        return np.concatenate([a.ravel() for a in self.arrays()], dtype=np.float64)

    def set(self, packed):
        for a in self.arrays():
            a[...] = packed[:a.size].reshape(a.shape)
            packed = packed[a.size:]

    def __call__(self, packed):
        self.set(packed)
        total, G = self.network.core.gradient(self.data, self.team, self.penalty)
        W = [a for a in self.network.parameters.W if a is not None]
        penalty = 0.5 * self.alpha * sum(float(np.vdot(w, w)) for w in W)
        loss = self.est._loss_to_report(total / self.data.weight_sum) + penalty
        scale = self.est._loss_to_report(1.0)
        gradient = [scale * g for g in self.arrays(G)]
        for g, w in zip(gradient, W):
            g += self.alpha * w
        return loss, np.concatenate([g.ravel() for g in gradient], dtype=np.float64)


def loss_and_gradient(est, packed, X, y, sample_weight):
    """What L-BFGS minimises of an estimator, at weights and biases packed in one array."""
    network = est._build(est.coefs_, est.intercepts_, "float64")._network
    mean = 1.0 if sample_weight is None else float(np.mean(sample_weight))
    with network.team(X.shape[0], 3) as team:
        return LossAndGradient(est, network, network.bind(X, y, sample_weight), team, est.alpha / mean)(packed)


class Iterations:
    """scipy's callback: what looks on is told of each iteration."""

    def __init__(self, est, function, tasks, notify):
        self.est, self.function, self.tasks, self.notify, self.n = est, function, tasks, notify, 0

    def __call__(self, intermediate_result):
        self.n += 1
        if self.est.verbose:
            print(f"Iteration {self.n}, loss = {intermediate_result.fun:.8f}")
        self.tasks.begin_epoch()
        self.function.set(intermediate_result.x)
        if self.tasks.end_epoch() | self.notify(self.n, {"loss": float(intermediate_result.fun)}):
            raise StopIteration
