"""The layers that `MLP` takes: specs, frozen and plain, with no weights of their own.

A kind of layer is one class here: what the constructor, files, summaries and the engine ask of it are methods of
`Layer`.
"""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from . import _arrays, _checks, _core
from ._types import Shape
from .initializers import given, initial
from .ties import Frozen, TiedMap, tie_map

__all__ = ["Dense", "Dropout", "BatchNorm", "LayerNorm", "RMSNorm", "Scale", "Shift", "Identity", "Residual", "Add",
           "Projection", "Concat", "Join", "Conv1D", "Conv2D", "MaxPool1D", "MaxPool2D", "AvgPool1D", "AvgPool2D",
           "GlobalAvgPool", "Flatten"]

Activation = str | tuple[str, float]
ByAxis = int | Sequence[int]  # a number for all axes, or one for each
MOST_UNITS = 2**31 - 1  # of a layer, or of a map with its padding
# activation -> what its number must be, where it has one: the engine takes theta'(s) from theta(s), so its sign must be
# that of s
LIMITS: dict[str, _checks.Limits] = {
    "leaky_relu": {"least": 0},
    "elu": {"least": 0},
}

# other libraries' names -> ours
ALIASES = {"swish": "silu", "logistic": "sigmoid", "linear": "identity"}


class Layer:
    """What is asked of a layer's spec. Shapes are of one row; l is the layer's number, 1 the first.

    kind: the engine's name for it. reads: the one or two layers that it reads, each as so many before it. activation,
    bias, init, bias_init, lr_scale, decay: as of Dense.
    """

    kind: ClassVar[str]
    reads: tuple[int, ...] = (1,)
    activation: Any = "identity"
    bias: bool = False
    init: Any = "zeros"
    bias_init: Any = 0.0
    lr_scale: float = 1.0
    decay: float = 1.0

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        """The spec with its own numbers checked, for a network of a dtype; errors call it by a name, as "layers[2]"."""
        activation = _checks.canonical(self.activation, ALIASES)
        _checks.named(f"activation of {name}", activation, _core.ACTIVATIONS, LIMITS, dtype)
        _checks.boolean(f"bias of {name}", self.bias)
        for factor in ("lr_scale", "decay"):
            _checks.number(f"{factor} of {name}", getattr(self, factor), least=0, dtype=dtype)
        return self if activation is self.activation else replace(self, activation=activation)  # type: ignore[type-var]

    def after(self, shape: Shape) -> Shape:
        """The shape of x(l), given that of x(l-1). ValueError where the layer cannot come after it."""
        return shape

    def joins(self, *shapes: Shape) -> Shape:
        """The same, given those of all layers that it reads."""
        return self.after(shapes[0])

    def weights(self, shape: Shape) -> Shape | None:
        """The shape of W(l), given that of x(l-1), or None for a layer without weights."""
        return None

    def n_statistics(self, shape: Shape) -> int:
        """How many running statistics it keeps after a layer of a shape."""
        return 0

    def initial_weights(self, shape: Shape, rng: np.random.Generator, name: str, dtype: np.dtype[Any]) -> Any:
        """What W(l), of a shape, starts from; errors call the layer by a name."""
        return initial(self.init, shape, rng, f"init of {name}", dtype)

    def initial_bias(self, shape: Shape, rng: np.random.Generator, name: str, dtype: np.dtype[Any]) -> Any:
        """The same of b(l)."""
        return given(self.bias_init, shape, f"bias_init of {name}", dtype)

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        """The layer as the engine takes it, after one of a shape; `Core` says what it wants to know."""
        name, argument = _checks.named("activation", self.activation, _core.ACTIVATIONS)
        return {"kind": self.kind, "activation": _core.ACTIVATIONS[name][0], "argument": argument, "bias": self.bias,
                "lr_scale": float(self.lr_scale), "decay": float(self.decay)}

    def brief(self) -> str:
        """The layer in the text of a network."""
        return repr(self)


