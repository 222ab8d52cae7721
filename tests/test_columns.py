"""Columns of categories and their tables: held to Dense layers of one-hot columns, to the NumPy twin, to numbers worked
out by hand, and to PyTorch where that is installed."""
import math

import numpy as np
import pytest
from scipy import sparse

import layer_checks
import reference
from fastmlp import (
    MLP,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    BatchNorm,
    Columns,
    Concat,
    Dense,
    Embedding,
    Frozen,
    Identity,
    LayerNorm,
    Lion,
    NAdam,
    Residual,
    RMSprop,
    Scale,
    TiedGroup,
    sensitivity,
    tie_layers,
)
from test_files import assert_goes_on_from_a_file
from test_gradients import assert_derivatives
from test_layer_rates import scaled
from test_twin import TOLERANCE

dtypes = pytest.mark.parametrize("dtype", TOLERANCE)
RNG = np.random.default_rng(0)
A, B = Embedding(7, 4), Embedding(50, 3, "zero")
LAYERS = {
    "numbers and categories": [Columns(3, [A, B]), Dense(8, "tanh"), 3],
    "categories alone": [Columns(0, [B, A, Embedding(1, 1)]), Dense(8, "tanh"), 3],
    "numbers alone": [Columns(3), Dense(8, "tanh"), 3],
    "a branch for each": [5, Concat([Columns(3), Scale(), Dense(6, "tanh")], Columns(0, [A, B])), 3],
    "several of one column": [4, Concat(Columns(2, [A]), [Columns(1, [Embedding(8, 2)]), LayerNorm()], Columns(0, [A])),
                              Dense(8, "tanh"), 3],
    "factors of tables": [Columns(1, [Embedding(7, 4, decay=0.5), Embedding(9, 3, lr_scale=2.0)]), Dense(8, "tanh"), 3],
    "later layers": [Columns(2, [Embedding(9, 17)]), LayerNorm(), Residual(Dense(8, "tanh"), 19), 3],
}
networks = pytest.mark.parametrize("name", LAYERS)


def problem(name, dtype="float64", n=60):
    net = MLP(LAYERS[name], dtype=dtype, random_state=0)
    X, y = layer_checks.rows_for(net, RNG, n)
    return net, reference.with_categories(net, X), y


@dtypes
@networks
def test_the_sweep_is_the_twins(name, dtype):
    layer_checks.assert_the_sweep_is_the_twins(*problem(name, dtype))


@networks
def test_derivatives_alone_and_nested(name):
    net, X, y = problem(name, n=20)
    assert_derivatives(net, X, y, layer_checks.NEAR * RNG.standard_normal(net.n_params))
    J = layer_checks.assert_the_jvp_is_the_jacobians(net, X, RNG)
    assert not J[:, :, net._network.numeric:].any()


