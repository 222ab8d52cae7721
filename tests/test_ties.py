"""Ties: W = E p and dp = E^T dW, against a twin that writes E out as a matrix, and by hand."""
import copy
import pickle
from dataclasses import asdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import reference
from fastmlp import MLP, SGD, Adam, Conv2D, Dense, Dropout, Frozen, TiedGroup, tie_layers, tie_map, tie_transpose
from fastmlp._engine import runtime
from test_twin import OPTIMIZERS

RNG = np.random.default_rng(0)
X = RNG.standard_normal((40, 6))
Y = RNG.standard_normal((40, 6))
MASK = RNG.random((6, 4)) < 0.4
IDS = RNG.integers(-1, 5, (4, 6))
SYMMETRIC = np.array([[0, 1, 2, 3], [1, 4, 5, 6], [2, 5, 7, 8], [3, 6, 8, 9]])

# name -> (middle layers' sizes, ties, free parameters)
CASES = {
    "transpose": ((4,), [tie_transpose(1, 2)], 24 + 4 + 6),
    "transpose, the other way round": ((4,), [tie_transpose(2, 1)], 24 + 4 + 6),
    "layers": ((6, 6), [tie_layers(2, 3)], 2 * 42),
    "three layers": ((6, 6), [tie_layers(1, 2), tie_layers(2, 3)], 42),
    "transpose and a group": ((4,), [tie_transpose(1, 2), TiedGroup([(1, 0, 0), (1, 5, 3)])], 24 - 1 + 4 + 6),
    "group": ((4,), [TiedGroup([(1, 0, 1), (1, 1, 0)])], 58 - 1),
    "scales": ((4,), [TiedGroup([(1, 0, 0), (2, 1, 1), (2, 3, 5)], [2.0, -3.0, 0.1])], 58 - 2),
    "negative": ((4,), [TiedGroup([(1, i, 0) for i in range(6)], [1, -1, 1, -1, 1, -1])], 58 - 5),
    "one member": ((4,), [TiedGroup([(2, 0, 0)], [4.0])], 58),
    "across layers": ((4,), [TiedGroup([(1, 0, 0), (2, 0, 0), (1, None, 2), (2, None, 5)])], 58 - 3),
    "shared bias": ((4,), [TiedGroup([(1, None, j) for j in range(4)])], 58 - 3),
    "groups that meet": ((4,), [TiedGroup([(1, 0, 0), (1, 1, 1)], [1, 2]), TiedGroup([(1, 1, 1), (1, 2, 2)], [1, 3])],
                         58 - 2),
    "map": ((4,), [tie_map(2, IDS)], 58 - (IDS >= 0).sum() + len(set(IDS[IDS >= 0]))),
    "symmetric": ((4, 4), [tie_map(2, SYMMETRIC)], 28 + 10 + 4 + 30),
    "frozen zeros": ((4,), [Frozen(1, MASK, 0.0)], 58 - MASK.sum()),
    "frozen as it starts": ((4,), [Frozen(1, MASK), Frozen(2, [True] + 5 * [False], 0.5, biases=True)],
                            58 - MASK.sum() - 1),
    "tied to frozen": ((4,), [Frozen(1, np.eye(6, 4, dtype=bool), 0.25), TiedGroup([(1, 0, 0), (2, 0, 0)], [1, 2])],
                       58 - 4 - 1),
}
cases = pytest.mark.parametrize("case", CASES)


def network(case, dtype="float64", **parameters):
    middle, ties, _ = CASES[case]
    return MLP([6, *(Dense(n, "tanh", bias_init=0.1 * np.arange(n)) for n in middle), 6], dtype=dtype, ties=ties,
               random_state=1, **parameters)


def flat(W, b):
    return np.concatenate([a.ravel() for pair in zip(W[1:], b[1:]) for a in pair])


def matrix(net):
    """E and the offset of what stands still, by setting parameters one at a time: weights = offset + E p."""
    probe = copy.deepcopy(net)
    probe.params = np.zeros(net.n_params)
    offset = flat(probe.W, probe.b).astype(float)
    E = np.zeros((len(offset), net.n_params))
    for k in range(net.n_params):
        probe.params = np.eye(net.n_params)[k]
        E[:, k] = flat(probe.W, probe.b) - offset
    return E, offset


