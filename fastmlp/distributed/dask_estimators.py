"""Estimators that are fitted where Dask has the data."""
from __future__ import annotations

import inspect
import math
import time
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, Self

import numpy as np
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils._param_validation import Interval
from sklearn.utils.multiclass import unique_labels
from sklearn.utils.validation import _check_feature_names, check_is_fitted

from .. import _arrays, _checks
from .._fit.loop import Notifying
from .._fit.ranks import ALONE
from .._needs import needs
from .._running import Fit, alone
from ..callbacks import as_callbacks
from ..estimators import MLPClassifier, MLPRegressor
from ..estimators._docs import ATTRIBUTES
from ..estimators._watched import Patience
from . import rounds
from .collections import ShardFuture, columns_of, is_collection, is_frame, rows_of, shards_of, where

ATTEMPTS = 10  # at a round, in which workers may die

OWN_PARAMETERS = """\
    client : the distributed.Client, None for the one that is in use.
    local_epochs : epochs that each worker trains between two averages. Default 1."""

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

USING = """\
    predict and its like take Dask collections too, and then are lazy, block by block, and give Dask arrays; of
    what is no collection they give what {plain}'s give. to_local() gives an ordinary {plain}."""


def with_own_parameters(cls: Any) -> Any:
    """The class, whose constructor takes those of the estimator before it, and ours."""
    plain = inspect.signature(cls.__mro__[2].__init__)  # type: ignore[misc]
    own = [p for p in inspect.signature(cls.__init__).parameters.values() if p.name in ("client", "local_epochs")]
    cls.__init__.__signature__ = plain.replace(parameters=[*plain.parameters.values(), *own])
    return cls


class DaskMLP:
    """What both have in common. Before it in a class is nothing, after it the plain estimator."""

    plain: Any  # the estimator of one process
    local_epochs: int
    client: Any

    # ---- fitting

    @alone
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, classes: Any = None,
            eval_set: Sequence[tuple[Any, Any]] | None = None,
            eval_sample_weight: Sequence[Any] | None = None) -> Self:
        """Fit to Dask collections.

        X : (n_samples, n_features), array or DataFrame, in any chunks or partitions, some of which may be empty.
        y : (n_samples,) or (n_samples, n_outputs), array, Series or DataFrame. sample_weight : (n_samples,), at least
            0. Where they are not cut as X is, they are cut so.
        classes : of a classifier all labels, where they are known: else a pass over y finds them.
        eval_set : pairs (X, y) of collections, whose loss and score are in `evals_result_` for each round; patience
            goes by the first of them, and its best weights come back. eval_sample_weight : the weights of each.

        Returns self. TypeError or ValueError names what does not fit. RuntimeError where workers died in each of ten
        attempts at a round.
        """
        self._validate_params()  # type: ignore[attr-defined]
        self._require_possible(classes)
        client = self._client()
        sets = _sets(eval_set, eval_sample_weight)
        callbacks = as_callbacks(self.callbacks or ())  # type: ignore[attr-defined]
        shards = shards_of(client, X, y, sample_weight)
        watched = [shards_of(client, *one) for one in sets]
        est = self._begin(client, shards, classes, X)
        training = Training(self, client, est, shards, watched)
        ending = training(callbacks)
        self._take(training.est, training)
        if is_frame(X):
            _check_feature_names(self, X._meta, reset=True)
        if ending is None:
            warnings.warn(f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) "  # type: ignore[attr-defined]
                          "reached and the optimization hasn't converged yet.", ConvergenceWarning, stacklevel=3)
        return self

    def _client(self) -> Any:
        """The client, of ours or the one that is in use."""
        distributed = needs("distributed", type(self).__name__)
        if self.client is None:
            try:
                return distributed.default_client()
            except ValueError as error:
                raise ValueError("client must be given where no distributed.Client is in use, got None") from error
        if not isinstance(self.client, distributed.Client) or self.client.asynchronous:
            raise TypeError(f"client must be a distributed.Client that is not asynchronous, got "
                            f"{_checks.described(self.client)}")
        return self.client

    def _require_possible(self, classes: Any) -> None:
        """ValueError where rounds cannot do what a parameter asks for."""
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
        """The plain estimator before the first round, with weights to start from."""
        est = self.to_local()
        if not (est.warm_start and hasattr(est, "coefs_")):
            est = self.plain(**est.get_params())
        est.set_params(callbacks=None, verbose=False, max_time=None, monitor=None, restore_best=False)
        row = client.submit(rounds.head, shards[0].rows, pure=False).result()
        if columns_of(X) != row.X.shape[1]:
            raise ValueError(f"X must have partitions of {columns_of(X)} columns, got one of {row.X.shape[1]}")
        self._find_classes(client, est, shards, classes, row.y)
        vars(est).pop("feature_names_in_", None)
        est._watching = None  # what workers watch begins anew
        est._ready(row.X, row.y, None, True, None, ALONE)
        return est

    def _find_classes(self, client: Any, est: Any, shards: list[ShardFuture], classes: Any, y: Any) -> None:
        """What a classifier has to know of all y."""

    def _take(self, est: Any, training: Training) -> None:
        """Have what the rounds have learned."""
        parameters = set(self.get_params())  # type: ignore[attr-defined]
        vars(self).update({k: v for k, v in vars(est).items() if k not in parameters and k != "_net"})
        self._adopt(est._mlp())  # type: ignore[attr-defined]
        vars(self).update(training.attributes())

    # ---- using

    def to_local(self) -> Any:
        """The estimator of one process, fitted if this one is: a copy."""
        local = self.plain.__new__(self.plain)
        state = {k: v for k, v in self.__getstate__().items() if k not in ("client", "local_epochs")}
        local.__setstate__(state)
        return local

    def __sklearn_clone__(self) -> Self:
        """An unfitted estimator of the same parameters. The client, which cannot be copied, is the same."""
        parameters = self.get_params(deep=False)  # type: ignore[attr-defined]
        return type(self)(**{name: value if name == "client" else clone(value, safe=False)
                             for name, value in parameters.items()})

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "client": None}  # type: ignore[dict-item]

    def _by_blocks(self, method: str, X: Any, columns: int | None, dtype: Any) -> Any:
        """What a method gives for each block of a collection: a Dask array of so many columns, None for (n,)."""
        check_is_fitted(self, "coefs_")
        if X.ndim != 2 or columns_of(X) != self.n_features_in_:  # type: ignore[attr-defined]
            raise ValueError(f"X must have shape (n, {self.n_features_in_}), got {X.shape}")  # type: ignore[attr-defined]
        delayed = needs("dask", "predict on Dask collections").delayed
        local = self.to_local()
        vars(local).pop("feature_names_in_", None)
        if is_frame(X):
            _check_feature_names(self, X._meta, reset=False)
            X = X.to_dask_array()
        shape = () if columns is None else (columns,)
        return X.rechunk({1: -1}).map_blocks(
            _of_block, delayed(local, pure=False), method=method, shape=shape, out=np.dtype(dtype), dtype=dtype,
            meta=np.empty((0,) * (1 + len(shape)), dtype), **({"drop_axis": 1} if columns is None else
                                                             {"chunks": (X.chunks[0], shape)}))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """As of the plain estimator; of Dask collections computed where they are."""
        if not is_collection(X):
            return super().score(X, y, sample_weight)  # type: ignore[misc, no-any-return]
        check_is_fitted(self, "coefs_")
        client = self._client()
        est = _sent(client, rounds.Trained(self.to_local(), 0.0, 0.0))
        found = _tally(client, est, shards_of(client, X, y, sample_weight))
        if not found.n:
            raise ValueError("sample_weight must be above 0 for some row, got 0 for all")
        return found.score(hasattr(self, "classes_"))


