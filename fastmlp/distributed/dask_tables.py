"""TabularClassifier and TabularRegressor for Dask collections."""
from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from .. import _checks
from .._running_fits import alone
from ..tabular import TabularClassifier, TabularRegressor, importances, pieces
from ..tabular._base import ATTRIBUTES
from ..tabular.columns import require_columns
from ..tabular.ensemble import callbacks_of
from ..tabular.presets import PRESETS
from . import table_rounds as tables
from .collections import ShardFuture, is_collection, is_frame
from .dask_base import (
    OWN_PARAMETERS,
    USING,
    DaskEstimator,
    DaskProbabilities,
    names_of,
    of_all,
    of_each,
    sent,
    surviving,
    watched_sets,
    with_own_parameters,
)

TRAINING = """\
    X is a Dask DataFrame of any partitions, or an array; rows stay on their workers. One pass finds kinds of columns,
    categories and quantiles in all of them: each worker makes sketches of its rows, which are added up (see
    fastmlp.tabular.sketch), so that of more than 2,048 different numbers in a column the edges of bins are near those
    of {plain}, and of more than 65,536 labels the rarest are as if they were new. Each worker encodes its rows once.
    Then members are trained in rounds as those of DaskMLP{kind} are: each worker trains its copy of all for
    local_epochs epochs on its rows, of which each member holds out a part, and then all have the mean, weighted by
    rows. A worker that dies costs a round. eval_set is watched in the place of rows held out, which then are trained
    on. Callbacks are called here, once a round; with them members are trained one after another.
    There is no oof_prediction_, for which predictions would have to be where X was."""


class DaskTabular(DaskEstimator):
    """The common base class of both."""

    fitted = "n_iter_by_member_"
    keeps_frames = True

    @alone
    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, classes: Any = None,
            eval_set: Sequence[tuple[Any, Any]] | None = None,
            eval_sample_weight: Sequence[Any] | None = None) -> Self:
        """Fit to Dask collections.

        X : (n_samples, n_features), DataFrame or array, in any partitions or chunks, some of which may be empty.
        y : (n_samples,), array or Series. sample_weight : (n_samples,), at least 0. They are repartitioned like X if
            necessary.
        classes : for a classifier all labels, None for those in y.
        eval_set : pairs (X, y) of collections, whose loss, the mean over the members in training, is in `evals_result_`
            for each round; the first decides when members stop, and the weights that are best for it are restored.
            eval_sample_weight : the weights of each.

        Returns self. TypeError or ValueError names the wrong argument, for X the column. RuntimeError if workers died
        in each of ten attempts at a round.
        """
        self._validate_params()  # type: ignore[attr-defined]
        pieces.require_separate(self, "Dask collections")
        self.local_epochs = _checks.integer("local_epochs", self.local_epochs, 1)
        if classes is not None and not hasattr(self, "predict_proba"):
            raise ValueError("classes must be None for a regressor, got " + _checks.described(classes))
        client = self._client()
        sets = watched_sets(eval_set, eval_sample_weight)
        callbacks = callbacks_of(self.callbacks, *names_of(sets, "loss"))  # type: ignore[attr-defined]
        shards = self._shards(client, X, y, sample_weight)
        watched = [self._shards(client, *one) for one in sets]
        preset = PRESETS[self.preset]  # type: ignore[attr-defined]
        rng = _checks.generator(self.random_state)  # type: ignore[attr-defined]
        est = self.plain(**{**self.to_local().get_params(), "callbacks": None})
        self._learn_of_all(client, est, shards, classes, X.shape[1])
        members = pieces.members_of(est, preset, rng)
        training = Training(self, client, est, members, rng)
        training.encode(shards, watched)
        training(callbacks, self.local_epochs)
        self._take(est, training)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """As for the estimator of one process; for a Dask collection a lazy Dask array, or two of them."""
        if not is_collection(X):
            return super().predict(X, return_std)  # type: ignore[misc]
        check_is_fitted(self, self.fitted)
        _checks.boolean("return_std", return_std)
        dtype = self.classes_.dtype if hasattr(self, "classes_") else self._dtype()
        if not return_std:
            return self._by_blocks("predict", X, None, dtype)
        return tuple(self._by_blocks("predict", X, None, of, part, return_std=True)
                     for part, of in enumerate((dtype, self._dtype())))

    def to_local(self) -> Any:
        local = super().to_local()
        if "_nets" in vars(local):
            local._nets = copy.deepcopy(local._nets)
        return local

    def _dtype(self) -> Any:
        return np.float64

    def _learn_of_all(self, client: Any, est: Any, shards: list[ShardFuture], classes: Any, n_columns: int) -> None:
        """Fit everything of an estimator except its members, from all rows: columns, encodings, y."""
        plain = sent(client, est)
        found = client.gather(of_each(client, tables.look, plain, shards))
        for piece in found:
            if len(piece.columns) != n_columns:
                raise ValueError(f"X must have partitions of {n_columns} columns, got one of {len(piece.columns)}")
        kinds = pieces.kinds_of(found)
        others = [i for i, piece in enumerate(found) if piece.kinds != kinds]
        again = of_each(client, tables.look, plain, [shards[i] for i in others], [kinds] * len(others))
        for i, piece in zip(others, client.gather(again)):
            found[i] = piece
        pieces.learn(est, sum(found[1:], found[0]), PRESETS[est.preset], classes)

    def _for_blocks(self, X: Any) -> Any:
        """The same; for a DataFrame, check that it has the columns of fit, if these have names."""
        if is_frame(X) and self._names is not None:  # type: ignore[attr-defined]
            require_columns(self._names, list(X.columns))  # type: ignore[attr-defined]
            return self.to_local()
        return super()._for_blocks(X)

    def _take(self, est: Any, training: Training) -> None:
        """Take over the results of the rounds."""
        parameters = {*self.get_params(), "_factors"}  # type: ignore[attr-defined]
        for name in ("oof_prediction_", "feature_names_in_"):
            vars(self).pop(name, None)
        done = [member.done for member in training.members]
        vars(self).update({k: v for k, v in vars(est).items() if k not in parameters})
        vars(self).update(n_iter_by_member_=done, n_iter_=max(done), _nets=[member.net for member in training.members],
                          _importances=None, _held=training.some_held_out(), evals_result_=training.logs)
        self._keep_residuals(training.residuals())  # type: ignore[attr-defined]


