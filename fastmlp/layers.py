"""Layer specs: frozen, plain, with no weights of their own."""
import math
import numbers
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from . import _check
from .ties import Frozen, TiedMap, tie_map

__all__ = ["Dense", "Dropout", "Conv1D", "Conv2D", "MaxPool1D", "MaxPool2D", "AvgPool1D", "AvgPool2D", "GlobalAvgPool", "Flatten"]


@dataclass(frozen=True, eq=False)
class Dense:
    """A layer of `units` units, each connected to all units of the layer before: s = W^T x + b, x' = theta(s).

    units: d(l), at least 1.
    activation: a name, see `fastmlp.activations()`, or (name, argument), as ("elu", 0.5).
    bias: whether the layer has a bias b.
    init: how W starts: a name (see `fastmlp.initializers()`) or an array of shape (d(l-1), units).
    bias_init: the number that all of b start from, or an array of shape (units,).
    """

    units: int
    activation: Any = "identity"
    bias: bool = True
    init: Any = "glorot_uniform"
    bias_init: Any = 0.0

    kind = "dense"

    def after(self, shape):
        """The shape of x(l), given that of x(l-1)."""
        return (self.units,)

    def weights(self, shape):
        """The shape of W(l), given that of x(l-1)."""
        return math.prod(shape), self.units


@dataclass(frozen=True)
class Dropout:
    """In training each element of x is dropped with probability `rate`, else divided by 1 - rate; otherwise x passes as
    it is (Srivastava et al. 2014). Which elements are dropped depends on the network's seed, the epoch, the row's number
    and the unit: not on threads or batches.

    rate: at least 0 and below 1.
    """

    rate: float = 0.5

    kind = "dropout"
    activation = "identity"
    bias = False

    def after(self, shape):
        """The shape of x(l), given that of x(l-1)."""
        return shape


