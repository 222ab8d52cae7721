"""The numbers of each epoch of a fit."""
from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from .. import _lazy


class History(dict[str, list[float]]):
    """Lists by name, an entry an epoch: "loss", "lr", "val_loss" and the metrics. Of a fit that diverges in its first
    epoch "loss" and "lr" are empty."""

    def log(self, logs: Mapping[str, float]) -> None:
        """One more epoch; NaN where a name was not logged in some."""
        epochs = len(next(iter(self.values()), []))
        for name in logs:
            if name not in self:
                self[name] = [math.nan] * epochs
        for name, numbers in self.items():
            numbers.append(logs.get(name, math.nan))

    def to_frame(self) -> Any:
        """A pandas DataFrame, a row an epoch."""
        import pandas

        return pandas.DataFrame(self, index=pandas.RangeIndex(1, 1 + len(next(iter(self.values()), [])), name="epoch"))

    def plot(self, ax: Any = None) -> Any:
        """The losses and metrics by epoch, on matplotlib axes, which are returned."""
        return _lazy.load("plot_history")(self, ax)
