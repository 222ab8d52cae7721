"""Single layers for random networks: each a strategy of hypothesis, by the shape of what it follows.

smooth: whether it has a second derivative everywhere, so that rounding never decides on which side of a kink it is.
"""
import math

import numpy as np
from hypothesis import strategies as st

import fastmlp
from fastmlp import (
    GLU,
    AvgPool1D,
    AvgPool2D,
    Conv1D,
    Conv2D,
    Dense,
    Embedding,
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

SMOOTH = ("identity", "tanh", "sigmoid", "softplus", "silu", "gelu", "mish", "sin", "cos")
some = st.integers
embeddings = st.lists(st.builds(Embedding, some(1, 30), some(1, 9), st.sampled_from(["error", "zero"])), min_size=1,
                      max_size=3)


@st.composite
def activations(draw, smooth):
    name = draw(st.sampled_from(SMOOTH if smooth else fastmlp.activations()))
    if name in ("leaky_relu", "elu") and draw(st.booleans()):
        return name, draw(st.sampled_from([0.0, 0.2, 1.0, 1.7]))
    return name


@st.composite
def windows(draw, shape, smooth):
    """A layer that slides a window over a map of a shape."""
    axes = len(shape) - 1
    kind = draw(st.sampled_from(["conv", "avg"] if smooth else ["conv", "conv", "avg", "max"]))
    spec = {"conv": (Conv1D, Conv2D), "avg": (AvgPool1D, AvgPool2D), "max": (MaxPool1D, MaxPool2D)}[kind][axes - 1]
    kernel = tuple(draw(some(1, min(3, size))) for size in shape[:-1])
    stride = tuple(draw(some(1, 3)) for _ in kernel)
    padding = draw(st.sampled_from(["valid", "same", "numbers"]))
    if padding == "numbers":
        padding = tuple(draw(some(0, k // 2 if kind != "conv" else 2)) for k in kernel)
    if kind != "conv":
        return spec(kernel, draw(st.sampled_from([None, stride])), padding)
    dilation = tuple(draw(some(1, 2)) if 2 * (k - 1) + 1 <= size else 1 for k, size in zip(kernel, shape))
    return spec(draw(some(1, 5)), kernel, draw(activations(smooth)), stride, padding, dilation, draw(st.booleans()))


@st.composite
def blocks(draw, shape, smooth):
    """A Residual after a layer of a shape."""
    if len(shape) > 1:
        spec = (Conv1D, Conv2D)[len(shape) - 2]
        return Residual(
            *(
                spec(filters, draw(some(1, 2)), draw(activations(smooth)), padding="same")
                for filters in ([draw(some(1, 4))] * draw(st.booleans()) + [shape[-1]])
            )
        )
    inner = [Dense(draw(some(1, 9)), draw(activations(smooth)), draw(st.booleans())) for _ in range(draw(some(0, 1)))]
    if draw(some(0, 3)) == 0:
        inner.append(Residual(Dense(draw(some(1, 9)), draw(activations(smooth))), project=True))
    project = draw(st.booleans())
    size = draw(some(1, 9)) if project else shape[0]
    return Residual(*inner, Dense(size, draw(activations(smooth))), project=project)


@st.composite
def by_feature(draw, shape, smooth):
    """A layer after one of a shape that scales, shifts, normalises, bends or is a gate; eps keeps rows of nearly equal
    units tame."""
    kinds = ["scale", "shift", "rms_norm", "mixture"] + ["layer_norm"] * (shape[-1] > 1)
    kinds += ["glu"] * (shape[-1] % 2 == 0) + ["prelu"] * (not smooth)
    return {
        "mixture": lambda: Mixture(draw(activations(smooth)), draw(st.sampled_from([0.3, 1.0]))),
        "glu": lambda: GLU(draw(activations(smooth))),
        "prelu": lambda: PReLU(draw(st.sampled_from([0.25, 1.5]))),
        "scale": lambda: Scale(draw(st.sampled_from([0.5, 1.0]))),
        "shift": lambda: Shift(draw(st.sampled_from([0.0, 0.5]))),
        "rms_norm": lambda: RMSNorm(0.1, draw(st.booleans())),
        "layer_norm": lambda: LayerNorm(0.1, draw(st.booleans()), draw(st.booleans())),
    }[draw(st.sampled_from(kinds))]()


@st.composite
def numeric(draw, shape, smooth):
    """An encoding of a row of units."""
    if not smooth and draw(st.booleans()):
        sizes = [draw(some(2, 6)) for _ in range(shape[0])]
        edges = [np.linspace(-1.5, 1.5, n) for n in sizes]
        return PiecewiseLinear(edges, draw(some(1, 20)), draw(activations(smooth)), draw(st.booleans()))
    linear = draw(st.sampled_from([None, 1, 3]))
    activation = draw(activations(smooth)) if linear else "identity"
    return Periodic(draw(some(1, 5)), 0.1, linear, activation, draw(st.booleans()))


@st.composite
def grouped(draw, shape, smooth):
    """A Dense layer in groups after a layer of a shape."""
    d = math.prod(shape)
    groups = draw(st.sampled_from([g for g in range(1, d + 1) if d % g == 0]))
    return Dense(groups * draw(some(1, 5)), draw(activations(smooth)), draw(st.booleans()), groups=groups)