@dataclass(frozen=True, eq=False)
class Dense(Layer):
    """A layer of `units` units, each connected to all units of the layer before: s = W^T x + b, x' = theta(s).

    With groups=g the units before and these are cut into g groups of one size, and units see only those of their own
    group: W is g blocks on the diagonal, kept and computed without the zeros between them. `net.W[l]` has shape
    (g, d(l-1) / g, units / g).

    units: d(l), at least 1.
    activation: a name, see `fastmlp.activations()`, or (name, argument), as ("elu", 0.5).
    bias: whether the layer has a bias b.
    init: how W starts: a name (see `fastmlp.initializers()`) or an array of shape (d(l-1), units).
    bias_init: the number that all of b start from, or an array of shape (units,).
    groups: at least 1; d(l-1) and units must be multiples of it.
    lr_scale: factor of the learning rate of W and b, 0 to leave them as they are. decay: factor of the optimiser's l2,
        l1 and weight_decay of W, 0 for none. Both 1 for layers with ties.
    """

    units: int
    activation: Activation = "identity"
    bias: bool = True
    init: str | ArrayLike = "glorot_uniform"
    bias_init: ArrayLike = 0.0
    groups: int = 1
    lr_scale: float = 1.0
    decay: float = 1.0

    @property
    def kind(self) -> str:  # type: ignore[override]
        return "dense" if self.groups == 1 else "grouped"

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        units = _checks.integer(f"units of {name}", self.units, 1, MOST_UNITS)
        groups = _checks.integer(f"groups of {name}", self.groups, 1, MOST_UNITS)
        if units % groups:
            raise ValueError(f"units of {name} must be a multiple of its groups, {groups}, got {units}")
        return replace(super().checked(name, dtype), units=units, groups=groups)

    def after(self, shape: Shape) -> Shape:
        if math.prod(shape) % self.groups:
            raise ValueError(f"groups must divide the units before, {math.prod(shape)}, got {self.groups}")
        return (self.units,)

    def weights(self, shape: Shape) -> Shape:
        block = math.prod(shape) // self.groups, self.units // self.groups
        return block if self.groups == 1 else (self.groups, *block)

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"groups": self.groups}

    def initial_weights(self, shape: Shape, rng: np.random.Generator, name: str, dtype: np.dtype[Any]) -> Any:
        if self.groups == 1 or not isinstance(self.init, str):
            return super().initial_weights(shape, rng, name, dtype)
        return np.stack([super(Dense, self).initial_weights(shape[1:], rng, name, dtype) for _ in range(self.groups)])

    def brief(self) -> str:
        groups = f" in {self.groups} groups" if self.groups > 1 else ""
        return f"{self.units} {activation_name(self.activation)}{groups}"


@dataclass(frozen=True)
class Dropout(Layer):
    """In training each element of x is dropped with probability `rate`, else divided by 1 - rate; otherwise x passes as
    it is (Srivastava et al. 2014).

    Which elements are dropped depends on the network's seed, the epoch, the row's number and the unit: not on threads
    or batches.

    rate: at least 0 and below 1, or a callable of the epoch that gives it, such as those of `fastmlp.schedules`; epochs
        are counted as for the learning rate.
    """

    rate: Any = 0.5

    kind: ClassVar[str] = "dropout"

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        rate = self.rate if callable(self.rate) else _dropout_rate(f"rate of {name}", self.rate)
        return replace(super().checked(name, dtype), rate=rate)

    def rate_at(self, epoch: int) -> float:
        """The rate of an epoch, 0 the first. ValueError where a schedule gives what is none."""
        rate = self.rate(epoch) if callable(self.rate) else self.rate
        return _dropout_rate(f"the rate of Dropout in epoch {epoch}", rate)

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"rate": self.rate_at(0)}


def _dropout_rate(name: str, rate: Any) -> float:
    return _checks.number(name, rate, least=0, below=1, dtype=np.float32)