def _of_block(block: Any, est: Any, *, method: str, shape: tuple[int, ...], out: Any) -> Any:
    rows = rows_of(block)
    if not rows.shape[0]:
        return np.empty((0, *shape), out)
    return np.asarray(getattr(est, method)(rows)).reshape(rows.shape[0], *shape)


def _sets(eval_set: Any, weights: Any) -> list[tuple[Any, ...]]:
    """[(X, y) or (X, y, sample_weight)] of the rows to watch."""
    if eval_set is None:
        if weights is not None:
            raise ValueError("eval_set must be given where eval_sample_weight is, got None")
        return []
    if not isinstance(eval_set, (list, tuple)) or not all(isinstance(one, tuple) and len(one) == 2
                                                          for one in eval_set):
        raise TypeError(f"eval_set must be a list of pairs (X, y), got {_checks.described(eval_set)}")
    if weights is None:
        return list(eval_set)
    if not isinstance(weights, (list, tuple)) or len(weights) != len(eval_set):
        raise ValueError(f"eval_sample_weight must be a list of {len(eval_set)}, as eval_set is, got "
                         + _checks.described(weights))
    return [(*one, weight) for one, weight in zip(eval_set, weights)]


def _sent(client: Any, what: Any) -> Any:
    """The future of something that workers get: as a task, which can be run again where the worker dies that has it.
    (What is scattered is lost then, and a scatter to all may wait for one that has died.)"""
    with needs("dask", "fit").config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        return client.submit(rounds.given, what, pure=False)


def _tally(client: Any, result: Any, shards: list[ShardFuture]) -> Any:
    """The Tally of all rows of some shards."""
    found = client.gather([client.submit(rounds.tally, result, shard.rows, **where(shard.worker), pure=False)
                           for shard in shards])
    total = found[0]
    for one in found[1:]:
        total = total + one
    return total


