"""Networks whose layers read others than the one before: the engine's hooks for them, held to NumPy and to difference
quotients."""
import math

import numpy as np
import pytest

from fastmlp import _core
from fastmlp._engine.requests import AttackNumbers, Batches, Objective, Penalty, State, Step

RNG = np.random.default_rng(0)
ROWS = 150
D = (5, 6, 6, 6, 6, 6, 3)
X, Y = RNG.standard_normal((ROWS, D[0])), RNG.standard_normal((ROWS, D[-1]))
# layer 1 is read by 2, 3 and 5, of which 2 is relu's, which the products of dense layers apply themselves
LAYERS = (("dense", (0,), "relu"), ("dense", (1,), "tanh"), ("dense", (1,), "relu"), ("sum", (2, 3), "identity"),
          ("sum", (4, 1), "identity"), ("dense", (5,), "identity"))
THETA = {"identity": (lambda s: s, lambda s: np.ones_like(s)),
         "relu": (lambda s: np.maximum(s, 0), lambda s: (s > 0) * 1.0),
         "tanh": (np.tanh, lambda s: 1 - np.tanh(s) ** 2)}


def network(dtype="float64", layers=LAYERS):
    rows = [{"kind": kind, "sources": sources, "activation": _core.ACTIVATIONS[activation][0], "argument": 0.0,
             "bias": kind == "dense"} for kind, sources, activation in layers]
    core = _core.Core(D, rows, _core.LOSSES["squared_error"][::2], _core.LINKS["identity"], dtype)
    rng = np.random.default_rng(1)
    for l in range(1, len(D)):
        for a in (core.weight(l), core.bias(l)):
            if a is not None:
                a[...] = rng.standard_normal(a.shape) / 2
    return core


def test_numbers_that_no_kind_reads_are_an_error():
    row = {"kind": "dropout", "sources": (0,), "activation": 0, "argument": 0.0, "bias": False, "rate": 0.5}
    _core.Core((3, 3), [row], (0, 0.0), 0, "float64")
    for more in ({"rats": 0.5}, {"groups": 2}):
        with pytest.raises(ValueError, match=f"layer 1, dropout, does not read {next(iter(more))}"):
            _core.Core((3, 3), [row | more], (0, 0.0), 0, "float64")
    with pytest.raises(KeyError, match="rate"):
        _core.Core((3, 3), [{key: row[key] for key in row if key != "rate"}], (0, 0.0), 0, "float64")


def test_requests_have_the_order_in_which_the_engine_takes_them_apart():
    assert Batches._fields == ("order", "size", "first", "last", "weight_scale", "key", "rates", "mixed")
    assert Step._fields == ("kind", "lr", "beta1", "beta2", "eps", "fade", "decay", "l2", "l1", "clip_norm")
    assert State._fields == ("slots", "powers", "average")
    assert Objective._fields == ("row_l2", "row_l1", "input_noise", "penalty", "attack", "smoothing", "mixup")


def data(dtype="float64", rows=slice(None)):
    return _core.Data(X[rows].astype(dtype), Y[rows].astype(dtype))


def by_hand(core):
    """x, delta, and the gradients of the mean loss, by the definitions."""
    s, x = [None], [X]
    for l, (kind, sources, activation) in enumerate(LAYERS, 1):
        s.append(x[sources[0]] @ core.weight(l) + core.bias(l) if kind == "dense" else sum(x[i] for i in sources))
        x.append(THETA[activation][0](s[l]))
    de_dx = [np.zeros_like(a) for a in x]
    delta, dW, db = ([None] * len(D) for _ in range(3))
    de_dx[-1] = 2 * (x[-1] - Y)
    for l in range(len(LAYERS), 0, -1):
        kind, sources, activation = LAYERS[l - 1]
        delta[l] = de_dx[l] * THETA[activation][1](s[l])
        for i in sources:
            de_dx[i] += delta[l] @ core.weight(l).T if kind == "dense" else delta[l]
        if kind == "dense":
            dW[l], db[l] = x[sources[0]].T @ delta[l] / ROWS, delta[l].sum(axis=0) / ROWS
    return x, delta, de_dx[0], dW, db


