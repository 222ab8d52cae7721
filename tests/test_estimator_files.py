"""save and load of the estimators: all that they are, to the bit, and nothing that is not theirs."""
import copy
import json
import pickle
import tracemalloc
import warnings

import numpy as np
import pandas as pd
import pytest

from fastmlp import MLP, Adam, EarlyStopping, MLPAutoencoder, MLPClassifier, MLPRegressor, schedules
from fastmlp._files import safetensors

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
TABLE = pd.DataFrame(X, columns=["a", "b", "c", "ä"])
LABELS = np.array(["yes", "no", "perhaps"] * 20)
CASES = {
    "classifier": (MLPClassifier((9, 5), ["tanh", ("elu", 0.5)], random_state=0), X, LABELS),
    "of a table": (MLPClassifier(class_weight={"yes": 2.0}, random_state=0), TABLE, LABELS.astype(object)),
    "of float32": (MLPClassifier(dtype="float32", dropout=(0.2,), random_state=0, early_stopping=True), X, LABELS),
    "two classes": (MLPClassifier(class_weight={0: 2.0, 1: 1.0}, random_state=0), X, np.array([0, 1] * 30)),
    "several labels": (MLPClassifier(random_state=0), X, (RNG.random((60, 3)) > 0.5).astype(int)),
    "regressor": (MLPRegressor(("quantile", 0.2), solver="sgd", random_state=np.random.RandomState(3)), X, X[:, 0]),
    "with an optimiser": (MLPRegressor(optimizer=Adam(schedules.Cosine(0.01, 9)), random_state=0), X, X[:, :2]),
    "by lbfgs": (MLPRegressor(solver="lbfgs", random_state=0), X, X[:, 0]),
    "without random state": (MLPRegressor(solver="adam", learning_rate="constant"), X, X[:, 0]),
    "autoencoder": (MLPAutoencoder((3,), random_state=0), X),
    "not tied": (MLPAutoencoder((5, 3), tied=False, dropout=0.1, random_state=0), X),
}


def quietly(method, *data):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return method(*data)


def outputs(est, X):
    return est.transform(X), getattr(est, "predict", est.transform)(X)


@pytest.fixture(params=CASES)
def case(request, tmp_path):
    est, *data = CASES[request.param]
    quietly(est.set_params(max_iter=3).fit, *data)
    est.save(tmp_path / "est")
    return est, type(est).load(tmp_path / "est"), data


def test_the_same_predictions(case):
    est, twin, (X, *_) = case
    for found, wanted in zip(outputs(twin, X), outputs(est, X)):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found, wanted)


def test_the_same_attributes(case):
    est, twin, _ = case
    if not isinstance(est.random_state, np.random.RandomState):
        assert repr(twin) == repr(est)
    passing = {"_random_state"}  # of an estimator that is to draw anew
    assert set(vars(twin)) | passing == set(vars(est)) | passing
    for name in set(vars(est)) - passing:
        found, wanted = vars(twin)[name], vars(est)[name]
        if isinstance(wanted, np.ndarray):
            assert found.dtype == wanted.dtype
            np.testing.assert_array_equal(found, wanted)
        elif isinstance(wanted, (int, float, str, tuple, dict)) and name != "_net":
            assert found == wanted and (name.startswith("_") or isinstance(found, type(wanted)) or
                                        isinstance(wanted, np.generic))


def test_goes_on_to_the_bit(case):
    est, twin, data = case
    if est.early_stopping or not est._stochastic or est.random_state is None:
        return
    for one in (est, twin):
        quietly(one.partial_fit, *data)
        quietly(one.set_params(warm_start=True).fit, *data)
    np.testing.assert_array_equal(twin.network_.params, est.network_.params)
    assert twin.loss_curve_ == est.loss_curve_


def test_not_fitted(tmp_path):
    MLPClassifier((3, 4), alpha=0.5).save(tmp_path / "est")
    twin = MLPClassifier.load(tmp_path / "est")
    assert twin.get_params() == MLPClassifier((3, 4), alpha=0.5).get_params()


@pytest.mark.parametrize("given", [{"callbacks": [EarlyStopping()]}, {"learning_rate": lambda t: 0.1},
                                   {"optimizer": Adam(lambda epoch: 0.1)}])
def test_what_no_file_can_have(tmp_path, given):
    (name,) = given
    with pytest.raises(ValueError, match=name):
        MLPClassifier(**given).save(tmp_path / "est")
    assert not list(tmp_path.iterdir())


