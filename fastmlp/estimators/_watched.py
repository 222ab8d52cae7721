"""The value to which patience is applied in the estimators: the training loss, or a score of some rows."""
from __future__ import annotations

import math
from typing import Any

import joblib
import numpy as np
from sklearn.metrics import get_scorer
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing

from .. import _checks
from .._arrays import dense, kept
from .._fit.epochs import Epochs
from .._fit.measures import MeasuredRows
from .._fit.orders import hold_out, require_weight
from .._fit.ranks import Ranks
from .._monitor import Monitor
from .._types import Integers
from ._solvers import FitJob


class Patience(Monitor):
    """scikit-learn's rule: a lower cost is a new best; `waited` is reset unless cost > least_to_beat - tol (equal and
    NaN reset it). tol is min_delta here.

    least_to_beat is the cost with which new ones are compared: the least, or the least since begin_anew.
    """

    least_to_beat = math.inf

    def compare(self, cost: float) -> tuple[bool, bool]:
        is_best, is_progress = cost < self.least_cost, not cost > self.least_to_beat - self.min_delta
        if cost < self.least_to_beat:
            self.least_to_beat = cost
        return is_best, is_progress

    def begin_anew(self, number: float) -> None:
        """Compare with this value from now on, instead of the best one."""
        self.waited, self.least_to_beat = 0, self.sign * number if math.isfinite(number) else math.inf


class Watched:
    """A value to which patience is applied, and the estimator's public attributes that record it. The next partial_fit
    or warm fit continues from these if it watches the same value of the same rows, and the last one was not ended by
    patience.

    job : the fit. given : X, y and sample_weight of the rows. holds_weights : whether the weights of the best epoch are
    restored.

    subject : its name in messages. best_attribute : the attribute with its best value.
    """

    subject: str
    best_attribute: str
    larger_is_better = False

    def __init__(self, job: FitJob, given: tuple[Any, ...], holds_weights: bool) -> None:
        self.job, self.est, self.given, self.holds_weights = job, job.est, given, holds_weights
        self.ranks, self.prints = job.ranks, job.est.verbose and job.ranks.rank == 0
        self.goes_on = self._is_as_before()
        if not self.goes_on:
            self._forget()
        self.monitor = self._monitor_of_attributes()
        self.best_epoch = Monitor(self.subject, self.larger_is_better)  # whose weights are restored

    def start(self, epochs: Epochs) -> None:
        """Called before the first epoch: if this fit continues the last one, its weights are the best so far."""
        self.epochs = epochs
        if self.goes_on and self.holds_weights and not self.job.incremental:
            self.best_epoch.look(self.of_present_weights(), lambda: self.job.net._network.learned)

    def measure(self) -> float:
        """The value for the epoch that has just ended."""
        raise NotImplementedError

    def of_present_weights(self) -> float:
        """The value with the present weights."""
        return self.measure()

    def look(self, number: float) -> None:
        """Record the value of an epoch."""
        self._take(number)
        if self.holds_weights:
            self.best_epoch.look(self._of_weights_after(number), lambda: self.job.net._network.learned)

    def diverged(self) -> None:
        """Record that the last epoch diverged."""
        self._take(np.nan)

    def wait_anew(self) -> None:
        """Restart patience, and compare with the latest value."""
        self.monitor.begin_anew(self._latest())
        self._tell()

    def end(self) -> None:
        """Record that patience ended the fit, so that the next one does not continue from it."""
        self.est._watching["ended"] = True

    def logs(self) -> dict[str, float]:
        """The logs of callbacks besides the loss."""
        return {}

    def _of_weights_after(self, number: float) -> float:
        """The value with the weights at the end of the epoch. number: the recorded value of that epoch."""
        return number

    def _latest(self) -> float:
        """The value of the last epoch."""
        raise NotImplementedError

    def _take(self, number: float) -> None:
        self.monitor.look(number)
        self._tell()

    def _tell(self) -> None:
        est, monitor = self.est, self.monitor
        setattr(est, self.best_attribute, monitor.best)
        est._no_improvement_count = monitor.waited
        est._watching["least_to_beat"] = float(monitor.least_to_beat)

    # ---- from fit to fit

    def _what(self) -> str:
        """A text that identifies what is watched."""
        raise NotImplementedError

    def _is_as_before(self) -> bool:
        """Whether the last fit watched the same, and was not ended by patience; also stores what is watched for the
        next.

        In partial_fit, different rows in each call are treated as the same; and rows are not compared unless fits
        continue each other.
        """
        rows = None if self.job.incremental or not self.est.warm_start else joblib.hash(self.given)
        now = {"what": self._what(), "rows": rows, "ended": False, "least_to_beat": np.inf}
        last = vars(self.est).get("_watching") or {"what": None}
        self.est._watching = now
        is_another = last["what"] != now["what"] or (rows is not None and last["rows"] != rows)
        self.is_another = self.ranks.any(is_another)
        if self.is_another or last["ended"]:
            return False
        now.update(rows=last["rows"], least_to_beat=last["least_to_beat"])
        return True

    def _forget(self) -> None:
        """Reset the best value and patience."""
        best = -np.inf if self.larger_is_better else np.inf
        setattr(self.est, self.best_attribute, best)
        self.est._no_improvement_count = 0
        self.est._watching["least_to_beat"] = np.inf

    def _monitor_of_attributes(self) -> Patience:
        est, monitor = self.est, Patience(self.subject, self.larger_is_better, self.est.tol)
        monitor.least_cost = monitor.sign * getattr(est, self.best_attribute)
        monitor.waited, monitor.least_to_beat = est._no_improvement_count, est._watching["least_to_beat"]
        return monitor


