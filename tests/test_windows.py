"""Data that are read a window at a time: the same rows, each once an epoch, no more than two windows of them held."""
import pickle
import threading
import tracemalloc

import numpy as np
import pytest

from fastmlp import MLP, SGD, Adam, BatchNorm, Dropout, EarlyStopping, LambdaCallback, data
from fastmlp._files import document
from fastmlp._fit.windows import Windows

N, D, OUT = 1003, 6, 2
RNG = np.random.default_rng(0)
X, Y, WEIGHT = RNG.standard_normal((N, D)), RNG.standard_normal((N, OUT)), RNG.uniform(size=N)
LABELS = RNG.integers(0, OUT, N)


class Source:
    """What has shape, dtype and slices by rows, and nothing else; it counts what is asked for."""

    def __init__(self, a, chunks=None):
        self.a, self.shape, self.dtype, self.asked = a, a.shape, a.dtype, []
        if chunks is not None:
            self.chunks = chunks

    def __getitem__(self, rows):
        assert type(rows) is slice and 0 <= rows.start < rows.stop <= len(self.a)
        self.asked.append((rows.start, rows.stop))
        return self.a[rows].copy()


def network(layers=(D, 9, OUT), **options):
    return MLP(list(layers), activation="tanh", **{"dtype": "float64", "random_state": 0} | options)


def fitted(X, y, net=None, **options):
    net = net or network()
    net.fit(X, y, Adam(0.01), **{"epochs": 4, "batch_size": 32} | options)
    return net


@pytest.mark.parametrize("window", [1, 31, 32, 200, 960, 1003, 10**6])
@pytest.mark.parametrize("weight", [None, WEIGHT])
def test_in_their_order_rows_give_the_bits_of_those_in_memory(window, weight):
    whole = fitted(X, Y, shuffle=False, sample_weight=weight)
    read = fitted(Source(X), Source(Y), shuffle=False, sample_weight=weight, window=window)
    assert read.params.tobytes() == whole.params.tobytes()
    np.testing.assert_allclose(read.history["loss"], whole.history["loss"], rtol=1e-13)


def test_the_mean_of_the_weights_and_smoothed_targets():
    whole, read = (fitted(X, LABELS, network(loss="cross_entropy"), shuffle=False, ema=0.8, label_smoothing=0.2,
                          window=window) for window in (None, 200))
    assert read.params.tobytes() == whole.params.tobytes()


def test_rates_of_dropout_that_change():
    rates = [0.5, 0.0, 0.2, 0.1]
    whole, read = (fitted(X, Y, network((D, 9, Dropout(lambda epoch: rates[epoch]), OUT)), shuffle=False, window=window)
                   for window in (None, N))
    assert read.params.tobytes() == whole.params.tobytes()


def test_labels_and_float32():
    whole = fitted(X.astype("f"), LABELS, network(loss="cross_entropy", dtype="float32"), shuffle=False)
    read = fitted(Source(X.astype("f")), Source(LABELS), network(loss="cross_entropy", dtype="float32"), shuffle=False,
                  window=100)
    assert read.params.tobytes() == whole.params.tobytes()


@pytest.mark.parametrize("window, chunks", [(32, None), (200, None), (200, (7, D)), (96, (300, D)), (5000, None)])
def test_shuffled_each_row_comes_once_an_epoch(window, chunks):
    numbers = np.arange(N, dtype=float)
    rows = Windows(network((1, 1))._network, Source(numbers[:, None], chunks), Source(numbers), None, window, True, 5)
    orders = []
    for epoch in range(3):
        seen = []
        for begin in range(0, N, window):
            place = epoch, begin, min(begin + window, N)
            X_of_window, _, _ = rows._read(*place)
            section = rows.open(None, place)
            assert sorted(section.rows) == list(range(len(X_of_window))) and section.data.n == len(X_of_window)
            seen += X_of_window[section.rows, 0].tolist()
        assert sorted(seen) == numbers.tolist()
        orders.append(seen)
    assert orders[0] != orders[1] != orders[2]
    neighbours = np.mean(np.abs(np.diff(orders[0])) == 1)
    assert neighbours < 0.1     # of a shuffle of one level, all but one in a run


def test_shuffled_bits_depend_on_the_seed_alone():
    first, again = (fitted(Source(X), Source(Y), window=100) for _ in range(2))
    assert first.params.tobytes() == again.params.tobytes()
    assert first.params.tobytes() != fitted(X, Y).params.tobytes()
    assert abs(first.params - fitted(X, Y).params).max() < 0.3  # but they learn the same


