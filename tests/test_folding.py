"""Networks without the layers that only multiply and shift: they predict the same."""
import numpy as np
import pytest

from fastmlp import (
    MLP,
    Activation,
    Adam,
    AvgPool2D,
    BatchNorm,
    Concat,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Identity,
    LayerNorm,
    MaxPool2D,
    Residual,
    Scale,
    Shift,
    tie_layers,
)

RNG = np.random.default_rng(0)
# name -> (layers, kinds that are left)
LAYERS = {
    "forward": ([5, BatchNorm(), Dense(8, "relu"), BatchNorm(), 3], ["dense"] * 2),
    "backward": ([5, Dense(8), BatchNorm(), LayerNorm(), Dense(6, bias=False), Scale(2.0), Shift(1.0), Residual(6), 3],
                 ["dense", "layer_norm", "dense", "dense", "sum", "dense"]),
    "one after the other": ([5, BatchNorm(), Scale(0.5), Shift(2.0), BatchNorm(), Dense(4, "tanh", bias=False), 3],
                            ["dense"] * 2),
    "blocks": ([5, Dense(8, "relu"), Residual(BatchNorm(), Dense(12, "relu"), Dense(8)),
                Residual(BatchNorm(), Dense(4, "tanh"), project=True), BatchNorm(), 3],
               ["dense"] * 3 + ["sum"] + ["dense"] * 2 + ["sum", "dense"]),
    "several readers": ([5, Dense(8, "relu"), BatchNorm(), Concat(4, 6), 3],
                        ["dense", "dense", "identity", "dense", "concat", "dense"]),
    "before an activation": ([5, Dense(8), BatchNorm(), Activation("relu"), 3], ["dense", "dense"]),
    "an activation that others read past": ([5, Dense(5), BatchNorm(), Residual(Activation("relu"), 5), 3],
                                            ["dense", "identity", "dense", "sum", "dense"]),
    "activations of maps": ([(6, 6, 2), Conv2D(3, 2), BatchNorm(), Activation("relu"), MaxPool2D(2),
                             Activation("tanh"), 3], ["conv", "max_pool", "identity", "dense"]),
    "before a sum": ([5, Dense(5, "relu"), Residual(BatchNorm()), 3], ["dense", "scale", "shift", "sum", "dense"]),
    "before a norm": ([5, Dense(5, "relu"), Shift(), LayerNorm(), 3], ["dense", "shift", "layer_norm", "dense"]),
    "before a norm, of two": ([5, Dense(5, "relu"), Scale(), Shift(), LayerNorm(), 3],
                              ["dense", "scale", "shift", "layer_norm", "dense"]),
    "before a maximum": ([(4, 4, 2), BatchNorm(), MaxPool2D(2), 3], ["scale", "shift", "max_pool", "dense"]),
    "before a mean": ([(4, 4, 2), Scale(), AvgPool2D(2), 3], ["scale", "avg_pool", "dense"]),
    "before zeros around a map": ([(4, 4, 2), BatchNorm(), Conv2D(2, 3, padding="same"), 3],
                                  ["scale", "shift", "conv", "dense"]),
    "beside a copy": ([5, Dense(8), Concat(BatchNorm(), []), 3],
                      ["dense", "scale", "shift", "identity", "concat", "dense"]),
    "before an activation that cannot go": ([5, Dense(8, "relu"), BatchNorm(), Activation("tanh"), 3],
                                            ["dense", "scale", "shift", "identity", "dense"]),
    "one that stays between those that go": ([4, Dense(8, "relu"), BatchNorm(), Residual(BatchNorm(), Dense(8, "relu"),
                                                                                         Dense(8)), BatchNorm(), 1],
                                             ["dense", "scale", "shift", "dense", "dense", "sum", "dense"]),
    "through others": ([5, Dense(8, "relu"), BatchNorm(), Dropout(0.3), Identity(), 3],
                       ["dense", "dropout", "identity", "dense"]),
    "groups": ([6, BatchNorm(), Dense(8, groups=2), BatchNorm(), Dense(8, "relu", groups=4), Scale(2.0), Shift(0.5),
                Dense(4, groups=2), 3], ["grouped"] * 3 + ["dense"]),
    "maps": ([(6, 6, 2), BatchNorm(), Conv2D(3, 2), BatchNorm(), MaxPool2D(2, 1), BatchNorm(), Conv2D(4, 2, "relu"),
              BatchNorm(), Flatten(), Dense(5, "relu"), 3],
             ["conv", "max_pool", "conv", "avg_pool", "dense", "dense"]),
    "maps and rows": ([(7, 3), Conv1D(4, 3, "relu", padding="same"), BatchNorm(), 3], ["conv", "dense"]),
    "maps of one axis": ([(7, 3), BatchNorm(), Conv1D(4, 3, "relu"), 3], ["conv", "dense"]),
    "factors before padding": ([(4, 4, 2), Scale(3.0), Conv2D(3, 3, "relu", padding=1), 3], ["conv", "dense"]),
}


