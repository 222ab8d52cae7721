"""MLPAutoencoder."""
from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import _fit_context
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import check_is_fitted

from .. import _checks
from .._arrays import blocks, weights
from .._fit.options import Callbacks, described, is_tuple_of
from .._fit.ranks import ALONE, Ranks
from .._running_fits import alone
from .._types import Floats
from ..layers import Dropout
from ..model import MLP
from ..optim import Optimizer
from ..sensitivity._target import dense_rows
from ..ties import Tie, tie_transpose
from . import _solvers
from ._base import BaseMLP, with_callbacks
from ._docs import ATTRIBUTES, PARAMETERS
from ._input import either, validate_data, validate_weight
from ._mlp import Entries
from ._several_ranks import together
from ._types import Activations, LearningRate, Monitored, Seed


class MLPAutoencoder(BaseMLP):
    __doc__ = f"""A network that learns to give its input back through a narrow layer, whose units are the code.

    hidden_layer_sizes are the encoder's, the last is the code; the decoder has the same in reverse. Minimises half the
    squared error, summed over features, of which the mean over features is reported.

    Parameters
    ----------
    tied : whether each decoder layer's weights are the transpose of the encoder's: half the parameters. The arrays in
        `coefs_` are then read-only. Default True.
    hidden_layer_sizes here defaults to (32,); solver is "adam" or "sgd"; a list of activations or dropouts has one for
    each layer from the first of the encoder to the last but one of the decoder; monitor takes no names of scorers,
    which want a predict. All else is as of MLPRegressor:
{PARAMETERS}

    Attributes
    ----------
{ATTRIBUTES}

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from fastmlp import MLPAutoencoder
    >>> X = load_digits().data / 16
    >>> coder = MLPAutoencoder((16,), random_state=0).fit(X)
    >>> coder.transform(X).shape, coder.inverse_transform(coder.transform(X)).shape
    ((1797, 16), (1797, 64))
    """

    _parameter_constraints = {
        **BaseMLP._parameter_constraints,
        "tied": ["boolean"],
        "solver": [StrOptions(set(_solvers.STOCHASTIC))],
        "monitor": [StrOptions({"loss", "score"}), callable, None],
    }
    loss = "squared_error"

    def __init__(self, hidden_layer_sizes: ArrayLike = (32,), activation: Activations = "relu", *, tied: bool = True,
                 solver: str = "adam", alpha: float = 0.0001, batch_size: int | str = "auto",
                 learning_rate: LearningRate = "constant", learning_rate_init: float = 0.001, power_t: float = 0.5,
                 max_iter: int = 200, shuffle: bool = True, random_state: Seed = None, tol: float = 1e-4,
                 verbose: bool = False, warm_start: bool = False, momentum: float = 0.9,
                 nesterovs_momentum: bool = True, early_stopping: bool = False, validation_fraction: float = 0.1,
                 beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, n_iter_no_change: float = 10,
                 max_fun: int = 15000, dtype: str | None = None, precision: str = "full",
                 n_threads: int | None = None, optimizer: Optimizer | str | None = None, l1: float = 0.0,
                 dropout: float | Sequence[float] = 0.0, gradient_penalty: float = 0.0, input_noise: float = 0.0,
                 gradient_clip: float | None = None, monitor: Monitored = None, restore_best: bool = False,
                 max_time: float | None = None, callbacks: Callbacks | None = None) -> None:
        self._set_parameters(locals())

    # ---- the network

    def _hidden_sizes(self) -> list[int]:
        sizes = super()._hidden_sizes()
        if not sizes:
            raise ValueError("hidden_layer_sizes must have at least one layer, for the code, got none")
        return [*sizes, *sizes[-2::-1]]

    def _ties(self, layers: Entries) -> Sequence[Tie]:
        """The ties for the list that MLP takes: each W of the decoder is the encoder's, transposed."""
        if not self._settled["tied"]:
            return []
        with_weights = [l for l, layer in enumerate(layers) if l and not isinstance(layer, Dropout)]
        encoder = with_weights[:len(with_weights) // 2]
        return [tie_transpose(l, m) for l, m in zip(encoder, with_weights[::-1])]

    def _settles(self) -> dict[str, Any]:
        return {**super()._settles(), "tied": self.tied}

    def _network_loss(self) -> str:
        return "half_squared_error"

    def _loss_to_report(self, loss: float) -> float:
        return loss / self.n_outputs_

    def _score_of(self, outputs: Callable[..., Floats], y: Any, weight: Any) -> float:
        """R^2 over all features together; by scikit-learn's conventions if no feature varies, or for a single row."""
        n, d = y.shape
        if n < 2:
            warnings.warn("R^2 score is not well-defined with less than two samples.", UndefinedMetricWarning,
                          stacklevel=2)
            return np.nan
        weight = np.ones(n) if weight is None else weights(weight, n, np.float64)
        parts, first = blocks(n, 4 * 8 * d), dense_rows(y, slice(0, 1), float)
        mean = sum(weight[part] @ (dense_rows(y, part, float) - first) for part in parts) / weight.sum()
        lost, total = np.zeros(d), 0.0
        for part in parts:
            x = dense_rows(y, part, float)
            lost += weight[part] @ (x - outputs(part)) ** 2
            total += (weight[part] @ (x - first - mean) ** 2).sum()  # 0 without rounding where no feature varies
        if not np.isfinite(lost).all():
            return np.nan
        return 1 - lost.sum() / total if total else np.mean(lost == 0)

    # ---- fitting

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool,
                        ranks: Ranks = ALONE) -> tuple[Any, Any]:
        X = validate_data(self, X, accept_sparse="csr", dtype=(np.float64, np.float32), reset=reset,
                          ensure_min_samples=int(not ranks.several))
        return X, X

    def _validation_parts(self, given: Any) -> tuple[Any, ...]:
        X, weight = given if is_tuple_of(given, 2) else (given, None)
        if isinstance(X, tuple):
            raise ValueError(f"validation_data must be X or (X, sample_weight), got {described(X)}")
        return X, None, weight

    def _as_network(self, X: Any, y: Any = None) -> tuple[MLP, Any, Any]:
        """y : the targets, which the network checks."""
        net, X, _ = super()._as_network(X)
        return net, X, y

    @together
    @alone
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None, validation_data: Any = None, *,
            X_val: Any = None, y_val: Any = None, sample_weight_val: ArrayLike | None = None,
            comm: Any = None, sync: str | int = "step") -> Self:
        """Fit to X, (n_samples, n_features), array-like, DataFrame or scipy sparse, which stays sparse.

        y, y_val : not used. sample_weight : (n_samples,), at least 0. validation_data : validation rows, used instead
        of a part of X, or a pair of them and their weights; or these as X_val and sample_weight_val, for
        Pipeline(.., transform_input=["X_val"]). comm, sync : as in MLPRegressor's fit; with validation rows, monitor
        must be "loss". Returns self.
        """
        given = None if X_val is None else (X_val, sample_weight_val)
        validation_data = either(validation_data, given, sample_weight_val)
        watches = self.early_stopping or validation_data is not None
        if comm is not None and comm.several and self.monitor != "loss" and watches:
            raise ValueError("monitor must be 'loss' for validation rows where comm is given, got "
                             + _checks.described(self.monitor))
        return self._fit(X, None, sample_weight, validation_data=validation_data, ranks=comm)

    @alone
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> Self:
        """One epoch over X.

        Continues from fit, partial_fit or new weights, as with warm_start: weights, the optimiser's state, learning
        rate and random numbers are kept, and curves are extended. Patience is counted, but does not end training (with
        learning_rate="adaptive" it reduces the rate). Callbacks start anew in each call. ValueError with
        early_stopping=True.
        """
        return self._fit(X, None, sample_weight, incremental=True)

    # ---- using

    def transform(self, X: Any) -> Any:
        """Encode X: the codes, (n_samples, units of the code)."""
        check_is_fitted(self, "coefs_")
        return self._halves()[0].predict(validate_data(self, X, accept_sparse=["csr", "csc"], reset=False))

    def _halves(self) -> tuple[MLP, MLP]:
        """The encoder and the decoder, as networks."""
        specs = self._layers_of_use()
        middle = len(specs) // 2 + 1
        return self._part(specs[:middle]), self._part([self._n_features_out, *specs[middle:]])

    def inverse_transform(self, X: Any) -> Floats:
        """Decode codes X: rows, (n_samples, n_features)."""
        check_is_fitted(self, "coefs_")
        return self._halves()[1].predict(X)

    def score(self, X: Any, y: Any = None, sample_weight: ArrayLike | None = None) -> float:
        """The fraction of X's variance that is reconstructed: 1 - sum (X - X')^2 / sum (X - mean)^2.

        By scikit-learn's conventions for r2: if no feature varies, the fraction of features that are reconstructed
        exactly; for a single row NaN, with a warning. sample_weight : (n_samples,), at least 0 and not all 0, or
        ValueError.
        """
        check_is_fitted(self, "coefs_")
        X, y = self._validate_input(X, None, incremental=True, reset=False)
        if sample_weight is not None:
            sample_weight = validate_weight(sample_weight, X, np.float64)
        return float(self._score_of(lambda part: self._outputs(X[part], check_input=False), y, sample_weight))

    @property
    def _n_features_out(self) -> int:
        return self.coefs_[len(self.coefs_) // 2].shape[0]
