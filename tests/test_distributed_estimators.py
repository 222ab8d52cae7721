"""Estimators that ranks fit together: classes, scores and the end are those of all."""
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import accuracy_score, r2_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from fastmlp import Callback, MLPAutoencoder, MLPClassifier, MLPRegressor
from fastmlp.distributed import SerialCommunicator
from kinds_of_targets import CLOSE, NUMBER, NUMBERS, SEVERAL, TEXT, TWO, WEIGHT, D, X
from ranks import all_of, on_ranks, order_of_the_union, shard

SIZES = [(80, 40), (50, 0, 70), (1, 40, 79)]
CASES = {
    "classes": (MLPClassifier, TEXT), "two classes": (MLPClassifier, TWO), "several labels": (MLPClassifier, SEVERAL),
    "number": (MLPRegressor, NUMBER), "numbers": (MLPRegressor, NUMBERS), "code": (MLPAutoencoder, X),
}
SMALL = dict(hidden_layer_sizes=(8,), random_state=0)


def fitted(est, sizes, y, weight=None, validation=None, X=X, sync="step"):
    """The estimators of all ranks, each fitted with its shard."""

    def fit(comm):
        own = clone(est)
        cut = lambda a: None if a is None else shard(a, sizes, comm.rank)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return own.fit(cut(X), cut(y), cut(weight), None if validation is None else tuple(map(cut, validation)),
                           comm=comm, sync=sync)

    return all_of(len(sizes), fit)


def assert_the_same(ests):
    for est in ests[1:]:
        assert est.loss_curve_ == ests[0].loss_curve_ and est.n_iter_ == ests[0].n_iter_
        assert all(a.tobytes() == b.tobytes() for a, b in zip(est.coefs_ + est.intercepts_,
                                                              ests[0].coefs_ + ests[0].intercepts_))


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
def test_ranks_are_one_estimator(name, sizes, weight):
    """To rounding, where all rows are in one batch, or batches in order are the union of those of the ranks."""
    kind, y = CASES[name]
    est = kind(**SMALL, batch_size=16, max_iter=6, shuffle=False, alpha=0.1, l1=0.01)
    ests, order = fitted(est, sizes, y, weight), order_of_the_union(sizes, 16)
    assert_the_same(ests)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = clone(est).fit(X[order], y[order], None if weight is None else weight[order])
    for a, b in zip(ests[0].coefs_, one.coefs_):
        np.testing.assert_allclose(a, b, **CLOSE)
    np.testing.assert_allclose(ests[0].loss_curve_, one.loss_curve_, **CLOSE)
    if kind is MLPClassifier:
        assert all((est.classes_ == one.classes_).all() for est in ests)
    assert ests[0].t_ == one.t_


def test_auto_is_of_the_rows_of_all():
    sizes = 80, 40
    ests = fitted(MLPRegressor(**SMALL, solver="sgd", max_iter=4), sizes, NUMBER)
    one = MLPRegressor(**SMALL, solver="sgd", max_iter=4)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one.fit(X, NUMBER)  # all rows are one batch
    np.testing.assert_allclose(ests[0].coefs_[0], one.coefs_[0], **CLOSE)


def test_classes_that_some_ranks_do_not_have():
    order = np.argsort(TEXT, kind="stable")
    ests = fitted(MLPClassifier(**SMALL, max_iter=60, learning_rate_init=0.02), (30, 0, 90), TEXT[order], X=X[order])
    for est in ests:
        assert est.classes_.tolist() == ["east", "north", "south"] and est.out_activation_ == "softmax"
        assert est.score(X, TEXT) > 0.6


@pytest.mark.parametrize("y", [TEXT, TWO], ids=["three", "two"])
def test_balanced_classes_count_the_same_over_all_ranks(y):
    order = np.argsort(y, kind="stable")
    sizes, union = (70, 50), order_of_the_union((70, 50), 16)
    est = MLPClassifier(**SMALL, batch_size=16, max_iter=4, shuffle=False, class_weight="balanced")
    ests = fitted(est, sizes, y[order], X=X[order])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        one = clone(est).fit(X[order][union], y[order][union])
    np.testing.assert_allclose(ests[1].coefs_[0], one.coefs_[0], **CLOSE)


@pytest.mark.parametrize("name", [name for name in CASES if name != "code"])
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("monitor", [None, "loss"])
def test_validation_rows_are_those_of_all_ranks(name, sizes, monitor):
    kind, y = CASES[name]
    n = sum(sizes)
    order = np.argsort(TEXT, kind="stable")  # not all classes are on all ranks
    rows, targets = X[order][:n], y[order][:n]
    est = kind(**SMALL, max_iter=30, monitor=monitor, n_iter_no_change=3, learning_rate_init=0.1)
    ests = fitted(est, sizes, targets, validation=(rows, targets, WEIGHT[:n]), X=rows)
    assert_the_same(ests)
    scores = [est.validation_scores_ for est in ests]
    assert scores[1:] == scores[:-1] and len(scores[0]) == ests[0].n_iter_
    best = ests[0].best_validation_score_
    if monitor is None:  # the best weights came back
        score = accuracy_score if kind is MLPClassifier else r2_score
        assert best == pytest.approx(score(targets, ests[0].predict(rows), sample_weight=WEIGHT[:n]), rel=1e-9)
    else:
        assert best == max(scores[0])