class Training:
    """The rounds of a fit. est: the plain estimator, as the last round left it."""

    def __init__(self, owner: Any, client: Any, est: Any, shards: list[ShardFuture],
                 watched: list[list[ShardFuture]]) -> None:
        self.owner, self.client, self.est, self.shards, self.watched = owner, client, est, shards, watched
        self.by_score = bool(watched) and owner.monitor != "loss"
        self.patience = Patience("", self.by_score, owner.tol)
        self.best: tuple[float, Any] | None = None  # the number and the estimator of the best round
        self.curve: list[float] = []
        self.epochs = 0
        self.logs: dict[str, dict[str, list[float]]] = {
            f"validation_{i}": {"loss": [], "score": []} for i in range(len(watched))}
        self.seeds = np.random.SeedSequence(int(est._random_state.randint(2**31 - 1)))

    def __call__(self, callbacks: Any) -> str | None:
        """Train; what ended it, None for max_iter."""
        owner, began = self.owner, time.monotonic()
        self._require_scores()
        left = owner.max_iter
        try:
            with Fit(self.est._mlp()), Notifying(callbacks, self.est._mlp(), owner.max_iter) as notify:
                while left > 0:
                    epochs = min(owner.local_epochs, left)
                    left, self.epochs = left - epochs, self.epochs + epochs
                    logs = self._round(epochs)
                    if notify(self.epochs, logs):
                        return "callback"
                    if self.patience.waited > owner.n_iter_no_change:
                        return "patience"
                    if owner.max_time is not None and time.monotonic() - began > owner.max_time:
                        return "max_time"
        except KeyboardInterrupt:
            if not self.curve:
                raise
            warnings.warn("Training interrupted by user.", stacklevel=3)
            return "interrupt"
        finally:
            if self.best is not None:
                self.est._mlp()._network.learned = self.best[1]
        return None

    def _require_scores(self) -> None:
        """ValueError where the rows to watch cannot give a loss and a score, before anything is trained."""
        before = rounds.Trained(self.est, 0.0, 0.0)
        sent = lambda: _sent(self.client, before)
        for i, found in enumerate(self._surviving(lambda: [_tally(self.client, sent(), s) for s in self.watched])):
            if not found.n:
                raise ValueError(f"eval_sample_weight must be above 0 for some row, got 0 for all of eval_set[{i}]")
            if i == 0 and self.by_score and math.isnan(found.score(hasattr(self.est, "classes_"))):
                raise ValueError("monitor 'score' must be a finite number for the rows that are watched, which R^2 is "
                                 f"for two rows at least, got {found.n} in eval_set[0]")

    def _round(self, epochs: int) -> dict[str, float]:
        """One round; its logs."""
        seeds = [int(seed.generate_state(1)[0]) for seed in self.seeds.spawn(len(self.shards))]
        result, tallies = self._surviving(lambda: self._once(epochs, seeds))
        est, net = result.est, self.est._mlp()
        net._network.learned = est._mlp()._network.learned
        vars(self.est).update({k: v for k, v in vars(est).items() if k not in ("_net", "coefs_", "intercepts_")})
        net._network.progress = est._mlp()._network.progress
        self.curve.append(result.loss)
        logs = {"loss": result.loss}
        for (name, of), one in zip(self.logs.items(), tallies):
            numbers = {"loss": one.loss / one.weight, "score": one.score(hasattr(est, "classes_"))}
            for what, number in numbers.items():
                of[what].append(number)
                logs[f"{name}_{what}"] = number
        self._look(logs, net)
        if self.owner.verbose:
            print(f"Iteration {self.epochs}, " + ", ".join(f"{name} = {number:.8f}" for name, number in logs.items()))
        aliases = {f"val_{what}": logs[f"validation_0_{what}"] for what in (("loss", "score") if tallies else ())}
        return logs | aliases  # by which callbacks call them

    def _look(self, logs: dict[str, float], net: Any) -> None:
        """Whether it is the best round so far."""
        number = logs["validation_0_score" if self.by_score else "validation_0_loss" if self.watched else "loss"]
        if self.patience.look(number) and self.watched:
            self.best = number, net._network.learned

    def _surviving(self, work: Callable[[], Any]) -> Any:
        """What work of the workers gives, begun again where some die in it."""
        scheduler = needs("distributed.scheduler", "fit")
        client = needs("distributed.client", "fit")
        core = needs("distributed.comm", "fit")
        lost = scheduler.KilledWorker, client.FutureCancelledError, client.FuturesCancelledError, core.CommClosedError
        for attempt in range(ATTEMPTS):
            self.client.wait_for_workers(1)
            try:
                return work()
            except lost as error:
                if attempt == ATTEMPTS - 1:
                    raise RuntimeError(f"workers died in each of {ATTEMPTS} attempts at a round: {error}") from error
        raise AssertionError("not reached")

    def _once(self, epochs: int, seeds: list[int]) -> tuple[Any, list[Any]]:
        """(the average of a round, the Tally of each eval_set)"""
        client = self.client
        est = _sent(client, self.est)
        futures = [client.submit(rounds.trained, est, shard.rows, epochs, seed, **where(shard.worker), pure=False)
                   for shard, seed in zip(self.shards, seeds)]
        average = client.submit(rounds.averaged, futures, pure=False)
        tallies = [_tally(client, average, shards) for shards in self.watched]
        return average.result(), tallies

    def attributes(self) -> dict[str, Any]:
        """The fitted attributes that tell how it went."""
        found: dict[str, Any] = {
            "loss_curve_": self.curve, "loss_": self.curve[-1], "n_iter_": self.epochs,
            "t_": self.epochs * sum(shard.n for shard in self.shards), "evals_result_": self.logs,
            "best_loss_": None, "validation_scores_": None, "best_validation_score_": None}
        if self.by_score:
            scores = self.logs["validation_0"]["score"]
            return found | {"validation_scores_": scores, "best_validation_score_": max(scores)}
        watched = self.logs["validation_0"]["loss"] if self.watched else self.curve
        return found | {"best_loss_": min(watched, default=math.inf)}


