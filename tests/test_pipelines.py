"""Of a Pipeline: what is said of one is said of its last step, by the features that the steps before give it."""
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("sklearn")
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import Ridge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from fastmlp import MLPClassifier, MLPRegressor, sensitivity

RNG = np.random.default_rng(0)
X = pd.DataFrame(RNG.standard_normal((40, 3)) * [1, 10, 100] + 5, columns=["a", "b", "c"])
Y, LABELS = X["a"] + X["b"], np.where(X["c"] > 5, "yes", "no")
HOW = dict(hidden_layer_sizes=(8,), max_iter=20, solver="lbfgs", random_state=0)
pytestmark = pytest.mark.filterwarnings("ignore:lbfgs failed")


def fitted(model, y, *steps):
    pipe = make_pipeline(*steps, model).fit(X, y)
    return pipe, pipe[-1], pipe[:-1].transform(X) if steps else X


CASES = {
    "regressor": (MLPRegressor(**HOW), Y, StandardScaler()),
    "classifier": (MLPClassifier(**HOW), LABELS, StandardScaler()),
    "nested": (MLPRegressor(**HOW), Y, make_pipeline(StandardScaler(), StandardScaler())),
    "alone": (MLPRegressor(**HOW), Y),
}
USES = {
    "saliency": lambda model, X, y: sensitivity.saliency(model, X, y),
    "of an output": lambda model, X, y: sensitivity.saliency(model, X, output=0),
    "expected_gradients": lambda model, X, y: sensitivity.expected_gradients(model, X, y, background=X,
                                                                             n_samples=3, random_state=0),
    "local_lipschitz": lambda model, X, y: sensitivity.local_lipschitz(model, X),
    "noise_curve": lambda model, X, y: sensitivity.noise_curve(model, X, y, [0, 0.1], random_state=0).error,
    "report": lambda model, X, y: sensitivity.report(model, X, y, X, y, random_state=0).gradient,
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("case", CASES)
def test_it_is_that_of_the_last_step(case, use):
    pipe, last, Z = fitted(*CASES[case])
    y = CASES[case][1]
    np.testing.assert_array_equal(USES[use](pipe, X, y), USES[use](last, Z, y))


def test_a_pipeline_within_one():
    inner = make_pipeline(StandardScaler(), MLPRegressor(**HOW))
    pipe = make_pipeline(StandardScaler(), inner).fit(X, Y)
    Z = pipe[-1][:-1].transform(pipe[:-1].transform(X))
    np.testing.assert_array_equal(sensitivity.saliency(pipe, X, Y), sensitivity.saliency(pipe[-1][-1], Z, Y))


def test_names_of_features():
    pipe, *_ = fitted(*CASES["regressor"])
    assert sorted(sensitivity.report(pipe, X, Y, X, Y, random_state=0).feature_names) == ["a", "b", "c"]
    plain = make_pipeline(StandardScaler(), MLPRegressor(**HOW)).fit(X.to_numpy(), Y)
    report = sensitivity.report(plain, X.to_numpy(), Y, X.to_numpy(), Y, random_state=0)
    assert list(report.feature_names) == ["x0", "x1", "x2"]


def test_displays():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    from fastmlp import LossCurveDisplay, NoiseCurveDisplay, SensitivityDisplay

    how = {**HOW, "solver": "adam", "tol": 0, "n_iter_no_change": 99, "max_iter": 3}
    pipe = make_pipeline(StandardScaler(), MLPRegressor(**how)).fit(X, Y)
    assert list(SensitivityDisplay.from_estimator(pipe, X, Y).feature_names) == ["a", "b", "c"]
    assert NoiseCurveDisplay.from_estimator(pipe, X, Y, [0, 0.1]).name == "MLPRegressor"
    assert LossCurveDisplay.from_estimator(pipe).curves["loss"] == pipe[-1].loss_curve_
    plt.close("all")


def test_what_is_refused():
    pipe, *_ = fitted(*CASES["regressor"])
    for attack in (sensitivity.fgsm, sensitivity.pgd):  # what they return would be of other features than X
        with pytest.raises(TypeError, match="got sklearn.pipeline.Pipeline; of a Pipeline take the last step"):
            attack(pipe, X, Y, 0.1)
    with pytest.raises(TypeError, match="or a Pipeline that ends with one, got sklearn.*Ridge"):
        sensitivity.saliency(make_pipeline(StandardScaler(), Ridge()).fit(X, Y), X)
    with pytest.raises(NotFittedError):
        sensitivity.saliency(make_pipeline(StandardScaler(), MLPRegressor()), X)