@pytest.mark.parametrize("name", CASES)
def test_a_fraction_is_held_out_on_each_rank(name):
    kind, y = CASES[name]
    est = kind(**SMALL, early_stopping=True, max_iter=8, monitor="loss" if name == "code" else None)
    ests = fitted(est, (80, 0, 40), y)
    assert_the_same(ests)
    assert len(ests[2].validation_scores_) == 8 and ests[0].t_ == 8 * 108


def test_patience_and_the_time_limit_end_all():
    ests = fitted(MLPRegressor(**SMALL, max_iter=500, n_iter_no_change=2, tol=0.1), (80, 40), NUMBER)
    assert_the_same(ests)
    assert ests[0].n_iter_ < 500

    def fit(comm):
        est = MLPRegressor(**SMALL, max_iter=10**6, n_iter_no_change=np.inf, max_time=0.2 if comm.rank == 0 else None)
        return est.fit(shard(X, (80, 40), comm.rank), shard(NUMBER, (80, 40), comm.rank), comm=comm).n_iter_

    _, errors = on_ranks(2, fit)  # parameters that differ are an error on both
    assert all("max_time must be the same on all ranks" in str(error) for error in errors)


def test_a_warm_start_goes_on():
    sizes = 80, 40

    def fit(comm):
        est = MLPRegressor(**SMALL, max_iter=3, warm_start=True, shuffle=False, batch_size=16)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for _ in range(2):
                est.fit(shard(X, sizes, comm.rank), shard(NUMBER, sizes, comm.rank), comm=comm)
        return est

    ests, order = all_of(2, fit), order_of_the_union(sizes, 16)
    assert_the_same(ests)
    one = MLPRegressor(**SMALL, max_iter=3, warm_start=True, shuffle=False, batch_size=16)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for _ in range(2):
            one.fit(X[order], NUMBER[order])
    np.testing.assert_allclose(ests[0].coefs_[0], one.coefs_[0], **CLOSE)
    assert len(ests[0].loss_curve_) == len(one.loss_curve_) == 6


