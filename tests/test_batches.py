"""fit(batches=..): batches that come from anywhere are those of X and y."""
import numpy as np
import pytest

from fastmlp import MLP, SGD, Adam, BatchNorm, Dropout, EarlyStopping

N, D, OUT, BATCH = 107, 6, 2, 16
RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((N, D)), RNG.standard_normal((N, OUT))


def network(layers=(D, 9, OUT), **options):
    return MLP(list(layers), activation="tanh", **{"dtype": "float64", "random_state": 0} | options)


def cut(*arrays):
    return [tuple(a[i:i + BATCH] for a in arrays) for i in range(0, len(arrays[0]), BATCH)]


FORMS = {"a list": cut(X, Y), "a function": lambda: iter(cut(X, Y)),
         "a generator function": lambda: (yield from cut(X, Y))}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("layers", [(D, 9, OUT), (D, 9, BatchNorm(), OUT)])
def test_they_are_the_bits_of_rows_in_memory(form, layers):
    options = dict(optimizer=Adam(0.01), epochs=3)
    whole, streamed = network(layers), network(layers)
    whole.fit(X, Y, batch_size=BATCH, shuffle=False, **options)
    streamed.fit(batches=FORMS[form], **options)
    assert streamed.params.tobytes() == whole.params.tobytes()
    np.testing.assert_allclose(streamed.history["loss"], whole.history["loss"], rtol=1e-13)


def test_options_act_on_them():
    whole, streamed = network(), network()
    for net, given in (whole, dict(X=X, y=Y, batch_size=BATCH, shuffle=False)), (streamed, dict(batches=cut(X, Y))):
        net.fit(optimizer=SGD(0.1, clip_norm=0.1), gradient_penalty=0.1, epochs=2, validation_data=(X, Y), metrics="r2",
                **given)
        net.partial_fit(epochs=2, **given)
    assert streamed.params.tobytes() == whole.params.tobytes()
    assert set(streamed.history) == {"loss", "lr", "gradient_penalty", "val_loss", "val_r2"}
    for name in "loss", "gradient_penalty", "val_loss":
        np.testing.assert_allclose(streamed.history[name], whole.history[name], rtol=1e-12)


def test_the_mean_of_the_weights_and_smoothed_targets():
    labels = RNG.integers(0, OUT, N)
    whole, streamed = network(loss="cross_entropy"), network(loss="cross_entropy")
    options = dict(epochs=3, ema=0.8, label_smoothing=0.2)
    whole.fit(X, labels, batch_size=BATCH, shuffle=False, **options)
    streamed.fit(batches=cut(X, labels), **options)
    assert streamed.params.tobytes() == whole.params.tobytes()
    for other in {"ema": None}, {"label_smoothing": 0.0}:
        net = network(loss="cross_entropy")
        net.fit(batches=cut(X, labels), **options | other)
        assert not np.allclose(net.params, streamed.params)


def test_rates_of_dropout_that_change():
    rates = [0.5, 0.0, 0.2]
    whole, streamed = (network((D, 9, Dropout(lambda epoch: rates[epoch]), OUT)) for _ in range(2))
    whole.fit(X, Y, epochs=3, batch_size=None, shuffle=False)
    streamed.fit(batches=[(X, Y)], epochs=3)
    assert streamed.params.tobytes() == whole.params.tobytes()


def test_a_mean_of_weights_that_ran_away_is_undone():
    net = network(dtype="float32")
    with pytest.warns(match="not finite"):
        net.fit(batches=cut(X, Y), optimizer=SGD(1e30), epochs=3, ema=0.5)
    assert np.isfinite(net.params).all()


def test_a_generator_is_one_epoch():
    whole, streamed = network(), network()
    whole.fit(X, Y, epochs=1, batch_size=BATCH, shuffle=False)
    streamed.fit(batches=(pair for pair in cut(X, Y)), epochs=1)
    assert streamed.params.tobytes() == whole.params.tobytes()


