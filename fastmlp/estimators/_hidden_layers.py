"""transform of the classifier and the regressor: the activations of a hidden layer."""
from __future__ import annotations

from typing import Any

from sklearn.utils._set_output import _wrap_data_with_container
from sklearn.utils.validation import check_is_fitted


class HiddenLayerTransformer:
    """Adds transform, which returns the activations of a hidden layer.

    It is not a TransformerMixin: scikit-learn would wrap transform for set_output, and name the columns after the layer
    in the parameter transform_layer, even if another one is requested.
    """

    def transform(self, X: Any, layer: int | None = None) -> Any:
        """The activations of a hidden layer.

        X : (n_samples, n_features). layer : 0 for the first hidden layer, .., -1 for the last; None for the parameter
            transform_layer.
        Returns (n_samples, units of that layer), in the container chosen by set_output. ValueError if there is no such
        layer.
        """
        check_is_fitted(self, "coefs_")
        asked: Any = object.__new__(type(self))  # as if it were the parameter
        vars(asked).update(vars(self))
        if layer is not None:
            asked.transform_layer = layer
        hidden = asked._hidden_layer("transform_layer" if layer is None else "layer")
        return _wrap_data_with_container("transform", asked._activations(X, hidden), X, asked)

    def fit_transform(self: Any, X: Any, y: Any = None, layer: int | None = None, **fit_params: Any) -> Any:
        """fit, with more of its arguments by name, then transform."""
        return self.fit(X, y, **fit_params).transform(X, layer)

    @property
    def _n_features_out(self: Any) -> int:
        return self.coefs_[self._hidden_layer("transform_layer")].shape[1]
