"""Metrics against scikit-learn's, and rows held out for validation."""
import numpy as np
import pytest
from scipy import sparse

from fastmlp import MLP, SGD, Adam, Dropout, EarlyStopping, metrics
from fastmlp.metrics import larger_is_better

sklearn_metrics = pytest.importorskip("sklearn.metrics")
RNG = np.random.default_rng(0)
N = 60
X = RNG.standard_normal((N, 4))
Y = np.stack([X[:, 0] + 0.5 * RNG.standard_normal(N), np.sin(X[:, 1])], axis=1)
LABELS = (X[:, 0] + RNG.standard_normal(N) > 0) * 1 + (X[:, 1] + RNG.standard_normal(N) > 0.3)  # 0, 1, 2
weighting = pytest.mark.parametrize("w", [None, RNG.random(N)], ids=["plain", "weighted"])


def logged(loss, y, metrics, w, outputs, dtype="float64"):
    """The last epoch's log, and what the network predicts."""
    net = MLP([4, 8, outputs], activation="tanh", loss=loss, dtype=dtype, random_state=0)
    history = net.fit(X, y, Adam(0.02), epochs=4, metrics=metrics, validation_data=(X, y, w))
    assert {len(values) for values in history.values()} == {4}
    return {name: values[-1] for name, values in history.items()}, net.predict(X)


# ---- the metrics


@weighting
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_accuracy(w, dtype):
    right = lambda y, guess: pytest.approx(sklearn_metrics.accuracy_score(y, guess, sample_weight=w), rel=1e-12)
    logs, p = logged("cross_entropy", LABELS, "accuracy", w, 3, dtype)
    assert logs["val_accuracy"] == right(LABELS, p.argmax(axis=1)) and 0.4 < logs["val_accuracy"] < 1
    logs, p = logged("cross_entropy", np.eye(3)[LABELS], "accuracy", w, 3, dtype)  # one-hot
    assert logs["val_accuracy"] == right(LABELS, p.argmax(axis=1))
    yes = LABELS > 0
    for y in (yes, yes * 1, yes[:, None] * 1.0):  # a probability
        logs, p = logged("binary_cross_entropy", y, "accuracy", w, 1, dtype)
        assert logs["val_accuracy"] == right(yes, p[:, 0] > 0.5) and 0.4 < logs["val_accuracy"] < 1
    soft = np.where(yes, 0.9, 0.2)
    logs, p = logged("binary_cross_entropy", soft, "accuracy", w, 1, dtype)
    assert logs["val_accuracy"] == right(soft > 0.5, p[:, 0] > 0.5)
    several = np.stack([LABELS > 0, LABELS > 1, X[:, 2] > 0], axis=1) * 1  # a row is right where all are
    logs, p = logged("binary_cross_entropy", several, "accuracy", w, 3, dtype)
    assert logs["val_accuracy"] == right(several, (p > 0.5) * 1) and 0.1 < logs["val_accuracy"] < 1


@weighting
@pytest.mark.parametrize("outputs", [1, 2])
def test_r2_and_mae(w, outputs):
    for y in (Y[:, :outputs], Y[:, 0]) if outputs == 1 else (Y, np.column_stack([Y[:, 0], np.full(N, 0.5)])):
        logs, p = logged("squared_error", y, ["r2", "mae"], w, outputs)
        assert logs["val_r2"] == pytest.approx(sklearn_metrics.r2_score(y, p, sample_weight=w), rel=1e-10)
        assert logs["val_mae"] == pytest.approx(sklearn_metrics.mean_absolute_error(y, p, sample_weight=w), rel=1e-10)


@weighting
def test_auc(w):
    area = lambda y, p, **how: pytest.approx(sklearn_metrics.roc_auc_score(y, p, sample_weight=w, **how), rel=1e-12)
    logs, p = logged("binary_cross_entropy", LABELS > 0, "auc", w, 1)
    assert logs["val_auc"] == area(LABELS > 0, p[:, 0]) and 0.6 < logs["val_auc"] < 1
    logs, p = logged("cross_entropy", (LABELS > 0) * 1, "auc", w, 2)
    assert logs["val_auc"] == area(LABELS > 0, p[:, 1])
    logs, p = logged("cross_entropy", LABELS, "auc", w, 3)
    assert logs["val_auc"] == area(LABELS, p, multi_class="ovr")
    logs, p = logged("cross_entropy", np.eye(3)[LABELS], "auc", w, 3)
    assert logs["val_auc"] == area(np.eye(3)[LABELS], p)


