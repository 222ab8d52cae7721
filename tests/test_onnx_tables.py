"""Estimators of tables as ONNX: columns of all kinds, their encodings, the ensemble, the scale of targets, labels."""
import importlib
import inspect

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import make_column_transformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline

import fastmlp
from fastmlp import MLP, TabularClassifier, TabularRegressor, export
from fastmlp.tabular import columns, encode, joint, sketch

pytest.importorskip("onnx")
from onnx.reference import ReferenceEvaluator  # noqa: E402

N, STRING, DOUBLE = 300, 8, 11  # ONNX's numbers for dtypes
RNG = np.random.default_rng(0)
FRAME = pd.DataFrame({
    "size": np.where(RNG.random(N) < 0.1, np.nan, RNG.lognormal(3.0, 1.0, N).astype(np.float32)),
    "year": RNG.integers(1990, 2020, N),
    "rooms": RNG.integers(1, 5, N),
    "new": RNG.random(N) < 0.3,
    "same": 7,
    "colour": RNG.choice(np.array(["red", "blue", "grün", None], object), N),
    "code": RNG.choice([3, 14, 15], N),
    "grade": pd.Categorical(RNG.choice(["a", "b"], N)),
    "only": "one",
    "Cast0": RNG.standard_normal(N).astype(np.float32),  # as an operator might be called
    "rare": np.array(["of many", *(f"{i}" for i in range(N - 2)), "of many"], object),
})
LATER = pd.concat([FRAME[:20], pd.DataFrame({
    "size": [np.nan, 1e6, -5.0], "year": [2050, 1800, 2000], "rooms": [2, 9, 0], "new": [True, False, False],
    "same": [7, 8, 7], "colour": [None, "unheard of", "grün"], "code": [3, 4, 15], "grade": [None, "a", "c"],
    "only": ["one", "two", None], "Cast0": [0.5, -90, 4], "rare": ["of many", "5", "never"],
})], ignore_index=True)
MATRIX = FRAME[["size", "year", "rooms", "Cast0"]]
Y = np.nan_to_num(FRAME["size"].to_numpy()) + 10.0 * FRAME["new"] + 3.0 * FRAME["rooms"]
LABELS = {"two": Y > Y.median(), "three": np.array(["low", "mid", "hügh"])[pd.qcut(Y, 3, labels=False)],
          "numbers": np.array([7, -2, 5])[pd.qcut(Y, 3, labels=False)], "one": np.full(N, "yes")}


def fitted(kind, X=FRAME, y=Y, **options):
    options = {"max_iter": 2, "n_threads": 1, "random_state": 0, "preset": "fast", **options}
    return kind(categorical_features=["code"] if "code" in X else None, **options).fit(X, y)


def fed(model, X):
    """The inputs of a model, by name, as users of a runtime write them."""
    wanted = {given.name: given.type.tensor_type.elem_type for given in model.graph.input}
    numbers = np.float64 if DOUBLE in wanted.values() else np.float32
    if list(wanted) == ["X"]:
        return {"X": np.asarray(X, numbers)}
    return {name: as_text(X[name]) if kind == STRING else X[name].to_numpy(np.float64)[:, None].astype(numbers)
            for name, kind in wanted.items()}


def as_text(column):
    """(n, 1), "" where missing"""
    return np.array([["" if pd.isna(value) else str(value)] for value in column], object)


def evaluated(model, feed):
    run = ReferenceEvaluator(model)
    return dict(zip(run.output_names, run.run(None, feed)))


def in_float64(est, X):
    """x(L) of each member, were all that it computes of float64."""
    table, features = est._read(X), []
    for column, part, block in est._encoder.blocks:
        features.append(np.zeros((len(X), block.width)))
        block.encode(sketch.parts_of(table[column])[part], features[-1])
    nets = []
    for net in est._members():
        nets.append(MLP([net.d[0], *net.layers], loss=net.loss.spec, dtype="float64"))
        nets[-1].params = net.params
    x = np.concatenate(features, axis=1) if features else np.zeros((len(X), 1))
    return np.stack([net._network.predict(x, linked=False) for net in nets])


