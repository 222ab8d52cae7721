"""Estimators as ONNX, by to_onnx and by skl2onnx: labels, probabilities, Pipelines."""
import os
import warnings

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastmlp
from fastmlp import MLPAutoencoder, MLPClassifier, MLPRegressor, export

pytest.importorskip("onnx")
from test_onnx import evaluated, runs  # noqa: E402

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
LABELS = {
    "of integers": np.array([3, -5, 7] * 20),
    "two integers": np.array([0, 1] * 30),
    "strings": np.array(["a", "long one", "ä"] * 20),
    "two strings": np.array(["no", "yes"] * 30),
    "objects": np.array(["a", "b", "c"] * 20, object),
    "booleans": np.array([True, False] * 30),
    "floats": np.array([1.0, 2.0, 3.0] * 20),
    "one class": np.full(60, 4),
    "several a row": (RNG.random((60, 3)) > 0.5).astype(int),
}
near = dict(rtol=1e-5, atol=1e-6)


def fitted(est, *data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return est.set_params(**({"max_iter": 3} if hasattr(est, "max_iter") else {})).fit(*data)


@runs
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("labels", LABELS)
def test_classifiers(labels, dtype, run):
    est = fitted(MLPClassifier((9,), "gelu", dtype=dtype, random_state=0), X, LABELS[labels])
    found = run(est.to_onnx(), X.astype(dtype))
    assert set(found) == {"label", "probabilities"}
    np.testing.assert_array_equal(found["label"], est.predict(X.astype(dtype)))
    np.testing.assert_allclose(found["probabilities"], est.predict_proba(X.astype(dtype)),
                               **(near if dtype == "float32" else dict(rtol=1e-12)))


@pytest.mark.parametrize("loss, each", [("squared_error", 1), ("poisson", 1), (("quantile", 0.2), 1),
                                        (("quantile", (0.2, 0.7)), 2), (("ordered_quantile", (0.2, 0.5, 0.7)), 3)])
@pytest.mark.parametrize("outputs", [1, 3])
@runs
def test_regressors(loss, each, outputs, run):
    est = fitted(MLPRegressor(loss, (9, 5), ["tanh", "mish"], random_state=0), X, RNG.random((60, outputs)))
    found = run(est.to_onnx(), X)
    assert set(found) == {"variable"} and found["variable"].shape == (60, outputs * each)
    np.testing.assert_allclose(found["variable"].ravel(), est.predict(X).ravel(), rtol=1e-12)


@runs
def test_autoencoders(run):
    est = fitted(MLPAutoencoder((9, 3), dropout=0.1, random_state=0), X)
    found = run(est.to_onnx(), X)
    np.testing.assert_allclose(found["variable"], est.transform(X), rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(found["reconstruction"], est.inverse_transform(est.transform(X)), rtol=1e-12, atol=1e-14)


def test_the_network_inside(tmp_path):
    est = fitted(MLPClassifier((9,), dropout=0.2, random_state=0), X, LABELS["strings"])
    est.to_onnx(tmp_path / "est.onnx")
    twin = fastmlp.MLP.from_onnx(tmp_path / "est.onnx")
    np.testing.assert_array_equal(twin.predict(X), est.predict_proba(X))
    np.testing.assert_array_equal(est.network_.predict(X), est.predict_proba(X))


def test_what_cannot_be_written():
    with pytest.raises(ValueError, match="not fitted"):
        MLPClassifier().to_onnx()
    est = fitted(MLPClassifier((3,)), X, LABELS["objects"])
    est.classes_ = np.array([b"a", b"b", b"c"], object)
    with pytest.raises(ValueError, match="classes_ must be numbers or strings"):
        est.to_onnx()
    with pytest.raises(TypeError, match="model must be .*MLPClassifier, MLPRegressor"):
        export.to_onnx(StandardScaler())
    with pytest.raises(TypeError, match="got a Pipeline; .*register_skl2onnx"):
        export.to_onnx(make_pipeline(StandardScaler(), MLPClassifier()))


# ---- skl2onnx


def converted(model, dtype=np.float32, **options):
    skl2onnx = pytest.importorskip("skl2onnx")
    export.register_skl2onnx()
    return skl2onnx.to_onnx(model, X.astype(dtype), **options)


def declared(model):
    """{name: (n_columns,), or () of what has none} of a model's outputs, as it says."""
    shapes = {output.name: output.type.tensor_type.shape.dim for output in model.graph.output}
    return {name: tuple(dim.dim_value for dim in shape[1:]) for name, shape in shapes.items()}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("labels", [kind for kind in LABELS if kind != "one class"])
def test_pipelines_with_a_classifier(labels, dtype):
    model = fitted(make_pipeline(StandardScaler(), MLPClassifier((9,), "silu", random_state=0)), X, LABELS[labels])
    onnx = converted(model, dtype, options={"zipmap": False})
    found = evaluated(onnx, X.astype(dtype))
    assert declared(onnx) == {name: array.shape[1:] for name, array in found.items()}
    assert set(found) == {"label", "probabilities"}
    np.testing.assert_array_equal(found["label"], model.predict(X))
    np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), **near)


def test_names_of_a_classifier_with_zipmap():
    model = fitted(MLPClassifier((9,), random_state=0), X, LABELS["strings"])
    assert [output.name for output in converted(model).graph.output] == ["output_label", "output_probability"]


@pytest.mark.parametrize("loss", ["poisson", ("ordered_quantile", (0.2, 0.5))])
@pytest.mark.parametrize("outputs", [1, 3])
def test_pipelines_with_a_regressor(loss, outputs):
    model = make_pipeline(StandardScaler(), MLPRegressor(loss, (9,), "elu", random_state=0))
    fitted(model, X, RNG.random((60, outputs)))
    onnx = converted(model)
    found = evaluated(onnx, X.astype(np.float32))
    assert declared(onnx) == {"variable": found["variable"].shape[1:]}
    np.testing.assert_allclose(found["variable"].reshape(model.predict(X).shape), model.predict(X), **near)


def test_pipelines_with_an_autoencoder():
    model = fitted(make_pipeline(StandardScaler(), MLPAutoencoder((9, 3), "tanh", random_state=0)), X)
    onnx = converted(model)
    found = evaluated(onnx, X.astype(np.float32))
    assert declared(onnx) == {"variable": (3,)}
    np.testing.assert_allclose(found["variable"], model.transform(X), **near)


def test_files(tmp_path):
    est = fitted(MLPRegressor(hidden_layer_sizes=(3,)), X, X[:, 0])
    model = est.to_onnx(tmp_path / "est.onnx")
    assert (tmp_path / "est.onnx").read_bytes() == model.SerializeToString() and os.listdir(tmp_path) == ["est.onnx"]