# name -> the same by scikit-learn: of labels and guesses, or with "p" of labels and probabilities
BY_CLASSES = {
    "balanced_accuracy": sklearn_metrics.balanced_accuracy_score,
    "f1": lambda y, guess, **how: sklearn_metrics.f1_score(
        y, guess, average="macro" if max(y) > 1 else "binary", **how),
    "f1_macro": lambda y, guess, **how: sklearn_metrics.f1_score(y, guess, average="macro", **how),
    "matthews_corrcoef": sklearn_metrics.matthews_corrcoef,
}
BY_PROBABILITIES = {
    "log_loss": sklearn_metrics.log_loss,
    "neg_log_loss": lambda y, p, **how: -sklearn_metrics.log_loss(y, p, **how),
    "average_precision": lambda y, p, **how: sklearn_metrics.average_precision_score(
        y, p if max(y) > 1 else p[:, 1], **how),
    "roc_auc_ovr": lambda y, p, **how: sklearn_metrics.roc_auc_score(
        y, p if max(y) > 1 else p[:, 1], multi_class="ovr", **how),
}


@weighting
@pytest.mark.parametrize("name", [*BY_CLASSES, *BY_PROBABILITIES])
def test_of_classes(name, w):
    by_sklearn = BY_CLASSES.get(name) or BY_PROBABILITIES[name]
    cases = [("cross_entropy", LABELS, 3), ("cross_entropy", np.eye(3)[LABELS], 3),
             ("cross_entropy", (LABELS > 0) * 1, 2), ("binary_cross_entropy", LABELS > 0, 1)]
    for loss, y, outputs in cases:
        if name == "matthews_corrcoef" and w is not None and y.ndim == 2:
            continue
        logs, p = logged(loss, y, name, w, outputs)
        p = np.hstack([1 - p, p]) if outputs == 1 else p
        labels = y.argmax(axis=1) if y.ndim == 2 else y * 1
        expected = by_sklearn(labels, p if name in BY_PROBABILITIES else p.argmax(axis=1), sample_weight=w)
        assert logs[f"val_{name}"] == pytest.approx(expected, rel=1e-9) and np.isfinite(expected)


@weighting
def test_of_several_yes_or_no_outputs(w):
    y = np.stack([LABELS > 0, LABELS > 1], axis=1) * 1
    logs, p = logged("binary_cross_entropy", y, ["f1", "balanced_accuracy", "log_loss", "f1_samples", "roc_auc"], w, 2)
    guess, how = (p > 0.5) * 1, {"sample_weight": w}
    assert logs["val_f1"] == pytest.approx(sklearn_metrics.f1_score(y, guess, average="macro", **how))
    assert logs["val_balanced_accuracy"] == pytest.approx(
        np.mean([sklearn_metrics.balanced_accuracy_score(y[:, k], guess[:, k], **how) for k in range(2)]))
    assert logs["val_log_loss"] == pytest.approx(sum(sklearn_metrics.log_loss(y[:, k], p[:, k], **how)
                                                     for k in range(2)), rel=1e-9)
    assert logs["val_log_loss"] == pytest.approx(logs["val_loss"], rel=1e-9)
    assert logs["val_roc_auc"] == pytest.approx(sklearn_metrics.roc_auc_score(y, p, **how))
    assert logs["val_f1_samples"] == pytest.approx(
        sklearn_metrics.f1_score(y, guess, average="samples", zero_division=0, **how))


@weighting
@pytest.mark.parametrize("outputs", [1, 2])
def test_of_numbers(w, outputs):
    names = ["mse", "rmse", "neg_root_mean_squared_error", "explained_variance"]
    logs, p = logged("squared_error", Y[:, :outputs], names, w, outputs)
    found = [logs[f"val_{name}"] for name in names]
    args = Y[:, :outputs], p
    root = sklearn_metrics.root_mean_squared_error(*args, sample_weight=w)
    assert found == pytest.approx([sklearn_metrics.mean_squared_error(*args, sample_weight=w), root, -root,
                                   sklearn_metrics.explained_variance_score(*args, sample_weight=w)], rel=1e-9)


