"""The tasks of Dask's workers for estimators of tables: summarise their rows, encode them, and train members in rounds.
"""
from __future__ import annotations

import copy
from typing import Any, NamedTuple

import numpy as np

from ..model import MLP
from ..tabular import ensemble, importances, pieces
from ..tabular.pieces import Block, Piece
from ..tabular.presets import Preset
from ..tabular.sketch import Numbers
from .collections import Shard
from .rounds import Losses, threads_of_worker


class Rules(NamedTuple):
    """How rows become a Block: the estimator with its encodings, and how members hold out rows, None if there are
    validation sets."""

    est: Any
    dealt: Any


class Dealt(NamedTuple):
    """How rows are divided among members."""

    members: int
    folds: int
    bagging: str


class Members(NamedTuple):
    """Members in training: their numbers, networks and the learning rates of the next epochs."""

    numbers: list[int]
    nets: list[MLP]
    rates: list[list[float]]
    preset: Preset
    n_threads: int | None


class Learned(NamedTuple):
    """A member's result of training on some rows: weights and optimiser's arrays, the sum of row weights, and the mean
    loss in the last epoch."""

    arrays: list[Any]
    weight: float
    loss: float


def look(est: Any, shard: Shard, kinds: list[str] | None = None) -> Piece:
    """The Piece of a worker's rows."""
    return pieces.look(est, shard.X, shard.y, shard.weight, kinds)


def encoded(rules: Rules, shard: Shard, seed: int) -> Block:
    """A worker's rows as a Block. seed : for dividing them among members."""
    est, dealt = rules

    def parts(y: Any, rows: Any) -> list[ensemble.Part]:
        if dealt is None:
            return []
        return ensemble.deal(y, dealt.members, dealt.folds, dealt.bagging, np.random.default_rng(seed))

    return pieces.block(est, shard.X, shard.y, shard.weight, parts)


def rows_of_member(block: Block, number: int) -> Any:
    """The rows of a block that a member is trained on."""
    return block.parts[number].rows if block.parts else np.arange(len(block.X))


def trained(members: Members, block: Block, seed: int) -> list[Learned]:
    """Train each member on a worker's rows. seed : of the order of rows and of dropout."""
    nets = [copy.copy(net) for net in members.nets]  # what a task is given may be used by others
    for net in nets:
        net._network.progress.seed = seed
    rows = [rows_of_member(block, number) for number in members.numbers]
    losses = pieces.train_all(nets, members.rates, rows, block, members.preset,
                              members.n_threads or threads_of_worker())
    return [Learned(arrays_of(net), pieces.weight_of(block, some), loss)
            for net, some, loss in zip(nets, rows, losses)]


def arrays_of(net: MLP) -> list[Any]:
    """All arrays that a step changes, for averaging."""
    network = net._network
    assert network.progress.optimizer_state is not None
    return [network.parameters.values(), *network.progress.optimizer_state.arrays()]


def averaged(results: list[list[Learned]]) -> list[Learned]:
    """For each member the mean of the workers' results, weighted by rows, added in order."""
    return [_mean([one for one in of_member if one.weight > 0] or of_member[:1]) for of_member in zip(*results)]


def _mean(results: list[Learned]) -> Learned:
    total = sum(one.weight for one in results) or 1.0
    arrays = [np.zeros_like(a) for a in results[0].arrays]
    for one in results:
        for mean, a in zip(arrays, one.arrays):
            mean += a * mean.dtype.type(one.weight / total)
    return Learned(arrays, total, sum(one.loss * one.weight for one in results) / total)


def with_learned(members: Members, results: list[Learned]) -> list[MLP]:
    """The networks after a round."""
    nets = [copy.copy(net) for net in members.nets]
    for net, result in zip(nets, results):
        take(net, result)
    return nets


def take(net: MLP, result: Learned) -> None:
    """Set a network and its optimiser state to the result of a round."""
    p, *state = result.arrays
    network = net._network
    assert network.progress.optimizer_state is not None
    network.parameters.assign(p)
    for a, values in zip(network.progress.optimizer_state.arrays(), state):
        a[...] = values


def losses(nets: list[MLP], block: Block, numbers: list[int] | None) -> Losses:
    """The Losses of the rows that members hold out. numbers: of these members; None for all rows."""
    rows = ([np.arange(len(block.X))] * len(nets) if numbers is None
            else [block.parts[number].held_out for number in numbers])
    return _losses(nets, block, rows)


def training_losses(nets: list[MLP], block: Block, numbers: list[int]) -> Losses:
    """The Losses of the rows that members are trained on. numbers: of these members."""
    return _losses(nets, block, [rows_of_member(block, number) for number in numbers])


def _losses(nets: list[MLP], block: Block, rows: list[Any]) -> Losses:
    return Losses(np.array([pieces.total_loss(net, block, some) for net, some in zip(nets, rows)]),
                  np.array([pieces.weight_of(block, some) for some in rows]))


def weight_of_all(what: Any, block: Block) -> Losses:
    """The weight of a worker's rows."""
    return Losses(0.0, pieces.weight_of(block, np.arange(len(block.X))))


def held_out_weights(what: Any, block: Block) -> Losses:
    """The weight of the rows that each member holds out, in `weight`."""
    weight = np.array([pieces.weight_of(block, part.held_out) for part in block.parts])
    return Losses(np.zeros(len(weight)), weight)


class HeldOutRows(NamedTuple):
    """Some of the rows that each member holds out."""

    of_members: list[importances.Rows]

    def __add__(self, other: HeldOutRows) -> HeldOutRows:  # type: ignore[override]
        return HeldOutRows([_joined(*both) for both in zip(self.of_members, other.of_members)])


def _joined(one: importances.Rows, other: importances.Rows) -> importances.Rows:
    (X, y, weight), (other_X, other_y, other_weight) = one, other
    return (np.concatenate([X, other_X]), np.concatenate([y, other_y]),
            None if weight is None else np.concatenate([weight, other_weight]))


def held_out_rows(what: Any, block: Block, most: int, seed: int) -> HeldOutRows:
    """At most `most` of a worker's held-out rows for each member."""
    rng = np.random.default_rng(seed)
    return HeldOutRows([importances.drawn(block.X, block.y, block.weight, part.held_out, most, rng)
                        for part in block.parts])


def residuals(nets: list[MLP], block: Block) -> Numbers:
    """The residuals of the rows that members held out."""
    return pieces.residuals(nets, block)