near = {"float32": dict(rtol=1e-5, atol=1e-5), "float64": dict(rtol=1e-12, atol=1e-12)}
dtypes = pytest.mark.parametrize("dtype", near)
TABLES = {"all kinds": list(FRAME), "numbers": list(MATRIX), "categories": ["colour", "code"],
          "constants": ["same", "only"], "one number": ["year"]}
tables = pytest.mark.parametrize("X", [FRAME[columns] for columns in TABLES.values()], ids=TABLES)


@dtypes
@tables
@pytest.mark.parametrize("labels", LABELS)
def test_classifiers(X, labels, dtype):
    est = fitted(TabularClassifier, X, LABELS[labels])
    model, later = est.to_onnx(dtype=dtype), LATER[X.columns]
    found = evaluated(model, fed(model, later))
    assert set(found) == {"label", "probabilities"} and found["probabilities"].dtype == dtype
    np.testing.assert_allclose(found["probabilities"], est.predict_proba(later), **near["float32"])
    exact = est._probabilities(in_float64(est, later)).mean(axis=0)
    np.testing.assert_allclose(found["probabilities"], exact, **near[dtype])
    np.testing.assert_array_equal(found["label"], est.predict(later))


@dtypes
@tables
@pytest.mark.parametrize("transform", [None, "power"])
@pytest.mark.parametrize("clip", [True, False])
def test_regressors(X, transform, clip, dtype):
    est = fitted(TabularRegressor, X, target_transform=transform, clip=clip)
    model, later = est.to_onnx(dtype=dtype), LATER[X.columns]
    found = evaluated(model, fed(model, later))
    assert set(found) == {"variable"} and found["variable"].shape == (len(later), 1)
    size = np.abs(est.predict(later)).max()
    np.testing.assert_allclose(found["variable"][:, 0], est.predict(later), rtol=1e-5, atol=1e-5 * size)
    exact = est._scale.means(in_float64(est, later)[..., 0].mean(axis=0), clip)
    tolerance = near[dtype]["rtol"]
    np.testing.assert_allclose(found["variable"][:, 0], exact, rtol=tolerance, atol=tolerance * size)


@pytest.mark.parametrize("members", joint.WAYS)
def test_members_that_trained_as_one(members):
    est = fitted(TabularClassifier, FRAME, LABELS["three"], members=members, n_members=3)
    found = evaluated(model := est.to_onnx(), fed(model, LATER))
    np.testing.assert_allclose(found["probabilities"], est.predict_proba(LATER), **near["float32"])


# ---- what ONNX has no place for


def test_hashed_categories():
    frame = pd.DataFrame({"zip": [f"{i % 150}" for i in range(600)] + ["a", "b", None], "size": np.arange(603.0)})
    est = fitted(TabularRegressor, frame, np.arange(603.0) % 7)
    with pytest.warns(UserWarning, match="'zip' .* hashed") as told:
        model = est.to_onnx()
    assert told[0].filename == __file__
    found = evaluated(model, fed(model, frame))["variable"][:, 0]
    np.testing.assert_allclose(found, est.predict(frame), rtol=1e-5, atol=1e-5)
    new = frame[:1].assign(zip="new")
    block = next(block for _, _, block in est._encoder.blocks if isinstance(block, encode.CategoryBlock))
    block.many, block.counts = False, {}  # where new ones have no features
    np.testing.assert_allclose(evaluated(model, fed(model, new))["variable"][:, 0], est.predict(new), rtol=1e-5)


def test_points_in_time():
    frame = FRAME.assign(when=pd.date_range("2024-01-01", periods=N))
    with pytest.raises(ValueError, match="'when' of points in time: fit to a table that has their parts"):
        fitted(TabularRegressor, frame).to_onnx()


@pytest.mark.parametrize("value, said", [("", "both missing categories and empty text"), ("x", None)])
def test_empty_text(value, said):
    frame = pd.DataFrame({"a": ["p", "q", None, value] * 75, "b": np.arange(N)})
    est = fitted(TabularRegressor, frame)
    if said:
        with pytest.raises(ValueError, match=f"{said} .* 'a'"):
            est.to_onnx()
    else:
        model = est.to_onnx()
        np.testing.assert_allclose(evaluated(model, fed(model, frame))["variable"][:, 0], est.predict(frame), rtol=1e-5)


