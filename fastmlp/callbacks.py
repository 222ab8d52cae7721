"""Callbacks: objects that observe training and may stop it."""
from __future__ import annotations

import contextlib
import csv
import os
import sys
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from typing import IO, TYPE_CHECKING, Any

from . import _checks, _paths
from ._monitor import HELD_OUT, check_mode, logged, monitor_of_logs, require_logged
from ._repr import Shown
from ._running_fits import fit_of

if TYPE_CHECKING:
    from .model import MLP

__all__ = ["Callback", "EarlyStopping", "Checkpoint", "ProgressBar", "CSVLogger", "TimeLimit", "LambdaCallback"]


class Callback(Shown):
    """The base class: override the methods that you need. A true result of on_epoch_end or on_batch_end stops the fit.

    `logs` are the values that History records for the epoch, by name. on_batch_end, if overridden, is called after each
    batch with its number in the epoch and {"loss": the batch's}; it costs a Python call per batch. on_fit_end is called
    however the fit ended, also after an exception or Ctrl-C.

    Callbacks are parameters of estimators, which are cloned, pickled and cross-validated: those here can be copied
    before, during and after a fit, and keep no file open after it. So should yours.

    If several processes train one network, callbacks are called on rank 0, and changes that they make to the weights at
    the end of an epoch or of the fit are sent to the others. With every_rank = True they are called on each rank, and
    must not change the weights.

    of_one_fit = True is for callbacks with state, which serve one fit at a time, as those here: RuntimeError if a
    second fit begins with the same object while the first is running.
    """

    every_rank: bool = False
    of_one_fit: bool = False

    def on_fit_begin(self, net: MLP, logs: dict[str, float]) -> None:
        """logs: {"epochs": number of epochs to train}"""

    def on_epoch_end(self, net: MLP, epoch: int, logs: dict[str, float]) -> Any:
        """epoch counts from 1, and continues in partial_fit"""

    def on_batch_end(self, net: MLP, batch: int, logs: dict[str, float]) -> Any:
        """batch counts from 0 in each epoch"""

    def on_fit_end(self, net: MLP, logs: dict[str, float]) -> None:
        """logs: of the last complete epoch"""

    def _watches(self) -> str | None:
        """The name of the logged value that the callback requires, or None."""
        return None


class LambdaCallback(Callback):
    """A callback made of functions: LambdaCallback(on_epoch_end=lambda net, epoch, logs: logs["loss"] < 0.1)."""

    def __init__(self, **functions: Callable[..., Any]) -> None:
        for name, function in functions.items():
            _checks.one_of("the name of a callback's function", name, EVENTS)
            setattr(self, name, _checks.function(name, function))


EVENTS = ("on_fit_begin", "on_epoch_end", "on_batch_end", "on_fit_end")


class EarlyStopping(Callback):
    """Stop when `monitor` has not improved by more than min_delta for `patience` epochs.

    monitor : the name of a logged number. Estimators log "loss", and of held-out rows "val_loss" and "val_score".
        ValueError where fit is called that will not log it, before anything has changed: what other callbacks put
        into the logs does not count, numbers of yours are metrics.
    mode : "min", "max", or "auto": max for scorers, accuracy, r2 and their like, min for losses and errors, whatever
        names you give them. Of functions of yours the name says it: max where it ends in accuracy, r2, auc or score or
        begins with neg_, min where it ends in loss, error, mae, deviance or penalty. Others, and scores of forecasts
        such as brier_score, need "min" or "max": ValueError where the fit begins.
    restore_best : the best epoch's weights come back at the end, however the fit ended.

    The logged "loss", "gradient_penalty" and "jacobian_penalty" are means over the steps of an epoch, each with other
    weights. They decide when to stop; but to find the best weights, the value is measured on the training rows after
    each epoch (batches are requested once more for that).

    Each fit and partial_fit begins without a best value, and with the full patience.

    best_epoch is the number of the epoch with the best weights, None before the first.
    """

    of_one_fit = True

    def __init__(self, monitor: str = "val_loss", patience: int = 10, min_delta: float = 0.0, mode: str = "auto",
                 restore_best: bool = True) -> None:
        self.monitor, self.mode, self.min_delta, self.restore_best = monitor, mode, min_delta, restore_best
        self.patience = _checks.integer("patience", patience, 1)
        _checks.boolean("restore_best", restore_best)
        _checks.number("min_delta", min_delta, least=0)
        check_mode(monitor, mode)

    def _watches(self) -> str | None:
        return self.monitor

    def on_fit_begin(self, net: MLP, logs: dict[str, float]) -> None:
        self._patience, self._best = (monitor_of_logs(self.monitor, self.mode, self.min_delta, directions_of(net))
                                      for _ in range(2))
        self.best_epoch: int | None = None

    def on_epoch_end(self, net: MLP, epoch: int, logs: dict[str, float]) -> Any:
        is_best = self._patience.look(logged(self.monitor, logs))
        if self.restore_best:
            is_best = self._best.look(of_present_weights(self.monitor, net, logs), lambda: net._network.learned)
        if is_best:
            self.best_epoch = epoch
        return self._patience.waited >= self.patience

    def on_fit_end(self, net: MLP, logs: dict[str, float]) -> None:
        self._best.restore(net)
        self._best.best_weights = None  # the network has them now


