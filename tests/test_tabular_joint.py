"""Members of tables that train as one network, held to what each computes by itself."""
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris
from sklearn.utils.estimator_checks import check_estimator

from fastmlp import MLP, SGD, Dense, Dropout, EarlyStopping, TabularClassifier, TabularRegressor
from fastmlp.losses import OfMembers
from fastmlp.tabular import joint
from fastmlp.tabular.presets import PRESETS, Kind

K = 3  # members
N, D, UNITS = 50, 5, (7, 6)  # rows, features, hidden units
RNG = np.random.default_rng(0)
X = RNG.standard_normal((N, D))
WEIGHT = RNG.integers(0, 4, N) / 2
NEAR = {"rtol": 1e-12, "atol": 1e-13}
PRESET, KIND = replace(PRESETS["default"], dropout=0.0), Kind(UNITS, "tanh", 1e-3, 0.9, 10, 5)
ways = pytest.mark.parametrize("way", joint.WAYS)
both = pytest.mark.parametrize("Estimator, load", [(TabularClassifier, load_iris), (TabularRegressor, load_diabetes)])


# ---- the layers

def members_and_whole(way, loss="cross_entropy", outputs=3, activation="tanh"):
    """(networks of one member each, the network that they are together), with all numbers other than at the start."""
    kind = replace(KIND, activation=activation)
    layers = joint.WAYS[way](PRESET, kind, D, outputs, K, np.random.default_rng(1))
    whole = MLP(layers, loss=OfMembers(loss, K), dtype="float64", random_state=2)
    whole.params = whole.params + 0.3 * RNG.standard_normal(whole.n_params)
    return [member_of(whole, m, loss, outputs, activation) for m in range(K)], whole


def member_of(whole, m, loss="cross_entropy", outputs=3, activation="tanh"):
    net = MLP([D, *(Dense(units, activation) for units in UNITS), outputs], loss=loss, dtype="float64")
    joint.fill(net, whole, m)
    return net


@pytest.mark.parametrize("activation", ["relu", "silu"])
@ways
def test_members_are_networks_of_their_own(way, activation):
    members, whole = members_and_whole(way, activation=activation)
    found = np.hstack([member.predict(X) for member in members])
    np.testing.assert_allclose(found, whole.predict(X), **NEAR)
    assert np.abs(np.diff(found.reshape(N, K, 3), axis=1)).min(axis=(0, 2)).max() > 1e-4  # no two are the same
    y = RNG.integers(0, 3, N)
    assert whole.evaluate(X, y) == pytest.approx(np.mean([member.evaluate(X, y) for member in members]), rel=1e-12)


def test_shared_members_have_their_matrices_in_common():
    members, whole = members_and_whole("shared")
    for l in (1, 2):
        ratios = [member.W[l] / members[0].W[l] for member in members]  # r s^T over r s^T
        assert [np.linalg.matrix_rank(ratio) for ratio in ratios] == [1] * K
    start = MLP(joint.shared(PRESET, KIND, D, 3, K, RNG), loss=whole.loss.spec, dtype="float64")
    at_first = [abs(member_of(start, m).W[1]) for m in range(K)]
    for W in at_first[1:]:  # they differ by signs
        np.testing.assert_allclose(W, at_first[0], **NEAR)
    of_each = D + 7 + 2 * (7 + 6) + (6 * 3 + 3)  # r of both layers, s and b, the last layer
    assert start.n_params == D * 7 + 7 * 6 + K * of_each


def test_grouped_members_learn_as_they_do_alone():
    members, whole = members_and_whole("grouped")
    y, how = RNG.integers(0, 3, N), {"epochs": 4, "batch_size": 16, "shuffle": False, "sample_weight": WEIGHT}
    whole.fit(X, y, SGD(0.1 * K, momentum=0.9), **how)
    for m, member in enumerate(members):
        member.fit(X, y, SGD(0.1, momentum=0.9), **how)
        np.testing.assert_allclose(member_of(whole, m).params, member.params, rtol=1e-11, atol=1e-12)


