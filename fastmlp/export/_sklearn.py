"""Convert scikit-learn's perceptrons to fastmlp's, and back."""
from __future__ import annotations

import copy
import inspect
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from .. import _checks
from .._optional import needs
from ..layers import Dense
from ._estimators import own_names

if TYPE_CHECKING:
    from ..estimators._base import BaseMLP
    from ..model import MLP

    Net = TypeVar("Net", bound=MLP)
    Est = TypeVar("Est", bound=BaseMLP)

ACTIVATIONS = {"identity": "identity", "logistic": "sigmoid", "tanh": "tanh", "relu": "relu"}  # theirs -> the engine's
LOSSES = {"softmax": "cross_entropy", "logistic": "binary_cross_entropy", "exp": "poisson",
          "identity": "half_squared_error"}  # by the activation of the output
# attributes of a fit, which are the same in both
FITTED = ("classes_", "n_features_in_", "feature_names_in_", "n_layers_", "n_outputs_", "out_activation_", "n_iter_",
          "t_", "loss_", "loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_",
          "_no_improvement_count", "coefs_", "intercepts_")
WITHOUT_EFFECT = ("dtype", "n_threads", "transform_layer")  # our parameters that do not change fits, except rounding


def network(cls: type[Net], est: Any) -> Net:
    """Implements MLP.from_sklearn."""
    perceptrons = needs("sklearn.neural_network", "from_sklearn")
    if not isinstance(est, (perceptrons.MLPClassifier, perceptrons.MLPRegressor)):
        raise TypeError(f"est must be scikit-learn's MLPClassifier or MLPRegressor, got {_checks.described(est)}")
    require_fitted(est)
    activations = [ACTIVATIONS[est.activation]] * (len(est.coefs_) - 1) + ["identity"]
    layers = [Dense(W.shape[1], name) for W, name in zip(est.coefs_, activations)]
    dtype = np.float32 if est.coefs_[0].dtype == np.float32 else np.float64
    net = cls([len(est.coefs_[0]), *layers], loss=LOSSES[est.out_activation_], dtype=dtype)
    net.params = np.concatenate([a.ravel() for pair in zip(est.coefs_, est.intercepts_) for a in pair])
    return net


def estimator(cls: type[Est], theirs: Any) -> Est:
    """Implements from_sklearn of an estimator."""
    kind = theirs_of(cls)
    if kind is None:
        raise TypeError(f"cls must be MLP, MLPClassifier or MLPRegressor of fastmlp, got {_checks.described(cls)}")
    if not isinstance(theirs, kind):
        raise TypeError(f"est must be scikit-learn's {kind.__name__}, got {_checks.described(theirs)}")
    require_fitted(theirs)
    est = cls(**theirs.get_params(deep=False))
    est.__dict__.update({name: copy.deepcopy(value) for name, value in vars(theirs).items() if name in FITTED})
    if hasattr(theirs, "_label_binarizer"):
        binarizer = theirs._label_binarizer
        est.__dict__.update(_y_type=binarizer.y_type_, _y_sparse=binarizer.sparse_input_)
    est._settled = est._settles()
    est._adopt(est._mlp())
    return est


def theirs(est: BaseMLP) -> Any:
    """Implements to_sklearn."""
    kind = theirs_of(type(est))
    if kind is None:
        raise TypeError(f"est must be MLPClassifier or MLPRegressor of fastmlp, got {_checks.described(est)}")
    require_fitted(est)
    known = inspect.signature(kind.__init__).parameters
    given, defaults = est.get_params(deep=False), type(est)().get_params(deep=False)
    ours = [name for name, value in given.items() if name not in (*known, *WITHOUT_EFFECT) and value != defaults[name]]
    if ours:
        raise ValueError(f"to_sklearn takes parameters that scikit-learn has, got others for {', '.join(ours)}")
    made = kind(**{name: value for name, value in given.items() if name in known})
    made._validate_params()  # such as activation, of which it has four
    made.__dict__.update({name: copy.deepcopy(value) for name, value in vars(est).items() if name in FITTED})
    for name in ("coefs_", "intercepts_"):  # ours are views
        setattr(made, name, [np.array(a) for a in getattr(est, name)])
    if hasattr(est, "classes_"):
        made._label_binarizer = est._label_binarizer
    return made


def theirs_of(cls: Any) -> Any:
    """scikit-learn's class for one of fastmlp's, None if there is none."""
    perceptrons = needs("sklearn.neural_network", "from_sklearn")
    return next((getattr(perceptrons, name) for name in own_names(cls) if hasattr(perceptrons, name)), None)


def require_fitted(est: Any) -> None:
    needs("sklearn.utils.validation", "from_sklearn").check_is_fitted(est, "coefs_")
