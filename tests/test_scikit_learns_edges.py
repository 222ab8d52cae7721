"""Where scikit-learn's machinery looks at the estimators: output containers, routing, tags, other libraries' copies."""
import gc

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.datasets import load_iris
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler, scale
from sklearn.utils import get_tags

from fastmlp import MLPAutoencoder, MLPClassifier, MLPRegressor, sensitivity

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed")

IRIS, SPECIES = load_iris(return_X_y=True)
ORDER = np.random.default_rng(0).permutation(150)
IRIS, SPECIES = IRIS[ORDER], SPECIES[ORDER]
FRAME = pd.DataFrame(scale(IRIS), columns=["a", "b", "c", "d"], index=np.arange(150) + 1000)


def classifier(**how):
    return MLPClassifier((5, 3), max_iter=3, random_state=0, **how)


# ---- transform


@pytest.mark.parametrize("how", ["set_output", "set_config"])
@pytest.mark.parametrize("parameter", [-1, 0, 1, -2])
@pytest.mark.parametrize("layer", [None, -1, 0, 1, -2])
def test_frames_of_the_layer_that_is_asked_for(layer, parameter, how):
    plain = classifier(transform_layer=parameter).fit(FRAME, SPECIES)
    units = 5 if (parameter if layer is None else layer) % 2 == 0 else 3
    expected = plain.transform(FRAME, layer)
    assert expected.shape == (150, units) and (expected == plain.transform(FRAME, int(units == 3))).all()
    with sklearn.config_context(transform_output="pandas" if how == "set_config" else "default"):
        model = classifier(transform_layer=parameter)
        if how == "set_output":
            model.set_output(transform="pandas")
        for found in (model.fit(FRAME, SPECIES).transform(FRAME, layer), model.fit_transform(FRAME, SPECIES, layer)):
            assert list(found.columns) == [f"mlpclassifier{k}" for k in range(units)]
            assert (found.index == FRAME.index).all() and (found.to_numpy() == expected).all()
        assert len(model.get_feature_names_out()) == (5 if parameter % 2 == 0 else 3)


def test_fit_transform_takes_what_fit_takes():
    weight = np.linspace(1, 2, 150)
    found = classifier().fit_transform(FRAME, SPECIES, layer=0, sample_weight=weight, validation_data=(FRAME, SPECIES))
    expected = classifier().fit(FRAME, SPECIES, weight, validation_data=(FRAME, SPECIES)).transform(FRAME, 0)
    assert (found == expected).all() and found.shape == (150, 5)


def test_the_layer_in_a_pipeline_and_a_search():
    pipe = make_pipeline(StandardScaler(), classifier(transform_layer=0), MLPClassifier((4,), max_iter=3))
    assert pipe.fit(IRIS, SPECIES)[:-1].get_feature_names_out().shape == (5,)
    search = GridSearchCV(pipe, {"mlpclassifier-1__transform_layer": [0, 1]}, cv=2).fit(IRIS, SPECIES)
    assert len(search.cv_results_["params"]) == 2
    with sklearn.config_context(enable_metadata_routing=True):
        routed = Pipeline([("mlp", classifier().set_transform_request(layer=True))]).fit(IRIS, SPECIES)
        assert routed.transform(IRIS, layer=0).shape == (150, 5)


@pytest.mark.parametrize("wrong, error", [(2, ValueError), (-3, ValueError), ("first", ValueError)])
def test_a_layer_that_is_none(wrong, error):
    with pytest.raises(error, match="transform_layer"):
        classifier(transform_layer=wrong).fit(FRAME, SPECIES).transform(FRAME)
    with pytest.raises((ValueError, TypeError), match="layer must be"):
        classifier().fit(FRAME, SPECIES).transform(FRAME, layer=wrong)
    with pytest.raises(ValueError, match="hidden_layer_sizes has none"):
        MLPClassifier((), max_iter=2).fit(FRAME, SPECIES).get_feature_names_out()


def test_frames_of_an_autoencoder():
    model = MLPAutoencoder((6, 2), max_iter=3, random_state=0).set_output(transform="pandas")
    for found in (model.fit_transform(FRAME), model.transform(FRAME)):
        assert list(found.columns) == ["mlpautoencoder0", "mlpautoencoder1"] and len(found) == 150


# ---- validation rows in a Pipeline


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("make, y", [(MLPClassifier, SPECIES), (MLPRegressor, IRIS[:, 0]), (MLPAutoencoder, None)])
def test_validation_rows_go_through_the_pipeline(make, y, weighted):
    train, held, weight = slice(0, 100), slice(100, 150), np.linspace(1, 2, 50) if weighted else None
    y = IRIS[:, 0] if y is None else y
    model = lambda: make(max_iter=8, random_state=0, n_iter_no_change=3, monitor="loss")
    scaler = StandardScaler().fit(IRIS[train])
    by_hand = model().fit(scaler.transform(IRIS[train]), y[train], X_val=scaler.transform(IRIS[held]), y_val=y[held],
                          sample_weight_val=weight)
    with sklearn.config_context(enable_metadata_routing=True):
        last = model().set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        pipe = Pipeline([("scale", StandardScaler()), ("mlp", last)], transform_input=["X_val"])
        pipe.fit(IRIS[train], y[train], X_val=IRIS[held], y_val=y[held], sample_weight_val=weight)
    assert pipe[-1].validation_scores_ == by_hand.validation_scores_ and len(by_hand.validation_scores_) > 1
    assert all((a == b).all() for a, b in zip(pipe[-1].coefs_, by_hand.coefs_))
    if make is not MLPAutoencoder:
        rows = (scaler.transform(IRIS[held]), y[held], *([weight] if weighted else []))
        together = model().fit(scaler.transform(IRIS[train]), y[train], validation_data=rows)
        assert together.validation_scores_ == by_hand.validation_scores_