def test_shared_members_learn_as_their_formula_says():
    """Steps of gradient descent on r, s, W and b, of which dW and db of each member's own network are the chain rule's
    first factor."""
    _, whole = members_and_whole("shared", "squared_error", 1)
    y, rate, kinds = RNG.standard_normal((N, 1)), 0.05, [type(layer).__name__ for layer in whole.layers]
    r, W, s = ([l for l, kind in enumerate(kinds, 1) if kind == name] for name in ("Scale", "Shared", "Affine"))
    of_members = lambda l: whole.W[l].reshape(K, -1).copy()
    p = SimpleNamespace(r=[of_members(l) / (K if l == r[0] else 1) for l in r], W=[whole.W[l][0].copy() for l in W],
                        s=[of_members(l) for l in s], b=[whole.b[l].reshape(K, -1).copy() for l in s],
                        last=[whole.W[len(kinds)].copy(), whole.b[len(kinds)].reshape(K, 1).copy()])
    for _ in range(3):
        of = [one_member(p, m).backprop(X, y) for m in range(K)]
        for i in range(2):
            dV = np.stack([one.dW[i + 1] for one in of]) / K  # of V = diag(r) W diag(s), (K, in, out)
            # the first r is kept times K with K times the rate, by which Adam's steps of r are as large as the others,
            # and those of gradient descent 1 / K as large
            dr = np.einsum("mij,ij,mj->mi", dV, p.W[i], p.s[i]) / (1 if i else K)
            steps = (dr, np.einsum("mij,mi,mj->ij", dV, p.r[i], p.s[i]), np.einsum("mij,mi,ij->mj", dV, p.r[i], p.W[i]),
                     np.stack([one.db[i + 1] for one in of]) / K)
            for a, step in zip((p.r[i], p.W[i], p.s[i], p.b[i]), steps):
                a -= rate * step
        for a, step in zip(p.last, ([one.dW[3] for one in of], [one.db[3] for one in of])):
            a -= rate / K * np.stack(step)
    whole.fit(X, y, SGD(rate), epochs=3, batch_size=None)
    for m in range(K):
        np.testing.assert_allclose(member_of(whole, m, "squared_error", 1).params, one_member(p, m).params,
                                   rtol=1e-11, atol=1e-12)


def one_member(p, m):
    net = MLP([D, *(Dense(units, "tanh") for units in UNITS), 1], dtype="float64")
    for i in range(2):
        net.W[i + 1][...], net.b[i + 1][...] = p.r[i][m][:, None] * p.W[i] * p.s[i][m], p.b[i][m]
    net.W[3][...], net.b[3][...] = p.last[0][m], p.last[1][m]
    return net


# ---- the estimators

def fitted(Estimator, load, way="shared", **options):
    rows, y = load(return_X_y=True, as_frame=True)
    given = options.pop("given", {})
    usual = {"members": way, "n_members": 4, "max_iter": 12, "random_state": 0, "n_threads": 1}
    est = Estimator("fast", **usual | options)
    return est.fit(rows, y, **given), rows, y


def of_members(est, rows):
    """What each network of an estimator predicts, (members, n, ..)."""
    features = est._encoder.transform(est._read(rows))
    return np.stack([net.predict(features) for net in est.networks_])


@ways
@both
def test_what_is_predicted_is_the_mean_of_the_members(Estimator, load, way):
    est, rows, _ = fitted(Estimator, load, way)
    assert len(est.networks_) == 4 and len(set(est.n_iter_by_member_)) == 1
    assert {type(layer) for net in est.networks_ for layer in net.layers} == {Dense, Dropout}  # as of others
    each = of_members(est, rows)
    if Estimator is TabularClassifier:
        np.testing.assert_allclose(est.predict_proba(rows), each.mean(axis=0), rtol=1e-5, atol=1e-6)
        wanted = np.take_along_axis(each, each.mean(axis=0).argmax(axis=1)[None, :, None], 2)[..., 0].std(axis=0)
    else:
        each = each[..., 0].astype(float)
        np.testing.assert_allclose(est.predict(rows), est._scale.means(each.mean(axis=0)), rtol=1e-5)
        wanted = est._scale.means(each).std(axis=0)
    np.testing.assert_allclose(est.predict(rows, return_std=True)[1], wanted, rtol=1e-3, atol=1e-5 * wanted.max())
    assert est.score(rows, load(return_X_y=True)[1]) > (0.85 if Estimator is TabularClassifier else 0.4)