class Training(pieces.Rounds):
    """The rounds of a fit.

    owner: the estimator that is fitted. est: the plain one, with its encodings. logs: the losses of each eval_set, by
    rounds.
    """

    def __init__(self, owner: Any, client: Any, est: Any, members: list[pieces.Learning],
                 rng: np.random.Generator) -> None:
        super().__init__(owner, members)
        self.client, self.est = client, est
        self.preset, self.seeds = PRESETS[owner.preset], np.random.SeedSequence(int(rng.integers(2**31)))
        self.logs: dict[str, dict[str, list[float]]] = {}

    def encode(self, shards: list[ShardFuture], watched: list[list[ShardFuture]]) -> None:
        """Encode the rows on their workers."""
        dealt = tables.Dealt(len(self.members), self.preset.folds, self.owner.bagging)
        rules = tables.Rules(self.est, None if watched else dealt)
        self.blocks = self._encoded(rules, shards)
        self.watched = [self._encoded(tables.Rules(self.est, None), some) for some in watched]
        self.logs = {f"validation_{i}": {"loss": []} for i in range(len(watched))}
        for i, blocks in enumerate(self.watched):
            if not of_all(self.client, tables.weight_of_all, None, blocks).weight:
                raise ValueError(f"eval_sample_weight must be above 0 for some row, got 0 for all of eval_set[{i}]")
        self.holds_out = not watched and bool(
            of_all(self.client, tables.held_out_weights, None, self.blocks).weight.all())

    def _encoded(self, rules: tables.Rules, shards: list[ShardFuture]) -> list[ShardFuture]:
        futures = of_each(self.client, tables.encoded, sent(self.client, rules), shards, self._draw(len(shards)))
        return [shard._replace(rows=future) for shard, future in zip(shards, futures)]

    def _draw(self, n: int) -> list[int]:
        """n different seeds."""
        return [int(seed.generate_state(1)[0]) for seed in self.seeds.spawn(n)]

    def round(self, active: list[pieces.Learning], epochs: int) -> dict[str, float]:
        seeds = self._draw(len(self.blocks))
        rates = [[self.rate(member, member.done + i) for i in range(epochs)] for member in active]
        members = tables.Members([member.number for member in active], [member.net for member in active], rates,
                                 self.preset, self.owner.n_threads)
        results, held_out, sets = surviving(self.client, lambda: self._once(members, seeds))
        logs = {"loss": float(np.mean([result.loss for result in results])), "lr": rates[0][-1]}
        for (name, of), losses in zip(self.logs.items(), sets):
            of["loss"].append(float(np.mean(losses.total / losses.weight)))
            logs[f"{name}_loss"] = of["loss"][-1]
        watched = held_out or sets[0]
        for member, result, total, weight in zip(active, results, watched.total, watched.weight):
            tables.take(member.net, result)
            progress = member.net._network.progress
            progress.epochs_ever += epochs
            member.diverged = not math.isfinite(result.loss)
            member.look(total / weight, epochs)
        logs["val_loss"] = float(np.mean(watched.total / watched.weight))
        return logs

    def _once(self, members: tables.Members, seeds: list[int]) -> tuple[Any, Any, list[Any]]:
        """(the Learned of each member; the Losses of the held-out rows, or of the training rows if none are held out,
        or None with eval_sets; the Losses of each eval_set)"""
        client = self.client
        given = sent(client, members)
        average = client.submit(tables.averaged, of_each(client, tables.trained, given, self.blocks, seeds), pure=False)
        nets = client.submit(tables.with_learned, given, average, pure=False)
        held_out = None
        if not self.watched:
            numbers = members.numbers if self.holds_out else None
            held_out = of_all(client, tables.losses, nets, self.blocks, [numbers] * len(self.blocks))
        sets = [of_all(client, tables.losses, nets, blocks, [None] * len(blocks)) for blocks in self.watched]
        return average.result(), held_out, sets

    def training_loss(self, member: pieces.Learning) -> float:
        client, numbers = self.client, [[member.number]] * len(self.blocks)
        found = surviving(client, lambda: of_all(client, tables.training_losses, sent(client, [member.net]),
                                                 self.blocks, numbers))
        return float(found.total[0] / found.weight[0])

    def some_held_out(self) -> importances.HeldOut | None:
        """The held-out rows for feature_importances_; None if there are none."""
        if not self.holds_out:
            return None
        whole = sum(block.n for block in self.blocks)
        most = [math.ceil(importances.MOST_ROWS * block.n / whole) for block in self.blocks]
        found = surviving(self.client, lambda: of_all(self.client, tables.held_out_rows, None, self.blocks, most,
                                                      self._draw(len(self.blocks))))
        return importances.HeldOut.of(found.of_members, np.random.default_rng(self._draw(1)[0]))

    def residuals(self) -> Any:
        """The residuals of the held-out rows in regression, or a sample of them."""
        if not self.holds_out or hasattr(self.est, "classes_"):
            return np.empty(0)
        nets = sent(self.client, [member.net for member in self.members])
        return of_all(self.client, tables.residuals, nets, self.blocks).points(pieces.POINTS)


