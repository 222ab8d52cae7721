"""Attacks, and training on attacked inputs."""
import math

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits

from fastmlp import MLP, SGD, Adam, Conv2D, Dense, Dropout, MaxPool2D, MLPClassifier, _core
from fastmlp._engine import runtime
from fastmlp._engine.requests import AttackNumbers
from fastmlp._network import Network
from fastmlp.sensitivity import Attack, fgsm, pgd

RNG = np.random.default_rng(0)
norms = pytest.mark.parametrize("norm", [2, math.inf])
dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


def length(move, norm):
    return np.linalg.norm(move.reshape(len(move), -1), norm, axis=1)


def problem(dtype="float64", n=57, d=9):
    net = MLP([d, Dense(20, "tanh"), 3], loss="cross_entropy", dtype=dtype, random_state=0)
    return net, RNG.random((n, d)).astype(dtype), RNG.integers(0, 3, n)


def by_hand(net, X, y, eps, step, steps, norm, clip):
    """The attack from net.input_gradient."""
    Z = X.copy()
    for _ in range(steps):
        g = net.input_gradient(Z, y)
        Z = Z + step * (np.sign(g) if norm == math.inf else g / np.linalg.norm(g, axis=1, keepdims=True))
        move = Z - X
        far = np.linalg.norm(move, axis=1, keepdims=True)
        move = np.clip(move, -eps, eps) if norm == math.inf else move * np.minimum(1, eps / np.maximum(far, 1e-300))
        Z = np.clip(X + move, *clip)
    return Z


@norms
@pytest.mark.parametrize("clip", [(0.0, 1.0), (-np.inf, np.inf)])
def test_by_hand(norm, clip):
    net, X, y = problem()
    given = None if np.isinf(clip[0]) else clip
    np.testing.assert_allclose(fgsm(net, X, y, 0.3, norm, given), by_hand(net, X, y, 0.3, 0.3, 1, norm, clip),
                               atol=1e-13)
    np.testing.assert_allclose(pgd(net, X, y, 0.3, 0.11, 7, 0, norm, given),
                               by_hand(net, X, y, 0.3, 0.11, 7, norm, clip), atol=1e-13)
    np.testing.assert_array_equal(pgd(net, X, y, 0.3, norm=norm, clip=given),
                                  pgd(net, X, y, 0.3, 0.3 / 8, 20, norm=norm, clip=given))


@norms
@dtypes
def test_within_reach(norm, dtype):
    net, X, y = problem(dtype)
    before = net.evaluate(X, y)
    for moved in (fgsm(net, X, y, 0.1, norm, (0, 1)), pgd(net, X, y, 0.1, norm=norm, clip=(0, 1)),
                  pgd(net, X, y, 0.1, num_random_init=3, norm=norm, clip=(0, 1), random_state=0)):
        assert moved.dtype == dtype
        assert length(moved - X, norm).max() <= 0.1 * (1 + 8 * np.finfo(dtype).eps)
        assert moved.min() >= 0 and moved.max() <= 1
        assert net.evaluate(moved, y) > before
    assert (length(fgsm(net, X, y, 0.1, norm) - X, norm) > 0.0999).all()
    np.testing.assert_array_equal(pgd(net, X, y, 0.0, norm=norm), X)


@norms
def test_random_starts(norm):
    """From the same seed the same; the worst of several is at least as bad as each; starts are spread over what is in
    reach."""
    net, X, y = problem(n=400)
    one = pgd(net, X, y, 0.2, max_iter=2, num_random_init=1, norm=norm, random_state=3)
    np.testing.assert_array_equal(one, pgd(net, X, y, 0.2, max_iter=2, num_random_init=1, norm=norm, random_state=3))
    four = pgd(net, X, y, 0.2, max_iter=2, num_random_init=4, norm=norm, random_state=3)
    losses = lambda Z: np.array([net.evaluate(z[None], t[None]) for z, t in zip(Z, y)])
    assert (losses(four) >= losses(one) - 1e-12).all() and (losses(four) > losses(one) + 1e-12).any()
    far = _core.Team(1)
    attack = AttackNumbers(2 if norm == 2 else 0, 0.2, 1e-300, -math.inf, math.inf, 1, True)
    start = net._network.core.attack(net._network.bind(X, y), far, attack, 5) - X
    if norm == 2:
        np.testing.assert_allclose(length(start, 2), 0.2, rtol=1e-12)
    else:
        assert np.abs(start).max() <= 0.2 and abs(start.std() - 0.2 / math.sqrt(3)) < 0.005
    assert np.abs(start.mean(axis=0)).max() < 0.05 and np.abs(np.corrcoef(start.T) - np.eye(9)).max() < 0.25


@dtypes
def test_the_same_bits(dtype, monkeypatch):
    net, X, y = problem(dtype, n=300)
    X = np.where(X > 0.5, X, 0).astype(dtype)
    whole = pgd(net, X, y, 0.1, num_random_init=1, random_state=0)
    np.testing.assert_array_equal(pgd(net, sparse.csr_array(X), y, 0.1, num_random_init=1, random_state=0), whole)
    for threads, block, fill in ((1, 8, b"\xff"), (2, 0, b"\x00"), (3, 16, b"\x7f")):
        monkeypatch.setattr(runtime, "scratch_fill", fill)
        monkeypatch.setattr(Network, "team", lambda self, *a: _core.borrow_team(threads))
        net._network.core.block_rows = block
        np.testing.assert_array_equal(pgd(net, X, y, 0.1, num_random_init=1, random_state=0), whole)