class Checkpoint(Callback):
    """Save the network to `path` after each epoch, or with best=True after each epoch that is the best by `monitor`.

    monitor, mode : as in EarlyStopping. OSError when the fit begins, if `path` cannot be written.
    """

    of_one_fit = True

    def __init__(self, path: str | os.PathLike[str], monitor: str = "val_loss", best: bool = True,
                 mode: str = "auto") -> None:
        _checks.path("path", path)
        self.path, self.monitor, self.best, self.mode = path, monitor, best, mode
        _checks.boolean("best", best)
        check_mode(monitor, mode)

    def _watches(self) -> str | None:
        return self.monitor if self.best else None

    def on_fit_begin(self, net: MLP, logs: dict[str, float]) -> None:
        if self.best:
            self._monitor = monitor_of_logs(self.monitor, self.mode, 0.0, directions_of(net))
        _paths.writable(os.fspath(self.path))  # an error now, not after the first epoch
        self._file = _paths.absolute(self.path)

    def on_epoch_end(self, net: MLP, epoch: int, logs: dict[str, float]) -> Any:
        if not self.best or self._monitor.look(of_present_weights(self.monitor, net, logs)):
            net.save(self._file)


class ProgressBar(Callback):
    """A tqdm bar if tqdm is installed and the output is a terminal or a notebook; otherwise a line per epoch."""

    of_one_fit = True

    def on_fit_begin(self, net: MLP, logs: dict[str, float]) -> None:
        self._bar, self._epochs, self._done = None, logs["epochs"], 0
        try:
            from tqdm.auto import tqdm
        except ImportError:
            return
        in_notebook = any(parent.__module__ == "tqdm.notebook" for parent in tqdm.__mro__)
        if in_notebook or sys.stderr.isatty():
            self._bar = tqdm(total=self._epochs, unit="epoch")

    def on_epoch_end(self, net: MLP, epoch: int, logs: dict[str, float]) -> Any:
        self._done += 1
        shown = {name: f"{value:.5g}" if _checks.is_number(value) else str(value) for name, value in logs.items()}
        if self._bar is None:
            print(f"epoch {self._done}/{self._epochs}: " + ", ".join(f"{k} {v}" for k, v in shown.items()), flush=True)
        else:
            self._bar.set_postfix(shown, refresh=False)
            self._bar.update()

    def on_fit_end(self, net: MLP, logs: dict[str, float]) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_bar"} | {"_bar": None}


MOST_HEADER = 100_000  # longest first line of a CSV file