def test_scorers_and_names_of_ones_own():
    f2 = sklearn_metrics.make_scorer(sklearn_metrics.fbeta_score, beta=2, average="macro")

    def classes_seen(estimator, X, y):
        return len(set(estimator.predict(X))) / len(set(y))

    logs, p = logged("cross_entropy", LABELS, [f2, classes_seen], None, 3)
    assert list(logs) == ["loss", "lr", "val_loss", "val_fbeta_score", "val_classes_seen"]
    assert logs["val_fbeta_score"] == sklearn_metrics.fbeta_score(LABELS, p.argmax(axis=1), beta=2, average="macro")
    assert logs["val_classes_seen"] == len(set(p.argmax(axis=1))) / 3
    again, _ = logged("cross_entropy", LABELS, {"F2": f2, "hits": "accuracy"}, None, 3)
    assert again["val_F2"] == logs["val_fbeta_score"] and "val_hits" in again


@pytest.mark.parametrize("loss, y, metric", [
    ("squared_error", Y[:, :1], "neg_log_loss"), ("cross_entropy", LABELS, "f1_wrong"),
    ("cross_entropy", LABELS, lambda estimator, X, y: estimator.nothing)], ids=["no classes", "no name", "own"])
def test_a_scorer_that_is_not_for_the_targets_is_found_out_before_training(loss, y, metric):
    net = MLP([4, 3 if loss == "cross_entropy" else 1], loss=loss, random_state=0)
    start = net.params
    with pytest.raises(ValueError, match="metrics"):
        net.fit(X, y, metrics=metric)
    assert net.params.tobytes() == start.tobytes() and not net.history


def test_of_scorers_by_name_larger_is_better():
    unsure = {"explained_variance", "matthews_corrcoef", "positive_likelihood_ratio"}
    for name in sklearn_metrics.get_scorer_names():
        if name in unsure or name.startswith("d2_") and not name.endswith("score"):
            continue
        assert larger_is_better(name) and larger_is_better(f"val_{name}"), name


def test_several_sets_of_rows_by_name():
    w, other = RNG.random(N), X[:20] + 0.1
    net = MLP([4, 8, 2], dtype="float64", random_state=0)
    history = net.fit(X, Y, Adam(0.02), epochs=3, metrics="mae",
                      validation_data={"train": (X, Y, w), "new": (other, Y[:20])},
                      callbacks=EarlyStopping("new_loss", patience=9))
    assert list(history) == ["loss", "lr", "train_loss", "train_mae", "new_loss", "new_mae"]
    assert history["train_loss"][-1] == pytest.approx(net.evaluate(X, Y, w), rel=1e-12)
    assert history["new_loss"][-1] == pytest.approx(net.evaluate(other, Y[:20]), rel=1e-12)
    assert history["new_mae"][-1] == pytest.approx(np.abs(net.predict(other) - Y[:20]).mean(), rel=1e-12)
    alone = MLP([4, 8, 2], dtype="float64", random_state=0).fit(X, Y, Adam(0.02), epochs=3,
                                                                validation_data={"val": (X, Y, w)})
    assert alone["val_loss"] == history["train_loss"]


@weighting
def test_score(w):
    how = {"sample_weight": w}
    net = MLP([4, 8, 3], loss="cross_entropy", random_state=0)
    guess = net.predict(X).argmax(axis=1)
    assert net.score(X, LABELS, w) == pytest.approx(sklearn_metrics.accuracy_score(LABELS, guess, **how))
    assert net.score(X, np.eye(3)[LABELS], w) == net.score(X, LABELS, w)
    net = MLP([4, 8, 2], loss="binary_cross_entropy", random_state=0)
    y = np.stack([LABELS > 0, LABELS > 1], axis=1) * 1
    assert net.score(X, y, w) == pytest.approx(sklearn_metrics.accuracy_score(y, (net.predict(X) > 0.5) * 1, **how))
    net = MLP([4, 8, 2], dtype="float64", random_state=0)
    assert net.score(X, Y, w) == pytest.approx(sklearn_metrics.r2_score(Y, net.predict(X), **how))
    assert net.score(X, sparse.csr_array(Y), w) == net.score(X, Y, w)


def test_functions_get_the_targets_and_the_predictions():
    got = []

    def largest_error(y, prediction):
        got.append((y, prediction))
        return np.float32(np.abs(y - prediction).max())

    class Half:
        def __call__(self, y, prediction):
            return 0.5

    logs, p = logged("squared_error", Y, [largest_error, Half(), "mae"], None, 2)
    assert list(logs) == ["loss", "lr", "val_loss", "val_largest_error", "val_Half", "val_mae"]
    assert logs["val_largest_error"] == pytest.approx(np.abs(Y - p).max(), rel=1e-6) and logs["val_Half"] == 0.5
    assert np.array_equal(got[-1][0], Y) and np.array_equal(got[-1][1], p)
    assert all(type(value) is float for value in logs.values())


