"""Blocks of layers, Residual and Concat, and the layers into which they are expanded."""
from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .. import _checks
from .._types import Shape
from ..ties import Frozen, TiedMap
from ._base import MOST_UNITS, Layer
from ._dense import Dense
from ._stack import Block, Stack
from ._windows import ByAxis, Conv1D, Conv2D


class Residual(Block):
    """x + f(x), where f is a sequence of layers (He et al. 2016): if f adds little, the output is near the input, so
    that many blocks can follow each other.

    layers: of f, as in MLP's list; blocks may be nested. project: if f(x) has another shape than x: True to add W^T x
    instead of x, with a learned W; for maps a convolution with a kernel of 1, with a stride if f(x) has fewer
    positions, as in ResNets. Or the layer to use, a Dense or a convolution, with its own init, bias and factors of
    learning rate and decay.

    The network contains the layers of f, then with `project` the Projection (for maps Projection1D or Projection2D),
    then Add, each with its own number l: in `MLP([8, Residual(16, 8), 1])` layers 1 and 2 are f, 3 is the sum, and 4
    the last layer.
    """

    def __init__(self, *layers: Any, project: bool | Dense | Conv2D = False) -> None:
        if not layers:
            raise ValueError("Residual must have at least one layer, got none")
        if type(project) not in PROJECTIONS and not isinstance(project, (bool, np.bool_)):
            raise TypeError("project of Residual must be True, False, a Dense layer or a convolution, "
                            f"got {_checks.described(project)}")
        self.layers, self.project = layers, project

    def __repr__(self) -> str:
        inner = [*map(repr, self.layers), *[f"project={self.project!r}"] * bool(self.project)]
        return f"Residual({', '.join(inner)})"

    def with_specs(self, spec_of: Callable[[Any], Any]) -> Residual:
        return Residual(*map(spec_of, self.layers), project=self.project)

    def append_to(self, stack: Stack, name: str) -> None:
        x = stack.top  # the number of the layer that the block reads
        for i, inner in enumerate(self.layers):
            stack.append(inner, f"{name}.layers[{i}]")
        if self.project:
            spec = self.project
            if not isinstance(spec, Layer):
                spec = projecting(stack.shapes[x], stack.shapes[-1], name)
            numbers = {field.name: getattr(spec, field.name) for field in fields(spec)}
            stack.append(PROJECTIONS[type(spec)](**numbers, back=stack.top + 1 - x), name)
            x = stack.top - 1  # now it is W^T x and f(x) that are added
        stack.append(Add(stack.top + 1 - x), name)


