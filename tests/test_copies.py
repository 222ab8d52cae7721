"""Copies, pickles and clones of all that is public, before a fit and after it: they are the same, do the same, and go
on in the same way."""
import copy
import functools
import pickle
import types

import numpy as np
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("pandas")
pytest.importorskip("matplotlib").use("Agg")

from scipy import sparse  # noqa: E402
from sklearn.base import clone  # noqa: E402

import public_calls  # noqa: E402
from fastmlp import (  # noqa: E402
    MLP,
    SGD,
    Adam,
    BatchNorm,
    Columns,
    Concat,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Frozen,
    GlobalAvgPool,
    LambdaCallback,
    Lion,
    MLPAutoencoder,
    MLPClassifier,
    MLPRegressor,
    NAdam,
    Residual,
    TabularClassifier,
    TabularRegressor,
    data,
    distributed,
    schedules,
    sensitivity,
    tie_transpose,
)
from public_calls import CALLS  # noqa: E402
from test_fuzz import public  # noqa: E402

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer", "ignore:lbfgs failed",
                                        "ignore::fastmlp.ScaleWarning")

RNG = np.random.default_rng(0)
X, Y, LABELS = RNG.standard_normal((60, 4)), RNG.standard_normal((60, 2)), np.array(["a", "b", "c"] * 20)
WEIGHT, IDS = RNG.uniform(0.5, 2, 60), RNG.integers(0, 3, 60)

WAYS = {"copy": copy.copy, "deepcopy": copy.deepcopy, "pickle": lambda made: pickle.loads(pickle.dumps(made)),
        "first pickle": lambda made: pickle.loads(pickle.dumps(made, 2))}
ways = pytest.mark.parametrize("way", WAYS)


def assert_same(a, b):
    """Everything in them is the same, to the bit, but for functions and modules, which are no copies."""
    assert type(a) is type(b)
    if isinstance(a, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape
        assert_same(a.tolist(), b.tolist()) if a.dtype == object else np.testing.assert_array_equal(a, b)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        for name in a:
            assert_same(a[name], b[name])
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b):
            assert_same(one, other)
    elif isinstance(a, (types.FunctionType, types.ModuleType, type)):
        assert a is b
    elif isinstance(a, (np.random.RandomState, np.random.Generator)):
        assert_same(pickle.dumps(a), pickle.dumps(b))
    elif sparse.issparse(a):
        assert (a != b).nnz == 0
    elif isinstance(a, (float, np.floating)) and a != a:
        assert b != b
    elif hasattr(a, "__getstate__") and isinstance(a.__getstate__(), dict):
        assert_same(a.__getstate__(), b.__getstate__())
    elif hasattr(a, "__getstate__") and isinstance(a.__getstate__(), tuple):
        assert_same(list(a.__getstate__()), list(b.__getstate__()))
    else:
        assert a == b or a.__reduce_ex__(2) == b.__reduce_ex__(2)


# ---- specs, callbacks, schedules, pictures, and estimators that are not fitted

MADE = {"Residual": lambda: Residual(4), "Concat": lambda: Concat(3, 2), "Flatten": Flatten,
        "GlobalAvgPool": GlobalAvgPool}
MADE |= {case: functools.partial(call.inspected, **call.good) for case, call in CALLS.items()
         if isinstance(call.inspected, type) and case not in (*MADE, "LambdaCallback", "MLP", "data.Parquet")}
MADE["LambdaCallback"] = lambda: LambdaCallback(on_epoch_end=public_calls.stop)


@ways
@pytest.mark.parametrize("case", MADE)
def test_what_a_constructor_makes(case, way):
    made = MADE[case]()
    twin = WAYS[way](made)
    assert twin is not made and (repr(twin) == repr(made) or case.endswith("Display"))
    assert_same(made, twin)
    if hasattr(made, "get_params"):
        assert repr(clone(made)) == repr(made)


# ---- what is fitted


def loss(x, y):
    return ((x - y) ** 2).sum(axis=1), 2 * (x - y)


def network(layers, *fit, kind="predict", before=None, epochs=3, optimizer=None, **how):
    """(a network that is trained, what it says, how it goes on)"""
    net = MLP(layers, random_state=0, **how)
    net.fit(*fit, optimizer or Adam(0.01), epochs=epochs, batch_size=8)
    return net, lambda net: getattr(net, kind)(fit[0]), lambda net: net.partial_fit(*fit, epochs=2, batch_size=8)


