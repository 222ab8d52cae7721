"""DaskTabularClassifier and DaskTabularRegressor on a cluster of two processes.

Encodings are those of one process to the bit, as long as few values are different; what members learn of one worker's
rows is what MLP.partial_fit teaches them, and the mean of several is held to its formula.
"""
import os
import pickle
import signal
from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import r2_score

pytest.importorskip("distributed", reason='there is no distributed: pip install "fastmlp[dask]"')
da = pytest.importorskip("dask.array")
dd = pytest.importorskip("dask.dataframe")
pd = pytest.importorskip("pandas")

from dask_collections import with_empty_parts  # noqa: E402
from fastmlp import AdamW, EarlyStopping, TabularClassifier, TabularRegressor  # noqa: E402
from fastmlp._running_fits import fit_of  # noqa: E402
from fastmlp.distributed import DaskTabularClassifier, DaskTabularRegressor, table_rounds  # noqa: E402
from fastmlp.distributed.collections import Shard  # noqa: E402
from fastmlp.tabular import columns as tables  # noqa: E402
from fastmlp.tabular import pieces  # noqa: E402
from fastmlp.tabular.ensemble import Part, rate_at  # noqa: E402
from fastmlp.tabular.presets import PRESETS  # noqa: E402
from fastmlp.tabular.targets import TargetScale  # noqa: E402

