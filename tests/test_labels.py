"""Labels that are text: the same as their numbers, with names that the network keeps."""
import copy
import json
import pickle

import numpy as np
import pytest

from fastmlp import MLP, SGD, BatchNorm, Dense, DivergenceWarning, io, sensitivity
from fastmlp.distributed import SerialCommunicator
from ranks import all_of

RNG = np.random.default_rng(0)
N = 60
X, WEIGHT = RNG.standard_normal((N, 4)), RNG.random(N)
NAMES = np.array(["fir", "oak", "yew"])
CODES = RNG.permutation(np.arange(N) % 3)
TREES = NAMES[CODES]
YES = np.array(["no", "yes"])
CASES = {  # loss, outputs, names, the numbers of the labels
    "three classes": ("cross_entropy", 3, NAMES, CODES),
    "two classes": ("cross_entropy", 2, YES, CODES % 2),
    "one output": ("binary_cross_entropy", 1, YES, CODES % 2),
}


def network(loss="cross_entropy", outputs=3, **options):
    return MLP([4, 8, outputs], loss=loss, dtype="float64", random_state=0, **options)


def trees():
    net = network()
    net.fit(X, TREES, "adam", epochs=2)
    return net


@pytest.fixture(params=CASES)
def case(request):
    return CASES[request.param]


# ---- text is the same as numbers


@pytest.mark.parametrize("options", [
    {}, {"sample_weight": WEIGHT}, {"label_smoothing": 0.1}, {"class_weight": "balanced"}, {"gradient_penalty": 0.1},
    {"validation_fraction": 0.2, "metrics": ["accuracy", "f1", "log_loss", "auc", "roc_auc_ovr"]},
    {"metrics": "accuracy"}, {"metrics": lambda y, p: float(y.sum())},
], ids=str)
def test_training(case, options):
    loss, outputs, names, codes = case
    text, numbers = network(loss, outputs), network(loss, outputs)
    history = text.fit(X, names[codes], "adam", epochs=3, **options)
    assert history == numbers.fit(X, codes, "adam", epochs=3, **options)
    assert np.array_equal(text.params, numbers.params)
    assert text.classes.tolist() == names.tolist() and numbers.classes is None


def test_validation_rows_and_class_weights_by_name(case):
    loss, outputs, names, codes = case
    text, numbers = network(loss, outputs), network(loss, outputs)
    weights = {0: 3.0, 1: 0.5}
    new = {"new": (X[40:], codes[40:])}
    history = text.fit(X[:40], names[codes[:40]], validation_data={"new": (X[40:], names[codes[40:]])},
                       metrics="accuracy", class_weight={names[k]: weight for k, weight in weights.items()})
    plain = network(loss, outputs).fit(X[:40], codes[:40], validation_data=new, metrics="accuracy")
    assert history != plain
    assert history == numbers.fit(X[:40], codes[:40], validation_data=new, metrics="accuracy", class_weight=weights)


@pytest.mark.parametrize("form", ["list", "objects", "Series", "categories", "string dtype", "numpy strings"])
def test_forms_of_text(form):
    pd = pytest.importorskip("pandas")
    y = {"list": TREES.tolist(), "objects": TREES.astype(object), "Series": pd.Series(TREES),
         "categories": pd.Series(TREES, dtype="category"), "string dtype": pd.Series(TREES, dtype="string"),
         "numpy strings": TREES.astype(np.dtypes.StringDType())}[form]
    net, wanted = network(), trees()
    net.fit(X, y, "adam", epochs=2)
    assert np.array_equal(net.params, wanted.params) and net.classes.tolist() == NAMES.tolist()
    assert net.score(X, y) == wanted.score(X, TREES)


MEASURES = {
    "evaluate": lambda net, y: net.evaluate(X, y),
    "score": lambda net, y: net.score(X, y, WEIGHT),
    "backprop": lambda net, y: net.backprop(X, y).dW[1],
    "loss_and_grad": lambda net, y: net.loss_and_grad(X, y)[1],
    "hvp": lambda net, y: net.hvp(net.params, X, y),
    "input_gradient": lambda net, y: net.input_gradient(X, y),
    "saliency": lambda net, y: sensitivity.saliency(net, X, y),
    "pgd": lambda net, y: sensitivity.pgd(net, X, y, 0.1, random_state=0),
    "noise_curve": lambda net, y: sensitivity.noise_curve(net, X, y, [0.1], random_state=0).misclassified,
    "report": lambda net, y: sensitivity.report(net, X, y, X, y, random_state=0).train_error,
}