def test_by_hand():
    """Two rows of two numbers and a category; layer 2 adds all up, and de/dx(2) is 1."""
    table = Embedding(3, 2, "zero", init=[[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    net = MLP([Columns(2, [table]), Dense(1, bias=False, init=[[1.0], [10.0], [2.0], [3.0]])], dtype="float64")
    X = np.array([[0.5, -1.0, 2.0], [0.25, 4.0, 0.0], [1.0, 1.0, 3.0], [0.0, 0.0, 2.0]])
    found = net.backprop(X, net.predict(X) - 0.5)
    np.testing.assert_array_equal(found.x[1], [[0.5, -1, 5, 6], [0.25, 4, 1, 2], [1, 1, 0, 0], [0, 0, 5, 6]])
    np.testing.assert_array_equal(found.x[2][:, 0], [0.5 - 10 + 10 + 18, 0.25 + 40 + 2 + 6, 11, 28])
    np.testing.assert_array_equal(found.dX, [[1, 10, 0]] * 4)
    np.testing.assert_array_equal(net.layers[0].tables(4 * found.dW[1])[0], [[2, 3], [0, 0], [4, 6]])
    net.fit(X, net.predict(X) - 0.5, SGD(1 / 8), epochs=1, batch_size=None)
    np.testing.assert_array_equal(net.layers[0].tables(net.W[1])[0],
                                  [[1 - 2 / 32, 2 - 3 / 32], [3, 4], [5 - 4 / 32, 6 - 6 / 32]])


# ---- one-hot columns and a Dense layer


def one_hot(X, *n_values):
    """The numbers of X, then a column for each value of each category."""
    first = X.shape[1] - len(n_values)
    return np.hstack([X[:, :first], *((X[:, [first + k]] == np.arange(n)) * 1.0 for k, n in enumerate(n_values))])


def pair(dtype, ties=True):
    """A network of columns, and one of one-hot columns: numbers pass through a frozen identity there."""
    columns = MLP([Columns(3, [A, B]), Dense(20, "tanh"), 2], dtype=dtype, random_state=0)
    W, learned = np.zeros((60, 10)), np.zeros((60, 10), bool)
    W[:3, :3] = np.eye(3)
    W[3:10, 3:7], W[10:, 7:] = columns.layers[0].tables(columns.W[1])
    learned[3:10, 3:7], learned[10:, 7:] = True, True
    frozen = [Frozen(1, ~learned)] if ties else []
    dense = MLP([60, Dense(10, bias=False, init=W), Dense(20, "tanh", init=columns.W[2], bias_init=columns.b[2]),
                 Dense(2, init=columns.W[3], bias_init=columns.b[3])], dtype=dtype, ties=frozen)
    X = reference.with_categories(columns, RNG.standard_normal((90, 5)))
    return columns, dense, X, RNG.standard_normal((90, 2)), learned


def of_tables(W):
    """What W of the one-hot layer has of the tables, as the columns have it."""
    return np.concatenate([W[3:10, 3:7].ravel(), W[10:, 7:].ravel()])


@dtypes
def test_equals_one_hot_columns(dtype):
    columns, dense, X, y, _ = pair(dtype, ties=False)
    H, tolerance = one_hot(X, 7, 50), 1e-12 if dtype == "float64" else 1e-5
    found, wanted = columns.backprop(X, y), dense.backprop(H, y)
    np.testing.assert_allclose(found.x[3], wanted.x[3], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found.dX[:, :3], wanted.dX[:, :3], rtol=tolerance, atol=tolerance)
    np.testing.assert_allclose(found.dW[1], of_tables(wanted.dW[1]), rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(columns.predict(X[:4].astype(dtype)), columns.predict(X)[:4])


def test_second_derivatives_equal_those_of_one_hot_columns():
    columns, dense, X, y, learned = pair("float64", ties=False)
    H, v = one_hot(X, 7, 50), RNG.standard_normal(columns.n_params)
    along = np.zeros((60, 10))
    n = columns.W[1].size
    along[3:10, 3:7], along[10:, 7:] = columns.layers[0].tables(v[:n])
    whole = dense.hvp(np.concatenate([along.ravel(), v[n:]]), H, y)
    wanted = np.concatenate([of_tables(whole[:600].reshape(60, 10)), whole[600:]])
    np.testing.assert_allclose(columns.hvp(v, X, y), wanted, rtol=1e-11, atol=1e-12)


OPTIMIZERS = [SGD(0.05), SGD(0.05, momentum=0.9, nesterov=True), SGD(0.05, l2=0.1), SGD(0.05, clip_norm=0.1),
              Adagrad(0.05), Adagrad(0.05, l1=0.01), Adam(0.01), AdamW(0.01, weight_decay=0.1), NAdam(0.01),
              RMSprop(0.01), Lion(0.01)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_training_equals_that_of_one_hot_columns(optimizer):
    columns, dense, X, y, _ = pair("float64")
    for net, rows in ((columns, X), (dense, one_hot(X, 7, 50))):
        net.fit(rows, y, optimizer, epochs=5, batch_size=20, shuffle=False)
    np.testing.assert_allclose(columns.W[1], of_tables(dense.W[1]), rtol=1e-12, atol=1e-12)
    for l in (2, 3):
        np.testing.assert_allclose(columns.W[l], dense.W[l], rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(columns.b[l], dense.b[l], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
def test_a_large_table_is_stepped_as_one_hot_columns_are(optimizer):
    """So large that steps come layer by layer, of which some touch only the rows that occur."""
    n, units = 2000, 13
    columns = MLP([Columns(0, [Embedding(n, units)]), Dense(9, "tanh"), 2], dtype="float64", random_state=0)
    assert columns.W[1].nbytes > 2**16 and columns.n_params > 16 * sum(columns.d)
    dense = MLP([n, Dense(units, bias=False, init=columns.W[1].reshape(n, units)),
                 Dense(9, "tanh", init=columns.W[2]), Dense(2, init=columns.W[3])], dtype="float64")
    start, X, y = columns.W[1].copy(), RNG.integers(0, n, (150, 1)), RNG.standard_normal((150, 2))
    for net, rows in ((columns, X), (dense, one_hot(X, n))):
        net.fit(rows, y, optimizer, epochs=3, batch_size=40, shuffle=False)
    np.testing.assert_allclose(columns.W[1], dense.W[1].ravel(), rtol=1e-12, atol=1e-12)
    absent = np.setdiff1d(np.arange(n), X)
    penalised = any(getattr(optimizer, name, 0) for name in ("l2", "l1", "weight_decay"))
    moved = columns.W[1].reshape(n, units)[absent] != start.reshape(n, units)[absent]
    assert moved.all() if penalised else not moved.any()  # a row that never had a gradient has no momentum either


def test_rows_that_are_stepped_alone_have_the_bits_of_the_step_of_all():
    for optimizer in (SGD(0.05), Adagrad(0.05)):
        found = []
        for threads, chunk in ((1, 0), (2, 0), (3, 0), (2, 16)):  # of batches in chunks all rows are stepped
            net = MLP([Columns(1, [Embedding(3000, 11, "zero"), Embedding(5, 2)]), 2], random_state=0)
            net._network.core.chunk_rows = chunk
            X = reference.with_categories(net, np.linspace(-1, 1, 400).reshape(-1, 1).repeat(3, 1))
            net.fit(X, np.ones((400, 2)), optimizer, epochs=2, batch_size=64, n_threads=threads)
            found.append(net.params.tobytes())
        assert len({*found}) == 1


def test_factors_of_rate_and_decay():
    """Rate 0 leaves the tables as they are; decay 0 spares them what l2 does to the others."""
    _, X, y = problem("numbers and categories", n=30)
    still = MLP([Columns(3, [A, B], lr_scale=0.0), 8, 3], random_state=0)
    start = still.params
    still.fit(X, y, SGD(0.1, l2=0.1), epochs=2)
    n = still.W[1].size
    assert (still.params[:n] == start[:n]).all() and (still.params[n:] != start[n:]).any()
    spared, heavy = (MLP([Columns(0, [Embedding(9, 2)], decay=decay), 3], random_state=0) for decay in (0.0, 1.0))
    for net in (spared, heavy):
        before = net.W[1].copy()
        net.fit(np.zeros((4, 1)), np.ones((4, 3)), SGD(0.1, l2=0.1), epochs=1)
        assert (net.W[1][2:] == before[2:]).all() == (net is spared)


@pytest.mark.parametrize("n", [50, 2000])  # with a step of all parameters as one vector, and of layers by themselves
@pytest.mark.parametrize("optimizer", [optimizer for optimizer in OPTIMIZERS if not optimizer.clip_norm], ids=repr)
def test_tables_have_rates_and_decays_of_their_own(optimizer, n):
    """On top of those of the layer: held to the twin's steps of each table by itself."""
    tables = [Embedding(7, 3, "zero", lr_scale=0.5, decay=2.0), Embedding(n, 13, lr_scale=2.0, decay=0.5),
              Embedding(9, 1, lr_scale=0.0), Embedding(5, 9)]
    net = MLP([Columns(2, tables, lr_scale=0.5, decay=0.5), Dense(9, "tanh"), 2], dtype="float64", random_state=0)
    X, y = reference.with_categories(net, RNG.standard_normal((150, 6))), RNG.standard_normal((150, 2))
    twin = reference.twin_of(net)

    def parts(W, b):
        return [*net.layers[0].tables(W[1]), *W[2:], *b[2:]]

    factors = [(0.25, 1.0), (1.0, 0.25), (0.0, 0.5), (0.5, 0.5), (1.0, 1.0), (1.0, 1.0), (1.0, 0.0), (1.0, 0.0)]
    steps = [scaled(optimizer, *own) for own in factors]
    for i in (0, 40, 80, 120) * 2:
        g = twin.backprop(X[i:i + 40], y[i:i + 40])
        for step, p, gradient in zip(steps, parts(twin.W, twin.b), parts(g.dW, g.db), strict=True):
            step.step([p], [gradient], [True])
    net.fit(X, y, optimizer, epochs=2, batch_size=40, shuffle=False, n_threads=3)
    for found, wanted in zip(parts(net.W, net.b), parts(twin.W, twin.b)):
        np.testing.assert_allclose(found, wanted, rtol=1e-11, atol=1e-12)


def test_wrong_factors_of_tables():
    for factor in ("lr_scale", "decay"):
        with pytest.raises(ValueError, match=rf"{factor} of categories\[0\] of layers\[0\] must be .* at least 0"):
            MLP([Columns(0, [Embedding(3, 2, **{factor: -1.0})]), 2])
        with pytest.raises(ValueError, match=rf"{factor} of categories\[0\] of layer 1 must be 1, since it has ties"):
            MLP([Columns(0, [Embedding(3, 2, **{factor: 0.5})]), 2], ties=[TiedGroup([(1, 0), (1, 5)])])


# ---- data


def test_unknown_categories_are_errors_that_say_where_or_zeros():
    net, X, y = problem("numbers and categories")
    start = net.params
    for column, value, message in (
            (3, 7, r"X must have integers 0..6 in column 3, got 7 in row 9"), (3, -1, "0..6 in column 3, got -1"),
            (3, np.nan, "0..6 in column 3, got nan"), (3, 2.5, "0..6 in column 3, got 2.5"),
            (4, 2.5, "X must have integers, or NaN, in column 4, got 2.5 in row 9"), (4, np.inf, "column 4, got inf"),
            (2, np.nan, "X must be finite")):
        wrong = X.copy()
        wrong[9, column] = value
        for call in (lambda wrong: net.predict(wrong), lambda wrong: net.fit(wrong, y),
                     lambda wrong: net.fit(X, y, validation_data=(wrong, y)),
                     lambda wrong: net.input_gradient(wrong, y)):
            with pytest.raises(ValueError, match=message):
                call(wrong)
        with pytest.raises(ValueError, match=message.replace("row 9", "row 0")):
            net.predict(wrong[9:10])
    np.testing.assert_array_equal(net.params, start)
    assert not net.history
    zero = X.copy()
    zero[:, 4] = np.resize([np.nan, -1, 50, 1e9], len(X))
    assert not net.forward(zero).x[1][:, 7:].any()
    gradient = net.backprop(zero, y).dW[1]
    assert not net.layers[0].tables(gradient)[1].any() and net.layers[0].tables(gradient)[0].any()
    with pytest.raises(TypeError, match="X must be dense"):
        net.predict(sparse.csr_array(np.nan_to_num(X)))


def test_data_of_all_layouts_give_the_same():
    net = MLP([Columns(2, [A, Embedding(50, 3)]), Dense(8, "relu"), 3], random_state=0)
    X = np.c_[RNG.integers(-9, 9, (40, 2)), RNG.integers(0, 7, 40), RNG.integers(0, 50, 40)]
    wanted = net.predict(X.astype(np.float32))
    for given in (X.astype(np.int8), X.astype(np.float64), np.asfortranarray(X), X.tolist(), X.astype(object),
                  np.repeat(X, 2, axis=0)[::2]):
        np.testing.assert_array_equal(net.predict(given), wanted)
    np.testing.assert_array_equal([net.predict(X[i:i + 1].astype(np.float32))[0] for i in range(40)], wanted)


def test_windows_and_batches():
    net, X, y = problem("numbers and categories")
    whole, windows, batches = (MLP(LAYERS["numbers and categories"], random_state=0) for _ in range(3))
    whole.fit(X, y, epochs=2, batch_size=10, shuffle=False)
    windows.fit(X, y, epochs=2, batch_size=10, shuffle=False, window=20)
    batches.fit(batches=[(X[i:i + 10], y[i:i + 10]) for i in range(0, 60, 10)], epochs=2)
    np.testing.assert_array_equal(windows.params, whole.params)
    np.testing.assert_array_equal(batches.params, whole.params)
    X[25, 3] = 7
    for options in ({"X": X, "y": y, "window": 20}, {"batches": [(X, y)]}):
        with pytest.raises(ValueError, match="X must have integers 0..6 in column 3, got 7"):
            windows.fit(**options)


def test_what_changes_under_way_is_not_looked_up():
    """Rows of X are not copied: categories that leave the table in a callback have zeros then, and nothing else."""
    net, X, y = problem("numbers and categories")

    def spoil(net, epoch, logs):
        X[:, 3:] = np.resize([1e30, -1e30, 6.5, 1e9], (len(X), 2))

    net.fit(X, y, epochs=3, callbacks=spoil)
    assert np.isfinite(net.params).all()


def test_the_input_is_read_by_columns_alone():
    for layers, message in (
            ([5, Concat(Columns(3, [A, B]), 4), 1], "categories of the input must be read by Columns alone"),
            ([5, Concat(Columns(3, [A, B]), [Columns(4)]), 1], "numeric of layer 3 must be at most 3"),
            ([5, Concat(Columns(3, [A, B]), Identity()), 1], r"categories .* alone"),
            ([5, 5, Columns(3), 1], r"Columns must read the input, got layer 2, Columns\(3\), which does not"),
            ([5, Residual(Columns(3, [A, B]), project=True), 1], r"categories .* alone, got layer 2, Projection"),
            ([2, Columns(2, [A]), 1], r"layers\[1\]: Columns must read at least numeric \+ categories columns, 2 \+ 1"),
            ([(4, 2), Columns(1, [A]), 1], "Columns must read rows of numbers"),
            ([Columns(2, [A]), Dense(1, init="zero"), 1], "init of layer 2"),
            ([Columns(2, [Embedding(0, 4)]), 1], r"n_values of categories\[0\] of layers\[0\] must be at least 1"),
            ([Columns(2, [Embedding(2**24 + 1, 4)]), 1], "n_values .* at most 16777216"),
            ([Columns(2, [Embedding(3, 4, "one")]), 1], "unknown .* must be one of error, zero"),
            ([Columns(2, [Embedding(3, 4, init=np.zeros((4, 3)))]), 1], r"init of categories\[0\] of layer 1 must"),
            ([Columns(0), 1], r"columns of layers\[0\] must be at least 1")):
        with pytest.raises(ValueError, match=message):
            MLP(layers)
    for layers, message in (([Columns(2, A), 1], "categories of .* must be a list of Embedding"),
                            ([Columns(2, [4]), 1], "must be a list of Embedding, got 4"),
                            ([Dense(4), 1], r"layers\[0\] must be an int, the shape of a map or Columns")):
        with pytest.raises(TypeError, match=message):
            MLP(layers)


# ---- what moves inputs


@pytest.mark.parametrize("norm", [2, math.inf])
def test_attacks_leave_categories_alone(norm):
    net, X, y = problem("numbers and categories")
    clip = (-4.5, 4.5)  # of numbers: categories go up to 49
    for moved in (sensitivity.fgsm(net, X, y, 0.5, norm, clip),
                  sensitivity.pgd(net, X, y, 0.5, num_random_init=2, norm=norm, clip=clip, random_state=0)):
        np.testing.assert_array_equal(moved[:, 3:], X[:, 3:])
        distance = np.linalg.norm(moved[:, :3] - X[:, :3], ord=norm, axis=1)
        assert distance.max() == pytest.approx(0.5, rel=1e-6) and distance.min() > 0.01
    for options in ({"adversarial": sensitivity.Attack(0.5, norm=norm, clip=clip, random_start=True)},
                    {"input_noise": 0.5}):
        net.fit(X, y, Adam(0.01), epochs=2, **options)  # an X that moved would leave the first table
        assert np.isfinite(net.params).all()


def test_noise_leaves_categories_alone():
    """All that is learned is a row for each category: noise makes no difference."""
    X = RNG.integers(0, 7, (40, 1))
    found = [MLP([Columns(0, [A]), 2], random_state=0) for _ in range(2)]
    for net, noise in zip(found, (0.0, 100.0)):
        net.fit(X, X.repeat(2, 1), epochs=2, input_noise=noise)
    np.testing.assert_array_equal(found[0].params, found[1].params)


def test_attributions_and_reports_leave_categories_alone():
    net, X, y = problem("numbers and categories")
    known = np.where(np.isnan(X), 0, X)
    attributions = [sensitivity.saliency(net, X, y), sensitivity.input_x_gradient(net, X, y),
                    sensitivity.smooth_grad(net, X, y, random_state=0),
                    sensitivity.expected_gradients(net, X, y, background=known, random_state=0),
                    sensitivity.integrated_gradients(net, X, y)]
    for found in attributions:
        assert not found[:, 3:].any() and found[:, :3].any(axis=1).all()
    found, miss = sensitivity.integrated_gradients(net, X, y, return_convergence_delta=True)
    np.testing.assert_allclose(miss, 0, atol=1e-10)
    curve = sensitivity.noise_curve(MLP([Columns(0, [A]), 2], random_state=0), known[:, 3:4], y[:, :2], [0.0, 9.0])
    assert curve.error[0] == curve.error[1]
    report = sensitivity.report(net, known, y, known, y, n_repeats=1, random_state=0)
    assert report.gradient[:3].all() and not report.gradient[3:].any()


# ---- parameters


def test_tables_are_views_and_start_as_they_are_told():
    tables = [A, Embedding(2000, 8), Embedding(2, 2, init=[[1, 2], [3, 4]]), Embedding(2, 1, init="zeros")]
    net = MLP([Columns(3, tables), 1], random_state=0)
    first, normal, given, zeros = net.layers[0].tables(net.W[1])
    assert first.shape == (7, 4) and normal.std() == pytest.approx(1, rel=0.02) and abs(normal.mean()) < 0.02
    np.testing.assert_array_equal(given, [[1, 2], [3, 4]])
    assert not zeros.any()
    given[1, 0] = 7
    assert net.W[1][-4] == 7 and 7 in net.params
    with pytest.raises(ValueError, match="W must be an array of shape"):
        net.layers[0].tables(net.W[2])


def test_both_ways_to_say_it_are_one_network():
    one, other = (MLP([*first, Columns(3, [A, B]), 2], random_state=0) for first in ([], [5]))
    assert repr(one) == repr(other) and one.summary() == other.summary()
    np.testing.assert_array_equal(one.params, other.params)
    assert "Columns(3, [Embedding(7, 4), Embedding(50, 3, unknown='zero')])" in repr(one)
    assert one.d == (5, 10, 2) and one.n_params == 28 + 150 + 22


@networks
def test_files_keep_them(name, tmp_path):
    net, X, y = problem(name)
    net.fit(X, y, Adam(), epochs=1)
    assert_goes_on_from_a_file(net, X, y, tmp_path / "net")


def test_ties():
    """Single numbers of tables, rows that stand still, and tables as a whole."""
    layers = [3, Concat(Columns(1, [A, B]), Columns(0, [A, B])), Dense(4, "tanh"), 2]
    row = np.zeros(178, bool)
    row[4:8] = True  # of category 0 the value 1
    for ties in ([TiedGroup([(1, 0), (1, 5)]), Frozen(3, row, 0.25)], [tie_layers(1, 3)]):
        net = MLP(layers, ties=ties, dtype="float64", random_state=0)
        X, y = reference.with_categories(net, RNG.standard_normal((40, 3))), RNG.standard_normal((40, 2))
        assert_derivatives(net, X, y, layer_checks.NEAR * RNG.standard_normal(net.n_params))
        start = net.W[3].copy()
        net.fit(X, y, Adam(0.01), epochs=3, batch_size=8)
        if len(ties) == 1:
            np.testing.assert_array_equal(net.W[1], net.W[3])
        else:
            assert net.W[1][0] == net.W[1][5]
            np.testing.assert_array_equal(net.layers[2].tables(net.W[3])[0][1], 0.25)
        assert (net.W[3] != start).any()


def test_normalisations_fold():
    net = MLP([Columns(3, [A, B]), BatchNorm(), Dense(8, "tanh"), 3], dtype="float64", random_state=0)
    X, y = reference.with_categories(net, RNG.standard_normal((60, 5))), RNG.standard_normal((60, 3))
    net.fit(X, y, epochs=2)
    np.testing.assert_allclose(net.folded().predict(X), net.predict(X), rtol=1e-12, atol=1e-12)


def test_pruned_and_quantized_tables():
    net, X, _ = problem("numbers and categories", "float32")
    assert 0 < net.pruned(0.1, X).zeros < 1
    assert len(np.unique(net.layers[0].tables(net.quantized("int8").network.W[1])[0][:, 0])) <= 7
    assert net.quantized("int8", X).largest < 0.1


def test_pytorch():
    torch = pytest.importorskip("torch")
    net = MLP([Columns(3, [A, Embedding(50, 3)]), Dense(4)], dtype="float64", random_state=0)
    tables = [torch.nn.Embedding(*table.shape, dtype=torch.float64, _weight=torch.tensor(table))
              for table in net.layers[0].tables(net.W[1])]
    X, y = reference.with_categories(net, RNG.standard_normal((30, 5))), torch.tensor(RNG.standard_normal((30, 4)))
    numbers, categories = torch.tensor(X[:, :3], requires_grad=True), torch.tensor(X[:, 3:], dtype=torch.long)
    x = torch.cat([numbers, *(table(categories[:, k]) for k, table in enumerate(tables))], 1)
    out = x @ torch.tensor(net.W[2]) + torch.tensor(net.b[2])
    ((out - y) ** 2).sum(dim=1).mean().backward()
    found = net.backprop(X, y.numpy())
    np.testing.assert_allclose(found.x[2], out.detach(), rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(found.dX[:, :3] / 30, numbers.grad, rtol=1e-10, atol=1e-12)
    for ours, theirs in zip(net.layers[0].tables(found.dW[1]), tables):
        np.testing.assert_allclose(ours, theirs.weight.grad, rtol=1e-10, atol=1e-12)
