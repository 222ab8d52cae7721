"""MLPClassifier."""
from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral, Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike
from scipy.sparse import csr_matrix
from scipy.special import expit, log_expit, log_softmax
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.metrics import accuracy_score
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import check_is_fitted

from .. import _arrays, _checks
from .._fit.options import Callbacks
from .._fit.ranks import ALONE, Ranks
from .._running_fits import alone
from .._types import Floats
from ..optim import Optimizer
from ._base import BaseMLP, column
from ._docs import ATTRIBUTES, PARAMETERS
from ._exchange import Exchange
from ._hidden_layers import HiddenLayerTransformer
from ._input import asked, validate_rows, weight_by_class
from ._several_ranks import labels_of
from ._types import Activations, LearningRate, Monitored, Seed


class MLPClassifier(ClassifierMixin, HiddenLayerTransformer, Exchange, BaseMLP):
    __doc__ = f"""A multilayer perceptron that classifies: scikit-learn's MLPClassifier on fastmlp's core.

    Minimises the log-loss, for several labels a row (y an indicator matrix) the sum of theirs. With the same
    random_state and float64 data the numbers are scikit-learn's; docs/differences.md lists where they differ on
    purpose.

    Parameters
    ----------
{PARAMETERS}
    class_weight : a dict class -> weight, or "balanced" for n_samples / (n_classes * count); times sample_weight.
    label_smoothing : epsilon: targets are (1 - epsilon) y + epsilon / n_classes (Szegedy et al. 2016). Default 0.
    transform_layer : the hidden layer whose activations transform gives, 0 for the first, -1 for the last. Default -1.

    Attributes
    ----------
    classes_ : the classes.
{ATTRIBUTES}

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from fastmlp import MLPClassifier
    >>> X, y = load_digits(return_X_y=True)
    >>> MLPClassifier(random_state=0).fit(X / 16, y).score(X / 16, y) > 0.99
    True
    """

    _parameter_constraints = {
        **BaseMLP._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
        "transform_layer": [Integral],
    }
    loss = "log_loss"

    def __init__(self, hidden_layer_sizes: ArrayLike = (100,), activation: Activations = "relu", *,
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
                 max_time: float | None = None,
                 callbacks: Callbacks | None = None, class_weight: dict[Any, float] | str | None = None,
                 label_smoothing: float = 0.0, transform_layer: int = -1) -> None:
        self._set_parameters(locals())

    # ---- what y is

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool,
                        ranks: Ranks = ALONE) -> tuple[Any, Any]:
        X, y = validate_rows(self, X, y, ranks, accept_sparse=["csr", "csc"], dtype=(np.float64, np.float32),
                             reset=reset)
        y = column(y)
        if not hasattr(self, "classes_") or not (self.warm_start or incremental):
            self.classes_, self._y_type, self._y_sparse = labels_of(y, ranks)
            return X, y
        if y.shape[0] == 0:
            return X, y
        several, fitted_several = (kind.startswith("multilabel") for kind in (type_of_target(y), self._y_type))
        if several != fitted_several:
            kinds = {False: "one label a row", True: "an indicator matrix, several labels a row"}
            raise ValueError(f"y must be {kinds[fitted_several]}, as what was fitted, got {kinds[several]}")
        with _checks.under("y"):
            classes = unique_labels(y)
        if self.warm_start and not incremental and not ranks.several and set(classes) != set(self.classes_):
            raise ValueError("warm_start can only be used where `y` has the same classes as in the previous call to "
                             f"fit. Previously got {self.classes_}, `y` has {classes}")
        if np.setdiff1d(classes, self.classes_, assume_unique=True).size:
            raise ValueError(f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. "
                             f"'y' has {classes}.")
        return X, y

    @property
    def _label_binarizer(self) -> LabelBinarizer:
        """Made from classes_ on demand: the state contains no objects of other libraries."""
        binarizer = LabelBinarizer()
        binarizer.classes_, binarizer.y_type_, binarizer.sparse_input_ = self.classes_, self._y_type, False
        return binarizer

    def _n_outputs(self) -> int:
        return len(self.classes_) if len(self.classes_) > 2 else 1

    def _out_activation(self) -> str:
        return "softmax" if self._y_type == "multiclass" else "logistic"

    def _network_loss(self) -> str:
        return "cross_entropy" if self.out_activation_ == "softmax" else "binary_cross_entropy"

    def _targets(self, y: Any, dtype: DTypeLike) -> Any:
        """y as the network takes it: labels 0, 1, .., or probabilities of the second class."""
        if self.out_activation_ == "softmax" and not self.label_smoothing:
            return np.searchsorted(self.classes_, y).astype(np.int32)
        yes = self._label_binarizer.transform(y).astype(dtype)
        ways = yes.shape[1] if self.out_activation_ == "softmax" else 2
        return yes * (1 - self.label_smoothing) + self.label_smoothing / ways if self.label_smoothing else yes

    def _stratification_labels(self, y: Any) -> Any:
        """Labels to stratify the split of held-out rows by; none for several outputs, as in scikit-learn."""
        return self._label_binarizer.transform(y).astype(bool) if self.n_outputs_ == 1 else None

    def _total_weight(self, y: Any, sample_weight: Floats | None, ranks: Ranks = ALONE) -> Floats | None:
        return weight_by_class(self, y, sample_weight, ranks)

    _score = staticmethod(lambda y, predicted, weight: accuracy_score(y, predicted, sample_weight=weight))

    def _decode(self, p: Floats) -> Any:
        """Convert outputs to classes."""
        if self.out_activation_ == "softmax":
            return self.classes_[p.argmax(axis=1)]
        if self._y_type.startswith("multilabel"):
            labels = (p > 0.5).astype(int)
            return csr_matrix(labels) if vars(self).get("_y_sparse") else labels
        return self.classes_[(p.ravel() > 0.5).astype(int) % len(self.classes_)]

    # ---- using

    @available_if(lambda est: est._check_solver())
    @alone
    @_fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None,
                    classes: ArrayLike | None = None) -> Self:
        """One epoch over X and y.

        Continues from fit, partial_fit or new weights, as with warm_start: weights, the optimiser's state, learning
        rate and random numbers are kept, and curves are extended. Patience is counted, but does not end training (with
        learning_rate="adaptive" it reduces the rate). Callbacks start anew in each call. ValueError with
        early_stopping=True.

        classes : all classes that y will ever have; required in the first call. ValueError for class_weight="balanced",
        which needs all rows.
        """
        if self.class_weight == "balanced":
            raise ValueError("class_weight must be a dict or None for partial_fit, which does not see all rows, "
                             "got 'balanced'")
        if classes is not None:
            given = _arrays.as_array("classes", classes)
            if given.ndim != 1 or not given.size:
                raise ValueError(f"classes must be a list of labels, got {_checks.described(classes)}")
        if not hasattr(self, "classes_"):
            with _checks.under("y"):
                several = type_of_target(asked("y", y)).startswith("multilabel")
        with _checks.under("classes"):
            first = _check_partial_fit_first_call(self, classes)
        if first:
            binarizer = LabelBinarizer().fit(y if several else classes)
            self._y_type, self._y_sparse = binarizer.y_type_, binarizer.sparse_input_
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Any:
        """The most probable class of each row, (n_samples,), or the labels (n_samples, n_classes) with p > 1/2, sparse
        where y was."""
        return self._decode(self._outputs(X))

    def predict_proba(self, X: Any) -> Floats:
        """Probabilities of `classes_`, (n_samples, n_classes); all 1 if there is a single class."""
        p = self._outputs(X)
        if len(self.classes_) == 1:
            return np.ones_like(p)
        return np.hstack([1 - p, p]) if self.n_outputs_ == 1 else p

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The accuracy; with several labels per row, all must be right: see ClassifierMixin.score."""
        with _checks.asking("y and sample_weight"):
            return super().score(X, asked("y", y), sample_weight)

    def predict_log_proba(self, X: Any) -> Floats:
        """Logarithms of predict_proba, accurate also for probabilities near 0."""
        s = self._outputs(X, linked=False)
        if self.out_activation_ == "softmax":
            return log_softmax(s, axis=1)
        if len(self.classes_) == 1:
            return np.zeros_like(s)
        if self.n_outputs_ == 1:
            return log_expit(np.hstack([-s, s]))
        # computed so that their order is that of predict_proba: probabilities that round to 1 are equal here, too
        return np.where(s > 0, np.log(expit(np.maximum(s, 0))), log_expit(s))

    def to_art(self, clip_values: tuple[Any, Any] | None = None, at: str = "probabilities") -> Any:
        """This classifier as a model for the Adversarial Robustness Toolbox, for attacks that use gradients of the loss
        or of classes.

        clip_values : (least, largest) value of features, numbers or arrays (n_features,). at : whether its predict and
        class_gradient use "probabilities" or "logits"; the latter are better for DeepFool and Carlini and Wagner, since
        they do not saturate.

        Its labels are indices into `classes_`. It refers to this classifier, not to a copy. ImportError without the
        toolbox; ValueError for several labels per row.
        """
        from ._art import Classifier

        check_is_fitted(self, "coefs_")
        if len(self.classes_) < 2 or self._y_type.startswith("multilabel"):
            raise ValueError(f"to_art needs two or more classes, one a row, got {len(self.classes_)} with y "
                             f"{self._y_type}")
        return Classifier(self, clip_values, at)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