NETWORKS = {
    "plain": lambda: network([4, 3, 2], X, Y),
    "not trained": lambda: (MLP([4, 3, 2], random_state=0), lambda net: net.predict(X), lambda net: net.fit(X, Y)),
    "float64, momentum, a rate that falls": lambda: network(
        [4, 3, 2], X, Y, dtype="float64", optimizer=SGD(schedules.Cosine(0.1, 9), momentum=0.9)),
    "labels": lambda: network([4, Dropout(0.1), 5, 3], X, LABELS, kind="predict_labels", loss="cross_entropy"),
    "running statistics": lambda: network([4, 5, BatchNorm(), 2], X, Y, optimizer=NAdam(0.01)),
    "maps": lambda: network([(2, 2, 1), Conv2D(3, 2), 2], X.reshape(60, 2, 2, 1), Y, optimizer=Lion(0.001)),
    "categories": lambda: network([Columns(3, [Embedding(3, 2)]), 5, 2], np.column_stack([X[:, :3], IDS]), Y),
    "ties": lambda: network([4, 3, 4], X, X, ties=[tie_transpose(1, 2), Frozen(1, np.eye(4, 3) > 0, 0.5)]),
    "bfloat16": lambda: network([4, 3, 2], X, Y, precision="bfloat16"),
    "a function": lambda: network([4, 3, 2], X, Y, loss=loss),
    "quantiles": lambda: network([4, 3, 4], X, Y, loss=("ordered_quantile", (0.1, 0.9))),
    "sparse rows": lambda: network([4, 3, 2], sparse.csr_array(X * (X > 0)), Y),
}


def estimator(kind, *given, use="predict", then="partial_fit", **parameters):
    est = kind((5,), max_iter=4, random_state=0, **parameters).fit(*given)
    return est, lambda est: getattr(est, use)(given[0]), lambda est: getattr(est, then)(*given)


ESTIMATORS = {
    "MLPClassifier": lambda: estimator(MLPClassifier, X, LABELS, use="predict_proba"),
    "sgd with its rules": lambda: estimator(MLPClassifier, X, LABELS, WEIGHT, solver="sgd", learning_rate="adaptive"),
    "another optimiser": lambda: estimator(MLPClassifier, X, LABELS, optimizer=Lion(0.001), dtype="float32"),
    "several labels": lambda: estimator(MLPClassifier, X, (Y > 0).astype(int), use="predict_proba"),
    "one class": lambda: estimator(MLPClassifier, X, np.zeros(60), use="predict_proba"),
    "held-out rows": lambda: estimator(MLPClassifier, X, LABELS, then="fit", early_stopping=True, warm_start=True),
    "warm": lambda: estimator(MLPClassifier, X, LABELS, then="fit", warm_start=True, restore_best=True),
    "lbfgs": lambda: estimator(MLPClassifier, X, LABELS, then="fit", solver="lbfgs", warm_start=True),
    "MLPRegressor": lambda: estimator(functools.partial(MLPRegressor, "squared_error"), X, Y),
    "huber": lambda: estimator(functools.partial(MLPRegressor, ("huber", 0.5)), X, Y[:, 0], dropout=0.2),
    "MLPAutoencoder": lambda: estimator(MLPAutoencoder, X, use="transform", tied=True),
}


def of_table(kind, y, **parameters):
    est = kind("fast", n_members=2, max_iter=4, random_state=0, **parameters).fit(X, y)
    return (est, lambda est: (est.predict(X), est.feature_importances_, est.oof_prediction_),
            lambda est: est.fit(X, y))


TABLES = {
    "TabularClassifier": lambda: of_table(TabularClassifier, LABELS),
    "TabularRegressor": lambda: of_table(TabularRegressor, Y[:, 0]),
    "drawn with replacement": lambda: of_table(TabularRegressor, Y[:, 0], bagging="bootstrap"),
}
FITTED = {**NETWORKS, **ESTIMATORS, **TABLES}


@ways
@pytest.mark.parametrize("name", FITTED)
def test_what_is_fitted(name, way):
    model, use, go_on = FITTED[name]()
    twin = WAYS[way](model)
    assert_same(model, twin)
    assert repr(twin) == repr(model)
    assert_same(use(model), use(twin))
    said = use(model)
    if way != "copy" or not name.startswith(("Tabular", "drawn")):  # whose copies that are shallow share networks
        go_on(twin)
        assert_same(use(model), said)  # it was not changed
        go_on(model)
        assert_same(use(model), use(twin))
        assert_same(model, twin)


