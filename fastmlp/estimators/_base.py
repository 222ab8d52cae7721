"""What the estimators have in common: parameters, the network behind coefs_ and intercepts_, fitting, state."""
from __future__ import annotations

import contextlib
import copy
import inspect
import os
from dataclasses import replace
from numbers import Integral, Real
from operator import is_
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin, _fit_context
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from .. import _checks, _core, _lazy, optim
from .._files import document
from .._fit.options import described, is_tuple_of
from .._fit.ranks import ALONE
from .._fit.scales import warn_of_scales
from .._parameters import OptimizerState
from .._running import Fit, alone
from .._types import Floats
from ..callbacks import Callback, require_watched
from ..layers import ALIASES, Dense, Dropout
from ..metrics import larger_is_better
from ..model import MLP
from ..sensitivity._target import Target
from . import _checked, _files, _lbfgs, _solvers, _stochastic, _watched
from ._documented import Documented
from ._input import validate_data, validate_weight
from ._together import require_same_parameters, together

try:  # new in scikit-learn 1.9, and experimental there
    from sklearn.callback import CallbackSupportMixin, with_callbacks
except ImportError:
    CallbackSupportMixin = type("CallbackSupportMixin", (), {})

    def with_callbacks(method):
        return method


FORMAT = 1  # of pickled state


def _at_least(number, kind=Real, closed="left"):
    return Interval(kind, number, None, closed=closed)


