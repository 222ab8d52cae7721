"""Networks that the tests of the formats export: one for each kind of layer, and random ones."""
import numpy as np
from hypothesis import assume
from hypothesis import strategies as st

from fastmlp import MLP, layers, losses
from fastmlp.layers import (
    GLU,
    Activation,
    Add,
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
    Join,
    LayerNorm,
    MaxPool1D,
    MaxPool2D,
    Mixture,
    Periodic,
    PiecewiseLinear,
    PReLU,
    Projection,
    Projection1D,
    Projection2D,
    Residual,
    RMSNorm,
    Scale,
    Shift,
    Waves,
)
from fastmlp.losses import OF_QUANTILES, Loss
from nested_networks import entries
from reference import with_categories

KINDS = {
    Dense: [5, Dense(70, "tanh"), Dense(14, "silu", bias=False, groups=7), Dense(7, groups=7), Dense(1)],
    Identity: [5, Dense(8, "tanh"), Identity(), 3],
    Activation: [(5, 4, 2), Activation("tanh"), Conv2D(3, 2), BatchNorm(), Activation("silu"), MaxPool2D(2),
                 Activation(("elu", 0.5)), Dense(6), Residual(Activation("gelu"), Dense(6)), Activation("relu"),
                 Dense(5), Residual(Activation("mish"), 5), 3],
    Join: [(5, 4, 2), Concat(Conv2D(3, 2, "tanh", padding="same"), Identity()), Concat([9, 4], 17, Dense(3, "elu")), 3],
    LayerNorm: [(5, 4, 3), LayerNorm(), Conv2D(19, 2), LayerNorm(scale=False), 40, LayerNorm(0.1, shift=False), 3],
    RMSNorm: [(5, 4, 3), RMSNorm(), Conv2D(19, 2), RMSNorm(0.1, scale=False), Dense(40), RMSNorm(), 3],
    Scale: [(5, 4, 2), Scale(), Dense(9, "tanh"), Scale(), 3],
    Shift: [(5, 4, 2), Shift(), Dense(9, "tanh"), Shift(), 3],
    Columns: [6, Concat([Columns(2), Dense(5, "tanh")], Columns(1, [Embedding(7, 19), Embedding(80, 3, "zero")])), 3],
    PReLU: [(5, 4, 2), PReLU(), Conv2D(19, 2), PReLU([0.1] * 18 + [-2]), Dense(9), PReLU(), 3],
    Mixture: [(5, 4, 2), Mixture("tanh"), Conv2D(19, 2), Mixture("mish"), Dense(9), Mixture(("elu", 0.5)), 3],
    GLU: [(5, 4, 2), GLU("tanh"), Conv2D(20, 2), GLU(), Dense(34), GLU(), Dense(8), GLU(("leaky_relu", 0.3)), 3],
    Waves: [5, Periodic(4, 0.3), Dense(9, "tanh"), Periodic(17, 0.2, 3, "relu", True), 3],
    PiecewiseLinear: [3, PiecewiseLinear([[-2, 0, 2], [0, 1], [-1, 0, 1, 1.5]], 33, "tanh"), Dense(2),
                      PiecewiseLinear([[-1, 1], [-0.5, 0, 0.5]], 5, bias=False), 3],
    Dropout: [5, Dense(8, "tanh"), Dropout(0.5), Dense(7, "gelu"), 3],
    Add: [5, Residual(Dense(6, "gelu"), 5), Residual(Dense(6, "tanh"), Residual(6, 4, 6), 5), 3],
    Projection1D: [(9, 2), Residual(Conv1D(20, 3, "tanh", 2, "same"), project=True), 3],
    Projection2D: [(6, 5, 2), Residual(Conv2D(3, 3, "tanh", 2, "same"), Conv2D(3, 1), project=True),
                   Residual(Conv2D(18, 2, "gelu"), project=Conv2D(18, 2, "elu", dilation=1)), 3],
    Projection: [5, Residual(Dense(6, "gelu"), Dense(7, "elu"), project=True), 3],
    BatchNorm: [(4, 3, 2), BatchNorm(), Conv2D(3, 2, "tanh"), BatchNorm(0.3, 1e-3), Dense(9), BatchNorm(), 3],
    Conv1D: [(9, 2), Conv1D(20, 3, "tanh", stride=2, padding=2), Conv1D(4, 2, "gelu", dilation=2, bias=False), 3],
    Conv2D: [(6, 5, 2), Conv2D(3, (2, 3), "tanh", (1, 2), "same"), Conv2D(18, 3, padding=1, dilation=(1, 2)), 3],
    MaxPool1D: [(9, 2), MaxPool1D(3, 2, padding=1), Conv1D(3, 2), MaxPool1D(2), 3],
    MaxPool2D: [(6, 5, 2), MaxPool2D(2, 1, "same"), Conv2D(17, 2), MaxPool2D((2, 3), padding=1), 3],
    AvgPool1D: [(9, 2), AvgPool1D(3, 2, padding=1), Conv1D(3, 2), AvgPool1D(2), 3],
    AvgPool2D: [(6, 5, 2), AvgPool2D(2, 1, "same"), Conv2D(17, 2), AvgPool2D((2, 3), padding=(0, 2)), 3],
    GlobalAvgPool: [(6, 5, 2), Conv2D(3, 2, "tanh"), GlobalAvgPool(), 3],
    Flatten: [(6, 5, 2), Conv2D(3, 2, "tanh"), Flatten(), Dropout(0.1), Dense(4), 3],
}
ALL_KINDS = {spec for name in layers.__all__ if isinstance(spec := getattr(layers, name), type)
             and issubclass(spec, layers.Layer)}


# every loss, and those of several outputs for each target
LOSSES = [*losses(), *((name, (0.25, 0.5, 0.875)) for name in OF_QUANTILES)]


def of_loss(loss, targets, **options):
    """What of_layers gives, with so many targets."""
    return of_layers([6, 9, targets * Loss(loss).outputs_each], loss=loss, **options)


def of_layers(entries, **options):
    """A network that has learned something, so that biases and statistics are not what they start from, and rows."""
    net = MLP(entries, random_state=0, **options)
    rng = np.random.default_rng(0)
    X = with_categories(net, rng.standard_normal((60, net.d[0])).astype(net.dtype))
    y = rng.random((60, net._network.n_targets)).astype(net.dtype)
    net.fit(X, y / y.sum(axis=1, keepdims=True), epochs=1, batch_size=30)
    return net, X


def of_kind(kind, **options):
    return of_layers(KINDS[kind], **options)


def beginning_with(kind):
    """Entries of networks whose first layer is of a kind: layers in a row, and a graph."""
    net = MLP(KINDS[kind])
    l = next(l for l, layer in enumerate(net.layers, 1) if type(layer) is kind)
    spec, shape = net.layers[l - 1], net.shapes[l - 1]
    first = [shape if len(shape) > 1 else shape[0], spec]
    yield [*first, 3] if spec.reads == (1,) else KINDS[kind]
    yield [*(first if spec.reads == (1,) else KINDS[kind]), 4, Residual(Dense(4, "tanh")), 3]


@st.composite
def networks(draw):
    """(a network, rows of its dtype) that it has finite predictions of"""
    net, X = of_layers(draw(entries()), loss=draw(st.sampled_from(losses())),
                       dtype=draw(st.sampled_from(["float32", "float64"])))
    assume(np.isfinite(net.params).all() and np.abs(net.predict(X)).max() < 1e3)
    return net, X