@cases
def test_parameters(case):
    net = network(case)
    assert net.n_params == len(net.params) == CASES[case][2]
    E, offset = matrix(net)
    if net.n_params < 5:
        np.testing.assert_array_equal(flat(net.W, net.b), offset + E @ net.params)
    np.testing.assert_allclose(flat(net.W, net.b), offset + E @ net.params, rtol=1e-15, atol=0)
    assert ((E != 0).sum(axis=1) + (offset != 0) <= 1).all() and (E != 0).any(axis=0).all()


@cases
def test_gradients(case):
    net = network(case)
    w = RNG.uniform(0, 2, 40)
    loss, gradient = net.loss_and_grad(X, Y, w)
    g = net.backprop(X, Y, w)
    E, _ = matrix(net)
    np.testing.assert_allclose(gradient, E.T @ flat(g.dW, g.db), rtol=1e-10, atol=1e-13)
    p, numeric = net.params, []
    for k in range(net.n_params):
        sides = []
        for h in (1e-6, -1e-6):
            q = p.copy()
            q[k] += h
            net.params = q
            sides.append(net.evaluate(X, Y, w))
        numeric.append((sides[0] - sides[1]) / 2e-6)
    np.testing.assert_allclose(gradient, numeric, rtol=1e-6, atol=1e-8)


@cases
def test_hvp_takes_integers(case):
    net = network(case)
    v = np.arange(net.n_params) % 3
    np.testing.assert_array_equal(net.hvp(v, X, Y), net.hvp(v.astype(float), X, Y))


class Twin:
    """Training by p, with E as a matrix."""

    def __init__(self, net):
        self.net, (self.E, self.offset) = net, matrix(net)
        self.p = net.params.astype(float)
        weights = np.concatenate([np.full(a.size, a.ndim > 1) for pair in zip(net.W[1:], net.b[1:]) for a in pair])
        self.penalised = weights[(self.E != 0).argmax(axis=0)]  # as what it is in its first place

    def step(self, rows, optimizer):
        net = self.net
        weights, W, b = self.offset + self.E @ self.p, [None], [None]
        for l in range(1, len(net.d)):
            for a, kept in ((net.W[l], W), (net.b[l], b)):
                kept.append(weights[:a.size].reshape(a.shape))
                weights = weights[a.size:]
        twin = reference.Network(W, b, [y.activation for y in net.layers], "squared_error")
        g = twin.backprop(X[rows], Y[rows], np.full(len(X[rows]), 1 / len(X[rows])))
        gradient = self.E.T @ flat(g.dW, g.db)
        parts = [self.penalised, ~self.penalised]
        params = [self.p[part] for part in parts]
        optimizer.step(params, [gradient[part] for part in parts], [True, False])
        for part, values in zip(parts, params):
            self.p[part] = values


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
@cases
def test_steps(case, optimizer):
    net = network(case)
    twin, steps = Twin(net), reference.OPTIMIZERS[type(optimizer).__name__](**asdict(optimizer))
    net.fit(X, Y, optimizer, epochs=3, batch_size=25, shuffle=False)
    for _ in range(3):
        for rows in (slice(0, 25), slice(25, 40)):
            twin.step(rows, steps)
    np.testing.assert_allclose(net.params, twin.p, rtol=1e-9, atol=1e-12)
    assert_tied(net)


def assert_tied(net):
    """Members are their scale times p to the bit, what is frozen stands still."""
    before = flat(net.W, net.b)
    net.params = net.params  # makes all weights of p anew
    np.testing.assert_array_equal(flat(net.W, net.b), before)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@cases
def test_the_same_bits(case, dtype, monkeypatch):
    """For any number of threads, row blocks and chunks, whatever scratch holds."""
    seen = set()
    for threads, block, chunk, fill in ((1, 0, 0, None), (2, 0, 0, b"\xff"), (3, 8, 0, b"\x00"), (8, 0, 8, None),
                                        (2, 16, 16, b"\xff")):
        monkeypatch.setattr(runtime, "scratch_fill", fill)
        net = network(case, dtype)
        net._network.core.block_rows, net._network.core.chunk_rows = block, chunk
        net.fit(X, Y, Adam(0.01, l2=0.1, clip_norm=1.0), epochs=3, batch_size=17, n_threads=threads)
        seen.add(net.params.tobytes())
        assert_tied(net)
    assert len(seen) == 1


