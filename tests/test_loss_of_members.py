"""The loss of networks that are one while they train, held to that of each."""
import numpy as np
import pytest
from scipy import sparse

from fastmlp import MLP, SGD, Dense
from fastmlp._core import LOSSES
from fastmlp.losses import OF_QUANTILES, OfMembers

K = 3  # members
N, D = 50, 5  # rows, features
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D))
WEIGHT = RNG.integers(0, 4, N) / 2
OF_PROBABILITIES = ("cross_entropy", "binary_cross_entropy")
NEAR = {"rtol": 1e-12, "atol": 1e-13}


def targets_of(loss, outputs, n=N):
    """y, dense."""
    y = np.abs(RNG.standard_normal((n, outputs)))
    return y / y.sum(axis=1, keepdims=True) if loss in OF_PROBABILITIES else y


def side_by_side(loss, outputs):
    """(a network of K members with hidden units in common, each by itself)"""
    net = MLP([D, Dense(8, "tanh"), K * outputs], loss=OfMembers(loss, K), dtype="float64", random_state=0)
    members = []
    for m in range(K):
        own = slice(m * outputs, (m + 1) * outputs)
        member = MLP([D, Dense(8, "tanh"), outputs], loss=loss, dtype="float64")
        member.W[1][...], member.b[1][...] = net.W[1], net.b[1]
        net.b[2][own] = RNG.standard_normal(outputs)
        member.W[2][...], member.b[2][...] = net.W[2][:, own], net.b[2][own]
        members.append(member)
    return net, members


def assert_is_the_mean(net, members, y, weight=None):
    mean = lambda numbers: np.mean(list(numbers), axis=0)
    found, those = net.backprop(X, y, weight), [member.backprop(X, y, weight) for member in members]
    assert found.loss == pytest.approx(mean(one.loss for one in those), rel=1e-12)
    assert net.evaluate(X, y, weight) == pytest.approx(found.loss, rel=1e-12)
    np.testing.assert_allclose(found.dX, mean(one.dX for one in those), **NEAR)
    np.testing.assert_allclose(found.dW[1], mean(one.dW[1] for one in those), **NEAR)
    np.testing.assert_allclose(found.dW[2], np.hstack([one.dW[2] for one in those]) / K, **NEAR)
    np.testing.assert_allclose(found.delta[2], np.hstack([one.delta[2] for one in those]) / K, **NEAR)


@pytest.mark.parametrize("outputs", [1, 2, 5])
@pytest.mark.parametrize("loss", [name for name in LOSSES if name not in OF_QUANTILES])
def test_the_loss_is_the_mean_of_the_members(loss, outputs):
    net, members = side_by_side(loss, outputs)
    y = targets_of(loss, outputs)
    for weight in (None, WEIGHT):
        assert_is_the_mean(net, members, y, weight)
    np.testing.assert_allclose(net.predict(X), np.hstack([member.predict(X) for member in members]), **NEAR)
    for at in ("logits", "probabilities"):
        V = RNG.standard_normal(X.shape)
        np.testing.assert_allclose(net.jvp(X, V, at), np.hstack([one.jvp(X, V, at) for one in members]), **NEAR)


@pytest.mark.parametrize("rows", [1, N])
def test_labels_and_sparse_targets(rows):
    net, members = side_by_side("cross_entropy", 4)
    labels = RNG.integers(0, 4, N)
    assert_is_the_mean(net, members, labels)
    assert_is_the_mean(net, members, sparse.csr_array(np.eye(4)[labels]))
    for n in (1, N):
        wanted = np.mean([member.evaluate(X[:n], labels[:n]) for member in members])
        assert net.evaluate(X[:n], labels[:n]) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("options", [{"label_smoothing": 0.2}, {"mixup": 0.4}], ids=str)
def test_targets_that_are_smoothed_or_mixed(options):
    net, members = side_by_side("cross_entropy", 4)
    labels = RNG.integers(0, 4, N)
    for member in members:  # of which only the last layer learns, that of each by itself
        own = MLP([D, Dense(8, "tanh", lr_scale=0.0), 4], loss="cross_entropy", dtype="float64", random_state=0)
        own.params = member.params
        member._network = own._network
    whole = MLP([D, Dense(8, "tanh", lr_scale=0.0), K * 4], loss=net.loss.spec, dtype="float64", random_state=0)
    whole.params = net.params
    for one, rate in ((whole, 0.1 * K), *((member, 0.1) for member in members)):
        one._network.progress.seed = 7
        one.fit(X, labels, SGD(rate), epochs=3, batch_size=16, **options)
    np.testing.assert_allclose(whole.W[2], np.hstack([member.W[2] for member in members]), **NEAR)


def test_the_hessian():
    net, _ = side_by_side("cross_entropy", 3)
    y, v, eps = targets_of("cross_entropy", 3), RNG.standard_normal(net.n_params), 1e-5
    at = lambda p: (setattr(net, "params", p), net.loss_and_grad(X, y, WEIGHT)[1])[1]
    p = net.params
    wanted = (at(p + eps * v) - at(p - eps * v)) / (2 * eps)
    net.params = p
    np.testing.assert_allclose(net.hvp(v, X, y, WEIGHT), wanted, rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("loss, units, message", [
    (OfMembers("quantile", 2), 2, "loss of members must be"), (OfMembers("huber", 0), 2, "members of loss must be"),
    (OfMembers("huber", 4), 6, "a multiple of 1 units for each of 4 members")])
def test_losses_that_cannot_be(loss, units, message):
    with pytest.raises(ValueError, match=message):
        MLP([2, units], loss=loss)
