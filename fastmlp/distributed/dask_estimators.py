"""MLPClassifier and MLPRegressor for Dask collections."""
from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from .. import _arrays, _checks
from .._fit.ranks import ALONE
from .._running_fits import alone
from ..callbacks import require_watched
from ..estimators import MLPClassifier, MLPRegressor
from ..estimators._docs import ATTRIBUTES
from ..estimators._solvers import callbacks_of
from . import rounds
from .collections import ShardFuture, is_collection, is_frame, where
from .dask_base import (
    OWN_PARAMETERS,
    USING,
    DaskEstimator,
    DaskProbabilities,
    names_of,
    watched_sets,
    with_own_parameters,
)
from .dask_training import Training

TRAINING = """\
    Training goes in rounds: each worker trains its copy of the network for local_epochs epochs on the rows that it has,
    and then all have the mean of their weights and of the optimiser's state, weighted by rows (local SGD, Stich 2019).
    Rows stay on their workers. Where one dies, Dask computes its rows again elsewhere and the round is run again; from
    the same shares of rows come the same bits, whoever trains on them. All parameters of {plain} are there, but
    solver="lbfgs", learning rates "invscaling" and "adaptive", early_stopping (give eval_set instead), restore_best
    without eval_set, and scorers as monitor are refused; max_iter counts epochs, n_iter_no_change rounds, and callbacks
    are called here, once a round, and hear of the first rows of eval_set as "val_loss" and "val_score" too. The network
    is small beside the rows: it comes here after each round.
"""


class DaskMLP(DaskEstimator):
    """The common base class of both."""

    fitted = "coefs_"

    # ---- fitting

    @alone
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, classes: Any = None,
            eval_set: Sequence[tuple[Any, Any]] | None = None,
            eval_sample_weight: Sequence[Any] | None = None) -> Self:
        """Fit to Dask collections.

        X : (n_samples, n_features), array or DataFrame, in any chunks or partitions, some of which may be empty.
        y : (n_samples,) or (n_samples, n_outputs), array, Series or DataFrame. sample_weight : (n_samples,), at least
            0. They are repartitioned like X if necessary.
        classes : for a classifier all labels, if they are known; otherwise a pass over y finds them.
        eval_set : pairs (X, y) of collections, whose loss and score are in `evals_result_` for each round; patience is
            applied to the first, and the weights that are best for it are restored. eval_sample_weight : the weights of
            each.

        Returns self. TypeError or ValueError names the wrong argument. RuntimeError if workers died in each of ten
        attempts at a round.
        """
        self._validate_params()  # type: ignore[attr-defined]
        self._require_possible(classes)
        client = self._client()
        sets = watched_sets(eval_set, eval_sample_weight)
        aliases = ("val_loss", "val_score") if sets else ()
        require_watched(callbacks_of(self), ("loss", *names_of(sets, "loss", "score"), *aliases), "eval_set")
        shards = self._shards(client, X, y, sample_weight)
        watched = [self._shards(client, *one) for one in sets]
        est = self._begin(client, shards, classes, X)
        training = Training(self, client, est, shards, watched)
        ended = training()
        self._take(training.est, training)
        _check_feature_names(self, X._meta, reset=True)
        if not ended:
            warnings.warn(f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) "  # type: ignore[attr-defined]
                          "reached and the optimization hasn't converged yet.", ConvergenceWarning, stacklevel=3)
        return self

    def _require_possible(self, classes: Any) -> None:
        """ValueError if a parameter is not possible with Dask."""
        est: Any = self
        self.local_epochs = _checks.integer("local_epochs", self.local_epochs, 1)
        est._check_loss()
        est._hidden_sizes()
        if not est._stochastic:
            raise ValueError("solver must be 'adam' or 'sgd' for rounds of epochs, got 'lbfgs'")
        if est.learning_rate in ("invscaling", "adaptive"):
            raise ValueError("learning_rate must be 'constant' or a schedule for rounds of epochs, got "
                             f"{est.learning_rate!r}")
        if est.early_stopping:
            raise ValueError("early_stopping must be False: give eval_set, by which training stops, got True")
        if est.monitor not in (None, "loss", "score"):
            raise ValueError(f"monitor must be 'loss', 'score' or None, got {_checks.described(est.monitor)}")
        if classes is not None and not hasattr(self, "predict_proba"):
            raise ValueError("classes must be None for a regressor, got " + _checks.described(classes))

    def _begin(self, client: Any, shards: list[ShardFuture], classes: Any, X: Any) -> Any:
        """The plain estimator before the first round, with initial weights."""
        est = self.to_local()
        if not (est.warm_start and hasattr(est, "coefs_")):
            est = self.plain(**est.get_params())
        est.set_params(callbacks=None, verbose=False, max_time=None, monitor=None, restore_best=False)
        row = client.submit(rounds.head, shards[0].rows, pure=False).result()
        if X.shape[1] != row.X.shape[1]:
            raise ValueError(f"X must have partitions of {X.shape[1]} columns, got one of {row.X.shape[1]}")
        self._find_classes(client, est, shards, classes, row.y)
        vars(est).pop("feature_names_in_", None)
        est._watching = None  # what workers watch begins anew
        est._ready(row.X, row.y, None, True, None, ALONE)
        return est

    def _find_classes(self, client: Any, est: Any, shards: list[ShardFuture], classes: Any, y: Any) -> None:
        """Find what a classifier has to know about all y."""

    def _take(self, est: Any, training: Training) -> None:
        """Take over the results of the rounds."""
        parameters = set(self.get_params())  # type: ignore[attr-defined]
        vars(self).update({k: v for k, v in vars(est).items() if k not in parameters and k != "_net"})
        self._adopt(est._mlp())  # type: ignore[attr-defined]
        vars(self).update(training.attributes())

    def _dtype(self) -> Any:
        return self._mlp().dtype  # type: ignore[attr-defined]

    def _for_blocks(self, X: Any) -> Any:
        """The same; names of columns are also checked here, since blocks are arrays without names."""
        local = super()._for_blocks(X)
        if is_frame(X):
            _check_feature_names(self, X._meta, reset=False)
        vars(local).pop("feature_names_in_", None)
        return local