@pytest.mark.parametrize("sizes, ties", [((150, 260), [tie_transpose(1, 2)]), ((260, 150), [tie_transpose(1, 2)]),
                                         ((33, 129), [tie_transpose(1, 2)]), ((1, 40), [tie_transpose(1, 2)]),
                                         ((120, 120), [tie_layers(2, 3)]), ((120, 120), [tie_transpose(2, 3)])])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_whole_layers_of_all_shapes(sizes, ties, dtype):
    """Wide and narrow, in panels or kept transposed: the same as by places."""
    middle = [sizes[0]] if ties[0].l == 1 else [sizes[0]] * 2
    ends = sizes[1]
    A = RNG.standard_normal((70, ends)).astype(dtype)
    quick, slow = (MLP([ends, *(Dense(n, "tanh") for n in middle), ends], dtype=dtype, ties=t, random_state=0) for t in
                   (ties, [*ties, *[TiedGroup([(ties[0].l, 0, 0)])]]))
    assert quick._network.parameters.ties.whole and not slow._network.parameters.ties.whole
    assert quick.n_params == slow.n_params
    assert (quick.params == slow.params).all()
    for net in (quick, slow):
        net.fit(A, A, Adam(1e-3, l2=0.01), epochs=3, batch_size=33, n_threads=2)
        assert_tied(net)
    np.testing.assert_allclose(quick.params, slow.params, rtol=0, atol=1e-12 if dtype == "float64" else 3e-5)


def test_two_weights_of_the_notes():
    """w12(1) = w21(1) = w: de/dw = delta2(1) x1(0) + delta1(1) x2(0). d = (2, 2, 1), identity, no bias,
    W(2) = (1, 2)^T, x(0) = (3, 5), y = 0; W(1) = [[1, w], [w, 1]] with w = 2: s(1) = (3 + 10, 6 + 5) = (13, 11),
    x(2) = 13 + 22 = 35, delta(2) = 70, delta(1) = (70, 140), de/dw = 140 * 3 + 70 * 5 = 770; one step of
    SGD(0.001): w = 2 - 0.77."""
    net = MLP([2, Dense(2, bias=False, init=np.array([[1.0, 2.0], [7.0, 1.0]])),
               Dense(1, bias=False, init=np.array([[1.0], [2.0]]))],
              dtype="float64", ties=[TiedGroup([(1, 0, 1), (1, 1, 0)])])
    assert net.W[1].tolist() == [[1.0, 2.0], [2.0, 1.0]] and net.n_params == 5
    loss, gradient = net.loss_and_grad([[3.0, 5.0]], [0.0])
    assert loss == 35.0**2 and gradient.tolist() == [210.0, 770.0, 700.0, 70.0 * 13, 70.0 * 11]
    net.fit([[3.0, 5.0]], [0.0], SGD(0.001), epochs=1)
    assert net.W[1][0, 1] == net.W[1][1, 0] == pytest.approx(2 - 0.77, rel=1e-15)


@pytest.mark.parametrize("clip_norm", [None, 0.5])
def test_momentum_and_adam_by_hand(clip_norm):
    """Three steps on a group of scales 2 and -1 by its own p: e = (x - y)^2, x = 2p x1 - p x2 + b frozen at 0."""
    rows, y = np.array([[1.0, 0.5], [2.0, -1.0]]), np.array([1.0, -2.0])
    a = 2 * rows[:, 0] - rows[:, 1]
    for optimizer in (SGD(0.05, momentum=0.9, clip_norm=clip_norm), Adam(0.05, clip_norm=clip_norm)):
        net = MLP([2, Dense(1, init=np.array([[0.6], [9.0]]))], dtype="float64",
                  ties=[TiedGroup([(1, 0, 0), (1, 1, 0)], [2.0, -1.0]), Frozen(1, np.array([True]), 0.0, biases=True)])
        assert net.params.tolist() == [0.3] and net.W[1].ravel().tolist() == [0.6, -0.3]
        net.fit(rows, y, optimizer, epochs=3, batch_size=None, shuffle=False)
        p, m, v = 0.3, 0.0, 0.0
        for t in range(1, 4):
            g = np.mean(2 * (a * p - y) * a)
            g = g * min(1.0, (clip_norm or np.inf) / abs(g))
            if isinstance(optimizer, SGD):
                m = 0.9 * m - 0.05 * g
                p += m
            else:
                m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
                p -= 0.05 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t) * m / (np.sqrt(v) + 1e-8)
        assert net.params[0] == pytest.approx(p, rel=1e-12)
        assert net.W[1].ravel().tolist() == [2 * net.params[0], -net.params[0]] and net.b[1].tolist() == [0.0]


