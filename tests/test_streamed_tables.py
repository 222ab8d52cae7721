"""Estimators of tables that are fitted to Parquet files larger than a window of rows."""
import tracemalloc
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

pa = pytest.importorskip("pyarrow", reason='there is no pyarrow: pip install "fastmlp[parquet]"')
pq = pytest.importorskip("pyarrow.parquet")
pd = pytest.importorskip("pandas")

from fastmlp import EarlyStopping, TabularClassifier, TabularRegressor  # noqa: E402
from fastmlp._running_fits import fit_of  # noqa: E402
from fastmlp.data import Parquet  # noqa: E402
from fastmlp.tabular import columns as tables  # noqa: E402
from fastmlp.tabular import pieces, streamed  # noqa: E402

RNG = np.random.default_rng(0)
N = 1500
LATE = np.where(np.arange(N) < 1000, None, RNG.choice(["u", "v"], N))  # no value in the first row groups
TABLE = pd.DataFrame({
    "number": RNG.standard_normal(N), "few": RNG.integers(0, 4, N), "late": pd.Series(LATE, dtype=object),
    "label": pd.Series(RNG.choice(["a", "b", "c", None], N), dtype=object),
    "kind": pd.Categorical(RNG.choice(["x", "y"], N)),
    "gaps": np.where(RNG.uniform(size=N) < 0.2, np.nan, RNG.uniform(size=N)),
    "when": pd.Timestamp("2020-01-01") + pd.to_timedelta(RNG.integers(0, 10**8, N), unit="s")})
