"""The compiled network: what stands between `MLP`, which knows users, and the engine, which knows layers."""
from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _checks, _core, _labels, _threads
from ._parameters import OptimizerState, parameters_of
from ._tied import Places, Ties
from ._types import Floats, Shape
from .layers import Dropout, Layer, own_factors
from .losses import Loss

WORTH_THREADS = 2e7  # floating point operations: they take as long as threads take to start, or a little longer


class Unfinished(NamedTuple):
    """An epoch that was ended within: the rows, the batch and the window that it is of, how many of its batches are
    done, and what those before it gave, sums of losses and of penalties."""

    n: int
    batch: int
    window: int
    batches: int
    loss: float
    sensitivity: float


@dataclass(repr=False, eq=False)
class Progress:
    """Where training stands, from which partial_fit goes on.

    seed: of the random stream, 0 .. 2^63 - 1. epochs_ever: epochs of all fits, by which the stream is drawn from.
    optimizer_state: what the last fit left, None before the first. unfinished: the epoch in which that was ended, or
    None.
    """

    seed: int = 0
    epochs_ever: int = 0
    optimizer_state: OptimizerState | None = None
    unfinished: Unfinished | None = None


class Network:
    """A network that computes. Its weights are 0 until `start` or `parameters.resume`.

    layers: a checked spec for each layer. shapes: of x(0) .. x(L) for one row; d: their sizes. loss, dtype, ties,
    precision: as MLP has them. scheduled: (l, spec) of the dropout layers whose rate is a schedule. tables: of the last
    columns of X, those of categories, how many values each has and whether others may come; numeric: how many columns
    are before them. core: the engine's part. n_targets: columns of y, where it is no labels. classes: the names of
    labels, None as long as these are numbers; n_classes: how many the loss tells apart, None where it does not.
    parameters: the weights, and what is laid out like them. progress: where training stands. n_threads: of calls that
    do not say, None for as many as pay off.
    """

    def __init__(self, layers: tuple[Layer, ...], shapes: tuple[Shape, ...], loss: Loss, dtype: np.dtype[Any],
                 ties: tuple[Any, ...], precision: str = "full") -> None:
        self.layers, self.shapes, self.loss, self.dtype, self.ties = layers, shapes, loss, dtype, ties
        self.precision = precision
        self.d = tuple(math.prod(shape) for shape in shapes)
        self.n_targets = loss.n_targets(self.d[-1])
        self.scheduled = [(l, layer) for l, layer in enumerate(layers, 1)
                          if isinstance(layer, Dropout) and callable(layer.rate)]
        sources = [layer.sources(l) for l, layer in enumerate(layers, 1)]
        read = [shapes[first] for first, *_ in sources]
        weight_shapes = [None, *(layer.weights(shape) for layer, shape in zip(layers, read))]
        bias_shapes = [None, *(shape[-1:] if layer.bias else None for layer, shape in zip(layers, shapes[1:]))]
        tied = Ties(ties, Places(weight_shapes, bias_shapes), dtype) if ties else None
        _check_factors(layers, tied)
        rows = [layer.engine_row(shape) | {"sources": those} for layer, shape, those in zip(layers, read, sources)]
        self.tables = _tables(layers)
        self.numeric = self.d[0] - len(self.tables)
        self.core = _core.Core(self.d, rows, (loss.kind, loss.arg), loss.link, dtype, tied.tail() if tied else (0, 0),
                               precision == "bfloat16", loss.members)
        self.parameters = parameters_of(self.core, weight_shapes, tied)
        self.progress = Progress()
        self.n_threads = None
        self.n_classes = self.n_targets if loss.name == "cross_entropy" else None
        if loss.name == "binary_cross_entropy" and self.d[-1] == 1:
            self.n_classes = 2
        self.classes: _labels.Classes | None = None

    @property
    def n_threads(self) -> int | None:
        return self._n_threads

    @n_threads.setter
    def n_threads(self, n: int | None) -> None:
        self._n_threads = None if n is None else _checks.integer("n_threads", n, 1, _core.MOST_THREADS)

    def start(self, rng: np.random.Generator) -> None:
        """Draw the weights that training starts from, layer by layer."""
        W, b = self.parameters.W, self.parameters.b
        starts = [(None if W[l] is None else layer.initial_weights(W[l].shape, rng, f"layer {l}", self.dtype),
                   None if b[l] is None else layer.initial_bias(b[l].shape, rng, f"layer {l}", self.dtype))
                  for l, layer in enumerate(self.layers, 1)]
        self.parameters.start(*([None, *arrays] for arrays in zip(*starts)))

    @property
    def learned(self) -> tuple[Floats, Floats]:
        """(params, running statistics), copies of all that a prediction depends on; settable."""
        return self.parameters.values(), self.core.statistics.copy()

    @learned.setter
    def learned(self, values: tuple[Floats, Floats]) -> None:
        params, self.core.statistics[...] = values
        self.parameters.assign(params)

    # ---- users' data

    def bind(self, X: Any, y: Any, sample_weight: Any = None) -> _core.Data:
        """X, y and sample_weight of fit, checked and bound for the engine, which copies what it cannot read."""
        return self.bind_checked(*self.checked(X, y, sample_weight))

    def checked(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[Any, Any, Floats | None]:
        """X, y and sample_weight of fit as the engine can read them."""
        X = self.features(X)
        n = X.shape[0]
        return X, self.targets(y, n), _arrays.weights(sample_weight, n, self.dtype)

    def bind_checked(self, X: Any, y: Any, weights: Floats | None) -> _core.Data:
        """What `checked` gives, bound for the engine."""
        return _core.Data(X, y, weights, self.loss.rows(y, self.dtype))

    def bind_differences(self, rows: Any, stacked: NDArray[np.uint8], y: Any, sample_weight: Any) -> _core.Data:
        """Rows of differences (kernels/stacked.inc), y and sample_weight bound for training: CSR of the network's dtype
        whose columns are in order, none twice, and for each whether it stands on the one before. Of networks that take
        them: those that begin with a Dense layer, or with dropout and one."""
        n = rows.shape[0]
        y = self.targets(y, n)
        return _core.Data(rows, y, _arrays.weights(sample_weight, n, self.dtype), self.loss.rows(y, self.dtype),
                          stacked)

    def bind_inputs(self, X: Any) -> _core.Data:
        """X alone, checked and bound for the engine."""
        return _core.Data(self.features(X))

    def features(self, X: Any) -> Any:
        """X, maps or flat, as an array or a CSR matrix (n, d(0)) that the engine can read, checked."""
        return _arrays.features(self.flat_rows(X), self.d[0], self.dtype, self.tables)

    def numbers(self, X: Any) -> Any:
        """The columns of X that are no categories: those that attacks move."""
        return np.asarray(X)[:, :self.numeric] if self.tables else X

    def targets(self, y: Any, n: int) -> Any:
        """y for n rows as the engine reads it, checked."""
        y = y if self.classes is None else self.numbered(y)
        return _arrays.targets(y, n, self.n_targets, self.loss.name, self.dtype)

    def numbered(self, y: Any) -> Any:
        """y with the numbers of the classes in the place of their names."""
        return y if self.classes is None else _labels.numbered(y, self.classes)

    def flat_rows(self, X: Any, argument: str = "X") -> Any:
        """Maps (n, h, w, c), or without a single channel, as rows (n, d(0)); anything else as it is."""
        shape = self.shapes[0]
        if len(shape) == 1 or _arrays.is_sparse(X):
            return X
        X = _arrays.as_array(argument, X)
        if X.ndim > 2 and X.shape[1:] not in self._maps():
            map_of_rows = f"(n, {', '.join(map(str, shape))})"
            raise ValueError(f"{argument} must have shape {map_of_rows} or (n, {self.d[0]}), got {X.shape}")
        return X.reshape(len(X), self.d[0]) if X.ndim > 2 else X

    def flat_row(self, x: Any, argument: str) -> Any:
        """A map (h, w, c), or without a single channel, as a row (d(0),); anything else as it is."""
        if len(self.shapes[0]) == 1:
            return x
        x = _arrays.as_array(argument, x)
        return x.reshape(self.d[0]) if x.shape in self._maps() else x

    def _maps(self) -> tuple[Shape, ...]:
        """The shapes in which a row may come besides (d(0),)."""
        shape = self.shapes[0]
        return (shape, shape[:-1]) if shape[-1] == 1 else (shape,)

    # ---- threads

    def team(self, rows: int, sweeps: int, n_threads: int | None = None, batch: int | None = None) -> _core.borrow_team:
        """A context of the threads for work on so many rows: the caller alone where the work is too little to start
        others for, or where they did not pay a moment ago.

        sweeps: passes over the weights for each row, 1 forward, 3 with the gradients, times the epochs. n_threads: None
        for the network's, and where that is None too for as many as pay off and are allowed, see _threads. batch: rows
        of a step, in training.
        """
        n_threads = self.n_threads if n_threads is None else n_threads
        if n_threads is not None:
            return _core.borrow_team(n_threads)
        if batch is not None and self.core.one_thread_pays(batch):
            return _core.borrow_team(1)
        work = 2.0 * self.core.work * rows * sweeps
        return _core.borrow_team(_threads.allowed(), True) if work > WORTH_THREADS else _core.borrow_team(1)

    # ---- outputs

    def forward(self, X: Any) -> SimpleNamespace:
        """What MLP.forward returns."""
        data = self.bind_inputs(X)
        self.parameters.require_finite()
        with self.team(data.n, 1) as team:
            found = self.core.sweep(data, False, team)
        return SimpleNamespace(s=found["s"], x=found["x"])

    def predict(self, X: Any, linked: bool = True) -> Floats:
        """What the loss's link gives, (n, d(L)), or with linked=False x(L), before the link."""
        data = self.bind_inputs(X)
        self.parameters.require_finite()
        with self.team(data.n, 1) as team:
            return self.core.predict(data, team, None, linked)

    def evaluate(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """The weighted mean loss."""
        data = self.bind(X, y, sample_weight)
        self.parameters.require_finite()
        with self.team(data.n, 1) as team:
            return self.core.evaluate(data, team) / data.weight_sum


def _tables(layers: tuple[Layer, ...]) -> list[tuple[int, bool]]:
    """Of the last columns of the input that some layer takes for categories: (values of the smallest table, whether all
    take others too)."""
    known = [[(table.n_values, table.unknown == "zero") for table in layer.categories]  # type: ignore[attr-defined]
             for layer in layers if layer.n_categories]
    n = max(map(len, known), default=0)
    columns = [[tables[len(tables) - k] for tables in known if len(tables) >= k] for k in range(n, 0, -1)]
    return [(min(n for n, _ in tables), all(unknown for _, unknown in tables)) for tables in columns]


def _check_factors(layers: tuple[Layer, ...], tied: Ties | None) -> None:
    """ValueError where a layer with ties has a rate of its own: its parameters may stand in other layers too."""
    for l in () if tied is None else tied.layers():
        named: list[tuple[str, Any]] = [(f"layer {l}", layers[l - 1])]
        named += [(f"categories[{k}] of layer {l}", table) for k, table in enumerate(layers[l - 1].categories)]
        for name, spec in named:
            for factor, given in own_factors(spec).items():
                raise ValueError(f"{factor} of {name} must be {getattr(type(spec), factor):g}, since it has ties, "
                                 f"got {given}")