@pytest.mark.parametrize("given, message", [
    ({"X_val": IRIS}, "y_val must be given where X_val is"),
    ({"y_val": SPECIES}, "X_val must be given where y_val or sample_weight_val is"),
    ({"sample_weight_val": np.ones(150)}, "X_val must be given where"),
    ({"X_val": IRIS, "y_val": SPECIES, "validation_data": (IRIS, SPECIES)}, "must not both be given"),
    ({"X_val": IRIS[:, :2], "y_val": SPECIES}, "features"),
    ({"X_val": IRIS, "y_val": SPECIES[:9]}, "inconsistent numbers of samples")])
def test_validation_rows_that_do_not_fit(given, message):
    with pytest.raises(ValueError, match=message):
        classifier().fit(IRIS, SPECIES, **given)


# ---- tags and copies


def test_tags():
    assert get_tags(MLPRegressor()).target_tags.multi_output
    for make in (MLPAutoencoder, MLPClassifier, MLPRegressor):
        assert get_tags(make()).transformer_tags.preserves_dtype == ["float64", "float32"]
        assert get_tags(make(dtype="float32")).transformer_tags.preserves_dtype == ["float32"]
        for kept in ("float64", "float32"):
            model = make(max_iter=2).fit(IRIS.astype(kept), IRIS[:, 0] > 5)
            assert model.transform(IRIS.astype(kept)).dtype == kept
    assert get_tags(MLPRegressor(solver="lbfgs")).transformer_tags.preserves_dtype == ["float64"]
    assert MLPRegressor(solver="lbfgs", max_iter=2).fit(IRIS, IRIS[:, :2]).predict(IRIS).shape == (150, 2)


@pytest.mark.parametrize("make", [MLPClassifier, MLPAutoencoder])
def test_the_weights_that_it_started_from_are_not_kept(make):
    X = np.random.default_rng(0).standard_normal((50, 321))
    model = make((123,), max_iter=2, dtype="float32").fit(X, X[:, 0] > 0)
    arrays = [a for a in gc.get_objects() if isinstance(a, np.ndarray) and a.base is None and a.size in (321 * 123,)]
    assert not arrays
    for layer in model._net[0].layers:
        assert layer.init == "zeros" and layer.bias_init == 0.0


@pytest.mark.parametrize("make", [MLPClassifier, MLPRegressor, MLPAutoencoder])
def test_skops_finds_copies_equal(make):
    skops, utils = pytest.importorskip("skops.io"), pytest.importorskip("skops.io.tests._utils")
    model = make(max_iter=3, random_state=0).fit(IRIS, SPECIES)
    data = skops.dumps(model)
    again = skops.loads(data, trusted=skops.get_untrusted_types(data=data))
    utils.assert_params_equal(vars(model), vars(again))


# ---- the output of two classes


def test_class_1_of_two():
    """Its output is s with p = 1 / (1 + exp(-s)), so the derivative of p is p (1 - p) that of s."""
    model = MLPClassifier((5,), "tanh", max_iter=3, random_state=0).fit(IRIS, SPECIES > 0)
    g, p = model.input_gradient(IRIS, output=1), model.predict_proba(IRIS)[:, 1:]
    for k in (1, np.int64(1), 0, np.ones(150, int), [1] * 150, np.arange(150) % 2):
        assert (sensitivity.saliency(model, IRIS, output=k) == abs(g)).all()
    found = sensitivity.saliency(model, IRIS, output=1, at="probabilities")
    np.testing.assert_allclose(found, abs(p * (1 - p) * g), rtol=1e-12)
    h = 1e-6 * np.eye(4)[2]
    odds = lambda X: np.diff(model.predict_log_proba(X)).ravel()
    np.testing.assert_allclose(g[:, 2], (odds(IRIS + h) - odds(IRIS - h)) / 2e-6, rtol=1e-6)
    for wrong in (2, -1, np.full(150, 2)):
        with pytest.raises(ValueError, match="output must be"):
            sensitivity.saliency(model, IRIS, output=wrong)
    with pytest.raises(TypeError, match="output must be an integer"):
        sensitivity.saliency(model, IRIS, output=True)
    with pytest.raises(ValueError, match="output must be at most 0, got 1"):
        MLPRegressor(max_iter=2).fit(IRIS, IRIS[:, 0]).input_gradient(IRIS, output=1)