@weighting
def test_without_validation_metrics_are_of_the_training_rows(w):
    net = MLP([4, 8, 2], random_state=0)
    history = net.fit(X, Y, epochs=2, metrics="mae", sample_weight=w)
    assert list(history) == ["loss", "lr", "mae"]
    assert history["mae"][-1] == pytest.approx(sklearn_metrics.mean_absolute_error(Y, net.predict(X), sample_weight=w),
                                               rel=1e-6)


def test_names_and_kinds_that_are_none():
    net = MLP([4, 2], random_state=0)
    start = net.params
    with pytest.raises(ValueError, match="metrics must be one of accuracy, .*, rmse, or .* scorers.*, got 'f7'"):
        net.fit(X, Y, metrics=["mae", "f7"])
    with pytest.raises(ValueError, match="metrics f1 wants labels"):
        net.fit(X, Y, metrics="f1")
    for bad in (5, [5], [None], {1: "mae"}):
        with pytest.raises(TypeError):
            net.fit(X, Y, metrics=bad)
    assert net.params.tobytes() == start.tobytes() and not net.history


# ---- validation_fraction


def split(seed, fraction, n=N, **fit):
    """Numbers of the rows held out."""
    held = []
    net = MLP([4, 8, 2], random_state=seed)
    y = np.arange(2 * n).reshape(n, 2) // 2
    net.fit(X[:n], y, SGD(1e-9), epochs=2, validation_fraction=fraction,
            metrics=lambda y, p: held.append(y[:, 0]) or 0.0, **fit)
    assert np.array_equal(*held)
    return held[0].astype(int)


def test_which_rows():
    for fraction, held in ((0.25, 15), (0.1, 6), (1 / 60, 1), (59 / 60, 59), (0.99, 59), (0.01, 1)):
        rows = split(0, fraction)
        assert len(rows) == held and (np.diff(rows) > 0).all() and 0 <= rows[0] <= rows[-1] < N
    assert np.array_equal(split(0, 0.25), split(0, 0.25, batch_size=7, shuffle=False, n_threads=2))
    assert not np.array_equal(split(0, 0.25), split(1, 0.25))
    counts = sum(np.bincount(split(seed, 0.25), minlength=N) for seed in range(200))
    assert abs(counts - 50).max() < 5 * np.sqrt(200 * 0.25 * 0.75)  # each as often as chance has it


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csr_array, lambda X: X.astype(np.float32)],
                         ids=["dense", "sparse", "float32"])
def test_rows_held_out_are_not_seen(kind, shuffle):
    """They are poisoned, and the weights are those of a fit on the others, to the bit."""
    held = split(0, 0.25)
    rest = np.setdiff1d(np.arange(N), held)
    net, others = (MLP([4, 8, 2], dtype="float64", random_state=0) for _ in range(2))
    data, y = X.copy(), Y.copy()
    data[held], y[held] = 1e9, -1e9
    how = {"epochs": 3, "batch_size": 7, "shuffle": shuffle}
    history = net.fit(kind(data), y, Adam(0.01), validation_fraction=0.25, **how)
    expected = others.fit(kind(X[rest]), Y[rest], Adam(0.01), **how)
    assert net.params.tobytes() == others.params.tobytes()
    assert history["loss"] == pytest.approx(expected["loss"], rel=1e-14)
    assert history["val_loss"][-1] == pytest.approx(net.evaluate(kind(data)[held], y[held]), rel=1e-12)
    net.partial_fit(kind(data), y, validation_fraction=0.25, **how)  # which holds the same rows out
    others.partial_fit(kind(X[rest]), Y[rest], **how)
    assert net.params.tobytes() == others.params.tobytes()


def test_weights_of_rows_held_out():
    held = split(0, 0.25)
    rest, w = np.setdiff1d(np.arange(N), held), RNG.random(N) + 0.1
    net, others = (MLP([4, 8, 2], dtype="float64", random_state=0) for _ in range(2))
    w[held] *= 1000
    history = net.fit(X, Y, SGD(0.05), sample_weight=w, validation_fraction=0.25, metrics="mae")
    expected = others.fit(X[rest], Y[rest], SGD(0.05), sample_weight=w[rest])
    np.testing.assert_allclose(net.params, others.params, rtol=1e-12)
    np.testing.assert_allclose(history["loss"], expected["loss"], rtol=1e-12)
    assert history["val_loss"][-1] == pytest.approx(net.evaluate(X[held], Y[held], w[held]), rel=1e-12)
    assert history["val_mae"][-1] == pytest.approx(np.average(np.abs(Y - net.predict(X))[held].mean(axis=1),
                                                              weights=w[held]), rel=1e-12)


