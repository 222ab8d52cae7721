"""The common base class of the estimators: parameters, handling of y, files, fitting and prediction."""
from __future__ import annotations

import os
from collections.abc import Callable
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from .. import _checks, _core, _lazy, optim
from .._arrays import unscaled_weights
from .._fit.ranks import ALONE, Ranks
from .._fit.unscaled import warn_of_scales
from .._monitor import HELD_OUT
from .._running_fits import Fit, alone
from .._types import Floats
from ..callbacks import Callback, require_watched
from ..layers import ALIASES
from ..metrics import larger_is_better
from ..model import MLP
from ..sensitivity._target import Target
from . import _constraints, _files, _lbfgs, _solvers, _state, _stochastic, _watched
from ._doc_link import Documented
from ._input import parts_to_watch, rows_to_watch, validate_data, validate_weight
from ._mlp import HasNetwork
from ._several_ranks import require_same_parameters, together
from ._stochastic import CurrentRate

try:  # new in scikit-learn 1.9, and experimental there
    from sklearn.callback import CallbackSupportMixin
    from sklearn.callback import with_callbacks as with_callbacks
except ImportError:
    CallbackSupportMixin = type("CallbackSupportMixin", (), {})

    def with_callbacks(method: Any) -> Any:
        return method


def _at_least(number: float, kind: type = Real, closed: str = "left") -> Interval:
    return Interval(kind, number, None, closed=closed)