def test_empty_text_alone():
    frame = pd.DataFrame({"a": ["p", "q", "", ""] * 75, "b": np.arange(N)})
    est = fitted(TabularRegressor, frame)
    model = est.to_onnx()
    np.testing.assert_allclose(evaluated(model, fed(model, frame))["variable"][:, 0], est.predict(frame), rtol=1e-5)


@pytest.mark.parametrize("names", [["label", "b"], ["", "b"], [1, "1"]])
def test_names_that_cannot_be(names):
    frame = pd.DataFrame({names[0]: ["p", "q", "r"] * 100, names[1]: np.arange(N)})
    with pytest.raises(ValueError, match="columns must have different names"):
        fitted(TabularClassifier, frame, LABELS["two"]).to_onnx()


@pytest.mark.parametrize("values", [40.7 + 1e-4 * RNG.random(N), np.arange(N) + 1e9, 1 + 1e-9 * (RNG.random(N) < 0.5)])
def test_values_that_float32_does_not_tell_apart(values):
    frame = pd.DataFrame({"place": values, "b": np.arange(N)})
    est = fitted(TabularRegressor, frame)
    with pytest.raises(ValueError, match="'place', .* give dtype=\"float64\""):
        est.to_onnx()
    model = est.to_onnx(dtype="float64")
    np.testing.assert_allclose(evaluated(model, fed(model, frame))["variable"][:, 0], est.predict(frame), rtol=1e-5)


# ---- arrays, files, the table


def test_arrays():
    X = FRAME[["size", "colour", "year"]].to_numpy(object)
    est = fitted(TabularRegressor, X)
    model = est.to_onnx()
    assert [given.name for given in model.graph.input] == ["x0", "x1", "x2"]
    found = evaluated(model, fed(model, pd.DataFrame(X, columns=["x0", "x1", "x2"])))
    np.testing.assert_allclose(found["variable"][:, 0], est.predict(X), rtol=1e-5, atol=1e-4)


def test_one_member(tmp_path):
    est = fitted(TabularRegressor, MATRIX, n_members=1)
    model = est.to_onnx(tmp_path / "est.onnx")
    np.testing.assert_allclose(evaluated(model, fed(model, MATRIX))["variable"][:, 0], est.predict(MATRIX), rtol=1e-5)
    with pytest.raises(ValueError, match="path .* wrote of a network: .*it has no .fastmlp. among its metadata"):
        MLP.from_onnx(tmp_path / "est.onnx")


def test_for_old_runtimes():
    model = fitted(TabularRegressor).to_onnx()
    assert model.ir_version == 8 and {o.domain: o.version for o in model.opset_import} == {"": 17, "ai.onnx.ml": 3}
    assert [given.name for given in model.graph.input] == list(FRAME)


def test_not_fitted():
    with pytest.raises(ValueError, match="not fitted"):
        TabularRegressor().to_onnx()


def test_the_tables_have_all_that_there_is():
    steps = importlib.import_module("fastmlp.export._onnx_tables")
    blocks = {name for name, cls in inspect.getmembers(encode, inspect.isclass) if hasattr(cls, "encode")}
    assert set(steps.BLOCKS) == blocks
    kinds = {columns.NUMBER, columns.CATEGORY, columns.TIME}
    assert set(importlib.import_module("fastmlp.export._tables").REFUSED) == kinds == set(columns._WHAT)
    estimators = {name for name in fastmlp.__all__ if hasattr(getattr(fastmlp, name), "set_params")}
    assert set(importlib.import_module("fastmlp.export._onnx_estimators").ESTIMATORS) == estimators


# ---- by onnxruntime


@dtypes
@tables
@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_by_onnxruntime(kind, X, dtype):
    runtime = pytest.importorskip("onnxruntime")
    est = fitted(kind, X, LABELS["three"] if kind is TabularClassifier else Y)
    model, later = est.to_onnx(dtype=dtype), LATER[X.columns]
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    found = dict(zip((o.name for o in session.get_outputs()), session.run(None, fed(model, later))))
    if kind is TabularClassifier:
        np.testing.assert_array_equal(found["label"], est.predict(later))
        np.testing.assert_allclose(found["probabilities"], est.predict_proba(later), rtol=1e-5, atol=1e-5)
    else:
        np.testing.assert_allclose(found["variable"][:, 0], est.predict(later), rtol=1e-5, atol=1e-3)


