"""How the estimators train: scikit-learn's rules for epochs, patience and rates around the core's epochs, and L-BFGS."""
import contextlib
import warnings
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.optimize
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import get_scorer
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing
from sklearn.utils.optimize import _check_optimize_result

from .. import _robust, optim, training
from ..callbacks import TimeLimit, as_callback

STOCHASTIC = {
    "sgd": lambda est: optim.SGD(est.learning_rate_init, est.momentum, est.nesterovs_momentum),
    "adam": lambda est: optim.Adam(est.learning_rate_init, est.beta_1, est.beta_2, est.epsilon),
}
SMALLEST_RATE = 1e-6  # of learning_rate="adaptive"
NOT_FINITE = ("Solver produced non-finite parameter weights. The input data may contain large values and need to be "
              "preprocessed.")


@dataclass
class Optimizer:
    learning_rate: float


@dataclass
class Job:
    """A fit: the estimator, its network, the data bound for the core and as it was given."""

    est: Any
    net: Any
    data: Any
    X: Any
    y: Any
    weight: Any
    incremental: bool
    validation: Any

    def mean_weight(self, rows):
        return 1.0 if self.weight is None else float(np.mean(self.weight[rows]))


def optimizer_of(est):
    """The optimiser's spec."""
    spec = est.optimizer or STOCHASTIC[est.solver if est.solver in STOCHASTIC else "adam"](est)
    return spec if est.gradient_clip is None else replace(spec, clip_norm=est.gradient_clip)


def _callbacks(est):
    return [as_callback(c) for c in est.callbacks or ()] + ([] if est.max_time is None else [TimeLimit(est.max_time)])


def check_lbfgs(est, validation_data):
    """What L-BFGS cannot do must not be asked for."""
    if est.l1 or est._by_chance():
        raise ValueError("l1, dropout and input_noise must be 0 for solver='lbfgs', which wants a smooth loss that is the same each time")
    asked = {"gradient_clip": est.gradient_clip, "monitor": None if est.monitor == "loss" else est.monitor,
             "validation_data": validation_data}
    refused = [name for name, value in asked.items() if value is not None]
    if refused:
        raise ValueError(f"{' and '.join(refused)} must be None for solver='lbfgs', which chooses its steps itself, by the training loss")


def start_curves(est):
    """The attributes of a stochastic solver before its first epoch."""
    est.loss_curve_, est._no_improvement_count = [], 0
    est.best_loss_, est.validation_scores_, est.best_validation_score_ = np.inf, None, None


# ---- stochastic


def fit_stochastic(job):
    """Train by epochs until patience, max_iter, max_time, a callback or Ctrl-C ends it."""
    est, net = job.est, job.net
    optimizer = optimizer_of(est)
    _start_rate(est, net)
    if net._state is None:
        net._state = training.State(net, optimizer)
    else:
        net._state.adopt(net, optimizer)
    if not hasattr(est, "loss_curve_"):  # L-BFGS came before
        start_curves(est)
    watched, rows = _watched(job)
    batch = _batch_size(est, len(rows))
    penalties = est.alpha / job.mean_weight(rows), est.l1 / job.mean_weight(rows)
    callbacks = _callbacks(est)
    epochs = 1 if job.incremental else est.max_iter
    draw = _Draw(est, net, rows)
    best = _Best(net, est.restore_best, est.early_stopping or job.validation is not None)
    est.n_iter_ = 0
    with training.team_for(net, len(rows), 3 * epochs, batch=batch) as team, best:
        run = training.Epochs(net, job.data, rows, batch, team, callbacks, draw, penalties, est.input_noise,
                              _robust.penalty(net, gradient_penalty=est.gradient_penalty))
        try:
            with training.watched_by(callbacks, net, epochs) as end_epoch, _tasks(job, epochs) as task:
                _loop(job, run, watched, best, end_epoch, task)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.")