@pytest.mark.parametrize("how", ["pickle", "copy", "file"])
@cases
def test_in_the_middle(case, how, tmp_path):
    net = network(case)
    net.fit(X, Y, Adam(0.01), epochs=2, batch_size=16)
    if how == "file":
        net.save(tmp_path / "net")
        again = MLP.load(tmp_path / "net")
    else:
        again = pickle.loads(pickle.dumps(net)) if how == "pickle" else copy.deepcopy(net)
    for each in (net, again):
        each.partial_fit(X, Y, epochs=2, batch_size=16)
    assert again.params.tobytes() == net.params.tobytes() and again.n_params == net.n_params
    np.testing.assert_array_equal(flat(again.W, again.b), flat(net.W, net.b))
    assert again._network.core.P.tobytes() == net._network.core.P.tobytes()


def test_views_of_tied_layers_are_read_only():
    net = MLP([6, 4, 5, 6], ties=[TiedGroup([(1, 0, 0), (3, 0, 0)])])
    for l in (1, 3):
        with pytest.raises(ValueError, match="read-only"):
            net.W[l][0, 0] = 1
        with pytest.raises(ValueError, match="read-only"):
            net.b[l][0] = 1
    net.W[2][0, 0] = net.b[2][0] = 3
    assert 3 in net.params
    frozen = MLP([2, 2], ties=[Frozen(1, np.ones((2, 2), bool))])
    with pytest.raises(ValueError, match="read-only"):
        frozen.W[1][0, 0] = 1


def test_a_tied_convolution():
    """Mirrored kernels, with dropout after it: members written as (l, i, j, c, f)."""
    ties = [TiedGroup([(1, i, 0, 0, f), (1, i, 2, 0, f)]) for i in range(3) for f in range(2)]
    net = MLP([(5, 5, 1), Conv2D(2, 3, "tanh"), Dropout(0.2), 3], dtype="float64", ties=ties, random_state=0)
    net.fit(X.repeat(5, axis=1)[:, :25], Y[:, :3], Adam(), epochs=2)
    assert (net.W[1][:, 0] == net.W[1][:, 2]).all() and net.n_params == MLP([(5, 5, 1), Conv2D(2, 3), 3]).n_params - 6


def test_layers_without_biases():
    net = MLP([6, Dense(6, "tanh", bias=False), Dense(6, bias=False)], dtype="float64", ties=[tie_layers(1, 2)],
              random_state=0)
    by_places = MLP([6, Dense(6, "tanh", bias=False), Dense(6, bias=False)], dtype="float64", random_state=0,
                    ties=[tie_layers(1, 2), TiedGroup([(1, 0, 0)])])
    for each in (net, by_places):
        each.fit(X, Y, Adam(0.01), epochs=3, n_threads=2)
        assert each.n_params == 36 and (each.W[1] == each.W[2]).all()
    np.testing.assert_allclose(net.params, by_places.params, rtol=1e-12)
    with pytest.raises(ValueError, match="layer 2 of a tie has no biases"):
        MLP([6, 6, Dense(6, bias=False)], ties=[tie_layers(1, 2)])


def test_everything_frozen():
    net = MLP([6, 6], dtype="float64", ties=[Frozen(1, np.ones((6, 6), bool)),
                                             Frozen(1, np.ones(6, bool), 1.0, biases=True)], random_state=0)
    before, loss = net.W[1].copy(), net.evaluate(X, Y)
    assert net.n_params == 0 and net.params.shape == (0,) and net.loss_and_grad(X, Y)[1].shape == (0,)
    assert net.fit(X, Y, Adam(clip_norm=1.0), epochs=2)["loss"] == pytest.approx([loss, loss])
    assert (net.W[1] == before).all() and (net.b[1] == 1).all()
    assert (pickle.loads(pickle.dumps(net)).W[1] == before).all()


