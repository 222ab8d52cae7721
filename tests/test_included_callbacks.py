"""The callbacks that come with the library, and the History."""
import base64
import builtins
import csv
import io
import re
import sys

import numpy as np
import pytest

from fastmlp import (
    MLP,
    SGD,
    Adam,
    Checkpoint,
    CSVLogger,
    DivergenceWarning,
    EarlyStopping,
    History,
    LambdaCallback,
    ProgressBar,
    TimeLimit,
    callbacks,
)

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((40, 4)), RNG.standard_normal((40, 2))
NAN = float("nan")


def network():
    return MLP([4, 8, 2], activation="tanh", dtype="float64", random_state=0)


def after(epochs):
    """The weights after some epochs of the fits below."""
    net = network()
    net.fit(X, Y, Adam(0.01), epochs=epochs)
    return net.params


def scripted(values, name="score"):
    """A metric that is what the script says, epoch by epoch."""
    values = iter(values)

    def metric(y, prediction):
        return next(values)

    metric.__name__ = name
    return metric


# ---- EarlyStopping


@pytest.mark.parametrize("values, options, stops, best", [
    ([5, 4, 4, 4, 3], {"patience": 2}, 4, 2),
    ([1, 2, 1, 3, 2, 2, 2, 9], {"patience": 3, "mode": "max"}, 7, 4),
    ([5, 4.6, 4.4, 4.2, 3.95, 1], {"patience": 2, "min_delta": 0.5}, 5, 3),
    ([1, 1.4, 1.6, 2, 2.05, 9], {"patience": 2, "min_delta": 0.5, "mode": "max"}, 5, 3),
    ([NAN, 2, NAN, NAN, 1], {"patience": 2}, 4, 2),
    ([3, 2, 1], {"patience": 1}, 3, 3),
    ([1, 2, 3], {"patience": 1}, 2, 1),
], ids=str)
def test_patience(values, options, stops, best):
    net, stopping = network(), EarlyStopping("score", **{"mode": "min", **options})
    history = net.fit(X, Y, Adam(0.01), epochs=len(values), metrics=[scripted(values)], callbacks=[stopping])
    assert len(history["loss"]) == stops and stopping.best_epoch == best
    assert net.params.tobytes() == after(best).tobytes()


@pytest.mark.parametrize("name, larger", [("accuracy", True), ("r2", True), ("auc", True), ("mae", False),
                                          ("score", True), ("neg_mae", True), ("f1_score", True), ("my_loss", False),
                                          ("mean_squared_error", False), ("mean_poisson_deviance", False)])
@pytest.mark.parametrize("prefix", ["", "val_"])
def test_the_mode_goes_by_the_name(name, larger, prefix):
    stopping = EarlyStopping(prefix + name, patience=9)
    network().fit(X, Y, epochs=3, metrics=[scripted([1, 2, 0], name)], callbacks=[stopping],
                  validation_data=(X, Y) if prefix else None)
    assert stopping.best_epoch == (2 if larger else 3)


def test_without_restore_best_the_last_weights_stay():
    net = network()
    net.fit(X, Y, Adam(0.01), epochs=9, metrics=[scripted([1, 2, 3])],
            callbacks=[EarlyStopping("score", 2, mode="min", restore_best=False)])
    assert net.params.tobytes() == after(3).tobytes()


def interrupt(net, epoch, logs):
    if epoch == 6:
        raise KeyboardInterrupt


@pytest.mark.parametrize("end", ["last epoch", "time", "ctrl-c", "ctrl-c in a batch", "divergence"])
@pytest.mark.parametrize("first", [True, False])
def test_the_best_weights_come_back_however_the_fit_ends(end, first, monkeypatch):
    clock = [0.0]
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock[0])
    tick = LambdaCallback(on_epoch_end=lambda net, epoch, logs: clock.__setitem__(0, float(epoch)))
    in_a_batch = LambdaCallback(
        on_batch_end=lambda net, batch, logs: interrupt(net, len(net.history.get("loss", [])), logs))
    others = {"time": [tick, TimeLimit(6)], "ctrl-c": [interrupt], "ctrl-c in a batch": [in_a_batch]}.get(end, [])
    stopping, net = [EarlyStopping("score", 50, mode="min")], network()
    metric = scripted([4, 3, 1, 2, 2, 2, 2, 2])
    lr = (lambda epoch: 0.01 if epoch < 6 else 1e300) if end == "divergence" else 0.01
    fit = lambda: net.fit(X, Y, Adam(lr), epochs=6 if end == "last epoch" else 8, metrics=metric,
                          callbacks=stopping + others if first else others + stopping)
    if end.startswith("ctrl-c"):
        with pytest.raises(KeyboardInterrupt):
            fit()
    elif end == "divergence":
        with pytest.warns(DivergenceWarning):
            fit()
    else:
        fit()
    assert len(net.history["loss"]) == 6
    assert net.params.tobytes() == after(3).tobytes()


