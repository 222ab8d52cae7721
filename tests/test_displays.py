"""Displays: what they draw is what was computed; conventions of scikit-learn's; what is imported."""
import functools
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import NotFittedError

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

import fastmlp  # noqa: E402
from fastmlp import (  # noqa: E402
    MLP,
    Conv1D,
    Conv2D,
    LossCurveDisplay,
    MLPClassifier,
    MLPRegressor,
    NoiseCurveDisplay,
    SensitivityDisplay,
)
from fastmlp import sensitivity as S  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs")
DIGITS, DIGIT = load_digits(return_X_y=True)
DIGITS = DIGITS / 16
FRAME, TARGET = load_diabetes(return_X_y=True, as_frame=True)


@pytest.fixture(autouse=True)
def close():
    yield
    plt.close("all")


@functools.cache
def classifier():
    return MLPClassifier((20,), max_iter=5, random_state=0).fit(DIGITS, DIGIT)


@functools.cache
def regressor():
    return MLPRegressor(max_iter=5, early_stopping=True, random_state=0).fit(FRAME, TARGET)


@functools.cache
def convolution():
    net = MLP([(8, 8, 1), Conv2D(3, 3, "relu"), 10], loss="cross_entropy", dtype="float64", random_state=0)
    net.fit(DIGITS, DIGIT, epochs=3, metrics=["accuracy"])
    return net


FROM = {  # the displays from a model, and by their constructors
    "bars": (lambda **k: SensitivityDisplay.from_estimator(regressor(), FRAME, TARGET, **k),
             lambda: SensitivityDisplay([3.0, 1.0])),
    "image": (lambda **k: SensitivityDisplay.from_estimator(convolution(), DIGITS, DIGIT, **k),
              lambda: SensitivityDisplay(np.arange(6), image_shape=(2, 3))),
    "noise": (lambda **k: NoiseCurveDisplay.from_estimator(regressor(), FRAME, TARGET, [0, 1], **k),
              lambda: NoiseCurveDisplay([0], [1])),
    "loss": (lambda **k: LossCurveDisplay.from_estimator(regressor(), **k), lambda: LossCurveDisplay({"loss": [2, 1]})),
}


@pytest.mark.parametrize("name", FROM)
def test_the_convention(name):
    from_estimator, construct = FROM[name]
    figure, ax = plt.subplots()
    for display in (from_estimator(ax=ax), construct().plot(ax), construct().plot(ax=ax)):
        assert display.ax_ is ax and display.figure_ is figure
        figure.canvas.draw()
    for display in (from_estimator(), construct().plot()):
        assert display.ax_ is not ax and display.figure_ is display.ax_.figure
        display.figure_.canvas.draw()
        assert display.plot() is display


def bars(display):
    names = [text.get_text() for text in display.ax_.get_yticklabels()]
    return dict(zip(names, (bar.get_width() for bar in display.ax_.patches), strict=True))


def test_bars():
    """The most important first, at the top; with the names of the features."""
    display = SensitivityDisplay.from_estimator(regressor(), FRAME, TARGET, max_features=4)
    values = S.saliency(regressor(), FRAME, TARGET).mean(axis=0)
    first = np.argsort(-values)[:4]
    assert list(bars(display)) == [FRAME.columns[j] for j in first]
    np.testing.assert_allclose(list(bars(display).values()), values[first])
    np.testing.assert_allclose(display.values, values)
    assert display.ax_.get_ylim()[0] > display.ax_.get_ylim()[1]
    assert display.ax_.get_xlabel() == "mean saliency of the loss" and display.ax_.get_ylabel() == "4 of 10 features"


def test_bars_of_what_has_signs():
    display = SensitivityDisplay([1.0, -3.0, 2.0], feature_names=["a", "b", "c"]).plot()
    assert bars(display) == {"b": -3, "c": 2, "a": 1}
    assert [bar.get_facecolor() for bar in display.ax_.patches] == [matplotlib.colors.to_rgba(c)
                                                                    for c in ("C3", "C0", "C0")]
    display = SensitivityDisplay.from_estimator(regressor(), FRAME, output=0, method=S.integrated_gradients, color="C5")
    np.testing.assert_allclose(display.values, S.integrated_gradients(regressor(), FRAME).mean(axis=0))
    assert {bar.get_facecolor() for bar in display.ax_.patches} == {matplotlib.colors.to_rgba("C5")}
    assert display.ax_.get_xlabel() == "mean integrated gradients of the output"
    assert list(bars(SensitivityDisplay([1.0, 2.0]).plot())) == ["x1", "x0"]