def test_weights_count_within_their_batch():
    weight = np.tile([1.0, 3.0], N)[:N]
    net, by_hand = network(), network()
    net.fit(batches=cut(X, Y, weight), optimizer=SGD(0.1), epochs=1)
    for part in cut(X, Y, weight):
        by_hand.partial_fit(part[0], part[1], SGD(0.1), sample_weight=part[2], batch_size=None)
    np.testing.assert_allclose(net.params, by_hand.params, rtol=1e-12)


def test_what_is_dropped_differs_from_batch_to_batch():
    ones = [(np.ones((4, D)), np.ones((4, OUT)))]
    two, twice = (network((D, Dropout(0.5), OUT)) for _ in range(2))
    two.fit(batches=ones * 2, epochs=1)
    for _ in range(2):
        twice._network.progress.epochs_ever = 0
        twice.fit(batches=ones, epochs=1)
    assert abs(two.params - twice.params).max() > 1e-6


def test_callbacks_stop_it():
    seen = []

    class Stop(EarlyStopping):
        def on_batch_end(self, net, batch, logs):
            seen.append(logs["loss"])
            return len(seen) == 9

    net = network()
    net.fit(batches=cut(X, Y), callbacks=[Stop("loss", restore_best=True)], epochs=5)
    assert len(seen) == 9 and len(net.history["loss"]) == 2
    assert seen[0] == pytest.approx(network().evaluate(X[:BATCH], Y[:BATCH]), rel=1e-12)


@pytest.mark.filterwarnings("ignore:the loss was not finite")
@pytest.mark.parametrize("at", [0, 3, 6])
def test_a_step_that_led_nowhere_is_undone(at):
    y = Y.copy()
    y[at * BATCH] = 1e200
    whole, streamed = network(), network()
    whole.fit(X, y, batch_size=BATCH, shuffle=False, epochs=2)
    streamed.fit(batches=cut(X, y), epochs=2)
    assert streamed.params.tobytes() == whole.params.tobytes() and streamed.history["loss"] == []


@pytest.mark.filterwarnings("ignore:the loss was not finite")
def test_weights_that_run_away_come_back():
    net = network(dtype="float32")
    net.fit(batches=cut(X, Y), optimizer=SGD(1e30), epochs=3)
    assert np.isfinite(net.params).all()


BAD = {
    "X": (dict(X=X, batches=cut(X, Y)), ValueError, "^X must be None"),
    "sample_weight": (dict(sample_weight=np.ones(N), batches=cut(X, Y)), ValueError, "^sample_weight must be None"),
    "class_weight": (dict(class_weight="balanced", batches=cut(X, Y)), ValueError, "^class_weight must be None"),
    "window": (dict(window=3, batches=cut(X, Y)), ValueError, "^window must be None"),
    "a number": (dict(batches=3), TypeError, "^batches must be a function"),
    "no tuples": (dict(batches=[X]), ValueError, r"^batches must give \(X, y\)"),
    "columns": (dict(batches=[(X[:, 1:], Y)]), ValueError, "^batches: X must have 6 columns"),
    "none": (dict(batches=[]), ValueError, "^batches must give at least one"),
    "a generator": (dict(batches=(pair for pair in cut(X, Y))), ValueError, "^batches must be a list, or a function"),
    "fraction": (dict(batches=cut(X, Y), validation_fraction=0.5), ValueError, "^validation_fraction must be 0"),
    "metrics": (dict(batches=cut(X, Y), metrics="r2"), ValueError, "^metrics must be"),
    "nothing": ({}, (ValueError, TypeError), "^X must"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit(name):
    given, kind, text = BAD[name]
    net = network()
    before = net.params
    with pytest.raises(kind, match=text):
        net.fit(**given)
    assert (net.params == before).all()


def test_an_error_of_the_iterator_is_raised():
    def broken():
        yield from cut(X, Y)[:2]
        raise OSError("the line is dead")

    with pytest.raises(OSError, match="the line is dead"):
        network().fit(batches=broken)