class _Windowed:
    """What slides a window over a map, channels last: (length, c) or (h, w, c)."""

    axes: ClassVar[int] = 2
    dilation: ClassVar[Any] = 1
    activation: ClassVar[Any] = "identity"
    bias: ClassVar[bool] = False

    def window(self, shape):
        """The numbers of window_t for a map of a shape: h, w, c, then by pairs the kernel, strides, paddings before, dilations
        and positions; a map of one axis has h = 1. ValueError where they do not fit."""
        name, n = type(self).__name__, self.axes
        if len(shape) != n + 1:
            raise ValueError(f"{name} must come after a map of shape {('(length, c)', '(h, w, c)')[n - 1]}, got {shape}")
        kernel = self._pair("kernel", self.kernel, 1)
        stride = kernel if self.stride is None else self._pair("stride", self.stride, 1)
        dilation = self._pair("dilation", self.dilation, 1)
        reach = [d * (k - 1) + 1 for k, d in zip(kernel, dilation)]
        if self.padding == "same":
            around = [max((-(-size // s) - 1) * s + k - size, 0) for size, s, k in zip(shape, stride, reach)]
            before = [a // 2 for a in around]
        elif isinstance(self.padding, str) and self.padding != "valid":
            raise ValueError(f"padding of {name} must be 'valid', 'same' or integers, got {self.padding!r}")
        else:
            before = self._pair("padding", 0 if self.padding == "valid" else self.padding, 0)
            around = [2 * p for p in before]
            if self.kind == "max_pool" and any(2 * p > k for p, k in zip(before, kernel)):
                raise ValueError(f"padding of {name} must be at most half its kernel {kernel}, got {before}")
        if any(k > size + a for k, size, a in zip(reach, shape, around)):
            raise ValueError(f"{name} with its kernel over {tuple(reach)} must fit into the padded map, got "
                             f"{tuple(size + a for size, a in zip(shape, around))}")
        positions = [(size + a - k) // s + 1 for size, a, k, s in zip(shape, around, reach, stride)]
        rows = [(*shape[:-1],), kernel, stride, before, dilation, positions]
        if n == 1:
            rows = [(one, *row) for one, row in zip((1, 1, 1, 0, 1, 1), rows)]
        return (*rows[0], shape[-1], *(int(i) for row in rows[1:] for i in row))

    def _pair(self, name, value, least):
        values = (value,) * self.axes if isinstance(value, numbers.Integral) else value
        name = f"{name} of {type(self).__name__}"
        if not isinstance(values, (tuple, list)) or len(values) != self.axes:
            raise TypeError(f"{name} must be an integer or {self.axes} of them, got {value!r}")
        return tuple(_check.integer(name, v, least, 2**31) for v in values)

    def after(self, shape):
        """The shape of x(l), given that of x(l-1)."""
        g = self.window(shape)
        return (*g[-self.axes:], g[2])


class _Linear(_Windowed):
    """What is a Dense layer of shared weights and zeros."""

    def as_dense(self, input_shape, layer, W=None, b=None):
        """The same layer as (a Dense spec, the ties that make it so).

        input_shape : the map before it. layer : l, its number in the network that the Dense layer is for. W, b : what the
        kernel and its biases start from; None for zeros, from which relu units never learn. A convolution's weights are tied where its kernel stands and
        frozen at 0 elsewhere; an average pool's are frozen. ValueError where W or b has another shape than the layer's."""
        ids, bias_ids = self._stands(input_shape)
        units = ids.shape[1]
        if self.kind == "avg_pool":
            return Dense(units, bias=False, init="zeros"), [Frozen(layer, np.ones(ids.shape, bool), np.where(ids < 0, 0.0, self._share()))]
        wanted = self.weights(map_shape(input_shape))
        for name, given, shape in (("W", W, wanted), ("b", b, wanted[-1:])):
            if given is not None and np.shape(given) != shape:
                raise ValueError(f"{name} must have shape {shape}, got {np.shape(given)}")
        kernel = np.zeros(ids.max() + 1) if W is None else np.ravel(W)
        spec = Dense(units, self.activation, self.bias, np.where(ids < 0, 0.0, kernel[ids]),
                     0.0 if b is None or not self.bias else np.ravel(b)[bias_ids])
        return spec, [tie_map(layer, ids), Frozen(layer, ids < 0, 0.0)] + [TiedMap(layer, bias_ids, biases=True)] * self.bias

    def _stands(self, input_shape):
        """(ids (d(l-1), d(l)), bias_ids (d(l),)): the number in W(l).ravel() and in b(l) of what stands there, -1 for nothing;
        of a pool 0."""
        h, w, c, kh, kw, sh, sw, ph, pw, dh, dw, oh, ow = self.window(map_shape(input_shape))
        channels = self.after(map_shape(input_shape))[-1]
        ids = np.full((h, w, c, oh, ow, channels), -1, np.int64)
        for y, x, i, j in np.ndindex(oh, ow, kh, kw):
            at = y * sh - ph + i * dh, x * sw - pw + j * dw
            if 0 <= at[0] < h and 0 <= at[1] < w:
                ids[(*at, slice(None), y, x)] = self._ids(i * kw + j, c)
        return ids.reshape(h * w * c, oh * ow * channels), np.tile(np.arange(channels), oh * ow)


class _Conv(_Linear):
    kind: ClassVar[str] = "conv"

    def after(self, shape):
        """The shape of x(l), given that of x(l-1)."""
        return (*super().after(shape)[:-1], _check.integer(f"filters of {type(self).__name__}", self.filters, 1))

    def weights(self, shape):
        """The shape of W(l), given that of x(l-1)."""
        return (*self._pair("kernel", self.kernel, 1), shape[-1], self.filters)

    def _ids(self, element, c):
        return np.arange(c * self.filters).reshape(c, self.filters) + element * c * self.filters


class _AvgPool(_Linear):
    kind: ClassVar[str] = "avg_pool"

    def _share(self):
        return 1 / math.prod(self._pair("kernel", self.kernel, 1))

    def _ids(self, element, c):
        return np.where(np.eye(c, dtype=bool), 0, -1)


def map_shape(shape):
    """A map's shape as a tuple of ints."""
    if not isinstance(shape, (tuple, list)) or len(shape) not in (2, 3):
        raise TypeError(f"the shape of a map must be (length, c) or (h, w, c), got {shape!r}")
    return tuple(_check.integer("a map's shape", n, 1, 2**31) for n in shape)


def input_shape(entry):
    """The first entry of the constructor's list as a shape."""
    if isinstance(entry, (tuple, list)):
        return map_shape(entry)
    return (_check.integer("layers[0]", entry, 1),)


@dataclass(frozen=True, eq=False)
class Conv2D(_Conv):
    """A convolution of maps (h, w, c_in) with `filters` kernels: each unit sees a window of the map before, and all windows
    share the weights W of shape (kh, kw, c_in, filters) and b of shape (filters,). Written as a cross-correlation, unflipped.

    filters: channels of the output, at least 1.
    kernel, stride, dilation: a number, or one for each axis.
    activation: a name, see `fastmlp.activations()`, or (name, argument).
    padding: zeros around the map: "valid" none, "same" as many as keep ceil(size / stride) positions (where they are odd,
        one more below and to the right), or a number, or one for each axis, on both sides.
    bias, init, bias_init: as of Dense; the fan-in is kh kw c_in, the fan-out kh kw filters.
    """

    filters: int
    kernel: Any
    activation: Any = "identity"
    stride: Any = 1
    padding: Any = "valid"
    dilation: Any = 1
    bias: bool = True
    init: Any = "glorot_uniform"
    bias_init: Any = 0.0


@dataclass(frozen=True, eq=False)
class Conv1D(Conv2D):
    """Conv2D for maps (length, c_in): W has shape (kernel, c_in, filters)."""

    axes: ClassVar[int] = 1


@dataclass(frozen=True)
class MaxPool2D(_Windowed):
    """The largest of each window, by channel; the gradient goes to the first of equal ones. Padding never wins.

    kernel, stride: a number, or one for each axis; stride None means the kernel.
    padding: "valid", "same" or numbers, as of Conv2D; numbers at most half the kernel.
    """

    kernel: Any
    stride: Any = None
    padding: Any = "valid"

    kind: ClassVar[str] = "max_pool"


@dataclass(frozen=True)
class MaxPool1D(MaxPool2D):
    """MaxPool2D for maps (length, c)."""

    axes: ClassVar[int] = 1


@dataclass(frozen=True)
class AvgPool2D(_AvgPool):
    """The mean of each window, by channel; padding counts as zeros. Arguments as of MaxPool2D."""

    kernel: Any
    stride: Any = None
    padding: Any = "valid"


@dataclass(frozen=True)
class AvgPool1D(AvgPool2D):
    """AvgPool2D for maps (length, c)."""

    axes: ClassVar[int] = 1


@dataclass(frozen=True)
class GlobalAvgPool(_Windowed):
    """The mean of each channel over the whole map: c units."""

    kind: ClassVar[str] = "avg_pool"

    def window(self, shape):
        if len(shape) not in (2, 3):
            raise ValueError(f"GlobalAvgPool must come after a map, got {shape}")
        return (AvgPool1D, AvgPool2D)[len(shape) - 2](shape[:-1]).window(shape)

    def after(self, shape):
        """The shape of x(l), given that of x(l-1)."""
        return (self.window(shape)[2],)


@dataclass(frozen=True)
class Flatten(_Windowed):
    """A map as a row of units, in C order: what a Dense layer takes a map for anyway. A mean over windows of one."""

    kind: ClassVar[str] = "avg_pool"

    def window(self, shape):
        return AvgPool1D(1).window((math.prod(shape), 1))

    def after(self, shape):
        """The shape of x(l), given that of x(l-1)."""
        return (math.prod(shape),)