def test_images():
    """Of a map, or where a shape is given; colours are centred at 0, or start there."""
    values = S.saliency(convolution(), DIGITS, DIGIT).mean(axis=0)
    image, = SensitivityDisplay.from_estimator(convolution(), DIGITS, DIGIT).ax_.get_images()
    np.testing.assert_allclose(image.get_array(), values.reshape(8, 8))
    assert image.get_clim() == pytest.approx((0, values.max()))
    display = SensitivityDisplay.from_estimator(classifier(), DIGITS, output=3, method=S.input_x_gradient,
                                                image_shape=(8, 8))
    image, = display.ax_.get_images()
    values = S.input_x_gradient(classifier(), DIGITS, output=3).mean(axis=0)
    np.testing.assert_allclose(image.get_array(), values.reshape(8, 8))
    assert image.get_clim() == pytest.approx((-np.abs(values).max(), np.abs(values).max()))
    for signed in ([-1, 3], [-3, 1]):
        assert SensitivityDisplay(signed, image_shape=(1, 2)).plot().ax_.get_images()[0].get_clim() == (-3, 3)
    image, = SensitivityDisplay(np.arange(12), image_shape=(2, 3, 2)).plot().ax_.get_images()
    np.testing.assert_array_equal(image.get_array(), [[1, 5, 9], [13, 17, 21]])
    image, = SensitivityDisplay(np.arange(12).reshape(2, 3, 2), image_shape=(2, 3, 2)).plot().ax_.get_images()
    np.testing.assert_array_equal(image.get_array(), [[1, 5, 9], [13, 17, 21]])
    image, = SensitivityDisplay(np.zeros(6), image_shape=(2, 3)).plot(cmap="gray").ax_.get_images()
    assert image.get_clim() == (0, 1) and image.get_cmap().name == "gray"
    series = MLP([(32, 2), Conv1D(3, 5, "tanh"), 10], loss="cross_entropy", dtype="float64", random_state=0)
    image, = SensitivityDisplay.from_estimator(series, DIGITS).ax_.get_images()
    np.testing.assert_allclose(image.get_array(), S.saliency(series, DIGITS).mean(axis=0).reshape(1, 32, 2).sum(axis=2))


@pytest.mark.parametrize("measure", ["error", "misclassified"])
def test_noise_curves(measure):
    curve = S.noise_curve(classifier(), DIGITS, DIGIT, [0, 0.2, 0.5], n_repeats=3, scale=2.0, random_state=0)
    given = dict(measure=measure, n_repeats=3, scale=2.0, random_state=0)
    display = NoiseCurveDisplay.from_estimator(classifier(), DIGITS, DIGIT, [0, 0.2, 0.5], **given)
    again = NoiseCurveDisplay.from_estimator(classifier(), DIGITS, DIGIT, [0, 0.2, 0.5], **given, name="again",
                                             ax=display.ax_, color="C3")
    for line, name in zip(again.ax_.get_lines(), ("MLPClassifier", "again"), strict=True):
        np.testing.assert_allclose(line.get_xydata(), np.column_stack([curve.sigmas, getattr(curve, measure)]))
        assert line.get_label() == name
    mean, std = getattr(curve, measure), getattr(curve, f"{measure}_std")
    corners = again.ax_.collections[0].get_paths()[0].vertices
    assert {*np.round(corners[:, 1], 9)} == {*np.round(np.concatenate([mean - std, mean + std]), 9)}
    assert again.ax_.get_ylabel() == measure
    assert [text.get_text() for text in again.ax_.get_legend().get_texts()] == ["MLPClassifier", "again"]
    assert NoiseCurveDisplay([0, 1], [1, 2]).plot().ax_.get_legend() is None


