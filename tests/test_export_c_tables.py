"""Estimators of tables as C, compiled with all warnings and held to what they predict."""
import ctypes
import importlib

import numpy as np
import pandas as pd
import pytest

from fastmlp import MLPRegressor, TabularClassifier, TabularRegressor, export
from fastmlp.tabular import columns, joint
from test_export_c import COMPILERS, function, loaded
from test_onnx_tables import FRAME, LABELS, LATER, MATRIX, Y, fitted, in_float64

pytestmark = pytest.mark.skipif(not COMPILERS, reason="no C compiler")
NEAR = {"float32": 1e-5, "float64": 1e-12}
dtypes = pytest.mark.parametrize("dtype", NEAR)
TABLES = {"numbers": MATRIX, "constants": FRAME[["same", "only"]], "all kinds": FRAME,
          "categories": FRAME[["colour", "code"]]}
tables = pytest.mark.parametrize("X", TABLES.values(), ids=TABLES)


def predicted(folder, est, X, dtype, d_out, **options):
    library = loaded(folder, est.to_c(dtype=dtype, **options))
    return function(library, "predict", dtype, d_out)(matrix(library, est, X, dtype))


def matrix(library, est, X, dtype):
    """A frame as the C function wants it."""
    made = np.empty(X.shape, dtype)
    for j, kind in enumerate(est.kinds_):
        if kind == columns.NUMBER:
            made[:, j] = X.iloc[:, j]
            continue
        code = library.predict_category
        code.argtypes, code.restype = [ctypes.c_size_t, ctypes.c_char_p], np.ctypeslib.as_ctypes_type(dtype)
        made[:, j] = [code(j, None if pd.isna(label) else str(label).encode()) for label in X.iloc[:, j]]
    return made


@dtypes
@tables
@pytest.mark.parametrize("labels", ["two", "three", "one"])
def test_classifiers(tmp_path, X, labels, dtype):
    est, rows = fitted(TabularClassifier, X, LABELS[labels]), LATER[X.columns]
    found = predicted(tmp_path, est, rows, dtype, len(est.classes_))
    np.testing.assert_allclose(found, est.predict_proba(rows), rtol=1e-5, atol=1e-5)
    exact = est._probabilities(in_float64(est, rows)).mean(axis=0)
    np.testing.assert_allclose(found, exact, rtol=NEAR[dtype], atol=NEAR[dtype])


@dtypes
def test_numbers_whose_squares_are_not_finite(tmp_path, dtype):
    est, rows = fitted(TabularRegressor, MATRIX), LATER[MATRIX.columns].astype(float)
    rows.iloc[:4] *= 1e25
    found = predicted(tmp_path, est, rows, dtype, 1)[:, 0]
    np.testing.assert_allclose(found, est.predict(rows), rtol=1e-4)


@dtypes
@tables
@pytest.mark.parametrize("transform, clip, n_members", [(None, True, 2), ("power", True, 1), ("power", False, 3)])
def test_regressors(tmp_path, X, transform, clip, n_members, dtype):
    est = fitted(TabularRegressor, X, target_transform=transform, clip=clip, n_members=n_members)
    rows, near = LATER[X.columns], NEAR[dtype]
    found = predicted(tmp_path, est, rows, dtype, 1)[:, 0]
    size = np.abs(est.predict(rows)).max()
    np.testing.assert_allclose(found, est.predict(rows), rtol=1e-5, atol=1e-5 * size)
    exact = est._scale.means(in_float64(est, rows)[..., 0].mean(axis=0), clip)
    np.testing.assert_allclose(found, exact, rtol=near, atol=near * size)


@pytest.mark.parametrize("members", joint.WAYS)
def test_members_that_trained_as_one(tmp_path, members):
    est = fitted(TabularClassifier, FRAME, LABELS["three"], members=members, n_members=3)
    found = predicted(tmp_path, est, LATER, "float32", 3)
    np.testing.assert_allclose(found, est.predict_proba(LATER), rtol=1e-5, atol=1e-5)