def test_a_symmetric_matrix_by_its_own_transpose():
    net = MLP([6, 6], dtype="float64", ties=[tie_transpose(1, 1)], random_state=0)
    net.fit(X, Y, SGD(0.01, momentum=0.9), epochs=3)
    assert net.n_params == 21 + 6 and (net.W[1] == net.W[1].T).all()


def test_what_overflows_is_refused_before_anything_changed():
    net = MLP([2, 2], ties=[TiedGroup([(1, 0, 0), (1, 1, 1)], [1.0, 1e30])], random_state=0)
    before = net._network.core.P.copy()
    with pytest.raises(ValueError, match="ties: scale times parameter must be finite"):
        net.params = np.full(net.n_params, 1e20)
    np.testing.assert_array_equal(net._network.core.P, before)
    with pytest.raises(ValueError, match="ties: scale times parameter must be finite"):  # and without NumPy's warning
        MLP([2, 2], ties=[Frozen(1, np.eye(2, dtype=bool), 1e300)])


def test_frozen_values_that_agree_to_rounding():
    """0.1 and 0.3 on members with scales 1 and 3, of which 3 x 0.1 is not 0.3."""
    net = MLP([3, 4, 2], ties=[TiedGroup([(1, 0, 0), (2, 1, 1)], [1, 3]), Frozen(1, at((3, 4), 0, 0), 0.1),
                               Frozen(2, at((4, 2), 1, 1), 0.3)],
              dtype="float64")
    assert net.W[1][0, 0] == pytest.approx(0.1, rel=1e-15) and net.W[2][1, 1] == 3 * net.W[1][0, 0]


def at(shape, *index):
    mask = np.zeros(shape, bool)
    mask[index] = True
    return mask


def test_divergence_keeps_ties():
    net = network("scales")
    with pytest.warns(RuntimeWarning, match="not finite"):
        net.fit(X, Y, SGD(1e200), epochs=5)
    assert np.isfinite(net.params).all()
    assert_tied(net)


BAD = {
    "scale of itself": ([TiedGroup([(1, 0, 0), (1, 0, 0)], [1, 2])],
                        r"\(1, 0, 0\) and \(1, 0, 0\) are tied with the ratio 2"),
    "two ratios": ([TiedGroup([(1, 0, 0), (1, 1, 1)]), TiedGroup([(1, 1, 1), (1, 0, 0)], [1, 2])],
                   r"\(1, 1, 1\) and \(1, 0, 0\)"),
    "two values": ([Frozen(1, np.ones((6, 4), bool), 1.0), Frozen(1, np.ones((6, 4), bool), 2.0)],
                   r"\(1, 0, 0\) is frozen at 2"),
    "tied and two values": ([TiedGroup([(1, 0, 0), (1, 1, 0)]), Frozen(1, np.eye(6, 4, dtype=bool), 1.0),
                             Frozen(1, np.eye(6, 4, -1, dtype=bool), 3.0)], "frozen at another value"),
    "shapes": ([tie_transpose(1, 1)], "must fit"),
    "layers": ([tie_layers(1, 2)], r"must fit, got shapes \(6, 4\) and \(4, 6\)"),
    "no layer": ([tie_layers(1, 3)], "the layer of a tie must be at most 2"),
    "no member": ([TiedGroup([])], "at least one member"),
    "outside": ([TiedGroup([(1, 6, 0)])], r"\(1, 6, 0\) must be inside of W\(1\), whose shape is \(6, 4\)"),
    "outside bias": ([TiedGroup([(1, None, 4)])], r"inside of b\(1\)"),
    "scale 0": ([TiedGroup([(1, 0, 0)], [0.0])], "none 0"),
    "scales": ([TiedGroup([(1, 0, 0)], [1, 2])], "scales of TiedGroup must be 1"),
    "ids": ([tie_map(1, np.zeros((2, 2), int))], "ids of tie_map"),
    "mask": ([Frozen(1, np.ones((6, 4)))], "mask of Frozen must be booleans"),
    "value": ([Frozen(1, MASK, np.nan)], "got NaN"),
    "shape of values": ([Frozen(1, MASK, np.zeros(3))], r"value of Frozen .*got shape \(3,\)"),
    "negative id": ([tie_map(1, np.full((6, 4), -2))], "ids of tie_map must be at least -1, got -2"),
}


