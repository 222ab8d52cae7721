"""The options of MLP.fit and MLP.partial_fit, each declared once.

The two methods repeat names and defaults, so that help() and completion show them, and hand them over by name;
tests/test_fit_options.py holds them to this table. What an option means is said in the docstring of MLP.fit.
"""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .. import _checks, _core, optim
from .._robust import Attack
from ..callbacks import Callback, ProgressBar, as_callbacks
from ..metrics import named_metrics

Callbacks = Callback | Callable[..., Any] | Sequence[Callback | Callable[..., Any]]
ClassWeight = str | Mapping[Any, float]
Metric = str | Callable[..., Any]
Metrics = Metric | Sequence[Metric] | Mapping[str, Metric]
ValidationData = tuple[Any, ...] | Mapping[str, tuple[Any, ...]]

OTHER_DEFAULTS: dict[str, Any] = {"epochs": 1}  # of partial_fit
OF_A_RANK = ("sample_weight", "validation_data", "callbacks", "n_threads", "verbose", "comm", "batches")


@dataclass
class Options:
    """What fit or partial_fit was called with."""

    optimizer: Any = None  # Optimizer | None; not None once checked
    epochs: int = 10
    batch_size: int | None = 32
    sample_weight: Any = None
    validation_data: Any = None  # ValidationData | None; tuples by name once checked
    callbacks: Any = ()  # Callbacks; list[Callback] once checked
    shuffle: bool = True
    n_threads: int | None = None
    verbose: int = 0
    validation_fraction: float = 0.0
    metrics: Any = ()  # Metrics; functions by name once checked
    input_noise: float = 0.0
    gradient_penalty: float = 0.0
    jacobian_penalty: float = 0.0
    adversarial: Attack | None = None
    ema: float | None = None
    label_smoothing: float = 0.0
    mixup: float = 0.0
    class_weight: ClassWeight | None = None
    comm: Any = None
    sync: str | int = "step"
    window: int | None = None
    batches: Any = None

    def of_all(self) -> dict[str, Any]:
        """What must be the same on all ranks, by name: all but the rows of each, and what is local to it."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in OF_A_RANK}
        return given | {"the names of validation_data": list(self.validation_data or ())}

    def local_steps(self) -> int | None:
        """Steps between two averages of the ranks' weights, None where all take each step together. TypeError or
        ValueError where sync says neither."""
        if isinstance(self.sync, str):
            _checks.one_of("sync", self.sync, ("step",))
            return None
        return _checks.integer("sync", self.sync, 1)

    def check(self, default_optimizer: optim.Optimizer, loss: str | None) -> None:
        """Check them, for a network with a loss of a name, and bring them into the form in which the loop takes them:
        an optimiser, a list of callbacks, metrics and validation rows by name. TypeError or ValueError names the
        option."""
        self.optimizer = default_optimizer if self.optimizer is None else optim.named(self.optimizer)
        self.epochs = _checks.integer("epochs", self.epochs, 1)
        if self.batch_size is not None:
            self.batch_size = _checks.integer("batch_size", self.batch_size, 1)
        _checks.boolean("shuffle", self.shuffle)
        if not (isinstance(self.sync, str) and self.sync == "step"):
            self.local_steps()
        if self.window is not None:
            self.window = _checks.integer("window", self.window, 1)
        if self.n_threads is not None:
            _checks.integer("n_threads", self.n_threads, 1, _core.MOST_THREADS)
        if not isinstance(self.verbose, (bool, np.bool_)):
            _checks.integer("verbose", self.verbose, 0)
        self.callbacks = as_callbacks(self.callbacks) + [ProgressBar()] * bool(self.verbose)
        self.metrics = named_metrics(self.metrics, loss)
        _checks.number("input_noise", self.input_noise, least=0)
        if self.ema is not None:
            self.ema = _checks.number("ema", self.ema, least=0, below=1)
        self.label_smoothing = _checks.number("label_smoothing", self.label_smoothing, least=0, below=1)
        self.mixup = _checks.number("mixup", self.mixup, least=0, most=1e6)
        _checks.number("validation_fraction", self.validation_fraction, least=0, below=1)
        if self.validation_data is not None:
            if self.validation_fraction:
                raise ValueError("validation_data and validation_fraction must not both be given")
            self.validation_data = validation_sets(self.validation_data)


def validation_sets(given: Any) -> dict[str, tuple[Any, ...]]:
    """validation_data as {name: (X, y) or (X, y, sample_weight)}: what comes without a name is "val"."""
    sets = given if isinstance(given, Mapping) else {"val": given}
    for name, rows in sets.items():
        _checks.name("the names of validation_data", name)
        if not is_tuple_of(rows, 2, 3):
            raise ValueError("validation_data must be (X, y) or (X, y, sample_weight), or a dict of them by name, got "
                             + described(rows))
    if not sets:
        raise ValueError("validation_data must have rows, got an empty dict")
    return dict(sets)


def is_tuple_of(given: Any, *lengths: int) -> bool:
    """Whether it is a tuple of one of these lengths."""
    return isinstance(given, tuple) and len(given) in lengths


def described(given: Any) -> str:
    """What an error says of something that should have been a tuple."""
    return f"a tuple of {len(given)}" if isinstance(given, tuple) else type(given).__name__
