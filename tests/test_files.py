"""Saving and loading: nothing is lost, training goes on to the bit, and writes are atomic."""
import copy
import dataclasses
import functools
import json
import os
import pickle
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import bits
import fastmlp
from fastmlp import MLP, SGD, Adam, Dense, Dropout, schedules

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((40, 4)), RNG.random((40, 3))
OPTIMIZERS = [*(kind(0.02, **numbers) for kind, numbers in bits.OPTIMIZERS.values()),
              SGD(0.02, momentum=0.9, nesterov=True, clip_norm=0.5),
              Adam(0.01, 0.8, 0.99, 1e-6, l2=1e-3, l1=1e-4), *(Adam(s) for s in (
                  schedules.Constant(0.01), schedules.Step(0.01, 2, 0.3), schedules.Exponential(0.01, 0.9),
                  schedules.InverseScaling(0.01, 0.3), schedules.Cosine(0.01, 12, 1e-4),
                  schedules.OneCycle(0.01, 12, 0.4, 9.0, 99.0)))]
LAYERS = [4, Dense(9, ("elu", 0.3)), Dropout(0.25), Dense(7, "tanh", bias=False), Dense(3)]


def plain(spec):
    """A spec as builtins, without how weights started."""
    fields = dataclasses.asdict(spec)
    return type(spec), {k: v for k, v in fields.items() if not k.endswith("init")}


def assert_same(a, b):
    """Two networks of the same kind, weights, state and future."""
    assert list(map(plain, a.layers)) == list(map(plain, b.layers))
    assert repr(a) == repr(b) and a.summary() == b.summary()
    assert a.loss.spec == b.loss.spec and a.dtype == b.dtype and a.d == b.d
    assert a.params.tobytes() == b.params.tobytes() and repr(a.history) == repr(b.history)
    assert a.predict(X).tobytes() == b.predict(X).tobytes()
    for n in (a, b):
        n.partial_fit(X, Y, epochs=2, batch_size=16)
    assert a.params.tobytes() == b.params.tobytes() and repr(a.history) == repr(b.history)


def trained(layers=LAYERS, optimizer=Adam(0.01), loss="squared_error", dtype="float32", epochs=4, y=Y, **options):
    net = MLP(layers, loss=loss, dtype=dtype, random_state=0)
    if epochs:
        net.fit(X, y, optimizer, epochs=epochs, batch_size=16, **options)
    return net


def assert_goes_on_from_a_file(net, X, y, path):
    """What a file gives is described alike, and trains on to the same bits."""
    again = through_a_file(net, path)
    assert repr(again) == repr(net) and again.summary() == net.summary()
    for one in (net, again):
        one.partial_fit(X, y)
    np.testing.assert_array_equal(net.params, again.params)


def through_a_file(net, path):
    assert net.save(path) is None
    return MLP.load(path)


# ---- round trips


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_optimizers(optimizer, dtype, tmp_path):
    net = trained(optimizer=optimizer, dtype=dtype, validation_fraction=0.2, metrics="mae")
    assert set(net.history) == {"loss", "lr", "val_loss", "val_mae"}
    assert_same(net, through_a_file(net, tmp_path / "net"))


@pytest.mark.parametrize("activation", [*fastmlp.activations(), ("leaky_relu", 0.2), ("elu", 0.5)], ids=str)
def test_activations(activation, tmp_path):
    net = MLP([4, 6, Dense(3, activation)], activation=activation, random_state=0)
    assert_same(net, through_a_file(net, str(tmp_path / "net")))


@pytest.mark.parametrize("loss", [*fastmlp.losses(), ("huber", 0.3), ("quantile", 0.8)], ids=str)
def test_losses(loss, tmp_path):
    y = Y / Y.sum(axis=1, keepdims=True)
    net = trained(loss=loss, y=y)
    assert through_a_file(net, tmp_path / "net").evaluate(X, y) == net.evaluate(X, y)
    net = through_a_file(MLP([4, 3], loss=loss), tmp_path / "net")
    assert net.loss.spec == loss


@pytest.mark.parametrize("dense", [
    Dense(3, init=np.ones((4, 3)), bias_init=np.arange(3)), Dense(3, init="he_normal", bias_init=0.5),
    Dense(3, init=[[1, 2, 3]] * 4, bias_init=[1, 2, 3]), Dense(np.int64(3), ("elu", np.float32(0.5)), bias=np.True_)],
                         ids=["arrays", "names", "lists", "numpy's numbers"])
def test_where_weights_began(dense, tmp_path):
    net = MLP([4, dense], random_state=0)
    assert_same(net, through_a_file(net, tmp_path / "net"))


def test_a_network_not_trained_yet(tmp_path):
    net = trained(epochs=0)
    loaded = through_a_file(net, tmp_path / "net")
    for n in (net, loaded):
        n.fit(X, Y, Adam(0.01), epochs=2)
    assert_same(net, loaded)


# ---- going on in another process

GO_ON = """
import sys, numpy as np
from fastmlp import MLP
net = MLP.load(sys.argv[1])
data = np.load(sys.argv[2])
net.partial_fit(data["X"], data["Y"], epochs=6, batch_size=16)
net.save(sys.argv[1])
"""


@pytest.mark.parametrize("dtype, optimizer", [("float64", SGD(0.02, momentum=0.9)),
                                              ("float32", Adam(schedules.Cosine(0.01, 10)))],
                         ids=["sgd", "adam"])