@dataclass(frozen=True, eq=False)
class BatchNorm(Layer):
    """s = gamma x^ + beta, x^ = (x - mean) / sqrt(var + eps), unit by unit, or channel by channel of maps (Ioffe and
    Szegedy 2015).

    In training mean and var are those of the batch, rows counted by their sample weights, and derivatives go through
    them. Everywhere else they are running ones, which each batch moves: mean <- (1 - momentum) mean + momentum times
    the batch's, and var likewise, from the batch's with n - 1 in the place of n. They start from 0 and 1, are no
    parameters, and go on in partial_fit, in files and in pickles. gamma is `net.W[l]` (units,), from 1,
    beta `net.b[l]`, from 0;
    penalties and weight decay leave both alone. Not with penalties on the sensitivity or adversarial training.

    momentum: above 0, at most 1. eps: above 0.
    """

    momentum: float = 0.1
    eps: float = 1e-5

    kind: ClassVar[str] = "batch_norm"
    bias = True
    init = 1.0

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        eps = _checks.number(f"eps of {name}", self.eps, above=0, dtype=dtype)
        momentum = _checks.number(f"momentum of {name}", self.momentum, above=0, most=1)
        return replace(super().checked(name, dtype), eps=eps, momentum=momentum)

    def weights(self, shape: Shape) -> Shape:
        return shape[-1:]

    def n_statistics(self, shape: Shape) -> int:
        return 2 * shape[-1]

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"channels": shape[-1], "momentum": self.momentum, "eps": self.eps}


class _ByFeature(Layer):
    """A layer with a factor gamma and a summand beta for each feature, as far as it has them: each of the units of a
    row, or of the channels of a map, which are the same at all positions.

    scale, shift: whether it has them. centred, eps: of a normalisation.
    """

    scale: bool = True
    shift: bool = False
    centred: ClassVar[bool] = False
    eps: float = 0.0

    @property
    def bias(self) -> bool:  # type: ignore[override]
        return self.shift

    def weights(self, shape: Shape) -> Shape | None:
        return shape[-1:] if self.scale else None

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"features": shape[-1], "scaled": self.scale, "centred": self.centred,
                                            "eps": self.eps}


@dataclass(frozen=True, eq=False)
class Scale(_ByFeature):
    """s = gamma x: one learned factor for each unit, of maps for each channel. gamma is `net.W[l]` (units,); penalties
    and weight decay leave it alone.

    init: the number that all of gamma start from, an array of shape (units,), or a name as of Dense.
    """

    init: str | ArrayLike = 1.0

    kind: ClassVar[str] = "scale"

    def brief(self) -> str:
        return "Scale()"


@dataclass(frozen=True, eq=False)
class Shift(_ByFeature):
    """s = x + beta: one learned summand for each unit, of maps for each channel. beta is `net.b[l]` (units,).

    init: the number that all of beta start from, an array of shape (units,), or a name as of Dense.
    """

    init: str | ArrayLike = 0.0

    kind: ClassVar[str] = "shift"
    scale = False
    shift = True

    def initial_bias(self, shape: Shape, rng: np.random.Generator, name: str, dtype: np.dtype[Any]) -> Any:
        return initial(self.init, shape, rng, f"init of {name}", dtype)

    def brief(self) -> str:
        return "Shift()"


@dataclass(frozen=True, eq=False)
class LayerNorm(_ByFeature):
    """s = gamma x^ + beta, x^ = (x - mean) / sqrt(var + eps), row by row: mean and var are those of the row's own units
    (Ba et al. 2016). Of maps those of the channels at each position, position by position, as in ConvNeXt.

    gamma is `net.W[l]` (units,), from 1, beta `net.b[l]`, from 0; penalties and weight decay leave both alone.

    eps: above 0. scale, shift: whether there is a gamma, a beta; without, 1 and 0.
    """

    eps: float = 1e-5
    scale: bool = True
    shift: bool = True

    kind: ClassVar[str] = "layer_norm"
    centred: ClassVar[bool] = True
    init = 1.0

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        _checks.boolean(f"scale of {name}", self.scale)
        _checks.boolean(f"shift of {name}", self.shift)
        eps = _checks.number(f"eps of {name}", self.eps, above=0, dtype=dtype)
        return replace(super().checked(name, dtype), eps=eps)

    def after(self, shape: Shape) -> Shape:
        if shape[-1] == 1:
            raise ValueError("LayerNorm must come after at least 2 units or channels, got 1, of which it makes 0")
        return shape