def projecting(before: Shape, after: Shape, name: str) -> Dense | Conv2D:
    """The layer that maps an x of shape `before` to shape `after`. ValueError if that is impossible."""
    if len(after) == 1:
        return Dense(after[0], bias=False)
    strides = [-(-n // positions) for n, positions in zip(before, after[:-1])]
    fits = len(before) == len(after) and all(-(-n // s) == m for n, s, m in zip(before, strides, after))
    if not fits:
        raise ValueError(f"{name}: project=True must be for an f(x) whose positions are every so many-th of those of "
                         f"x, got shapes {before} and {after}; project=Conv2D(..) may be any convolution")
    return (Conv1D, Conv2D)[len(strides) - 1](after[-1], 1, stride=tuple(strides), bias=False)


class Concat(Block):
    """Branches that all read the same layer, with their outputs concatenated in order (for maps, the channels at each
    position): `MLP([8, Concat(16, [32, 4], Identity()), 1])` has 16 + 4 + 8 units before the last layer.

    branches: at least two, each a layer as in MLP's list, or a list of consecutive layers; `Identity()` or an empty
    list is x itself.

    The network contains the layers of all branches, each with its own number l. Each branch after the first begins with
    an Identity, which reads the layer before the block, and ends with a Join with the previous branches.
    """

    def __init__(self, *branches: Any) -> None:
        if len(branches) < 2:
            raise ValueError(f"Concat must have at least two branches, got {len(branches)}")
        self.branches = tuple(list(branch) if isinstance(branch, (list, tuple)) else [branch] for branch in branches)

    def __repr__(self) -> str:
        return f"Concat({', '.join(map(repr, self.branches))})"

    def with_specs(self, spec_of: Callable[[Any], Any]) -> Concat:
        return Concat(*(list(map(spec_of, branch)) for branch in self.branches))

    def append_to(self, stack: Stack, name: str) -> None:
        x = joined = stack.top  # the numbers of the layer that all branches read, and of what is joined so far
        for i, branch in enumerate(self.branches):
            if i > 0:
                stack.append(Identity(stack.top + 1 - x), name)
            for k, inner in enumerate(branch):
                if not (isinstance(inner, Identity) and inner.back == 1):
                    stack.append(inner, f"{name}.branches[{i}][{k}]")
            if i > 0:
                stack.append(Join(stack.top + 1 - joined), name)
            joined = stack.top


@dataclass(frozen=True)
class Identity(Layer):
    """x(l) = x(l-back), unchanged.

    back: at least 1, the layer before.
    """

    back: int = 1

    kind: ClassVar[str] = "identity"

    @property
    def reads(self) -> tuple[int, ...]:  # type: ignore[override]
        return (self.back,)

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        return replace(super().checked(name, dtype), back=_checks.integer(f"back of {name}", self.back, 1, MOST_UNITS))


@dataclass(frozen=True)
class _OfTwo(Layer):
    """A layer that reads x(l-1) and x(l-back), back at least 2."""

    back: int = 2

    @property
    def reads(self) -> tuple[int, ...]:  # type: ignore[override]
        return 1, self.back

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        return replace(super().checked(name, dtype), back=_checks.integer(f"back of {name}", self.back, 2, MOST_UNITS))


class Add(_OfTwo):
    """x(l) = x(l-1) + x(l-back), of the same shape: the last layer of a Residual.

    back: at least 2.
    """

    kind: ClassVar[str] = "sum"

    def joins(self, *shapes: Shape) -> Shape:
        if shapes[0] != shapes[1]:
            raise ValueError(f"x + f(x) needs an f(x) of the shape of x, {shapes[1]}, got {shapes[0]}; "
                             "Residual(..., project=True) makes x fit")
        return shapes[0]


class _OfAnother(Layer):
    """A layer that reads x(l-back) alone."""

    back: int

    @property
    def reads(self) -> tuple[int, ...]:  # type: ignore[override]
        return (self.back,)

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        back = _checks.integer(f"back of {name}", self.back, 1, MOST_UNITS)
        return replace(super().checked(name, dtype), back=back)  # type: ignore[type-var]

    def brief(self) -> str:
        return repr(self)


@dataclass(frozen=True, eq=False)
class Projection(_OfAnother, Dense):
    """A Dense layer that reads x(l-back): W^T x(l-back), which a Residual adds if x has another shape than f(x).

    back: at least 1.
    """

    bias: bool = False
    back: int = 2


@dataclass(frozen=True, eq=False)
class Projection2D(_OfAnother, Conv2D):
    """A Conv2D that reads x(l-back), which a Residual of maps adds if x has another shape than f(x).

    back: at least 1.
    """

    kernel: ByAxis = 1
    bias: bool = False
    back: int = 2

    def as_dense(self, input_shape: Sequence[int], layer: int, W: ArrayLike | None = None,
                 b: ArrayLike | None = None) -> tuple[Dense, list[Frozen | TiedMap]]:
        dense, ties = super().as_dense(input_shape, layer, W, b)
        return Projection(dense.units, dense.activation, dense.bias, dense.init, dense.bias_init, back=self.back), ties


class Projection1D(Projection2D):
    """Projection2D for maps (length, c)."""

    axes: ClassVar[int] = 1


# layer -> the same layer with x(l-back) as its input
PROJECTIONS: dict[type, Any] = {Dense: Projection, Conv1D: Projection1D, Conv2D: Projection2D}


class Join(_OfTwo):
    """x(l-back) and x(l-1) concatenated, for maps the channels at each position: joins the branches of a Concat.

    back: at least 2.
    """

    kind: ClassVar[str] = "concat"

    def joins(self, *shapes: Shape) -> Shape:
        if shapes[0][:-1] != shapes[1][:-1]:
            raise ValueError(f"what stands side by side must be rows of numbers, or maps of one size, got {shapes[1]} "
                             f"and {shapes[0]}")
        return *shapes[0][:-1], shapes[1][-1] + shapes[0][-1]

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"positions": math.prod(shape[:-1])}
