"""Estimators of tables of numbers as C, compiled with all warnings and held to what they predict."""
import importlib

import numpy as np
import pandas as pd
import pytest

from fastmlp import MLPRegressor, TabularClassifier, TabularRegressor, export
from fastmlp.tabular import columns
from test_export_c import COMPILERS, function, loaded
from test_onnx_tables import FRAME, LABELS, LATER, MATRIX, Y, fitted, in_float64

pytestmark = pytest.mark.skipif(not COMPILERS, reason="no C compiler")
NEAR = {"float32": 1e-5, "float64": 1e-12}
dtypes = pytest.mark.parametrize("dtype", NEAR)
TABLES = {"numbers": MATRIX, "one": MATRIX[["year"]], "constants": FRAME[["same", "same"]].set_axis(["a", "b"], axis=1),
          "a constant": FRAME[["same", "rooms", "new"]]}
tables = pytest.mark.parametrize("X", TABLES.values(), ids=TABLES)


def predicted(folder, est, X, dtype, d_out, **options):
    return function(loaded(folder, est.to_c(dtype=dtype, **options)), "predict", dtype, d_out)(X)


def later(X):
    return pd.concat([X, LATER.reindex(columns=X.columns).astype(float).fillna(7)]) if "a" in X else LATER[X.columns]


@dtypes
@tables
@pytest.mark.parametrize("labels", ["two", "three"])
def test_classifiers(tmp_path, X, labels, dtype):
    est, rows = fitted(TabularClassifier, X, LABELS[labels]), later(X)
    found = predicted(tmp_path, est, np.asarray(rows, dtype), dtype, len(est.classes_))
    np.testing.assert_allclose(found, est.predict_proba(rows), rtol=1e-5, atol=1e-5)
    exact = est._probabilities(in_float64(est, rows)).mean(axis=0)
    np.testing.assert_allclose(found, exact, rtol=NEAR[dtype], atol=NEAR[dtype])


@dtypes
@tables
@pytest.mark.parametrize("transform, clip, n_members", [(None, True, 2), ("power", True, 1), ("power", False, 3)])
def test_regressors(tmp_path, X, transform, clip, n_members, dtype):
    est = fitted(TabularRegressor, X, target_transform=transform, clip=clip, n_members=n_members)
    rows, near = later(X), NEAR[dtype]
    found = predicted(tmp_path, est, np.asarray(rows, dtype), dtype, 1)[:, 0]
    size = np.abs(est.predict(rows)).max()
    np.testing.assert_allclose(found, est.predict(rows), rtol=1e-5, atol=1e-5 * size)
    exact = est._scale.means(in_float64(est, rows)[..., 0].mean(axis=0), clip)
    np.testing.assert_allclose(found, exact, rtol=near, atol=near * size)


def test_outputs_beyond_the_points_between_which_means_are_known(tmp_path):
    est = fitted(TabularRegressor, MATRIX, target_transform="power", clip=False)
    outputs = est._outputs(MATRIX)[..., 0].mean(axis=0)
    est._scale.points = np.linspace(*np.quantile(outputs, [0.2, 0.8]), 50)
    est._scale.smeared = np.linspace(1, 3, 50) ** 2
    wanted = est.predict(MATRIX)
    assert (wanted == 1).sum() > 30 and (wanted == 9).sum() > 30
    found = predicted(tmp_path, est, np.asarray(MATRIX, np.float32), "float32", 1)[:, 0]
    np.testing.assert_allclose(found, wanted, rtol=1e-4)


@pytest.mark.parametrize("cc", COMPILERS)
def test_smaller_weights_and_other_compilers(tmp_path, cc):
    est = fitted(TabularRegressor, MATRIX)
    whole, small = est.to_c(), est.to_c(tmp_path / "est.c", weights="int8", name="price")
    assert (tmp_path / "est.c").read_text() == small and len(small) < 0.6 * len(whole)
    run = function(loaded(tmp_path, small, cc=cc), "price", "float32", 1)
    found = run(np.asarray(LATER[MATRIX.columns], np.float32))
    assert np.abs(found[:, 0] - est.predict(LATER)).max() < 0.05 * np.ptp(Y)


def test_two_in_one_program(tmp_path):
    text = "".join(fitted(TabularRegressor, MATRIX).to_c(name=name) for name in ("a", "b"))
    loaded(tmp_path, text)


@pytest.mark.parametrize("X, said", [
    (FRAME[["colour", "size"]], "'colour', a category: use to_onnx"),
    (FRAME[["only", "size"]], "'only', a category: use to_onnx"),
    (MATRIX.assign(when=pd.date_range("2024-01-01", periods=len(MATRIX))), "'when', a time: fit .* year, month and"),
    (MATRIX.assign(place=40.7 + 1e-5 * MATRIX["rooms"]), "'place', .* dtype=\"float64\""),
])
def test_what_cannot_be(X, said):
    with pytest.raises(ValueError, match=said):
        fitted(TabularRegressor, X).to_c()


def test_other_models():
    with pytest.raises(ValueError, match="classes_ must be two or more"):
        fitted(TabularClassifier, MATRIX, LABELS["one"]).to_c()
    with pytest.raises(TypeError, match="model must be an MLP, as network_ of estimators is"):
        export.to_c(MLPRegressor(max_iter=1))
    with pytest.raises(ValueError, match="not fitted"):
        TabularRegressor().to_c()


def test_the_table_has_all_kinds_of_columns():
    kinds = {columns.NUMBER, columns.CATEGORY, columns.TIME}
    assert set(importlib.import_module("fastmlp.export._c_tables").INSTEAD) == kinds == set(columns._WHAT)