@pytest.mark.parametrize("options", [{"input_noise": 0.5}, {"layers": (D, Dropout(0.5), OUT)}])
def test_what_is_drawn_differs_from_window_to_window(options):
    """Rows and batches are all alike: were noise the same in each window, four would be four epochs of one."""
    layers = options.pop("layers", (D, OUT))
    same = np.ones((128, D)), np.ones((128, OUT))
    four = network(layers, random_state=1)
    four.fit(*same, SGD(0.01), epochs=1, batch_size=32, shuffle=False, window=32, **options)
    one = network(layers, random_state=1)
    for _ in range(4):
        one._network.progress.epochs_ever = 0
        one.fit(*(a[:32] for a in same), SGD(0.01), epochs=1, batch_size=32, shuffle=False, window=32, **options)
    assert abs(four.params - one.params).max() > 1e-6


def test_a_fit_goes_on_from_a_file(tmp_path):
    net = fitted(Source(X), Source(Y), window=100, epochs=2)
    net.save(tmp_path / "net")
    other = MLP.load(tmp_path / "net")
    for one in net, other:
        one.partial_fit(Source(X), Source(Y), window=100, batch_size=32, epochs=2)
    assert net.params.tobytes() == other.params.tobytes()


@pytest.mark.filterwarnings("ignore:the loss was not finite")
def test_a_step_that_led_nowhere_is_undone_across_windows():
    y = Y.copy()
    y[500] = 1e200
    whole, read = (fitted(X, y, shuffle=False, **options) for options in ({}, {"window": 64}))
    assert read.params.tobytes() == whole.params.tobytes() and read.history["loss"] == []


def test_validation_and_early_stopping():
    stop = EarlyStopping("loss", patience=3)
    net = fitted(Source(X), Source(Y), window=100, epochs=6, validation_data=(X[:50], Y[:50]), metrics="r2",
                 callbacks=[stop])
    assert net.history["val_loss"][-1] > 0 and "val_r2" in net.history
    assert net.evaluate(X, Y) <= net.history["loss"][0]


def test_one_reads_while_the_other_trains_and_no_thread_is_left():
    threads = set()

    class Watched(Source):
        def __getitem__(self, rows):
            threads.add(threading.current_thread().name)
            return super().__getitem__(rows)

    fitted(Watched(X), Source(Y), window=100)
    assert any("fastmlp-windows" in name for name in threads)
    assert not any("fastmlp-windows" in thread.name for thread in threading.enumerate())


@pytest.mark.parametrize("at", [0, 700])
def test_an_error_of_the_source_ends_the_fit(at):
    class Broken(Source):
        def __getitem__(self, rows):
            if rows.start <= at < rows.stop:
                raise OSError("the disk is gone")
            return super().__getitem__(rows)

    with pytest.raises(OSError, match="the disk is gone"):
        fitted(Broken(X), Source(Y), window=100, shuffle=False)
    assert not any("fastmlp-windows" in thread.name for thread in threading.enumerate())


def test_memory_is_two_windows():
    """Of a source that makes its rows as they are asked for, many times as large."""
    class Endless:
        shape, dtype = (400_000, 50), np.dtype(np.float32)

        def __getitem__(self, rows):
            return np.full((rows.stop - rows.start, 50), rows.start % 7, np.float32)

    class Targets(Endless):
        shape = (400_000,)

        def __getitem__(self, rows):
            return super().__getitem__(rows)[:, 0]

    window = 10_000
    bytes_of_window = window * (50 + 1) * 4
    net = network((50, 4, 1), dtype="float32")
    net.fit(Endless(), Targets(), epochs=1, batch_size=1000, window=window)
    tracemalloc.start()
    try:
        net.fit(Endless(), Targets(), epochs=2, batch_size=1000, window=window)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 2.5 * bytes_of_window


BAD = {
    "X": (dict(X=[[1.0] * D] * 3), TypeError, "^X must have shape, dtype"),
    "y": (dict(y=[1.0, 2.0]), TypeError, "^y must have shape, dtype"),
    "rows": (dict(y=Y[:-1]), ValueError, "^y must have 1003 rows"),
    "columns": (dict(X=X[:, 1:]), ValueError, "^X must have 6 columns"),
    "none": (dict(X=X[:0], y=Y[:0]), ValueError, "^X must have at least one row"),
    "window": (dict(window=0), ValueError, "^window must be at least 1"),
    "class_weight": (dict(class_weight="balanced"), ValueError, "^class_weight must be None"),
    "fraction": (dict(validation_fraction=0.1), ValueError, "^validation_fraction must be 0"),
    "metrics": (dict(metrics="r2"), ValueError, "^metrics must be"),
    "columns of y": (dict(y=np.ones((N, 3))), ValueError, "^y must have"),
    "weights": (dict(sample_weight=np.ones(3)), ValueError, "^sample_weight"),
    "nan": (dict(X=np.where(np.arange(N)[:, None] == 900, np.nan, X)), ValueError, "^X must be finite"),
}


