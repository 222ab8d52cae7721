"""Columns, the input layer for data with categorical columns, and their Embeddings."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from .. import _checks
from .._types import Floats, Shape
from ..initializers import initial
from ._base import MOST_UNITS, Layer, as_arguments, own_factors

MOST_VALUES = 2**24  # of a category: float32 holds the integers up to here
UNKNOWN = ("error", "zero")


@dataclass(frozen=True, eq=False)
class Embedding:
    """The table of a categorical column, integers 0 .. n_values - 1: a row of `units` learned numbers for each value.
    It equals a Dense layer without bias on n_values one-hot columns, without the products by 0.

    n_values: 1 to 2^24. units: at least 1.
    unknown: for other integers and NaN: "error", a ValueError, or "zero", a row of zeros. Models from to_onnx, to_c and
        to_torch cannot raise errors, and give zeros in both cases.
    init: the initial rows: a name as in Dense, with a fan-in of 1, since one value is present at a time, so that
        "lecun_normal" gives numbers of variance 1, as in PyTorch; or a number or an array of shape (n_values, units).
    lr_scale: factor of the learning rate, 0 to freeze the table. decay: factor of the optimiser's l2, l1 and
        weight_decay. Both are multiplied by those of Columns; layers with ties must not have any.
    """

    n_values: int
    units: int
    unknown: str = "error"
    init: str | ArrayLike = "lecun_normal"
    lr_scale: float = 1.0
    decay: float = 1.0

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        """The spec with its own numbers checked, for a network of a dtype; errors call it by a name."""
        for factor in ("lr_scale", "decay"):
            _checks.number(f"{factor} of {name}", getattr(self, factor), least=0, dtype=dtype)
        return replace(self, n_values=_checks.integer(f"n_values of {name}", self.n_values, 1, MOST_VALUES),
                       units=_checks.integer(f"units of {name}", self.units, 1, MOST_UNITS),
                       unknown=_checks.one_of(f"unknown of {name}", self.unknown, UNKNOWN))

    @property
    def shape(self) -> Shape:
        return self.n_values, self.units

    def brief(self) -> str:
        unknown = f", unknown={self.unknown!r}" if self.unknown != "error" else ""
        factors = as_arguments(own_factors(self))
        return f"Embedding({self.n_values}, {self.units}{unknown}{factors and ', '}{factors})"


@dataclass(frozen=True, eq=False)
class Columns(Layer):
    """The first entry of MLP's list if some columns of X are categories: X has `numeric` columns of numbers, then one
    column of integers for each category, (n, numeric + categories). The output is the numbers, unchanged, then for each
    category the row of its Embedding (Guo and Berkhahn 2016).

    `net.W[l]` is all tables one after the other, (elements,); `net.layers[l - 1].tables(net.W[l])` has them as views
    (n_values, units).

    Derivatives with respect to categories are 0, and noise and attacks do not change them. Steps of SGD without
    momentum and of Adagrad, both without l2 and l1, update only the rows that occur in a batch. All other optimisers
    update all rows, since momentum, means of squares or decay change rows with a gradient of 0 too.

    Layers for the numbers alone belong in a branch: `MLP([5, Concat([Columns(3), Scale()], Columns(0, [a, b])), 1])`
    has 3 numbers and 2 categories. Columns must read the input; if there are categories, no other layer may read it.

    numeric: at least 0, the number of first columns that pass unchanged. categories: Embeddings of the last columns.
    lr_scale: factor of the learning rate. decay: factor of the optimiser's l2, l1 and weight_decay. As in Dense, for
        all tables; each Embedding may have further factors.
    """

    numeric: int
    categories: Sequence[Embedding] = ()
    lr_scale: float = 1.0
    decay: float = 1.0

    kind: ClassVar[str] = "columns"

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        numeric = _checks.integer(f"numeric of {name}", self.numeric, 0, MOST_UNITS)
        if not isinstance(self.categories, (list, tuple)):
            raise TypeError(f"categories of {name} must be a list of Embedding, "
                            f"got {_checks.described(self.categories)}")
        for table in self.categories:
            if not isinstance(table, Embedding):
                raise TypeError(f"categories of {name} must be a list of Embedding, got {_checks.described(table)}")
        tables = tuple(table.checked(f"categories[{k}] of {name}", dtype) for k, table in enumerate(self.categories))
        return replace(super().checked(name, dtype), numeric=numeric, categories=tables)

    def as_input(self, name: str, dtype: DTypeLike) -> Shape:
        spec = self.checked(name, dtype)
        return (_checks.integer(f"columns of {name}", spec.numeric + spec.n_categories, 1, MOST_UNITS),)

    def after(self, shape: Shape) -> Shape:
        if len(shape) > 1:
            raise ValueError(f"Columns must read rows of numbers, got maps {shape}")
        if self.numeric + self.n_categories > shape[0]:
            raise ValueError(f"Columns must read at least numeric + categories columns, {self.numeric} + "
                             f"{self.n_categories}, got {shape[0]}")
        return (self.numeric + sum(table.units for table in self.categories),)

    def weights(self, shape: Shape) -> Shape | None:
        return (sum(table.n_values * table.units for table in self.categories),) if self.categories else None

    def initial_weights(self, shape: Shape, rng: np.random.Generator, name: str, dtype: np.dtype[Any]) -> Any:
        return np.concatenate([initial(table.init, table.shape, rng, f"init of categories[{k}] of {name}", dtype,
                                       fans=(1, table.units)).ravel() for k, table in enumerate(self.categories)])

    def tables(self, W: Floats) -> list[NDArray[Any]]:
        """W(l), or an array like it such as its gradient, (elements,), as a view (n_values, units) for each category.

        ValueError if it has another shape.
        """
        wanted = self.weights(()) or (0,)
        if not isinstance(W, np.ndarray) or W.shape != wanted:
            came = W.shape if isinstance(W, np.ndarray) else _checks.described(W)
            raise ValueError(f"W must be an array of shape {wanted}, got {came}")
        ends = np.cumsum([table.n_values * table.units for table in self.categories])
        return [part.reshape(table.shape) for part, table in zip(np.split(W, ends[:-1]), self.categories)]

    def matrices(self, W: Floats) -> list[NDArray[Any]]:
        return self.tables(W)

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        tables = [table.shape for table in self.categories]
        row = super().engine_row(shape) | {"numeric": self.numeric, "tables": tables}
        factors = [(self.lr_scale * table.lr_scale, self.decay * table.decay) for table in self.categories]
        if len({*factors}) == 1:
            row["lr_scale"], row["decay"] = factors[0]
        elif factors:
            row["factors"] = factors
        return row

    def brief(self) -> str:
        tables = f", [{', '.join(table.brief() for table in self.categories)}]" if self.categories else ""
        factors = self.own_factors()
        return f"Columns({self.numeric}{tables}{factors and ', '}{factors})"