@norms
def test_training_on_attacked_inputs(norm):
    """A step is that on the batch as the attack leaves it, at the weights before."""
    net, X, y = problem()
    twin = problem()[0]
    spec = Attack(0.2, max_iter=3, norm=norm, clip=(0, 1))
    net.fit(X, y, SGD(0.5), epochs=1, batch_size=None, adversarial=spec)
    twin.fit(pgd(twin, X, y, 0.2, max_iter=3, norm=norm, clip=(0, 1)), y, SGD(0.5), epochs=1, batch_size=None)
    np.testing.assert_allclose(net.params, twin.params, rtol=1e-12, atol=1e-14)


LAYERS = [[9, Dense(20, "tanh"), 3], [9, Dense(33), Dropout(0.2), 3], [(3, 3, 1), Conv2D(4, 2), MaxPool2D(2), 3]]


@dtypes
@pytest.mark.parametrize("layers", LAYERS)
def test_training_has_the_same_bits(layers, dtype, monkeypatch):
    _, X, y = problem(dtype, n=150)
    seen = set()
    for threads, block, chunk, fill in ((1, 0, 0, None), (2, 8, 0, b"\xff"), (3, 0, 16, b"\x00")):
        monkeypatch.setattr(runtime, "scratch_fill", fill)
        net = MLP(layers, loss="cross_entropy", dtype=dtype, random_state=0)
        net._network.core.block_rows, net._network.core.chunk_rows = block, chunk
        for norm in (2, math.inf):
            net.partial_fit(X, y, Adam(0.01), epochs=2, batch_size=40, n_threads=threads, input_noise=0.1,
                            gradient_penalty=0.1, adversarial=Attack(0.1, max_iter=2, norm=norm, random_start=True))
        seen.add(net.params.tobytes())
    assert len(seen) == 1


def test_it_makes_a_network_robust():
    X, y = load_digits(return_X_y=True)
    X = X / 16
    correct = {}
    for name, spec in {"plain": None, "trained on attacks": Attack(0.15, max_iter=4, clip=(0, 1),
                                                                   random_start=True)}.items():
        net = MLP([64, 64, 10], loss="cross_entropy", random_state=0)
        net.fit(X[:1200], y[:1200], Adam(0.003), epochs=30, adversarial=spec)
        moved = pgd(net, X[1200:], y[1200:], 0.15, clip=(0, 1))
        correct[name] = [(net.predict(Z).argmax(axis=1) == y[1200:]).mean() for Z in (X[1200:], moved)]
    assert min(correct["plain"][0], correct["trained on attacks"][0]) > 0.85
    assert correct["trained on attacks"][1] > correct["plain"][1] + 0.2


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_of_estimators():
    """By names of classes; y encoded as the classifier does."""
    X, y = load_digits(n_class=4, return_X_y=True)
    names = np.array(["zero", "one", "two", "three"])[y]
    model = MLPClassifier((20,), max_iter=20, random_state=0).fit(X / 16, names)
    moved = fgsm(model, X / 16, names, 0.2, clip=(0, 1))
    assert moved.shape == X.shape and model.score(moved, names) < model.score(X / 16, names) - 0.1
    net = model._mlp()
    np.testing.assert_array_equal(moved, fgsm(net, X / 16, np.searchsorted(model.classes_, names), 0.2, clip=(0, 1)))
    with pytest.raises(TypeError, match="model must be an MLP or a fitted"):
        fgsm(names, X, names, 0.1)
    with pytest.raises(ValueError, match="y must be the model's targets, got None"):
        pgd(model, X, None, 0.1)


def test_errors():
    net, X, y = problem()
    before = net.params
    for call, kind, message in (
            (lambda: fgsm(net, X, y, -1.0), ValueError, "eps must be finite, at least 0"),
            (lambda: fgsm(net, X, y, 0.1, norm=1), ValueError, "norm must be 2 or math.inf, got 1"),
            (lambda: fgsm(net, X, y, 0.1, clip=(0, 0.5)), ValueError,
             "X must be within clip, 0 to 0.5, got values from"),
            (lambda: fgsm(net, X, y, 0.1, clip=(1, 0)), ValueError, "clip must be"),
            (lambda: fgsm(net, X, y, 0.1, clip=3), TypeError, "clip must be"),
            (lambda: pgd(net, X, y, 0.1, max_iter=0), ValueError, "max_iter must be at least 1"),
            (lambda: pgd(net, X, y, 0.1, eps_step=-1.0), ValueError, "eps_step must be finite, above 0"),
            (lambda: pgd(net, X, y, 0.1, num_random_init=-1), ValueError, "num_random_init must be at least 0"),
            (lambda: net.fit(X, y, adversarial=0.1), TypeError, "adversarial must be a fastmlp.sensitivity.Attack"),
            (lambda: net.fit(X, y, adversarial=Attack(0.1, clip=(0, 0.5))), ValueError, "X must be within clip")):
        with pytest.raises(kind, match=message):
            call()
    np.testing.assert_array_equal(net.params, before)
