"""Numbers that are measured after each epoch."""
from __future__ import annotations

from typing import Any

import numpy as np

from .. import _arrays, _checks, _core
from .._network import Network
from .._types import Floats, Integers
from ..metrics import check_rows, check_targets
from .options import Options
from .ranks import Ranks


class MeasuredRows:
    """Rows on which a network is measured while it trains: those of some numbers, or None for all, of bound data."""

    def __init__(self, network: Network, data: _core.Data, numbers: Integers | None = None) -> None:
        self.core, self.data, self.numbers = network.core, data, numbers
        self.weight = data.weight_of(numbers)
        self.some, self.outputs_of_a_row = numbers is None or len(numbers) > 0, network.d[-1]

    def loss(self, team: _core.Team) -> float:
        """The mean loss."""
        return self.total(team) / self.weight

    def total(self, team: _core.Team) -> float:
        """The sum of the weighted losses. There may be no rows."""
        return self.core.evaluate(self.data, team, self.numbers) if self.some else 0.0

    def loss_and_outputs(self, team: _core.Team) -> tuple[float, Floats]:
        """The mean loss and the predictions (n, d(L)), by one forward pass."""
        total, outputs = self.total_and_outputs(team)
        return total / self.weight, outputs

    def total_and_outputs(self, team: _core.Team) -> tuple[float, Floats]:
        """The sum of the weighted losses and the predictions (n, d(L)), by one forward pass. There may be no rows."""
        if self.some:
            return self.core.evaluate_and_predict(self.data, team, self.numbers)
        return 0.0, np.empty((0, self.outputs_of_a_row), self.core.dtype)

    def outputs(self, team: _core.Team, part: slice | None = None) -> Floats:
        """The predictions (n, d(L)), or those of a slice of the rows."""
        if part is None:
            return self.core.predict(self.data, team, self.numbers)
        some = np.arange(*part.indices(self.data.n)) if self.numbers is None else self.numbers[part]
        return self.core.predict(self.data, team, some)


class Measures:
    """What MLP.fit logs besides the training loss: the loss and the metrics of the validation rows, or without any the
    metrics of the training rows."""

    def __init__(self, network: Network, data: _core.Data, rows: Integers | None, y: Any, options: Options,
                 ranks: Ranks) -> None:
        """data, rows: those to be measured unless there is validation_data, None for all."""
        self.metrics, weight = options.metrics, options.sample_weight
        self.validates = options.validation_data is not None or options.validation_fraction > 0
        if options.validation_data is not None:
            data, rows = _validation_data(network, options.validation_data, ranks)
            _, y, weight = (*options.validation_data, None)[:3]
        if not self.metrics and not self.validates:
            return
        self.ranks, self.rows = ranks, MeasuredRows(network, data, rows)
        self.total_weight, = ranks.sums(self.rows.weight)
        if self.metrics:
            self._targets_of_metrics(network, y, weight)

    def _targets_of_metrics(self, network: Network, y: Any, weight: Any) -> None:
        y = np.asarray(_arrays.dense(y, "y"))
        labels = y.ndim == 1 and network.loss.name == "cross_entropy"
        y = y[:, None] if y.ndim == 1 and not labels else y
        of_rows = slice(None) if self.rows.numbers is None else self.rows.numbers
        self.y = self.ranks.gather(y[of_rows])[...]
        self.y.flags.writeable = False  # metrics may be functions of the user, y an array of theirs
        weighted = self.ranks.any(weight is not None)
        weight = np.ones(len(y)) if weight is None else np.asarray(weight)
        self.weight = self.ranks.gather(weight[of_rows]) if weighted else None
        check_targets(self.metrics, y, labels)
        counting = slice(None) if self.weight is None else self.weight > 0
        check_rows(self.metrics, self.y[counting], network.d[-1])

    def __call__(self, team: _core.Team) -> dict[str, float]:
        """Numbers by name, by one forward pass for the loss and the metrics alike."""
        if not self.metrics and not self.validates:
            return {}
        if not self.metrics:
            return {"val_loss": self._mean(self.rows.total(team))}
        total, outputs = self.rows.total_and_outputs(team)
        outputs, loss = self.ranks.gather(outputs), self._mean(total)
        prefix, logs = ("val_", {"val_loss": loss}) if self.validates else ("", {})
        for name, metric in self.metrics.items():
            logs[prefix + name] = _checks.result(f"metrics {name!r}", metric(self.y, outputs, self.weight))
        return logs

    def _mean(self, total: float) -> float:
        """The mean over the rows of all ranks, of which these have a total."""
        total, = self.ranks.sums(total)
        return total / self.total_weight


def _validation_data(network: Network, given: tuple[Any, ...],
                     ranks: Ranks) -> tuple[_core.Data, Integers | None]:
    try:
        return ranks.bind(network, *given)
    except (TypeError, ValueError) as error:
        raise type(error)(f"validation_data: {error}") from error
