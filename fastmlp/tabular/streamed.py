"""Fit estimators of tables to Parquet files that need not fit in memory.

One pass reads all rows, a window at a time, and keeps those that members hold out. Then in each epoch windows come in a
new order; a thread encodes one while the previous one is trained on, so that two are in memory. All members see each.
"""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from .. import _arrays, _checks
from .._optional import needs
from .._types import Floats, Integers
from ..data import Parquet
from . import importances, pieces
from .ensemble import FEWEST, Part, callbacks_of, of_a_size
from .pieces import Block, Learning, Piece
from .presets import PRESETS
from .sketch import Summary


class Rows(NamedTuple):
    """Rows of a source: X, a pyarrow table; y; weights or None; row numbers, (n,) each."""

    X: Any
    y: Any
    weight: Floats | None
    numbers: Integers


class Source:
    """The rows of a Parquet, in windows.

    weight: of all rows, or None. window: largest number of rows in a window; all have about as many.
    """

    def __init__(self, data: Parquet, weight: Floats | None, window: int) -> None:
        self.data, self.weight, self.n = data, weight, len(data)
        self.windows = max(1, -(-self.n // window))
        self.rows_of_window = -(-self.n // self.windows)
        self.begins = np.cumsum([0, *data.groups])

    def __call__(self, groups: Sequence[int]) -> Iterator[Rows]:
        """The rows of the given row groups, by windows."""
        tables: list[Any] = []
        numbers = np.empty(0, np.int64)
        for group in groups:
            tables.append(self.data.read(group))
            numbers = np.concatenate([numbers, np.arange(self.begins[group], self.begins[group + 1])])
            while len(numbers) >= self.rows_of_window:
                whole, n = _joined(tables), self.rows_of_window
                yield self._rows(whole[:n], numbers[:n])
                tables, numbers = [whole[n:]], numbers[n:]
                del whole
        if len(numbers):
            yield self._rows(_joined(tables), numbers)

    def _rows(self, table: Any, numbers: Integers) -> Rows:
        X, y = _divided(self.data, table)
        return Rows(X, y, None if self.weight is None else self.weight[numbers], numbers)


def _joined(tables: Iterable[Any]) -> Any:
    """Concatenate tables; types that differ between files are promoted to a common one."""
    return needs("pyarrow", "Parquet").concat_tables(tables, promote_options="permissive")


def _divided(data: Parquet, table: Any) -> tuple[Any, Any]:
    """(X, a table of pyarrow, y, an array)"""
    if len(data.targets) > 1:
        raise ValueError(f"target must be one column for estimators of tables, got {data.targets}")
    y = table.column(data.targets[0])
    if hasattr(y.type, "value_type"):  # of a dictionary
        y = y.cast(y.type.value_type)
    return table.select(data.columns), y.to_numpy()


def whole(data: Parquet) -> tuple[Any, Any]:
    """(X, y) of all rows."""
    if not len(data):
        raise ValueError("X must have at least one row, got a Parquet without rows")
    return _divided(data, _joined(map(data.read, range(len(data.groups)))))


def fit(est: Any, data: Parquet, sample_weight: Any, watched: tuple[Any, ...] | None, window: int) -> None:
    """Implements fit for a Parquet that is larger than a window.

    sample_weight : as in fit. watched : (X, y, weight) of validation rows, or None.
    """
    if est.bagging != "folds":
        raise ValueError(f"bagging must be 'folds' for a Parquet of more rows than a window, got {est.bagging!r}")
    pieces.require_separate(est, "a Parquet of more rows than a window")
    preset, callbacks = PRESETS[est.preset], callbacks_of(est.callbacks)
    rng = _checks.generator(est.random_state)
    weight = None if sample_weight is None else _arrays.unscaled_weights(sample_weight, len(data), np.float64)
    source = Source(data, of_a_size(weight), window)
    n_members = est._n_members(preset)
    per_member = 0 if watched is not None else min(source.n // max(preset.folds, n_members),
                                                   max(FEWEST, source.rows_of_window // n_members))
    drawn = rng.choice(source.n, n_members * per_member, replace=False, shuffle=True).reshape(n_members, per_member)
    found, kept = _look(est, source, np.sort(drawn.ravel()))
    pieces.learn(est, found, preset)
    members = pieces.members_of(est, preset, rng)
    held_out = _held_out(est, kept, drawn)
    by = None if watched is None else est._watched(est._encoder, *watched)
    Streaming(est, members, source, held_out, by, drawn, int(rng.integers(2**31)))(callbacks)
    nets = [member.net for member in members]
    for name in ("_factors", "oof_prediction_"):
        vars(est).pop(name, None)
    est._nets, est._importances = nets, None
    est.n_iter_by_member_ = [member.done for member in members]
    est.n_iter_ = max(est.n_iter_by_member_)
    numbers = np.empty(0) if hasattr(est, "classes_") else pieces.residuals(nets, held_out).points(pieces.POINTS)
    est._keep_residuals(numbers)
    est._held = importances.HeldOut.some(held_out.X, held_out.y, held_out.weight, held_out.parts, rng)


def _look(est: Any, source: Source, held_out: Integers) -> tuple[Piece, list[Rows]]:
    """(the Piece of all rows, the rows to hold out)"""
    found: Piece | None = None
    kept = []
    for rows in source(range(len(source.data.groups))):
        piece = pieces.look(est, rows.X, rows.y, rows.weight)
        found = piece if found is None else _both(found, piece)
        places = np.flatnonzero(np.isin(rows.numbers, held_out, assume_unique=True))
        kept.append(Rows(rows.X.take(places), rows.y[places], None if rows.weight is None else rows.weight[places],
                         rows.numbers[places]))
    assert found is not None
    return found, kept


def _both(one: Piece, other: Piece) -> Piece:
    """The Piece of the rows of both. A column without values in one gets its kind from the other."""
    kinds = pieces.kinds_of([one, other])
    for j, (a, b) in enumerate(zip(one.columns, other.columns)):
        if a.holds and b.holds and a.kind != b.kind:
            name = j if one.names is None else one.names[j]
            raise TypeError(f"column {name!r} of X must hold values of one kind in all files, got {a.kind} and "
                            + b.kind)
    of_kinds = [[column if column.kind == kind else Summary.missing(kind, column.n)
                 for column, kind in zip(piece.columns, kinds)] for piece in (one, other)]
    return replace(one, columns=of_kinds[0]) + replace(other, columns=of_kinds[1])


def _held_out(est: Any, kept: list[Rows], drawn: Integers) -> Block:
    """The Block of the rows that members hold out. drawn : their row numbers by member, (members, k)."""
    X = _joined(rows.X for rows in kept)
    if not len(X):
        return _nothing(est, len(drawn))
    y, numbers = np.concatenate([rows.y for rows in kept]), np.concatenate([rows.numbers for rows in kept])
    weights = [rows.weight for rows in kept if rows.weight is not None]

    def parts(y: Any, rows: Integers) -> list[Part]:
        return [Part(np.empty(0, np.int64), np.flatnonzero(np.isin(numbers[rows], own))) for own in drawn]

    return pieces.block(est, X, y, np.concatenate(weights) if weights else None, parts)


def _nothing(est: Any, members: int) -> Block:
    nothing = np.empty(0, np.int64)
    return Block(np.empty((0, max(1, est._encoder.n_features)), np.float32), np.empty(0), None,
                 [Part(nothing, nothing)] * members)


class Streaming(pieces.Rounds):
    """The epochs of a fit.

    held_out: the rows that decide when members stop, with row numbers `drawn`, (members, k). watched: (X, y, weight) of
    validation rows instead, or None. seed: of the order of the row groups.
    """

    def __init__(self, est: Any, members: Sequence[Learning], source: Source, held_out: Block,
                 watched: tuple[Any, ...] | None, drawn: Integers, seed: int) -> None:
        super().__init__(est, members)
        self.source, self.drawn, self.seed = source, drawn, seed
        self.held_out = held_out if watched is None else Block(watched[0], watched[1], watched[2], [])

    def round(self, active: list[Learning], epochs: int) -> dict[str, float]:
        est, preset, nets = self.owner, PRESETS[self.owner.preset], [member.net for member in active]
        total, weight = np.zeros((2, len(active)))
        for i, block in enumerate(self._blocks(active[0].done)):
            rates = [[self.rate(member, member.done + i / self.source.windows)] for member in active]
            rows = [block.parts[member.number].rows for member in active]
            found = pieces.train_all(nets, rates, rows, block, preset, est.n_threads)
            weights = [pieces.weight_of(block, some) for some in rows]
            total += np.multiply(found, weights)
            weight += weights
            for member, loss in zip(active, found):
                member.diverged = member.diverged or not np.isfinite(loss)
            if self.time_part() >= 1 or any(member.diverged for member in active):
                break
        watched = [self._loss(member) for member in active]
        for member, loss in zip(active, watched):
            member.look(loss, epochs)
        return {"loss": float(np.mean(total / weight)), "lr": rates[0][-1], "val_loss": float(np.mean(watched))}

    def training_loss(self, member: Learning) -> float:
        total = weight = 0.0
        for block in self._blocks(member.done):
            rows = block.parts[member.number].rows
            total += pieces.total_loss(member.net, block, rows)
            weight += pieces.weight_of(block, rows)
        return total / weight

    def _loss(self, member: Learning) -> float:
        """The mean loss of the rows that decide when a member stops."""
        block = self.held_out
        rows = block.parts[member.number].held_out if block.parts else np.arange(len(block.X))
        weight = pieces.weight_of(block, rows)
        return pieces.total_loss(member.net, block, rows) / weight if weight else np.inf

    def _blocks(self, epoch: int) -> Iterator[Block]:
        """The windows of an epoch as Blocks; each is encoded while the previous one is in use."""
        groups = np.random.default_rng([self.seed, epoch]).permutation(len(self.source.data.groups))
        blocks = (self._block(rows) for rows in self.source(groups.tolist()))
        with ThreadPoolExecutor(1, "fastmlp-tables") as reader:
            ahead = reader.submit(next, blocks, None)
            while (block := ahead.result()) is not None:
                ahead = reader.submit(next, blocks, None)
                yield block
                del block

    def _block(self, rows: Rows) -> Block:
        def parts(y: Any, kept: Integers) -> list[Part]:
            numbers, nothing = rows.numbers[kept], np.empty(0, np.int64)
            return [Part(np.flatnonzero(~np.isin(numbers, own)), nothing) for own in self.drawn]

        return pieces.block(self.owner, rows.X, rows.y, rows.weight, parts)
