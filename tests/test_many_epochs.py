"""As many epochs as one likes: what belongs to an epoch is made when it comes."""
import tracemalloc

import numpy as np
import pytest

from fastmlp import MLP, SGD, LambdaCallback, MLPAutoencoder, MLPClassifier, MLPRegressor, schedules

X = np.random.default_rng(0).standard_normal((40, 3))
Y = X[:, 0]
MANY = (10**8, 2**62)
THREE = LambdaCallback(on_epoch_end=lambda net, epoch, logs: epoch == 3)


def network(epochs):
    net = MLP([3, 4, 1], random_state=0)
    net.fit(X, Y, SGD(schedules.Cosine(0.01, epochs)), epochs=epochs, callbacks=[THREE])
    return len(net.history["loss"])


FITS = {
    "network": network,
    "adam": lambda n: MLPRegressor(max_iter=n, n_iter_no_change=n, callbacks=[THREE]).fit(X, Y).n_iter_,
    "schedule": lambda n: MLPClassifier(max_iter=n, learning_rate=schedules.OneCycle(0.01, n),
                                        callbacks=[THREE]).fit(X, Y > 0).n_iter_,
    "lbfgs": lambda n: MLPRegressor(max_iter=n, max_fun=n, solver="lbfgs", callbacks=[THREE]).fit(X, Y).n_iter_,
    "autoencoder": lambda n: MLPAutoencoder((2,), max_iter=n, callbacks=[THREE]).fit(X).n_iter_,
}


@pytest.mark.parametrize("epochs", MANY)
@pytest.mark.parametrize("fit", FITS)
def test_stopping_after_three(fit, epochs):
    FITS[fit](5)
    tracemalloc.start()
    try:
        assert FITS[fit](epochs) == 3
        assert tracemalloc.get_traced_memory()[1] < 2e6
    finally:
        tracemalloc.stop()


def test_a_rate_is_asked_for_once_and_beyond_some_as_its_epoch_begins(monkeypatch):
    monkeypatch.setattr("fastmlp._fit.rates.AHEAD", 2)
    events = []

    def schedule(epoch):
        events.append(("rate", epoch))
        return 0.1 if epoch < 2 else -1.0

    net = MLP([3, 1], random_state=0)
    with pytest.raises(ValueError, match="the learning rate of epoch 2 must be finite, at least 0, got -1"):
        net.fit(X, Y, SGD(schedule), epochs=9, callbacks=[lambda net, epoch, logs: events.append(("end of", epoch))])
    assert events == [("rate", 0), ("rate", 1), ("end of", 1), ("end of", 2), ("rate", 2)]
    assert net.history["lr"] == [0.1, 0.1]
