"""TabularClassifier."""
from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from scipy.special import softmax
from sklearn.base import ClassifierMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_consistent_length

from .. import _arrays, _checks
from .._fit.options import Callbacks
from .._types import Floats, Integers
from ..estimators._input import asked, weight_by_class
from ._base import ATTRIBUTES, OUT_OF_FOLD, PARAMETERS, BaseTabular
from .columns import Column, is_missing, n_rows
from .pieces import Classes


class TabularClassifier(ClassifierMixin, BaseTabular):
    __doc__ = f"""Classifies the rows of a table as it comes: several networks, trained side by side on encoded columns.

    Parameters
    ----------
{PARAMETERS}
    class_weight : a dict class -> weight, or "balanced" for n_samples / (n_classes * count); times sample_weight.

    Attributes
    ----------
    classes_ : the classes.
{ATTRIBUTES}
{OUT_OF_FOLD}
        Here probabilities, (n_samples, n_classes).

    Examples
    --------
    >>> import pandas as pd
    >>> from fastmlp import TabularClassifier
    >>> X = pd.DataFrame({{"size": [1.0, 2.0, None, 4.0] * 25, "colour": ["red", "blue", "red", None] * 25}})
    >>> y = ["small", "large", "small", "large"] * 25
    >>> model = TabularClassifier(preset="fast", random_state=0).fit(X, y)
    >>> model.predict(X[:2]).tolist()
    ['small', 'large']
    """

    _parameter_constraints = {**BaseTabular._parameter_constraints,
                              "class_weight": [dict, StrOptions({"balanced"}), None]}
    _loss, _members_of = "cross_entropy", attrgetter("classifiers", "classifying")

    def __init__(self, preset: str = "default", *, n_members: int | None = None, members: str = "separate",
                 bagging: str = "folds", categorical_features: Sequence[Any] | None = None,
                 max_iter: int | None = None, time_limit: float | None = None, random_state: Any = None,
                 n_threads: int | None = None, callbacks: Callbacks | None = None,
                 class_weight: dict[Any, float] | str | None = None) -> None:
        self._set_parameters(locals())

    # ---- what y is

    def _read_y(self, y: Any, columns: list[Column]) -> Any:
        """y as labels, (n,)."""
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        with _checks.asking("y"):
            y = _labels(asked("y", y))
            check_consistent_length(np.empty(n_rows(columns)), y)
            check_classification_targets(y)
        return y

    def _prepare_y(self, y: Any, columns: list[Column], reset: bool) -> Any:
        """y as class indices, (n,)."""
        y = self._read_y(y, columns)
        if reset:
            with _checks.under("y"):
                self.classes_, codes = np.unique(y, return_inverse=True)
            return codes.astype(np.int32)
        known = np.isin(y, self.classes_)
        if not known.all():
            raise ValueError(f"y must have classes of fit, {self.classes_}, got {y[~known][0]!r}")
        return np.searchsorted(self.classes_, y).astype(np.int32)

    def _targets(self, y: Any, weight: Floats | None, reset: bool) -> Any:
        return y

    def _n_outputs(self) -> int:
        return max(2, len(self.classes_))

    def _weighted(self, y: Any, weight: Floats | None) -> Floats | None:
        """sample_weight times class_weight, (n,), or None."""
        return weight_by_class(self, self.classes_[y], weight)

    def _keep_held_out(self, outputs: Floats, times: Integers, targets: Any) -> Floats:
        held_out = self._probabilities(outputs)
        held_out[times == 0] = np.nan
        return held_out

    # ---- tables in pieces

    def _look_at_y(self, y: Any, weight: Floats | None) -> Classes:
        return Classes.of(y)

    def _learn_y(self, found: Classes, classes: Any = None) -> None:
        self.classes_, counts = found
        if classes is not None:
            self.classes_ = _known(classes, found.names)
            counts = np.zeros(len(self.classes_), np.int64)
            counts[np.searchsorted(self.classes_, found.names)] = found.counts
        self._factors = self._factors_of(counts)

    def _factors_of(self, counts: Integers) -> Floats | None:
        """The weight of each class, or None. counts : rows of each class."""
        given = self.class_weight
        if given is None:
            return None
        if isinstance(given, str):
            return np.sum(counts) / (np.count_nonzero(counts) * np.maximum(counts, 1))
        factors = np.array([_checks.number(f"class_weight of {name!r}", given.get(name, 1), least=0)
                            for name in self.classes_.tolist()])
        if not factors[counts > 0].any():
            raise ValueError("class_weight must be above 0 for one of the classes in y at least, got "
                             + _checks.described(given))
        return factors

    def _weighted_piece(self, y: Any, weight: Floats | None) -> Floats | None:
        if self._factors is None:
            return weight
        return self._factors[y] if weight is None else self._factors[y] * weight

    def _keep_residuals(self, found: Floats) -> None:
        """A classifier has no residuals."""

    # ---- using

    def _probabilities(self, outputs: Floats) -> Floats:
        """Probabilities of classes_ from outputs (n, d(L)); all 1 if there is a single class."""
        p = softmax(outputs, axis=-1)
        return np.ones_like(p[..., :1]) if len(self.classes_) == 1 else p

    def _proba_of(self, columns: list[Column]) -> Floats:
        return self._probabilities(self._outputs_of(columns)).mean(axis=0)

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of `classes_`, the mean of the members', (n_samples, n_classes)."""
        return self._probabilities(self._outputs(X)).mean(axis=0)

    def predict_log_proba(self, X: Any) -> Floats:
        """Their logarithms."""
        return np.log(np.maximum(self.predict_proba(X), np.finfo(np.float64).tiny))

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The most probable class of each row, (n_samples,). return_std : also return the standard deviation over the
        members of its probability, (n_samples,), as (classes, deviations)."""
        _checks.boolean("return_std", return_std)
        by_member = self._probabilities(self._outputs(X))
        best = by_member.mean(axis=0).argmax(axis=1)
        classes = self.classes_[best]
        return (classes, by_member[:, np.arange(len(best)), best].std(axis=0)) if return_std else classes

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy on rows X (n_samples, n_features); y and sample_weight as in fit: see ClassifierMixin.score."""
        return self._score(X, y, sample_weight)

    def _score_of(self, columns: list[Column], y: Any, sample_weight: Any) -> float:
        predicted = self.classes_[self._proba_of(columns).argmax(axis=1)]
        return accuracy_score(y, predicted, sample_weight=sample_weight)


def _known(classes: Any, found: Any) -> Any:
    """All labels, as given by the user, in ascending order. found: those in y, which must be among them."""
    with _checks.under("classes"):
        classes = np.unique(_labels(_arrays.as_array("classes", classes)))
    absent = np.setdiff1d(found, classes)
    if len(absent):
        raise ValueError(f"classes must have all labels of y, got none of {absent.tolist()[0]!r}")
    return classes


def _labels(y: Any) -> Any:
    """y as an array (n,); of frames' series, with categories of text as text."""
    y = np.asarray(y) if hasattr(y, "to_numpy") and not hasattr(y, "columns") else y
    y = column_or_1d(y, warn=True)
    if y.dtype.kind == "f" and not np.isfinite(y).all():
        raise ValueError("Input y contains NaN or infinity.")
    if y.dtype.kind == "O" and any(map(is_missing, y)):
        raise ValueError("Input y contains NaN: missing labels.")
    return y
