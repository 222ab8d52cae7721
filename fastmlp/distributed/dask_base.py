"""The common base class of the Dask estimators, and functions to run tasks on workers."""
from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, Self, TypeVar

import numpy as np
from sklearn.base import clone
from sklearn.utils._param_validation import Interval
from sklearn.utils.validation import check_is_fitted

from .. import _checks
from .._optional import needs
from . import rounds
from .collections import ShardFuture, is_collection, is_frame, rows_of, shards_of, where

ATTEMPTS = 10  # at a round, in which workers may die
OWN = ("client", "local_epochs")  # parameters that the plain estimator does not have
Result = TypeVar("Result")

OWN_PARAMETERS = """\
    client : the distributed.Client, None for the one that is in use.
    local_epochs : epochs that each worker trains between two averages. Default 1."""

USING = """\
    predict and its like take Dask collections too, and then are lazy, block by block, and give Dask arrays; of
    what is no collection they give what {plain}'s give. to_local() gives an ordinary {plain}."""


def with_own_parameters(cls: Any) -> Any:
    """Class decorator: the constructor takes the parameters of the plain estimator and those in OWN."""
    plain = cls.plain

    def __init__(self: Any, *args: Any, client: Any = None, local_epochs: int = 1, **parameters: Any) -> None:
        plain.__init__(self, *args, **parameters)
        self.client, self.local_epochs = client, local_epochs

    own = [p for p in inspect.signature(__init__).parameters.values() if p.name in OWN]
    of_plain = inspect.signature(plain.__init__)
    __init__.__signature__ = of_plain.replace(  # type: ignore[attr-defined]
        parameters=[*of_plain.parameters.values(), *own])
    cls.__init__ = __init__
    cls._parameter_constraints = {**plain._parameter_constraints,
                                  "local_epochs": [Interval(Integral, 1, None, closed="left")]}
    return cls


class DaskEstimator:
    """A mixin: in the list of base classes it comes after the class that defines fit and before the plain estimator.

    fitted: an attribute that exists once it is fitted. keeps_frames: whether rows of a DataFrame stay a DataFrame.
    """

    plain: Any  # the estimator of one process
    fitted: str
    keeps_frames = False
    local_epochs: int
    client: Any

    def _client(self) -> Any:
        """The client: the parameter, or the current one of Dask."""
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

    def _shards(self, client: Any, X: Any, y: Any, sample_weight: Any = None) -> list[ShardFuture]:
        return shards_of(client, X, y, sample_weight, self.keeps_frames)

    # ---- the estimator interface

    def to_local(self) -> Any:
        """A copy as the estimator of one process, fitted if this one is."""
        local = self.plain.__new__(self.plain)
        state = {k: v for k, v in self.__getstate__().items() if k not in OWN}
        local.__setstate__(state)
        return local

    def __sklearn_clone__(self) -> Self:
        """An unfitted estimator with the same parameters. The client cannot be copied, and is shared."""
        parameters = self.get_params(deep=False)  # type: ignore[attr-defined]
        return type(self)(**{name: value if name == "client" else clone(value, safe=False)
                             for name, value in parameters.items()})

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "client": None}  # type: ignore[dict-item]

    # ---- using

    def _by_blocks(self, method: str, X: Any, columns: int | None, dtype: Any, part: int | None = None,
                   **options: Any) -> Any:
        """The results of a method for each block of a collection, as a Dask array. columns : its number of columns,
        None for (n,). part : which element, if the method returns a tuple. options : of the method."""
        delayed, da = needs("dask", "predict on Dask collections").delayed, needs("dask.array", "predict")
        shape, of_block = () if columns is None else (columns,), delayed(_of_block, pure=False)
        local = delayed(self._for_blocks(X), pure=False)
        if is_frame(X):
            parts, sizes = X.to_delayed(), [np.nan] * X.npartitions
        else:
            parts, sizes = np.ravel(X.rechunk({1: -1}).to_delayed()), X.chunks[0]
        out = np.dtype(dtype)
        what = self.keeps_frames, method, options, part, shape, out
        blocks = [da.from_delayed(of_block(one, local, *what), (n, *shape), out) for one, n in zip(parts, sizes)]
        return da.concatenate(blocks, allow_unknown_chunksizes=True)

    def _for_blocks(self, X: Any) -> Any:
        """The plain estimator for the blocks of a collection, after checking its number of columns."""
        wanted = self.n_features_in_  # type: ignore[attr-defined]
        if X.ndim != 2 or X.shape[1] != wanted:
            raise ValueError(f"X must have shape (n, {wanted}), got {X.shape}")
        return self.to_local()

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """As for the plain estimator; for Dask collections computed on the workers."""
        if not is_collection(X):
            return super().score(X, y, sample_weight)  # type: ignore[misc, no-any-return]
        check_is_fitted(self, self.fitted)
        client = self._client()
        est = sent(client, self.to_local())
        shards = self._shards(client, X, y, sample_weight)
        found = of_all(client, rounds.tally_of_predictions, est, shards)
        if not found.n:
            raise ValueError("sample_weight must be above 0 for some row, got 0 for all")
        if not np.isfinite(found.spread).all():
            raise ValueError("y must have a finite variance, got larger numbers")
        return found.score(hasattr(self, "classes_"))  # type: ignore[no-any-return]