NUMBER = (2 * TABLE.number + (TABLE.label == "a") + TABLE.few).to_numpy()
TEXT = np.where(NUMBER > 2, "high", np.where(NUMBER < 0, "low", "middle"))
WEIGHT = np.where(np.arange(N) % 10 == 0, 0, RNG.uniform(0.5, 2, N))
KINDS = {"labels": (TabularClassifier, TEXT), "numbers": (TabularRegressor, NUMBER)}
SMALL = dict(preset="fast", max_iter=8, random_state=0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tables")
    table = pa.Table.from_pandas(TABLE.assign(labels=TEXT, numbers=NUMBER, order=np.arange(N)), preserve_index=False)
    pq.write_table(table[:900], folder / "a.parquet", row_group_size=130)
    pq.write_table(table[900:], folder / "b.parquet", row_group_size=500)  # more than a window
    return folder


def source(folder, target, columns=None):
    return Parquet(folder, target=target, columns=columns or [*TABLE])


@pytest.mark.parametrize("name", KINDS)
def test_what_fits_in_a_window_is_fitted_as_in_memory(folder, name):
    kind, y = KINDS[name]
    options = dict(preset="fast", max_iter=2, random_state=0)
    read, whole = kind(**options).fit(source(folder, name)), kind(**options).fit(TABLE, y)
    assert (read.predict(TABLE) == whole.predict(TABLE)).all() and read.kinds_ == whole.kinds_
    np.testing.assert_array_equal(read.oof_prediction_, whole.oof_prediction_)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
def test_encodings_are_those_of_all_rows(folder, name, weight):
    """To the bit, as long as no column has more different values than are counted."""
    kind, y = KINDS[name]
    read = kind(**SMALL).fit(source(folder, name), None, weight, window=300)
    whole = kind(**{**SMALL, "max_iter": 1}).fit(TABLE, y, weight)
    columns = tables.read(TABLE)
    assert read.kinds_ == whole.kinds_ and read.feature_names_in_.tolist() == [*TABLE]
    assert read._encoder.transform(columns).tobytes() == whole._encoder.transform(columns).tobytes()
    assert read.score(TABLE, y) > 0.75
    if name == "labels":
        assert read.classes_.tolist() == whole.classes_.tolist()
    else:
        low, high = read.predict_interval(TABLE, 0.2)
        assert 0.65 < ((low < NUMBER) & (NUMBER < high)).mean() < 0.95
        np.testing.assert_allclose(read._scale.transform(y), whole._scale.transform(y), rtol=1e-12, atol=1e-12)
    assert read.feature_importances_.argmax() == 0
    with pytest.raises(AttributeError, match="predict rows that were kept from fit"):
        getattr(read, "oof_prediction_")  # noqa: B009


def test_windows_have_each_row_once(folder):
    rows = streamed.Source(source(folder, "numbers", ["order", *TABLE]), WEIGHT, 300)
    assert rows.windows == 5 and rows.rows_of_window == 300
    for order in range(len(rows.data.groups)), RNG.permutation(len(rows.data.groups)):
        found = [*rows(order)]
        assert [len(part.numbers) for part in found] == [300] * 5
        numbers = np.concatenate([part.numbers for part in found])
        assert (np.sort(numbers) == np.arange(N)).all()
        for part in found:
            assert (part.X.column("order").to_numpy() == part.numbers).all()
            assert (part.y == NUMBER[part.numbers]).all() and (part.weight == WEIGHT[part.numbers]).all()
    assert (numbers != np.arange(N)).any()


def test_members_see_all_rows_but_their_own(folder, monkeypatch):
    """In each epoch each row once; what a member holds out is what it stops by, and others are trained on it."""
    seen, order = [Counter(), Counter()], list(TABLE)
    watched = []
    train_all, HeldOut = pieces.train_all, streamed.importances.HeldOut

    def train(nets, rates, rows, block, preset, n_threads):
        for member, some in zip(seen, rows):
            member.update(np.round(block.y[some].astype(float), 4).tolist())
        return train_all(nets, rates, rows, block, preset, n_threads)

    def some(X, y, weight, parts, rng):
        watched.extend({*np.round(y[part.held_out].astype(float), 4).tolist()} for part in parts)
        return HeldOut.some(X, y, weight, parts, rng)

    monkeypatch.setattr(pieces, "train_all", train)
    monkeypatch.setattr(streamed.importances, "HeldOut", type("HeldOut", (), {"some": staticmethod(some)}))
    est = TabularRegressor(**{**SMALL, "max_iter": 3}).fit(source(folder, "numbers", order), window=300)
    all_of_y = {*np.round(est._scale.transform(NUMBER).astype("f4").astype(float), 4).tolist()}
    assert len(all_of_y) > N - 50
    for member, own in zip(seen, watched):
        assert 100 < len(own) <= 150  # half a window
        unlike = [y for y in all_of_y - own if member[y] % 3]  # numbers that two rows share may differ
        assert len(unlike) < 50 and sum(member.values()) == 3 * (N - 150)


def test_the_same_bits_each_time_and_on_any_threads(folder):
    fits = [TabularRegressor(**{**SMALL, "max_iter": 2}, n_threads=n).fit(source(folder, "numbers"), window=300)
            for n in (1, 2)]
    for a, b in zip(*(est.networks_ for est in fits)):
        assert a.params.tobytes() == b.params.tobytes()


def test_no_more_than_some_windows_are_held(tmp_path):
    n, window = 40_000, 2000
    columns = {f"c{i}": RNG.standard_normal(n) for i in range(12)}
    pq.write_table(pa.table(columns | {"y": columns["c0"]}), tmp_path / "large.parquet", row_group_size=1000)
    data = Parquet(tmp_path / "large.parquet", target="y")
    options = dict(preset="fast", n_members=1, max_iter=1, random_state=0, n_threads=1)
    TabularRegressor(**options).fit(TABLE.assign(number=NUMBER), NUMBER)  # imports, and threads
    tracemalloc.start()
    est = TabularRegressor(**options).fit(data, window=window)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    of_window = window * est.networks_[0].d[0] * 4
    assert peak < 8 * of_window + 4e6 < n * est.networks_[0].d[0] * 4 / 2  # two, one that is held out, and scratch


@pytest.mark.parametrize("weight", [None, WEIGHT], ids=["", "weights"])
def test_callbacks_measure_the_loss_of_all_rows_at_the_present_weights(folder, weight):
    """Which decides whose weights come back. With rows to watch none are held out."""
    found, stop = [], EarlyStopping("loss", patience=3)

    def look(net, epoch, logs):
        found.append((fit_of(net).present["loss"](), net.params))

    est = TabularRegressor(preset="fast", n_members=1, max_iter=4, random_state=0, callbacks=[look, stop])
    est.fit(source(folder, "numbers"), None, weight, window=400, validation_data=(TABLE[:50], NUMBER[:50]))
    net, = est.networks_
    X, y = est._encoder.transform(tables.read(TABLE)), est._scale.transform(NUMBER)
    for loss, params in found:
        net.params = params
        assert loss == pytest.approx(net.evaluate(X, y, weight), rel=1e-5)
    assert stop.best_epoch == 1 + np.argmin([loss for loss, _ in found])


def test_the_loss_of_an_epoch_is_of_all_rows_alike(folder):
    """However many a window has: at a rate of 0 all are measured at the same weights."""
    logs = []
    est = TabularRegressor(preset="fast", n_members=1, max_iter=1, random_state=0,
                           callbacks=[lambda net, epoch, found: logs.append((found["loss"], net.params))])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streamed.Streaming, "rate", lambda *_: 0.0)
        patch.setitem(streamed.PRESETS, "fast", replace(streamed.PRESETS["fast"], dropout=0.0))
        est.fit(source(folder, "numbers"), None, WEIGHT, window=400, validation_data=(TABLE[:50], NUMBER[:50]))
    net, = est.networks_
    X, y = est._encoder.transform(tables.read(TABLE)), est._scale.transform(NUMBER)
    net.params = logs[0][1]
    assert logs[0][0] == pytest.approx(net.evaluate(X, y, WEIGHT), rel=1e-5)


