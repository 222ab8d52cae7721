"""X comes as it is: element types, strides, byte orders, tables, sparse matrices, all with the bits of the plain
array."""
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from fastmlp import MLP, SGD, losses, sensitivity

N, D = 50, 11
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")


def whole(low=0, high=100):
    """Whole numbers, which all element types hold, with zeros among them."""
    rng = np.random.default_rng(0)
    return rng.integers(low, high, (N, D)) * (rng.random((N, D)) < 0.6)


def fractions():
    """Numbers that float16 holds."""
    return np.random.default_rng(0).standard_normal((N, D)).astype(np.float16).astype(np.float64)


def results(X, dtype="float32", n=N, **fit):
    """The bytes of all that a network makes of X."""
    y = np.linspace(-1, 1, 2 * n).reshape(n, 2)
    net = MLP([D, 4, 2], activation="tanh", dtype=dtype, random_state=0)
    loss, gradient = net.loss_and_grad(X, y)
    run = net.backprop(X, y)
    before = [net.predict(X), net.predict(X[:3]) if not sparse.issparse(X) or X.format == "csr" else net.predict(X)[:3],
              run.x[0], run.dX, gradient, np.array([loss, net.evaluate(X, y)])]
    history = net.fit(X, y, SGD(1e-4), **{"epochs": 2, "batch_size": 16} | fit)
    return [a.tobytes() for a in (*before, net.params, np.array(history["loss"]))]


def plain(values, dtype="float32"):
    return np.array(values, dtype, order="C")


def assert_same(X, values, dtype="float32", **fit):
    for mine, true in zip(results(X, dtype, len(values), **fit),
                          results(plain(values, dtype), dtype, len(values), **fit), strict=True):
        assert mine == true


dtypes = pytest.mark.parametrize("dtype", ["float32", "float64"])


@dtypes
@pytest.mark.parametrize("kind", [*INTEGERS, "float16", "float32", "float64"])
def test_element_types(kind, dtype):
    assert_same(whole().astype(kind), whole(), dtype)
    if kind.startswith("f"):
        assert_same(fractions().astype(kind), fractions(), dtype)
    if kind.startswith("i"):
        assert_same(whole(-100).astype(kind), whole(-100), dtype)


