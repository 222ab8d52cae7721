"""Callbacks: when they are called and with what, how they stop a fit, and what they must not change."""
import traceback

import numpy as np
import pytest

from fastmlp import (
    MLP,
    SGD,
    Adam,
    Callback,
    CSVLogger,
    DivergenceWarning,
    Dropout,
    EarlyStopping,
    LambdaCallback,
    TimeLimit,
)

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((40, 4)), RNG.standard_normal((40, 2))


class Mishap(Exception):
    pass


class Recorder(Callback):
    """Writes down what happens."""

    def __init__(self, events, name=""):
        self.events, self.name = events, name

    def on_fit_begin(self, net, logs):
        self.events.append((self.name + "begin", dict(logs)))

    def on_batch_end(self, net, batch, logs):
        self.events.append((self.name + "batch", batch, dict(logs)))

    def on_epoch_end(self, net, epoch, logs):
        self.events.append((self.name + "epoch", epoch, dict(logs)))

    def on_fit_end(self, net, logs):
        self.events.append((self.name + "end", dict(logs)))


def network(dtype="float64", loss="squared_error", dropout=0.0):
    return MLP([4, 8, Dropout(dropout), 2], activation="tanh", loss=loss, dtype=dtype, random_state=0)


# ---- the protocol


def test_what_is_called_when_and_with_what():
    net, events = network(), []
    history = net.fit(X, Y, epochs=2, batch_size=16, callbacks=[Recorder(events)], validation_data=(X[:9], Y[:9]))
    epochs = [{name: values[e] for name, values in history.items()} for e in range(2)]
    assert [set(logs) for logs in epochs] == [{"loss", "lr", "val_loss"}] * 2
    places = [e[:2] if e[0] == "batch" else e for e in events]
    batches = [("batch", 0), ("batch", 1), ("batch", 2)]
    assert places == [("begin", {"epochs": 2}), *batches, ("epoch", 1, epochs[0]), *batches, ("epoch", 2, epochs[1]),
                      ("end", epochs[1])]
    events.clear()
    net.partial_fit(X, Y, callbacks=[Recorder(events)])
    assert [e[:2] for e in events if e[0] == "epoch"] == [("epoch", 3)]
    events.clear()
    net.fit(X, Y, epochs=1, callbacks=[Recorder(events)])
    assert [e[:2] for e in events if e[0] == "epoch"] == [("epoch", 1)]


def test_the_loss_of_a_batch_is_at_the_weights_before_its_step():
    net, events, seen = network(), [], []
    w = RNG.random(40) + 0.1
    start = network()
    history = net.fit(X, Y, SGD(0.1), epochs=1, batch_size=16, shuffle=False, sample_weight=w, callbacks=[
        Recorder(events), LambdaCallback(on_batch_end=lambda net, batch, logs: seen.append(net.params))])
    losses = [logs["loss"] for name, *_, logs in events if name == "batch"]
    for b, before in enumerate([start.params, *seen[:-1]]):
        start.params, rows = before, slice(16 * b, 16 * b + 16)
        assert losses[b] == pytest.approx(start.evaluate(X[rows], Y[rows], w[rows]), rel=1e-12)
    assert history["loss"][0] == pytest.approx(np.average(losses, weights=[w[:16].sum(), w[16:32].sum(), w[32:].sum()]),
                                               rel=1e-12)


def test_all_are_called_in_their_order_though_one_stops():
    events = []
    first = LambdaCallback(on_epoch_end=lambda net, epoch, logs: events.append("first") or epoch == 2)
    history = network().fit(X, Y, epochs=9, callbacks=[first, Recorder(events, "second ")])
    assert len(history["loss"]) == 2
    assert [e for e in events if e == "first" or e[0] == "second epoch"] == [
        "first", ("second epoch", 1, {"loss": history["loss"][0], "lr": 0.01}),
        "first", ("second epoch", 2, {"loss": history["loss"][1], "lr": 0.01})]