def test_rows_to_watch_callbacks_and_the_time_limit(folder):
    seen = []
    callbacks = [lambda net, epoch, logs: seen.append((epoch, sorted(logs)))]
    est = TabularClassifier(**SMALL, callbacks=callbacks)
    est.fit(source(folder, "labels"), validation_data=(TABLE[:200], TEXT[:200]), window=300)
    assert [epoch for epoch, _ in seen] == [*range(1, 9)] * 2 and seen[0][1] == ["loss", "lr", "val_loss"]
    limited = TabularRegressor(preset="fast", max_iter=10**6, time_limit=0.3, random_state=0)
    assert limited.fit(source(folder, "numbers"), window=300).n_iter_ < 1000


def test_a_column_of_which_no_row_group_has_values(tmp_path):
    pq.write_table(pa.table({"a": NUMBER, "none": pa.nulls(N), "y": NUMBER}), tmp_path / "t", row_group_size=100)
    est = TabularRegressor(**{**SMALL, "max_iter": 1}).fit(Parquet(tmp_path / "t", target="y"), window=200)
    assert est.kinds_ == ["number", "number"]


WRONG = {
    "y": (dict(y=NUMBER), {}, "y must be None where X is a Parquet"),
    "window": (dict(window=3), {}, "window must be"),
    "bagging": ({}, dict(bagging="bootstrap"), "bagging must be 'folds'"),
    "members": ({}, dict(members="shared"), "members must be 'separate' for a Parquet of more rows than a window"),
    "sample_weight": (dict(sample_weight=-WEIGHT), {}, "sample_weight must be at least 0"),
    "no weight": (dict(sample_weight=0 * WEIGHT), {}, "sample_weight must be above 0"),
    "another number": (dict(sample_weight=WEIGHT[1:]), {}, "sample_weight must have"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused(folder, name):
    given, options, message = WRONG[name]
    with pytest.raises(ValueError, match=message):
        TabularRegressor(**SMALL, **options).fit(source(folder, "numbers"), **{"window": 300} | given)


def test_what_the_files_must_have(folder, tmp_path):
    for window in (300, 10**6):
        with pytest.raises(ValueError, match="target must be one column"):
            TabularRegressor(**SMALL).fit(Parquet(folder, target=["numbers", "few"]), window=window)
        with pytest.raises(TypeError, match="y must be numbers"):
            TabularRegressor(**SMALL).fit(source(folder, "labels"), window=window)
        with pytest.raises(ValueError, match="NaN"):
            TabularRegressor(**SMALL).fit(source(folder, "gaps", ["number"]), window=window)
    for name, a in (("1", NUMBER), ("2", TEXT)):
        pq.write_table(pa.table({"a": a, "y": NUMBER}), tmp_path / name)
    with pytest.raises(TypeError, match="column 'a' of X must hold|Field a has incompatible types"):
        TabularRegressor(**SMALL).fit(Parquet([tmp_path / "1", tmp_path / "2"], target="y"), window=300)
    pq.write_table(pa.table({"a": np.arange(N), "y": NUMBER}), tmp_path / "2")
    est = TabularRegressor(**{**SMALL, "max_iter": 1}).fit(Parquet([tmp_path / "1", tmp_path / "2"], target="y"),
                                                          window=700)  # fractions and whole numbers
    assert est._encoder.blocks[0][2].edges[-1] == N - 1
    pq.write_table(pa.table({"a": NUMBER[:0], "y": NUMBER[:0]}), tmp_path / "empty")
    with pytest.raises(ValueError, match="at least one row"):
        TabularRegressor(**SMALL).fit(Parquet(tmp_path / "empty", target="y"))
