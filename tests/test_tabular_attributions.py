"""Attributions of the estimators of tables: sums over what a column is encoded as, means over the members."""
import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from sklearn.exceptions import NotFittedError
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from fastmlp import SensitivityDisplay, TabularClassifier, TabularRegressor, sensitivity

N = 120
RNG = np.random.default_rng(0)
X = pd.DataFrame({"size": RNG.standard_normal(N), "same": 1.0, "colour": RNG.choice(["red", "green", None], N),
                  "hour": RNG.integers(0, 24, N)})
X.loc[::7, "size"] = None
Y = X["hour"].to_numpy() / 12 + (X["colour"] == "red")
LABELS = np.array(["a", "b", "c"])[RNG.integers(0, 3, N)]
METHODS = {
    "saliency": {}, "input_x_gradient": {}, "integrated_gradients": {"n_steps": 40}, "smooth_grad": {"random_state": 0},
    "expected_gradients": {"background": X[:20], "n_samples": 10, "random_state": 0},
}
COLUMNS = 4


@pytest.fixture(scope="module", params=[TabularClassifier, TabularRegressor])
def model(request):
    options = {"max_iter": 8, "n_members": 3, "random_state": 0, "n_threads": 1}
    return request.param("fast", **options).fit(X, LABELS if request.param is TabularClassifier else Y)


def targets_of(model):
    return LABELS if hasattr(model, "classes_") else Y


def by_hand(model, derivative):
    """(the features of X; the mean over members of a derivative of each, (n, d)), in float64."""
    features = model._encoder.transform(model._read(X))
    return features, np.mean([derivative(net, features) for net in model.networks_], axis=0, dtype=float)


def summed(model, by_feature):
    out = np.zeros((N, COLUMNS))
    for feature, column in enumerate(model._encoder.source):
        out[:, column] += by_feature[:, feature]
    return out


@pytest.mark.parametrize("method", METHODS)
def test_each_column_has_a_number(model, method):
    found = getattr(sensitivity, method)(model, X, **METHODS[method])
    assert found.shape == (N, COLUMNS) and np.isfinite(found).all()
    assert not found[:, 1].any() and found[:, [0, 2, 3]].any(axis=0).all()


def test_saliency_and_input_times_gradient_are_sums_over_encodings(model):
    for output in range(model.networks_[0].d[-1]):
        features, gradient = by_hand(model, lambda net, Z: net.input_gradient(Z, output=output))
        np.testing.assert_allclose(sensitivity.saliency(model, X, output=output), summed(model, np.abs(gradient)),
                                   rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(sensitivity.input_x_gradient(model, X, output=output),
                                   summed(model, gradient * features), rtol=1e-4, atol=1e-6)


def test_of_the_loss_they_are_means_over_the_members_losses(model):
    y = targets_of(model)
    numbers = np.searchsorted(model.classes_, y) if hasattr(model, "classes_") else model._scale.transform(y)
    _, gradient = by_hand(model, lambda net, Z: net.input_gradient(Z, numbers.astype(net.dtype)
                                                                   if numbers.dtype.kind == "f" else numbers))
    np.testing.assert_allclose(sensitivity.saliency(model, X, y), summed(model, np.abs(gradient)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("at", ["logits", "probabilities"])
def test_integrated_gradients_add_up_to_the_change_from_the_baseline(model, at):
    def f(table, output):
        outputs = model._outputs(table)
        return (softmax(outputs, axis=-1) if at == "probabilities" and hasattr(model, "classes_")
                else outputs).mean(axis=0)[..., output]

    k = model.networks_[0].d[-1] - 1
    baseline = X[5:6]
    found, missed = sensitivity.integrated_gradients(model, X, output=k, at=at, baselines=baseline, n_steps=300,
                                                     return_convergence_delta=True)
    np.testing.assert_allclose(found.sum(axis=1), f(X, k) - f(baseline, k), atol=0.02)
    np.testing.assert_allclose(found.sum(axis=1) - missed, f(X, k) - f(baseline, k), atol=1e-5)
    each = sensitivity.integrated_gradients(model, X, output=k, at=at, baselines=X, n_steps=3)
    assert not each.any()  # each row is its own baseline


def test_without_a_class_it_is_that_of_the_mean_probability(model):
    wanted = [sensitivity.saliency(model, X, output=k) for k in range(model.networks_[0].d[-1])]
    classes = model.predict_proba(X).argmax(axis=1) if hasattr(model, "classes_") else np.zeros(N, int)
    np.testing.assert_array_equal(sensitivity.saliency(model, X), np.array(wanted)[classes, np.arange(N)])


def test_pictures_have_the_names_of_columns(model):
    pytest.importorskip("matplotlib").use("Agg")
    display = SensitivityDisplay.from_estimator(model, X)
    assert display.feature_names == list(X)
    np.testing.assert_allclose(display.values, sensitivity.saliency(model, X).mean(axis=0), rtol=1e-6)


def test_of_a_pipeline_it_is_by_the_columns_of_its_last_step(model):
    swapped = make_pipeline(FunctionTransformer(lambda X: X[X.columns[::-1]]), model)
    np.testing.assert_array_equal(sensitivity.saliency(swapped, X), sensitivity.saliency(model, X))


def test_errors(model):
    with pytest.raises(NotFittedError):
        sensitivity.saliency(TabularClassifier(), X)
    with pytest.raises(ValueError, match="baselines: .*hour"):
        sensitivity.integrated_gradients(model, X, output=0, baselines=X[["size"]])
    with pytest.raises(ValueError, match="background: .*hour"):
        sensitivity.expected_gradients(model, X, output=0, background=X[["size"]])
    with pytest.raises(TypeError, match="model must be"):  # noise on encodings is no noise on a table
        sensitivity.noise_curve(model, X, targets_of(model), [0.1])
    with pytest.raises(ValueError, match="output must be"):
        sensitivity.saliency(model, X, output=3)