@pytest.mark.parametrize("name", BAD)
def test_what_does_not_fit(name):
    given, kind, text = BAD[name]
    net = network()
    before = net.params
    with pytest.raises(kind, match=text):
        fitted(net=net, **dict(X=X, y=Y, window=100) | given)
    assert (net.params == before).all() or name == "nan"  # which is found when it is read


# ---- kinds of files


def test_memory_maps(tmp_path):
    np.save(tmp_path / "X.npy", X)
    np.save(tmp_path / "Y.npy", Y)
    read = fitted(*(np.load(tmp_path / name, mmap_mode="r") for name in ("X.npy", "Y.npy")), shuffle=False, window=100)
    assert read.params.tobytes() == fitted(X, Y, shuffle=False).params.tobytes()


def test_hdf5(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "data.h5", "w") as file:
        file.create_dataset("X", data=X, chunks=(64, D))
        file.create_dataset("Y", data=Y)
        read = fitted(file["X"], file["Y"], shuffle=False, window=100)
        fitted(file["X"], file["Y"], window=100)
    assert read.params.tobytes() == fitted(X, Y, shuffle=False).params.tobytes()


def test_zarr():
    zarr = pytest.importorskip("zarr")
    read = fitted(zarr.array(X, chunks=(64, D)), zarr.array(Y), shuffle=False, window=100)
    assert read.params.tobytes() == fitted(X, Y, shuffle=False).params.tobytes()


@pytest.fixture(scope="module")
def parquet(tmp_path_factory):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    folder = tmp_path_factory.mktemp("parquet")
    columns = {f"x{i}": X[:, i] for i in range(D)} | {"y0": Y[:, 0], "y1": Y[:, 1], "label": LABELS,
                                                      "text": ["a"] * N,
                                                      "holes": [None if i == 7 else 1.5 for i in range(N)]}
    table = pa.table(columns)
    pq.write_table(table[:600], folder / "a.parquet", row_group_size=64)
    pq.write_table(table[600:], folder / "b.parquet", row_group_size=100)
    return folder


NAMES = [f"x{i}" for i in range(D)]


@pytest.mark.parametrize("several", [False, True])
def test_parquet(parquet, several):
    path = [parquet / "a.parquet", str(parquet / "b.parquet")] if several else parquet
    table = data.Parquet(path, target=["y0", "y1"], columns=NAMES)
    assert (table.X.shape, table.y.shape, table.X.dtype) == ((N, D), (N, OUT), np.float64)
    for rows in slice(0, 3), slice(60, 70), slice(590, 750), slice(0, N), slice(None, None), slice(5, 5):
        assert (table.X[rows] == X[rows]).all() and (table.y[rows] == Y[rows]).all()
    read = fitted(table.X, table.y, shuffle=False, window=100)
    assert read.params.tobytes() == fitted(X, Y, shuffle=False).params.tobytes()
    fitted(table.X, table.y, window=100)


def test_parquet_labels_and_other_columns(parquet):
    table = data.Parquet(parquet / "a.parquet", target="label", columns=NAMES)
    assert table.y.dtype == np.int64 and table.y.shape == (600,) and (table.y[:] == LABELS[:600]).all()
    fitted(table.X, table.y, network(loss="cross_entropy"), window=100)


@pytest.mark.parametrize("given, kind, text", [
    (dict(target="label"), TypeError, "column 'text' must be numbers, got string"),
    (dict(target="none"), ValueError, "target must be one of"),
    (dict(target="label", columns=["x0", "none"]), ValueError, "columns must be one of"),
    (dict(target="label", columns=[]), ValueError, "columns must be at least one column"),
    (dict(target=3), TypeError, "target must be names"),
    (dict(target="label", path=3), TypeError, "path must be"),
])
def test_parquet_that_does_not_fit(parquet, given, kind, text):
    with pytest.raises(kind, match=text):
        _ = data.Parquet(**dict(path=parquet) | given).X


def test_parquet_with_missing_values(parquet):
    table = data.Parquet(parquet, target="label", columns=["x0", "holes"])
    assert table.X[64:70].shape == (6, 2)
    with pytest.raises(ValueError, match="column 'holes' must have no missing values"):
        table.X[:10]
    with pytest.raises(TypeError, match="rows must be a slice"):
        table.X[3]
    with pytest.raises(ValueError, match="step 1"):
        table.X[::2]