def _loop(job, run, watched, best, end_epoch, task):
    est = job.est
    for _ in range(1 if job.incremental else est.max_iter):
        with task() as end_task:
            _set_rate(est, job.net)
            loss = run.epoch(est._rate)
            est.n_iter_ += 1
            est.t_ += run.n
            est.loss_ = np.nan if loss is None else est._reported(loss + run.sensitivity) + run.penalty
            est.loss_curve_.append(est.loss_)
            if est.verbose:
                print(f"Iteration {est.n_iter_}, loss = {est.loss_:.8f}")
            improved = watched.look(est, run.team, diverged=loss is None)
            if improved:
                best.keep()
        if loss is None:
            best.diverged()
            return
        if est.learning_rate == "invscaling" and est.optimizer is None and est.solver == "sgd":
            est._rate = float(est.learning_rate_init) / (est.t_ + 1) ** est.power_t
        wants_end = end_task() | end_epoch(est.n_iter_, {"loss": est.loss_, "lr": est._rate, **watched.logs(est)})
        if est._no_improvement_count > est.n_iter_no_change and _patience_ends(est, watched):
            return
        if wants_end or run.stopped:
            return
    if not job.incremental:
        warnings.warn(f"Stochastic Optimizer: Maximum iterations ({est.max_iter}) reached and the optimization hasn't "
                      "converged yet.", ConvergenceWarning)


def _start_rate(est, net):
    """The rate goes on from the last fit unless what it is asked to be has changed."""
    asked = [est.optimizer, est.solver, est.learning_rate, float(est.learning_rate_init)]
    if net._state is None or vars(est).get("_rate_asked", asked) != asked:
        est._rate = float(est.learning_rate_init)
    est._rate_asked = asked


def _set_rate(est, net):
    """The rate of the next epoch, where a schedule knows it."""
    if est.optimizer is not None:
        est._rate = optim.rate(est.optimizer, net._state.epoch)
    elif callable(est.learning_rate):
        est._rate = optim.rate(optim.SGD(est.learning_rate), net._state.epoch)


def _patience_ends(est, watched):
    """Whether training ends now that nothing became better for n_iter_no_change epochs, or only the rate falls."""
    found = f"{watched.subject} did not improve more than tol={est.tol:f} for {est.n_iter_no_change} consecutive epochs."
    if est.learning_rate != "adaptive" or est.solver != "sgd" or est.optimizer is not None:
        verdict, ends = "Stopping.", True
    elif est._rate <= SMALLEST_RATE:
        verdict, ends = "Learning rate too small. Stopping.", True
    else:
        est._rate /= 5.0
        est._no_improvement_count = 0
        verdict, ends = f"Setting learning rate to {est._rate:f}", False
    if est.verbose:
        print(found, verdict)
    return ends


def _batch_size(est, n):
    if est.batch_size == "auto":
        return min(200, n)
    if est.batch_size > n:
        warnings.warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped")
    return min(est.batch_size, n)


class _Draw:
    """The order of the rows: each epoch's is a shuffle of the last one's, by the estimator's random_state."""

    def __init__(self, est, net, rows):
        self.random_state, self.rows = est._random_state if est.shuffle else None, rows
        self.index = np.arange(len(rows))
        self.drawn = {}  # by epoch: the last two

    def __call__(self, epoch, lo, hi):
        if self.random_state is None:
            return self.rows[lo:hi]
        if epoch not in self.drawn:
            order = np.arange(len(self.rows))
            self.random_state.shuffle(order)
            self.index = self.index[order]
            self.drawn = {**dict([*self.drawn.items()][-1:]), epoch: self.rows[self.index]}
        return self.drawn[epoch][lo:hi]


class _Best:
    """The weights to come back when the fit ends, however it does: those of the best epoch, if wanted; with validation
    rows the first ones too, as in scikit-learn."""

    def __init__(self, net, wanted, validated):
        self.net, self.wanted, self.lost = net, wanted or validated, False
        self.params = net.params if validated else None

    def keep(self):
        if self.wanted:
            self.params = self.net.params

    def diverged(self):
        self.lost = True

    def __enter__(self):
        return self

    def __exit__(self, kind, error, trace):
        if self.params is not None:
            self.net.params = self.params
        if self.lost and self.params is None:
            raise ValueError(NOT_FINITE)
        if self.lost:
            warnings.warn("the loss was not finite: training stopped, the best weights before are kept",
                          training.DivergenceWarning, stacklevel=3)


# ---- what is watched


