"""The compiled network, the layer between `MLP`, which users call, and the engine."""
from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _checks, _core, _labels, _threads
from ._parameters import OptimizerState, parameters_of
from ._tie_matrix import Places, Ties
from ._types import Floats, Shape
from .layers import Dropout, Layer, own_factors
from .losses import Loss

WORTH_THREADS = 2e7  # floating point operations above which threads are started: they take about as long as the start


class Unfinished(NamedTuple):
    """An epoch that was interrupted: its number of rows, batch size and window; how many of its batches are done, and
    the sums of their losses and sensitivity penalties."""

    n: int
    batch: int
    window: int
    batches: int
    loss: float
    sensitivity: float


@dataclass(repr=False, eq=False)
class Progress:
    """The state of training from which partial_fit continues.

    seed: of the random numbers, 0 .. 2^63 - 1. epochs_ever: epochs of all fits; it determines the next random numbers.
    optimizer_state: of the last fit, None before the first. unfinished: the epoch in which that fit was interrupted, or
    None.
    """

    seed: int = 0
    epochs_ever: int = 0
    optimizer_state: OptimizerState | None = None
    unfinished: Unfinished | None = None


class Network:
    """A compiled network. Its weights are 0 until `start` or `parameters.resume` is called.

    layers: a checked spec for each layer. shapes: of x(0) .. x(L) for one row; d: their sizes. loss, dtype, ties,
    precision: as in MLP. scheduled: (l, spec) of the dropout layers whose rate is a schedule. tables: for the last
    columns of X, which hold categories, the number of values of each and whether other values are allowed; numeric: the
    number of columns before them. core: the engine's network. n_targets: columns of y, unless y are labels. classes:
    the names of the classes, None if labels are numbers; n_classes: the number of classes, None unless the loss is one
    of classification. parameters: the weights, and arrays laid out like them. progress: the state of training.
    n_threads: for calls that do not specify it, None for as many as are useful.
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
        """Draw the initial weights, layer by layer."""
        W, b = self.parameters.W, self.parameters.b
        starts = [(None if W[l] is None else layer.initial_weights(W[l].shape, rng, f"layer {l}", self.dtype),
                   None if b[l] is None else layer.initial_bias(b[l].shape, rng, f"layer {l}", self.dtype))
                  for l, layer in enumerate(self.layers, 1)]
        self.parameters.start(*([None, *arrays] for arrays in zip(*starts)))

    @property
    def learned(self) -> tuple[Floats, Floats]:
        """(parameters, running statistics), copies of all numbers that predictions depend on; settable."""
        return self.parameters.values(), self.core.statistics.copy()

    @learned.setter
    def learned(self, values: tuple[Floats, Floats]) -> None:
        params, self.core.statistics[...] = values
        self.parameters.assign(params)

    # ---- users' data

    def bind(self, X: Any, y: Any, sample_weight: Any = None) -> _core.Data:
        """X, y and sample_weight of fit, checked and bound for the engine; copied only if the engine cannot read them.
        """
        return self.bind_checked(*self.checked(X, y, sample_weight))

    def checked(self, X: Any, y: Any, sample_weight: Any = None) -> tuple[Any, Any, Floats | None]:
        """X, y and sample_weight of fit as the engine can read them."""
        X = self.features(X)
        n = X.shape[0]
        return X, self.targets(y, n), _arrays.weights(sample_weight, n, self.dtype)

    def bind_checked(self, X: Any, y: Any, weights: Floats | None) -> _core.Data:
        """The results of `checked`, bound for the engine."""
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
        """The numeric columns of X, which attacks may change."""
        return np.asarray(X)[:, :self.numeric] if self.tables else X

    def targets(self, y: Any, n: int) -> Any:
        """y for n rows as the engine reads it, checked."""
        y = y if self.classes is None else self.numbered(y)
        return _arrays.targets(y, n, self.n_targets, self.loss.name, self.dtype)

    def numbered(self, y: Any) -> Any:
        """y with class names replaced by class indices."""
        return y if self.classes is None else _labels.numbered(y, self.classes)

    def flat_rows(self, X: Any, argument: str = "X") -> Any:
        """Maps (n, h, w, c), or (n, h, w) with a single channel, as rows (n, d(0)); anything else unchanged."""
        shape = self.shapes[0]
        if len(shape) == 1 or _arrays.is_sparse(X):
            return X
        X = _arrays.as_array(argument, X)
        if X.ndim > 2 and X.shape[1:] not in self._maps():
            map_of_rows = f"(n, {', '.join(map(str, shape))})"
            raise ValueError(f"{argument} must have shape {map_of_rows} or (n, {self.d[0]}), got {X.shape}")
        return X.reshape(len(X), self.d[0]) if X.ndim > 2 else X

    def flat_row(self, x: Any, argument: str) -> Any:
        """A map (h, w, c), or (h, w) with a single channel, as a row (d(0),); anything else unchanged."""
        if len(self.shapes[0]) == 1:
            return x
        x = _arrays.as_array(argument, x)
        return x.reshape(self.d[0]) if x.shape in self._maps() else x

    def _maps(self) -> tuple[Shape, ...]:
        """The shapes that a row may have besides (d(0),)."""
        shape = self.shapes[0]
        return (shape, shape[:-1]) if shape[-1] == 1 else (shape,)

    # ---- threads

    def team(self, rows: int, sweeps: int, n_threads: int | None = None, batch: int | None = None) -> _core.borrow_team:
        """A context with a team of threads for work on `rows` rows. If the number of threads is not specified, it is
        the caller alone if the work is too small to start others, or if they were not faster a moment ago.

        sweeps: passes over the weights for each row, 1 forward, 3 with gradients, times the epochs. n_threads: None for
        the network's; if that is None too, as many as are allowed (see _threads) and useful. batch: rows of a step, in
        training.
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
        """Implements MLP.forward."""
        data = self.bind_inputs(X)
        self.parameters.require_finite()
        with self.team(data.n, 1) as team:
            found = self.core.sweep(data, False, team)
        return SimpleNamespace(s=found["s"], x=found["x"])

    def predict(self, X: Any, linked: bool = True) -> Floats:
        """link(x(L)), (n, d(L)), with the loss's link; with linked=False x(L) itself."""
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
    """For the last columns of the input, which some layer reads as categories: (values of the smallest table, whether
    all tables allow other values)."""
    known = [[(table.n_values, table.unknown == "zero") for table in layer.categories]  # type: ignore[attr-defined]
             for layer in layers if layer.n_categories]
    n = max(map(len, known), default=0)
    columns = [[tables[len(tables) - k] for tables in known if len(tables) >= k] for k in range(n, 0, -1)]
    return [(min(n for n, _ in tables), all(unknown for _, unknown in tables)) for tables in columns]


def _check_factors(layers: tuple[Layer, ...], tied: Ties | None) -> None:
    """ValueError if a layer with ties has its own rates: its parameters may belong to other layers too."""
    for l in () if tied is None else tied.layers():
        named: list[tuple[str, Any]] = [(f"layer {l}", layers[l - 1])]
        named += [(f"categories[{k}] of layer {l}", table) for k, table in enumerate(layers[l - 1].categories)]
        for name, spec in named:
            for factor, given in own_factors(spec).items():
                raise ValueError(f"{factor} of {name} must be {getattr(type(spec), factor):g}, since it has ties, "
                                 f"got {given}")
