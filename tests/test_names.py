"""The names and short ways that users of other libraries try first."""
import numpy as np
import pytest

import fastmlp
from fastmlp import MLP, SGD, Adam, AdamW, Dense, EarlyStopping, TimeLimit, layers, optim, schedules

X, Y = np.random.default_rng(0).standard_normal((2, 20, 3))


def weights(optimizer=None, loss="squared_error", activation="relu", **fit):
    net = MLP([3, 4, 3], activation=activation, loss=loss, random_state=0)
    net.fit(X, Y, optimizer, epochs=2, **fit)
    return net


# ---- other names


@pytest.mark.parametrize("name, ours", [("mse", "squared_error"), ("mean_squared_error", "squared_error"),
                                        ("mae", "absolute_error"), ("mean_absolute_error", "absolute_error")])
def test_names_of_losses(name, ours):
    net = weights(loss=name)
    assert net.loss.spec == net.loss.name == ours
    assert np.array_equal(net.params, weights(loss=ours).params)


@pytest.mark.parametrize("name, ours", [
    ("log_loss", "cross_entropy"), ("categorical_crossentropy", "cross_entropy"),
    ("sparse_categorical_crossentropy", "cross_entropy"), ("binary_crossentropy", "binary_cross_entropy")])
def test_names_of_losses_of_classes(name, ours):
    assert MLP([3, 2], loss=name).loss.spec == ours


@pytest.mark.parametrize("name, ours", [("swish", "silu"), ("logistic", "sigmoid"), ("linear", "identity")])
def test_names_of_activations(name, ours):
    net = MLP([3, 4, Dense(4, name), 2], activation=name)
    assert [layer.activation for layer in net.layers] == [ours, ours, "identity"]
    assert np.array_equal(weights(activation=name).params, weights(activation=ours).params)


def test_other_names_are_of_names_that_there_are():
    assert set(layers.ALIASES.values()) <= set(fastmlp.activations()) and not set(layers.ALIASES) & set(
        fastmlp.activations())
    from fastmlp.losses import ALIASES
    assert set(ALIASES.values()) <= set(fastmlp.losses()) and not set(ALIASES) & set(fastmlp.losses())


def test_other_names_do_not_reach_files(tmp_path):
    net = MLP([3, Dense(4, "swish"), 2], loss="mse")
    net.save(tmp_path / "net")
    assert b"swish" not in (tmp_path / "net").read_bytes() and b"mse" not in (tmp_path / "net").read_bytes()
    assert MLP.load(tmp_path / "net").layers[0].activation == "silu"


# ---- optimisers

SPECS = [getattr(optim, name) for name in optim.__all__]


@pytest.mark.parametrize("name", optim.BY_LOWER_NAME)
def test_optimisers_by_name_have_their_defaults(name):
    assert np.array_equal(weights(name).params, weights(getattr(optim, optim.BY_LOWER_NAME[name])()).params)


def test_all_optimisers_have_a_name():
    assert set(optim.BY_LOWER_NAME) == {name.lower() for name in optim.__all__}


@pytest.mark.parametrize("wrong, error", [("adamm", ValueError), ("Adam", ValueError), (3, TypeError),
                                          (Adam, TypeError)])
def test_what_names_no_optimiser(wrong, error):
    with pytest.raises(error, match="optimizer must be .*adam"):
        weights(wrong)


@pytest.mark.parametrize("spec", SPECS)
def test_learning_rate_is_lr(spec):
    for rate in (0.3, schedules.Cosine(0.1, 5)):
        assert spec(learning_rate=rate) == spec(lr=rate) == spec(rate)
    with pytest.raises(ValueError, match="learning_rate is another name for lr: .* got 0.2 and 0.1"):
        spec(0.1, learning_rate=0.2)
    with pytest.raises(ValueError, match="lr must be finite, above 0, got -1"):
        spec(learning_rate=-1)


def test_an_estimators_optimiser_by_name():
    pytest.importorskip("sklearn")
    first, second = (fastmlp.MLPRegressor(max_iter=2, random_state=0, optimizer=optimizer).fit(X, Y[:, 0])
                     for optimizer in ("adamw", AdamW()))
    assert all(map(np.array_equal, first.coefs_, second.coefs_))


# ---- a callback alone


@pytest.mark.parametrize("callback", [lambda net, epoch, logs: True, TimeLimit(0)], ids=["function", "object"])
def test_a_callback_without_a_list(callback):
    assert len(weights(callbacks=callback).history["loss"]) == 1
    pytest.importorskip("sklearn")
    assert fastmlp.MLPRegressor(hidden_layer_sizes=(4,), callbacks=callback).fit(X, Y[:, 0]).n_iter_ == 1


# ---- short reprs


@pytest.mark.parametrize("thing, text", [
    (Adam(), "Adam()"), (Adam(lr=0.01), "Adam(lr=0.01)"), (SGD(0.1, momentum=0.9), "SGD(lr=0.1, momentum=0.9)"),
    (SGD(schedules.Step(0.1, 5)), "SGD(lr=Step(lr=0.1, every=5))"),
    (EarlyStopping(patience=3), "EarlyStopping(patience=3)"),
    (EarlyStopping(), "EarlyStopping()"), (TimeLimit(3), "TimeLimit(seconds=3.0)")], ids=str)
def test_reprs(thing, text):
    assert repr(thing) == text


@pytest.mark.parametrize("spec", SPECS)
def test_reprs_of_all_optimisers(spec):
    """@dataclass(frozen=True, repr=False) leaves them to Optimizer."""
    assert repr(spec()) == f"{spec.__name__}()" and repr(spec(l2=0.5)) == f"{spec.__name__}(l2=0.5)"


def test_the_repr_of_a_callback_of_a_users():
    class Own(fastmlp.Callback):
        def __init__(self, every, *, file=None, **more):
            self.every = every

    assert repr(Own(5, file="x", a=3)) == "Own(every=5)"


def test_reprs_in_an_estimators():
    pytest.importorskip("sklearn")
    text = repr(fastmlp.MLPRegressor(optimizer=Adam(lr=0.01), callbacks=[TimeLimit(3)]))
    assert "optimizer=Adam(lr=0.01)" in text and "callbacks=[TimeLimit(seconds=3.0)]" in text
