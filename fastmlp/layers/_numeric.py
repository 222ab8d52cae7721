"""Encodings of numeric features: periodic functions of learned frequencies, and piecewise linear encoding by bins."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import _arrays, _checks
from .._types import Shape
from ._base import MOST_UNITS, Layer, Theta, activation_name, in_brackets
from ._blocks import Join
from ._dense import Dense
from ._stack import Block, Stack

OF_DENSE = [field.name for field in fields(Dense) if field.name != "groups"]  # what PiecewiseLinear has too


class Periodic(Block):
    """Periodic encoding of each numeric feature, appended to the features: for x_i, cos(2 pi c x_i) and sin(2 pi c x_i)
    with `n_frequencies` learned numbers c for each feature; then with `linear=m` a linear map of these to m units for
    each feature (Gorishniy, Rubachev and Babenko 2022, arXiv 2203.05556, "PL", with `activation="relu"` "PLR"). With
    `phases=True`, only cos(2 pi (c x_i + b)), with a learned phase b each (RealMLP's "PBLD", Holzmüller et al. 2024,
    arXiv 2407.04491). n input units give n + n m units: first the input, then m for each of its units.

    n_frequencies: for each feature, at least 1.
    sigma: standard deviation of the normal distribution from which c is drawn, above 0, in cycles per unit of x:
        features should be scaled to a standard deviation of about 1.
    linear: m, at least 1, or None for the periodic functions themselves: 2 n_frequencies for each feature, with phases
        n_frequencies.
    activation: of these m units. phases: see above. b is drawn uniformly from -1/2 to 1/2.
    lr_scale, decay: as in Dense, for all its weights.

    The network contains a grouped Dense layer, with one group for each feature, for c x_i + b; then `Waves`, another
    grouped Dense layer, and a Join with the features.
    """

    def __init__(self, n_frequencies: int, sigma: float = 0.1, linear: int | None = None,
                 activation: Theta = "identity", phases: bool = False, lr_scale: float = 1.0,
                 decay: float = 1.0) -> None:
        self.n_frequencies = _checks.integer("n_frequencies of Periodic", n_frequencies, 1, MOST_UNITS)
        self.sigma = _checks.number("sigma of Periodic", sigma, above=0, dtype=np.float32)
        self.linear = None if linear is None else _checks.integer("linear of Periodic", linear, 1, MOST_UNITS)
        if linear is None and activation != "identity":
            raise ValueError(f"activation of Periodic must be 'identity' without linear, got {activation!r}")
        _checks.boolean("phases of Periodic", phases)
        self.activation, self.phases = activation, phases
        self.lr_scale = _checks.number("lr_scale of Periodic", lr_scale, least=0)
        self.decay = _checks.number("decay of Periodic", decay, least=0)

    def __repr__(self) -> str:
        return (f"Periodic({self.n_frequencies}, {self.sigma}, linear={self.linear}, "
                f"activation={self.activation!r}, phases={self.phases}, lr_scale={self.lr_scale}, decay={self.decay})")

    def with_specs(self, spec_of: Callable[[Any], Any]) -> Periodic:
        return self

    def append_to(self, stack: Stack, name: str) -> None:
        x, shape = stack.top, stack.shapes[-1]
        if len(shape) > 1:
            raise ValueError(f"{name}: Periodic must come after a row of features, got a map of shape {shape}")
        n = shape[0]
        stack.append(Dense(n * self.n_frequencies, bias=self.phases, init=("normal", self.sigma), groups=n,
                           bias_init=("uniform", 0.5) if self.phases else 0.0, lr_scale=self.lr_scale,
                           decay=self.decay), name)
        stack.append(Waves(n, sine=not self.phases), name)
        if self.linear is not None:
            stack.append(Dense(n * self.linear, self.activation, groups=n, lr_scale=self.lr_scale, decay=self.decay),
                         name)
        stack.append(Join(stack.top + 1 - x), name)


@dataclass(frozen=True)
class Waves(Layer):
    """x(l) = cos(2 pi x), then sin(2 pi x), group by group: the layer of Periodic after the products c x. As many units
    as the layer before, or twice as many with sines.

    groups: of the units of the layer before, at least 1; must divide their number. sine: whether there are sines.
    """

    groups: int = 1
    sine: bool = True

    kind: ClassVar[str] = "waves"

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        _checks.boolean(f"sine of {name}", self.sine)
        groups = _checks.integer(f"groups of {name}", self.groups, 1, MOST_UNITS)
        return replace(super().checked(name, dtype), groups=groups)

    def after(self, shape: Shape) -> Shape:
        n = math.prod(shape)
        if n % self.groups:
            raise ValueError(f"groups must divide the units before, {n}, got {self.groups}")
        return (n * (1 + self.sine),)

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"features": math.prod(shape) // self.groups, "positions": self.groups}


@dataclass(frozen=True, eq=False, repr=False)
class PiecewiseLinear(Layer):
    """s = W^T e + b, x' = theta(s), e the encoding of numeric features by bins (Gorishniy, Rubachev and Babenko 2022,
    arXiv 2203.05556): feature i with edges t_0 < .. < t_k has k elements of e, of which element j is
    (x_i - t_j) / (t_j+1 - t_j), held to at least 0 but for the first bin, and to at most 1 but for the last one. So
    each unit is a sum of functions of one feature each, linear in each bin.

    A Dense layer with e as its input gives the same up to rounding. But e is not computed: a row costs as much as two
    or three columns for each feature, however many bins there are. W is `net.W[l]` (all bins, units), those of the
    first feature first.

    Without units it must be followed by a Dense layer, and both become one layer of the network:
    `PiecewiseLinear(edges), Dense(64, "relu")` is the same as `PiecewiseLinear(edges, 64, "relu")`. All other arguments
    are then given to the Dense layer.

    edges: for each input unit an increasing array of at least 2 numbers; arrays may differ in length. See `quantiles`.
    units, activation, bias, init, bias_init, lr_scale, decay, bias_lr_scale, bias_decay: as in Dense.
    """

    edges: Sequence[ArrayLike]
    units: int | None = None
    activation: Theta = "identity"
    bias: bool = True
    init: str | ArrayLike = "glorot_uniform"
    bias_init: ArrayLike = 0.0
    lr_scale: float = 1.0
    decay: float = 1.0
    bias_lr_scale: float = 1.0
    bias_decay: float = 0.0

    kind: ClassVar[str] = "bins"

    @staticmethod
    def quantiles(X: ArrayLike, n_bins: int = 48, dtype: DTypeLike = np.float32) -> list[NDArray[np.float64]]:
        """Edges for each column of X, (n, d): quantiles that divide its values into n_bins bins with equal numbers of
        rows; fewer bins if values repeat or are equal in the network's dtype.

        n_bins: at least 1. dtype: of the network.
        """
        n_bins = _checks.integer("n_bins", n_bins, 1, MOST_UNITS)
        columns = _arrays.numeric("X", X, np.float64)
        if columns.ndim != 2 or not columns.size:
            raise ValueError(f"X must have shape (n, d), neither of them 0, got {columns.shape}")
        _arrays.finite("X", columns, np.float64)
        wanted = _checks.floating(dtype)
        _arrays.finite("X", columns, wanted)
        with _checks.within_memory("n_bins"):
            shares = np.linspace(0, 1, n_bins + 1)
            found = [_apart(np.quantile(column.astype(np.float64), shares), wanted) for column in columns.T]
        return [edges if len(edges) > 1 else np.array([edges[0], edges[0] + max(1.0, abs(edges[0]))])
                for edges in found]

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        units = None if self.units is None else _checks.integer(f"units of {name}", self.units, 1, MOST_UNITS)
        if units is None:
            self._check_alone(name)
        if not isinstance(self.edges, (list, tuple, np.ndarray)) or getattr(self.edges, "shape", None) == ():
            raise TypeError(f"edges of {name} must be an array for each feature, got {_checks.described(self.edges)}")
        edges = tuple(_edges(f"edges[{i}] of {name}", edge, dtype) for i, edge in enumerate(self.edges))
        return replace(super().checked(name, dtype), units=units, edges=edges)

    def after(self, shape: Shape) -> Shape:
        if len(self.edges) != math.prod(shape):
            raise ValueError(f"edges must be given for each of the {math.prod(shape)} units before, "
                             f"got {len(self.edges)}")
        return (self.n_bins if self.units is None else self.units,)

    @property
    def unfinished(self) -> bool:  # type: ignore[override]
        return self.units is None

    def finished_by(self, entry: Any, name: str) -> Self:
        if type(entry) is not Dense or entry.groups != 1:
            raise ValueError(f"{name} must be a Dense layer, since PiecewiseLinear without units stands before it, "
                             f"got {_checks.described(entry)}")
        return replace(self, **{field: getattr(entry, field) for field in OF_DENSE})

    def _check_alone(self, name: str) -> None:
        """ValueError if arguments are given without units that belong to the Dense layer."""
        for field in OF_DENSE:
            value = getattr(self, field)
            if isinstance(value, np.ndarray) or value != getattr(type(self), field):
                raise ValueError(f"units of {name} must be given with its {field}, got None")

    def weights(self, shape: Shape) -> Shape:
        return (self.n_bins, *self.after(shape))

    @property
    def n_bins(self) -> int:
        """The number of bins of all features."""
        return sum(np.size(edges) - 1 for edges in self.edges)

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"edges": [np.array(edges) for edges in self.edges]}

    def brief(self) -> str:
        factors = in_brackets(self.own_factors())
        return f"{self.units} {activation_name(self.activation)} of {self.n_bins} bins{factors}"

    def __repr__(self) -> str:
        if self.units is None:
            return f"PiecewiseLinear({len(self.edges)} features)"
        factors = self.own_factors()
        return (f"PiecewiseLinear({len(self.edges)} features, {self.units}, {self.activation!r}{factors and ', '}"
                f"{factors})")


def _apart(values: NDArray[np.float64], dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Of sorted numbers, those that differ in the dtype from the one before, by a distance that has an inverse."""
    held, first = np.unique(values.astype(dtype), return_index=True)
    return values[first[np.append(True, np.diff(held.astype(np.float64)) > 2 * np.finfo(dtype).tiny)]]


def _edges(name: str, edges: Any, dtype: DTypeLike) -> tuple[float, ...]:
    """The edges of a feature, checked: in the dtype they increase, and their distances have inverses."""
    values = _arrays.numeric(name, edges, np.float64).astype(np.float64)
    if values.ndim != 1 or len(values) < 2:
        raise ValueError(f"{name} must be at least 2 numbers in a row, got an array of shape {values.shape}")
    _arrays.finite(name, values, dtype)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        held = values.astype(dtype)
        slopes = (1 / np.diff(values)).astype(dtype)
    if not (np.diff(held) > 0).all() or not np.isfinite(slopes).all() or not slopes.all():
        raise ValueError(f"{name} must increase in {np.dtype(dtype).name}, got {_checks.described(edges)}")
    return tuple(values.tolist())
