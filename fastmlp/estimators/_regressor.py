"""MLPRegressor."""
from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import check_array, check_consistent_length
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from .. import _checks
from .._arrays import dense
from .._fit.options import Callbacks
from .._fit.ranks import ALONE, Ranks
from .._running_fits import alone
from .._types import Floats
from ..losses import OF_QUANTILES, Loss, LossName
from ..metrics import d2_pinball
from ..optim import Optimizer
from ._base import BaseMLP, column
from ._docs import ATTRIBUTES, PARAMETERS
from ._exchange import Exchange
from ._hidden_layers import HiddenLayerTransformer
from ._input import validate_rows, validate_weight
from ._types import Activations, LearningRate, Monitored, Seed

LOSSES = {"squared_error": "half_squared_error", "poisson": "poisson", "absolute_error": "absolute_error",
          "huber": "huber", **{name: name for name in OF_QUANTILES}}  # the estimator's names -> the network's
WITH_NUMBER = ("huber", *OF_QUANTILES)


class MLPRegressor(RegressorMixin, HiddenLayerTransformer, Exchange, BaseMLP):
    __doc__ = f"""A multilayer perceptron for regression, of one output or several: scikit-learn's MLPRegressor on
    fastmlp's core.

    With the same random_state and float64 data the numbers are scikit-learn's; docs/differences.md lists where they
    differ on purpose.

    Parameters
    ----------
    loss : "squared_error", half of it, of which solvers "sgd" and "adam" descend on the sum over outputs but report the
        mean, as scikit-learn does; "poisson", half the deviance, predictions are exp of the last layer;
        "absolute_error"; "huber" or ("huber", threshold); "quantile" (the median), ("quantile", q), or of several
        quantiles ("quantile", (q1, q2, ..)) and, where predictions are never to cross, ("ordered_quantile",
        (q1, q2, ..)). The others are sums over outputs.
{PARAMETERS}
    transform_layer : the hidden layer whose activations transform gives, 0 for the first, -1 for the last. Default -1.

    Attributes
    ----------
{ATTRIBUTES}

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from sklearn.preprocessing import scale
    >>> from fastmlp import MLPRegressor
    >>> X, y = load_diabetes(return_X_y=True)
    >>> MLPRegressor(random_state=0, max_iter=500).fit(scale(X), scale(y)).score(scale(X), scale(y)) > 0.5
    True
    """

    _parameter_constraints = {**BaseMLP._parameter_constraints, "loss": [StrOptions(set(LOSSES)), tuple],
                              "transform_layer": [Integral]}

    def __init__(self, loss: LossName = "squared_error", hidden_layer_sizes: ArrayLike = (100,),
                 activation: Activations = "relu", *, solver: str = "adam", alpha: float = 0.0001,
                 batch_size: int | str = "auto", learning_rate: LearningRate = "constant",
                 learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
                 random_state: Seed = None, tol: float = 1e-4, verbose: bool = False, warm_start: bool = False,
                 momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
                 validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
                 n_iter_no_change: float = 10, max_fun: int = 15000, dtype: str | None = None,
                 precision: str = "full", n_threads: int | None = None, optimizer: Optimizer | str | None = None,
                 l1: float = 0.0, dropout: float | Sequence[float] = 0.0, gradient_penalty: float = 0.0,
                 input_noise: float = 0.0, gradient_clip: float | None = None, monitor: Monitored = None,
                 restore_best: bool = False, max_time: float | None = None, callbacks: Callbacks | None = None,
                 transform_layer: int = -1) -> None:
        self._set_parameters(locals())

    # ---- what y is

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool,
                        ranks: Ranks = ALONE) -> tuple[Any, Any]:
        X, y = validate_rows(self, X, y, ranks, accept_sparse=["csr", "csc"], y_numeric=True,
                             dtype=(np.float64, np.float32), reset=reset)
        return X, column(dense(y, "y"))

    def _out_activation(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _check_loss(self) -> None:
        if not isinstance(self.loss, str) and (len(self.loss) != 2 or self.loss[0] not in WITH_NUMBER):
            raise ValueError(f"loss must be one of {', '.join(LOSSES)}, or a pair of {' or '.join(WITH_NUMBER)} and a "
                             f"number, got {self.loss!r}")
        Loss(self._network_loss())

    def _outputs_each(self) -> int:
        return Loss(self._network_loss()).outputs_each

    def _network_loss(self) -> LossName:
        return LOSSES[self.loss] if isinstance(self.loss, str) else self.loss

    def _loss_to_report(self, loss: float) -> float:
        """scikit-learn reports the mean over outputs of the squared error, though it descends on the sum."""
        return loss / self.n_outputs_ if self.loss == "squared_error" else loss

    def _score(self, y: Any, predicted: Any, weight: Any) -> float:
        levels = self._mlp().loss.levels
        if weight is not None and np.count_nonzero(weight) < 2:
            return np.nan  # as of a single row
        if len(levels) < 2:
            return r2_score(y, predicted, sample_weight=weight)
        y, predicted = (a.reshape(len(a), -1) for a in (y, predicted))
        return d2_pinball(y, predicted, None if weight is None else np.asarray(weight), levels)

    def _decode(self, outputs: Floats) -> Any:
        if outputs.shape[1] == 1:
            return outputs.ravel()
        if self.n_outputs_ in (1, outputs.shape[1]):
            return outputs
        return outputs.reshape(len(outputs), self.n_outputs_, -1)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    # ---- using

    @available_if(lambda est: est._check_solver())
    @alone
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """One epoch over X and y.

        Continues from fit, partial_fit or new weights, as with warm_start: weights, the optimiser's state, learning
        rate and random numbers are kept, and curves are extended. Patience is counted, but does not end training (with
        learning_rate="adaptive" it reduces the rate). Callbacks start anew in each call. ValueError with
        early_stopping=True.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Floats:
        """(n_samples,), or (n_samples, n_outputs) for several outputs; with several quantiles (n_samples, n_quantiles),
        or (n_samples, n_outputs, n_quantiles)."""
        return self._decode(self._outputs(X))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R^2, the mean over outputs: see RegressorMixin.score. With several quantiles 1 - pinball loss / that of y's
        own quantiles, the mean over quantiles and outputs: scikit-learn's D^2."""
        with _checks.asking("y and sample_weight"):
            check_is_fitted(self, "coefs_")
            if sample_weight is not None:
                sample_weight = validate_weight(sample_weight, X)
            if self._mlp().loss.outputs_each == 1:
                return super().score(X, y, sample_weight)
            predicted, y = self.predict(X), check_array(dense(y, "y"), ensure_2d=False, input_name="y")
            check_consistent_length(y, predicted, sample_weight)
            if y.size != len(y) * self.n_outputs_:
                raise ValueError(f"y must have {self.n_outputs_} columns, got shape {y.shape}")
            return self._score(y, predicted, sample_weight)

    def to_art(self, clip_values: tuple[Any, Any] | None = None) -> Any:
        """This regressor as a model for the Adversarial Robustness Toolbox, for attacks that use gradients of the loss.

        clip_values : (least, largest) value of features, numbers or arrays (n_features,). It refers to this regressor,
        not to a copy. ImportError without the toolbox.
        """
        from ._art import Regressor

        check_is_fitted(self, "coefs_")
        return Regressor(self, clip_values)
