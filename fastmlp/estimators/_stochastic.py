"""Solvers "sgd" and "adam", and other optimisers: scikit-learn's rates, patience and output, as a Plan of the one loop.
"""
from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from .. import _robustness, _running_fits, optim
from .._engine.requests import Objective
from .._fit import loop
from .._fit.epochs import EpochResult
from .._fit.orders import InOrder, Reshuffled
from .._network import Progress
from .._parameters import OptimizerState
from ..schedules import InverseScaling
from . import _solvers
from ._watched import Watched, training_loss, watched_of

SMALLEST_RATE = 1e-6  # at which learning_rate="adaptive" ends


@dataclass
class CurrentRate:
    """The solver's current rate, with scikit-learn's attribute name."""

    learning_rate: float


def fit_stochastic(job: _solvers.FitJob) -> None:
    """Train by epochs until patience, max_iter, max_time, a callback or Ctrl-C ends it."""
    est, ranks = job.est, job.ranks
    _start_rate(est, job.network.progress)
    if vars(est).get("_curves_of_lbfgs"):
        _solvers.start_curves(est)
    watched, rows = watched_of(job)
    order = Reshuffled(job.data.n, rows, est._random_state) if est.shuffle else InOrder(job.data.n, rows)
    mean_weight = job.mean_weight(rows)
    objective = Objective(est.alpha / mean_weight, est.l1 / mean_weight, est.input_noise,
                          _robustness.penalty(job.network, gradient_penalty=est.gradient_penalty))
    n = int(ranks.sums(order.n)[0])
    if est.batch_size != "auto" and est.batch_size > n:
        warnings.warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                      stacklevel=1)
    wanted = 1 if job.incremental else est.max_iter
    plan = EstimatorPlan(job, watched, wanted)
    est.n_iter_ = 0
    try:
        ending = loop.train(job.net, job.running, plan, job.data, order, wanted, batch_size(est, n), objective,
                            _solvers.callbacks_of(est), est.n_threads, ranks)
    except KeyboardInterrupt:
        if ranks.several:  # so that the others learn of it
            raise
        ending = loop.Ending.STOPPED
        warnings.warn("Training interrupted by user.", stacklevel=2)
    if ending is loop.Ending.DIVERGED:
        if watched.best_epoch.best_weights is None:
            raise ValueError(_solvers.NOT_FINITE)
        warnings.warn("the loss was not finite: training stopped, the best weights before are kept",
                      loop.DivergenceWarning, stacklevel=2)
    if ending is loop.Ending.COMPLETED and not job.incremental:
        warnings.warn(f"Stochastic Optimizer: Maximum iterations ({est.max_iter}) reached and the optimization hasn't "
                      "converged yet.", ConvergenceWarning, stacklevel=2)


class EstimatorPlan(loop.Plan):
    """The plan of scikit-learn's solvers: learning rates by its rules, attributes and prints for the progress, and
    stopping by patience."""

    def __init__(self, job: _solvers.FitJob, watched: Watched, wanted: int) -> None:
        self.job, self.est, self.watched, self.tasks = job, job.est, watched, _solvers.Tasks(job, wanted)
        self.task_stops = False

    def state(self) -> OptimizerState:
        network = self.job.network
        return OptimizerState.following(network.progress.optimizer_state, network.parameters,
                                        _solvers.optimizer_of(self.est))

    def __enter__(self) -> Self:
        self.job.network.progress.optimizer_state = self.epochs.state
        self.tasks.__enter__()
        self.watched.start(self.epochs)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            self.tasks.__exit__(kind, error, trace)
        finally:
            self.watched.best_epoch.restore(self.job.net)

    def present(self) -> loop.Present:
        return {"loss": lambda: training_loss(self.job, self.epochs)}

    def begin_epoch(self) -> float:
        self.tasks.begin_epoch()
        est = self.est
        _running_fits.training_begins(est)
        if est.optimizer is not None:
            est._rate = optim.rate(optim.named(est.optimizer), self.epochs.state.epoch)
        elif callable(est.learning_rate):
            est._rate = optim.rate(optim.SGD(est.learning_rate), self.epochs.state.epoch)
        return est._rate

    def end_epoch(self, result: EpochResult) -> tuple[int, dict[str, float]]:
        est, watched = self.est, self.watched
        self._report(est._loss_to_report(result.loss + result.sensitivity) + result.weight_penalty)
        watched.look(watched.measure())
        if est.learning_rate == "invscaling" and _has_rules_of_rate(est):
            est._rate = InverseScaling(float(est.learning_rate_init), est.power_t).at(est.t_)
        self.task_stops = self.tasks.end_epoch()
        return est.n_iter_, {"loss": est.loss_, "lr": est._rate, **watched.logs()}

    def diverged(self) -> None:
        self._report(np.nan)
        self.watched.diverged()

    def should_stop(self) -> bool:
        waited_long = self.est._no_improvement_count > self.est.n_iter_no_change
        return waited_long and self._patience_ends() or self.task_stops

    def _report(self, loss: float) -> None:
        """Record an epoch in the attributes, and print it."""
        est = self.est
        est.n_iter_ += 1
        est.t_ += self.epochs.n
        est.loss_ = loss
        est.loss_curve_.append(loss)
        if self.watched.prints:
            print(f"Iteration {est.n_iter_}, loss = {loss:.8f}")

    def _patience_ends(self) -> bool:
        """After n_iter_no_change epochs without improvement: whether training ends, or only the rate is reduced."""
        est = self.est
        if est.learning_rate != "adaptive" or not _has_rules_of_rate(est):
            verdict, ends = "Stopping.", True
        elif est._rate <= SMALLEST_RATE:
            verdict, ends = "Learning rate too small. Stopping.", True
        else:
            est._rate /= 5.0
            self.watched.wait_anew()
            verdict, ends = f"Setting learning rate to {est._rate:f}", False
        if ends:
            self.watched.end()
        if self.watched.prints:
            print(f"{self.watched.subject} did not improve more than tol={est.tol:f} for {est.n_iter_no_change} "
                  f"consecutive epochs. {verdict}")
        return ends


def _has_rules_of_rate(est: Any) -> bool:
    """Whether "invscaling" and "adaptive" have an effect as learning_rate: other solvers ignore them."""
    return est.solver == "sgd" and est.optimizer is None


def _start_rate(est: Any, progress: Progress) -> None:
    """Continue with the rate of the last fit, unless the parameters that determine it have changed."""
    asked = [est.optimizer, est.solver, est.learning_rate, float(est.learning_rate_init)]
    if progress.optimizer_state is None or vars(est).get("_rate_asked", asked) != asked:
        est._rate = float(est.learning_rate_init)
    est._rate_asked = asked


def batch_size(est: Any, n: int) -> int:
    """The batch size for n rows."""
    return min(200 if est.batch_size == "auto" else est.batch_size, n)
