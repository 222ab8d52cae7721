"""The options of MLP.fit and MLP.partial_fit, each declared once.

The two methods repeat names and defaults, so that help() and completion show them, and pass them on by name;
tests/test_fit_options.py checks that they agree with this table. The docstring of MLP.fit explains each option.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from .. import _checks, _core, optim
from .._robustness import Attack, checked_attack
from ..callbacks import Callback, ProgressBar, as_callbacks, require_watched
from ..losses import Loss
from ..metrics import LOGGED, direction, named_metrics

Callbacks = Callback | Callable[..., Any] | Sequence[Callback | Callable[..., Any]]
ClassWeight = str | Mapping[Any, float]
Metric = str | Callable[..., Any]
Metrics = Metric | Sequence[Metric] | Mapping[str, Metric]
ValidationData = tuple[Any, ...] | Mapping[str, tuple[Any, ...]]

OTHER_DEFAULTS: dict[str, Any] = {"epochs": 1}  # of partial_fit
# options that may differ between ranks
OF_A_RANK = ("sample_weight", "validation_data", "callbacks", "n_threads", "verbose", "comm", "batches")


@dataclass(repr=False, eq=False)
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
        """The options that must be the same on all ranks, by name."""
        given = {field.name: getattr(self, field.name) for field in fields(self) if field.name not in OF_A_RANK}
        return given | {"the names of validation_data": list(self.validation_data or ())}

    def check(self, default_optimizer: optim.Optimizer | None, loss: Loss) -> None:
        """Check the options for a network with this loss, and convert them to what the loop takes: an optimiser, a list
        of callbacks, metrics and validation sets by name. TypeError or ValueError names the option.
        default_optimizer: used if none was given; None for SGD."""
        self.given: list[str] = [  # floats are compared by value: not every 0.0 is the same object
            name for (name, value), default in zip(vars(self).items(), DEFAULTS.values())
            if value is not default and not (type(value) is float and value == default)]
        for name in self.given:
            if name in CHECKS:
                setattr(self, name, CHECKS[name](name, getattr(self, name)))
        if self.optimizer is None:
            self.optimizer = default_optimizer or optim.named("sgd")
        if self.verbose:
            self.callbacks = [*self.callbacks, ProgressBar()]
        self.metrics = named_metrics(self.metrics, loss.name, loss.levels)
        if self.validation_data is not None and self.validation_fraction:
            raise ValueError("validation_data and validation_fraction must not both be given")
        self.directions: dict[str, bool | None] = {}
        if self.callbacks or self.metrics or self.validation_data:
            self.directions = self._directions()
            require_watched(self.callbacks, self.directions)

    def _directions(self) -> dict[str, bool | None]:
        """For each logged value, by name, whether larger is better, or None if unknown. ValueError if two values would
        have the same name, or a metric's name begins with val_ although there are no validation rows."""
        sets = self.validation_data or (["val"] if self.validation_fraction else [""] if self.metrics else [])
        found: dict[str, bool | None] = dict.fromkeys(LOGGED, False)
        for of in sets:
            for name, larger in _directions_of_set(of, self.metrics):
                if name in found:
                    raise ValueError("metrics and validation_data must have names that make different ones together, "
                                     f"got two numbers to log as {name!r}")
                if not of and name.startswith("val_"):
                    raise ValueError("metrics must have names that do not begin with val_ where no validation rows "
                                     f"are given, got {name!r}")
                found[name] = larger
        return {name: larger for name, larger in found.items() if name not in _core.PENALTIES or getattr(self, name)}


DEFAULTS = {field.name: field.default for field in fields(Options)}


def _directions_of_set(of: str, metrics: Mapping[str, Any]) -> Iterator[tuple[str, bool | None]]:
    """(name, whether larger is better or None if unknown) of each value logged of a set of rows: the loss, if the set
    has a name, and the metrics."""
    if of:
        yield f"{of}_loss", False
    for name, metric in metrics.items():
        yield f"{of}_{name}" if of else name, direction(name, metric)


def _count(name: str, value: Any) -> int:
    return _checks.integer(name, value, 1)


def _part(name: str, value: Any) -> float:
    return _checks.number(name, value, least=0, below=1)


def _sync(name: str, value: Any) -> str | int:
    return _checks.one_of(name, value, ("step",)) if isinstance(value, str) else _count(name, value)


def local_steps(sync: Any) -> int | None:
    """Steps between two averages of the ranks' weights, or None if the ranks take each step together. ValueError or
    TypeError if `sync` is neither "step" nor such a number."""
    sync = _sync("sync", sync)
    return None if isinstance(sync, str) else sync


# option -> function (name, given value) -> the value as the loop takes it; called for values that are not the default.
# Checks that depend on the network, as those of metrics, are elsewhere.
CHECKS: dict[str, Callable[[str, Any], Any]] = {
    "optimizer": lambda name, value: optim.named(value),
    "epochs": _count,
    "batch_size": lambda name, value: None if value is None else _count(name, value),
    "validation_data": lambda name, value: validation_sets(value),
    "callbacks": lambda name, value: as_callbacks(value),
    "shuffle": _checks.boolean,
    "n_threads": lambda name, value: _checks.integer(name, value, 1, _core.MOST_THREADS),
    "verbose": lambda name, value: value if isinstance(value, (bool, np.bool_)) else _checks.integer(name, value, 0),
    "validation_fraction": _part,
    **dict.fromkeys(("input_noise", *_core.PENALTIES), lambda name, value: _checks.number(name, value, least=0)),
    "adversarial": checked_attack,
    "ema": _part,
    "label_smoothing": _part,
    "mixup": lambda name, value: _checks.number(name, value, least=0, most=1e6),
    "sync": _sync,
    "window": _count,
}


def validation_sets(given: Any) -> dict[str, tuple[Any, ...]]:
    """validation_data as {name: (X, y) or (X, y, sample_weight)}; a set without a name is called "val"."""
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
    """Whether `given` is a tuple of one of these lengths."""
    return isinstance(given, tuple) and len(given) in lengths


def described(given: Any) -> str:
    """Describe a value that should have been a tuple, for an error message."""
    return f"a tuple of {len(given)}" if isinstance(given, tuple) else type(given).__name__
