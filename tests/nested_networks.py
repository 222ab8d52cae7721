"""Random networks with layers of all kinds, blocks in blocks and batch normalisation: what hypothesis draws, for the
tests of the engine and of the formats."""
import math

import numpy as np
from hypothesis import strategies as st

import fastmlp
from fastmlp import (
    GLU,
    Activation,
    AvgPool1D,
    AvgPool2D,
    BatchNorm,
    Columns,
    Concat,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalAvgPool,
    Identity,
    LayerNorm,
    MaxPool1D,
    MaxPool2D,
    Mixture,
    Periodic,
    PiecewiseLinear,
    PReLU,
    Residual,
    RMSNorm,
    Scale,
    Shift,
)
from fastmlp._layer_list import checked_layers

SMOOTH = ("identity", "tanh", "sigmoid", "softplus", "silu", "gelu", "mish", "sin", "cos")
DEEPEST = 3  # blocks in each other
MOST_UNITS = 20  # that waves and bins are made of
TAME = 0.1  # eps of normalisations: rows and columns of nearly equal units would make rounding large
some = st.integers


@st.composite
def entries(draw, smooth=False, rates=(0.3,)):
    """A list for MLP. smooth: all derivatives are continuous. rates: of dropout."""
    draw_layers = Layers(smooth, rates)
    kind = draw(st.sampled_from(["rows", "rows", "columns", "maps", "maps"]))
    layers = draw({"rows": draw_layers.of_rows, "columns": draw_layers.with_categories,
                   "maps": draw_layers.of_maps}[kind]())
    return [*layers, Dense(draw(some(1, 6)), draw(st.sampled_from(["identity", "tanh"])), draw(st.booleans()))]


def shape_after(first, layers):
    return checked_layers([first, *layers, Dense(1)], np.float64)[0][-2]


def activations(smooth):
    with_number = st.tuples(st.sampled_from(["leaky_relu", "elu"]), st.sampled_from([0.0, 0.2, 1.0, 1.7]))
    return st.sampled_from(SMOOTH) if smooth else st.one_of(st.sampled_from(fastmlp.activations()), with_number)


def method(f):
    """A composite strategy that is a method."""
    return lambda self, *args, **options: st.composite(lambda draw: f(self, draw, *args, **options))()


