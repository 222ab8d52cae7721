"""scikit-learn's perceptrons as ours and back, to the bit."""
import warnings

import numpy as np
import pytest
from sklearn import neural_network
from sklearn.linear_model import LinearRegression

import fastmlp
from fastmlp import MLP, MLPClassifier, MLPRegressor

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 4))
LABELS = {"strings": np.array(["a", "b", "c"] * 20), "two": np.array([3, 5] * 30),
          "several": (RNG.random((60, 3)) > 0.5).astype(int)}
ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
CASES = [
    *(("MLPClassifier", {"activation": activation}, y) for activation in ACTIVATIONS for y in LABELS.values()),
    ("MLPRegressor", {"loss": "poisson", "hidden_layer_sizes": (5, 4)}, np.abs(X[:, 0])),
    ("MLPRegressor", {"solver": "lbfgs"}, X[:, :2]),
    ("MLPRegressor", {"early_stopping": True, "hidden_layer_sizes": ()}, X[:, 0]),
]
cases = pytest.mark.parametrize("name, options, y", CASES)


def fitted(module, name, options, y, dtype=np.float64):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return getattr(module, name)(**options, max_iter=4, random_state=0).fit(X.astype(dtype), y)


def assert_same_fit(one, other):
    for a, b in zip([*one.coefs_, *one.intercepts_], [*other.coefs_, *other.intercepts_]):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert one.n_iter_ == other.n_iter_ and one.loss_ == other.loss_ and one.out_activation_ == other.out_activation_


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_theirs_as_ours_and_back(name, options, y, dtype):
    theirs = fitted(neural_network, name, options, y, dtype)
    ours = getattr(fastmlp, name).from_sklearn(theirs)
    assert_same_fit(ours, theirs)
    again = ours.to_sklearn()
    assert type(again) is type(theirs) and again.get_params() == theirs.get_params()
    assert_same_fit(again, theirs)
    near = {np.float32: 1e-5, np.float64: 1e-12}[dtype]
    np.testing.assert_array_equal(again.predict(X.astype(dtype)), theirs.predict(X.astype(dtype)))
    if name == "MLPClassifier":
        np.testing.assert_array_equal(ours.predict(X.astype(dtype)), theirs.predict(X.astype(dtype)))
        found, wanted = ours.predict_proba(X.astype(dtype)), theirs.predict_proba(X.astype(dtype))
        np.testing.assert_allclose(found, wanted, rtol=near, atol=near)
    else:
        np.testing.assert_allclose(ours.predict(X.astype(dtype)), theirs.predict(X.astype(dtype)), rtol=near, atol=near)


@cases
def test_ours_as_theirs_and_back(name, options, y):
    ours = fitted(fastmlp, name, options, y)
    theirs = ours.to_sklearn()
    again = type(ours).from_sklearn(theirs)
    assert_same_fit(theirs, ours)
    assert_same_fit(again, ours)
    np.testing.assert_array_equal(again.predict(X), ours.predict(X))
    theirs.coefs_[0][0, 0] += 1  # a copy
    assert ours.coefs_[0][0, 0] != theirs.coefs_[0][0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for est in (theirs, again):
            if est.solver != "lbfgs" and not est.early_stopping:
                est.partial_fit(X, y)


@cases
def test_networks(name, options, y):
    theirs = fitted(neural_network, name, options, y)
    net, ours = MLP.from_sklearn(theirs), getattr(fastmlp, name).from_sklearn(theirs)
    np.testing.assert_array_equal(net.predict(X), ours.network_.predict(X))
    assert net.dtype == np.float64


def test_what_is_none_of_theirs():
    y = X[:, 0]
    for est in (LinearRegression().fit(X, y), 3, MLPRegressor(), fitted(neural_network, "MLPRegressor", {}, y)):
        with pytest.raises(TypeError, match="est must be scikit-learn's"):
            MLPClassifier.from_sklearn(est)
        if est is not None and not isinstance(est, neural_network.MLPRegressor):
            with pytest.raises(TypeError, match="est must be scikit-learn's"):
                MLP.from_sklearn(est)
    for cls in (MLP, MLPRegressor):
        with pytest.raises(ValueError, match="not fitted"):
            cls.from_sklearn(neural_network.MLPRegressor())
    with pytest.raises(ValueError, match="not fitted"):
        MLPRegressor().to_sklearn()


@pytest.mark.parametrize("options, said", [
    ({"dropout": 0.2, "l1": 0.1}, "dropout, l1"), ({"activation": "gelu"}, "activation"), ({"loss": "huber"}, "loss"),
    ({"activation": ["tanh"]}, "activation"),
])
def test_what_they_do_not_have(options, said):
    with pytest.raises(ValueError, match=said):
        fitted(fastmlp, "MLPRegressor", options, X[:, 0]).to_sklearn()
