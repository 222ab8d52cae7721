"""The estimators as the Adversarial Robustness Toolbox sees them; imported by to_art alone, since it imports that."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import _checks
from .._needs import needing
from .._types import Floats

with needing("to_art"):
    from art.estimators.classification.classifier import ClassGradientsMixin, ClassifierMixin
    from art.estimators.estimator import BaseEstimator, LossGradientsMixin
    from art.estimators.regression.regressor import RegressorMixin


class _Adapter(LossGradientsMixin, BaseEstimator):
    """What both have in common; model is the estimator itself, so that what it learns later counts."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.model.n_features_in_,)

    def compute_loss(self, x: Any, y: Any, reduction: str = "none", **kwargs: Any) -> Any:
        """e_i of each row, (n,), of the network's loss, or with reduction "mean" or "sum" the one number."""
        _checks.one_of("reduction", reduction, ("none", "mean", "sum"))
        network = self.model._mlp()._network
        data = network.bind(x, self._targets(np.asarray(y)))
        with network.team(data.n, 1) as team:
            values = network.core.pull(data, team)[1]
        return values if reduction == "none" else getattr(values, reduction)()

    def loss_gradient(self, x: Any, y: Any, **kwargs: Any) -> Floats:
        """de_i/dx_i of each row, (n, d), of the network's loss."""
        return self.model._mlp().input_gradient(x, self._targets(np.asarray(y)))


class Classifier(ClassGradientsMixin, ClassifierMixin, _Adapter):
    """y : indices into classes_ (n,), or rows of probabilities (n, n_classes)."""

    def __init__(self, model: Any, clip_values: Any, at: str) -> None:
        super().__init__(model=model, clip_values=clip_values, preprocessing=None)
        self.nb_classes = n = len(model.classes_)
        self.at = _checks.one_of("at", at, ("logits", "probabilities"))
        # what is said of classes, (n, n_classes), is outputs times shares^T plus offset
        self._shares, self._offset = np.eye(n), np.zeros(n)
        if model.n_outputs_ == 1:  # s or p of the second class: logits are 0, s, probabilities 1 - p, p
            first = -1.0 if at == "probabilities" else 0.0
            self._shares, self._offset = np.array([[first], [1.0]]), np.array([-first, 0.0])

    def predict(self, x: Any, **kwargs: Any) -> Floats:
        """Probabilities, or logits, (n, n_classes)."""
        outputs = self.model._outputs(x, check_input=False, linked=self.at == "probabilities")
        return outputs @ self._shares.T + self._offset

    def class_gradient(self, x: Any, label: Any = None, **kwargs: Any) -> Floats:
        """Derivatives by x of what predict gives: of all classes, (n, n_classes, d), or of one, the same or one for
        each row, (n, 1, d)."""
        if label is None:
            return np.concatenate([self.class_gradient(x, k) for k in range(self.nb_classes)], axis=1)
        rows = self._shares[np.broadcast_to(np.asarray(label).ravel(), len(x))]
        return self.model._mlp().vjp(x, rows, self.at)[:, None]

    def fit(self, x: Any, y: Any, **kwargs: Any) -> None:
        y = np.asarray(y)
        self.model.fit(x, self.model.classes_[y.argmax(axis=1) if y.ndim == 2 else y], **kwargs)

    def _targets(self, y: Any) -> Any:
        if y.ndim == 2 and y.shape[1] == 2 and self.model.n_outputs_ == 1:
            return y[:, 1]
        return y


class Regressor(RegressorMixin, _Adapter):
    def __init__(self, model: Any, clip_values: Any) -> None:
        super().__init__(model=model, clip_values=clip_values, preprocessing=None)

    def predict(self, x: Any, **kwargs: Any) -> Floats:
        """(n, n_outputs)"""
        return self.model._outputs(x, check_input=False)

    def fit(self, x: Any, y: Any, **kwargs: Any) -> None:
        self.model.fit(x, y, **kwargs)

    def _targets(self, y: Any) -> Any:
        return y