def _watched(job):
    """(what patience looks at, numbers of the rows to train on)"""
    est, n = job.est, job.X.shape[0]
    rows = np.arange(n)
    if job.validation is not None:
        X, y, weight = job.validation
        data = job.net._data(X, est._targets(y, job.net.dtype), weight)
        return _Scores(est, data, None, X, y, weight, "Validation"), rows
    if est.early_stopping:
        rows, held = train_test_split(rows, random_state=est._random_state, test_size=est.validation_fraction,
                                      stratify=est._strata(job.y))
        if len(held) < 2:
            raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
        weight = None if job.weight is None else job.weight[held]
        return _Scores(est, job.data, held, _safe_indexing(job.X, held), job.y[held], weight, "Validation"), rows
    if est.monitor in (None, "loss"):
        return _TrainingLoss(est), rows
    return _Scores(est, job.data, None, job.X, job.y, job.weight, "Training"), rows


class _TrainingLoss:
    """Patience looks at the loss of the epoch."""

    subject = "Training loss"

    def __init__(self, est):
        if est.best_loss_ is None:  # the fit before watched scores
            est.validation_scores_ = est.best_validation_score_ = None
            est.best_loss_, est._no_improvement_count = float(np.fmin.reduce(est.loss_curve_, initial=np.inf)), 0

    def look(self, est, team, diverged):
        loss = est.loss_curve_[-1]
        worse = loss > est.best_loss_ - est.tol
        est._no_improvement_count = est._no_improvement_count + 1 if worse else 0
        better = loss < est.best_loss_
        est.best_loss_ = min(loss, est.best_loss_) if better else est.best_loss_
        return better

    def logs(self, est):
        return {}


def _scorer(monitor):
    try:
        return get_scorer(monitor)
    except ValueError as error:
        raise ValueError(f"monitor must be 'loss', 'score', a scorer or its name, got {monitor!r}: {error}") from error


class _Scores:
    """Patience looks at a score of some rows, larger is better: the estimator's own, a scorer's, or minus the loss."""

    def __init__(self, est, data, rows, X, y, weight, subject):
        self.data, self.rows, self.X, self.y, self.weight = data, rows, X, y, weight
        self.subject = f"{subject} score"
        self.scorer = None if est.monitor in (None, "loss", "score") else _scorer(est.monitor)
        self.minus_loss = est.monitor == "loss"
        if est.validation_scores_ is None:
            est.validation_scores_, est.best_validation_score_, est.best_loss_ = [], -np.inf, None
            est._no_improvement_count = 0

    def look(self, est, team, diverged):
        score = np.nan if diverged else float(self.score(est, team))
        est.validation_scores_.append(score)
        if est.verbose:
            print(f"{self.subject}: {score:f}")
        worse = score < est.best_validation_score_ + est.tol
        est._no_improvement_count = est._no_improvement_count + 1 if worse else 0
        better = score > est.best_validation_score_
        est.best_validation_score_ = score if better else est.best_validation_score_
        return better

    def score(self, est, team):
        core = est._net[0]._core
        if self.minus_loss:
            return -est._reported(core.evaluate(self.data, team, self.rows) / self.data.weight_of(self.rows))
        if self.scorer is not None:
            return self.scorer(_nameless(est), self.X, self.y, **({} if self.weight is None else {"sample_weight": self.weight}))

        def outputs(part=None):
            if part is None:
                return core.predict(self.data, team, self.rows)
            return core.predict(self.data, team, np.arange(*part.indices(self.data.n)) if self.rows is None else self.rows[part])

        return est._score_of(outputs, self.y, self.weight)

    def logs(self, est):
        return {"val_score": est.validation_scores_[-1]}


def _nameless(est):
    """The estimator as it is now, for arrays without the features' names."""
    twin = object.__new__(type(est))
    twin.__dict__.update((k, v) for k, v in est.__dict__.items() if k != "feature_names_in_")
    return twin


# ---- scikit-learn's callbacks


