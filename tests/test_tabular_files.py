"""save and load of the estimators of tables: all that they are, to the bit, and what a file may not be."""
import json

import numpy as np
import pandas as pd
import pytest

from fastmlp import TabularClassifier, TabularRegressor
from fastmlp._files import safetensors

N = 240
RNG = np.random.default_rng(0)
X = pd.DataFrame({
    "size": RNG.standard_normal(N),
    "hour": RNG.integers(0, 24, N),
    "colour": RNG.choice(["red", "green", "blau", "grün"], N),
    "code": [f"c{i % 80}" for i in range(N)],
    "when": pd.Timestamp("2024-02-28") + pd.to_timedelta(RNG.integers(0, 10**7, N), unit="s"),
    "same": 1.0,
})
for name in ("size", "colour", "when"):
    X.loc[RNG.random(N) < 0.1, name] = None
NUMBERS = np.exp(RNG.standard_normal(N) + X["hour"].to_numpy() / 20)
LABELS = np.array(["yes", "no", "perhaps"] * (N // 3))
CASES = {
    "classifier": (TabularClassifier, {"class_weight": {"yes": 2.0}}, X, LABELS),
    "labels as objects": (TabularClassifier, {"n_members": 3}, X, pd.Series(LABELS)),
    "two classes": (TabularClassifier, {"bagging": "bootstrap"}, X.to_numpy(object), LABELS == "no"),
    "as one": (TabularClassifier, {"members": "shared", "n_members": 3}, X, LABELS),
    "grouped": (TabularRegressor, {"members": "grouped"}, X, NUMBERS),
    "one class": (TabularClassifier, {}, X, np.zeros(N, int)),
    "regressor": (TabularRegressor, {"random_state": np.random.RandomState(1)}, X, NUMBERS),
    "of a power": (TabularRegressor, {"target_transform": "power", "clip": False}, X, NUMBERS),
    "columns by number": (TabularRegressor, {"categorical_features": [1]}, X[["size", "hour"]].to_numpy(), NUMBERS),
    "nothing to learn from": (TabularRegressor, {}, X[["same"]], NUMBERS),
}


def fitted(Estimator, options, X, y):
    return Estimator("fast", **{"max_iter": 3, "random_state": 0, "n_threads": 1, **options}).fit(X, y)


@pytest.fixture(params=CASES)
def case(request, tmp_path):
    model = fitted(*CASES[request.param])
    model.save(tmp_path / "model")
    return model, type(model).load(tmp_path / "model"), CASES[request.param][2:]


def outputs(model, X):
    if hasattr(model, "predict_proba"):
        return [model.predict(X), model.predict_proba(X), *model.predict(X, return_std=True)]
    return [model.predict(X), *model.predict_interval(X), *model.predict(X, return_std=True)]


def test_the_same_predictions(case):
    model, twin, (X, _) = case
    for found, wanted in zip(outputs(twin, X), outputs(model, X)):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def test_the_same_attributes(case):
    model, twin, _ = case
    assert set(vars(twin)) == set(vars(model)) - {"_held"}
    if not isinstance(model.random_state, np.random.RandomState):
        assert repr(twin) == repr(model)
    for name in ("classes_", "feature_names_in_", "kinds_", "n_features_in_", "n_iter_", "n_iter_by_member_",
                 "oof_prediction_"):
        assert hasattr(twin, name) == hasattr(model, name)
        if hasattr(model, name):
            found, wanted = np.asarray(getattr(twin, name)), np.asarray(getattr(model, name))
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted)
    for ours, theirs in zip(twin.networks_, model.networks_, strict=True):
        np.testing.assert_array_equal(ours.params, theirs.params)


def test_it_can_be_explained_and_fitted_again(case):
    model, twin, (X, y) = case
    np.testing.assert_array_equal(twin.permutation_importances(X, y, n_repeats=1),
                                  model.permutation_importances(X, y, n_repeats=1))
    with pytest.raises(AttributeError, match="permutation_importances"):
        _ = twin.feature_importances_
    if not isinstance(model.random_state, np.random.RandomState):
        np.testing.assert_array_equal(outputs(twin.fit(X, y), X)[0], outputs(model, X)[0])


def test_importances_that_were_asked_for_are_kept(tmp_path):
    model = fitted(*CASES["classifier"])
    wanted = model.feature_importances_
    model.save(tmp_path / "model")
    np.testing.assert_array_equal(TabularClassifier.load(tmp_path / "model").feature_importances_, wanted)


def test_not_fitted(tmp_path):
    TabularRegressor("best", n_members=3).save(tmp_path / "model")
    assert repr(TabularRegressor.load(tmp_path / "model")) == repr(TabularRegressor("best", n_members=3))


def test_what_no_file_can_have(tmp_path):
    with pytest.raises(ValueError, match="callbacks"):
        TabularRegressor(callbacks=[lambda net, epoch, logs: None]).save(tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_files_of_others(tmp_path):
    path = tmp_path / "model"
    model = fitted(*CASES["classifier"])
    model.save(path)
    with pytest.raises(ValueError, match="no TabularRegressor .* it is of TabularClassifier"):
        TabularRegressor.load(path)
    model.networks_[0].save(path)
    with pytest.raises(ValueError, match="it is of an MLP"):
        TabularClassifier.load(path)


# ---- damage that a checksum does not tell

def state_of(found, name):
    """A dict of the document's state, to be changed, as a function that changes one of its entries."""
    pairs = found["state"][name]["dict"]
    return lambda key, value: pairs.__setitem__([k for k, _ in pairs].index(key), [key, value])


def block(found, kind, key, value):
    """Change an entry of the first encoding of a kind."""
    pairs = next(row[3]["dict"] for row in found["state"]["_encoder"] if row[2] == kind)
    pairs[[k for k, _ in pairs].index(key)] = [key, value]


def row(found, place, value):
    found["state"]["_encoder"][0][place] = value


DAMAGE = [
    lambda found: found["state"].pop("_encoder"),
    lambda found: found["state"].pop("_nets"),
    lambda found: found["state"].pop("kinds_"),
    lambda found: found["state"].update(_nets=[]),
    lambda found: found["state"].update(_nets=[3]),
    lambda found: found["state"].update(kinds_=["number"]),
    lambda found: found["state"].update(kinds_=["text"] * 6),
    lambda found: found["state"].update(_names=["a"]),
    lambda found: found["state"].update(n_features_in_=7),
    lambda found: found["state"].update(preset="slow"),
    lambda found: found["state"].update(predict=3),
    lambda found: found["state"].update(_residuals=None),
    lambda found: found["state"]["_encoder"].pop(),
    lambda found: row(found, 0, 99),
    lambda found: row(found, 0, -1),
    lambda found: row(found, 1, "month"),
    lambda found: row(found, 2, "text"),
    lambda found: block(found, "number", "scale", -1.0),
    lambda found: block(found, "number", "centre", None),
    lambda found: block(found, "number", "edges", 3),
    lambda found: block(found, "number", "misses", 2),
    lambda found: block(found, "category", "levels", {"dict": [["red", 9]]}),
    lambda found: block(found, "category", "levels", {"dict": [[3, 0]]}),
    lambda found: block(found, "category", "counts", {"dict": [["red", 0]]}),
    lambda found: state_of(found, "_scale")("unit", 0.0),
    lambda found: state_of(found, "_scale")("power", 3.0),
    lambda found: state_of(found, "_scale")("residuals", None),
    lambda found: found["state"]["_nets"][0][0].update(dict=[]),
    lambda found: found["state"]["_nets"][0][0]["dict"].append(["loss", "absolute_error"]),
    lambda found: found["state"]["_nets"].__setitem__(0, found["state"]["_nets"][0][::-1]),
]


@pytest.mark.parametrize("change", DAMAGE)
def test_damaged_documents(tmp_path, change):
    path = tmp_path / "model"
    fitted(*CASES["regressor"]).save(path)
    text, tensors = safetensors.read(path)
    found = json.loads(text)
    safetensors.write(path, json.dumps(found), tensors)
    TabularRegressor.load(path)
    change(found)
    safetensors.write(path, json.dumps(found), tensors)
    with pytest.raises(ValueError, match="no TabularRegressor that fastmlp saved"):
        TabularRegressor.load(path)


def test_edges_that_do_not_rise(tmp_path):
    path = tmp_path / "model"
    fitted(*CASES["regressor"]).save(path)
    text, tensors = safetensors.read(path)
    edges = next(dict(map(tuple, row[3]["dict"]))["edges"]["tensor"] for row in json.loads(text)["state"]["_encoder"]
                 if row[2] == "number")
    safetensors.write(path, text, tensors | {edges: np.zeros_like(tensors[edges])})
    with pytest.raises(ValueError, match="edges should be in rising order"):
        TabularRegressor.load(path)


DAYS = pd.date_range("2024-02-28", periods=3)
MOMENTS = {
    "datetime64": DAYS.to_numpy(), "datetime64 of days": DAYS.to_numpy().astype("datetime64[D]"),
    "dates": np.array([day.date() for day in DAYS]), "datetimes": np.array(DAYS.to_pydatetime()),
    "timestamps": np.array(list(DAYS), object), "of a zone": np.array(list(DAYS.tz_localize("Europe/Berlin")), object)}


@pytest.mark.parametrize("what", MOMENTS)
def test_labels_and_names_that_are_points_in_time(what, tmp_path):
    moments = MOMENTS[what]
    X = pd.DataFrame(np.random.default_rng(0).standard_normal((60, 3)), columns=list(moments))
    y = moments[np.arange(60) % 3] if moments.dtype.kind == "M" else ["a", "b", "c"] * 20
    model = TabularClassifier("fast", n_members=2, max_iter=2, random_state=0, n_threads=1).fit(X, y)
    model.save(tmp_path / "model")
    twin = TabularClassifier.load(tmp_path / "model")
    assert twin.classes_.dtype == model.classes_.dtype and (twin.classes_ == model.classes_).all()
    np.testing.assert_array_equal(twin.predict_proba(X[X.columns[::-1]]), model.predict_proba(X))
    assert (twin.predict(X) == model.predict(X)).all()
