"""Metrics, functions of targets and predictions, which fit logs by name.

The public ones take y, labels 0 .. k - 1 (n,) or targets (n,) or (n, k); predictions (n, k), or (n,) for one output;
and row weights (n,), at least 0, or None. They check their arguments when users call them; in fits this is done before.
"""
from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _checks, _core
from ._optional import needing
from ._types import Floats
from .losses import Loss

Metric = Callable[..., float]  # (targets, predictions, sample weights or None) -> value


def for_users(metric: Metric) -> Metric:
    """Decorator that checks a metric's arguments: ValueError or TypeError names the argument. The unchecked metric is
    the result's `__wrapped__`."""
    name = metric.__name__

    @functools.wraps(metric)
    def checked(y: Any, prediction: Any, weight: Any = None, levels: Any = None) -> float:
        itself, each = METRICS[name], 1
        if levels is not None:
            with _checks.under("levels"):
                levels = Loss(("quantile", levels)).levels or (levels,)
            itself, each = functools.partial(itself, levels=levels), len(levels)
        y, prediction = _targets_and_predictions(name, y, prediction, each)
        if weight is not None:
            weight = _arrays.shaped("weight", weight, (len(y),), np.float64)
            if weight.min() < 0 or not weight.max() > 0:
                raise ValueError(f"weight must be at least 0 and not all 0, got {weight.min():g} to {weight.max():g}")
        with _checks.under("y and prediction"):
            check_targets({name: itself}, y, y.ndim == 1)
            check_rows({name: itself}, y, prediction.shape[1], weight)
            return itself(y, prediction, weight)

    return checked