@with_own_parameters
class DaskTabularClassifier(DaskProbabilities, DaskTabular, TabularClassifier):
    __doc__ = f"""TabularClassifier on tables that Dask has on its workers. `pip install "fastmlp[dask]"`

{TRAINING.format(plain="TabularClassifier", kind="Classifier")}

{USING.format(plain="TabularClassifier")}

    Parameters
    ----------
All of TabularClassifier, and
{OWN_PARAMETERS}

    Attributes
    ----------
    classes_ : the classes.
    evals_result_ : {{"validation_0": {{"loss": [..]}}, ..}} of each eval_set, by rounds.
{ATTRIBUTES}
    """

    plain = TabularClassifier


@with_own_parameters
class DaskTabularRegressor(DaskTabular, TabularRegressor):
    __doc__ = f"""TabularRegressor on tables that Dask has on its workers. `pip install "fastmlp[dask]"`

{TRAINING.format(plain="TabularRegressor", kind="Regressor")}

{USING.format(plain="TabularRegressor")}

    Parameters
    ----------
All of TabularRegressor, and
{OWN_PARAMETERS}

    Attributes
    ----------
    evals_result_ : {{"validation_0": {{"loss": [..]}}, ..}} of each eval_set, by rounds.
{ATTRIBUTES}
    """

    plain = TabularRegressor

    def predict_interval(self, X: Any, alpha: float = 0.1) -> Any:
        """As for TabularRegressor; for a Dask collection two lazy Dask arrays."""
        if not is_collection(X):
            return super().predict_interval(X, alpha)
        self._place_of(alpha)
        return tuple(self._by_blocks("predict_interval", X, None, float, part, alpha=alpha) for part in (0, 1))
