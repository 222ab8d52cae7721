"""fit(label_smoothing=.., class_weight=..): the same as with other targets and other sample weights."""
import numpy as np
import pytest
from scipy import sparse
from sklearn.utils.class_weight import compute_sample_weight

from fastmlp import MLP, SGD
from fastmlp._fit.orders import hold_out
from fastmlp._fit.ranks import ALONE

RNG = np.random.default_rng(0)
X, LABELS = RNG.standard_normal((90, 5)), RNG.choice(3, 90, p=[0.6, 0.3, 0.1])
ROWS = RNG.dirichlet(np.ones(3), 90)
BITS = RNG.integers(0, 2, (90, 2)).astype(float)
CROSS, BINARY = "cross_entropy", "binary_cross_entropy"


def trained(loss, y, outputs, batch_size=16, **options):
    net = MLP([5, 8, outputs], loss=loss, dtype="float64", random_state=0)
    net.fit(X, y, SGD(0.1, momentum=0.5), epochs=3, batch_size=batch_size, **options)
    return net


# ---- label smoothing


@pytest.mark.parametrize("amount", [0.1, 0.75])
@pytest.mark.parametrize("batch_size", [1, 16])
@pytest.mark.parametrize("loss, y, rows", [
    (CROSS, LABELS, np.eye(3)[LABELS]), (CROSS, ROWS, ROWS),
    (CROSS, sparse.csr_array(np.eye(3)[LABELS]), np.eye(3)[LABELS]),
    (BINARY, BITS, BITS), (BINARY, BITS[:, 0], BITS[:, :1]), (BINARY, sparse.csr_array(BITS), BITS),
], ids=["labels", "rows", "sparse rows", "bits", "one bit", "sparse bits"])
def test_smoothing_is_another_target(loss, y, rows, batch_size, amount):
    d = rows.shape[1]
    smooth = (1 - amount) * rows + amount / (d if loss == CROSS else 2)
    one, other = trained(loss, y, d, batch_size, label_smoothing=amount), trained(loss, smooth, d, batch_size)
    np.testing.assert_allclose(one.params, other.params, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(one.history["loss"], other.history["loss"], rtol=1e-12)


@pytest.mark.parametrize("penalty", [{"gradient_penalty": 0.1}, {"jacobian_penalty": 0.1}], ids=str)
def test_smoothing_with_penalties(penalty):
    smooth = 0.8 * np.eye(3)[LABELS] + 0.2 / 3
    one, other = trained(CROSS, LABELS, 3, label_smoothing=0.2, **penalty), trained(CROSS, smooth, 3, **penalty)
    np.testing.assert_allclose(one.params, other.params, rtol=1e-11, atol=1e-13)


def test_validation_and_what_comes_after_know_no_smoothing():
    net = trained(CROSS, LABELS, 3, label_smoothing=0.3, validation_data=(X[:20], LABELS[:20]))
    p = net.predict(X[:20])[np.arange(20), LABELS[:20]]
    np.testing.assert_allclose([net.history["val_loss"][-1], net.evaluate(X[:20], LABELS[:20])], -np.log(p).mean())


@pytest.mark.parametrize("amount", [1.0, -0.1, "0.1", None])
def test_wrong_amounts(amount):
    with pytest.raises((TypeError, ValueError), match="label_smoothing"):
        trained(CROSS, LABELS, 3, label_smoothing=amount)


@pytest.mark.parametrize("loss", ["squared_error", "poisson", lambda x, y: (abs(x - y).sum(axis=1), np.sign(x - y))])
def test_only_classes_are_smoothed(loss):
    with pytest.raises(ValueError, match="label_smoothing"):
        trained(loss, BITS, 2, label_smoothing=0.1)


# ---- class weights


@pytest.mark.parametrize("loss, y, outputs", [(CROSS, LABELS, 3), (BINARY, BITS[:, 0], 1), (BINARY, BITS[:, :1], 1)],
                         ids=["labels", "bits", "a column of bits"])
@pytest.mark.parametrize("class_weight", ["balanced", {0: 0.5, 1: 3}], ids=str)
@pytest.mark.parametrize("weight", [None, RNG.random(90)], ids=["", "weighted"])
def test_class_weights_are_sample_weights(loss, y, outputs, class_weight, weight):
    labels = np.ravel(y).astype(int)
    full = class_weight if class_weight == "balanced" else {**dict.fromkeys(labels.tolist(), 1), **class_weight}
    of_rows = compute_sample_weight(full, labels) * (1 if weight is None else weight)
    one = trained(loss, y, outputs, class_weight=class_weight, sample_weight=weight)
    other = trained(loss, y, outputs, sample_weight=of_rows)
    np.testing.assert_allclose(one.params, other.params, rtol=1e-12, atol=1e-14)
    assert not np.allclose(one.params, trained(loss, y, outputs, sample_weight=weight).params, rtol=1e-4)


def test_validation_is_without_class_weights():
    net = trained(CROSS, LABELS, 3, class_weight={0: 10.0}, validation_fraction=0.3, metrics="accuracy")
    _, held_out = hold_out(net._network.bind(X, LABELS), None, 0.3, net._network.progress.seed, ALONE)
    np.testing.assert_allclose(net.history["val_loss"][-1], net.evaluate(X[held_out], LABELS[held_out]), rtol=1e-13)


@pytest.mark.parametrize("class_weight", [
    "even", 3, [1, 2, 3], {0: -1.0}, {0: np.nan}, {0: "1"}, {"a": 1.0}, {0.5: 1.0}, {0: 0, 1: 0, 2: 0}, {-1: 2.0},
    {3: 1.0},
], ids=str)
def test_wrong_class_weights(class_weight):
    with pytest.raises((TypeError, ValueError), match="class_weight"):
        trained(CROSS, LABELS, 3, class_weight=class_weight)


@pytest.mark.parametrize("loss, y, outputs", [(CROSS, ROWS, 3), (BINARY, BITS, 2), (BINARY, ROWS[:, 0], 1),
                                              ("squared_error", BITS, 2)])
def test_only_labels_have_class_weights(loss, y, outputs):
    with pytest.raises(ValueError, match="class_weight"):
        trained(loss, y, outputs, class_weight="balanced")