def test_dropout_and_held_out_rows():
    net = MLP([4, Dropout(0.5), 8, 2], dtype="float64", random_state=0)
    history = net.fit(X, Y, epochs=2, validation_fraction=0.25)
    held = split(0, 0.25)
    assert history["val_loss"][-1] == pytest.approx(net.evaluate(X[held], Y[held]), rel=1e-12)


@pytest.mark.parametrize("options, error, message", [
    ({"validation_fraction": 0.2, "validation_data": (X, Y)}, ValueError, "both"),
    ({"validation_fraction": 1.0}, ValueError, "validation_fraction"),
    ({"validation_fraction": -0.1}, ValueError, "validation_fraction"),
    ({"validation_fraction": float("nan")}, ValueError, "validation_fraction"),
    ({"validation_fraction": 1e-9}, ValueError, "rows on both sides"),
    ({"validation_fraction": 1 - 1e-9}, ValueError, "rows on both sides"),
    ({"validation_fraction": "some"}, TypeError, "validation_fraction"),
    ({"validation_fraction": 0.2, "sample_weight": (np.arange(N) == split(0, 0.2)[0]) * 1.0}, ValueError,
     "sample_weight"),
    ({"validation_fraction": 0.2, "sample_weight": np.isin(np.arange(N), split(0, 0.2), invert=True) * 1.0}, ValueError,
     "sample_weight"),
    ({"validation_data": (X,)}, ValueError, "validation_data"),
    ({"validation_data": [X, Y]}, ValueError, "validation_data"),
    ({"validation_data": {}}, ValueError, "validation_data"),
    ({"validation_data": {"a": (X,)}}, ValueError, "validation_data"),
    ({"validation_data": {1: (X, Y)}}, TypeError, "names of validation_data"),
    ({"validation_data": {"": (X, Y)}}, ValueError, "names of validation_data"),
    ({"validation_data": {"a": (X, Y), "b": (X[:, :3], Y)}}, ValueError, r"validation_data\['b'\]: X must have 4"),
])
def test_bad_validation(options, error, message):
    net = MLP([4, 8, 2], random_state=0)
    start = net.params
    with pytest.raises(error, match=message):
        net.fit(X, Y, **options)
    assert net.params.tobytes() == start.tobytes() and not net.history


@weighting
@pytest.mark.parametrize("name", metrics.__all__)
def test_metrics_are_functions_of_users_too(name, w):
    """As metrics= takes them, with the weights, and called by themselves, of lists and of one column as well."""
    function, of_numbers = getattr(metrics, name), name in metrics.OF_NUMBERS
    loss, y, outputs = ("squared_error", Y[:, 0], 1) if of_numbers else ("cross_entropy", LABELS, 3)
    (by_name, p), (by_function, _) = (logged(loss, y, [metric], w, outputs) for metric in (name, function))
    assert by_function == by_name and f"val_{name}" in by_name
    assert function(y, p, w) == pytest.approx(by_name[f"val_{name}"], rel=1e-12)
    assert function(y.tolist(), p.tolist(), w) == function(y, p, w)
    if of_numbers:
        assert function(y[:, None], p[:, 0], w) == function(y, p, w)


@pytest.mark.parametrize("y, prediction, weight, words", [
    ([0, 1], [[0.5, 0.5]], None, "y must have 1 rows"), ([0, 2], [[0.5, 0.5]] * 2, None, "y must be labels 0..1"),
    ([0.5, 1], [[0.5, 0.5]] * 2, None, "y must be labels 0..1"), (["a", "b"], [0.5, 0.5], None, "y must be numbers"),
    ([0, 1], [np.nan, 0.5], None, "prediction must be finite"), ([0, 1], [], None, "prediction must have shape"),
    ([0, 1], [0.5, 0.5], [0, 0], "weight must be at least 0"), ([0, 1], [0.5, 0.5], [1], "weight must have shape"),
    ([0, 1], [0.5, 0.5], [1, -1], "weight must be at least 0"), ([3, 1], [0.5, 0.5], None, "labels for y")])
def test_what_metrics_refuse(y, prediction, weight, words):
    with pytest.raises((TypeError, ValueError), match=words):
        metrics.accuracy(y, prediction, weight)