RNG = np.random.default_rng(0)
N = 400
WEIGHT = RNG.uniform(0.5, 2, N)
TABLE = pd.DataFrame({
    "number": RNG.standard_normal(N), "few": RNG.integers(0, 4, N), "same": 1.0,
    "label": pd.Series(RNG.choice(["a", "b", "c", None], N), dtype=object),
    "late": pd.Series([None] * (N // 2) + RNG.choice(["u", "v"], N // 2).tolist(), dtype=object),  # not in all parts
    "gaps": np.where(RNG.uniform(size=N) < 0.2, np.nan, RNG.uniform(size=N)),
    "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 10**8, N), unit="s")})
NUMBER = 2 * TABLE.number.to_numpy() + (TABLE.label == "a") + TABLE.few.to_numpy()
TEXT = np.where(NUMBER > 2, "high", np.where(NUMBER < 0, "low", "middle"))
SMALL = dict(preset="fast", max_iter=12, random_state=0)
KINDS = {"labels": (DaskTabularClassifier, TabularClassifier, TEXT),
         "numbers": (DaskTabularRegressor, TabularRegressor, NUMBER.to_numpy())}


def parts(a, n):
    return dd.from_pandas(a if isinstance(a, pd.DataFrame) else pd.Series(a), npartitions=n, sort=False)


CUTS = {
    "even": (lambda a: parts(a, 4), lambda a: parts(a, 4)),
    "empty": (with_empty_parts, lambda a: da.from_array(a, chunks=90)),
    "one": (lambda a: parts(a, 1), lambda a: parts(a, 7)),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("cut", CUTS)
def test_any_cut_has_the_encodings_of_one_process(client, name, cut):
    kind, plain, y = KINDS[name]
    of_X, of_y = CUTS[cut]
    model, one = kind(**SMALL).fit(of_X(TABLE), of_y(y)), plain(**SMALL).fit(TABLE, y)
    columns = tables.read(TABLE)
    assert model.kinds_ == one.kinds_ and model.feature_names_in_.tolist() == [*TABLE]
    assert model._encoder.transform(columns).tobytes() == one._encoder.transform(columns).tobytes()
    assert len(model.networks_) == len(one.networks_) and model.n_iter_ <= 12
    if name == "labels":
        assert model.classes_.tolist() == one.classes_.tolist()
    else:
        np.testing.assert_allclose(model._scale.transform(y), one._scale.transform(y), rtol=1e-12, atol=1e-12)
        assert len(model._residuals) == len(one._residuals)
    score = model.score(of_X(TABLE), of_y(y))
    assert score == pytest.approx(model.to_local().score(TABLE, y)) and score > 0.7


def test_kinds_that_show_in_some_partitions_alone(client):
    """A column of objects that are numbers here and text there is one of categories."""
    mixed = pd.DataFrame({"a": pd.Series([1, 2] * 100 + ["1", "x"] * 100, dtype=object), "b": NUMBER})
    model = DaskTabularRegressor(**SMALL).fit(parts(mixed, 4), parts(NUMBER, 4))
    one = TabularRegressor(**SMALL).fit(mixed, NUMBER)
    assert model.kinds_ == one.kinds_ == ["category", "number"]
    columns = tables.read(mixed)
    assert model._encoder.transform(columns).tobytes() == one._encoder.transform(columns).tobytes()


def test_categories_of_numbers_that_differ_by_partition(client):
    codes = pd.Series(RNG.integers(0, 3, N) + np.where(np.arange(N) < N // 2, 0, 5))
    whole = parts(pd.DataFrame({"code": codes, "b": NUMBER}), 4)
    X = whole.map_partitions(lambda part: part.assign(code=part.code.astype("category")))
    model = DaskTabularRegressor(**SMALL).fit(X, parts(NUMBER, 4))
    assert model.kinds_ == ["category", "number"]
    assert set(model._encoder.blocks[0][2].levels) == {str(v) for v in codes.unique()}


def test_arrays(client):
    a = TABLE[["number", "few", "gaps"]].to_numpy()
    model = DaskTabularRegressor(**SMALL).fit(da.from_array(a, chunks=(70, 2)), da.from_array(NUMBER.to_numpy(), 50))
    assert model._names is None and not hasattr(model, "feature_names_in_")
    found = model.predict(da.from_array(a, chunks=(70, 2)))
    assert found.chunks == ((70,) * 5 + (50,),) and (found.compute() == model.predict(a)).all()


@pytest.mark.parametrize("classes", [None, ["low", "middle", "high", "more"]])
def test_classes_and_their_weights(client, classes):
    order = np.argsort(TEXT, kind="stable")  # some classes are on one worker alone
    X, y = parts(TABLE.iloc[order], 4), parts(TEXT[order], 4)
    model = DaskTabularClassifier(**SMALL, class_weight="balanced").fit(X, y, classes=classes)
    assert model.classes_.tolist() == sorted(classes or set(TEXT)) and not hasattr(model, "_factors")
    assert model.predict_proba(TABLE).shape == (N, len(model.classes_))


def test_weights_of_classes_and_rows(client):
    """By the formula: sample weights times n / (classes * count)."""
    est = TabularClassifier(class_weight="balanced")
    names, counts = np.unique(TEXT, return_counts=True)
    piece = pieces.look(est, TABLE, TEXT, WEIGHT)
    pieces.learn(est, piece, PRESETS["fast"])
    block = pieces.block(est, TABLE, TEXT, WEIGHT, lambda y, rows: [])
    wanted = WEIGHT * (N / (3 * counts))[np.searchsorted(names, TEXT)]
    np.testing.assert_allclose(block.weight, wanted, rtol=1e-14)
    light = np.where(np.arange(N) < 100, 0, WEIGHT)
    block = pieces.block(est, TABLE, TEXT, light, lambda y, rows: rows)
    assert (block.parts == np.arange(100, N)).all() and len(block.X) == len(block.y) == 300
    assert pieces.look(est, TABLE, TEXT, light).columns[0].n == 300


@pytest.mark.parametrize("pieces_", [1, 5])
def test_the_scale_of_targets_in_pieces(pieces_):
    y = np.exp(RNG.standard_normal(1000))
    weight = RNG.uniform(size=1000)
    found = [pieces.Targets.of(*both) for both in zip(np.array_split(y, pieces_), np.array_split(weight, pieces_))]
    whole = sum(found[1:], found[0])
    mean = np.average(y, weights=weight)
    assert whole.mean == pytest.approx(mean, rel=1e-13) and whole.numbers.distribution().n == 1000
    assert whole.deviation == pytest.approx(np.sqrt(np.average((y - mean) ** 2, weights=weight)), rel=1e-12)
    est = TabularRegressor(target_transform="power")
    found = [pieces.Targets.of(part, None) for part in np.array_split(y, pieces_)]
    est._learn_y(sum(found[1:], found[0]))
    one = TargetScale(True).fit(y)
    assert est._scale.power == pytest.approx(one.power, rel=1e-9)
    np.testing.assert_allclose(est._scale.transform(y), one.transform(y), rtol=1e-9, atol=1e-12)


# ---- rounds

PRESET = replace(PRESETS["fast"], dropout=0.0)  # which is drawn by the number of a row in its data


def learning(weight=None):
    """(an estimator that has learned of all, its members, a Block of all rows)"""
    est = TabularRegressor(**SMALL)
    y = NUMBER.to_numpy()
    pieces.learn(est, pieces.look(est, TABLE, y, weight), PRESETS["fast"])
    held_out = [Part(np.arange(80, N), np.arange(80)), Part(np.arange(N - 80), np.arange(N - 80, N))]
    block = pieces.block(est, TABLE, y, weight, lambda y, rows: held_out)
    return est, pieces.members_of(est, PRESET, np.random.default_rng(0)), block


@pytest.mark.parametrize("weight", [None, WEIGHT])
@pytest.mark.parametrize("threads", [1, 2])
def test_members_learn_as_by_partial_fit(weight, threads):
    _, members, block = learning(weight)
    nets, preset = [member.net for member in members], PRESET
    rates = [[rate_at(member.kind, i / 10) for i in range(3)] for member in members]
    twins = [pickle.loads(pickle.dumps(net)) for net in nets]
    rows = [part.rows for part in block.parts]
    losses = pieces.train_all(nets, rates, rows, block, preset, threads)
    for net, twin, some, of_net, loss, kind in zip(nets, twins, rows, rates, losses, (m.kind for m in members)):
        for rate in of_net:
            optimizer = AdamW(rate, beta2=kind.beta2, weight_decay=preset.weight_decay)
            twin.partial_fit(block.X[some], block.y[some], optimizer, batch_size=32,
                             sample_weight=None if weight is None else block.weight[some])
        np.testing.assert_allclose(net.params, twin.params, rtol=1e-3, atol=1e-4)
        assert loss == pytest.approx(twin.history["loss"][-1], rel=1e-4)


def test_the_mean_of_what_workers_learn():
    """By hand, weighted by the rows that each member is trained on; rows without weight count for nothing."""
    est, members, block = learning()
    nets = [member.net for member in members]
    given = table_rounds.Members([0, 1], nets, [[0.01], [0.02]], PRESET, 1)
    some = [Part(np.arange(n), np.empty(0, np.int64)) for n in (30, 60)]
    blocks = [block, pieces.Block(block.X[:90], block.y[:90], None, some)]
    before = [net.params for net in nets]
    learned = [table_rounds.trained(given, one, seed) for one, seed in zip(blocks, (1, 2))]
    assert all((net.params == p).all() for net, p in zip(nets, before))  # what came is left as it was
    mean = table_rounds.averaged(learned)
    for m, (weights, result) in enumerate(zip([(320, 30), (320, 60)], mean)):
        for a, parts_ in zip(result.arrays, zip(*(one[m].arrays for one in learned))):
            np.testing.assert_allclose(a, np.average(parts_, axis=0, weights=weights), rtol=1e-5, atol=1e-7)
        assert result.loss == pytest.approx(np.average([one[m].loss for one in learned], weights=weights), rel=1e-12)
        table_rounds.take(nets[m], result)
        assert (nets[m].params == result.arrays[0]).all()


def test_losses_are_of_the_rows_held_out():
    _, members, block = learning(WEIGHT)
    nets = [member.net for member in members]
    first, last = slice(0, 80), slice(N - 80, N)
    found = table_rounds.losses(nets, block, [0, 1])
    for net, part, total, weight in zip(nets, (first, last), *found):
        assert weight == pytest.approx(WEIGHT[part].sum())
        assert total / weight == pytest.approx(net.evaluate(block.X[part], block.y[part], WEIGHT[part]), rel=1e-6)
    whole = table_rounds.losses(nets[:1], block, None)
    assert whole.total[0] / whole.weight[0] == pytest.approx(nets[0].evaluate(block.X, block.y, WEIGHT), rel=1e-6)


@pytest.mark.parametrize("name", KINDS)
def test_rows_to_watch(client, name):
    kind, _, y = KINDS[name]
    dX, dy, weight = parts(TABLE, 4), parts(y, 4), da.from_array(WEIGHT, chunks=100)
    model = kind(**{**SMALL, "max_iter": 60}, local_epochs=2)
    model.fit(dX, dy, weight, eval_set=[(dX, dy), (parts(TABLE[:50], 2), parts(y[:50], 2))],
              eval_sample_weight=[weight, da.ones(50)])
    first, second = (model.evals_result_[f"validation_{i}"]["loss"] for i in (0, 1))
    assert len(first) == len(second) >= model.n_iter_ / 2 and first[-1] < first[0]
    if name == "numbers":
        assert not len(model._residuals)  # all rows were trained on
        with pytest.raises(ValueError, match="alpha"):
            model.predict_interval(dX)


def test_callbacks_measure_the_loss_at_the_present_weights(client):
    """Of the rows that are trained on, which are all where others are watched."""
    found, stop = [], EarlyStopping("loss", patience=9)
    X, y, weight = parts(TABLE, 3), parts(NUMBER, 3), da.from_array(WEIGHT, chunks=100)
    model = DaskTabularRegressor(**{**SMALL, "n_members": 1, "max_iter": 4}, callbacks=[
        lambda net, *_: found.append((fit_of(net).present["loss"](), net.params)), stop])
    model.fit(X, y, weight, eval_set=[(X, y)])
    net, = model.networks_
    rows, wanted = model._encoder.transform(tables.read(TABLE)), model._scale.transform(NUMBER.to_numpy())
    for loss, params in found:
        net.params = params
        assert loss == pytest.approx(net.evaluate(rows, wanted, WEIGHT), rel=1e-5)
    assert stop.best_epoch == 1 + np.argmin([loss for loss, _ in found])


def test_callbacks_train_members_one_after_another(client):
    seen = []
    stop = EarlyStopping("val_loss", patience=2)
    DaskTabularRegressor(**SMALL, callbacks=[lambda net, epoch, logs: seen.append((epoch, sorted(logs))), stop]).fit(
        parts(TABLE, 2), parts(NUMBER, 2))
    epochs = [epoch for epoch, _ in seen]
    assert epochs.count(1) == 2 and epochs[0] == 1 and seen[0][1] == ["loss", "lr", "val_loss"]


@pytest.mark.parametrize("sets", [0, 2])
def test_a_callback_that_watches_what_is_not_logged_is_refused_at_once(client, sets):
    X, y, logs = parts(TABLE, 2), parts(NUMBER, 2), []
    rows = dict(eval_set=[(X, y)] * sets or None)
    watch = lambda net, epoch, given: logs.append(sorted(given)) and False
    model = DaskTabularRegressor(**{**SMALL, "max_iter": 2}, callbacks=[watch]).fit(X, y, **rows)
    before, seen = model.predict(TABLE), len(logs)
    with pytest.raises(ValueError, match="^monitor must be one of .*, got 'val_score'") as caught:
        model.set_params(callbacks=[watch, EarlyStopping("val_score")]).fit(X, y, **rows)
    assert sorted(str(caught.value).split(" of ")[1].split(", got")[0].split(", ")) == logs[0]
    assert len(logs) == seen and (model.predict(TABLE) == before).all()


def test_a_local_copy_has_networks_of_its_own(client, fitted):
    model = fitted["numbers"]
    before, local = model.predict(TABLE), model.to_local()
    local.networks_[0].params = np.zeros(local.networks_[0].n_params)
    assert (model.predict(TABLE) == before).all() and not (local.predict(TABLE) == before).all()


def test_the_time_limit_ends_it(client):
    model = DaskTabularRegressor(preset="fast", max_iter=10**6, time_limit=0.5, random_state=0)
    assert model.fit(parts(TABLE, 2), parts(NUMBER, 2)).n_iter_ < 1000


def test_a_worker_that_dies(client):
    """With all rows in one partition the bits are the same, whoever trains on them."""
    X, y = parts(TABLE, 1), parts(NUMBER, 1)

    def kill(net, epoch, logs):
        if epoch == 3:
            for pid in client.run(os.getpid).values():
                os.kill(pid, signal.SIGKILL)

    options = {**SMALL, "n_members": 1}
    model = DaskTabularRegressor(**options, callbacks=[kill]).fit(X, y)
    client.wait_for_workers(2)
    again = DaskTabularRegressor(**options, callbacks=[lambda net, epoch, logs: None]).fit(X, y)
    assert model.networks_[0].params.tobytes() == again.networks_[0].params.tobytes()


# ---- using

@pytest.fixture(scope="module")
def fitted(client):
    return {name: kind(**SMALL).fit(parts(TABLE, 4), parts(y, 4)) for name, (kind, _, y) in KINDS.items()}


METHODS = [("labels", "predict", {}), ("labels", "predict_proba", {}), ("labels", "predict_log_proba", {}),
           ("labels", "predict", {"return_std": True}), ("numbers", "predict", {}),
           ("numbers", "predict", {"return_std": True}), ("numbers", "predict_interval", {"alpha": 0.2})]


@pytest.mark.parametrize("name, method, options", METHODS)
def test_predictions_are_lazy_and_those_of_the_local_estimator(client, fitted, name, method, options):
    model, local = fitted[name], fitted[name].to_local()
    assert type(local) is KINDS[name][1]
    wanted = getattr(local, method)(TABLE, **options)
    here = getattr(model, method)(TABLE, **options)
    found = getattr(model, method)(with_empty_parts(TABLE), **options)
    several = isinstance(wanted, tuple)
    for a, b, c in zip(wanted, here, found) if several else [(wanted, here, found)]:
        assert isinstance(c, da.Array) and c.ndim == a.ndim and c.dtype == a.dtype
        computed = c.compute()
        assert computed.shape == a.shape and (b == a).all() and (computed == a).all()


def test_it_is_an_estimator(client, fitted, tmp_path):
    model = fitted["numbers"]
    assert {*model.get_params()} == {*TabularRegressor().get_params(), "client", "local_epochs"}
    assert clone(model).get_params() == model.get_params()
    again = pickle.loads(pickle.dumps(model))
    assert again.client is None and (again.predict(TABLE) == model.predict(TABLE)).all()
    local = model.to_local()
    local.save(tmp_path / "model")
    assert (TabularRegressor.load(tmp_path / "model").predict(TABLE) == model.predict(TABLE)).all()
    assert r2_score(NUMBER, local.predict(TABLE)) > 0.9
    with pytest.raises(AttributeError, match="predict rows that were kept from fit"):
        getattr(local, "oof_prediction_")  # noqa: B009
    assert local.permutation_importances(TABLE, NUMBER).argmax() == 0
    with pytest.raises(ValueError, match="none of the name 'few'"):
        model.predict(parts(TABLE.drop(columns="few"), 2))


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("cut", [4, 1])
def test_importances_are_of_rows_held_out_on_all_workers(client, name, cut):
    kind, _, y = KINDS[name]
    model = kind(**SMALL).fit(parts(TABLE, cut), parts(y, cut))
    assert model.feature_importances_.argmax() == 0
    assert (model.to_local().feature_importances_ == model.feature_importances_).all()
    for rows, *_ in model._held.parts:
        assert 0 < len(rows) < 0.6 * N
    watched = kind(**SMALL).fit(parts(TABLE, cut), parts(y, cut), eval_set=[(parts(TABLE, cut), parts(y, cut))])
    with pytest.raises(AttributeError, match="permutation_importances"):
        getattr(watched, "feature_importances_")  # noqa: B009


def test_held_out_rows_are_drawn_from_each_worker():
    _, members, block = learning(WEIGHT)
    some, more = (table_rounds.held_out_rows(None, block, most, 0) for most in (7, 1000))
    both = some + more
    for part, one, all_of_them, joined in zip(block.parts, some.of_members, more.of_members, both.of_members):
        assert [len(a) for a in one] == [7] * 3 and (all_of_them[0] == block.X[np.sort(part.held_out)]).all()
        places = [np.flatnonzero((block.X == row).all(axis=1) & (block.y == y)) for row, y in zip(*one[:2])]
        assert all(np.isin(place, part.held_out).any() for place in places)
        assert [len(a) for a in joined] == [7 + len(part.held_out)] * 3


WRONG = {
    "X of pandas": (dict(X=TABLE), TypeError, "^X must be a Dask array or DataFrame"),
    "y of NumPy": (dict(y=NUMBER), TypeError, "^y must be a Dask array or DataFrame"),
    "fewer y": (dict(y=parts(NUMBER[:90], 2)), ValueError, "^y must have 400 rows, as X has, got 90"),
    "no rows": (dict(X=da.ones((0, 3)), y=da.ones(0)), ValueError, "^X must have at least one row"),
    "infinity": (dict(X=parts(TABLE.assign(number=np.inf), 2)), ValueError, "column 'number' of X must have finite"),
    "y of text": (dict(y=parts(TEXT, 4)), TypeError, "y must be numbers"),
    "weights below 0": (dict(sample_weight=da.from_array(-WEIGHT, chunks=100)), ValueError, "sample_weight must be"),
    "no weight": (dict(sample_weight=da.zeros(N, chunks=100)), ValueError, "sample_weight must be above 0"),
    "local_epochs": (dict(local_epochs=0), ValueError, "local_epochs"),
    "max_iter": (dict(max_iter=0), ValueError, "max_iter"),
    "members": (dict(members="grouped"), ValueError, "^members must be 'separate' for Dask collections"),
    "eval_set without weight": (dict(eval_set=[(parts(TABLE, 4), parts(NUMBER, 4))],
                                     eval_sample_weight=[da.zeros(N, chunks=100)]), ValueError,
                                r"^eval_sample_weight must be above 0 .* eval_set\[0\]"),
    "large y": (dict(y=parts(NUMBER * 1e250, 4)), ValueError, "^y must have a finite variance"),
    "eval_set": (dict(eval_set=3), TypeError, "^eval_set must be"),
    "classes": (dict(classes=[0, 1]), ValueError, "^classes must be None"),
    "client": (dict(client=3), TypeError, "^client must be"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(client, name):
    given, error, message = WRONG[name]
    given = dict(X=parts(TABLE, 4), y=parts(NUMBER, 4)) | given
    own = {k: given.pop(k) for k in [*given] if k in DaskTabularRegressor._get_param_names()}
    with pytest.raises(error, match=message):
        DaskTabularRegressor(**{**SMALL, **own}).fit(**given)


def test_classes_that_are_not_all(client):
    with pytest.raises(ValueError, match="classes must have all labels of y, got none of 'middle'"):
        DaskTabularClassifier(**SMALL).fit(parts(TABLE, 2), parts(TEXT, 2), classes=["high", "low"])


def test_a_worker_looks_at_rows_of_its_own():
    piece = table_rounds.look(TabularRegressor(), Shard(TABLE, NUMBER.to_numpy(), None))
    assert piece.kinds == ["number", "number", "number", "category", "category", "number", "time"]