class TrainingLoss(Watched):
    """The loss of the epoch, with penalties.

    It is a mean over the steps, each with the weights before it, none of which exist at the end of the epoch. So the
    weights to restore are chosen by the loss measured at the end of each epoch.
    """

    subject, best_attribute = "Training loss", "best_loss_"

    def __init__(self, job: FitJob, holds_weights: bool) -> None:
        job.est.validation_scores_ = job.est.best_validation_score_ = None
        super().__init__(job, (job.X, job.y, job.weight), holds_weights)

    def measure(self) -> float:
        return self.est.loss_curve_[-1]

    def of_present_weights(self) -> float:
        return training_loss(self.job, self.epochs)

    def _of_weights_after(self, number: float) -> float:
        return self.of_present_weights()

    def _latest(self) -> float:
        return self.est.loss_curve_[-1]

    def _what(self) -> str:
        est = self.est
        return f"loss {est.loss} {est.alpha} {est.l1} {est.gradient_penalty} {vars(est).get('label_smoothing')}"


def training_loss(job: FitJob, epochs: Epochs) -> float:
    """The loss of the training rows with the present weights, with penalties, without noise and dropout."""
    network, objective, rows = job.network, epochs.objective, epochs.order.rows
    loss = epochs.loss()
    if objective.penalty.kind:
        data = epochs.data if rows is None or not len(rows) else job.bind(rows)
        total = network.core.gradient(data, epochs.team, objective.penalty)[0], data.weight_sum
        total, weight = job.ranks.sums(*(total if epochs.order.n else (0.0, 0.0)))
        loss = total / weight
    weights = [W for W in network.parameters.W if W is not None]
    penalty = sum(objective.row_l2 / 2 * np.vdot(W, W) + objective.row_l1 * np.abs(W).sum() for W in weights)
    return float(job.est._loss_to_report(loss) + penalty * epochs.batches / epochs.n)


class Score(Watched):
    """A score of some rows: the estimator's own, a scorer's, or minus the loss.

    rows : MeasuredRows. given : X, y and weight of the same rows, as the user gave them. held_out : whether they are
    not trained on.
    """

    best_attribute, larger_is_better = "best_validation_score_", True

    def __init__(self, job: FitJob, holds_weights: bool, subject: str, rows: MeasuredRows, given: tuple[Any, ...],
                 held_out: bool) -> None:
        est, self.subject, self.rows, self.held_out = job.est, subject, rows, held_out
        self.X, y, self.weight = given
        self.y = kept(y)  # which is not checked again, as X is where it is predicted
        self.scorer = None if est.monitor in (None, "loss", "score") else _scorer(est.monitor)
        est.best_loss_ = None
        super().__init__(job, given, holds_weights)
        self.of_all = _of_all(est, self.y, self.weight, self.ranks) if self.ranks.several else None
        if self.is_another or est.validation_scores_ is None:
            est.validation_scores_ = []

    def start(self, epochs: Epochs) -> None:
        """ValueError if the score cannot be computed for the rows, before anything is trained."""
        self.epochs = epochs
        if self.job.incremental:
            return
        score = self._measure_first()
        if not np.isfinite(score) and np.isfinite(self._loss()):
            raise ValueError(f"monitor {self.est.monitor or 'score'!r} must be a finite number for the rows that are "
                             f"watched, got {score} for {self.X.shape[0]} of them before training: it is not defined "
                             "for too few rows or classes")
        if self.goes_on and self.holds_weights and score != self.est.best_validation_score_:  # the weights were changed
            self.goes_on = False
            self._forget()
            self.monitor = self._monitor_of_attributes()
        if self.goes_on and self.holds_weights:
            self.best_epoch.look(score, lambda: self.job.net._network.learned)

    def _measure_first(self) -> float:
        """The score before training. ValueError where a scorer is none for such rows, or for such an estimator."""
        try:
            return self.measure()
        except (ValueError, AttributeError) as error:
            if self.scorer is None:
                raise
            raise ValueError(f"monitor must be a scorer for such an estimator and such rows, got {self.est.monitor!r}: "
                             f"{error}") from error

    def measure(self) -> float:
        if self.est.monitor == "loss":
            return -self._loss()
        if self.scorer is not None:
            weight = {} if self.weight is None else {"sample_weight": self.weight}
            score = self.scorer(_without_feature_names(self.est), self.X, self.y, **weight)
            return _checks.result("monitor", score)
        if self.of_all is not None:
            found = self.ranks.gather(self.rows.total_and_outputs(self.epochs.team)[1])
            return float(self.est._score_of(lambda part=...: found[part], *self.of_all))
        outputs = lambda part=None: self.rows.outputs(self.epochs.team, part)
        return float(self.est._score_of(outputs, self.y, self.weight))

    def _loss(self) -> float:
        total, weight = self.ranks.sums(self.rows.total(self.epochs.team), self.rows.weight if self.rows.some else 0.0)
        return float(self.est._loss_to_report(total / weight))

    def _take(self, number: float) -> None:
        self.est.validation_scores_.append(number)
        if self.prints:
            print(f"{self.subject}: {number:f}")
        super()._take(number)

    def _latest(self) -> float:
        return self.est.validation_scores_[-1]

    def _what(self) -> str:
        est = self.est
        return f"{self.subject} {est.monitor or 'score'} {est.loss if est.monitor == 'loss' else ''}"

    def logs(self) -> dict[str, float]:
        if not self.est.callbacks and not self.ranks.several:  # measuring the loss is a pass over the rows
            return {}
        return {**({"val_loss": self._loss()} if self.held_out else {}), "val_score": self._latest()}


