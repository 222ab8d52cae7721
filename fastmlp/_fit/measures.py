"""Losses, predictions and metrics that are measured after each epoch; also MLP.score and MLP.predict_labels."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import _arrays, _checks, _core
from .._network import Network
from .._types import Floats, Integers
from ..metrics import CLASSIFYING, METRICS, Metric, check_rows, check_targets, d2_pinball
from .options import Options
from .ranks import Ranks


class MeasuredRows:
    """Rows of bound data on which a network is measured while it trains. numbers: which rows, None for all."""

    def __init__(self, network: Network, data: _core.Data, numbers: Integers | None = None) -> None:
        self.core, self.data, self.numbers = network.core, data, numbers
        self.weight = data.weight_of(numbers)
        self.some, self.outputs_of_a_row = numbers is None or len(numbers) > 0, network.d[-1]

    def loss(self, team: _core.Team) -> float:
        """The mean loss."""
        return self.total(team) / self.weight

    def total(self, team: _core.Team) -> float:
        """The sum of the weighted losses, 0 without rows."""
        return self.core.evaluate(self.data, team, self.numbers) if self.some else 0.0

    def total_and_outputs(self, team: _core.Team) -> tuple[float, Floats]:
        """The sum of the weighted losses and the predictions (n, d(L)), by one forward pass; n may be 0."""
        if self.some:
            return self.core.evaluate_and_predict(self.data, team, self.numbers)
        return 0.0, np.empty((0, self.outputs_of_a_row), self.core.dtype)

    def outputs(self, team: _core.Team, part: slice | None = None) -> Floats:
        """The predictions (n, d(L)), or those of a slice of the rows."""
        if part is None:
            return self.core.predict(self.data, team, self.numbers)
        some = np.arange(*part.indices(self.data.n)) if self.numbers is None else self.numbers[part]
        return self.core.predict(self.data, team, some)


class MeasuredSet:
    """A set of rows and what is logged of it, over the rows of all ranks: with a name, the loss as "<name>_loss" and
    the metrics as "<name>_<metric>"; without one, the metrics only.

    rows: to measure on. y, weight: for all of this rank's data, as the user gave them.
    """

    def __init__(self, network: Network, name: str, rows: MeasuredRows, metrics: dict[str, Metric], ranks: Ranks,
                 y: Any, weight: Any = None) -> None:
        self.name, self.rows, self.metrics, self.ranks = name, rows, metrics, ranks
        self.total_weight, = ranks.sums(rows.weight)
        if metrics:
            y, labels = targets(network, y)
            numbers = slice(None) if rows.numbers is None else rows.numbers
            self.y = ranks.gather(y[numbers])[...]
            self.weight = None
            if ranks.any(weight is not None):
                weight = np.ones(len(y)) if weight is None else np.asarray(weight)
                self.weight = ranks.gather(weight[numbers])
            self.y.flags.writeable = False  # metrics may be functions of the user, y an array of theirs
            check_targets(metrics, self.y, labels)
            check_rows(metrics, self.y, network.d[-1], self.weight)

    def __call__(self, team: _core.Team) -> dict[str, float]:
        """The measured values by name; one forward pass serves the loss and the metrics."""
        if not self.metrics:
            return {f"{self.name}_loss": self._mean(self.rows.total(team))}
        total, outputs = self.rows.total_and_outputs(team)
        outputs, loss = self.ranks.gather(outputs), self._mean(total)
        prefix, logs = (f"{self.name}_", {f"{self.name}_loss": loss}) if self.name else ("", {})
        for name, metric in self.metrics.items():
            logs[prefix + name] = _checks.result(f"metrics {name!r}", metric(self.y, outputs, self.weight))
        return logs

    def _mean(self, total: float) -> float:
        """The mean over the rows of all ranks. total: the sum over this rank's."""
        total, = self.ranks.sums(total)
        return total / self.total_weight


class Measures:
    """What MLP.fit logs besides the training loss: the loss and metrics of each validation set, or, without one, the
    metrics of the training rows. All ranks have the same sets and measure them in the same order."""

    def __init__(self, network: Network, data: _core.Data, rows: Integers | None, y: Any, options: Options,
                 ranks: Ranks) -> None:
        """data, rows: the rows to measure if there is no validation_data; rows None for all."""
        self.sets: list[MeasuredSet] = []
        metrics, held_out = options.metrics, options.validation_fraction > 0
        if options.validation_data is not None:
            for name, given in options.validation_data.items():
                measured = MeasuredRows(network, *_bound(network, name, given, ranks))
                self.sets.append(MeasuredSet(network, name, measured, metrics, ranks, *given[1:]))
        elif held_out or metrics:
            self.sets = [MeasuredSet(network, "val" if held_out else "", MeasuredRows(network, data, rows), metrics,
                                     ranks, y, options.sample_weight)]

    def __call__(self, team: _core.Team) -> dict[str, float]:
        """The measured values by name."""
        logs: dict[str, float] = {}
        for measured in self.sets:
            logs |= measured(team)
        return logs


def targets(network: Network, y: Any) -> tuple[Any, bool]:
    """(y as metrics take it: labels (n,) or targets (n, targets); whether they are labels)"""
    y = np.asarray(_arrays.dense(network.numbered(y), "y"))
    labels = y.ndim == 1 and network.loss.name == "cross_entropy"
    return y[:, None] if y.ndim == 1 and not labels else y, labels


def _bound(network: Network, name: str, given: tuple[Any, ...], ranks: Ranks) -> tuple[_core.Data, Integers | None]:
    """This rank's validation rows, checked and bound for the engine, and their numbers or None for all."""
    try:
        return ranks.bind(network, *given)
    except (TypeError, ValueError) as error:
        where = "validation_data" if name == "val" else f"validation_data[{name!r}]"
        raise type(error)(f"{where}: {error}") from error


def score(network: Network, X: Any, y: Any, sample_weight: Any) -> float:
    """Implements MLP.score."""
    data, levels = network.bind(X, y, sample_weight), network.loss.levels
    network.parameters.require_finite()
    with network.team(data.n, 1) as team:
        outputs = MeasuredRows(network, data).outputs(team)
    given = targets(network, y)[0], outputs, None if sample_weight is None else np.asarray(sample_weight)
    if len(levels) > 1:
        return d2_pinball(*given, levels)
    return METRICS["accuracy" if network.loss.name in CLASSIFYING else "r2"](*given)


def labels_of(network: Network, prediction: Floats) -> Any:
    """Implements MLP.predict_labels."""
    if network.loss.name not in CLASSIFYING:
        raise ValueError(f"loss must be {' or '.join(CLASSIFYING)} for labels, got {network.loss.spec!r}")
    if network.loss.name == "cross_entropy":
        numbers = prediction.argmax(axis=1)
    else:
        numbers = (prediction > 0.5).astype(int)
        numbers = numbers[:, 0] if network.n_classes else numbers
    return numbers if network.classes is None else network.classes[numbers]
