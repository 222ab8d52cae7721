"""What patience looks at in the estimators: the training loss, or a score of some rows."""
import numpy as np
from sklearn.metrics import get_scorer
from sklearn.model_selection import train_test_split
from sklearn.utils import _safe_indexing

from .._fit.measures import MeasuredRows
from .._monitor import Monitor


class Patience(Monitor):
    """scikit-learn's way to compare: whatever is better than the best is the new best, and the waiting ends unless an
    epoch falls short of min_delta, its tol; it ends where it gains just that, and at NaN."""

    def compare(self, cost):
        return cost < self.least_cost, not cost > self.least_cost - self.min_delta


class Watched:
    """A number that patience looks at, and the attributes of the estimator in which it is told how that went: they are
    public, and the next partial_fit or warm fit goes on from them.

    subject : what messages call it. best_attribute : where its best is found. holds_weights : whether the weights of
    the best epoch come back.
    """

    subject: str
    best_attribute: str
    larger_is_better = False

    def __init__(self, job, holds_weights):
        est = self.est = job.est
        self.weights = (lambda: job.net.params) if holds_weights else None
        self.monitor = Patience(self.subject, self.larger_is_better, est.tol)
        self.monitor.least_cost = self.monitor.sign * getattr(est, self.best_attribute)
        self.monitor.waited = est._no_improvement_count

    def measure(self, team):
        """The number of the epoch that just ended."""
        raise NotImplementedError

    def look(self, number):
        """Take the number of one more epoch, NaN where it diverged."""
        self.monitor.look(number, self.weights)
        setattr(self.est, self.best_attribute, self.monitor.best)
        self.est._no_improvement_count = self.monitor.waited

    def wait_anew(self):
        """Patience begins from the start."""
        self.monitor.waited = self.est._no_improvement_count = 0

    def logs(self):
        """What callbacks are told besides the loss."""
        return {}


class TrainingLoss(Watched):
    """The loss of the epoch, with penalties."""

    subject, best_attribute = "Training loss", "best_loss_"

    def __init__(self, job, holds_weights):
        est = job.est
        if est.best_loss_ is None:  # the fit before watched scores
            est.validation_scores_ = est.best_validation_score_ = None
            est.best_loss_ = float(np.fmin.reduce(est.loss_curve_, initial=np.inf))
            est._no_improvement_count = 0
        super().__init__(job, holds_weights)

    def measure(self, team):
        return self.est.loss_curve_[-1]


class Score(Watched):
    """A score of some rows: the estimator's own, a scorer's, or minus the loss.

    rows : MeasuredRows. X, y, weight : the same rows as they were given.
    """

    best_attribute, larger_is_better = "best_validation_score_", True

    def __init__(self, job, holds_weights, subject, rows, X, y, weight):
        est, self.subject = job.est, subject
        self.rows, self.X, self.y, self.weight = rows, X, y, weight
        self.scorer = None if est.monitor in (None, "loss", "score") else _scorer(est.monitor)
        if est.validation_scores_ is None:  # the fit before watched the training loss
            est.validation_scores_, est.best_validation_score_, est.best_loss_ = [], -np.inf, None
            est._no_improvement_count = 0
        super().__init__(job, holds_weights)

    def measure(self, team):
        if self.est.monitor == "loss":
            return float(-self.est._loss_to_report(self.rows.loss(team)))
        if self.scorer is not None:
            weight = {} if self.weight is None else {"sample_weight": self.weight}
            return float(self.scorer(_without_feature_names(self.est), self.X, self.y, **weight))
        outputs = lambda part=None: self.rows.outputs(team, part)
        return float(self.est._score_of(outputs, self.y, self.weight))

    def look(self, number):
        self.est.validation_scores_.append(number)
        if self.est.verbose:
            print(f"{self.subject}: {number:f}")
        super().look(number)

    def logs(self):
        return {"val_score": self.est.validation_scores_[-1]}


def watched_of(job):
    """(what patience looks at, numbers of the rows to train on, or None for all)"""
    est, network = job.est, job.network
    validates = est.early_stopping or job.validation is not None
    holds_weights = est.restore_best or validates
    if not validates and est.monitor in (None, "loss"):
        return TrainingLoss(job, holds_weights), None
    rows, given, subject = None, (job.X, job.y, job.weight), "Training score"
    measured = MeasuredRows(network, job.data)
    if job.validation is not None:
        given, subject = job.validation, "Validation score"
        X, y, weight = given
        measured = MeasuredRows(network, network.bind(X, est._targets(y, network.dtype), weight))
    elif est.early_stopping:
        rows, held_out = _hold_out(job)
        weight = None if job.weight is None else job.weight[held_out]
        given, subject = (_safe_indexing(job.X, held_out), job.y[held_out], weight), "Validation score"
        measured = MeasuredRows(network, job.data, held_out)
    watched = Score(job, holds_weights, subject, measured, *given)
    if validates:  # the weights at the start come back where no epoch is better, as in scikit-learn
        watched.monitor.best_weights = job.net.params
    return watched, rows


def _hold_out(job):
    """Numbers of the rows to train on, and of those held out: scikit-learn's split, by the estimator's random_state."""
    est = job.est
    rows, held_out = train_test_split(np.arange(job.data.n), random_state=est._random_state,
                                      test_size=est.validation_fraction, stratify=est._stratification_labels(job.y))
    if len(held_out) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your dataset.")
    return rows, held_out


def _scorer(monitor):
    try:
        return get_scorer(monitor)
    except ValueError as error:
        raise ValueError(f"monitor must be 'loss', 'score', a scorer or its name, got {monitor!r}: {error}") from error


def _without_feature_names(est):
    """The estimator as it is now, for arrays that have none."""
    twin = object.__new__(type(est))
    twin.__dict__.update((k, v) for k, v in est.__dict__.items() if k != "feature_names_in_")
    return twin