def names_logged(est: Any, validation_data: Any) -> tuple[str, ...]:
    """The names of the values in the logs of callbacks."""
    if not est._stochastic:
        return ("loss",)
    if est.early_stopping or validation_data is not None:
        return "loss", "lr", "val_loss", "val_score"
    return ("loss", "lr") if est.monitor in (None, "loss") else ("loss", "lr", "val_score")


def watched_of(job: FitJob) -> tuple[Watched, Integers | None]:
    """(the Watched of a fit, numbers of the rows to train on, or None for all)"""
    est, network = job.est, job.network
    validates = est.early_stopping or job.validation is not None
    holds_weights = est.restore_best or validates
    if not validates and est.monitor in (None, "loss"):
        return TrainingLoss(job, holds_weights), job.numbers
    rows, given, subject = job.numbers, (job.X, job.y, job.weight), "Training score"
    measured = MeasuredRows(network, job.data, job.numbers)
    if job.validation is not None:
        given, subject = job.validation, "Validation score"
        X, y, weight = given
        targets = est._targets(y, network.dtype) if y.shape[0] else y
        measured = MeasuredRows(network, *job.ranks.bind(network, X, targets, weight))
    elif est.early_stopping:
        rows, held_out = _hold_out(job)
        weight = None if job.weight is None else job.weight[held_out]
        given, subject = (_safe_indexing(job.X, held_out), job.y[held_out], weight), "Validation score"
        measured = MeasuredRows(network, job.data, held_out)
    return Score(job, holds_weights, subject, measured, given, validates), rows


def _hold_out(job: FitJob) -> tuple[Integers, Integers]:
    """Numbers of the rows to train on, and of those held out: scikit-learn's split, by the estimator's random_state."""
    est = job.est
    if job.ranks.several:
        trained, held = hold_out(job.data, job.numbers, est.validation_fraction,
                                 int(est._random_state.randint(2**31 - 1)), job.ranks)
        if trained is None or held is None:
            raise ValueError(f"validation_fraction must be above 0 for early_stopping, got {est.validation_fraction}")
        return trained, held
    with _checks.under("validation_fraction"):
        rows, held_out = train_test_split(np.arange(job.data.n), random_state=est._random_state,
                                          test_size=est.validation_fraction,
                                          stratify=est._stratification_labels(job.y))
    if len(held_out) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    rows, held_out = rows.astype(np.int64), held_out.astype(np.int64)
    require_weight(job.data, rows, held_out)
    return rows, held_out


def _of_all(est: Any, y: Any, weight: Any, ranks: Ranks) -> tuple[Any, Any] | None:
    """y and weights of the rows of all ranks; y is not needed if the loss is watched."""
    if est.monitor == "loss":
        return None
    classes = vars(est).get("classes_")
    labels = classes is not None and y.ndim == 1
    if ranks.any(weight is not None):
        weight = ranks.gather(np.ones(y.shape[0]) if weight is None else np.asarray(weight, np.float64))
    if labels:
        return classes[ranks.gather(np.searchsorted(classes, y))], weight
    return ranks.gather(np.asarray(dense(y, "y"))), weight


def _scorer(monitor: Any) -> Any:
    try:
        return get_scorer(monitor)
    except ValueError as error:
        raise ValueError(f"monitor must be 'loss', 'score', a scorer or its name, got {monitor!r}: {error}") from error


def _without_feature_names(est: Any) -> Any:
    """A copy of the estimator without feature_names_in_, for arrays, which have no names."""
    twin = object.__new__(type(est))
    twin.__dict__.update((k, v) for k, v in est.__dict__.items() if k != "feature_names_in_")
    return twin
