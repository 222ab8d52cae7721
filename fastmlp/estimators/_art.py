"""Adapters of the estimators for the Adversarial Robustness Toolbox; imported only by to_art."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import _arrays, _checks
from .._optional import needing
from .._types import Floats

with needing("to_art"):
    from art.estimators.classification.classifier import ClassGradientsMixin, ClassifierMixin
    from art.estimators.estimator import BaseEstimator, LossGradientsMixin
    from art.estimators.regression.regressor import RegressorMixin


class _Adapter(LossGradientsMixin, BaseEstimator):
    """The common base class. model is the estimator itself, not a copy, so that later training has an effect."""

    @property
    def input_shape(self) -> tuple[int, ...]:
        return (self.model.n_features_in_,)

    def compute_loss(self, x: Any, y: Any, reduction: str = "none", **kwargs: Any) -> Any:
        """The network's loss e_i of each row, (n,), or with reduction "mean" or "sum" a single number."""
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
        super().__init__(model=model, clip_values=_bounds(clip_values, model.n_features_in_), preprocessing=None)
        self.nb_classes = n = len(model.classes_)
        self.at = _checks.one_of("at", at, ("logits", "probabilities"))
        # values of the classes, (n, n_classes), are outputs times shares^T plus offset
        self._shares, self._offset = np.eye(n), np.zeros(n)
        if model.n_outputs_ == 1:  # s or p of the second class: logits are 0, s, probabilities 1 - p, p
            first = -1.0 if at == "probabilities" else 0.0
            self._shares, self._offset = np.array([[first], [1.0]]), np.array([-first, 0.0])

    def predict(self, x: Any, **kwargs: Any) -> Floats:
        """Probabilities, or logits, (n, n_classes)."""
        outputs = self.model._outputs(x, check_input=False, linked=self.at == "probabilities")
        return outputs @ self._shares.T + self._offset

    def class_gradient(self, x: Any, label: Any = None, **kwargs: Any) -> Floats:
        """Derivatives by x of the results of predict: for all classes, (n, n_classes, d); or for label, a class or one
        for each row, (n, 1, d)."""
        if label is None:
            return np.concatenate([self.class_gradient(x, k) for k in range(self.nb_classes)], axis=1)
        label = np.ravel(_arrays.as_array("label", label))
        if label.dtype.kind not in "iu" or len(label) not in (1, len(x)) or not 0 <= label.min() <= label.max() < (
                self.nb_classes):
            raise ValueError(f"label must be one of 0..{self.nb_classes - 1}, or one for each of {len(x)} rows, got "
                             + _checks.described(label))
        rows = self._shares[np.broadcast_to(label, len(x))]
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
        super().__init__(model=model, clip_values=_bounds(clip_values, model.n_features_in_), preprocessing=None)

    def predict(self, x: Any, **kwargs: Any) -> Floats:
        """(n, n_outputs)"""
        return self.model._outputs(x, check_input=False)

    def fit(self, x: Any, y: Any, **kwargs: Any) -> None:
        self.model.fit(x, y, **kwargs)

    def _targets(self, y: Any) -> Any:
        return y


def _bounds(clip_values: Any, n: int) -> tuple[Any, Any] | None:
    """clip_values of n features, as the toolbox takes them. TypeError or ValueError where they are no bounds."""
    if clip_values is None:
        return None
    if not isinstance(clip_values, (tuple, list)) or len(clip_values) != 2:
        raise TypeError(f"clip_values must be None or a pair (least, largest), got {_checks.described(clip_values)}")
    least, largest = (np.asarray(_arrays.numeric("clip_values", a, np.float64), np.float64) for a in clip_values)
    for a in (least, largest):
        if a.shape not in ((), (n,)) or not np.isfinite(a).all():
            raise ValueError(f"clip_values must be finite numbers or arrays of shape ({n},), got "
                             + _checks.described(a))
    if not (least < largest).all():
        raise ValueError(f"clip_values must be a pair (least, largest), got {_checks.described(clip_values)}")
    if least.ndim == largest.ndim == 0:
        return float(least), float(largest)
    return least + np.zeros(n), largest + np.zeros(n)