# ---- skl2onnx


@pytest.mark.parametrize("kind", [TabularClassifier, TabularRegressor])
def test_pipelines(kind):
    skl2onnx = pytest.importorskip("skl2onnx")
    export.register_skl2onnx()
    X = MATRIX.to_numpy(np.float32)
    model = make_pipeline(SimpleImputer(), kind(preset="fast", max_iter=2, random_state=0))
    model.fit(X, LABELS["three"] if kind is TabularClassifier else Y)
    options = {"zipmap": False} if kind is TabularClassifier else None
    found = evaluated(skl2onnx.to_onnx(model, X, options={id(model[-1]): options} if options else None), {"X": X})
    if kind is TabularClassifier:
        np.testing.assert_array_equal(found["label"], model.predict(X))
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), rtol=1e-5, atol=1e-5)
    else:
        np.testing.assert_allclose(found["variable"][:, 0], model.predict(X), rtol=1e-5, atol=1e-4)


def assert_converted(model, first, X):
    """What skl2onnx makes of a model whose last step is one of ours, and of its first row, gives what it predicts."""
    skl2onnx = pytest.importorskip("skl2onnx")
    export.register_skl2onnx()
    est = model[-1]
    classes = hasattr(est, "classes_")
    converted = skl2onnx.to_onnx(model, first, options={id(est): {"zipmap": False}} if classes else None)
    found = evaluated(converted, fed_as_are(converted, X))
    if classes:
        np.testing.assert_array_equal(found["label"], model.predict(X))
        np.testing.assert_allclose(found["probabilities"], model.predict_proba(X), rtol=1e-5, atol=1e-5)
    else:
        size = np.abs(model.predict(X)).max()
        np.testing.assert_allclose(found["variable"][:, 0], model.predict(X), rtol=1e-5, atol=1e-5 * size)


def fed_as_are(model, X):
    """The columns of a frame as inputs of a model, of whatever types it wants."""
    dtypes = {1: np.float32, DOUBLE: np.float64, 7: np.int64, 9: np.bool_}
    types = {given.name: given.type.tensor_type.elem_type for given in model.graph.input}
    return {name: as_text(X[name]) if kind == STRING else X[name].to_numpy()[:, None].astype(dtypes[kind])
            for name, kind in types.items()}


MIXED = FRAME[["rooms", "size", "colour", "new", "code", "Cast0"]]
kinds = pytest.mark.parametrize("kind, y", [(TabularClassifier, LABELS["three"]), (TabularRegressor, Y)])


@kinds
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pipelines_of_mixed_columns(kind, y, dtype):
    est = fitted(kind, MIXED, y)
    assert_converted(make_pipeline(est), MIXED[:1].astype({"Cast0": dtype}), LATER[list(MIXED)])


@kinds
def test_pipelines_with_columns_that_are_transformed(kind, y):
    rest = make_column_transformer((SimpleImputer(), ["size", "rooms"]), ("passthrough", ["colour", "code"]),
                                   ("passthrough", ["Cast0"])).set_output(transform="pandas")
    est = kind("fast", max_iter=2, n_threads=1, random_state=0, categorical_features=[3])
    assert_converted(make_pipeline(rest, est).fit(MIXED, y), MIXED[:1], LATER[list(MIXED)])


@pytest.mark.parametrize("X, said", [
    (np.ones((1, 2), np.float32), "initial_types must be StringTensorType, Int64TensorType, .* for 0, a category"),
    (np.ones((1, 2), object), "initial_types must be FloatTensorType, .* for 1, a number, .* a type of its own"),
    (np.ones((1, 3), np.float32), "initial_types must be of 2 columns, those of fit, got 3"),
])
def test_what_pipelines_cannot_be_given(X, said):
    skl2onnx = pytest.importorskip("skl2onnx")
    export.register_skl2onnx()
    est = TabularRegressor(preset="fast", max_iter=2, categorical_features=[0]).fit([[3, 0], [4, 1]] * 20, [1, 2] * 20)
    with pytest.raises(ValueError, match=said):
        skl2onnx.to_onnx(est, X)