def lines(display):
    return {line.get_label(): list(line.get_ydata()) for ax in display.figure_.axes for line in ax.get_lines()}


def test_loss_curves():
    net = convolution()
    display = LossCurveDisplay.from_estimator(net)
    assert lines(display) == {name: net.history[name] for name in ("loss", "accuracy")}
    assert [ax.get_ylabel() for ax in display.figure_.axes] == ["loss", "accuracy"]
    assert lines(LossCurveDisplay.from_estimator(regressor())) == {"loss": regressor().loss_curve_,
                                                                   "score": regressor().validation_scores_}
    assert lines(LossCurveDisplay.from_estimator(classifier(), color="C3")) == {"loss": classifier().loss_curve_}


def without_curve():
    """A fitted regressor as those of other libraries are."""
    model = MLPRegressor(solver="lbfgs", max_iter=2).fit(FRAME, TARGET)
    del model.loss_curve_
    return model


BAD = {
    "values": (ValueError, r"values must have shape \(d,\), with d at least 1, got \(2, 2\)",
               lambda: SensitivityDisplay(np.ones((2, 2)))),
    "names": (ValueError, "feature_names must be 2 names, got 1",
              lambda: SensitivityDisplay([1, 2], feature_names=["a"])),
    "shape": (ValueError, r"image_shape must be 2 or 3 numbers whose product is 4, got \(2, 3\)",
              lambda: SensitivityDisplay(np.ones(4), image_shape=(2, 3))),
    "max_features": (ValueError, "max_features must be at least 1, got 0",
                     lambda: SensitivityDisplay([1, 2], max_features=0)),
    "curve": (ValueError, r"sigmas, error and error_std must have one shape \(m,\), got \(2,\), \(2,\), \(1,\)",
              lambda: NoiseCurveDisplay([0, 1], [1, 2], [1])),
    "measure": (ValueError, "measure must be one of error, misclassified, got 'r2'",
                lambda: NoiseCurveDisplay.from_estimator(regressor(), FRAME, TARGET, [0], measure="r2")),
    "measure of a regressor": (ValueError,
                               "measure must be 'error' where the loss is not a cross-entropy, got 'misclassified'",
                               lambda: NoiseCurveDisplay.from_estimator(regressor(), FRAME, TARGET, [0],
                                                                        measure="misclassified")),
    "no history": (ValueError, "model must be fitted, got MLP without a loss curve",
                   lambda: LossCurveDisplay.from_estimator(MLP([2, 1]))),
    "no curve": (ValueError, "model must be fitted, got MLPRegressor without a loss curve",
                 lambda: LossCurveDisplay.from_estimator(without_curve())),
    "not fitted": (NotFittedError, "not fitted", lambda: SensitivityDisplay.from_estimator(MLPClassifier(), DIGITS)),
    "model": (TypeError, "model must be an MLP or", lambda: SensitivityDisplay.from_estimator(3, DIGITS)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input(case):
    kind, message, call = BAD[case]
    with pytest.raises(kind, match=message):
        call()


def run(code):
    return subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)


def test_matplotlib_is_imported_when_it_is_wanted():
    done = run("import sys, fastmlp, fastmlp.sensitivity; assert not {'matplotlib', 'sklearn'} & set(sys.modules)\n"
               "fastmlp.NoiseCurveDisplay; assert 'matplotlib' in sys.modules and 'sklearn' not in sys.modules")
    assert done.returncode == 0, done.stderr
    assert {"SensitivityDisplay", "NoiseCurveDisplay", "LossCurveDisplay"} <= set(fastmlp.__all__)


@pytest.mark.parametrize("call", ["fastmlp.SensitivityDisplay", "fastmlp.MLP([2, 1]).history.plot()"])
def test_without_matplotlib(call):
    done = run(f"import sys; sys.modules['matplotlib'] = None\nimport fastmlp\ntry: {call}\n"
               "except ImportError as error: print(error)")
    assert done.stdout == 'pictures need matplotlib: pip install "fastmlp[plot]"\n', done.stderr