def test_on_batch_end_is_called_only_where_overridden(monkeypatch):
    def never(self, net, batch, logs):
        raise Mishap

    monkeypatch.setattr(Callback, "on_batch_end", never)
    network().fit(X, Y, epochs=2, callbacks=[Callback(), EarlyStopping("loss"), LambdaCallback(),
                                             lambda net, epoch, logs: None])


def test_stopping_at_a_batch():
    """Two batches of epoch 2 are done, and its loss is the mean over their rows."""
    net, parts, events = network(), network(), []
    stop = LambdaCallback(on_batch_end=lambda net, batch, logs: len(net.history.get("loss", [])) == 1 and batch == 1)
    history = net.fit(X, Y, SGD(0.05), epochs=5, batch_size=16, shuffle=False, callbacks=[stop, Recorder(events)])
    parts.fit(X, Y, SGD(0.05), epochs=1, batch_size=16, shuffle=False)
    parts.partial_fit(X[:32], Y[:32], epochs=1, batch_size=16, shuffle=False)
    assert net.params.tobytes() == parts.params.tobytes()
    assert history["loss"] == pytest.approx(parts.history["loss"], rel=1e-12)
    assert [e[0] for e in events[-5:]] == ["epoch", "batch", "batch", "epoch", "end"]


def test_stopping_at_a_batch_of_no_weight():
    w = (np.arange(40) >= 16) * 1.0
    stop = LambdaCallback(on_batch_end=lambda net, batch, logs: True)
    assert network().fit(X, Y, batch_size=16, shuffle=False, sample_weight=w, callbacks=[stop])["loss"] == [0.0]


@pytest.mark.parametrize("callbacks", [[5], [None], ["loss"], [EarlyStopping], [Callback(), 5], 5, EarlyStopping],
                         ids=str)
def test_what_is_no_callback_is_an_error_before_anything_changed(callbacks):
    net = network()
    net.fit(X, Y, epochs=1)
    params, history = net.params, {"loss": list(net.history["loss"]), "lr": [0.01]}
    with pytest.raises(TypeError):
        net.fit(X, Y, callbacks=callbacks)
    assert net.params.tobytes() == params.tobytes() and net.history == history


@pytest.mark.parametrize("make, error", [
    (lambda: LambdaCallback(on_epoch=print), ValueError), (lambda: LambdaCallback(on_epoch_end=3), TypeError),
    (lambda: EarlyStopping(patience=0), ValueError), (lambda: EarlyStopping(patience=1.5), TypeError),
    (lambda: EarlyStopping(mode="best"), ValueError), (lambda: EarlyStopping(min_delta=-1), ValueError),
    (lambda: TimeLimit(-1), ValueError), (lambda: TimeLimit("1 h"), TypeError)])
def test_bad_arguments(make, error):
    with pytest.raises(error):
        make()


# ---- what goes wrong in them


def raising(event, when=lambda *args: True, error=Mishap):
    def on_event(net, *args):
        if when(*args):
            raise error("in the callback")

    return LambdaCallback(**{event: on_event})


