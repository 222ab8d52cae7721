"""Pruned and quantised networks: which weights they have, and what they say that it costs."""
import numpy as np
import pytest

from export_cases import ALL_KINDS, of_kind, of_layers
from fastmlp import MLP, BatchNorm, Conv2D, Dense, MLPAutoencoder, tie_transpose

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


@pytest.mark.parametrize("small", [lambda net, X: net.pruned(0.1, X), lambda net, X: net.quantized("int8", X)])
def test_ties_stay_behind(small):
    net = MLP([6, 6, BatchNorm(), Dense(6, "tanh"), 6], ties=[tie_transpose(1, 4)], dtype="float64", random_state=0)
    X = np.random.default_rng(0).standard_normal((60, 6))
    net.fit(X, X, "adam", epochs=3)
    before, made = net.params, small(net, X)
    assert_as_reported(made, net, X)
    assert made.network.ties == () and made.largest > 0 and type(made.zeros) is float
    np.testing.assert_array_equal(net.params, before)


def test_of_an_autoencoder_that_is_tied():
    X = np.random.default_rng(0).standard_normal((60, 6))
    est = MLPAutoencoder((4, 2), max_iter=20, random_state=0).fit(X)
    assert est.network_.ties
    assert est.network_.quantized("int8", X).largest < 0.2


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


def test_notebooks():
    text = MLP([4, Dense(3, ("elu", 0.5)), 2], loss="cross_entropy")._repr_html_()
    assert text.count("<tr>") == 3 and "elu(0.5)" in text and "cross_entropy" in text and "<script" not in text
    assert all(text.count(f"<{tag}") == text.count(f"</{tag}>") for tag in ("table", "td", "p", "caption"))


# ---- as ONNX

KEPT = {"int8": 4, "bfloat16": 2, "sparse": 1 / (0.2 + 1 / 32)}  # how many times as small weights are, 80 % of them 0


def kept_as(net, kept, share=0.3):
    """(a network, what it predicts with weights in less room); of a sparse one a share of its weights are 0."""
    if kept != "sparse":
        return net, net.quantized(kept).network
    small = net.pruned(np.quantile(np.abs(np.concatenate([[0], *(W.ravel() for W in matrices(net))])), share)).network
    return small, small


@pytest.mark.parametrize("kept", KEPT)
@dtypes
@pytest.mark.parametrize("kind", ALL_KINDS, ids=lambda kind: kind.__name__)
def test_onnx_has_the_weights_of_simpler_networks(kind, dtype, kept, tmp_path):
    pytest.importorskip("onnx")
    from test_onnx import NEAR, evaluated

    net, X = of_kind(kind, dtype=dtype)
    net, small = kept_as(net, kept)
    model, near = net.to_onnx(tmp_path / "net.onnx", weights=kept), NEAR[dtype]
    found = evaluated(model, X.reshape(-1, *net.shapes[0]))["output"]
    np.testing.assert_allclose(found, small.predict(X), rtol=near, atol=near * max(1, np.abs(found).max()))
    twin = MLP.from_onnx(tmp_path / "net.onnx")
    np.testing.assert_array_equal(twin.params, small.params)
    np.testing.assert_array_equal(twin.predict(X), small.predict(X))


@pytest.mark.parametrize("kept, times", KEPT.items())
def test_onnx_files_are_smaller(kept, times, tmp_path):
    pytest.importorskip("onnx")
    net, _ = kept_as(MLP([64, 300, 300, 10], random_state=0), kept, 0.8)
    net.to_onnx(tmp_path / "whole.onnx")
    net.to_onnx(tmp_path / "small.onnx", weights=kept)
    whole, small = ((tmp_path / name).stat().st_size for name in ("whole.onnx", "small.onnx"))
    assert whole > 4 * net.n_params and 0.93 * times < whole / small < times


@pytest.mark.parametrize("kept", KEPT)
@dtypes
def test_onnxruntime_takes_them(kept, dtype, tmp_path):
    onnx = pytest.importorskip("onnx")
    runtime = pytest.importorskip("onnxruntime")
    net, X = of_layers(LAYERS, dtype=dtype)
    net, small = kept_as(net, kept)
    model = net.to_onnx(weights=kept).SerializeToString()
    options = runtime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    session = runtime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    found = session.run(["output"], {"X": X.reshape(-1, *net.shapes[0])})[0]
    np.testing.assert_allclose(found, small.predict(X), rtol=1e-5, atol=1e-5)
    kinds = {node.op_type for node in onnx.load(tmp_path / "optimized.onnx").graph.node}
    assert not {"Cast", "CumSum"} & kinds  # weights are computed once, when it is loaded


def test_sparse_files_of_weights_that_are_all_0(tmp_path):
    pytest.importorskip("onnx")
    net = MLP([3, Dense(4, init="zeros"), 2], random_state=0)
    net.to_onnx(tmp_path / "net.onnx", weights="sparse")
    np.testing.assert_array_equal(MLP.from_onnx(tmp_path / "net.onnx").params, net.params)


def test_estimators_as_smaller_onnx():
    pytest.importorskip("onnx")
    from sklearn.datasets import load_diabetes

    from fastmlp import MLPRegressor, TabularRegressor
    from test_onnx import evaluated

    X, y = load_diabetes(return_X_y=True)
    for est in (MLPRegressor(hidden_layer_sizes=(200, 200)), TabularRegressor(preset="fast")):
        est.set_params(max_iter=2, random_state=0).fit(X, y)
        models = [est.to_onnx(dtype="float32", weights=kept) for kept in (None, "bfloat16", "int8")]
        sizes = [model.ByteSize() for model in models]
        assert sizes[0] > 1.8 * sizes[1] > 3.1 * sizes[2]
        for model in models[1:]:
            found = evaluated(model, X.astype(np.float32))["variable"][:, 0]
            assert np.abs(found - est.predict(X)).max() < 0.05 * np.ptp(est.predict(X))


def test_unknown_ways_to_keep_weights():
    pytest.importorskip("onnx")
    with pytest.raises(ValueError, match="weights must be .* got 'int4'"):
        MLP([2, 1]).to_onnx(weights="int4")