class BaseMLP(Documented, CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """The estimators' base. Subclasses say what y is, where it is not one column of numbers: `_validate_input`,
    `_out_activation`, `_network_loss`, `_decode` and `_score` or `_score_of`, and what follows the constructor.

    Of its private names `sensitivity`, `export` and `distributed` use these: `_mlp`, `_adopt` and `_as_network` (the
    network), `_fit`, `_ready` and `_stochastic` (fits), `_validate_input` and `_targets` (data)."""

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

    def _validate_params(self):
        """What scikit-learn calls before each fit."""
        _checked.check_kinds(self)
        dtype = np.dtype(self.dtype or (np.float64 if self.precision == "full" else np.float32))
        _checks.precision(self.precision, dtype)
        _checked.check_bounds(self, dtype)
        _checked.check_numbers(self, dtype)

    def _set_parameters(self, parameters):
        """__init__'s locals() as attributes."""
        vars(self).update((k, v) for k, v in parameters.items() if k not in ("self", "__class__"))

    # ---- what y is

    def _n_outputs(self):
        """Of a y of one column."""
        return 1

    def _outputs_each(self):
        """Of the network, for each column of y."""
        return 1

    def _out_activation(self):
        return "identity"

    def _targets(self, y, dtype):
        """y as the network takes it."""
        return y

    def _stratification_labels(self, y):
        """Labels to stratify the split of held-out rows by, or None."""
        return None

    def _decode(self, outputs):
        """Outputs as predict gives them."""
        return outputs

    def _total_weight(self, y, sample_weight, ranks=ALONE):
        return sample_weight

    def _loss_to_report(self, loss):
        """The loss that is shown for the network's mean loss."""
        return loss

    def _score_of(self, outputs, y, weight):
        """The score of rows whose outputs a function gives, of all or of a slice of them; NaN where these are not
        finite."""
        found = outputs()
        return self._score(y, self._decode(found), weight) if np.isfinite(found).all() else np.nan

    def _check_loss(self):
        """ValueError where the loss asked for is none."""

    # ---- the network behind coefs_ and intercepts_

    def _hidden_sizes(self):
        """hidden_layer_sizes as a list."""
        return _checked.hidden_sizes(self.hidden_layer_sizes)

    def _layers(self, coefs, intercepts):
        """The list that MLP takes, with these weights to start from."""
        n_hidden = len(coefs) - 1
        activations = _checked.each_hidden(self, "activation", n_hidden, str)
        rates = _checked.each_hidden(self, "dropout", n_hidden, Real)
        layers = [len(coefs[0])]
        for W, b, activation, rate in zip(coefs, intercepts, [*activations, "identity"], [*rates, 0.0]):
            layers.append(Dense(W.shape[1], activation, init=W, bias_init=b))
            layers += [Dropout(rate)] if rate > 0 else []
        return layers

    def _layers_of_use(self):
        """The list that MLP takes, as it is now, without what only training has."""
        return [layer for layer in self._layers(self.coefs_, self.intercepts_) if not isinstance(layer, Dropout)]

    def _draws_random_numbers(self):
        """Whether training draws more than the order of rows."""
        return bool(self.input_noise) or any(
            _checked.each_hidden(self, "dropout", len(self._hidden_sizes()), Real))

    def _settles(self):
        """What a fit settles of the network, whatever parameters are set after it."""
        return {"loss": self._network_loss()}

    def _build(self, coefs, intercepts, dtype):
        layers = self._layers(coefs, intercepts)
        net = MLP(layers, loss=self._settled["loss"], dtype=dtype, random_state=0, ties=self._ties(layers),
                  precision=self.precision)
        # its specs need not keep the arrays that the weights started from
        net._network.layers = tuple(
            replace(layer, init="zeros", bias_init=0.0) if isinstance(layer, Dense) else layer for layer in net.layers)
        return self._threaded(net)

    def _threaded(self, net):
        """A network, which takes as many threads as are wanted now."""
        net._network.n_threads = self.n_threads
        return net

    def _part(self, layers):
        """The network of some of the layers."""
        return self._threaded(MLP(layers, dtype=self._mlp().dtype, precision=self.precision))

    def _ties(self, layers):
        return ()

    def _adopt(self, net):
        """Make a network the one whose weights coefs_ and intercepts_ are: views, through which it can be changed."""
        self.coefs_ = [W for W in net.W if W is not None]
        self.intercepts_ = [b for b in net.b if b is not None]
        self._net = net, [*self.coefs_, *self.intercepts_], self._built_from()

    def _built_from(self):
        return {"activation": self.activation, "dropout": self.dropout, "precision": self.precision}

    def _fitted(self):
        """(the network that a fit left, what it was built from), None and {} where coefs_ or intercepts_ were set."""
        arrays = [*self.coefs_, *self.intercepts_]
        net, views, built_from = self.__dict__.get("_net", (None, (), {}))
        return (net, built_from) if len(arrays) == len(views) and all(map(is_, arrays, views)) else (None, {})

    def _mlp(self):
        """The network that coefs_ and intercepts_ are views of, or where others were set, or what it is built from, a
        new one of those."""
        net, built_from = self._fitted()
        if net is not None and built_from == self._built_from():
            return self._threaded(net)
        coefs, intercepts = [np.asarray(W) for W in self.coefs_], [np.asarray(b) for b in self.intercepts_]
        return self._build(coefs, intercepts, "float32" if coefs[0].dtype == np.float32 else "float64")

    @property
    def network_(self) -> MLP:
        """The MLP behind `coefs_` and `intercepts_`, ready to predict: its outputs are those of the last layer and of
        its link, for two classes the probability of the second alone. It is no copy: what it learns is learned here,
        unless coefs_ or intercepts_ were set."""
        check_is_fitted(self, "coefs_")
        return self._mlp()

    def to_onnx(self, path: str | os.PathLike[str] | None = None, dtype: Any = None, weights: str | None = None) -> Any:
        """The fitted estimator as an ONNX model, with outputs named as skl2onnx names them: see fastmlp.export.to_onnx.

        path : where it is written, None for nowhere. dtype : "float32" or "float64" of the input X, None for the
            network's. weights : "int8", "bfloat16" or "sparse" for a smaller model. Returns the onnx.ModelProto.
        """
        check_is_fitted(self, "coefs_")
        return _lazy.load("export").to_onnx(self, path, dtype, weights)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the estimator to a file, fitted or not: parameters, weights, labels, names of features, the solver's
        state and the random stream. The format is that of MLP.save; the file is there whole or not at all.

        ValueError that names the parameter or attribute where it is or holds a function or another object, such as a
        callback, which no file can. OSError that names the path where it cannot be written.
        """
        _files.save(self, path)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """The estimator that save of the same class wrote to a file. Its predictions are the same to the bit, and
        partial_fit and warm starts go on as if it had never stopped.

        ValueError where the file is damaged, foreign, of another class or of a later format; OSError where it cannot be
        read. Nothing in a file is run.
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
        sample_weight : (n_samples,), at least 0: how often a row is there. Beside alpha and l1, which are not weighted,
            their size counts.
        validation_data : (X, y) or (X, y, sample_weight): rows to watch instead of a part of X; turns early stopping
            on. Not with "lbfgs". The steps of a Pipeline before this one do not see them.
        X_val, y_val, sample_weight_val : the same by themselves, as scikit-learn's HistGradientBoosting takes them:
            Pipeline(.., transform_input=["X_val"]) transforms X_val as X.
        comm : the processes that fit it together, as of MLP.fit, such as MPI.COMM_WORLD: each has rows of its own, of
            X, y and validation rows, some perhaps none; classes, numbers of rows, scores and when to stop are those of
            all. Parameters must be the same on all, but for random_state, n_threads, verbose and callbacks,
            which are called on rank 0. Not with "lbfgs". Held-out rows are drawn without regard to classes.
        sync : "step": the ranks of comm take each step together. A number H: each takes H steps of its own between two
            averages of the weights, as of MLP.fit, for slow networks; loss_curve_ is then of each one's own steps.

        Returns self. ValueError where the data does not fit or the solver left finite numbers; ConvergenceWarning where
        max_iter came first; RuntimeError while the estimator is being fitted by another call.
        """
        if y_val is None and X_val is not None:
            raise ValueError("y_val must be given where X_val is, got None")
        given = None if X_val is None else (X_val, y_val, sample_weight_val)
        return self._fit(X, y, sample_weight, validation_data=either(validation_data, given, y_val, sample_weight_val),
                         ranks=comm)

    def _fit(self, X, y, sample_weight=None, incremental=False, validation_data=None, ranks=None):
        ranks = ranks or ALONE
        job = self._ready(X, y, sample_weight, incremental, validation_data, ranks)
        with Fit(job.net) as job.running:  # callbacks have it in hand
            job.running.directions = {name: larger_is_better(name) for name in job.logged}
            (_stochastic.fit_stochastic if self._stochastic else _lbfgs.fit_lbfgs)(job)
        return self

    def _ready(self, X, y, sample_weight, incremental, validation_data, ranks):
        """All is checked, and the network is there that coefs_ and intercepts_ are views of; the FitJob."""
        hidden = self._hidden_sizes()
        self._check_loss()
        if ranks.several:
            require_same_parameters(self, ranks, validation_data)
        if not self._stochastic:
            _lbfgs.check_lbfgs(self, validation_data)
        if incremental and (self.early_stopping or validation_data is not None):
            raise ValueError("partial_fit does not support early_stopping=True")
        names = _watched.names_logged(self, validation_data)
        require_watched(_solvers.callbacks_of(self), names)
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

    def _checked_weight(self, X, y, sample_weight, ranks):
        """The weights of rows, with those of their classes."""
        if sample_weight is not None:
            sample_weight = validate_weight(sample_weight, X) if X.shape[0] else None
        return self._total_weight(y, sample_weight, ranks)

    def _validation(self, given, ranks):
        """validation_data, checked: (X, y, sample_weight), or None."""
        if given is None:
            return None
        X, y, weight = self._validation_parts(given)
        X, y = self._validate_input(X, y, incremental=True, reset=False, ranks=ranks)
        return X, y, self._checked_weight(X, y, weight, ranks)

    def _validation_parts(self, given):
        """X, y and sample_weight or None of validation_data."""
        if not is_tuple_of(given, 2, 3):
            raise ValueError(f"validation_data must be (X, y) or (X, y, sample_weight), got {described(given)}")
        return (*given, None)[:3]

    def _first_mlp(self, sizes, dtype):
        """A network with weights drawn as scikit-learn draws them: W(1), b(1), W(2), .. uniform, after Glorot and
        Bengio 2010."""
        if self.dtype is not None:
            dtype = self.dtype
        elif self.precision != "full":
            dtype = "float32"
        elif not self._stochastic:  # scipy's L-BFGS works in float64
            dtype = "float64"
        _checked.check_numbers(self, dtype)
        factor = 2.0 if self.activation == "logistic" else 6.0
        coefs, intercepts = [], []
        for n_in, n_out in zip(sizes, sizes[1:]):
            bound = np.sqrt(factor / (n_in + n_out))
            coefs.append(self._random_state.uniform(-bound, bound, (n_in, n_out)))
            intercepts.append(self._random_state.uniform(-bound, bound, n_out))
        net = self._build(coefs, intercepts, dtype)
        if self._draws_random_numbers():
            net._network.progress.seed = int(self._random_state.randint(2**31 - 1))
        return net

    def _next_mlp(self, sizes):
        """A network with weights of its own that goes on from coefs_, with the optimiser's state."""
        found = [len(self.coefs_[0]), *(np.shape(W)[1] for W in self.coefs_)]
        if found != sizes:
            raise ValueError("hidden_layer_sizes, X and y must stay as in the first fit, where layers had "
                             f"{found} units, got {sizes}")
        last = self._mlp()
        _checked.check_numbers(self, last.dtype)
        coefs, intercepts = ([a for a in arrays if a is not None] for arrays in (last.W, last.b))
        net = self._build(coefs, intercepts, last.dtype)
        network, progress, state = net._network, last._network.progress, last._network.progress.optimizer_state
        network.progress.seed, network.progress.epochs_ever = progress.seed, progress.epochs_ever
        if state is not None and len(last._network.core.P) == len(network.core.P):
            exported = state.export(last._network.parameters)
            network.progress.optimizer_state = OptimizerState.restore(network.parameters, exported)
        return net

    def _start(self, sizes):
        """The attributes of a new training."""
        self.n_layers_ = len(sizes)
        self.n_iter_ = self.t_ = 0
        _solvers.start_curves(self)

    # ---- using

    @property
    def _stochastic(self):
        return self.optimizer is not None or self.solver in _solvers.STOCHASTIC

    def _check_solver(self):
        if not self._stochastic:
            raise AttributeError("partial_fit is only available for stochastic optimizers. "
                                 f"{self.solver} is not stochastic.")
        return True

    def _outputs(self, X, check_input=True, linked=True):
        """The link of x(L), or x(L) itself, (n_samples, n_outputs)."""
        check_is_fitted(self, "coefs_")
        network = self._mlp()._network
        if linked and type(X) is np.ndarray and not hasattr(self, "feature_names_in_"):
            out = network.core.predict_small(X)  # checks as much, sooner; None for what it does not take
            if out is not None:
                return out
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return network.predict(X, linked)

    def _hidden_layer(self, argument):
        """The number of the hidden layer that transform gives, 0 the first. argument : where it comes from."""
        n_hidden, layer = len(self.coefs_) - 1, self.transform_layer
        if not n_hidden:
            raise ValueError("transform gives the activations of a hidden layer, but hidden_layer_sizes has none")
        if not -n_hidden <= _checks.integer(argument, layer, -n_hidden) < n_hidden:
            raise ValueError(f"{argument} must be one of {n_hidden} hidden layers, -{n_hidden}..{n_hidden - 1}, "
                             f"got {layer}")
        return layer % n_hidden

    def _activations(self, X, hidden):
        """Of the hidden layer of a number, 0 the first."""
        X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        return self._part(self._layers_of_use()[:hidden + 2]).predict(X)

    def input_gradient(self, X: Any, y: Any = None, output: Any = None) -> Floats:
        """How each row's error, or an output, depends on its features.

        X : (n_samples, n_features). y : targets, for the loss, de_i/dx_i. output : k, or one for each row, for outputs
        before their link; of two classes the only output, that of the second, is called 1 or 0. With neither: of the
        winning class, or of the only output. Returns (n_samples, n_features).
        """
        f = Target(self, X, y, output)
        return f.gradient(f.X, np.arange(f.n))

    def _as_network(self, X, y=None):
        """The network, and X and y, checked, as it takes them."""
        check_is_fitted(self, "coefs_")
        net = self._mlp()
        if y is None:
            return net, validate_data(self, X, accept_sparse=["csr", "csc"], reset=False), None
        X, y = self._validate_input(X, y, incremental=True, reset=False)
        return net, X, self._targets(y, net.dtype)

    def _loss_grad_lbfgs(self, packed, X, y, sample_weight=None, *_):
        """(loss, gradient) of weights and then biases in one array, under scikit-learn's name; y (n, n_outputs), 0 or 1
        for labels."""
        check_is_fitted(self, "coefs_")
        return _lbfgs.loss_and_gradient(self, packed, X, np.asarray(y, np.float64), sample_weight)

    @property
    def _optimizer(self):
        """The solver's current rate, under scikit-learn's name."""
        if "_rate" not in self.__dict__:
            raise AttributeError("_optimizer")
        return _stochastic.CurrentRate(self._rate)

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        kept = ["float64", "float32"] if self._stochastic else ["float64"]
        tags.transformer_tags.preserves_dtype = kept if self.dtype is None else [self.dtype]
        return tags

    # ---- state: arrays and what Python has built in

    def __getstate__(self):
        passing = ("_net", "_random_state", "_callback_fit_ctx", "_skl_callbacks_to_teardown")
        state = {k: v for k, v in self.__dict__.items() if k not in passing}
        state["_format"] = FORMAT
        if "_random_state" in self.__dict__ and isinstance(self.random_state, Integral):  # a stream of its own
            state["_random_state"] = copy.deepcopy(self._random_state)
        if "coefs_" in state:
            for name in ("coefs_", "intercepts_"):
                state[name] = [np.array(a) for a in state[name]]
            net, built_from = self._fitted()
            if net is not None:
                state["_run"] = _trained_of(net._network) | {"built_from": built_from}
        return state

    def __setstate__(self, state):
        state = dict(state)
        if state.pop("_format", FORMAT) > FORMAT:
            raise ValueError(f"this {type(self).__name__} was saved by a later fastmlp; "
                             f"this one reads formats up to {FORMAT}")
        trained = state.pop("_run", None)
        parameters = inspect.signature(type(self).__init__).parameters.values()
        # first the defaults, for parameters that are newer than the state
        self.__dict__.update({p.name: p.default for p in parameters if p.default is not p.empty})
        self.__dict__.update(state)
        if "coefs_" not in state:
            return
        if "_settled" not in state:  # which came later
            self._settled = self._settles()
        if trained is None:
            return
        now = self._built_from()
        vars(self).update(trained.get("built_from", {}))
        net = self._mlp()
        _restore(net._network, trained, self)
        self._adopt(net)
        vars(self).update(now)


def _trained_of(network):
    """How far a network is trained, as builtins and arrays."""
    progress = network.progress
    state = progress.optimizer_state and progress.optimizer_state.export(network.parameters)
    if state:
        with contextlib.suppress(ValueError):  # of functions, which the parameters have, too
            state["spec"] = document.encode(state["optimizer"])
        del state["optimizer"]
    return {"seed": progress.seed, "epochs": progress.epochs_ever, "state": state}


def _restore(network, trained, est):
    """Go on from there. Of the optimiser's numbers those count that the next fit is asked for."""
    progress, state = network.progress, trained["state"]
    progress.seed, progress.epochs_ever = trained["seed"], trained["epochs"]
    if state is not None:
        optimizer = document.decode(state["spec"]) if "spec" in state else _solvers.optimizer_of(est)
        progress.optimizer_state = OptimizerState.restore(network.parameters, {"optimizer": optimizer, **state})


def either(validation_data: Any, given: Any, *beside: Any) -> Any:
    """Validation rows, which come in one way or the other. given : what X_val stands for, None without; beside : what
    is given with it."""
    if given is None:
        if any(a is not None for a in beside):
            raise ValueError("X_val must be given where y_val or sample_weight_val is, got None")
        return validation_data
    if validation_data is not None:
        raise ValueError("validation_data and X_val must not both be given")
    return given


def column(y: Any) -> Any:
    """y (n, 1) as (n,), with scikit-learn's warning; else y."""
    return column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y