class BaseMLP(HasNetwork, Documented, CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin,
              BaseEstimator):
    """The base class. Subclasses define how y is handled, if it is not one column of numbers: `_validate_input`,
    `_out_activation`, `_network_loss`, `_decode` and `_score` or `_score_of`, and the methods after the constructor.

    Of its private names, other packages use these: `sensitivity` uses `_as_network`; `export` uses `_mlp`, `_adopt`,
    `_settles` and `_settled` (the network), `_halves` (of the autoencoder), `_y_type`, `_label_binarizer` and
    `_n_features_out` (outputs), `_validate_params`; `distributed` uses `_mlp`, `_hidden_sizes`, `_check_loss`,
    `_stochastic`, `_parameter_constraints`, `_ready`, `_fit`, `_random_state` and `_watching` (fits),
    `_validate_input`, `_targets`, `_loss_to_report`, `_y_type` and `_y_sparse` (data)."""

    _parameter_constraints = {
        "hidden_layer_sizes": ["array-like", _at_least(1, Integral)],
        "activation": [StrOptions({*ALIASES, *_core.ACTIVATIONS}), list, tuple],
        "solver": [StrOptions({"lbfgs", *_solvers.STOCHASTIC})],
        "alpha": [_at_least(0)],
        "batch_size": [StrOptions({"auto"}), _at_least(1, Integral)],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive"}), callable],
        "learning_rate_init": [_at_least(0, closed="neither")],
        "power_t": [_at_least(0)],
        "max_iter": [_at_least(1, Integral)],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [_at_least(0)],
        "verbose": ["verbose"],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [_at_least(0, closed="neither")],
        "n_iter_no_change": [_at_least(1, Integral), Options(Real, {np.inf})],
        "max_fun": [_at_least(1, Integral)],
        "dtype": [StrOptions({"float32", "float64"}), None],
        "precision": [StrOptions({*_checks.PRECISIONS})],
        "n_threads": [Interval(Integral, 1, _core.MOST_THREADS, closed="both"), None],
        "optimizer": [optim.Optimizer, StrOptions(set(optim.BY_LOWER_NAME)), None],
        "l1": [_at_least(0)],
        "dropout": [Interval(Real, 0, 1, closed="left"), list, tuple],
        "gradient_penalty": [_at_least(0)],
        "input_noise": [_at_least(0)],
        "gradient_clip": [_at_least(0, closed="neither"), None],
        "monitor": [str, callable, None],
        "restore_best": ["boolean"],
        "max_time": [_at_least(0, closed="neither"), None],
        "callbacks": [list, tuple, callable, Callback, None],
    }

    def _validate_params(self) -> None:
        """Check the parameters; scikit-learn calls this before each fit."""
        _constraints.check_kinds(self)
        dtype = np.dtype(self.dtype or (np.float64 if self.precision == "full" else np.float32))
        _checks.precision(self.precision, dtype)
        _constraints.check_bounds(self, dtype)
        _constraints.check_numbers(self, dtype)

    def _set_parameters(self, parameters: dict[str, Any]) -> None:
        """Set attributes from __init__'s locals()."""
        self.__dict__.update((k, v) for k, v in parameters.items() if k not in ("self", "__class__"))

    # ---- what y is

    def _n_outputs(self) -> int:
        """The number of outputs for a y of one column."""
        return 1

    def _outputs_each(self) -> int:
        """The number of the network's outputs for each column of y."""
        return 1

    def _out_activation(self) -> str:
        return "identity"

    def _targets(self, y: Any, dtype: DTypeLike) -> Any:
        """y as the network takes it."""
        return y

    def _stratification_labels(self, y: Any) -> Any:
        """Labels to stratify the split of held-out rows by, or None."""
        return None

    def _decode(self, outputs: Floats) -> Any:
        """Convert the network's outputs to the results of predict."""
        return outputs

    def _total_weight(self, y: Any, sample_weight: Floats | None, ranks: Ranks = ALONE) -> Floats | None:
        return sample_weight

    def _loss_to_report(self, loss: float) -> float:
        """Convert the network's mean loss to the one that is reported."""
        return loss

    def _score_of(self, outputs: Callable[..., Floats], y: Any, weight: Any) -> float:
        """The score of rows; NaN if outputs are not finite. outputs: a function that returns those of all rows, or of a
        slice."""
        found = outputs()
        return self._score(y, self._decode(found), weight) if np.isfinite(found).all() else np.nan

    def _check_loss(self) -> None:
        """ValueError if the loss does not exist."""

    # ---- files

    def to_onnx(self, path: str | os.PathLike[str] | None = None, dtype: Any = None, weights: str | None = None) -> Any:
        """The fitted estimator as an ONNX model, with outputs named as by skl2onnx: see fastmlp.export.to_onnx.

        path : file to write, None for none. dtype : "float32" or "float64" of the input X, None for the network's.
            weights : "int8", "bfloat16" or "sparse" for a smaller model. Returns the onnx.ModelProto.
        """
        check_is_fitted(self, "coefs_")
        return _lazy.load("export").to_onnx(self, path, dtype, weights)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the estimator to a file, fitted or not: parameters, weights, labels, names of features, the solver's
        state and the random state. The format is that of MLP.save; the file is written completely or not at all.

        ValueError that names a parameter or attribute which is or contains a function or another object, such as a
        callback, that cannot be saved. OSError that names the path if it cannot be written.
        """
        _files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Load an estimator from a file that save of the same class wrote. Predictions, partial_fit and warm starts
        give exactly the same bits as without saving.

        ValueError if the file is damaged, of another kind or class, or of a later format; OSError if it cannot be read.
        Nothing in a file is executed.
        """
        return _files.load(cls, path)

    # ---- fitting

    @together
    @alone
    @with_callbacks
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None,
            validation_data: tuple[Any, ...] | None = None, *, X_val: Any = None, y_val: Any = None,
            sample_weight_val: ArrayLike | None = None, comm: Any = None, sync: str | int = "step") -> Self:
        """Fit to X and y.

        X : (n_samples, n_features), array-like, DataFrame or scipy sparse, which stays sparse.
        y : (n_samples,) or (n_samples, n_outputs).
        sample_weight : (n_samples,), at least 0: how often a row counts. Their scale matters relative to alpha and l1,
            which are not weighted.
        validation_data : (X, y) or (X, y, sample_weight): validation rows, used instead of a part of X; turns early
            stopping on. Not with "lbfgs". In a Pipeline, the steps before this one do not transform them.
        X_val, y_val, sample_weight_val : the same as separate arguments, as in scikit-learn's HistGradientBoosting:
            Pipeline(.., transform_input=["X_val"]) transforms X_val like X.
        comm : the processes that fit it together, as in MLP.fit, such as MPI.COMM_WORLD: each has its own rows of X, y
            and validation data, possibly none; classes, numbers of rows, scores and stopping are determined over all.
            Parameters must be the same on all, except for random_state, n_threads, verbose and callbacks, which are
            called on rank 0. Not with "lbfgs". Held-out rows are not stratified by class.
        sync : "step": the ranks of comm take each step together. A number H: each takes H steps of its own between two
            averages of the weights, as in MLP.fit, for slow networks; loss_curve_ is then the mean over each rank's own
            steps.

        Returns self. ValueError if the data are wrong or the solver diverged; ConvergenceWarning if max_iter was
        reached; RuntimeError if the estimator is already being fitted by another call.
        """
        watched = rows_to_watch(validation_data, X_val, y_val, sample_weight_val)
        return self._fit(X, y, sample_weight, validation_data=watched, ranks=comm)

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, incremental: bool = False, validation_data: Any = None,
             ranks: Ranks | None = None) -> Self:
        ranks = ranks or ALONE
        job = self._ready(X, y, sample_weight, incremental, validation_data, ranks)
        with Fit(job.net) as job.running:  # callbacks find this running fit
            job.running.directions = {name: larger_is_better(name) for name in job.logged}
            (_stochastic.fit_stochastic if self._stochastic else _lbfgs.fit_lbfgs)(job)
        return self

    def _ready(self, X: Any, y: Any, sample_weight: Any, incremental: bool, validation_data: Any,
               ranks: Ranks) -> _solvers.FitJob:
        """Check everything and make the network of which coefs_ and intercepts_ are views; returns the FitJob."""
        hidden = self._hidden_sizes()
        self._check_loss()
        if ranks.several:
            require_same_parameters(self, ranks, validation_data)
        if not self._stochastic:
            _lbfgs.check_lbfgs(self, validation_data)
        if incremental and (self.early_stopping or validation_data is not None):
            raise ValueError("partial_fit does not support early_stopping=True")
        names = _watched.names_logged(self, validation_data)
        may_hold_out = self._stochastic and not incremental
        require_watched(_solvers.callbacks_of(self), names, HELD_OUT if may_hold_out else "")
        first = not hasattr(self, "coefs_") or not (incremental or self.warm_start)
        X, y = self._validate_input(X, y, incremental, reset=first, ranks=ranks)
        weight = self._checked_weight(X, y, sample_weight, ranks)
        validation = self._validation(validation_data, ranks)
        if first or not hasattr(self, "_random_state") or not isinstance(self.random_state, Integral):
            self._random_state = check_random_state(self.random_state)
        self.n_outputs_ = y.shape[1] if y.ndim == 2 else self._n_outputs()
        sizes = [X.shape[1], *hidden, self.n_outputs_ * self._outputs_each()]
        if ranks.several:
            ranks.require_same({"the features of X": X.shape[1], "the outputs of y": self.n_outputs_,
                                "the dtype of X": X.dtype, "whether fit goes on": not first})
        self.out_activation_ = self._out_activation()
        self._settled = self._settles()
        with _checks.within_memory("hidden_layer_sizes"):
            net = self._first_mlp(sizes, X.dtype) if first else self._next_mlp(sizes)
        targets = self._targets(y, net.dtype) if y.shape[0] else y
        data, numbers = ranks.bind(net._network, X, targets, weight)
        if not incremental and not ranks.several:
            warn_of_scales(net._network, X, targets, self.max_iter, stacklevel=2)
        if first:
            self._start(sizes)
        self._adopt(net)
        return _solvers.FitJob(self, net, data, X, y, weight, incremental, validation, names, ranks, numbers)

    def _checked_weight(self, X: Any, y: Any, sample_weight: Any, ranks: Ranks) -> Floats | None:
        """The weights of rows, times class weights."""
        if sample_weight is not None:
            if ranks.several:  # of which some may have no weight
                sample_weight = unscaled_weights(sample_weight, X.shape[0], X.dtype) if X.shape[0] else None
            else:
                sample_weight = validate_weight(sample_weight, X)
        return self._total_weight(y, sample_weight, ranks)

    def _validation(self, given: Any, ranks: Ranks) -> tuple[Any, ...] | None:
        """validation_data, checked: (X, y, sample_weight), or None."""
        if given is None:
            return None
        X, y, weight = self._validation_parts(given)
        X, y = self._validate_input(X, y, incremental=True, reset=False, ranks=ranks)
        return X, y, self._checked_weight(X, y, weight, ranks)

    def _validation_parts(self, given: Any) -> tuple[Any, ...]:
        """X, y and sample_weight or None of validation_data."""
        return parts_to_watch(given)

    def _start(self, sizes: list[int]) -> None:
        """Set the attributes for a new training."""
        self.n_layers_ = len(sizes)
        self.n_iter_ = self.t_ = 0
        _solvers.start_curves(self)

    # ---- using

    @property
    def _stochastic(self) -> bool:
        return self.optimizer is not None or self.solver in _solvers.STOCHASTIC

    def _check_solver(self) -> bool:
        if not self._stochastic:
            raise AttributeError("partial_fit is only available for stochastic optimizers. "
                                 f"{self.solver} is not stochastic.")
        return True

    def _outputs(self, X: Any, check_input: bool = True, linked: bool = True) -> Floats:
        """The link of x(L), or x(L) itself, (n_samples, n_outputs)."""
        check_is_fitted(self, "coefs_")
        network = self._mlp()._network
        if linked and type(X) is np.ndarray and not hasattr(self, "feature_names_in_"):
            out = network.core.predict_small(X)  # includes the checks; None if it cannot take X
            if out is not None:
                return out
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return network.predict(X, linked)

    def _hidden_layer(self, argument: str) -> int:
        """The number of the hidden layer for transform, the first is 0. argument : its name for errors."""
        n_hidden, layer = len(self.coefs_) - 1, self.transform_layer
        if not n_hidden:
            raise ValueError("transform gives the activations of a hidden layer, but hidden_layer_sizes has none")
        if not -n_hidden <= _checks.integer(argument, layer, -n_hidden) < n_hidden:
            raise ValueError(f"{argument} must be one of {n_hidden} hidden layers, -{n_hidden}..{n_hidden - 1}, "
                             f"got {layer}")
        return layer % n_hidden

    def _activations(self, X: Any, hidden: int) -> Floats:
        """The activations of hidden layer number `hidden`, the first is 0."""
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return self._part(self._layers_of_use()[:hidden + 2]).predict(X)

    def input_gradient(self, X: Any, y: Any = None, output: Any = None) -> Floats:
        """The derivative of each row's error, or of an output, by its features.

        X : (n_samples, n_features). y : targets, for the loss, de_i/dx_i. output : k, or one for each row, for outputs
        before their link; of two classes the only output, that of the second, is called 1 or 0. With neither: of the
        winning class, or of the only output. Returns (n_samples, n_features).
        """
        f = Target(self, X, y, output)
        return f.gradient(f.X, np.arange(f.n))

    def _as_network(self, X: Any, y: Any = None) -> tuple[MLP, Any, Any]:
        """The network, and X and y, checked, as it takes them."""
        check_is_fitted(self, "coefs_")
        net = self._mlp()
        if y is None:
            return net, validate_data(self, X, accept_sparse=["csr", "csc"], reset=False), None
        X, y = self._validate_input(X, y, incremental=True, reset=False)
        return net, X, self._targets(y, net.dtype)

    def _loss_grad_lbfgs(self, packed: Any, X: Any, y: Any, sample_weight: Any = None, *_: Any) -> tuple[float, Floats]:
        """(loss, gradient) of weights and then biases in one array, under scikit-learn's name; y (n, n_outputs), 0 or 1
        for labels."""
        check_is_fitted(self, "coefs_")
        return _lbfgs.loss_and_gradient(self, packed, X, np.asarray(y, np.float64), sample_weight)

    @property
    def _optimizer(self) -> CurrentRate:
        """The solver's current rate, under scikit-learn's name."""
        if "_rate" not in self.__dict__:
            raise AttributeError("_optimizer")
        return CurrentRate(self._rate)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        dtypes = ["float64", "float32"] if self._stochastic else ["float64"]
        tags.transformer_tags.preserves_dtype = dtypes if self.dtype is None else [self.dtype]
        return tags

    # ---- state

    def __getstate__(self) -> dict[str, Any]:
        return _state.of(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        _state.resume(self, state)


def column(y: Any) -> Any:
    """y (n, 1) as (n,), with scikit-learn's warning; else y."""
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
