"""fit(ema=..): the weights that it leaves are the mean of those after each step, by hand."""
import numpy as np
import pytest

from fastmlp import (
    MLP,
    SGD,
    Adam,
    BatchNorm,
    Callback,
    Conv2D,
    Dense,
    DivergenceWarning,
    Dropout,
    EarlyStopping,
    Frozen,
    TiedGroup,
    tie_transpose,
)

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((70, 6)), RNG.standard_normal((70, 3))
NETWORKS = {
    "narrow": lambda **k: MLP([6, 3, 3], activation="tanh", **k),
    "one vector": lambda **k: MLP([6, 20, 3], activation="tanh", **k),
    "tiles": lambda **k: MLP([6, Dense(150, "tanh"), Dense(130, "relu"), Dropout(0.25), 3], **k),
    "maps": lambda **k: MLP([(2, 3, 1), Conv2D(4, 2, "tanh"), 3], **k),
    "batch norm": lambda **k: MLP([6, Dense(9), BatchNorm(), 3], **k),
    "ties": lambda **k: MLP([6, 9, 6, 3], activation="tanh", **k, ties=[
        tie_transpose(1, 2), TiedGroup([(3, 0, 0), (3, 1, 1), (3, None, 2)], [1.0, -0.3, 0.7]),
        Frozen(3, np.eye(6, 3, -2, dtype=bool), 0.1)]),
}
networks = pytest.mark.parametrize("make", NETWORKS.values(), ids=NETWORKS)


class Steps(Callback):
    """The weights after each step."""

    def __init__(self):
        self.params = []

    def on_batch_end(self, net, batch, logs):
        self.params.append(net.params)


def trained(make, epochs=3, dtype="float64", **options):
    net = make(dtype=dtype, random_state=1)
    net.fit(X, Y, Adam(0.03), epochs=epochs, batch_size=16, **options)
    return net


@networks
@pytest.mark.parametrize("ema", [0.0, 0.6, 0.999])
def test_the_mean_of_the_weights_after_each_step(make, ema):
    steps = Steps()
    trained(make, callbacks=[steps])
    weights = ema ** np.arange(len(steps.params))[::-1]
    wanted = np.average(steps.params, axis=0, weights=weights)
    np.testing.assert_allclose(trained(make, ema=ema).params, wanted, rtol=1e-11, atol=1e-13)


@networks
def test_training_goes_on_from_the_weights_themselves(make):
    """They, and so the losses, are what they are without an average."""
    plain, averaged = Steps(), Steps()
    nets = trained(make, callbacks=[plain]), trained(make, callbacks=[averaged], ema=0.9)
    np.testing.assert_array_equal(plain.params, averaged.params)
    assert nets[0].history == nets[1].history
    assert trained(make, ema=0.9).params.tobytes() == nets[1].params.tobytes()  # an epoch a call of the engine


@networks
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_threads_do_not_show(make, dtype):
    assert len({trained(make, dtype=dtype, ema=0.9, n_threads=n).params.tobytes() for n in (1, 2, 3)}) == 1


def test_ties_hold_to_the_bit():
    net = trained(NETWORKS["ties"], dtype="float32", ema=0.9)
    np.testing.assert_array_equal(net.W[2], net.W[1].T)
    assert net.W[3][1, 1] == np.float32(-0.3 * np.float64(net.W[3][0, 0]))
    assert (net.W[3][np.eye(6, 3, -2, dtype=bool)] == np.float32(0.1)).all()


def test_validation_and_callbacks_see_the_mean():
    seen = []
    net = NETWORKS["tiles"](dtype="float64", random_state=1)
    history = net.fit(X, Y, Adam(0.03), epochs=4, ema=0.9, validation_data=(X[:9], Y[:9]),
                      callbacks=[lambda net, epoch, logs: seen.append(net.evaluate(X[:9], Y[:9]))])
    np.testing.assert_allclose(history["val_loss"], seen, rtol=1e-14)
    assert seen[-1] == net.evaluate(X[:9], Y[:9])
    assert not np.isclose(seen, trained(NETWORKS["tiles"], 4, validation_data=(X[:9], Y[:9])).history["val_loss"]).any()


def test_early_stopping_brings_back_the_best_mean():
    net = NETWORKS["one vector"](dtype="float64", random_state=1)
    stop = EarlyStopping(patience=2, restore_best=True)
    net.fit(X[:20], Y[:20], SGD(0.2), epochs=60, ema=0.5, validation_data=(X[20:], Y[20:]), callbacks=[stop])
    assert np.isclose(net.evaluate(X[20:], Y[20:]), min(net.history["val_loss"]), rtol=1e-14)


def test_a_fit_that_diverges_leaves_the_mean_up_to_the_last_good_step():
    nets, steps = [NETWORKS["one vector"](dtype="float64", random_state=1) for _ in range(3)], Steps()
    rate = lambda epoch: 0.01 if epoch < 2 else 1e200  # noqa: E731
    nets[0].fit(X, Y, SGD(0.01), epochs=2, batch_size=16, callbacks=[steps])
    for net, options in zip(nets[1:], ({"batch_size": 16}, {"batch_size": 16, "callbacks": [Steps()]})):
        with pytest.warns(DivergenceWarning):
            net.fit(X, Y, SGD(rate), epochs=4, ema=0.9, **options)
        wanted = np.average(steps.params, axis=0, weights=0.9 ** np.arange(len(steps.params))[::-1])
        np.testing.assert_allclose(net.params, wanted, rtol=1e-11)


def test_an_interrupted_epoch_leaves_the_mean():
    def stop(net, epoch, logs):
        if epoch == 2:
            raise KeyboardInterrupt

    net = NETWORKS["one vector"](dtype="float64", random_state=1)
    with pytest.raises(KeyboardInterrupt):
        net.fit(X, Y, Adam(0.03), epochs=5, batch_size=16, ema=0.9, callbacks=[stop])
    assert net.params.tobytes() == trained(NETWORKS["one vector"], 2, ema=0.9).params.tobytes()


@pytest.mark.parametrize("ema", [1.0, -0.1, np.nan, "0.9", True])
def test_wrong_decays(ema):
    with pytest.raises((TypeError, ValueError), match="ema"):
        trained(NETWORKS["narrow"], ema=ema)