class Layers:
    """Strategies for the layers of a list, which hang together by shapes."""

    def __init__(self, smooth, rates):
        self.smooth, self.rates, self.theta = smooth, rates, activations(smooth)

    # ---- from the input on

    @method
    def of_rows(self, draw):
        d = draw(some(1, 20))
        return [d, *draw(self.in_a_row(d, 0, 0, 4))]

    @method
    def with_categories(self, draw):
        tables = draw(st.lists(st.builds(Embedding, some(1, 30), some(1, 9), st.sampled_from(["error", "zero"])),
                               min_size=1, max_size=3))
        n = draw(some(0, 5))
        if n and draw(st.booleans()):
            numbers = [Columns(n), *draw(self.in_a_row(n, 2, 0, 2))]
            layers = [n + len(tables), Concat(numbers, Columns(draw(some(0, n)), tables))]
        else:
            layers = [Columns(n, tables)]
        return layers + draw(self.in_a_row(shape_after(layers[0], layers[1:])[0], 0, 0, 3))

    @method
    def of_maps(self, draw):
        shape = draw(st.one_of(st.tuples(some(1, 9), some(1, 4)), st.tuples(some(1, 7), some(1, 7), some(1, 3))))
        layers = [shape, *draw(self.in_a_row(shape, 0, 1, 4))]
        layers += draw(st.sampled_from([[], [Flatten()], [GlobalAvgPool()]]))
        after = shape_after(shape, layers[1:])
        return layers + (draw(self.in_a_row(after[0], 1, 0, 2)) if len(after) == 1 else [])

    @method
    def in_a_row(self, draw, first, depth, least, most, same_size=False):
        """Layers after a row of units, or after maps, in so many blocks; same_size: which keep the size of maps."""
        layers = []
        for _ in range(draw(some(least, most))):
            shape = shape_after(first, layers)
            layers.append(draw(self.of_units(shape, depth) if len(shape) == 1 else
                               self.of_channels(shape, depth, same_size)))
        return layers

    # ---- after rows of units and after maps

    @method
    def of_units(self, draw, shape, depth):
        (d,), theta = shape, draw(self.theta)
        kinds = ["dense", "feature", "feature", "groups"] + ["residual", "concat"] * 2 * (depth < DEEPEST)
        kinds += ["waves"] * (d <= MOST_UNITS) + ["bins"] * (d <= MOST_UNITS and not self.smooth)
        kind = draw(st.sampled_from(kinds))
        if kind == "feature":
            return draw(self.by_feature(d))
        if kind == "groups":
            return draw(self.grouped(shape))
        if kind == "waves":
            linear = draw(st.sampled_from([None, 1, 3]))
            return Periodic(draw(some(1, 5)), 0.1, linear, theta if linear else "identity", draw(st.booleans()))
        if kind == "bins":
            edges = [np.linspace(-1.5, 1.5, draw(some(2, 6))) for _ in range(d)]
            return PiecewiseLinear(edges, draw(some(1, 20)), theta, draw(st.booleans()))
        if kind == "residual":
            inner = draw(self.in_a_row(d, depth + 1, 0, 2))
            if draw(st.booleans()):
                return Residual(*inner, Dense(draw(some(1, 9)), theta), project=True)
            return Residual(*inner, Dense(d, theta, draw(st.booleans())))
        if kind == "concat":
            return Concat(*(draw(self.in_a_row(d, depth + 1, 0, 2)) for _ in range(draw(some(2, 3)))))
        return Dense(draw(some(1, 20)), theta, draw(st.booleans()))

    @method
    def of_channels(self, draw, shape, depth, same_size):
        conv, theta = (Conv1D, Conv2D)[len(shape) - 2], draw(self.theta)
        kinds = ["feature", "feature", "conv"] + ["window"] * 3 * (not same_size)
        kinds += ["residual", "concat"] * 2 * (depth < DEEPEST)
        kind = draw(st.sampled_from(kinds + ["strided"] * (depth < DEEPEST and not same_size)))
        if kind == "feature":
            return draw(self.by_feature(shape[-1]))
        if kind == "window":
            return draw(self.windows(shape))
        if kind == "residual":
            inner = draw(self.in_a_row(shape, depth + 1, 0, 2, True))
            return Residual(*inner, conv(shape[-1], draw(some(1, 2)), theta, padding="same"))
        if kind == "strided":
            return Residual(conv(draw(some(1, 6)), 2, theta, draw(some(1, 2)), "same"), project=True)
        if kind == "concat":
            return Concat(*(draw(self.in_a_row(shape, depth + 1, 0, 2, True)) for _ in range(2)))
        kernel = tuple(draw(some(1, min(3, size))) for size in shape[:-1])
        return conv(draw(some(1, 6)), kernel, theta, padding="same", bias=draw(st.booleans()))

    # ---- single layers

    @method
    def windows(self, draw, shape):
        """A layer that slides a window over a map of a shape."""
        axes = len(shape) - 1
        kind = draw(st.sampled_from(["conv", "avg"] if self.smooth else ["conv", "conv", "avg", "max"]))
        spec = {"conv": (Conv1D, Conv2D), "avg": (AvgPool1D, AvgPool2D), "max": (MaxPool1D, MaxPool2D)}[kind][axes - 1]
        kernel = tuple(draw(some(1, min(3, size))) for size in shape[:-1])
        stride = tuple(draw(some(1, 3)) for _ in kernel)
        padding = draw(st.sampled_from(["valid", "same", "numbers"]))
        if padding == "numbers":
            padding = tuple(draw(some(0, k // 2 if kind != "conv" else 2)) for k in kernel)
        if kind != "conv":
            return spec(kernel, draw(st.sampled_from([None, stride])), padding)
        dilation = tuple(draw(some(1, 2)) if 2 * (k - 1) + 1 <= size else 1 for k, size in zip(kernel, shape))
        return spec(draw(some(1, 5)), kernel, draw(self.theta), stride, padding, dilation, draw(st.booleans()))

    @method
    def by_feature(self, draw, n):
        """A layer after one of n features that scales, shifts, normalises, drops, bends or is a gate."""
        scale, shift = draw(st.booleans()), draw(st.booleans())
        momentum, start = draw(st.sampled_from([0.3, 1.0])), draw(st.sampled_from([0.5, 1.0]))
        theta = draw(self.theta)
        return draw(st.sampled_from([
            Scale(start), Shift(start), RMSNorm(TAME, scale), BatchNorm(momentum, TAME), Mixture(theta, momentum),
            Activation(theta), Identity(), Dropout(draw(st.sampled_from(self.rates))),
            *[LayerNorm(TAME, scale, shift)] * (n > 1), *[GLU(theta)] * (n % 2 == 0),
            *[PReLU(draw(st.sampled_from([0.25, 1.5])))] * (not self.smooth)]))

    @method
    def grouped(self, draw, shape):
        """A Dense layer in groups after a layer of a shape."""
        d = math.prod(shape)
        groups = draw(st.sampled_from([g for g in range(1, d + 1) if d % g == 0]))
        return Dense(groups * draw(some(1, 5)), draw(self.theta), draw(st.booleans()), groups=groups)