@pytest.mark.parametrize("name", {**ESTIMATORS, **TABLES})
def test_clones_learn_the_same(name):
    model, use, _ = FITTED[name]()
    model, given = clone(model), model
    assert not [attribute for attribute in vars(model) if attribute.endswith("_")]
    again, other = FITTED[name]()[0], given
    assert_same(again.get_params(), model.get_params())
    assert_same(use(again), use(other))


def test_a_copy_within_a_fit_is_no_part_of_it():
    copies = []
    net = MLP([4, 3, 2], random_state=0)
    net.fit(X, Y, epochs=3, callbacks=lambda net, *_: copies.append([way(net) for way in WAYS.values()]))
    for epoch, made in enumerate(copies, 1):
        for one in made:
            assert len(one.history["loss"]) == epoch
            one.partial_fit(X, Y, epochs=3 - epoch) if epoch < 3 else None
            assert one.params.tobytes() == net.params.tobytes() and one.history == net.history


# ---- where rows come from, who talks, and what comes out


@pytest.fixture
def parquet(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    pq.write_table(pa.table({f"x{j}": X[:, j] for j in range(4)} | {"y": Y[:, 0]}), tmp_path / "a", row_group_size=17)
    return data.Parquet(tmp_path / "a", "y")


@ways
@pytest.mark.parametrize("used", [False, True])
def test_parquet(parquet, way, used):
    if used:
        assert (parquet.X[5:20] == X[5:20]).all()
    twin = WAYS[way](parquet)
    assert (twin.columns, twin.targets, twin.groups) == (parquet.columns, parquet.targets, parquet.groups)
    assert (twin.X[:] == X).all() and (twin.y[:] == Y[:, 0]).all()
    columns = WAYS[way](parquet.X)
    assert (columns.shape, columns.dtype, columns.chunks) == (parquet.X.shape, parquet.X.dtype, parquet.X.chunks)
    assert (columns[10:40] == X[10:40]).all()
    assert twin.read(1).equals(parquet.read(1))


@ways
def test_communicators(way):
    comm = WAYS[way](distributed.SerialCommunicator())
    assert (comm.rank, comm.size) == (0, 1)
    nets = [MLP([4, 2], random_state=0) for _ in range(2)]
    for net, given in zip(nets, (comm, None)):
        net.fit(X, Y, epochs=2, comm=given)
    assert nets[0].params.tobytes() == nets[1].params.tobytes()


@ways
def test_results(way):
    net, _, _ = network([4, 3, 3], X, IDS, loss="cross_entropy")
    curve = sensitivity.noise_curve(net, X, IDS, [0.1, 0.2], random_state=0)
    report = sensitivity.report(net, X[:40], IDS[:40], X[40:], IDS[40:], n_repeats=1, random_state=0)
    state = net._network.progress.optimizer_state
    for made in (curve, report, net.history, net.loss, net.ties, Dense(3), state):
        assert_same(made, WAYS[way](made))
        assert repr(WAYS[way](made)) == repr(made) or made is state
    assert str(WAYS[way](report)) == str(report)


# ---- that these are all

ELSEWHERE = {
    "Callback": "tests/test_copies_of_callbacks.py", "ProgressBar": "the same", "MLP": "NETWORKS",
    "History": "test_results", "sensitivity.NoiseCurve": "the same", "sensitivity.Report": "the same",
    "training.State": "the same", "DivergenceWarning": "a warning", "ScaleWarning": "a warning",
    "data.Parquet": "test_parquet", "data.Columns": "the same", "distributed.Communicator": "a protocol",
    "distributed.MPICommunicator": "has what MPI has",
    "distributed.DaskMLPClassifier": "tests/test_dask.py", "distributed.DaskMLPRegressor": "the same",
    "distributed.DaskTabularClassifier": "tests/test_dask_tables.py",
    "distributed.DaskTabularRegressor": "the same",
}


def test_all_classes_that_are_public_are_copied():
    classes = {name: kind for name, kind in public().items() if isinstance(kind, type)}
    kinds = {type(make()) for make in MADE.values()}
    assert {name for name, kind in classes.items() if kind not in kinds} == {*ELSEWHERE} & {*classes}