@contextlib.contextmanager
def _tasks(job, epochs):
    """For scikit-learn's callbacks, if there are any: gives a function whose result is the context of one epoch, which
    gives a function that ends the epoch's task and says whether a callback wants to stop."""
    est = job.est
    if job.incremental or not getattr(est, "_skl_callbacks", None):
        yield lambda: contextlib.nullcontext(lambda: False)
        return
    known = {"estimator": est, "X": job.X, "y": job.y, "metadata": {"sample_weight": job.weight}}
    root = est._init_callback_context(max_subtasks=epochs)
    root.call_on_fit_task_begin(**known)

    @contextlib.contextmanager
    def task():
        context = root.subcontext(task_name="epoch")
        context.call_on_fit_task_begin(**known)
        yield lambda: context.call_on_fit_task_end(**known, reconstruction_attributes={})

    yield task
    root.call_on_fit_task_end(**known, reconstruction_attributes={})


# ---- L-BFGS


def fit_lbfgs(job):
    """Minimise the loss of all rows by scipy's L-BFGS-B."""
    est, net = job.est, job.net
    callbacks = _callbacks(est)
    with training.team_for(net, job.data.n, 3 * est.max_iter) as team, _tasks(job, None) as task, \
            training.watched_by(callbacks, net, est.max_iter) as end_iteration:
        objective = Objective(est, net, job.data, team, est.alpha / job.mean_weight(slice(None)))
        result = scipy.optimize.minimize(
            objective, objective.start(), method="L-BFGS-B", jac=True, callback=_Iterations(est, objective, task, end_iteration),
            options={"maxfun": est.max_fun, "maxiter": est.max_iter, "gtol": est.tol})
        objective.set(result.x)
    est.n_iter_ = _check_optimize_result("lbfgs", result, est.max_iter)
    est.loss_ = result.fun
    if not np.isfinite(net.params).all():
        raise ValueError(NOT_FINITE)


class Objective:
    """The penalised mean loss and its gradient as functions of all weights, then all biases, in one array."""

    def __init__(self, est, net, data, team, alpha):
        self.est, self.net, self.data, self.team, self.alpha = est, net, data, team, alpha / data.n
        self.penalty = _robust.penalty(net, gradient_penalty=est.gradient_penalty)

    def arrays(self, of=None):
        """Weights and biases, or what is laid out as they are."""
        W, b = (self.net.W, self.net.b) if of is None else self.net._unflatten(of)
        return [a for a in (*W, *b) if a is not None]

    def start(self):
        return np.concatenate([a.ravel() for a in self.arrays()], dtype=np.float64)

    def set(self, packed):
        for a in self.arrays():
            a[...] = packed[:a.size].reshape(a.shape)
            packed = packed[a.size:]

    def __call__(self, packed):
        self.set(packed)
        total, G = self.net._core.gradient(self.data, self.team, self.penalty)
        W = [a for a in self.net.W if a is not None]
        loss = self.est._reported(total / self.data.weight_sum) + 0.5 * self.alpha * sum(float(np.vdot(w, w)) for w in W)
        scale = self.est._reported(1.0)
        gradient = [scale * g for g in self.arrays(G)]
        for g, w in zip(gradient, W):
            g += self.alpha * w
        return loss, np.concatenate([g.ravel() for g in gradient], dtype=np.float64)


def loss_and_gradient(est, packed, X, y, sample_weight):
    """What L-BFGS minimises of an estimator, at weights and biases packed in one array."""
    net = est._build(est.coefs_, est.intercepts_, "float64")
    mean = 1.0 if sample_weight is None else float(np.mean(sample_weight))
    with training.team_for(net, X.shape[0], 3) as team:
        return Objective(est, net, net._data(X, y, sample_weight), team, est.alpha / mean)(packed)


class _Iterations:
    """What looks on after each iteration of L-BFGS."""

    def __init__(self, est, objective, task, end_iteration):
        self.est, self.objective, self.task, self.end_iteration, self.n = est, objective, task, end_iteration, 0

    def __call__(self, intermediate_result):
        self.n += 1
        if self.est.verbose:
            print(f"Iteration {self.n}, loss = {intermediate_result.fun:.8f}")
        with self.task() as end_task:
            self.objective.set(intermediate_result.x)
            if end_task() | self.end_iteration(self.n, {"loss": float(intermediate_result.fun)}):
                raise StopIteration