@dtypes
@pytest.mark.parametrize("kind", INTEGERS)
def test_the_ends_of_integers(kind, dtype):
    """No sign is lost, and each is rounded once."""
    info = np.iinfo(kind)
    X = np.array([[info.min, info.max, info.max - 1, info.max // 3]], kind)
    x = MLP([4, 1], dtype=dtype).forward(X).x[0]
    np.testing.assert_array_equal(x, [[np.dtype(dtype).type(int(v)) for v in X[0]]])


@dtypes
def test_bool(dtype):
    assert_same(whole() > 50, whole() > 50, dtype)


def beside(a, other):
    """a as columns of an array that holds something else to the left and right of them."""
    return np.pad(a, ((0, 0), (3, 5)), constant_values=other)[:, 3:-5]


LAYOUTS = {
    "C order": lambda a: np.ascontiguousarray(a),
    "Fortran order": np.asfortranarray,
    "every other column": lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    "every third row": lambda a: np.repeat(a, 3, axis=0)[::3],
    "rows backwards": lambda a: a[::-1].copy()[::-1],
    "columns backwards": lambda a: a[:, ::-1].copy()[:, ::-1],
    "both backwards": lambda a: a[::-1, ::-1].copy()[::-1, ::-1],
    "columns of a wider array": lambda a: beside(a, 77),
    "columns beside NaN": lambda a: beside(a, np.nan if a.dtype.kind == "f" else 77),
    "transpose of every other row": lambda a: np.repeat(a.T, 2, axis=0)[::2].T,
    "unaligned": lambda a: np.frombuffer(b"\0" + a.tobytes(), np.uint8)[1:].view(a.dtype).reshape(a.shape),
    "field of records": lambda a: np.rec.fromarrays([np.zeros(len(a), np.int8), a],
                                                    dtype=[("t", "i1"), ("x", a.dtype, D)])["x"],
    "swapped bytes": lambda a: a.astype(a.dtype.newbyteorder()),
    "subclass": lambda a: np.ma.masked_array(a).view(np.ndarray),
    "list": lambda a: a.tolist(),
}


@dtypes
@pytest.mark.parametrize("kind", ["float32", "float64", "int16", "uint8"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout, kind, dtype):
    values = fractions() if kind.startswith("f") else whole()
    X = LAYOUTS[layout](values.astype(kind))
    assert np.array_equal(X, values)
    assert_same(X, values, dtype)


@dtypes
def test_one_row_over_and_over(dtype):
    row = fractions()[:1].astype(dtype)
    assert_same(np.broadcast_to(row, (N, D)), np.repeat(row, N, axis=0), dtype)


def test_overlapping_windows():
    series = np.random.default_rng(0).standard_normal(N + D - 1).astype(np.float32)
    windows = np.lib.stride_tricks.sliding_window_view(series, D)
    assert_same(windows, windows.copy())


def test_read_only_and_unharmed():
    X = fractions().astype(np.float32)
    kept = X.copy()
    X.flags.writeable = False
    assert_same(X, kept)
    assert np.array_equal(X, kept)


def test_memmap(tmp_path):
    X = fractions().astype(np.float32)
    X.tofile(tmp_path / "X")
    assert_same(np.memmap(tmp_path / "X", np.float32, "r", shape=X.shape), X)


def test_data_frames():
    X = whole()
    assert_same(pd.DataFrame(X.astype(np.float32)), X)
    mixed = pd.DataFrame(X).astype({0: "int8", 1: "float32", 2: "uint16"})
    assert len(set(mixed.dtypes)) == 4
    assert_same(mixed.to_numpy(), X)
    y = pd.Series(X[:, 0].astype(float), index=range(100, 100 + N))
    net = MLP([D, 1], random_state=0)
    assert net.evaluate(mixed, y, pd.Series(np.ones(N))) == net.evaluate(plain(X), y.to_numpy(), np.ones(N))


def with_index(matrix, kind):
    matrix.indices, matrix.indptr = matrix.indices.astype(kind), matrix.indptr.astype(kind)
    return matrix


def doubled(matrix):
    """Every element stored as two halves, out of order."""
    rows = [np.concatenate([np.arange(i, j)[::-1], np.arange(i, j)]) for i, j in zip(matrix.indptr, matrix.indptr[1:])]
    order = np.concatenate(rows)
    return sparse.csr_array((halves(matrix.data[order]), matrix.indices[order], matrix.indptr * 2), matrix.shape)


def halves(a):
    return (a / 2).astype(a.dtype)


SPARSE = {
    "csr": sparse.csr_array,
    "csr matrix": sparse.csr_matrix,
    "csc": sparse.csc_array,
    "coo": sparse.coo_array,
    "lil": sparse.lil_array,
    "csr with int64 indices": lambda a: with_index(sparse.csr_array(a), np.int64),
    "csr with int32 indices": lambda a: with_index(sparse.csr_array(a), np.int32),
    "csc with int64 indices": lambda a: with_index(sparse.csc_array(a), np.int64),
    "csr unsorted with duplicates": lambda a: doubled(sparse.csr_array(a)),
    "coo with duplicates": lambda a: sparse.coo_array((np.tile(halves(a).ravel(), 2),
                                                       np.tile(np.indices(a.shape).reshape(2, -1), 2)), a.shape),
}
KINDS = ("float32", "float64", "int32", "uint8", "bool")


@dtypes
@pytest.mark.parametrize("form, kind", [(f, k) for f in SPARSE for k in KINDS if k != "bool" or "duplicates" not in f])
def test_sparse(form, kind, dtype):
    values = whole() > 50 if kind == "bool" else 2 * whole()
    assert_same(SPARSE[form](values.astype(kind)), values, dtype)


def test_sparse_rows_without_elements():
    values = whole()
    values[[0, 7, -1]] = 0
    assert_same(sparse.csr_array(values.astype(np.float32)), values)
    assert_same(sparse.csr_array((N, D), dtype=np.float32), np.zeros((N, D)))


@pytest.mark.parametrize("make", [plain, lambda a: sparse.csr_array(plain(a)), np.asfortranarray])
@pytest.mark.parametrize("n, batch_size", [(1, 1), (1, 32), (5, 32), (N, None), (N, N), (N, N + 1), (N, 10**9), (N, 1),
                                           (N, 7)])
def test_few_rows_and_all_batch_sizes(n, batch_size, make):
    values = whole()[:n]
    assert_same(make(values), values, batch_size=batch_size)


def test_batches_of_all_rows_are_one_batch():
    assert results(whole(), batch_size=None) == results(whole(), batch_size=N) == results(whole(), batch_size=N + 1)


@dtypes
def test_one_column(dtype):
    x = fractions()[:, :1]
    y = 3 * x[:, 0] + 1
    nets = [MLP([1, 1], dtype=dtype, random_state=0) for _ in range(4)]
    forms = [plain(x, dtype), fractions()[:, ::3][:, :1], x[::-1][::-1], sparse.csc_array(x)]
    for net, X in zip(nets, forms):
        net.fit(X, y, SGD(0.1), epochs=30)
        np.testing.assert_allclose([net.W[1][0, 0], net.b[1][0]], [3, 1], atol=1e-3)
    assert len({net.params.tobytes() for net in nets}) == 1


def peak(work):
    """The most bytes allocated at once."""
    tracemalloc.start()
    try:
        work()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


USES = {
    "fit": lambda net, X, y: net.fit(X, y, SGD(1e-9), epochs=1, batch_size=1000),
    "evaluate": lambda net, X, y: net.evaluate(X, y),
    "predict": lambda net, X, y: net.predict(X),
    "loss_and_grad": lambda net, X, y: net.loss_and_grad(X, y),
}


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("kind", ["float32", "float64", "uint8"])
def test_dense_data_are_not_copied(use, kind):
    X, y = np.ones((60_000, 500), kind), np.zeros(60_000, np.float32)
    assert peak(lambda: USES[use](MLP([500, 1]), X, y)) < 25e6 < X.nbytes


@pytest.mark.parametrize("use", USES)
def test_sparse_data_are_never_made_dense(use):
    rng = np.random.default_rng(0)
    n, d, k = 20_000, 10_000, 3
    X = sparse.csr_array((np.ones(n * k, np.float32), rng.integers(0, d, n * k), np.arange(0, n * k + 1, k)), (n, d))
    assert peak(lambda: USES[use](MLP([d, 1]), X, np.zeros(n, np.float32))) < 40e6 < 4 * n * d / 10


def own_loss(x, y):
    return ((x - y) ** 2).sum(axis=1), 2 * (x - y)


def results_of_targets(loss, y, dtype):
    net = MLP([D, 4, 3], activation="tanh", loss=loss, dtype=dtype, random_state=0)
    X, weight = fractions(), np.arange(1, N + 1)
    loss_and_grad = net.loss_and_grad(X, y, weight, gradient_penalty=0 if callable(loss) else 0.1)
    history = net.fit(X, y, SGD(1e-2), epochs=2, batch_size=16, validation_fraction=0.2, metrics="mae")
    return [np.asarray(a).tobytes() for a in (*loss_and_grad, net.evaluate(X, y), net.backprop(X, y).dX, net.params,
                                              sensitivity.fgsm(net, X, y, 0.1), history["val_loss"],
                                              history["val_mae"])]


@dtypes
@pytest.mark.parametrize("loss", [*losses(), own_loss])
def test_sparse_targets(loss, dtype):
    """Rows of a 1 or two numbers that sum to 1 or, where the loss takes it, only zeros."""
    values = np.eye(3)[np.arange(N) % 3]
    values[1::3, 0], values[1::3, 1] = 0.25, 0.75
    if loss != "cross_entropy":
        values[::4] = 0
    wanted = results_of_targets(loss, plain(values, dtype), dtype)
    for form in SPARSE.values():
        assert results_of_targets(loss, form(plain(values, dtype)), dtype) == wanted


@pytest.mark.parametrize("loss, d", [("cross_entropy", 3), ("squared_error", 1)])
def test_sparse_targets_of_one_dimension(loss, d):
    net, y = MLP([D, d], loss=loss, random_state=0), np.arange(N) % 3
    assert net.evaluate(whole(), sparse.coo_array(y)) == net.evaluate(whole(), y)


def test_sparse_targets_within_longer_arrays():
    values = plain(whole()[:, :3])
    y = sparse.csr_array(np.vstack([values, values]))
    part = sparse.csr_array((N, 3), dtype=np.float32)
    part.data, part.indices, part.indptr = y.data, y.indices, y.indptr[N:]
    kept = part.indptr.copy(), part.data.copy()
    ours, true = (results_of_targets("squared_error", targets, "float32") for targets in (part, values))
    assert ours[:-1] == true[:-1]
    assert (part.indptr == kept[0]).all() and (part.data == kept[1]).all()


def test_sparse_targets_of_other_types():
    values = whole()[:, :3]
    wanted = results_of_targets("squared_error", plain(values), "float32")
    for kind in KINDS[:-1]:
        mine = results_of_targets("squared_error", sparse.csr_array(values.astype(kind)), "float32")
        assert mine[:-1] == wanted[:-1]  # but for the metric, which takes y as it came


@pytest.mark.parametrize("use", ["fit", "evaluate", "loss_and_grad"])
def test_sparse_targets_are_never_made_dense(use):
    rng = np.random.default_rng(0)
    n, d, k = 40_000, 10_000, 3
    y = sparse.csr_array((np.full(n * k, 1 / 4, np.float32), rng.integers(0, d, n * k), np.arange(0, n * k + 1, k)),
                         (n, d))
    X = np.ones((n, 2), np.float32)
    assert peak(lambda: USES[use](MLP([2, d], loss="binary_cross_entropy"), X, y)) < 60e6 < 4 * n * d / 10
