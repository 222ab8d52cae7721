"""Networks as ONNX: held to predict by the reference evaluator and, where it is there, by onnxruntime, in float32 to
1e-5, in float64 to 1e-12."""
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import fastmlp
from export_cases import KINDS, LOSSES, networks, of_kind, of_layers, of_loss
from fastmlp import MLP, Dense
from fastmlp.layers import GLU, Activation, Mixture

onnx = pytest.importorskip("onnx")
from onnx.reference import ReferenceEvaluator  # noqa: E402

NEAR = {"float32": 1e-5, "float64": 1e-12}
dtypes = pytest.mark.parametrize("dtype", NEAR)


def evaluated(model, X):
    """Outputs by name."""
    run = ReferenceEvaluator(model)
    return dict(zip(run.output_names, run.run(None, {"X": X})))


def by_onnxruntime(model, X):
    """The same."""
    runtime = pytest.importorskip("onnxruntime")
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    return dict(zip([output.name for output in session.get_outputs()], session.run(None, {"X": X})))


def assert_held(run, net, X, times=1):
    """run: evaluated or by_onnxruntime. times: how many times as far it may be off, of deep networks, which amplify
    rounding."""
    found = run(net.to_onnx(), X.reshape(-1, *net.shapes[0]))
    assert set(found) == {"output"} and found["output"].dtype == net.dtype
    near, wanted = times * NEAR[net.dtype.name], net.predict(X)
    np.testing.assert_allclose(found["output"], wanted, rtol=near, atol=near * max(1, np.abs(wanted).max()))


runs = pytest.mark.parametrize("run", [evaluated, by_onnxruntime], ids=lambda run: run.__name__)


@runs
@dtypes
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_kind(kind, dtype, run):
    assert_held(run, *of_kind(kind, dtype=dtype))


@runs
@dtypes
@pytest.mark.parametrize("activation", fastmlp.activations())
def test_each_activation(activation, dtype, run):
    given = (activation, 0.3) if activation in ("elu", "leaky_relu") else activation
    net, X = of_layers([6, Dense(33, given), Dense(8, given), 4], dtype=dtype)
    assert_held(run, net, np.concatenate([X, 30 * X, np.zeros((1, 6), dtype)]))


@runs
@dtypes
@pytest.mark.parametrize("activation", fastmlp.activations())
def test_each_activation_inside(activation, dtype, run):
    """of a gate and a mixture"""
    net, X = of_layers([6, Dense(10), GLU(activation), Mixture(activation), 4], dtype=dtype)
    assert_held(run, net, X)


@runs
@dtypes
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_each_link(loss, dtype, run):
    for targets in (1, 5):
        assert_held(run, *of_loss(loss, targets, dtype=dtype))


@runs
@given(networks())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_networks(run, drawn):
    assert_held(run, *drawn, times=20)


def test_activations_of_float64_near_and_far_from_0():
    """each by itself, relative to what it is"""
    s = np.concatenate([np.geomspace(1e-12, 700, 400), [0.0]])
    s = np.concatenate([-s, s])[:, None]
    for activation in ("elu", "selu", "gelu", "softsign"):
        net = MLP([1, Activation(activation), 1], dtype="float64")
        net.W[2][...] = 1
        for run in (evaluated, by_onnxruntime):
            np.testing.assert_allclose(run(net.to_onnx(), s)["output"], net.predict(s), rtol=1e-12, atol=1e-280)


def test_for_old_runtimes():
    model = MLP([3, 2]).to_onnx()
    assert model.ir_version == 8 and [(o.domain, o.version) for o in model.opset_import] == [("", 17)]


def test_another_dtype():
    net, X = of_layers([6, 9, 4], dtype="float64")
    found = evaluated(net.to_onnx(dtype="float32"), X.astype(np.float32))["output"]
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, net.predict(X), rtol=1e-5, atol=1e-6)
    with pytest.raises(ValueError, match="dtype"):
        net.to_onnx(dtype="float16")
    net.W[1][0, 0] = 1e300
    with pytest.raises(ValueError, match="dtype.*W\\[1\\]"):
        net.to_onnx(dtype="float32")


# ---- and back


@dtypes
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_there_and_back_to_the_bit(tmp_path, kind, dtype):
    net, X = of_kind(kind, dtype=dtype, loss=("huber", 0.5))
    net.to_onnx(tmp_path / "net.onnx")
    twin = MLP.from_onnx(tmp_path / "net.onnx")
    assert repr(twin) == repr(net) and twin.loss.spec == ("huber", 0.5)
    np.testing.assert_array_equal(twin.predict(X), net.predict(X))
    np.testing.assert_array_equal(twin.params, net.params)


def test_classes_come_back(tmp_path):
    X, y = np.random.default_rng(0).standard_normal((30, 4)), np.array(["no", "yes", "perhaps"] * 10)
    net = MLP([4, 3], loss="cross_entropy", random_state=0)
    net.fit(X, y, epochs=1)
    net.to_onnx(tmp_path / "net.onnx")
    twin = MLP.from_onnx(tmp_path / "net.onnx")
    np.testing.assert_array_equal(twin.classes, ["no", "perhaps", "yes"])
    np.testing.assert_array_equal(twin.predict_labels(X), net.predict_labels(X))


def test_files_of_others(tmp_path):
    path = tmp_path / "net.onnx"
    model = MLP([3, 2]).to_onnx(path)
    del model.metadata_props[:]
    for content in (b"", b"nothing", path.read_bytes()[:100], model.SerializeToString()):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="path .* fastmlp wrote"):
            MLP.from_onnx(path)
    with pytest.raises(FileNotFoundError):
        MLP.from_onnx(tmp_path / "none")
    with pytest.raises(TypeError, match="path"):
        MLP([3, 2]).to_onnx(3)


def test_functions_of_users(tmp_path):
    net = MLP([3, 2], loss=lambda x, y: ((x - y) ** 2, 2 * (x - y)), random_state=0)
    X = np.ones((1, 3), np.float32)
    np.testing.assert_allclose(evaluated(net.to_onnx(tmp_path / "net.onnx"), X)["output"], net.predict(X), rtol=1e-6)
    with pytest.raises(ValueError, match="path .* fastmlp wrote"):
        MLP.from_onnx(tmp_path / "net.onnx")


@pytest.mark.parametrize("begins", [b"", b"\x08"], ids=["foreign", "too large"])
def test_of_a_large_file_that_is_none_of_ours_no_more_than_its_beginning_is_read(begins, tmp_path):
    with open(tmp_path / "large", "wb") as file:
        file.write(begins)
        file.truncate(2**34)  # takes no room
    with pytest.raises(ValueError, match="is not an ONNX model that fastmlp wrote.* 17179869184 bytes"):
        MLP.from_onnx(tmp_path / "large")