def test_files_of_others(tmp_path):
    path = tmp_path / "est"
    est = quietly(MLPClassifier((3,), max_iter=2).fit, X, LABELS)
    est.save(path)
    with pytest.raises(ValueError, match="no MLPRegressor .* it is of MLPClassifier"):
        MLPRegressor.load(path)
    with pytest.raises(ValueError, match="it is of an estimator, which MLPClassifier.load reads"):
        MLP.load(path)
    est.network_.save(path)
    with pytest.raises(ValueError, match="it is of an MLP"):
        MLPClassifier.load(path)
    path.write_bytes(b"nothing")
    with pytest.raises(ValueError):
        MLPClassifier.load(path)
    with pytest.raises(FileNotFoundError):
        MLPClassifier.load(tmp_path / "none")


def changed(path, change):
    """Change the document of a file, checksum and all."""
    text, tensors = safetensors.read(path)
    found = json.loads(text)
    change(found)
    safetensors.write(path, json.dumps(found), tensors)


def change_run(found, change):
    """Change the solver's state in a document."""
    run = next(pair for pair in found["state"]["_run"]["dict"] if pair[0] == "state")
    state = dict(run[1]["dict"])
    change(state)
    run[1]["dict"] = [*map(list, state.items())]


@pytest.mark.parametrize("change", [
    lambda found: found.update(format=2),
    lambda found: found.update(state=3),
    lambda found: found["state"].pop("classes_"),
    lambda found: found["state"].update(predict=3),
    lambda found: found["state"].update(alpha="much"),
    lambda found: found["state"].update(coefs_=[{"tensor": "none"}]),
    lambda found: found["state"].update(coefs_=found["state"]["coefs_"][:1]),
    lambda found: found["state"].update(classes_={"array": [1], "dtype": "M8[s]", "shape": [1]}),
    lambda found: found["state"].update(classes_=["no", "perhaps", "yes"]),
    lambda found: found["state"].update(classes_={"array": ["no", "yes"], "dtype": "<U9", "shape": [2]}),
    lambda found: found["state"].update(classes_={"array": ["no", "yes", "so", "or"], "dtype": "<U9", "shape": [4]}),
    lambda found: found["state"].update(_y_type="binary"),
    lambda found: found["state"].update(_y_type=3),
    lambda found: found["state"].update(n_iter_="two"),
    lambda found: found["state"].update(n_iter_=-1),
    lambda found: found["state"].update(loss_=None),
    lambda found: found["state"].update(loss_curve_=3),
    lambda found: found["state"].update(loss_curve_=["low", "lower"]),
    lambda found: found["state"].update(best_loss_="least"),
    lambda found: found["state"].update(validation_scores_="none"),
    lambda found: found["state"].update(out_activation_="none"),
    lambda found: found["state"].update(n_layers_=2.5),
    lambda found: found["state"].update(feature_names_in_={"array": ["a"], "dtype": "|O", "shape": [1]}),
    lambda found: found["state"].update(optimizer={"spec": "os.system"}),
    lambda found: change_run(found, lambda run: run["slots"].append(3)),
    lambda found: change_run(found, lambda run: run.update(powers=run["slots"][0])),
    lambda found: change_run(found, lambda run: run.update(slots=[run["powers"]] * 2)),
    lambda found: change_run(found, lambda run: run.update(epoch=-1)),
    lambda found: found["state"].update(_run={"dict": [["seed", 0], ["epochs", 0], ["state", 3]]}),
])
def test_damaged_documents(tmp_path, change):
    path = tmp_path / "est"
    quietly(MLPClassifier((3,), max_iter=2).fit, X, LABELS).save(path)
    changed(path, lambda found: None)
    MLPClassifier.load(path)
    changed(path, change)
    with pytest.raises(ValueError, match="no MLPClassifier that fastmlp saved"):
        MLPClassifier.load(path)