@pytest.mark.parametrize("measure", MEASURES)
def test_what_takes_targets_takes_names(case, measure):
    loss, outputs, names, codes = case
    net = network(loss, outputs)
    net.fit(X, names[codes], "adam", epochs=5)
    assert np.array_equal(MEASURES[measure](net, names[codes]), MEASURES[measure](net, codes))


def test_numbers_stay_numbers():
    """Of classes in another order than the alphabet's: 0 is the first of them, whatever it is called."""
    net = network()
    net.classes = ["yew", "fir", "oak"]
    assert net.evaluate(X, TREES) == net.evaluate(X, (CODES + 1) % 3) != net.evaluate(X, CODES)


# ---- labels as predictions


def test_predicted_labels(case):
    loss, outputs, names, codes = case
    net = network(loss, outputs)
    net.fit(X, codes, "adam", epochs=100)
    p = net.predict(X)
    numbers = p.argmax(axis=1) if outputs > 1 else (p[:, 0] > 0.5).astype(int)
    assert np.array_equal(net.predict_labels(X), numbers) and len(np.unique(numbers)) == len(names)
    net.classes = names
    assert net.predict_labels(X).tolist() == names[numbers].tolist()
    assert net.score(X, names[codes]) == np.mean(net.predict_labels(X) == names[codes])


def test_predicted_labels_of_several_outputs():
    net = network("binary_cross_entropy", 2)
    assert np.array_equal(net.predict_labels(X), (net.predict(X) > 0.5).astype(int))


def test_losses_without_labels():
    with pytest.raises(ValueError, match="loss must be cross_entropy or binary_cross_entropy .* 'squared_error'"):
        network("squared_error").predict_labels(X)


# ---- the network keeps them


def saved(net, folder):
    net.save(folder / "net")
    return MLP.load(folder / "net")


@pytest.mark.parametrize("twin", [
    saved, lambda net, _: copy.deepcopy(net), lambda net, _: pickle.loads(pickle.dumps(net)),
    lambda net, _: net.folded(), lambda net, _: net.pruned(0.0).network,
], ids=["file", "copy", "pickle", "folded", "pruned"])
def test_twins_have_the_classes(twin, tmp_path):
    net = MLP([4, Dense(8), BatchNorm(), 3], loss="cross_entropy", random_state=0)
    net.fit(X, TREES, epochs=1)
    found = twin(net, tmp_path)
    assert found.classes.tolist() == NAMES.tolist()
    assert found.evaluate(X, TREES) == pytest.approx(net.evaluate(X, TREES), rel=1e-5)


def test_a_file_without_classes_says_nothing_of_them(tmp_path):
    net = network()
    assert saved(net, tmp_path).classes is None and b"classes" not in (tmp_path / "net").read_bytes()


def test_they_stay_in_later_fits():
    net = trees()
    some = CODES > 0
    net.partial_fit(X[some], TREES[some])
    net.fit(X[some], TREES[some])
    assert net.classes.tolist() == NAMES.tolist()
    net.classes = None
    net.fit(X, np.array(["a", "b", "c"])[CODES])
    assert net.classes.tolist() == ["a", "b", "c"]


def test_they_are_read_only():
    with pytest.raises(ValueError, match="read-only"):
        trees().classes[0] = "elm"


def test_a_fit_that_fails_leaves_none():
    net = network()
    for wrong in ({"epochs": 0}, {"validation_data": (X, np.full(N, "elm"))}, {"class_weight": {"elm": 2.0}}):
        with pytest.raises(ValueError):
            net.fit(X, TREES, **wrong)
        assert net.classes is None

    def fails(net, epoch, logs):
        raise KeyError

    with pytest.raises(KeyError):
        net.fit(X, TREES, callbacks=fails)
    assert net.classes.tolist() == NAMES.tolist()


@pytest.mark.parametrize("y", [TREES, CODES], ids=["text", "numbers"])
def test_warnings_name_the_users_line(y):
    with pytest.warns(DivergenceWarning) as caught:
        network().fit(X, y, SGD(1e300), epochs=3)
    assert caught[0].filename == __file__


# ---- labels that are yet to come


BATCHES = [(X[i:i + 10], TREES[i:i + 10]) for i in range(0, N, 10)]