def trained(layers, dtype="float64", ties=()):
    net = MLP(layers, dtype=dtype, random_state=0, ties=ties)
    X, y = RNG.standard_normal((60, net.d[0])) * 2 + 1, RNG.standard_normal((60, net.d[-1]))
    net.fit(X, y, Adam(0.03), epochs=5, batch_size=20)
    return net, X


@pytest.mark.parametrize("name", LAYERS)
def test_predictions_are_the_same(name):
    layers, kinds = LAYERS[name]
    net, X = trained(layers)
    before, folded = net.params, net.folded()
    assert [layer.kind for layer in folded.layers] == kinds
    np.testing.assert_allclose(folded.predict(X), net.predict(X), rtol=1e-12, atol=1e-12)
    np.testing.assert_allclose(folded.jacobian(X), net.jacobian(X), rtol=1e-11, atol=1e-11)
    np.testing.assert_array_equal(net.params, before)
    assert folded.loss.spec == net.loss.spec and type(folded) is type(net)


def test_in_float32_with_ties_and_in_files(tmp_path):
    net, X = trained([4, BatchNorm(), 4, BatchNorm(), 4, 3], "float32", [tie_layers(2, 4)])
    folded = net.folded()
    assert folded.ties == () and folded.dtype == "float32"
    np.testing.assert_allclose(folded.predict(X), net.predict(X), rtol=1e-4, atol=1e-5)
    folded.save(tmp_path / "net")
    np.testing.assert_array_equal(MLP.load(tmp_path / "net").predict(X), folded.predict(X))


def test_a_network_with_nothing_to_fold_is_copied():
    net, X = trained([4, Dense(5, "tanh"), LayerNorm(), Dense(2, "tanh")])
    folded = net.folded()
    folded.W[1][...] = 0
    assert net.W[1].any() and folded.layers[-1].activation == "tanh"


def test_each_alone_goes_or_stays():
    """Where one cannot go, the others do, and what stays is as small as it can be."""
    block = Residual(BatchNorm(), Dense(8, "relu"), Dense(8))
    net, _ = trained([4, Dense(8, "relu"), BatchNorm(), block, 1])
    folded = net.folded()
    assert not any(isinstance(layer, BatchNorm) for layer in folded.layers)
    assert [type(layer) for layer in folded.layers[1:3]] == [Scale, Shift]
    assert folded.to_c().count("normalise(") == 0


def test_a_convolution_that_reaches_past_the_map_below():
    """Zeros stand below and to the right of the map alone, where "same" has one more than before it."""
    net, X = trained([(4, 4, 1), Shift(1.0), Conv2D(2, 2, padding="same"), 3])
    assert net.layers[1].window((4, 4, 1))[7:9] == (0, 0)
    folded = net.folded()
    assert isinstance(folded.layers[0], Shift)
    np.testing.assert_allclose(folded.predict(X), net.predict(X), rtol=1e-12, atol=1e-12)