@pytest.mark.parametrize("make", [EarlyStopping, lambda monitor: Checkpoint("never", monitor)],
                         ids=["stopping", "checkpoint"])
def test_an_unknown_monitor_is_an_error_that_names_those_there_are(make):
    with pytest.raises(ValueError, match="monitor must be one of loss, lr, mae, got 'score'"):
        network().fit(X, Y, metrics="mae", callbacks=[make("score")])
    with pytest.raises(ValueError, match="got 'val_loss'; val_ names are there where fit is given validation_data"):
        network().fit(X, Y, callbacks=[make("val_loss")])
    with pytest.raises(ValueError, match="monitor must be one of loss, lr, val_loss, got 'val_r2'$"):
        network().fit(X, Y, callbacks=[make("val_r2")], validation_data=(X, Y))


@pytest.mark.parametrize("make", [EarlyStopping, lambda monitor: Checkpoint("never", monitor)],
                         ids=["stopping", "checkpoint"])
@pytest.mark.parametrize("name", ["margin", "val_margin", "losses", "val_neg"])
def test_a_name_that_does_not_say_which_is_better_wants_a_mode(make, name):
    net, held = network(), (X, Y) if name.startswith("val_") else None
    with pytest.raises(ValueError, match=f"mode must be 'min' or 'max' for monitor '{name}'"):
        net.fit(X, Y, metrics=scripted([1], name.removeprefix("val_")), validation_data=held, callbacks=[make(name)])
    assert net.params.tobytes() == network().params.tobytes()
    assert EarlyStopping(name, mode="max").mode == "max"


# ---- the others


def test_checkpoint_of_the_best(tmp_path):
    path = tmp_path / "net.st"
    sizes = []
    network().fit(X, Y, Adam(0.01), epochs=5, metrics=scripted([1, 3, 4, 4, 2]), callbacks=[
        Checkpoint(path, "score", mode="max"),
        lambda net, epoch, logs: sizes.append(len(MLP.load(path).history["loss"]))])
    assert sizes == [1, 2, 3, 3, 3]
    assert MLP.load(path).params.tobytes() == after(3).tobytes()


def test_checkpoint_of_the_last_goes_on(tmp_path):
    path, net = tmp_path / "net.st", network()
    net.fit(X, Y, Adam(0.01), epochs=3, callbacks=[Checkpoint(path, best=False)])
    MLP.load(path).partial_fit(X, Y, epochs=2)
    going_on = MLP.load(path)
    going_on.partial_fit(X, Y, epochs=2)
    assert going_on.params.tobytes() == after(5).tobytes() and len(going_on.history["loss"]) == 5