@pytest.mark.parametrize("given", [
    dict(batches=BATCHES), dict(X=X, y=TREES, window=20), dict(X=X, y=TREES, comm=SerialCommunicator()),
    dict(X=X[CODES > 0], y=TREES[CODES > 0]),
], ids=["batches", "window", "comm", "a part"])
def test_classes_that_are_set_beforehand(given):
    net = network()
    if "comm" not in given:
        with pytest.raises((TypeError, ValueError), match=r"y must .* net\.classes"):
            net.fit(epochs=1, **given)
    net.classes = NAMES.tolist()
    net.fit(epochs=1, **given)
    numbers = dict(given, batches=[(x, np.searchsorted(NAMES, y)) for x, y in BATCHES]) if "batches" in given else dict(
        given, y=np.searchsorted(NAMES, given["y"]))
    other = network()
    other.fit(epochs=1, **numbers)
    assert np.array_equal(net.params, other.params)


def test_ranks():
    def fit(comm, names=NAMES, text=True):
        net, rows = network(), slice(20 * comm.rank, 20 * comm.rank + 20)
        net.classes = names
        net.fit(X[rows], (TREES if text else CODES)[rows], metrics="accuracy", epochs=2, comm=comm)
        return net

    for one, other in zip(all_of(3, fit), all_of(3, lambda comm: fit(comm, text=False))):
        assert np.array_equal(one.params, other.params) and one.history == other.history
    with pytest.raises(ValueError, match="its classes must be the same on all ranks"):
        all_of(3, lambda comm: fit(comm, np.roll(NAMES, comm.rank)))


# ---- what is refused


@pytest.mark.parametrize("y, error, message", [
    (np.where(CODES == 0, "fir", "oak"), ValueError,
     r"3 classes .*got shape \(60,\) and 'fir', 'oak'; set net.classes"),
    (np.array(list("abcdefghij"))[np.arange(N) % 10], ValueError, r"'e', \.\. \(10\)"),
    (TREES[:, None], ValueError, r"shape \(60, 1\)"),
    (TREES[:50], ValueError, "y must have 60 rows"),
    (np.where(CODES == 0, None, TREES.astype(object)), TypeError, "y must be numbers, got an array of objects"),
    ([np.nan if k == 0 else name for k, name in enumerate(TREES.tolist())], TypeError, "y must be numbers, got text"),
    ([np.nan if k == 9 else name for k, name in enumerate(TREES.tolist())], TypeError, "y must be numbers, got text"),
    (CODES + 1, ValueError, r"labels 0\.\.2 .*from 1 to 3; y\.astype\(str\)"),
])
def test_wrong_labels(y, error, message):
    net = network()
    with pytest.raises(error, match=message):
        net.fit(X, y)
    assert net.classes is None


def test_a_label_that_is_none_of_the_classes():
    for use in (trees().evaluate, trees().score, trees().partial_fit, trees().input_gradient):
        with pytest.raises(ValueError, match="y must be labels of net.classes, 'fir', 'oak', 'yew', got 'elm'"):
            use(X, np.where(np.arange(N) == 7, "elm", TREES))


@pytest.mark.parametrize("loss, outputs", [("squared_error", 1), ("binary_cross_entropy", 2), ("poisson", 1)])
def test_losses_whose_targets_are_numbers(loss, outputs):
    with pytest.raises(TypeError, match="y must be numbers, got text, <U3; labels that are text are for cross_entropy"):
        network(loss, outputs).fit(X, TREES)
    with pytest.raises(ValueError, match="classes must be None unless the loss is cross_entropy"):
        network(loss, outputs).classes = NAMES[:outputs]


@pytest.mark.parametrize("names, error", [
    (["a", "b"], ValueError), (["a", "b", "b"], ValueError), (np.array([["a", "b", "c"]]), ValueError),
    ([["a", "b", "c"]], TypeError), ([1, 2, 3], TypeError), (["a", "b", 3], TypeError), ([], TypeError),
    ("abc", ValueError), (3, TypeError), ({"a", "b", "c"}, TypeError)], ids=str)
def test_wrong_classes(names, error):
    net = trees()
    with pytest.raises(error, match="classes must be"):
        net.classes = names
    assert net.classes.tolist() == NAMES.tolist()


def test_a_file_with_wrong_classes(tmp_path):
    trees().save(tmp_path / "net")
    text, tensors = io.read(tmp_path / "net")[:2]
    for names in (["fir", "oak", "oak"], ["fir", "oak"], ["fir", "oak", 3], "fir", 3):
        io.write(tmp_path / "bad", json.dumps({**json.loads(text), "classes": names}), tensors)
        with pytest.raises(ValueError, match="is not a network that fastmlp saved: classes must be"):
            MLP.load(tmp_path / "bad")