def test_strings_take_no_more_room_than_they_need(tmp_path):
    """Of a file that says of three names that they have fifty million characters."""
    path = tmp_path / "est"
    est = quietly(MLPClassifier((3,), max_iter=2, random_state=0).fit, X, LABELS)
    est.save(path)
    changed(path, lambda found: found["state"]["classes_"].update(dtype="<U50000000"))
    tracemalloc.start()
    twin = MLPClassifier.load(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2**22 and np.array_equal(twin.predict(X), est.predict(X)) and twin.classes_.dtype == "<U7"


# ---- parameters that are set after a fit


def copies(est, path):
    est.save(path)
    return {"copy": copy.copy(est), "deepcopy": copy.deepcopy(est), "pickle": pickle.loads(pickle.dumps(est)),
            "file": type(est).load(path)}


SET = {  # an estimator -> what is set after its fit
    "loss": (MLPRegressor(random_state=0), X[:, 0] ** 2, {"loss": "poisson"}),
    "loss with a number": (MLPRegressor(("quantile", 0.9), random_state=0), X[:, 0], {"loss": ("huber", 2.0)}),
    "ties": (MLPAutoencoder((3, 2), tied=False, random_state=0), None, {"tied": True}),
    "no ties": (MLPAutoencoder((3, 2), random_state=0), None, {"tied": False}),
    "activation": (MLPRegressor(random_state=0), X[:, 0], {"activation": "tanh"}),
    "dropout": (MLPRegressor(random_state=0), X[:, 0], {"dropout": 0.5}),
    "solver": (MLPClassifier(random_state=0), LABELS, {"solver": "sgd", "momentum": 0.0}),
    "optimizer": (MLPClassifier(random_state=0), LABELS, {"optimizer": "lion"}),
    "another optimizer": (MLPClassifier(optimizer=Adam(0.01), random_state=0), LABELS, {"optimizer": None}),
    "label smoothing": (MLPClassifier(random_state=0), LABELS, {"label_smoothing": 0.5}),
    "sizes": (MLPClassifier(random_state=0), LABELS, {"hidden_layer_sizes": (7, 7)}),
    "dtype": (MLPClassifier(random_state=0), LABELS, {"dtype": "float32"}),
}


@pytest.mark.parametrize("case", SET)
@pytest.mark.parametrize("how", ["copy", "deepcopy", "pickle", "file"])
def test_copies_after_parameters_were_set(case, how, tmp_path):
    """They predict what the estimator itself does, and go on as it does, also with the old parameters again."""
    est, y, given = SET[case]
    quietly(est.set_params(max_iter=3).fit, X, y)
    old = {name: getattr(est, name) for name in given}
    est = copy.deepcopy(est).set_params(**given)
    twin = copies(est, tmp_path / "est")[how]
    for parameters in ({}, old):
        for one in (est, twin):
            one.set_params(**parameters)
        for found, wanted in zip(outputs(twin, X), outputs(est, X)):
            np.testing.assert_array_equal(found, wanted)
        assert quietly(twin.score, X, y) == quietly(est.score, X, y)
    if how != "copy":  # which shares its weights
        for one in (est, twin):
            quietly(one.partial_fit, X, y)
        np.testing.assert_array_equal(twin.network_.params, est.network_.params)


@pytest.mark.parametrize("wrong", [{"activation": "none"}, {"activation": 3}, {"dropout": 2.0}, {"precision": "half"},
                                   {"solver": "none"}, {"optimizer": 3}, {"loss": "none"}, {"learning_rate_init": -1},
                                   {"hidden_layer_sizes": (0,)}, {"dropout": None}], ids=str)
def test_copies_after_wrong_parameters_were_set(wrong):
    est = quietly(MLPRegressor(hidden_layer_sizes=(5,), max_iter=3, random_state=0).fit, X, X[:, 0])
    old, wanted = {name: getattr(est, name) for name in wrong}, est.predict(X)
    est.set_params(**wrong)
    for twin in (copy.deepcopy(est), pickle.loads(pickle.dumps(est))):
        assert vars(twin).items() >= wrong.items()
        with pytest.raises((TypeError, ValueError)):
            twin.fit(X, X[:, 0])
        assert (twin.set_params(**old).predict(X) == wanted).all()


@pytest.mark.parametrize("dtype", ["?", "i1", "u8", "f2", "f4", "f8", ">i4", "U3", "M8[D]", "M8[ns]", "m8[s]"])
def test_labels_of_each_dtype(dtype, tmp_path):
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((40, 3)), np.array([0, 1, 2] * 14)[:40].astype("i8").astype(dtype)
    model = MLPClassifier((3,), max_iter=2, random_state=0).fit(X, y)
    model.save(tmp_path / "model")
    twin = MLPClassifier.load(tmp_path / "model")
    assert twin.classes_.dtype == model.classes_.dtype and (twin.classes_ == model.classes_).all()
    assert (twin.predict(X) == model.predict(X)).all() and twin.score(X, y) == model.score(X, y)