class DaskProbabilities:
    """A mixin for classifiers, before DaskEstimator in the list of base classes."""

    def predict_proba(self, X: Any) -> Any:
        """Probabilities of `classes_`; for a Dask collection a lazy Dask array."""
        return self._columns_of_classes("predict_proba", X)

    def predict_log_proba(self, X: Any) -> Any:
        """Logarithms of predict_proba; for a Dask collection a lazy Dask array."""
        return self._columns_of_classes("predict_log_proba", X)

    def _columns_of_classes(self, method: str, X: Any) -> Any:
        est: Any = self
        if not is_collection(X):
            return getattr(super(), method)(X)
        check_is_fitted(est, est.fitted)
        return est._by_blocks(method, X, len(est.classes_), est._dtype())


def _of_block(block: Any, est: Any, keeps_frames: bool, method: str, options: dict[str, Any], part: int | None,
              shape: tuple[int, ...], out: Any) -> Any:
    rows = block if keeps_frames else rows_of(block)
    if not rows.shape[0]:
        return np.empty((0, *shape), out)
    found = getattr(est, method)(rows, **options)
    return np.asarray(found if part is None else found[part]).reshape(rows.shape[0], *shape)


def watched_sets(eval_set: Any, weights: Any) -> list[tuple[Any, ...]]:
    """The validation sets, as a list of (X, y) or (X, y, sample_weight)."""
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


def names_of(sets: Sequence[Any], *numbers: str) -> list[str]:
    """The names of the values of each set in the logs of callbacks."""
    return [f"validation_{i}_{number}" for i in range(len(sets)) for number in numbers]


# ---- tasks

def sent(client: Any, what: Any) -> Any:
    """The future of an object for the workers, sent with a task, which can be run again if the worker that holds it
    dies. (Scattered data would be lost, and a scatter to all may wait for a dead worker.)"""
    with needs("dask", "fit").config.set({"distributed.admin.large-graph-warning-threshold": "1TB"}):
        return client.submit(rounds.given, what, pure=False)


def of_each(client: Any, function: Callable[..., Any], what: Any, shards: Sequence[ShardFuture],
            *others: Sequence[Any]) -> list[Any]:
    """The futures of function(what, rows, ..) for each shard, run where it is. others: further arguments, one for each
    shard."""
    return [client.submit(function, what, shard.rows, *more, **where(shard.worker), pure=False)
            for shard, *more in zip(shards, *others)]


def of_all(client: Any, function: Callable[..., Any], what: Any, shards: Sequence[ShardFuture],
           *others: Sequence[Any]) -> Any:
    """The sum of a function's results for all shards, in order."""
    first, *found = client.gather(of_each(client, function, what, shards, *others))
    for one in found:
        first = first + one
    return first


def surviving(client: Any, attempt: Callable[[], Result]) -> Result:
    """Run a round, again if workers die in it. RuntimeError if that happens in every attempt."""
    scheduler, of_client = needs("distributed.scheduler", "fit"), needs("distributed.client", "fit")
    lost = (scheduler.KilledWorker, of_client.FutureCancelledError, of_client.FuturesCancelledError,
            needs("distributed.comm", "fit").CommClosedError)
    for number in range(ATTEMPTS):
        client.wait_for_workers(1)
        try:
            return attempt()
        except lost as error:
            if number == ATTEMPTS - 1:
                raise RuntimeError(f"workers died in each of {ATTEMPTS} attempts at a round: {error}") from error
    raise AssertionError("not reached")
