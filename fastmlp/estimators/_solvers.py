"""Common code of the estimators' solvers: the table of solvers, the FitJob, and callbacks."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from sklearn.utils import _safe_indexing

from .. import _core, optim
from .._fit.ranks import ALONE
from .._network import Network
from .._types import Integers
from ..callbacks import Callback, TimeLimit, as_callbacks

# solver -> (its optimiser, {the optimiser's numbers: the estimators' parameters})
STOCHASTIC = {
    "sgd": (optim.SGD, {"lr": "learning_rate_init", "momentum": "momentum", "nesterov": "nesterovs_momentum"}),
    "adam": (optim.Adam, {"lr": "learning_rate_init", "beta1": "beta_1", "beta2": "beta_2", "eps": "epsilon"}),
}
NOT_FINITE = ("Solver produced non-finite parameter weights. The input data may contain large values and need to be "
              "preprocessed.")


@dataclass
class FitJob:
    """A fit: the estimator, its network, the data as given and bound for the engine.

    incremental : whether it is a partial_fit. validation : (X, y, sample_weight) of validation_data, or None. logged :
    names of the values in the logs of callbacks. ranks : those that fit it together. numbers : of this rank's rows,
    None for all. running : the Fit that records that the network is being fitted.
    """

    est: Any
    net: Any
    data: Any
    X: Any
    y: Any
    weight: Any
    incremental: bool
    validation: Any
    logged: Sequence[str]
    ranks: Any = ALONE
    numbers: Any = None
    running: Any = None

    @property
    def network(self) -> Network:
        """The network behind it."""
        return self.net._network

    def bind(self, rows: Integers) -> _core.Data:
        """Some of the rows, bound separately."""
        network, weight = self.network, self.data.sample_weight  # their mean is 1 over the rows of all ranks
        y = network.targets(self.est._targets(self.y[rows], network.dtype), len(rows))
        X = network.features(_safe_indexing(self.X, rows))
        return network.bind_checked(X, y, None if weight is None else np.ascontiguousarray(weight[rows]))

    def mean_weight(self, rows: Integers | None = None) -> float:
        """The mean sample weight of some rows, or of all, over all ranks."""
        if self.weight is None and not self.ranks.weighted:
            return 1.0
        weight = np.ones(self.y.shape[0]) if self.weight is None else self.weight
        some = weight if rows is None else weight[rows]
        if not self.ranks.several:
            return float(np.mean(some))
        total, n = self.ranks.sums(some.sum(dtype=np.float64), len(some))
        return total / n


def start_curves(est: Any) -> None:
    """Initialise the attributes that record the progress of a fit."""
    est.loss_curve_, est._no_improvement_count, est._curves_of_lbfgs = [], 0, not est._stochastic
    est.best_loss_, est.validation_scores_, est.best_validation_score_ = np.inf, None, None
    est._watching = None


def numbers_of_optimizer(est: Any) -> tuple[optim.Optimizer, dict[str, str]]:
    """(an optimiser's spec, {its numbers that come from the estimator: names of parameters})"""
    default, parameters = STOCHASTIC.get(est.solver, STOCHASTIC["adam"])
    spec, parameters = (default(), parameters) if est.optimizer is None else (optim.named(est.optimizer), {})
    return spec, parameters if est.gradient_clip is None else {**parameters, "clip_norm": "gradient_clip"}


def optimizer_of(est: Any) -> optim.Optimizer:
    """The optimiser's spec."""
    spec, parameters = numbers_of_optimizer(est)
    return replace(spec, **{name: getattr(est, parameter) for name, parameter in parameters.items()})


def callbacks_of(est: Any) -> list[Callback]:
    """The callbacks, with one for max_time."""
    limit = [] if est.max_time is None else [TimeLimit(est.max_time)]
    return as_callbacks(est.callbacks or ()) + limit


class Tasks:
    """Calls scikit-learn's callbacks, if there are any, for which a fit is a task, and each of its epochs a subtask.

    A context manager around the fit. wanted : the number of epochs, or None if it is not known.
    """

    def __init__(self, job: FitJob, wanted: int | None) -> None:
        self.fit: Any = None
        self.epoch: Any = None
        if not job.incremental and getattr(job.est, "_skl_callbacks", None):
            self.known = {"estimator": job.est, "X": job.X, "y": job.y, "metadata": {"sample_weight": job.weight}}
            self.fit = job.est._init_callback_context(max_subtasks=wanted)

    def __enter__(self) -> Self:
        if self.fit is not None:
            self.fit.call_on_fit_task_begin(**self.known)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self.fit is not None and error is None:
            self.fit.call_on_fit_task_end(**self.known, reconstruction_attributes={})

    def begin_epoch(self) -> None:
        """Report the beginning of an epoch."""
        if self.fit is not None:
            self.epoch = self.fit.subcontext(task_name="epoch")
            self.epoch.call_on_fit_task_begin(**self.known)

    def end_epoch(self) -> bool:
        """Report the end of an epoch; returns whether a callback wants to stop."""
        return self.fit is not None and self.epoch.call_on_fit_task_end(**self.known, reconstruction_attributes={})