def test_the_sweep_is_that_of_the_definitions():
    core = network()
    x, delta, dX, dW, db = by_hand(core)
    found = core.sweep(data(), True, _core.Team(1))
    for l in range(1, len(D)):
        np.testing.assert_allclose(found["x"][l], x[l], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(found["delta"][l], delta[l], rtol=1e-12, atol=1e-12)
        if dW[l] is not None:
            np.testing.assert_allclose(core.weight(l, found["G"]), dW[l], rtol=1e-12, atol=1e-13)
            np.testing.assert_allclose(core.bias(l, found["G"]), db[l], rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(found["delta"][0], dX, rtol=1e-12, atol=1e-12)


def train(core, dtype, threads=1, exchange=None, objective=None, rows=slice(None), batch=70, epochs=2):
    slots, powers = [core.like_params(), core.like_params()], np.ones(2)
    bound, losses = data(dtype, rows), []
    n = bound.n
    with _core.borrow_team(threads) as team:
        for _ in range(epochs):
            sums = core.train(bound, team, Batches(np.arange(n), batch, 0, -(-n // batch), key=3),
                              Step(_core.STEPS["adam"][0], 0.01, 0.9, 0.999, 1e-8), State(slots, powers),
                              objective or Objective(), exchange)
            losses.append(sums.loss)
    return core.flat(core.P), losses, sums


OBJECTIVES = {
    "plain": Objective(),
    "gradient penalty": Objective(penalty=Penalty(_core.PENALTIES["gradient_penalty"], 0.1)),
    "jacobian penalty": Objective(penalty=Penalty(_core.PENALTIES["jacobian_penalty"], 0.1)),
    "attack": Objective(attack=AttackNumbers(0, 0.1, 0.05, -math.inf, math.inf, 2, True)),
}


@pytest.mark.parametrize("name", OBJECTIVES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_same_bits_for_any_number_of_threads_block_and_chunk(dtype, name):
    seen = set()
    for threads, block, chunk in ((1, 0, 0), (2, 8, 0), (3, 0, 16), (2, 16, 48)):
        core = network(dtype)
        core.block_rows, core.chunk_rows = block, chunk
        seen.add(train(core, dtype, threads, objective=OBJECTIVES[name])[0].tobytes())
    assert len(seen) == 1


def loss_at(core, P, x=X, y=Y):
    before = core.P.copy()
    core.P[...] = P
    value = core.evaluate(_core.Data(np.ascontiguousarray(x), np.ascontiguousarray(y)), _core.Team(1))
    core.P[...] = before
    return value


def test_second_derivatives():
    """Hessian times v, the Jacobian forward and back, and a gradient penalty's gradient: by difference quotients."""
    core, team, h = network(), _core.Team(1), 1e-5
    V = core.like_params()
    for l in range(1, len(D)):
        for a in (core.weight(l, V), core.bias(l, V)):
            if a is not None:
                a[...] = RNG.standard_normal(a.shape)
    gradients = []
    P = core.P.copy()
    for sign in (1, -1):
        core.P[...] = P + sign * h * V
        gradients.append(core.flat(core.gradient(data(), team)[1]))
    core.P[...] = P
    product = core.flat(core.gradient(data(), team, V=V)[1])
    np.testing.assert_allclose(product, (gradients[0] - gradients[1]) / (2 * h), rtol=1e-5, atol=1e-6)
    direction, U = RNG.standard_normal(X.shape), RNG.standard_normal(Y.shape)
    outputs = [core.predict(_core.Data(X + sign * h * direction), team, None, False) for sign in (1, -1)]
    pushed = core.push(data(), team, direction)
    np.testing.assert_allclose(pushed, (outputs[0] - outputs[1]) / (2 * h), rtol=1e-5, atol=1e-6)
    pulled, _ = core.pull(data(), team, U)
    np.testing.assert_allclose((pulled * direction).sum(), (U * pushed).sum(), rtol=1e-12)
    penalty = Penalty(_core.PENALTIES["gradient_penalty"], 0.3)
    totals = []
    for sign in (1, -1):
        core.P[...] = P + sign * h * V
        totals.append(core.gradient(data(), team, penalty)[0] / ROWS)
    core.P[...] = P
    slope = core.flat(core.gradient(data(), team, penalty)[1]) @ core.flat(V)
    assert slope == pytest.approx((totals[0] - totals[1]) / (2 * h), rel=1e-5)


def test_an_exchange_between_gradient_and_step():
    """Two halves of each batch that add up their gradients are the whole batch, to rounding."""
    whole, losses, _ = train(network(), "float64", batch=ROWS)
    seen = []

    def with_the_other_half(G, found, error):
        other = network()
        other.P[...] = core.P
        total, gradient = other.gradient(data(rows=slice(75, None)), _core.Team(1))
        G[...] = (G + gradient) / 2     # of means over as many rows
        found[0] += total
        seen.append(found.tolist())

    core = network()
    half, half_losses, _ = train(core, "float64", threads=2, exchange=with_the_other_half, rows=slice(75), batch=75)
    np.testing.assert_allclose(half, whole, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(half_losses, losses, rtol=1e-12)
    assert len(seen) == 2 and all(bad == 0 for _, bad in seen)


def test_an_exchange_can_end_the_epoch():
    """That another one's loss is not finite ends it for all, before the step; an error of its own is raised."""
    core = network()
    before = core.P.copy()

    def bad(G, found, error):
        found[1] = 1

    _, _, sums = train(core, "float64", exchange=bad, epochs=1)
    assert sums.done == 0 and (core.P == before).all()

    def fails(G, found, error):
        raise OSError("the other one is gone")

    with pytest.raises(OSError, match="is gone"):
        train(core, "float64", threads=2, exchange=fails, epochs=1)
    assert (core.P == before).all()
    assert train(core, "float64", threads=2, epochs=1)[2].done == 3