def test_one_rank_is_none():
    plain, ranked = (MLPClassifier(**SMALL, max_iter=3) for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        plain.fit(X, TEXT)
        ranked.fit(X, TEXT, comm=SerialCommunicator())
    assert_the_same([plain, ranked])


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("sizes", [(80, 40), (50, 0, 70)])
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
def test_an_average_after_each_step_of_sgd_is_the_step_of_all(name, sizes, weight):
    """Its step is linear in the rows, and penalties are those of the whole batch."""
    kind, y = CASES[name]
    est = kind(**SMALL, solver="sgd", batch_size=16, max_iter=4, shuffle=False, alpha=0.1, l1=0.01)
    step, local = fitted(est, sizes, y, weight), fitted(est, sizes, y, weight, sync=1)
    assert_the_same(local)
    for a, b in zip(local[0].coefs_ + local[0].intercepts_, step[0].coefs_ + step[0].intercepts_):
        np.testing.assert_allclose(a, b, **CLOSE)
    np.testing.assert_allclose(local[0].loss_curve_, step[0].loss_curve_, **CLOSE)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_ranks_that_are_averaged_once_an_epoch(solver):
    """By hand: two estimators apart, each on its rows, and after each epoch the mean of their weights and states."""
    sizes, options = (80, 40), dict(**SMALL, solver=solver, shuffle=False, alpha=0, max_iter=3)
    ests = fitted(MLPRegressor(**options, batch_size=60), sizes, NUMBER, sync=100)
    assert_the_same(ests)
    apart = [MLPRegressor(**options, batch_size=size // 2) for size in sizes]
    for _ in range(3):
        for rank, one in enumerate(apart):
            one.partial_fit(shard(X, sizes, rank), shard(NUMBER, sizes, rank))
        networks = [one.network_._network for one in apart]
        arrays = [[*one.coefs_, *one.intercepts_, *network.progress.optimizer_state.arrays()]
                  for one, network in zip(apart, networks)]
        for both in zip(*arrays):
            mean = (2 * both[0] + both[1]) / 3
            for a in both:
                a[...] = mean
    for a, b in zip(ests[0].coefs_, apart[0].coefs_):
        np.testing.assert_allclose(a, b, **CLOSE)
    losses = [(2 * a + b) / 3 for a, b in zip(*(one.loss_curve_ for one in apart))]
    np.testing.assert_allclose(ests[0].loss_curve_, losses, **CLOSE)


def test_scores_and_patience_of_ranks_that_step_apart():
    sizes = 80, 40
    est = MLPClassifier(**SMALL, max_iter=60, n_iter_no_change=3, learning_rate_init=0.1)
    ests = fitted(est, sizes, TEXT, validation=(X, TEXT, WEIGHT), sync=5)
    assert_the_same(ests)
    assert ests[0].n_iter_ < 60
    score = accuracy_score(TEXT, ests[0].predict(X), sample_weight=WEIGHT)
    assert ests[1].best_validation_score_ == pytest.approx(score, rel=1e-9)


@pytest.mark.parametrize("sync, error", [(0, ValueError), (2.5, TypeError), ("epoch", ValueError), (None, TypeError)])
def test_what_sync_cannot_be(sync, error):
    with pytest.raises(error, match="sync"):
        MLPRegressor(**SMALL).fit(X, NUMBER, sync=sync)
    _, errors = on_ranks(2, lambda comm: MLPRegressor(**SMALL).fit(X, NUMBER, comm=comm, sync=[2, sync][comm.rank]))
    assert all(isinstance(one, error) and "sync" in str(one) for one in errors)


class Batches(Callback):
    def on_batch_end(self, net, batch, logs):
        pass


BAD = {
    "X of one rank": lambda rank: dict(X=X[:40] * (np.nan if rank == 1 else 1)),
    "X of another width": lambda rank: dict(X=X[:40, :D - rank]),
    "X of another dtype": lambda rank: dict(X=X[:40].astype(["f4", "f8"][rank])),
    "y of one rank": lambda rank: dict(y=TEXT[:39 + (rank == 0)]),
    "y of another kind": lambda rank: dict(y=[TEXT[:40], TWO[:40]][rank]),
    "y of several labels": lambda rank: dict(y=[SEVERAL[:40], TWO[:40]][rank]),
    "y of fractions": lambda rank: dict(y=NUMBER[:40] if rank else TWO[:40]),
    "sample_weight": lambda rank: dict(sample_weight=-WEIGHT[:40] if rank else None),
    "validation_data": lambda rank: dict(validation_data=(X, TEXT) if rank else None),
    "comm": lambda rank: dict(solver="lbfgs"),
    "monitor": lambda rank: dict(monitor="f1_macro"),
    "hidden_layer_sizes": lambda rank: dict(hidden_layer_sizes=(8 + rank,)),
    "alpha": lambda rank: dict(alpha=-1 if rank else 1),
    "max_iter": lambda rank: dict(max_iter=2 + rank),
    "sync": lambda rank: dict(sync=1 + rank),
    "callbacks": lambda rank: dict(sync=2, callbacks=[Batches()] if rank == 0 else None),
    "no rows": lambda rank: dict(X=X[:0], y=TEXT[:0]),
}


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_on_one_rank_is_an_error_on_all(name):
    def fit(comm):
        given = dict(X=X[:40], y=TEXT[:40], comm=comm) | BAD[name](comm.rank)
        names = MLPClassifier._get_param_names()
        est = MLPClassifier(**{k: given.pop(k) for k in [*given] if k in names})
        est.fit(**given)

    _, errors = on_ranks(2, fit)
    assert all(isinstance(error, (ValueError, TypeError)) for error in errors), errors
    other = {"no rows": "y", "y of one rank": "inconsistent numbers of samples", "y of fractions": "Unknown label type"}
    word = other.get(name, name.split(" of ")[0])
    for error in errors:
        assert word in str(error)
    assert str(errors[0]).removeprefix("rank 1: ") == str(errors[1]).removeprefix("rank 0: ")


def test_a_pipeline_hands_the_communicator_on():
    def fit(comm):
        model = make_pipeline(FunctionTransformer(), MLPRegressor(**SMALL, max_iter=500))
        part = [shard(a, (80, 40), comm.rank) for a in (X, NUMBER)]
        return model.fit(*part, mlpregressor__comm=comm)[-1]

    ests = all_of(2, fit)
    assert_the_same(ests)
    assert ests[0].t_ == 120 * ests[0].n_iter_


def test_an_interrupt_on_one_rank_ends_all_with_it():
    def interrupt(net, epoch, logs):
        if epoch == 3:
            raise KeyboardInterrupt

    def fit(comm):
        est = MLPRegressor(**SMALL, max_iter=50, callbacks=[interrupt] if comm.rank == 0 else None)
        est.fit(shard(X, (80, 40), comm.rank), shard(NUMBER, (80, 40), comm.rank), comm=comm)

    _, errors = on_ranks(2, fit)
    assert [type(error) for error in errors] == [KeyboardInterrupt] * 2