@with_own_parameters
class DaskMLPClassifier(DaskMLP, MLPClassifier):
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

    _parameter_constraints = {**MLPClassifier._parameter_constraints,
                              "local_epochs": [Interval(Integral, 1, None, closed="left")]}
    plain = MLPClassifier

    def __init__(self, *args: Any, client: Any = None, local_epochs: int = 1, **parameters: Any) -> None:
        MLPClassifier.__init__(self, *args, **parameters)
        self.client, self.local_epochs = client, local_epochs

    def _find_classes(self, client, est, shards, classes, y):
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
                found = np.unique(_arrays.as_array("classes", classes))
            kind = "multiclass" if len(found) > 2 else "binary"
        if est.warm_start and hasattr(est, "classes_") and set(est.classes_) != set(found):
            raise ValueError(f"warm_start can only be used where y has the same classes as before, {est.classes_}, "
                             f"got {found}")
        est.classes_, est._y_type, est._y_sparse = found, kind, False
        if est.class_weight == "balanced" and counts is not None:
            est.class_weight = {name: counts.sum() / (len(found) * n) for name, n in zip(found.tolist(), counts) if n}

    def predict(self, X: Any) -> Any:
        """The most probable class of each row, or labels; of a Dask collection lazily, a Dask array."""
        if not is_collection(X):
            return super().predict(X)
        check_is_fitted(self, "coefs_")
        if self._y_type.startswith("multilabel"):
            return self._by_blocks("predict", X, self.n_outputs_, int)
        return self._by_blocks("predict", X, None, self.classes_.dtype)

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of `classes_`; of a Dask collection lazily, a Dask array."""
        if not is_collection(X):
            return super().predict_proba(X)
        check_is_fitted(self, "coefs_")
        return self._by_blocks("predict_proba", X, len(self.classes_), self._mlp().dtype)

    def predict_log_proba(self, X: Any) -> Any:
        """Their logarithms; of a Dask collection lazily, a Dask array."""
        if not is_collection(X):
            return super().predict_log_proba(X)
        check_is_fitted(self, "coefs_")
        return self._by_blocks("predict_log_proba", X, len(self.classes_), self._mlp().dtype)


def _spread(found, names, n):
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

    _parameter_constraints = {**MLPRegressor._parameter_constraints,
                              "local_epochs": [Interval(Integral, 1, None, closed="left")]}
    plain = MLPRegressor

    def __init__(self, *args: Any, client: Any = None, local_epochs: int = 1, **parameters: Any) -> None:
        MLPRegressor.__init__(self, *args, **parameters)
        self.client, self.local_epochs = client, local_epochs

    def _validate_params(self) -> None:
        super()._validate_params()  # type: ignore[no-untyped-call]
        if self._outputs_each() > 1:  # type: ignore[no-untyped-call]
            raise ValueError(f"loss must be of one quantile on Dask, got {self.loss!r}; MLPRegressor takes several, "
                             "also with comm")

    def predict(self, X: Any) -> Any:
        """(n_samples,), or (n_samples, n_outputs); of a Dask collection lazily, a Dask array."""
        if not is_collection(X):
            return super().predict(X)
        check_is_fitted(self, "coefs_")
        return self._by_blocks("predict", X, self.n_outputs_ if self.n_outputs_ > 1 else None, self._mlp().dtype)