# ---- an epoch that is ended within


class Ends(Source):
    """Raises at the slice of some number."""

    def __init__(self, a, at, error=KeyboardInterrupt):
        super().__init__(a)
        self.left, self.error = at, error

    def __getitem__(self, rows):
        self.left -= 1
        if self.left == 0:
            raise self.error
        return super().__getitem__(rows)


LAYERS = (D, 9, Dropout(0.2), BatchNorm(), OUT)
WINDOWS = dict(batch_size=32, window=200, optimizer=Adam(0.01))


def ended_within(at, net=None, **options):
    net = net or network(LAYERS)
    with pytest.raises(KeyboardInterrupt):
        net.fit(Ends(X, at), Source(Y), **{**WINDOWS, "epochs": 3, **options})
    return net


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("at", [2, 3, 5, 12, 17])
@pytest.mark.parametrize("through", [lambda net, path: net, lambda net, path: pickle.loads(pickle.dumps(net)),
                                     lambda net, path: net.save(path) or MLP.load(path)], ids=["", "pickle", "file"])
def test_it_goes_on_after_its_last_window(shuffle, at, through, tmp_path):
    whole = network(LAYERS)
    whole.fit(Source(X), Source(Y), epochs=3, shuffle=shuffle, **WINDOWS)
    net = through(ended_within(at, shuffle=shuffle), tmp_path / "net")
    done = len(net.history["loss"])
    unfinished = net._network.progress.unfinished
    assert unfinished is None or 0 < unfinished.batches < 32 and unfinished.batches % 6 == 0
    net.partial_fit(Source(X), Source(Y), epochs=3 - done, shuffle=shuffle, **WINDOWS)
    assert net.params.tobytes() == whole.params.tobytes()
    np.testing.assert_allclose(net.history["loss"], whole.history["loss"], rtol=1e-14)
    assert net._network.progress.unfinished is None


def test_it_was_ended_at_different_places():
    """What the test above is about: some of its ends are within an epoch, others in its first window."""
    ends = [ended_within(at, shuffle=False)._network.progress.unfinished for at in (2, 3, 5, 12)]
    assert {unfinished and unfinished.batches for unfinished in ends} >= {None, 6, 18}


def test_what_was_ended_twice_goes_on():
    whole = network(LAYERS)
    whole.fit(Source(X), Source(Y), epochs=1, shuffle=False, **WINDOWS)
    net = ended_within(4, shuffle=False, epochs=1)
    with pytest.raises(KeyboardInterrupt):
        net.partial_fit(Ends(X, 4), Source(Y), shuffle=False, **WINDOWS)
    assert net._network.progress.unfinished.batches > 12
    net.partial_fit(Source(X), Source(Y), shuffle=False, **WINDOWS)
    assert net.params.tobytes() == whole.params.tobytes()
    np.testing.assert_allclose(net.history["loss"], whole.history["loss"], rtol=1e-14)


@pytest.mark.parametrize("options", [dict(batch_size=31), dict(window=300), dict(ema=0.9),
                                     dict(callbacks=[LambdaCallback(on_batch_end=lambda *_: None)])])
def test_with_other_batches_an_epoch_begins_anew(options):
    net = ended_within(4, shuffle=False)
    twin = pickle.loads(pickle.dumps(net))
    twin._network.progress.unfinished = None
    for one in (net, twin):
        one.partial_fit(Source(X), Source(Y), shuffle=False, **{**WINDOWS, **options})
    assert net.params.tobytes() == twin.params.tobytes()


@pytest.mark.filterwarnings("ignore:the loss was not finite")
def test_the_rest_of_an_epoch_that_diverges():
    y = Y.copy()
    y[900] = 1e200
    whole, net = network(), network()
    whole.fit(Source(X), Source(y), SGD(0.1), epochs=1, shuffle=False, batch_size=32, window=200)
    with pytest.raises(KeyboardInterrupt):
        net.fit(Ends(X, 4), Source(y), SGD(0.1), epochs=1, shuffle=False, batch_size=32, window=200)
    net.partial_fit(Source(X), Source(y), shuffle=False, batch_size=32, window=200)
    assert net.params.tobytes() == whole.params.tobytes() and net.history["loss"] == []


@pytest.mark.parametrize("wrong", [3, [1, 2], [1, 2, 3, 0, 0.0, 0.0], [1.5, 2, 3, 4, 0.0, 0.0], [1, 2, 3, 4, "a", 0]])
def test_what_a_file_says_of_it_is_checked(wrong):
    with pytest.raises((ValueError, TypeError), match="unfinished"):
        document.unfinished_of(wrong)