@with_own_parameters
class DaskMLPClassifier(DaskProbabilities, DaskMLP, MLPClassifier):
    __doc__ = f"""MLPClassifier on data that Dask has on its workers. `pip install "fastmlp[dask]"`

{TRAINING.format(plain="MLPClassifier")}
{USING.format(plain="MLPClassifier")}

    Parameters
    ----------
    All of MLPClassifier, and
{OWN_PARAMETERS}

    Attributes
    ----------
    classes_ : the classes.
    evals_result_ : {{"validation_0": {{"loss": [..], "score": [..]}}, ..}} of each eval_set, by rounds.
{ATTRIBUTES}
    """

    plain = MLPClassifier

    def _find_classes(self, client: Any, est: Any, shards: list[ShardFuture], classes: Any, y: Any) -> None:
        counts = None
        if y.ndim == 2 and y.shape[1] > 1:
            if classes is not None:
                raise ValueError("classes must be None for an indicator matrix, got " + _checks.described(classes))
            found, kind = np.arange(y.shape[1]), "multilabel-indicator"
        else:
            if classes is None or est.class_weight == "balanced":
                by_shard = client.gather([client.submit(rounds.labels, shard.rows, **where(shard.worker), pure=False)
                                          for shard in shards])
                found = unique_labels(*(names for names, _ in by_shard))
                counts = sum(np.where(np.isin(found, names), 1, 0) * _spread(found, names, n) for names, n in by_shard)
            if classes is not None:
                with _checks.under("classes"):
                    found = unique_labels(np.unique(_arrays.as_array("classes", classes)))
            kind = "multiclass" if len(found) > 2 else "binary"
        if est.warm_start and hasattr(est, "classes_") and set(est.classes_) != set(found):
            raise ValueError(f"warm_start can only be used where y has the same classes as before, {est.classes_}, "
                             f"got {found}")
        est.classes_, est._y_type, est._y_sparse = found, kind, False
        if est.class_weight == "balanced" and counts is not None:
            est.class_weight = {name: counts.sum() / (len(found) * n) for name, n in zip(found.tolist(), counts) if n}

    def predict(self, X: Any) -> Any:
        """The most probable class of each row, or labels; for a Dask collection a lazy Dask array."""
        if not is_collection(X):
            return super().predict(X)
        check_is_fitted(self, self.fitted)
        if self._y_type.startswith("multilabel"):
            return self._by_blocks("predict", X, self.n_outputs_, int)
        return self._by_blocks("predict", X, None, self.classes_.dtype)


def _spread(found: Any, names: Any, n: Any) -> Any:
    """Counts by name as counts of all classes found."""
    counts = np.zeros(len(found))
    counts[np.searchsorted(found, names)] = n
    return counts


@with_own_parameters
class DaskMLPRegressor(DaskMLP, MLPRegressor):
    __doc__ = f"""MLPRegressor on data that Dask has on its workers. `pip install "fastmlp[dask]"`

{TRAINING.format(plain="MLPRegressor")}
{USING.format(plain="MLPRegressor")}

    Parameters
    ----------
    All of MLPRegressor, and
{OWN_PARAMETERS}

    Attributes
    ----------
    evals_result_ : {{"validation_0": {{"loss": [..], "score": [..]}}, ..}} of each eval_set, by rounds.
{ATTRIBUTES}
    """

    plain = MLPRegressor

    def _validate_params(self) -> None:
        super()._validate_params()  # type: ignore[no-untyped-call]
        if self._outputs_each() > 1:  # type: ignore[no-untyped-call]
            raise ValueError(f"loss must be of one quantile on Dask, got {self.loss!r}; MLPRegressor takes several, "
                             "also with comm")

    def predict(self, X: Any) -> Any:
        """Predictions (n_samples,), or (n_samples, n_outputs); for a Dask collection a lazy Dask array."""
        if not is_collection(X):
            return super().predict(X)
        check_is_fitted(self, self.fitted)
        return self._by_blocks("predict", X, self.n_outputs_ if self.n_outputs_ > 1 else None, self._dtype())
