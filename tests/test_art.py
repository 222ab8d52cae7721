"""to_art: attacks of the Adversarial Robustness Toolbox on the estimators. Skipped without it, but for what is said
then."""
import subprocess
import sys

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_digits
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import scale

from fastmlp import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore")  # the toolbox's, of packages that are not there
DIGITS, DIGIT = load_digits(return_X_y=True)
DIGITS = DIGITS / 16
NAMES = np.array(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
PROBLEMS = {"ten classes": NAMES[DIGIT], "two classes": np.where(DIGIT < 5, "small", "large")}
problems = pytest.mark.parametrize("problem", PROBLEMS)
ats = pytest.mark.parametrize("at", ["probabilities", "logits"])


@pytest.fixture(scope="module")
def evasion():
    return pytest.importorskip("art.attacks.evasion")


def classifier(problem):
    return MLPClassifier((20,), "tanh", max_iter=60, random_state=0).fit(DIGITS, PROBLEMS[problem])


def differences(f, X, h=1e-5):
    return np.stack([(f(X + h * e) - f(X - h * e)) / (2 * h) for e in np.eye(X.shape[1])], axis=-1)


@ats
@problems
def test_predictions_and_gradients(problem, at, evasion):
    model = classifier(problem)
    art, X, k = model.to_art(clip_values=(0, 1), at=at), DIGITS[:9], len(model.classes_)
    p = art.predict(X)
    if at == "logits":
        p = np.exp(p) / np.exp(p).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(p, model.predict_proba(X), rtol=1e-10, atol=1e-14)
    J = art.class_gradient(X)
    assert J.shape == (9, k, 64) and art.nb_classes == k and art.input_shape == (64,)
    np.testing.assert_allclose(J, differences(art.predict, X), atol=1e-8)
    np.testing.assert_array_equal(art.class_gradient(X, label=1), J[:, 1:2])
    labels = np.arange(9) % k
    np.testing.assert_array_equal(art.class_gradient(X, label=labels), J[np.arange(9), labels][:, None])
    codes = np.searchsorted(model.classes_, PROBLEMS[problem][:9])
    expected = model.input_gradient(X, PROBLEMS[problem][:9])
    for y in (codes, np.eye(k)[codes]):
        np.testing.assert_allclose(art.loss_gradient(X, y), expected, rtol=1e-12, atol=1e-15)


@problems
def test_the_loss(problem, evasion):
    """The negative logarithm of the probability of a row's class."""
    model = classifier(problem)
    art, X, k = model.to_art(), DIGITS[:9], len(model.classes_)
    codes = np.searchsorted(model.classes_, PROBLEMS[problem][:9])
    expected = -model.predict_log_proba(X)[np.arange(9), codes]
    for y in (codes, np.eye(k)[codes]):
        np.testing.assert_allclose(art.compute_loss(X, y), expected, rtol=1e-10)
        for reduction in ("mean", "sum"):
            assert art.compute_loss(X, y, reduction=reduction) == pytest.approx(getattr(expected, reduction)())
    with pytest.raises(ValueError, match="reduction must be one of mean, none, sum, got 'max'"):
        art.compute_loss(X, codes, reduction="max")


ATTACKS = {  # name -> how it is made, the largest change of a feature
    "fast gradient": (lambda e, art: e.FastGradientMethod(art, eps=0.2), 0.2),
    "projected gradient": (lambda e, art: e.ProjectedGradientDescent(art, eps=0.15, eps_step=0.03, max_iter=10,
                                                                     verbose=False), 0.15),
    "automatic": (lambda e, art: e.AutoProjectedGradientDescent(art, eps=0.15, eps_step=0.05, max_iter=20,
                                                                verbose=False), 0.15),
    "deep fool": (lambda e, art: e.DeepFool(art, max_iter=30, verbose=False), 1),
    "carlini": (lambda e, art: e.CarliniL2Method(art, max_iter=5, binary_search_steps=3, initial_const=1.0,
                                                 verbose=False), 1),
}


@pytest.mark.parametrize("attack", ATTACKS)
@problems
def test_attacks(problem, attack, evasion):
    """They change twice as many predictions as the same numbers in another order do, and stay inside the clip range."""
    make, eps = ATTACKS[attack]
    model, X = classifier(problem), DIGITS[:40].astype(np.float32)
    found = make(evasion, model.to_art(clip_values=(0, 1), at="logits")).generate(X)
    before, changed = model.predict(X), found - X
    fooled = np.mean(model.predict(found) != before)
    assert 0 <= found.min() and found.max() <= 1 and np.abs(changed).max() <= eps + 1e-6
    noise = np.random.default_rng(0).permuted(changed, axis=1)
    assert fooled > 0.5 and np.mean(model.predict(np.clip(X + noise, 0, 1)) != before) < fooled / 2


def test_attacks_on_a_regressor(evasion):
    X, y = (scale(a).astype(np.float32) for a in load_diabetes(return_X_y=True))
    model = MLPRegressor(hidden_layer_sizes=(20,), max_iter=100, random_state=0).fit(X, y)
    art = model.to_art()
    np.testing.assert_array_equal(art.predict(X), model.predict(X)[:, None])
    np.testing.assert_array_equal(art.loss_gradient(X, y), model.input_gradient(X, y))
    error = lambda Z: np.mean((model.predict(Z) - y) ** 2)
    for attack in (evasion.FastGradientMethod(art, eps=0.1),
                   evasion.ProjectedGradientDescent(art, eps=0.1, eps_step=0.03, verbose=False)):
        found = attack.generate(X, y)
        assert np.abs(found - X).max() <= 0.1 + 1e-6 and error(found) > 1.3 * error(X)


@pytest.mark.parametrize("problem", ["two classes"])
def test_it_can_be_fitted_through_the_toolbox(problem, evasion):
    model = classifier(problem)
    art, y = model.to_art(), (DIGIT < 5).astype(int)
    for labels in (y, np.eye(2)[y]):
        art.fit(DIGITS, labels)
        assert np.mean(art.predict(DIGITS).argmax(axis=1) == y) > 0.9


def test_errors(evasion):
    with pytest.raises(NotFittedError):
        MLPClassifier().to_art()
    with pytest.raises(ValueError,
                       match="to_art needs two or more classes, one a row, got 10 with y multilabel-indicator"):
        MLPClassifier(max_iter=2).fit(DIGITS, np.eye(10, dtype=int)[DIGIT]).to_art()
    with pytest.raises(ValueError, match="at must be one of logits, probabilities, got 'odds'"):
        classifier("two classes").to_art(at="odds")


def test_without_the_toolbox():
    code = ("import sys; sys.modules['art'] = None\nfrom fastmlp import MLPRegressor\n"
            "try: MLPRegressor(max_iter=2).fit([[0], [1]], [0, 1]).to_art()\n"
            "except ImportError as error: print(error)")
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)
    message = 'to_art needs the Adversarial Robustness Toolbox: pip install "fastmlp[art]"\n'
    assert done.stdout == message, done.stderr


@pytest.mark.parametrize("Estimator", [MLPClassifier, MLPRegressor])
@pytest.mark.parametrize("clip_values", [
    1, True, {1, 2}, (1, [2, 3]), (0, np.nan), (1, 0), (0, "1"), ([0] * 64, [0] * 64)], ids=str)
def test_values_that_are_no_bounds(Estimator, clip_values, evasion):
    model = Estimator(hidden_layer_sizes=(2,), max_iter=1).fit(DIGITS[:50], DIGIT[:50])
    with pytest.raises((ValueError, TypeError), match="^clip_values must be"):
        model.to_art(clip_values=clip_values)
    model.to_art(clip_values=(np.zeros(64), 1))


@pytest.mark.parametrize("label", [-1, 10, 0.5, [0, 1], "x", None], ids=str)
def test_labels_that_are_none(label, evasion):
    art = classifier("ten classes").to_art()
    if label is None:
        assert art.class_gradient(DIGITS[:3], label).shape == (3, 10, 64)
        return
    with pytest.raises(ValueError, match="^label must be one of 0..9, or one for each of 3 rows, got"):
        art.class_gradient(DIGITS[:3], label)
