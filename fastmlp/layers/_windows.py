"""Convolutions and pooling: layers that slide a window over a map, channels last."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import _arrays, _checks
from .._types import Shape
from ..ties import Frozen, TiedMap, tie_map
from ._base import MOST_UNITS, Layer, Theta, map_shape
from ._dense import Dense

ByAxis = int | Sequence[int]  # a number for all axes, or one for each


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
        """The numbers of window_t for a map of this shape: h, w, c, then as pairs the kernel, strides, paddings before
        the map, dilations and numbers of positions; a map of one axis has h = 1. ValueError if they do not fit."""
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
        """(zeros before the map, zeros before and after it together), by axis."""
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
        """A number for each axis. value: a single number for all axes, or one for each."""
        values = (value,) * self.axes if _checks.is_integer(value) else value
        name = f"{name} of {type(self).__name__}"
        if not isinstance(values, (tuple, list)) or len(values) != self.axes:
            raise TypeError(f"{name} must be an integer or {self.axes} of them, got {_checks.described(value)}")
        return tuple(_checks.integer(name, v, least, MOST_UNITS) for v in values)

    def after(self, shape: Shape) -> Shape:
        window = self.window(shape)
        return (*window[-self.axes:], window[2])


class _Linear(_Windowed):
    """A layer that is equal to a Dense layer with tied weights and zeros: see `as_dense`."""

    def weight_ids(self, input_shape: Sequence[int]) -> NDArray[np.int64]:
        """(d(l-1), d(l)): for each element of the Dense layer's W the index in W(l).ravel(), or -1 for 0."""
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
        """The same layer as (a Dense spec, ties): weights of the kernel are tied, all others are frozen at 0.

        input_shape : of the map that it reads. layer : l, the number of the Dense layer in its network. W, b : initial
        kernel and biases; None for zeros, from which relu units never learn. ValueError if W or b has another shape
        than the layer's.
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
        """The same layer as (a Dense spec, ties): all weights are frozen.

        input_shape : of the map that it reads. layer : l, the number of the Dense layer in its network. W, b are not
        used: pooling has none.
        """
        ids, layer = self.weight_ids(input_shape), _checks.integer("layer", layer, 1)
        share = 1 / math.prod(self._by_axis("kernel", self.kernel, 1))
        return (Dense(ids.shape[1], bias=False, init="zeros"),
                [Frozen(layer, np.ones(ids.shape, bool), np.where(ids < 0, 0.0, share))])

    def _channel_ids(self, element: int, c: int) -> NDArray[np.int64]:
        return np.where(np.eye(c, dtype=bool), 0, -1)


@dataclass(frozen=True, eq=False)
class Conv2D(_Conv):
    """A convolution of maps (h, w, c_in) with `filters` kernels: each unit sees a window of the input map, and all
    windows share the weights W of shape (kh, kw, c_in, filters) and b of shape (filters,). As usual it is a
    cross-correlation: kernels are not flipped.

    filters: channels of the output, at least 1.
    kernel, stride, dilation: a number, or one for each axis.
    activation: a name, see `fastmlp.activations()`, or (name, argument).
    padding: zeros around the map: "valid" for none; "same" for ceil(size / stride) positions (if their number is odd,
        one more below and to the right); or a number for each side, or one for each axis.
    bias, init, bias_init, lr_scale, decay, bias_lr_scale, bias_decay: as in Dense; the fan-in is kh kw c_in, the
        fan-out kh kw filters.
    """

    filters: int
    kernel: ByAxis
    activation: Theta = "identity"
    stride: ByAxis = 1
    padding: str | ByAxis = "valid"
    dilation: ByAxis = 1
    bias: bool = True
    init: str | ArrayLike = "glorot_uniform"
    bias_init: ArrayLike = 0.0
    lr_scale: float = 1.0
    decay: float = 1.0
    bias_lr_scale: float = 1.0
    bias_decay: float = 0.0


class Conv1D(Conv2D):
    """Conv2D for maps (length, c_in): W has shape (kernel, c_in, filters)."""

    axes: ClassVar[int] = 1


@dataclass(frozen=True)
class MaxPool2D(_Windowed):
    """The maximum of each window, by channel; the gradient goes to the first of equal elements. Padding is ignored.

    kernel, stride: a number, or one for each axis; stride None means the kernel.
    padding: "valid", "same" or numbers, as in Conv2D; numbers at most half the kernel.
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
    """The mean of each window, by channel; padding counts as zeros. Arguments as in MaxPool2D."""

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
    """A map as a row of units, in C order, as a Dense layer reads maps anyway. Implemented as a mean over windows of
    one element."""

    kind: ClassVar[str] = "avg_pool"

    def window(self, shape: Shape) -> Shape:
        return AvgPool1D(1).window((math.prod(shape), 1))

    def after(self, shape: Shape) -> Shape:
        return (math.prod(shape),)