@ways
@both
def test_all_hold_out_the_same_rows(Estimator, load, way):
    est, rows, y = fitted(Estimator, load, way)
    oof = est.oof_prediction_.reshape(len(y), -1)[:, 0]
    held = ~np.isnan(oof)
    assert held.mean() == pytest.approx(0.2, abs=0.01)
    if Estimator is TabularRegressor:
        np.testing.assert_allclose(oof[held], est.predict(rows)[held], rtol=1e-6)
        low, high = est.predict_interval(rows)
        assert (low < high).all() and len(est._residuals) == held.sum()
    assert est.feature_importances_.shape == (rows.shape[1],)
    all_trained, *_ = fitted(Estimator, load, way, given={"X_val": rows[:30], "y_val": y[:30]})
    assert np.isnan(all_trained.oof_prediction_).all()


@both
def test_the_loss_by_which_they_stop_is_that_of_the_members(Estimator, load):
    seen = []
    est, rows, y = fitted(Estimator, load, callbacks=[lambda net, epoch, logs: seen.append(logs["val_loss"])])
    held = ~np.isnan(est.oof_prediction_.reshape(len(y), -1)[:, 0])
    each = of_members(est, rows)[:, held]
    if Estimator is TabularClassifier:
        losses = -np.log(each[:, np.arange(held.sum()), y[held]])
    else:
        losses = (each[..., 0] - est._scale.transform(y)[held]) ** 2
    assert len(seen) == est.n_iter_ and losses.mean() == pytest.approx(min(seen), rel=1e-4)


@ways
def test_threads_do_not_change_the_result(way):
    one, two, four = (fitted(TabularClassifier, load_iris, way, n_threads=n)[0] for n in (1, 2, 4))
    for other in (two, four):
        for ours, theirs in zip(one.networks_, other.networks_):
            np.testing.assert_array_equal(ours.params, theirs.params)


def test_callbacks_end_the_fit():
    est, *_ = fitted(TabularRegressor, load_diabetes, callbacks=EarlyStopping("loss", patience=1, min_delta=10.0))
    assert est.n_iter_by_member_ == [2] * 4


@pytest.mark.parametrize("Estimator", [TabularClassifier, TabularRegressor])
@ways
def test_rows_with_replacement_are_refused(Estimator, way):
    with pytest.raises(ValueError, match=f"bagging must be 'folds' where members are '{way}'"):
        Estimator("fast", members=way, bagging="bootstrap").fit(np.eye(6), [0, 1] * 3)


def test_many_columns_and_one_member():
    rows, y = np.random.default_rng(0).standard_normal((80, 14)), np.arange(80) % 2
    for way in joint.WAYS:
        est = TabularClassifier("default", members=way, n_members=1, max_iter=2, random_state=0).fit(rows, y)
        assert est.networks_[0].layers[0].rate == 0.1 and est.predict_proba(rows).shape == (80, 2)


@pytest.mark.parametrize("Estimator", [TabularClassifier, TabularRegressor])
@ways
def test_scikit_learns_checks(Estimator, way):
    reason = "chance deals rows to batches: two of weight 1 may part, one of weight 2 does not"
    failed = {"check_sample_weight_equivalence_on_dense_data": reason}
    est = Estimator("fast", members=way, max_iter=4, random_state=0, n_threads=1)
    results = check_estimator(est, expected_failed_checks=failed, on_skip=None)
    assert len(results) > 50 and {r["status"] for r in results} <= {"passed", "skipped", "xfail"}
