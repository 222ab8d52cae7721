"""Pruned and quantised networks: which weights they have, and what they say that it costs."""
import numpy as np
import pytest

from export_cases import of_layers
from fastmlp import MLP, BatchNorm, Conv2D, Dense, tie_transpose

LAYERS = [(6, 5, 2), Conv2D(3, 3, "gelu"), BatchNorm(), Dense(9, "tanh"), 4]
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def matrices(net):
    return [W for W in net.W if W is not None and W.ndim > 1]


def assert_as_reported(small, net, X):
    difference = np.abs(small.network.predict(X) - net.predict(X))
    assert small.largest == difference.max() > 0 and small.mean == pytest.approx(difference.mean(), rel=1e-6)
    for b, found in zip(net.b, small.network.b):
        np.testing.assert_array_equal(found, b)
    np.testing.assert_array_equal(small.network.W[2], net.W[2])  # gamma
    zeros, total = sum((W == 0).sum() for W in matrices(small.network)), sum(W.size for W in matrices(net))
    assert small.zeros == pytest.approx(zeros / total)


@dtypes
def test_pruned(dtype):
    net, X = of_layers(LAYERS, dtype=dtype)
    before = net.params
    small = net.pruned(0.1, X)
    assert_as_reported(small, net, X)
    np.testing.assert_array_equal(net.params, before)
    for W, found in zip(matrices(net), matrices(small.network)):
        np.testing.assert_array_equal(found[np.abs(W) > 0.1], W[np.abs(W) > 0.1])
        assert not found[np.abs(W) <= 0.1].any() and (np.abs(W) <= 0.1).any()


def test_of_no_rows():
    net, X = of_layers([4, 3, 2])
    small = net.pruned(0.0)
    assert small.largest is small.mean is None
    np.testing.assert_array_equal(small.network.predict(X), net.predict(X))


@dtypes
def test_int8(dtype):
    net, X = of_layers(LAYERS, dtype=dtype)
    small = net.quantized("int8", X)
    assert_as_reported(small, net, X)
    for W, found in zip(matrices(net), matrices(small.network)):
        units = W.shape[-1]
        for w, f in zip(W.reshape(-1, units).T, found.reshape(-1, units).T):
            step = np.abs(w).max() / 127
            np.testing.assert_allclose(f / step, np.rint(f / step), atol=1e-4)
            assert np.abs(f - w).max() <= step / 2 * 1.001
            assert len(set(f)) <= 255


@dtypes
def test_bfloat16(dtype):
    net, X = of_layers(LAYERS, dtype=dtype)
    small = net.quantized("bfloat16", X)
    assert_as_reported(small, net, X)
    for W, found in zip(matrices(net), matrices(small.network)):
        assert not (found.astype(np.float32).view(np.uint32) & 0xFFFF).any()
        np.testing.assert_allclose(found, W, rtol=2**-8)


@pytest.mark.parametrize("number, wanted", [
    (1 + 2**-8, 1.0), (1 + 3 * 2**-8, 1 + 2**-6), (1 + 2**-8 + 2**-20, 1 + 2**-7), (-1 - 2**-8, -1.0), (0.0, 0.0),
    (2.0**-126, 2.0**-126),
])
def test_ties_go_to_even(number, wanted):
    net = MLP([1, 1])
    net.W[1][...] = number
    assert net.quantized("bfloat16").network.W[1] == wanted


def test_units_without_weights():
    net = MLP([3, Dense(2, init="zeros")])
    assert net.quantized("int8").zeros == 1


def test_what_cannot_be():
    net = MLP([2, 1])
    with pytest.raises(ValueError, match="kind"):
        net.quantized("int4")
    with pytest.raises(ValueError, match="threshold"):
        net.pruned(-1)
    with pytest.raises(ValueError, match="ties"):
        MLP([4, 2, 4], ties=[tie_transpose(1, 2)]).pruned(0.1)


def test_notebooks():
    text = MLP([4, Dense(3, ("elu", 0.5)), 2], loss="cross_entropy")._repr_html_()
    assert text.count("<tr>") == 3 and "elu(0.5)" in text and "cross_entropy" in text and "<script" not in text
    assert all(text.count(f"<{tag}") == text.count(f"</{tag}>") for tag in ("table", "td", "p", "caption"))