def test_outputs_beyond_the_points_between_which_means_are_known(tmp_path):
    est = fitted(TabularRegressor, MATRIX, target_transform="power", clip=False)
    outputs = est._outputs(MATRIX)[..., 0].mean(axis=0)
    est._scale.points = np.linspace(*np.quantile(outputs, [0.2, 0.8]), 50)
    est._scale.smeared = np.linspace(1, 3, 50) ** 2
    wanted = est.predict(MATRIX)
    assert (wanted == 1).sum() > 30 and (wanted == 9).sum() > 30
    found = predicted(tmp_path, est, MATRIX, "float32", 1)[:, 0]
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


LABELS_OF_C = ["", "a", "ab", "/* ", "*/", 'say "x"', "back\\\\slash", "??/", "ü", "new\nline", "dense", "real", "NULL"]


def test_labels_as_texts_of_c(tmp_path):
    frame = pd.DataFrame({"size": np.arange(260), "what": LABELS_OF_C * 20})
    est = fitted(TabularRegressor, frame, np.arange(260.0) % 13, max_iter=5)
    found = predicted(tmp_path, est, frame, "float32", 1)[:, 0]
    np.testing.assert_allclose(found, est.predict(frame), rtol=1e-5, atol=1e-5)
    assert len(set(found[:13])) == 13


def test_categories_by_codes(tmp_path):
    """Codes are places, other numbers stand for labels that fit did not see."""
    frame = pd.DataFrame({"a": ["p", "q", "r"] * 40 + ["rare", None], "b": np.arange(122)})
    est = fitted(TabularRegressor, frame, np.arange(122.0) % 3)
    library = loaded(tmp_path, est.to_c())
    codes = matrix(library, est, pd.DataFrame({"a": ["q", "p", "rare", "new", None], "b": 7.0}), "float32")
    assert sorted(codes[:2, 0]) == [0, 1] and (codes[2:4, 0] == 3).all() and np.isnan(codes[4, 0])
    run = function(library, "predict", "float32", 1)
    other = np.array([[code, 7] for code in (3, -1, 0.5, 1e30, -np.inf, np.inf)], np.float32)
    np.testing.assert_array_equal(run(other), np.repeat(run(codes[2:3]), 6, axis=0))


def test_hashed_categories(tmp_path):
    frame = pd.DataFrame({"zip": [f"{i % 150}" for i in range(600)] + ["a", "b", None], "size": np.arange(603.0)})
    est = fitted(TabularRegressor, frame, np.arange(603.0) % 7)
    with pytest.warns(UserWarning, match="'zip' .* hashed: C cannot") as told:
        est.to_c()
    assert told[0].filename == __file__
    with pytest.warns(UserWarning, match="hashed"):
        found = predicted(tmp_path, est, frame, "float32", 1)[:, 0]
    np.testing.assert_allclose(found, est.predict(frame), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("X, said", [
    (FRAME.assign(when=pd.date_range("2024-01-01", periods=len(FRAME))), "'when' of points in time: fit .* year"),
    (MATRIX.assign(place=40.7 + 1e-5 * MATRIX["rooms"]), "'place', .* dtype=\"float64\""),
])
def test_what_cannot_be(X, said):
    with pytest.raises(ValueError, match=said):
        fitted(TabularRegressor, X).to_c()


def test_other_models():
    with pytest.raises(TypeError, match="model must be an MLP, as network_ of estimators is"):
        export.to_c(MLPRegressor(max_iter=1))
    with pytest.raises(ValueError, match="not fitted"):
        TabularRegressor().to_c()


def test_the_tables_have_all_that_there_is():
    kinds = {columns.NUMBER, columns.CATEGORY, columns.TIME}
    assert set(importlib.import_module("fastmlp.export._tables").REFUSED) == kinds == set(columns._WHAT)
    ours, onnx = (importlib.import_module(f"fastmlp.export.{name}") for name in ("_c_tables", "_onnx_tables"))
    assert set(ours.BLOCKS) == set(onnx.BLOCKS)
