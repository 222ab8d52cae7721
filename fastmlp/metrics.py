"""Metrics by name: numbers of targets and predictions that fit logs."""
from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _checks, _core
from ._types import Floats

Metric = Callable[[Any, Floats, Any], float]  # of targets, predictions and sample weights or None


def _classes(y: NDArray[Any], prediction: Floats) -> tuple[NDArray[Any], NDArray[Any]]:
    """Targets and predictions as classes: a column an output, or one."""
    if prediction.shape[1] > 1 and y.ndim == 1:
        return y, prediction.argmax(axis=1)
    if prediction.shape[1] > 1 and np.allclose(y.sum(axis=1), 1) and np.allclose(prediction.sum(axis=1), 1, atol=1e-3):
        return y.argmax(axis=1), prediction.argmax(axis=1)
    return y > 0.5, prediction > 0.5


def accuracy(y: NDArray[Any], prediction: Floats, weight: Any) -> float:
    """The share of rows whose class is right; of several yes-or-no outputs, of rows with all right."""
    true, guess = _classes(y, prediction)
    right = (true == guess).reshape(len(prediction), -1).all(axis=1)
    return float(np.average(right, weights=weight))


def r2(y: NDArray[Any], prediction: Floats, weight: Any) -> float:
    """1 - residual over total sum of squares, the mean over outputs; 0 for an output that is constant and missed."""
    w = np.ones(len(y)) if weight is None else weight
    total = (w[:, None] * (y - np.average(y, axis=0, weights=w)) ** 2).sum(axis=0)
    rest = (w[:, None] * (y - prediction) ** 2).sum(axis=0)
    varies = total > 0
    return float(np.mean(np.where(varies, 1 - rest / np.where(varies, total, 1), np.where(rest > 0, 0, 1))))


def mae(y: NDArray[Any], prediction: Floats, weight: Any) -> float:
    """The mean absolute error, over rows and outputs."""
    return float(np.average(np.abs(y - prediction).mean(axis=1), weights=weight))


def auc(y: NDArray[Any], prediction: Floats, weight: Any) -> float:
    """The area under the ROC curve, one against the rest for several classes; scikit-learn's."""
    from sklearn.metrics import roc_auc_score

    y = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
    two = prediction.shape[1] == 1 or (prediction.shape[1] == 2 and y.ndim == 1)
    p = prediction[:, -1] if two else prediction
    return float(roc_auc_score(y, p, sample_weight=weight, multi_class="ovr"))


LOGGED = ("loss", "lr", *_core.PENALTIES)  # what fit logs besides
METRICS: dict[str, Metric] = {"accuracy": accuracy, "r2": r2, "mae": mae, "auc": auc}
# last words of names, by which of two numbers is better; scikit-learn's functions end so, too
LARGER, SMALLER = {"accuracy", "r2", "auc", "score"}, {"loss", "error", "mae", "deviance", "penalty", "lr"}


def check_targets(metrics: Mapping[str, Metric], y: NDArray[Any], labels: bool) -> None:
    """ValueError where a metric by name is not for such targets: labels (n,), or (n, d(L))."""
    own = [name for name, metric in metrics.items() if metric is METRICS.get(name)]
    if labels:
        of_numbers = [name for name in own if name in ("r2", "mae")]
        if of_numbers:
            raise ValueError(f"metrics {' and '.join(of_numbers)} want numbers for y, got labels")
        return
    if "accuracy" in own and not (y.min() >= 0 and y.max() <= 1):
        raise ValueError("metrics accuracy wants labels for y, or columns of 0 to 1, "
                         f"got values from {y.min():g} to {y.max():g}")
    if "auc" in own and not ((y == 0) | (y == 1)).all():
        raise ValueError("metrics auc wants labels for y, or columns of 0 and 1, got other numbers")


def check_rows(metrics: Mapping[str, Metric], y: NDArray[Any], outputs: int) -> None:
    """ValueError where a metric by name is not defined for just these rows with weight: labels (n,), or (n, d(L))."""
    if metrics.get("r2") is r2 and len(y) < 2:
        raise ValueError(f"metrics r2 wants two rows at least, got {len(y)}")
    if metrics.get("auc") is auc:
        columns = [y == k for k in range(outputs)] if y.ndim == 1 else list(y.T)
        without = [k for k, column in enumerate(columns) if not 0 < np.count_nonzero(column) < len(column)]
        if without:
            raise ValueError("metrics auc wants rows that are of each class and rows that are not, "
                             f"got only one kind for {', '.join(map(str, without))}")


def larger_is_better(name: str) -> bool:
    """Of a logged number, by its name: neg_ begins what is turned round to be larger, else its last word says it.
    ValueError for other names, as those of users' functions."""
    last = name.rpartition("_")[2]
    if last not in LARGER | SMALLER and not name.removeprefix("val_").startswith("neg_"):
        raise ValueError(f"mode must be 'min' or 'max' for monitor {name!r}, whose name does not say which is better")
    return last in LARGER or name.removeprefix("val_").startswith("neg_")


def named_metrics(metrics: Any) -> dict[str, Metric]:
    """Users' metrics -> {name: function of (y, prediction, weight)}"""
    found: dict[str, Metric] = {}
    metrics = [metrics] if isinstance(metrics, str) or callable(metrics) else metrics
    if not isinstance(metrics, (list, tuple)):
        raise TypeError("metrics must be a name, a function of (y, prediction) or a list of them, got "
                        + _checks.described(metrics))
    for metric in metrics:
        if callable(metric):
            name = getattr(metric, "__name__", type(metric).__name__)
            if name in found or name in LOGGED:
                raise ValueError(f"metrics must have names of their own, got a second {name!r}")
            found[name] = _call(metric)
        elif isinstance(metric, str):
            found[metric] = METRICS[_checks.one_of("metrics", metric, METRICS)]
        else:
            raise TypeError("metrics must be names or functions of (y, prediction), got "
                            + _checks.described(metric))
    return found


def _call(metric: Callable[[Any, Floats], float]) -> Metric:
    return lambda y, prediction, weight: metric(y, prediction)