def rows_of(path):
    with open(path, newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def test_csv_logger(tmp_path):
    path, net, lines = tmp_path / "log.csv", network(), []
    history = net.fit(X, Y, epochs=3, validation_fraction=0.2, callbacks=[
        CSVLogger(path), lambda net, epoch, logs: lines.append(len(rows_of(path)))])
    net.partial_fit(X, Y, epochs=2, validation_fraction=0.2, callbacks=[CSVLogger(path, append=True)])
    assert lines == [1, 2, 3]  # written as it happens
    assert rows_of(path) == [{"epoch": e + 1, **{name: values[e] for name, values in history.items()}}
                             for e in range(5)]
    net.fit(X, Y, epochs=1, callbacks=[CSVLogger(path)])
    assert len(rows_of(path)) == 1


def test_csv_logger_goes_on_in_the_order_of_the_columns(tmp_path):
    path, net = tmp_path / "log.csv", network()
    path.write_text("lr,epoch,loss\n")
    history = net.fit(X, Y, epochs=2, callbacks=CSVLogger(path, append=True))
    assert rows_of(path) == [{"lr": history["lr"][e], "epoch": e + 1, "loss": history["loss"][e]} for e in range(2)]


@pytest.mark.parametrize("head", [b"epoch,loss\n", b"epoch,loss,lr,val_loss\n1,1,1,1\n", b"\xff\x00\r,\r", b"\n"])
def test_csv_logger_refuses_a_file_of_other_columns(head, tmp_path):
    path, net = tmp_path / "log.csv", network()
    path.write_bytes(head)
    with pytest.raises(ValueError, match="^path must be of a file with the columns epoch, loss, lr, got") as caught:
        net.fit(X, Y, epochs=2, callbacks=CSVLogger(path, append=True))
    assert str(path) in str(caught.value) and path.read_bytes() == head and not net.history


def test_csv_logger_names_what_comes_later(tmp_path):
    more = LambdaCallback(on_epoch_end=lambda net, epoch, logs: logs.update(more=1.0) if epoch == 2 else None)
    with pytest.raises(ValueError, match="with the columns epoch, loss, lr, more, got .* with epoch, loss, lr"):
        network().fit(X, Y, epochs=3, callbacks=[more, CSVLogger(tmp_path / "log")])


def test_time_limit(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: clock[0])
    tick = LambdaCallback(on_epoch_end=lambda net, epoch, logs: clock.__setitem__(0, clock[0] + 2.0))
    limit = TimeLimit(5)
    for _ in range(2):  # the clock starts with the fit
        assert len(network().fit(X, Y, epochs=9, callbacks=[tick, limit])["loss"]) == 3
    assert len(network().fit(X, Y, epochs=9, callbacks=[TimeLimit(0)])["loss"]) == 1


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("how", [{"verbose": 1}, {"callbacks": [ProgressBar()]}], ids=["verbose", "callback"])
@pytest.mark.parametrize("where", ["no tqdm", "no terminal"])
def test_progress_as_lines(where, how, monkeypatch, capsys):
    if where == "no tqdm":
        real = builtins.__import__
        monkeypatch.setattr(sys, "stderr", Terminal())
        monkeypatch.setattr(builtins, "__import__",
                            lambda name, *args: real("no such module" if name.startswith("tqdm") else name, *args))
    net = network()
    history = net.fit(X, Y, epochs=2, **how)
    net.partial_fit(X, Y, epochs=1, **how)
    places = [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()]
    assert places == ["epoch 1/2", "epoch 2/2", "epoch 1/1"]
    net.fit(X, Y, epochs=1, **how)
    assert f"loss {history['loss'][0]:.5g}" not in capsys.readouterr().out  # this fit's, not the first one's


def test_progress_as_a_bar(monkeypatch, capsys):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    history = network().fit(X, Y, epochs=3, verbose=1)
    assert "3/3" in sys.stderr.getvalue() and f"{history['loss'][-1]:.5g}" in sys.stderr.getvalue()
    assert capsys.readouterr().out == ""
    network().fit(X, Y, epochs=1)
    assert capsys.readouterr().out == ""


# ---- History


def test_a_history_as_a_frame():
    pandas = pytest.importorskip("pandas")
    net = network()
    assert net.history.to_frame().empty
    frame = net.fit(X, Y, SGD(0.05), epochs=3, validation_fraction=0.2).to_frame()
    assert list(frame.columns) == ["loss", "lr", "val_loss"]
    pandas.testing.assert_index_equal(frame.index, pandas.RangeIndex(1, 4, name="epoch"))
    assert frame["val_loss"].tolist() == net.history["val_loss"]


def test_a_name_that_is_not_logged_in_every_epoch_keeps_its_epochs():
    pytest.importorskip("pandas")
    net = network()
    net.fit(X, Y, epochs=2)
    net.partial_fit(X, Y, epochs=1, validation_fraction=0.2)
    history = net.partial_fit(X, Y, epochs=2)
    frame = history.to_frame()
    assert frame["loss"].tolist() == history["loss"] and len(frame) == 5
    assert frame["val_loss"].isna().tolist() == [True, True, False, True, True]


def test_a_history_as_one_line():
    history = network().fit(X, Y, epochs=3, metrics="mae")
    assert repr(history) == (f"History(3 epochs: loss {history['loss'][-1]:.4g}, lr 0.01, "
                             f"mae {history['mae'][-1]:.4g})")
    assert repr(History()) == "History(0 epochs)" and repr(History(loss=[1.0])) == "History(1 epoch: loss 1)"


@pytest.mark.parametrize("matplotlib", [True, False])
def test_a_history_in_a_notebook(matplotlib, monkeypatch):
    history = network().fit(X, Y, epochs=3)
    if not matplotlib:
        monkeypatch.setattr("fastmlp._lazy.load", lambda name: (_ for _ in ()).throw(ImportError(name)))
        assert history._repr_html_() == f"<div>{history!r}</div>"
        return
    plt = pytest.importorskip("matplotlib.pyplot")
    before = plt.get_fignums()
    line, image = re.fullmatch(r'<div>(.*)</div><img src="data:image/png;base64,(.*)">', history._repr_html_()).groups()
    assert line == repr(history) and base64.b64decode(image).startswith(b"\x89PNG") and plt.get_fignums() == before
    assert History(loss=[])._repr_html_() == "<div>History(0 epochs)</div>"


def test_a_history_as_a_picture():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    history = network().fit(X, Y, epochs=3, metrics=["mae", "r2"], validation_fraction=0.2)
    figure, own = plt.subplots()
    for ax in (history.plot(), history.plot(own)):
        lines = {line.get_label(): line for a in ax.figure.axes for line in a.get_lines()}
        assert set(lines) == {"loss", "val_loss", "val_mae", "val_r2"}
        assert {text.get_text() for text in ax.get_legend().get_texts()} == set(lines)
        for name, line in lines.items():
            assert list(line.get_xdata()) == [1, 2, 3] and list(line.get_ydata()) == history[name]
    assert ax is own
    plt.close("all")
