"""The numbers of each epoch of a fit."""
import math


class History(dict):
    """Lists by name, an entry an epoch: "loss", "lr", "val_loss" and the metrics. Of a fit that diverges in its first
    epoch "loss" and "lr" are empty."""

    def log(self, logs):
        """One more epoch; NaN where a name was not logged in some."""
        epochs = len(next(iter(self.values()), []))
        for name in logs:
            if name not in self:
                self[name] = [math.nan] * epochs
        for name, numbers in self.items():
            numbers.append(logs.get(name, math.nan))

    def to_frame(self):
        """A pandas DataFrame, a row an epoch."""
        import pandas

        return pandas.DataFrame(self, index=pandas.RangeIndex(1, 1 + len(next(iter(self.values()), [])), name="epoch"))

    def plot(self, ax=None):
        """The losses and metrics by epoch, on matplotlib axes, which are returned."""
        from ..plot import plot_history

        return plot_history(self, ax)
