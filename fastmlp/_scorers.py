"""Dummy estimators that pass predictions to scikit-learn's scorers: their predict returns X, the predictions.

Imported only when a scorer is used, since it imports scikit-learn.
"""
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin

from ._types import Floats


class Classifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """X are probabilities (n, n_classes); if `several`, of independent yes-or-no outputs (multilabel)."""

    def __init__(self, probabilities: Floats, several: bool) -> None:
        k = probabilities.shape[1]
        self.several = several
        self.classes_: Any = [np.arange(2)] * k if several else np.arange(k)

    def predict(self, X: Floats) -> NDArray[Any]:
        return (X > 0.5).astype(int) if self.several else X.argmax(axis=1)

    def predict_proba(self, X: Floats) -> Floats:
        X = X.astype(np.float64)
        return X if self.several else X / X.sum(axis=1, keepdims=True)  # scikit-learn requires sums of 1


class Regressor(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """X are the predictions, (n,) or (n, n_outputs)."""

    def __init__(self) -> None:
        self.fitted_ = True

    def predict(self, X: Floats) -> Floats:
        return X
