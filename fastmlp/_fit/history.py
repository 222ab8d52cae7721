"""The numbers of each epoch of a fit."""
from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .. import _lazy


class History(dict[str, list[float]]):
    """Lists by name, an entry an epoch: "loss", "lr", "val_loss" and the metrics. Of a fit that diverges in its first
    epoch "loss" and "lr" are empty."""

    def log(self, logs: Mapping[str, float]) -> None:
        """One more epoch; NaN where a name was not logged in some."""
        self._add_names(logs)
        for name, numbers in self.items():
            numbers.append(logs.get(name, math.nan))

    @contextlib.contextmanager
    def lists(self, *names: str) -> Iterator[list[list[float]]]:
        """The lists of some names, which may grow alike in this context; NaN follows in the others at its end."""
        self._add_names(names)
        lists = [self[name] for name in names]
        try:
            yield lists
        finally:
            for numbers in self.values():
                numbers += [math.nan] * (len(lists[0]) - len(numbers))

    def _add_names(self, names: Iterable[str]) -> None:
        for name in [name for name in names if name not in self]:
            self[name] = [math.nan] * len(next(iter(self.values()), []))

    def __repr__(self) -> str:
        """One line: how many epochs there were, and the numbers of the last."""
        epochs = len(next(iter(self.values()), []))
        last = ", ".join(f"{name} {values[-1]:.4g}" for name, values in self.items() if values)
        return f"History({epochs} epoch{'' if epochs == 1 else 's'}{': ' * bool(last)}{last})"

    def _repr_html_(self) -> str:
        """For notebooks: the same line, and where matplotlib is installed a small picture."""
        import base64  # here: few need them, and they take time that each import would
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
        """A pandas DataFrame, a row an epoch."""
        import pandas

        return pandas.DataFrame(self, index=pandas.RangeIndex(1, 1 + len(next(iter(self.values()), [])), name="epoch"))

    def plot(self, ax: Any = None) -> Any:
        """The losses and metrics by epoch, on matplotlib axes, which are returned."""
        return _lazy.load("plot_history")(self, ax)