class CSVLogger(Callback):
    """Write a line to a CSV file after each epoch. append=True continues an existing file, in the order of its columns:
    ValueError if these are not the names that the fit logs.

    The file is open only while a line is written, so that the logger can be copied and pickled at any time.
    """

    of_one_fit = True

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        _checks.path("path", path)
        self.path, self.append = path, append
        self._columns: list[str] = []
        _checks.boolean("append", append)

    def on_fit_begin(self, net: MLP, logs: dict[str, float]) -> None:
        self._file = _paths.absolute(self.path)
        with self._opened("a" if self.append else "w") as file:  # an error now, not after the first epoch
            self._columns = self._columns_of(file)
        names = directions_of(net)
        if self._columns and names:
            self._require_columns(names)

    def on_epoch_end(self, net: MLP, epoch: int, logs: dict[str, float]) -> Any:
        with self._opened("a") as file:
            self._columns = self._columns or self._columns_of(file)
            if not self._columns:
                self._columns = ["epoch", *logs]
                csv.writer(file).writerow(self._columns)
            self._require_columns(logs)
            csv.DictWriter(file, self._columns).writerow({"epoch": epoch, **logs})

    def _columns_of(self, file: IO[str]) -> list[str]:
        """The columns in the first line of the open file, [] if it is empty."""
        if not os.fstat(file.fileno()).st_size:
            return []
        with self._opened("r") as found:
            return next(csv.reader(found.readline(MOST_HEADER).splitlines())) or [""]

    def _require_columns(self, names: Collection[str]) -> None:
        """ValueError unless the file has exactly the columns for these values."""
        if {"epoch", *names} != set(self._columns):
            raise ValueError(f"path must be of a file with the columns epoch, {', '.join(names)}, got {self.path!r} "
                             f"with {', '.join(self._columns)}")

    @contextlib.contextmanager
    def _opened(self, mode: str) -> Iterator[IO[str]]:
        """Open the file in a mode. A FIFO without a reader is an error, instead of waiting for one."""
        with (_paths.naming(os.fspath(self.path)),
              open(self._file, mode, newline="", opener=_paths.opened_at_once, errors="surrogateescape") as file):
            yield file


class TimeLimit(Callback):
    """Stop after the first epoch that ends `seconds` or more after the fit began."""

    of_one_fit = True

    def __init__(self, seconds: float) -> None:
        self.seconds = _checks.number("seconds", seconds, least=0)

    def on_fit_begin(self, net: MLP, logs: dict[str, float]) -> None:
        self._until = time.monotonic() + self.seconds

    def on_epoch_end(self, net: MLP, epoch: int, logs: dict[str, float]) -> Any:
        return time.monotonic() >= self._until


def of_present_weights(name: str, net: MLP, logs: dict[str, float]) -> float:
    """A logged value for the weights at the end of the epoch; measured now if the logged one is a mean over steps."""
    fit, number = fit_of(net), logged(name, logs)
    return number if fit is None or name not in fit.present else fit.present[name]()


def directions_of(net: MLP) -> dict[str, bool | None]:
    """For the values that the running fit of a network logs, by name, whether larger is better, None if unknown."""
    fit = fit_of(net)
    return {} if fit is None else fit.directions


def as_callbacks(given: Any) -> list[Callback]:
    """A list or tuple of Callbacks and functions, or one of them alone, as a list of Callbacks."""
    if isinstance(given, (list, tuple)):
        return [as_callback(c) for c in given]
    if isinstance(given, Callback) or callable(given):
        return [as_callback(given)]
    raise TypeError("callbacks must be a Callback object, a function of (net, epoch, logs) or a list of them, "
                    f"got {_checks.described(given)}")


def as_callback(given: Any) -> Callback:
    """A Callback; a plain function becomes its on_epoch_end."""
    if isinstance(given, Callback):
        return given
    if callable(given) and not isinstance(given, type):
        return LambdaCallback(on_epoch_end=given)
    raise TypeError("callbacks must be Callback objects or functions of (net, epoch, logs), got "
                    + _checks.described(given))


def require_watched(callbacks: Sequence[Callback], names: Collection[str], remedy: str = HELD_OUT) -> None:
    """ValueError if a callback watches a value that the fit does not log. names: of the logged values. remedy: see
    require_logged."""
    for name in (callback._watches() for callback in callbacks):
        if name is not None:
            require_logged(name, names, remedy)


def overrides(callback: Callback, event: str) -> bool:
    """Whether a callback has its own method for an event."""
    return event in vars(callback) or getattr(type(callback), event) is not getattr(Callback, event)