def test_ten_epochs_are_four_and_six_in_a_new_process(dtype, optimizer, tmp_path):
    whole, net = (trained(optimizer=optimizer, dtype=dtype, epochs=epochs) for epochs in (10, 4))
    net.save(tmp_path / "net")
    np.savez(tmp_path / "data.npz", X=X, Y=Y)
    subprocess.run([sys.executable, "-P", "-c", GO_ON, tmp_path / "net", tmp_path / "data.npz"], check=True)
    assert_same(whole, MLP.load(tmp_path / "net"))


# ---- the format


def test_others_can_read_the_tensors(tmp_path):
    safetensors, numpy = pytest.importorskip("safetensors"), pytest.importorskip("safetensors.numpy")
    for dtype in ("float32", "float64"):
        net = trained(dtype=dtype)
        net.save(tmp_path / "net.safetensors")
        tensors = numpy.load_file(tmp_path / "net.safetensors")
        assert {"W.1", "b.1", "W.3", "W.4", "b.4"} <= set(tensors) and "b.3" not in tensors
        for l in (1, 3, 4):
            assert tensors[f"W.{l}"].dtype == dtype and np.array_equal(tensors[f"W.{l}"], net.W[l])
        assert np.array_equal(tensors["b.1"], net.b[1])
        with safetensors.safe_open(tmp_path / "net.safetensors", "np") as file:
            assert json.loads(file.metadata()["fastmlp"])["format"] == 1


def squared(x, y):
    return ((x - y) ** 2).sum(axis=1), 2 * (x - y)


def schedule(epoch):
    return 0.01


@pytest.mark.parametrize("how", [{"loss": squared}, {"optimizer": SGD(schedule)},
                                 {"optimizer": Adam(lambda epoch: 0.01)}],
                         ids=["loss", "schedule", "lambda"])
def test_functions_cannot_be_saved(how, tmp_path):
    with pytest.raises(ValueError, match="cannot be saved"):
        trained(**how).save(tmp_path / "net")
    assert not list(tmp_path.iterdir())


# ---- atomic


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    def full(descriptor):
        raise OSError(28, "no space left on device")

    path = tmp_path / "net"
    trained().save(path)
    old = path.read_bytes()
    for function in ("fsync", "replace"):
        with monkeypatch.context() as broken:
            broken.setattr(os, function, lambda *args: full(0))
            with pytest.raises(OSError, match="no space left"):
                trained(epochs=5).save(path)
        assert path.read_bytes() == old and list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError) as caught:
        trained().save(tmp_path / "nowhere" / "net")
    assert caught.value.filename == str(tmp_path / "nowhere" / "net")


@pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")
def test_a_file_has_the_usual_permissions(tmp_path):
    trained().save(tmp_path / "net")
    (tmp_path / "usual").touch()
    assert (tmp_path / "net").stat().st_mode == (tmp_path / "usual").stat().st_mode


SAVE_FOR_EVER = """
import itertools, sys
from fastmlp import MLP
nets = [MLP([300, 300, 1], init="zeros") for _ in range(2)]
nets[1].params = nets[1].params + 1
for net in itertools.cycle(nets):
    net.save(sys.argv[1])
    print("saved", flush=True)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no kill -9 here")
def test_killed_in_a_save(tmp_path):
    path = tmp_path / "net"
    for i in range(4):
        saver = subprocess.Popen([sys.executable, "-P", "-c", SAVE_FOR_EVER, path], stdout=subprocess.PIPE)
        for _ in range(2 + i):
            assert saver.stdout.readline() == b"saved\n"
        time.sleep(RNG.random() * 0.005)
        saver.kill()
        saver.communicate()
        params = MLP.load(path).params
        assert (params == params[0]).all() and params[0] in (0, 1)


# ---- copies


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))],
                         ids=["copy", "deepcopy", "pickle"])
@pytest.mark.parametrize("epochs", [0, 3])
def test_copies_are_independent(duplicate, epochs):
    net = trained(epochs=epochs)
    twin, kept = duplicate(net), (net.params.tobytes(), copy.deepcopy(dict(net.history)))
    twin.partial_fit(X, Y, epochs=2)
    twin.W[1][...] = 5
    assert (net.params.tobytes(), dict(net.history)) == kept
    again = duplicate(net)
    net.partial_fit(X, Y, epochs=2)
    assert again.history == kept[1]
    again.partial_fit(X, Y, epochs=2)
    assert_same(net, again)


# ---- files of the first version


@pytest.mark.parametrize("load", [lambda path: MLP.load(path.with_suffix(".fastmlp")),
                                  lambda path: pickle.loads(path.with_suffix(".pickle").read_bytes())],
                         ids=["save", "pickle"])
def test_files_of_format_1(load):
    """Made by tests/files/make.py when the format was; training goes on from them to the bits written beside them."""
    path = Path(__file__).parent / "files" / "network_1.npz"
    net, kept = load(path), np.load(path)
    assert len(net.ties) == 3 and net.history.keys() == {"loss", "lr", "val_loss"} and len(net.history["loss"]) == 3
    if fastmlp.instruction_set() == "generic":  # has no fused multiply-add, see test_bits.py
        same = functools.partial(np.testing.assert_allclose, rtol=1e-4)
    else:
        same = np.testing.assert_array_equal
    same(net.predict(kept["X"]), kept["predicted"])
    net.partial_fit(kept["X"], kept["y"], epochs=2, batch_size=16)
    same(net.params, kept["params_after"])
    same(net.history["loss"], kept["loss_after"])