@pytest.mark.parametrize("wrong", BAD)
def test_contradictions(wrong):
    ties, message = BAD[wrong]
    with pytest.raises(ValueError, match=message):
        MLP([6, 4, 6], ties=ties)


def test_kinds():
    with pytest.raises(TypeError, match="ties must be TiedGroup"):
        MLP([6, 4, 6], ties=[(1, 2)])
    with pytest.raises(TypeError, match="ties must be a list of ties, got TiedLayers"):
        MLP([6, 4, 6], ties=tie_transpose(1, 2))
    with pytest.raises(TypeError, match="a tied member must be"):
        MLP([6, 4, 6], ties=[TiedGroup([(1, "a", 0)])])
    with pytest.raises(ValueError, match="layer 2 of a tie has no weights"):
        MLP([6, 4, Dropout(0.1), 6], ties=[TiedGroup([(2, 0, 0)])])
    with pytest.raises(ValueError, match="no biases"):
        MLP([6, Dense(4, bias=False), 6], ties=[TiedGroup([(1, None, 0)])])


members = st.one_of(st.tuples(st.just(1), st.integers(0, 2), st.integers(0, 3)),
                    st.tuples(st.just(2), st.integers(0, 3), st.integers(0, 1)),
                    st.tuples(st.just(1), st.none(), st.integers(0, 3)),
                    st.tuples(st.just(2), st.none(), st.integers(0, 1)))


@settings(max_examples=60, deadline=None)
@given(groups=st.lists(st.lists(members, min_size=1, max_size=6, unique=True), max_size=6), seed=st.integers(0, 99))
def test_random_patterns(groups, seed):
    """Groups that may meet, the parameters of each weight by plain merging of sets, gradients by plain sums."""
    net = MLP([3, Dense(4, "tanh"), 2], dtype="float64", random_state=seed, ties=[TiedGroup(g) for g in groups])
    every = [(l, i, j) for l, m, n in ((1, 3, 4), (2, 4, 2)) for i in (*range(m), None) for j in range(n)]
    merged = [{member} for member in every]
    for group in groups:
        touched = [s for s in merged if s & set(group)]
        merged = [s for s in merged if not s & set(group)] + [set().union(*touched)]
    assert net.n_params == len(merged)
    g = net.backprop(X[:, :3], Y[:, :2])

    def of(member, W, b):
        l, i, j = member
        return b[l][j] if i is None else W[l][i, j]

    sums = sorted(sum(of(member, g.dW, g.db) for member in s) for s in merged)
    np.testing.assert_allclose(np.sort(net.loss_and_grad(X[:, :3], Y[:, :2])[1]), sums, rtol=1e-9, atol=1e-12)
    net.fit(X[:, :3], Y[:, :2], Adam(0.01), epochs=2, n_threads=2)
    for s in merged:
        assert len({of(member, net.W, net.b) for member in s}) == 1


@pytest.mark.parametrize("value", [None, 0.3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_frozen_weights_with_a_scale_stay_to_the_bit(value, dtype, tmp_path):
    """They were scaled once more each time that params was set, and by rounding when a file was loaded."""
    members, rng = [(1, i, i) for i in range(4)], np.random.default_rng(0)
    ties = [TiedGroup(members, [0.7, 3.0, -1.1, 0.3]), Frozen(1, np.eye(6, 4, dtype=bool) & (np.arange(4) == 0), value)]
    net = MLP([6, 4, 6], dtype=dtype, ties=ties, random_state=1)
    frozen = [net.W[1][i, i] for i in range(4)]
    np.testing.assert_allclose(np.divide(frozen, [0.7, 3.0, -1.1, 0.3]), frozen[0] / 0.7, rtol=1e-6)
    if value is not None:
        assert frozen[0] == np.dtype(dtype).type(value)
    for _ in range(20):
        net.params = rng.standard_normal(net.n_params)
    net.fit(X, Y, Adam(0.01), epochs=2)
    assert [net.W[1][i, i] for i in range(4)] == frozen
    for _ in range(5):
        net.save(tmp_path / "net")
        net = pickle.loads(pickle.dumps(MLP.load(tmp_path / "net")))
        assert [net.W[1][i, i] for i in range(4)] == frozen