@dataclass(frozen=True, eq=False)
class RMSNorm(_ByFeature):
    """s = gamma x^, x^ = x / sqrt(mean(x^2) + eps), row by row: the mean is over the row's own units (Zhang and
    Sennrich 2019). Of maps it is over the channels at each position. gamma as of LayerNorm.

    eps: above 0. scale: whether there is a gamma.
    """

    eps: float = 1e-5
    scale: bool = True

    kind: ClassVar[str] = "rms_norm"
    init = 1.0

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        _checks.boolean(f"scale of {name}", self.scale)
        eps = _checks.number(f"eps of {name}", self.eps, above=0, dtype=dtype)
        return replace(super().checked(name, dtype), eps=eps)


@dataclass(frozen=True)
class Identity(Layer):
    """x(l) = x(l-back), as it is.

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
    """x(l) = x(l-1) + x(l-back), of one shape: what a Residual ends with.

    back: at least 2.
    """

    kind: ClassVar[str] = "sum"

    def joins(self, *shapes: Shape) -> Shape:
        if shapes[0] != shapes[1]:
            raise ValueError(f"x + f(x) needs an f(x) of the shape of x, {shapes[1]}, got {shapes[0]}; "
                             "for rows of numbers Residual(..., project=True) makes x fit")
        return shapes[0]


@dataclass(frozen=True, eq=False)
class Projection(Dense):
    """A Dense layer that reads x(l-back): W^T x(l-back), which a Residual adds where x itself does not fit."""

    bias: bool = False
    back: int = 2

    @property
    def reads(self) -> tuple[int, ...]:  # type: ignore[override]
        return (self.back,)

    def checked(self, name: str, dtype: DTypeLike) -> Self:
        return replace(super().checked(name, dtype), back=_checks.integer(f"back of {name}", self.back, 1, MOST_UNITS))

    def brief(self) -> str:
        return repr(self)


class Residual:
    """x + f(x), f some layers in a row (He et al. 2016): where f adds little, its output is near its input, so that
    many blocks can follow each other.

    layers: of f, as in MLP's list; blocks may nest. project: add W^T x in the place of x, with a W that is learned, for
    an f(x) of another size.

    In the network the layers of f come one by one, then with `project` the Projection, then Add, each with a number l
    of its own: `MLP([8, Residual(16, 8), 1])` has layers 1 and 2 of f, 3 the sum, and 4.
    """

    def __init__(self, *layers: Any, project: bool = False) -> None:
        if not layers:
            raise ValueError("Residual must have at least one layer, got none")
        _checks.boolean("project of Residual", project)
        self.layers, self.project = layers, project

    def __repr__(self) -> str:
        inner = [*map(repr, self.layers), *["project=True"] * self.project]
        return f"Residual({', '.join(inner)})"


class Join(_OfTwo):
    """x(l-back) and x(l-1) side by side, of maps the channels at each position: what joins the branches of a Concat.

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


class Concat:
    """Branches that all read one layer, and their outputs side by side, in their order (of maps the channels at each
    position): `MLP([8, Concat(16, [32, 4], Identity()), 1])` has 16 + 4 + 8 units before the last layer.

    branches: at least two, each a layer as in MLP's list, or a list of layers in a row; `Identity()` or an empty list
    is x itself.

    In the network the layers of the branches come one by one, each with a number l of its own: those after the first
    branch begin with an Identity, which reads what the branches read, and end with a Join to what came before.
    """

    def __init__(self, *branches: Any) -> None:
        if len(branches) < 2:
            raise ValueError(f"Concat must have at least two branches, got {len(branches)}")
        self.branches = tuple(list(branch) if isinstance(branch, (list, tuple)) else [branch] for branch in branches)

    def __repr__(self) -> str:
        return f"Concat({', '.join(map(repr, self.branches))})"


