"""fit(mixup=..): the same as training on rows and targets that were mixed before."""
import numpy as np
import pytest
from scipy import sparse

import bits
from fastmlp import MLP, SGD, Adam, BatchNorm, Callback, Columns, Dense, DivergenceWarning, Embedding
from fastmlp._fit import mixup

RNG = np.random.default_rng(0)
X, LABELS = RNG.standard_normal((90, 5)), RNG.integers(0, 3, 90)
ROWS = RNG.dirichlet(np.ones(3), 90)
BITS = RNG.integers(0, 2, (90, 2)).astype(float)
CROSS, BINARY = "cross_entropy", "binary_cross_entropy"
ALPHA = 0.5


def network(loss=CROSS, outputs=3, dtype="float64", seed=0):
    return MLP([5, Dense(8, "tanh"), outputs], loss=loss, dtype=dtype, random_state=seed)


def mixed(net, y):
    """X and y as an epoch mixes them."""
    partners, share = mixup.drawn(np.arange(90), ALPHA, net.dtype, net._network.progress.seed,
                                  net._network.progress.epochs_ever, 0)
    share = share[:, None]
    return share * X + (1 - share) * X[partners], share * y + (1 - share) * y[partners]


OPTIONS = {"alone": {}, "gradient penalty": {"gradient_penalty": 0.1}, "jacobian penalty": {"jacobian_penalty": 0.1},
           "weights": {"sample_weight": RNG.random(90)}}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("loss, y, rows", [
    (CROSS, LABELS, np.eye(3)[LABELS]), (CROSS, ROWS, ROWS),
    (CROSS, sparse.csr_array(np.eye(3)[LABELS]), np.eye(3)[LABELS]), (BINARY, BITS, BITS),
    ("squared_error", X[:, 0], X[:, :1]), ("poisson", BITS, BITS),
], ids=["labels", "rows", "sparse rows", "bits", "one number", "counts"])
def test_it_is_training_on_mixed_rows(loss, y, rows, options):
    one, other = (network(loss, rows.shape[1]) for _ in range(2))
    for _ in range(2):  # each epoch mixes anew
        both = mixed(other, rows)
        other.partial_fit(*both, SGD(0.1), batch_size=32, shuffle=False, **options)
        one.partial_fit(X, y, SGD(0.1), batch_size=32, shuffle=False, mixup=ALPHA, **options)
        np.testing.assert_allclose(one.params, other.params, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(one.history["loss"], other.history["loss"], rtol=1e-12)


def test_with_smoothing_and_batches_of_one_row():
    one, other = network(), network()
    rows, y = mixed(other, np.eye(3)[LABELS])
    for net, data, more in ((one, (X, LABELS), {"mixup": ALPHA}), (other, (rows, y), {})):
        net.fit(*data, SGD(0.1), epochs=1, batch_size=1, shuffle=False, label_smoothing=0.2, **more)
    np.testing.assert_allclose(one.params, other.params, rtol=1e-11, atol=1e-13)


def test_with_batch_normalisation():
    nets = [MLP([5, BatchNorm(), 8, 3], loss=CROSS, dtype="float64", random_state=0) for _ in range(2)]
    nets[1].fit(*mixed(nets[1], np.eye(3)[LABELS]), SGD(0.1), epochs=1, batch_size=30, shuffle=False)
    nets[0].fit(X, LABELS, SGD(0.1), epochs=1, batch_size=30, shuffle=False, mixup=ALPHA)
    np.testing.assert_allclose(nets[0].params, nets[1].params, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_what_is_drawn(alpha):
    """Partners are a permutation of the rows; a Beta distribution has the mean 1/2 and the variance 1 / (8 a + 4)."""
    rows = np.arange(100, 40_100)
    partners, share = mixup.drawn(rows, alpha, np.float64, 0, 1, 2)
    np.testing.assert_array_equal(np.sort(partners), rows)
    assert share.mean() == pytest.approx(0.5, abs=0.01) and 0 <= share.min() and share.max() <= 1
    assert share.var() == pytest.approx(1 / (8 * alpha + 4), rel=0.03)
    for other in ((1, 1, 2), (0, 2, 2), (0, 1, 3)):
        assert (mixup.drawn(rows, alpha, np.float64, *other)[1] != share).any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_nothing_else_shows(dtype):
    """Threads, blocks, chunks, scratch and callbacks after each batch, which make a batch a call."""
    case, seen = dict(bits.cases())["mixed"], set()
    for name in ("plain", "n_threads=3", "block_rows=7", "chunk_rows=5", "scratch=ff"):
        seen.add(case.run(dtype, **bits.SETTINGS[name]))
    assert len(seen) == 1

    class Looking(Callback):
        def on_batch_end(self, net, batch, logs):
            return False

    nets = network(dtype=dtype), network(dtype=dtype)
    for net, callbacks in zip(nets, ([], [Looking()])):
        net.fit(X, LABELS, Adam(0.01), epochs=2, mixup=ALPHA, callbacks=callbacks)
    assert nets[0].params.tobytes() == nets[1].params.tobytes()
    assert network(seed=1).params.tobytes() != nets[0].params.tobytes()


def test_predictions_and_validation_know_nothing_of_it():
    net = network()
    net.fit(X, LABELS, Adam(0.01), epochs=2, mixup=ALPHA, validation_data=(X[:20], LABELS[:20]))
    p = net.predict(X[:20])[np.arange(20), LABELS[:20]]
    np.testing.assert_allclose([net.history["val_loss"][-1], net.evaluate(X[:20], LABELS[:20])], -np.log(p).mean())
    plain, other = network(), network()
    for one in (plain, other):
        one.fit(X, LABELS, Adam(0.01), epochs=1, **({"mixup": ALPHA} if one is other else {}))
    assert plain.params.tobytes() != other.params.tobytes()


def test_a_window_mixes_rows_of_its_own():
    net = network()
    net.fit(X, LABELS, Adam(0.01), epochs=2, mixup=ALPHA, window=30)
    assert np.isfinite(net.params).all() and len(net.history["loss"]) == 2


def test_a_step_that_led_nowhere_is_undone():
    net, twin, steps = network("squared_error", 1), network("squared_error", 1), []
    rate = lambda epoch: 0.01 if epoch < 2 else 1e200  # noqa: E731
    with pytest.warns(DivergenceWarning):
        net.fit(X, X[:, 0], SGD(rate), epochs=4, batch_size=90, mixup=ALPHA)
    twin.fit(X, X[:, 0], SGD(0.01), epochs=2, batch_size=90, mixup=ALPHA,
             callbacks=[lambda net, epoch, logs: steps.append(net.params) and None])
    np.testing.assert_array_equal(net.params, steps[-1])


@pytest.mark.parametrize("wrong", [-0.1, np.inf, "0.1", None, True])
def test_wrong_alphas(wrong):
    with pytest.raises((TypeError, ValueError), match="mixup"):
        network().fit(X, LABELS, mixup=wrong)


def test_where_rows_cannot_be_mixed():
    function = MLP([5, 3], loss=lambda x, y: (abs(x - y).sum(axis=1), np.sign(x - y)))
    with pytest.raises(ValueError, match="mixup must be 0 where the loss is a function"):
        function.fit(X, ROWS, mixup=ALPHA)
    categories = MLP([Columns(4, [Embedding(3, 2)]), 3], loss=CROSS)
    with pytest.raises(ValueError, match="mixup must be 0 for a network with categories"):
        categories.fit(np.hstack([X[:, :4], LABELS[:, None]]), LABELS, mixup=ALPHA)
    with pytest.raises(ValueError, match="mixup must be 0 where batches"):
        network().fit(batches=[(X, LABELS)], mixup=ALPHA)