ENDS = {
    "last epoch": (Callback(), None),
    "stopped": (LambdaCallback(on_epoch_end=lambda net, epoch, logs: True), None),
    "stopped at a batch": (LambdaCallback(on_batch_end=lambda net, batch, logs: True), None),
    "error at the begin": (raising("on_fit_begin"), Mishap),
    "error at an epoch": (raising("on_epoch_end", lambda epoch, logs: epoch == 2), Mishap),
    "error at a batch": (raising("on_batch_end", lambda batch, logs: batch == 1), Mishap),
    "error at the end": (raising("on_fit_end"), Mishap),
    "ctrl-c": (raising("on_epoch_end", lambda epoch, logs: epoch == 2, KeyboardInterrupt), KeyboardInterrupt),
    "ctrl-c in a batch": (raising("on_batch_end", error=KeyboardInterrupt), KeyboardInterrupt),
}


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("end", ENDS)
def test_on_fit_end_is_called_however_the_fit_ends(end, n_threads, no_threads_left):
    callback, error = ENDS[end]
    net, before, after = network(), [], []
    begun = [Recorder(before), callback, Recorder(after)]
    if error is None:
        net.fit(X, Y, epochs=3, batch_size=16, callbacks=begun, n_threads=n_threads)
    else:
        with pytest.raises(error, match="in the callback") as caught:
            net.fit(X, Y, epochs=3, batch_size=16, callbacks=begun, n_threads=n_threads)
        assert traceback.extract_tb(caught.tb)[-1].name == "on_event"
    last = {name: values[-1] for name, values in net.history.items() if values}
    for events in (before, after) if end != "error at the begin" else (before,):
        assert [e for e in events if e[0] == "end"] == [("end", last)]
    twin = network()
    twin.params = net.params
    for n in (net, twin):
        n.fit(X, Y, epochs=2, shuffle=False, n_threads=n_threads)
    assert net.params.tobytes() == twin.params.tobytes()


def test_on_fit_end_is_called_after_divergence_and_errors_elsewhere():
    events = []
    with pytest.warns(DivergenceWarning):
        history = network().fit(X, Y, SGD(1e200), epochs=9, callbacks=[Recorder(events)])
    last = {name: values[-1] for name, values in history.items() if values}
    assert [e for e in events if e[0] == "end"] == [("end", last)]
    events.clear()

    def loss(x, y):
        raise Mishap

    with pytest.raises(Mishap):
        network(loss=loss).fit(X, Y, callbacks=[Recorder(events)])
    assert [e[0] for e in events] == ["begin", "end"]


def test_a_file_that_cannot_be_written_surfaces(tmp_path):
    with pytest.raises(FileNotFoundError):
        network().fit(X, Y, callbacks=[CSVLogger(tmp_path / "nowhere" / "log.csv")])


# ---- no bit changed, and numbers that can be recomputed


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("how", [{}, {"validation_fraction": 0.25}, {"sample_weight": RNG.random(40)},
                                 {"shuffle": False}], ids=lambda h: "".join(h))
def test_a_callback_that_does_nothing_changes_nothing(how, n_threads, dtype):
    plain, idle, batchwise = (network(dtype, dropout=0.3) for _ in range(3))
    for net, callbacks in ((plain, []), (idle, [Callback(), LambdaCallback()]), (batchwise, [Recorder([])])):
        net.fit(X, Y, Adam(0.01), epochs=3, batch_size=7, callbacks=callbacks, n_threads=n_threads, **how)
        net.partial_fit(X, Y, epochs=2, batch_size=7, callbacks=callbacks, n_threads=n_threads, **how)
    assert plain.params.tobytes() == idle.params.tobytes() == batchwise.params.tobytes()
    assert plain.history == idle.history
    assert batchwise.history["loss"] == pytest.approx(plain.history["loss"], rel=1e-12 if dtype == "float64" else 1e-6)
    assert batchwise.history.get("val_loss") == plain.history.get("val_loss")


def test_logs_can_be_recomputed_from_the_weights_at_that_epoch():
    kept, labels, w = [], RNG.integers(0, 2, 40), RNG.random(15)
    net = network(loss="cross_entropy", dropout=0.5)
    history = net.fit(X[15:], labels[15:], SGD(0.1), epochs=4, metrics=["accuracy"],
                      validation_data=(X[:15], labels[:15], w),
                      callbacks=[lambda net, epoch, logs: kept.append((net.params, dict(logs)))])
    assert [logs["val_loss"] for _, logs in kept] == history["val_loss"] and len(kept) == 4
    for params, logs in kept:
        net.params = params
        assert logs["val_loss"] == net.evaluate(X[:15], labels[:15], w)
        assert logs["val_accuracy"] == pytest.approx(np.average(net.predict(X[:15]).argmax(axis=1) == labels[:15],
                                                                weights=w), rel=1e-12)
