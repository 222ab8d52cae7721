"""Numbers that are measured after each epoch."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import _arrays, _checks, _core
from .._network import Network
from .._types import Floats, Integers
from ..metrics import CLASSIFYING, Metric, accuracy, check_rows, check_targets, r2
from .options import Options


class MeasuredRows:
    """Rows on which a network is measured while it trains: those of some numbers, or None for all, of bound data."""

    def __init__(self, network: Network, data: _core.Data, numbers: Integers | None = None) -> None:
        self.core, self.data, self.numbers = network.core, data, numbers
        self.weight = data.weight_of(numbers)

    def loss(self, team: _core.Team) -> float:
        """The mean loss."""
        return self.core.evaluate(self.data, team, self.numbers) / self.weight

    def loss_and_outputs(self, team: _core.Team) -> tuple[float, Floats]:
        """The mean loss and the predictions (n, d(L)), by one forward pass."""
        total, outputs = self.core.evaluate_and_predict(self.data, team, self.numbers)
        return total / self.weight, outputs

    def outputs(self, team: _core.Team, part: slice | None = None) -> Floats:
        """The predictions (n, d(L)), or those of a slice of the rows."""
        if part is None:
            return self.core.predict(self.data, team, self.numbers)
        some = np.arange(*part.indices(self.data.n)) if self.numbers is None else self.numbers[part]
        return self.core.predict(self.data, team, some)


class MeasuredSet:
    """Rows with what is logged of them: the metrics, and where there is a name the loss, each after "name_".

    rows: to measure on. y, weight: of all of the data, as they were given.
    """

    def __init__(self, network: Network, name: str, rows: MeasuredRows, metrics: dict[str, Metric], y: Any,
                 weight: Any = None) -> None:
        self.name, self.rows, self.metrics = name, rows, metrics
        if metrics:
            y, labels = targets(network, y)
            numbers = slice(None) if rows.numbers is None else rows.numbers
            self.y, self.weight = y[numbers][...], None if weight is None else np.asarray(weight)[numbers]
            self.y.flags.writeable = False  # metrics may be functions of the user, y an array of theirs
            check_targets(metrics, y, labels)
            check_rows(metrics, self.y, network.d[-1], self.weight)

    def __call__(self, team: _core.Team) -> dict[str, float]:
        """Numbers by name, by one forward pass for the loss and the metrics alike."""
        if not self.metrics:
            return {f"{self.name}_loss": self.rows.loss(team)} if self.name else {}
        loss, outputs = self.rows.loss_and_outputs(team)
        prefix, logs = (f"{self.name}_", {f"{self.name}_loss": loss}) if self.name else ("", {})
        for name, metric in self.metrics.items():
            logs[prefix + name] = _checks.result(f"metrics {name!r}", metric(self.y, outputs, self.weight))
        return logs


class Measures:
    """What MLP.fit logs besides the training loss: the loss and the metrics of each set of validation rows, or without
    any the metrics of the training rows."""

    def __init__(self, network: Network, data: _core.Data, held_out: Integers | None, y: Any,
                 options: Options) -> None:
        self.sets: list[MeasuredSet] = []
        metrics = options.metrics
        if options.validation_data is not None:
            self.sets = [MeasuredSet(network, name, MeasuredRows(network, _bound(network, name, given)),
                                     metrics, *given[1:]) for name, given in options.validation_data.items()]
        elif held_out is not None or metrics:
            name, rows = "" if held_out is None else "val", MeasuredRows(network, data, held_out)
            self.sets = [MeasuredSet(network, name, rows, metrics, y, options.sample_weight)]

    def __call__(self, team: _core.Team) -> dict[str, float]:
        """Numbers by name."""
        logs: dict[str, float] = {}
        for measured in self.sets:
            logs |= measured(team)
        return logs


def targets(network: Network, y: Any) -> tuple[Any, bool]:
    """(y as metrics take it, labels (n,) or (n, d(L)); whether they are labels)"""
    y = np.asarray(_arrays.dense(y, "y"))
    labels = y.ndim == 1 and network.loss.name == "cross_entropy"
    return y[:, None] if y.ndim == 1 and not labels else y, labels


def _bound(network: Network, name: str, given: tuple[Any, ...]) -> _core.Data:
    """Validation rows, checked and bound for the engine."""
    try:
        return network.bind(*given)
    except (TypeError, ValueError) as error:
        where = "validation_data" if name == "val" else f"validation_data[{name!r}]"
        raise type(error)(f"{where}: {error}") from error


def score(network: Network, X: Any, y: Any, sample_weight: Any) -> float:
    """What MLP.score returns."""
    data = network.bind(X, y, sample_weight)
    metric = accuracy if network.loss.name in CLASSIFYING else r2
    network.parameters.require_finite()
    with network.team(data.n, 1) as team:
        outputs = MeasuredRows(network, data).outputs(team)
    return metric(targets(network, y)[0], outputs, None if sample_weight is None else np.asarray(sample_weight))