def _targets_and_predictions(name: str, y: Any, prediction: Any, each: int) -> tuple[NDArray[Any], Floats]:
    """(labels (n,) or targets (n, k / each), predictions (n, k)) as a metric takes them. each: predictions per target.
    """
    prediction = _finite("prediction", prediction)
    prediction = prediction[:, None] if prediction.ndim == 1 else prediction
    if prediction.ndim != 2 or not prediction.size:
        raise ValueError(f"prediction must have shape (n,) or (n, outputs), got {prediction.shape}")
    if name == "log_loss" and not (prediction.min() >= 0 and prediction.max() <= 1):
        raise ValueError("prediction must be probabilities, got values from "
                         f"{prediction.min():g} to {prediction.max():g}")
    n, k = prediction.shape
    y = _finite("y", _arrays.dense(y, "y"))
    if y.ndim == 1 and (name in OF_NUMBERS or k == 1):
        y = y[:, None]
    if y.shape == (n,):
        if not ((y == np.floor(y)) & (y >= 0) & (y < k)).all():
            raise ValueError(f"y must be labels 0..{k - 1}, got values from {y.min():g} to {y.max():g}")
    elif k % each or y.shape != (n, k // each):
        levels = f" for {each} of levels" if name == "pinball" else ""
        raise ValueError(f"y must have {n} rows and {k // each} columns, as prediction has{levels}, or labels, "
                         f"got shape {y.shape}")
    return y, prediction


def _finite(argument: str, given: Any) -> Floats:
    """Numbers as an array of floats."""
    a = _arrays.numeric(argument, given, np.float64)
    a = a if a.dtype.kind == "f" else a.astype(np.float64)
    _arrays.finite(argument, a, a.dtype)
    return a


def classes(y: NDArray[Any], prediction: Floats) -> tuple[NDArray[Any], Floats, bool]:
    """Targets and probabilities as (labels (n,), probabilities of all classes, False) or, for several independent
    yes-or-no outputs (multilabel), as (0 or 1 for each output, their probabilities, True)."""
    if prediction.shape[1] == 1:
        return (y > 0.5).astype(int).ravel(), np.hstack([1 - prediction, prediction], dtype=np.float64), False
    if y.ndim == 1:
        return y, prediction, False
    if np.allclose(y.sum(axis=1), 1) and np.allclose(prediction.sum(axis=1), 1, atol=1e-3):
        return y.argmax(axis=1), prediction, False
    return (y > 0.5).astype(int), prediction, True


def _guesses(y: NDArray[Any], prediction: Floats) -> tuple[NDArray[Any], NDArray[Any]]:
    """Targets and predictions as labels (n,), or as 0 or 1 for each of several outputs."""
    true, p, several = classes(y, prediction)
    return true, (p > 0.5).astype(int) if several else p.argmax(axis=1)


@for_users
def accuracy(y: NDArray[Any], prediction: Floats, weight: Any = None) -> float:
    """The fraction of rows whose class is right; for several yes-or-no outputs, of rows with all outputs right."""
    true, guess = _guesses(y, prediction)
    right = (true == guess).reshape(len(prediction), -1).all(axis=1)
    return float(np.average(right, weights=weight))


@for_users
def balanced_accuracy(y: NDArray[Any], prediction: Floats, weight: Any = None) -> float:
    """The mean over classes of the fraction of their rows that are right; for several yes-or-no outputs, the mean over
    these."""
    true, guess = (a.reshape(len(prediction), -1) for a in _guesses(y, prediction))
    shares = []
    for column, guessed in zip(true.T, guess.T):
        by_class = [column == k for k in np.unique(column)]
        shares.append(np.mean([np.average((guessed == column)[rows], weights=None if weight is None else weight[rows])
                               for rows in by_class if weight is None or weight[rows].any()]))
    return float(np.mean(shares))


@for_users
def f1(y: NDArray[Any], prediction: Floats, weight: Any = None) -> float:
    """2 precision recall / (precision + recall) of the second of two classes; for more classes, or several yes-or-no
    outputs, the mean over them. Computed by scikit-learn."""
    true, guess = _guesses(y, prediction)
    average = "binary" if prediction.shape[1] <= 2 and true.ndim == 1 else "macro"
    return float(_of_sklearn("f1_score")(true, guess, sample_weight=weight, average=average, zero_division=0))


@for_users
def log_loss(y: NDArray[Any], prediction: Floats, weight: Any = None) -> float:
    """The mean of -log(probability of the true class); for several yes-or-no outputs, summed over these."""
    true, p, several = classes(y, prediction)
    p = np.maximum(p, np.finfo(p.dtype).tiny)
    if several:
        rows = -np.log(np.where(true == 1, p, np.maximum(1 - p, np.finfo(p.dtype).tiny))).sum(axis=1)
    else:
        rows = -np.log(p[np.arange(len(p)), true.astype(int)])
    return float(np.average(rows, weights=weight))


@for_users
def r2(y: NDArray[Any], prediction: Floats, weight: Any = None) -> float:
    """1 - residual / total sum of squares, the mean over outputs; 0 for a constant target that is not predicted
    exactly."""
    w = np.ones(len(y)) if weight is None else weight
    total = (w[:, None] * (y - np.average(y, axis=0, weights=w)) ** 2).sum(axis=0)
    rest = (w[:, None] * (y - prediction) ** 2).sum(axis=0)
    return _explained(rest, total)


@for_users
def mae(y: NDArray[Any], prediction: Floats, weight: Any = None) -> float:
    """The mean absolute error, over rows and outputs."""
    return float(np.average(np.abs(y - prediction).mean(axis=1), weights=weight))


@for_users
def mse(y: NDArray[Any], prediction: Floats, weight: Any = None) -> float:
    """The mean squared error, over rows and outputs."""
    return float(np.average(((y - prediction) ** 2).mean(axis=1), weights=weight))


@for_users
def rmse(y: NDArray[Any], prediction: Floats, weight: Any = None) -> float:
    """The root of the mean squared error over rows, the mean over outputs."""
    return float(np.sqrt(np.average((y - prediction) ** 2, axis=0, weights=weight)).mean())


def pinball_by_quantile(y: NDArray[Any], prediction: Floats, levels: Sequence[float]) -> Floats:
    """The pinball loss of each row, target and quantile, (n, targets, quantiles). prediction: (n, targets * quantiles),
    those of a target side by side."""
    q, short = np.array(levels), y[:, :, None] - prediction.reshape(*y.shape, len(levels))
    return np.maximum(q * short, (q - 1) * short)


@for_users
def pinball(y: NDArray[Any], prediction: Floats, weight: Any = None, levels: Sequence[float] = (0.5,)) -> float:
    """The mean pinball loss over rows, targets and quantiles; for one quantile scikit-learn's mean_pinball_loss.
    levels: the predicted quantiles, in fits those of the loss."""
    rows = pinball_by_quantile(y, prediction, levels).mean(axis=(1, 2))
    return float(np.average(rows, weights=weight))


def d2_pinball(y: NDArray[Any], prediction: Floats, weight: Any, levels: Sequence[float]) -> float:
    """1 - pinball loss / that of predicting y's own quantiles, the mean over targets and quantiles: R^1 of Koenker and
    Machado (1999), scikit-learn's D^2. 0 for a constant target that is not predicted exactly."""
    w = np.ones(len(y)) if weight is None else weight
    constant = np.repeat(np.hstack([_quantiles(column, levels, w) for column in y.T])[None], len(y), axis=0)
    rest, total = (np.tensordot(w, pinball_by_quantile(y, p, levels), 1) for p in (prediction, constant))
    return _explained(rest, total)


def _quantiles(column: NDArray[Any], levels: Sequence[float], weight: NDArray[Any]) -> Floats:
    """The quantiles of a column, which have the least pinball loss: where the cumulative weight reaches each level."""
    order = np.argsort(column)
    reached = np.cumsum(weight[order], dtype=np.float64)
    places = np.searchsorted(reached, np.array(levels) * reached[-1])
    return column[order[np.minimum(places, len(column) - 1)]]


def _explained(rest: Floats, total: Floats) -> float:
    """The mean of 1 - rest / total. Where total is 0, the term is 1 if rest is 0 too, otherwise 0."""
    varies = total > 0
    return float(np.mean(np.where(varies, 1 - rest / np.where(varies, total, 1), np.where(rest > 0, 0, 1))))


@for_users
def auc(y: NDArray[Any], prediction: Floats, weight: Any = None) -> float:
    """The area under the ROC curve, for several classes one against the rest. Computed by scikit-learn."""
    y, p = _ranked(y, prediction)
    return float(_of_sklearn("roc_auc_score")(y, p, sample_weight=weight, multi_class="ovr"))


@for_users
def average_precision(y: NDArray[Any], prediction: Floats, weight: Any = None) -> float:
    """The area under the precision-recall curve, as a sum; for several classes or outputs the mean. Computed by
    scikit-learn."""
    y, p = _ranked(y, prediction)
    return float(_of_sklearn("average_precision_score")(y, p, sample_weight=weight))


def _ranked(y: NDArray[Any], prediction: Floats) -> tuple[NDArray[Any], Floats]:
    """Targets, and the scores by which rows are ranked: for two classes the probability of the second."""
    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    two = prediction.shape[1] == 1 or (prediction.shape[1] == 2 and y.ndim == 1)
    return y, prediction[:, -1] if two else prediction


def _of_sklearn(name: str) -> Callable[..., float]:
    """A function of scikit-learn's metrics."""
    with needing(f"metrics by {name}", "need"):
        from sklearn import metrics
    function: Callable[..., float] = getattr(metrics, name)
    return function


LOGGED = ("loss", "lr", *_core.PENALTIES)  # what fit logs besides
LOSS_OF_ROWS = (": it is logged anyway, of training rows as the mean over an epoch's steps and of validation rows as "
                "'val_loss'; validation_data={'train': (X, y)} logs that of training rows after each epoch")
OF_USERS = (accuracy, balanced_accuracy, f1, log_loss, r2, mae, mse, rmse, pinball, auc, average_precision)
METRICS: dict[str, Metric] = {metric.__name__: inspect.unwrap(metric) for metric in OF_USERS}
__all__ = list(METRICS)
OF_NUMBERS = ("r2", "mae", "mse", "rmse", "pinball")  # not for labels
OF_CLASSES = ("accuracy", "balanced_accuracy", "f1", "log_loss")  # for labels, or targets from 0 to 1
OF_YES_OR_NO = ("auc", "average_precision")  # for labels, or targets that are 0 or 1
CLASSIFYING = ("cross_entropy", "binary_cross_entropy")  # losses whose predictions are probabilities
# last words of names for which larger, or smaller, is better; scikit-learn's functions and scorers are included
LARGER = {"accuracy", "r2", "auc", "score", "f1", "precision", "recall", "jaccard", "macro", "micro", "weighted",
          "samples", "ovr", "ovo"}
OF_FORECASTS = {"brier", "crps", "energy", "ignorance", "interval", "log", "probability", "winkler"}  # less is better
SMALLER = {"loss", "error", "mae", "mse", "rmse", "pinball", "deviance", "penalty", "lr"}


def _own(metrics: Mapping[str, Metric]) -> list[str]:
    """The names of the metrics that are those of METRICS with the same name."""
    return [name for name, metric in metrics.items()
            if name in METRICS and _without_levels(metric) is METRICS[name]]


def _without_levels(metric: Any) -> Any:
    """The function of a metric, without the quantiles of a loss that were bound to it."""
    return metric.func if isinstance(metric, functools.partial) else metric


def check_targets(metrics: Mapping[str, Metric], y: NDArray[Any], labels: bool) -> None:
    """ValueError if a metric of METRICS is not for such targets. labels: whether y are labels (n,), else (n, d(L))."""
    own = _own(metrics)
    if labels:
        of_numbers = [name for name in own if name in OF_NUMBERS]
        if of_numbers:
            raise ValueError(f"metrics {' and '.join(of_numbers)} want numbers for y, got labels")
        return
    for name in own:
        if name in OF_CLASSES and not (y.min() >= 0 and y.max() <= 1):
            raise ValueError(f"metrics {name} wants labels for y, or columns of 0 to 1, "
                             f"got values from {y.min():g} to {y.max():g}")
        if name in OF_YES_OR_NO and not ((y == 0) | (y == 1)).all():
            raise ValueError(f"metrics {name} wants labels for y, or columns of 0 and 1, got other numbers")


def check_rows(metrics: Mapping[str, Metric], y: NDArray[Any], outputs: int, weight: NDArray[Any] | None) -> None:
    """ValueError if a metric or scorer is not defined for these rows, of which those with weight 0 do not count, or for
    this number of outputs. y: labels (n,), or (n, targets)."""
    if y.ndim == 2 and y.shape[1] < outputs:
        single = [name for name, metric in metrics.items() if metric in METRICS.values()]
        if single:
            raise ValueError(f"metrics {' and '.join(single)} must be left out where the loss is of several quantiles, "
                             "of which pinball is a metric")
    if weight is not None:
        y, weight = y[weight > 0], weight[weight > 0]
    for name, metric in metrics.items():
        if isinstance(metric, Scorer):
            metric.check(name, y, outputs, weight)
    if metrics.get("r2") is METRICS["r2"] and len(y) < 2:
        raise ValueError(f"metrics r2 wants two rows at least, got {len(y)}")
    for name in [name for name in OF_YES_OR_NO if metrics.get(name) is METRICS[name]]:
        columns = [y == k for k in range(outputs)] if y.ndim == 1 else list(y.T)
        without = [k for k, column in enumerate(columns) if not 0 < np.count_nonzero(column) < len(column)]
        if without:
            raise ValueError(f"metrics {name} wants rows that are of each class and rows that are not, "
                             f"got only one kind for {', '.join(map(str, without))}")


def larger_is_better(name: str) -> bool | None:
    """Of a logged number, by its name: neg_ begins what is turned round to be larger, else its last word says it. None
    for other names."""
    before, _, last = name.rpartition("_")
    if last == "score" and before.rpartition("_")[2] in OF_FORECASTS and not {"d2", "neg"} & {*name.split("_")}:
        return None
    if last in LARGER or name.removeprefix("val_").startswith("neg_"):
        return True
    return False if last in SMALLER else None


def direction(name: str, metric: Metric) -> bool | None:
    """Whether larger is better for a metric: True for scorers; for metrics of METRICS by their names; for users'
    functions by the function's name and the given one. None if these do not say, or contradict each other."""
    if isinstance(metric, Scorer):
        return True
    own = [known for known, function in METRICS.items() if function is _without_levels(metric)]
    said = {larger_is_better(word) for word in own or (name, _name_of(metric))} - {None}
    return said.pop() if len(said) == 1 else None


def named_metrics(metrics: Any, loss: str | None, levels: Sequence[float] = ()) -> dict[str, Metric]:
    """Convert users' metrics to {name: function (y, prediction, weight)}, for a network with a loss. levels: its
    quantiles, if it has any.

    metrics: one or a list of: names in METRICS or of scikit-learn's scorers, functions (y, prediction), scorers, which
    are functions (estimator, X, y); or a dict of these by the names to log them under.
    """
    if type(metrics) is tuple and not metrics:  # the default first, to be fast
        return {}
    given = [metrics] if isinstance(metrics, str) or callable(metrics) else metrics
    if not isinstance(given, (list, tuple, Mapping)):
        raise TypeError("metrics must be a name, a function of (y, prediction) or a list or dict of them, got "
                        + _checks.described(metrics))
    pairs = given.items() if isinstance(given, Mapping) else [(_name_of(metric), metric) for metric in given]
    found: dict[str, Metric] = {}
    for name, metric in pairs:
        if _checks.name("the names of metrics", name) in found or name in LOGGED:
            raise ValueError(f"metrics must have names of their own, got a second {name!r}"
                             + (LOSS_OF_ROWS if name == "loss" else ""))
        found[name] = _metric(metric, loss, levels or (0.5,))
    return found


def _name_of(metric: Any) -> str:
    """The name under which a metric given without a name is logged."""
    function = getattr(metric, "_score_func", metric)  # for scikit-learn's scorers
    return metric if isinstance(metric, str) else str(getattr(function, "__name__", type(metric).__name__))


def _metric(metric: Any, loss: str | None, levels: Sequence[float]) -> Metric:
    metric = next((known.__name__ for known in OF_USERS if known is metric), metric)
    if isinstance(metric, str) and metric == "pinball":
        return functools.partial(METRICS[metric], levels=levels)
    if isinstance(metric, str):
        return METRICS[metric] if metric in METRICS else Scorer(_scorer(metric), loss in CLASSIFYING)
    if not callable(metric):
        raise TypeError("metrics must be names, functions of (y, prediction) or scorers, got "
                        + _checks.described(metric))
    if _is_scorer(metric):
        return Scorer(metric, loss in CLASSIFYING)
    return functools.wraps(metric)(lambda y, prediction, weight: metric(y, prediction))


def _scorer(name: str) -> Callable[..., Any]:
    """One of scikit-learn's scorers, by name."""
    try:
        from sklearn.metrics import get_scorer

        scorer: Callable[..., Any] = get_scorer(name)
    except (ModuleNotFoundError, ValueError) as error:
        raise ValueError(f"metrics must be one of {', '.join(sorted(METRICS))}, or the name of one of scikit-learn's "
                         f"scorers, where it is installed, got {_checks.described(name)}") from error
    return scorer


def _is_scorer(metric: Callable[..., Any]) -> bool:
    """Whether a metric is a function (estimator, X, y), as scikit-learn's scorers are."""
    try:
        return next(iter(inspect.signature(metric).parameters), None) == "estimator"
    except (TypeError, ValueError):  # it has no signature
        return False


class Scorer:
    """A scorer as a metric. classifies: whether predictions are probabilities."""

    def __init__(self, scorer: Callable[..., Any], classifies: bool) -> None:
        self.scorer, self.classifies = scorer, classifies

    def __call__(self, y: NDArray[Any], prediction: Floats, weight: Any) -> float:
        from ._scorers import Classifier, Regressor

        if self.classifies:
            true, p, several = classes(y, prediction)
            estimator, outputs = Classifier(p, several), p
        else:
            true, outputs = (a[:, 0] if a.shape[1] == 1 else a for a in (y, prediction))
            estimator = Regressor()
        score: float = self.scorer(estimator, outputs, true, **({} if weight is None else {"sample_weight": weight}))
        return score

    def check(self, name: str, y: NDArray[Any], outputs: int, weight: Any) -> None:
        """ValueError if the scorer cannot be used for such targets or loss; tried with constant predictions."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                _checks.result(name, self(y, np.full((len(y), outputs), 1 / outputs), weight))
            except Exception as error:  # a scorer may be anyone's
                raise ValueError(f"metrics {name} must be for these targets and this loss: {error}") from error
