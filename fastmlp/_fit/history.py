"""The values logged in each epoch of a fit."""
from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import _lazy


class History(dict[str, list[float]]):
    """A dict of lists with one entry per epoch: "loss", "lr", "val_loss" and the metrics. After a fit that diverged in
    its first epoch, "loss" and "lr" are empty."""

    def log(self, logs: Mapping[str, float]) -> None:
        """Add an epoch; a name that was not logged in an epoch has NaN there."""
        self._add_names(logs)
        for name, numbers in self.items():
            numbers.append(logs.get(name, math.nan))

    @contextlib.contextmanager
    def lists(self, *names: str) -> Iterator[list[list[float]]]:
        """A context with the lists of some names, to which equally many entries may be added; at its end the other
        lists are filled up with NaN."""
        self._add_names(names)
        lists = [self[name] for name in names]
        try:
            yield lists
        finally:
            for numbers in self.values():
                numbers += [math.nan] * (len(lists[0]) - len(numbers))

    def _add_names(self, names: Iterable[str]) -> None:
        for name in names:
            if name not in self:
                self[name] = [math.nan] * len(next(iter(self.values()), []))

    def __repr__(self) -> str:
        """One line: the number of epochs and the values of the last."""
        epochs = len(next(iter(self.values()), []))
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.items() if values)
        return f"History({epochs} epoch{'' if epochs == 1 else 's'}{': ' * bool(last)}{last})"

    def _repr_html_(self) -> str:
        """For notebooks: the same line, with a small plot if matplotlib is installed."""
        import base64  # here: seldom needed, and slow to import
        from html import escape

        line = f"<div>{escape(repr(self))}</div>"
        if not any(self.values()):
            return line
        try:
            image = _lazy.load("history_as_png")(self)
        except ImportError:
            return line
        return f'{line}<img src="data:image/png;base64,{base64.b64encode(image).decode()}">'

    def to_frame(self) -> Any:
        """A pandas DataFrame with one row per epoch."""
        import pandas

        return pandas.DataFrame(self, index=pandas.RangeIndex(1, 1 + len(next(iter(self.values()), [])), name="epoch"))

    def plot(self, ax: Any = None) -> Any:
        """Plot the losses and metrics by epoch; returns the matplotlib axes."""
        return _lazy.load("plot_history")(self, ax)