class _Windowed(Layer):
    """A layer that slides a window over a map, channels last: (length, c) or (h, w, c)."""

    axes: ClassVar[int] = 2
    kernel: Any
    stride: Any
    padding: Any
    dilation: Any = 1

    def engine_row(self, shape: Shape) -> dict[str, Any]:
        return super().engine_row(shape) | {"window": self.window(shape)}

    def window(self, shape: Shape) -> Shape:
        """The numbers of window_t for a map of a shape: h, w, c, then by pairs the kernel, strides, paddings before,
        dilations and positions; a map of one axis has h = 1. ValueError where they do not fit."""
        name, n = type(self).__name__, self.axes
        if len(shape) != n + 1:
            wanted = ("(length, c)", "(h, w, c)")[n - 1]
            raise ValueError(f"{name} must come after a map of shape {wanted}, got {shape}")
        kernel = self._by_axis("kernel", self.kernel, 1)
        stride = kernel if self.stride is None else self._by_axis("stride", self.stride, 1)
        dilation = self._by_axis("dilation", self.dilation, 1)
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
        before, around = self._padding(shape, kernel, stride, reach)
        padded = [size + a for size, a in zip(shape, around)]
        _checks.integer(f"the elements of {name}'s map with its padding", math.prod(padded) * shape[-1], 1, MOST_UNITS)
        if any(r > size for r, size in zip(reach, padded)):
            raise ValueError(f"{name} with its kernel over {tuple(reach)} must fit into the padded map, "
                             f"got {tuple(padded)}")
        positions = [(size - r) // s + 1 for size, r, s in zip(padded, reach, stride)]
        rows = [tuple(shape[:-1]), kernel, stride, before, dilation, positions]
        if n == 1:
            rows = [(one, *row) for one, row in zip((1, 1, 1, 0, 1, 1), rows)]
        return (*rows[0], shape[-1], *(int(i) for row in rows[1:] for i in row))

    def _padding(self, shape: Shape, kernel: Shape, stride: Shape, reach: list[int]) -> tuple[Sequence[int], list[int]]:
        """How many zeros stand before the map and how many around it, by axis."""
        name = type(self).__name__
        if isinstance(self.padding, str) and self.padding == "same":
            around = [max((-(-size // s) - 1) * s + r - size, 0) for size, s, r in zip(shape, stride, reach)]
            return [a // 2 for a in around], around
        if isinstance(self.padding, str) and self.padding != "valid":
            raise ValueError(f"padding of {name} must be 'valid', 'same' or integers, "
                             f"got {_checks.described(self.padding)}")
        before = self._by_axis("padding", 0 if isinstance(self.padding, str) else self.padding, 0)
        if self.kind == "max_pool" and any(2 * p > k for p, k in zip(before, kernel)):
            raise ValueError(f"padding of {name} must be at most half its kernel {kernel}, got {before}")
        return before, [2 * p for p in before]

    def _by_axis(self, name: str, value: Any, least: int) -> Shape:
        """A number for each axis, of one for all or of as many as there are axes."""
        values = (value,) * self.axes if _checks.is_integer(value) else value
        name = f"{name} of {type(self).__name__}"
        if not isinstance(values, (tuple, list)) or len(values) != self.axes:
            raise TypeError(f"{name} must be an integer or {self.axes} of them, got {_checks.described(value)}")
        return tuple(_checks.integer(name, v, least, MOST_UNITS) for v in values)

    def after(self, shape: Shape) -> Shape:
        window = self.window(shape)
        return (*window[-self.axes:], window[2])


class _Linear(_Windowed):
    """A layer that a Dense layer of shared weights and zeros can stand for: `as_dense` gives that."""

    def weight_ids(self, input_shape: Sequence[int]) -> NDArray[np.int64]:
        """(d(l-1), d(l)): which number of W(l).ravel() stands in each place of the Dense layer's W, -1 for none."""
        shape = map_shape(input_shape)
        h, w, c, kh, kw, sh, sw, ph, pw, dh, dw, oh, ow = self.window(shape)
        channels = self.after(shape)[-1]
        ids = np.full((h, w, c, oh, ow, channels), -1, np.int64)
        for y, x, i, j in np.ndindex(oh, ow, kh, kw):
            at = y * sh - ph + i * dh, x * sw - pw + j * dw
            if 0 <= at[0] < h and 0 <= at[1] < w:
                ids[(*at, slice(None), y, x)] = self._channel_ids(i * kw + j, c)
        return ids.reshape(h * w * c, oh * ow * channels)

    def _channel_ids(self, element: int, c: int) -> NDArray[np.int64]:
        """(c, channels after): the same for one element of the kernel."""
        raise NotImplementedError


class _Conv(_Linear):
    kind: ClassVar[str] = "conv"
    filters: int

    @property
    def channels(self) -> int:
        """filters, checked."""
        return _checks.integer(f"filters of {type(self).__name__}", self.filters, 1, MOST_UNITS)

    def after(self, shape: Shape) -> Shape:
        return (*super().after(shape)[:-1], self.channels)

    def weights(self, shape: Shape) -> Shape:
        return (*self._by_axis("kernel", self.kernel, 1), shape[-1], self.channels)

    def as_dense(self, input_shape: Sequence[int], layer: int, W: ArrayLike | None = None,
                 b: ArrayLike | None = None) -> tuple[Dense, list[Frozen | TiedMap]]:
        """The same layer as (a Dense spec, the ties that make it so): weights are tied where the kernel stands and
        frozen at 0 elsewhere.

        input_shape : the map before it. layer : l, its number in the network that the Dense layer is for. W, b : what
        the kernel and its biases start from; None for zeros, from which relu units never learn. ValueError where W or b
        has another shape than the layer's.
        """
        ids, layer = self.weight_ids(input_shape), _checks.integer("layer", layer, 1)
        wanted = self.weights(map_shape(input_shape))
        for name, values, shape in (("W", W, wanted), ("b", b, wanted[-1:])):
            if values is not None:
                _arrays.shaped(name, values, shape, np.float64)
        units = ids.shape[1]
        bias_ids = np.tile(np.arange(self.channels), units // self.channels)
        kernel = np.zeros(ids.max() + 1) if W is None else np.ravel(W)
        spec = Dense(units, self.activation, self.bias, np.where(ids < 0, 0.0, kernel[ids]),
                     0.0 if b is None or not self.bias else np.ravel(b)[bias_ids])
        bias_tie = [TiedMap(layer, bias_ids, biases=True)] * self.bias
        return spec, [tie_map(layer, ids), Frozen(layer, ids < 0, 0.0), *bias_tie]

    def _channel_ids(self, element: int, c: int) -> NDArray[np.int64]:
        return np.arange(c * self.channels).reshape(c, self.channels) + element * c * self.channels


class _AvgPool(_Linear):
    kind: ClassVar[str] = "avg_pool"

    def as_dense(self, input_shape: Sequence[int], layer: int, W: ArrayLike | None = None,
                 b: ArrayLike | None = None) -> tuple[Dense, list[Frozen | TiedMap]]:
        """The same layer as (a Dense spec, the ties that make it so): all weights are frozen.

        input_shape : the map before it. layer : l, its number in the network that the Dense layer is for. W, b are not
        used: a pool has none.
        """
        ids, layer = self.weight_ids(input_shape), _checks.integer("layer", layer, 1)
        share = 1 / math.prod(self._by_axis("kernel", self.kernel, 1))
        return (Dense(ids.shape[1], bias=False, init="zeros"),
                [Frozen(layer, np.ones(ids.shape, bool), np.where(ids < 0, 0.0, share))])

    def _channel_ids(self, element: int, c: int) -> NDArray[np.int64]:
        return np.where(np.eye(c, dtype=bool), 0, -1)


@dataclass(frozen=True, eq=False)
class Conv2D(_Conv):
    """A convolution of maps (h, w, c_in) with `filters` kernels: each unit sees a window of the map before, and all
    windows share the weights W of shape (kh, kw, c_in, filters) and b of shape (filters,). Written as a
    cross-correlation, unflipped.

    filters: channels of the output, at least 1.
    kernel, stride, dilation: a number, or one for each axis.
    activation: a name, see `fastmlp.activations()`, or (name, argument).
    padding: zeros around the map: "valid" none, "same" as many as keep ceil(size / stride) positions (where they are
        odd, one more below and to the right), or a number, or one for each axis, on both sides.
    bias, init, bias_init, lr_scale, decay: as of Dense; the fan-in is kh kw c_in, the fan-out kh kw filters.
    """

    filters: int
    kernel: ByAxis
    activation: Activation = "identity"
    stride: ByAxis = 1
    padding: str | ByAxis = "valid"
    dilation: ByAxis = 1
    bias: bool = True
    init: str | ArrayLike = "glorot_uniform"
    bias_init: ArrayLike = 0.0
    lr_scale: float = 1.0
    decay: float = 1.0


class Conv1D(Conv2D):
    """Conv2D for maps (length, c_in): W has shape (kernel, c_in, filters)."""

    axes: ClassVar[int] = 1


@dataclass(frozen=True)
class MaxPool2D(_Windowed):
    """The largest of each window, by channel; the gradient goes to the first of equal ones. Padding never wins.

    kernel, stride: a number, or one for each axis; stride None means the kernel.
    padding: "valid", "same" or numbers, as of Conv2D; numbers at most half the kernel.
    """

    kernel: ByAxis
    stride: ByAxis | None = None
    padding: str | ByAxis = "valid"

    kind: ClassVar[str] = "max_pool"


class MaxPool1D(MaxPool2D):
    """MaxPool2D for maps (length, c)."""

    axes: ClassVar[int] = 1


@dataclass(frozen=True)
class AvgPool2D(_AvgPool):
    """The mean of each window, by channel; padding counts as zeros. Arguments as of MaxPool2D."""

    kernel: ByAxis
    stride: ByAxis | None = None
    padding: str | ByAxis = "valid"


class AvgPool1D(AvgPool2D):
    """AvgPool2D for maps (length, c)."""

    axes: ClassVar[int] = 1


@dataclass(frozen=True)
class GlobalAvgPool(_Windowed):
    """The mean of each channel over the whole map: c units."""

    kind: ClassVar[str] = "avg_pool"

    def window(self, shape: Shape) -> Shape:
        if len(shape) not in (2, 3):
            raise ValueError(f"GlobalAvgPool must come after a map, got {shape}")
        return (AvgPool1D, AvgPool2D)[len(shape) - 2](shape[:-1]).window(shape)

    def after(self, shape: Shape) -> Shape:
        return (self.window(shape)[2],)


@dataclass(frozen=True)
class Flatten(_Windowed):
    """A map as a row of units, in C order: what a Dense layer takes a map for anyway. A mean over windows of one."""

    kind: ClassVar[str] = "avg_pool"

    def window(self, shape: Shape) -> Shape:
        return AvgPool1D(1).window((math.prod(shape), 1))

    def after(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


# ---- texts and shapes


def activation_name(activation: Activation) -> str:
    """A name, or a pair (name, number), as text."""
    return activation if isinstance(activation, str) else f"{activation[0]}({activation[1]:g})"


def map_shape(shape: Any) -> Shape:
    """A map's shape as a tuple of ints."""
    if not isinstance(shape, (tuple, list)) or len(shape) not in (2, 3):
        raise TypeError(f"the shape of a map must be (length, c) or (h, w, c), got {_checks.described(shape)}")
    checked = tuple(_checks.integer("the shape of a map", n, 1, MOST_UNITS) for n in shape)
    _checks.integer("the elements of a map", math.prod(checked), 1, MOST_UNITS)
    return checked
