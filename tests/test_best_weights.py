"""The weights that come back are those that the watched number belongs to, and what decides which they are."""
import itertools
import math

import numpy as np
import pytest
from sklearn.datasets import load_iris
from sklearn.preprocessing import scale

from fastmlp import (
    MLP,
    SGD,
    Checkpoint,
    Dense,
    EarlyStopping,
    LambdaCallback,
    MLPAutoencoder,
    MLPClassifier,
    MLPRegressor,
    schedules,
)
from fastmlp._fit.orders import hold_out
from fastmlp._fit.ranks import ALONE
from fastmlp.callbacks import of_present_weights
from fastmlp.estimators._watched import Patience
from ranks import all_of

pytestmark = pytest.mark.filterwarnings("ignore:Stochastic Optimizer")

RNG = np.random.default_rng(0)
X = RNG.standard_normal((60, 5))
Y = np.sin(X[:, 0]) + X[:, 1] * X[:, 2]
IRIS, SPECIES = load_iris(return_X_y=True)
IRIS = scale(IRIS)
TWO = SPECIES[:100]


def jumps(epoch):
    """The rate of the network below: w is halved twice, then tripled with its sign turned."""
    return 0.25 if epoch < 2 else 2.0


def one_weight():
    """e = (w x - y)^2 with w = 8; for x = 1, y = 0 a step makes w (1 - 2 rate) w. Epochs log 64, 16, 4, 36, ..; their
    weights have 16, 4, 36, .."""
    return MLP([1, Dense(1, bias=False, init=np.array([[8.0]]))], dtype="float64")


ONE, ZERO = [[1.0]], [0.0]


def test_the_training_loss_is_of_the_weights_that_come_back():
    net, stopping = one_weight(), EarlyStopping("loss", patience=10)
    history = net.fit(ONE, ZERO, SGD(jumps), epochs=5, callbacks=[stopping])
    assert history["loss"] == [64, 16, 4, 36, 324]
    assert net.params == 2 and net.evaluate(ONE, ZERO) == min(history["loss"]) and stopping.best_epoch == 2


def test_waiting_goes_by_what_is_logged_whether_weights_come_back_or_not():
    for restores, weight, best in ((True, 2, 2), (False, 18, 3)):
        net, stopping = one_weight(), EarlyStopping("loss", patience=1, restore_best=restores)
        history = net.fit(ONE, ZERO, SGD(jumps), epochs=9, callbacks=[stopping])
        assert history["loss"] == [64, 16, 4, 36] and net.params == weight and stopping.best_epoch == best


def test_weights_before_the_first_epoch_are_not_the_best():
    net = one_weight()
    net.fit(ONE, ZERO, SGD(2.0), epochs=3, callbacks=[EarlyStopping("loss")])  # w = -24, 72, -216
    assert net.params == -24


def test_a_checkpoint_of_the_training_loss(tmp_path):
    net = one_weight()
    net.fit(ONE, ZERO, SGD(schedules.Step(0.25, 2, 8.0)), epochs=4, callbacks=[Checkpoint(tmp_path / "best", "loss")])
    assert MLP.load(tmp_path / "best").params == 2 and net.params == 18


# where rows come from: (X, y) -> what fit gets; on two ranks the second has all of them, or each has
WAYS = {
    "memory": lambda X, y, comm: {"X": X, "y": y},
    "window": lambda X, y, comm: {"X": X, "y": y, "window": 1, "batch_size": len(X)},
    "batches": lambda X, y, comm: {"X": None, "y": None, "batches": [(X, y)]},
    "batches of a function": lambda X, y, comm: {"X": None, "y": None, "batches": lambda: iter([(X, y)])},
    "one rank of two": lambda X, y, comm: {"X": X[:len(X) * comm.rank], "y": y[:len(X) * comm.rank], "comm": comm},
    "two ranks": lambda X, y, comm: {"X": X, "y": y, "comm": comm},
    "windows of two ranks": lambda X, y, comm: {"X": X, "y": y, "comm": comm, "window": len(X)},
    "steps of two ranks": lambda X, y, comm: {"X": X, "y": y, "comm": comm, "sync": 1},
}


@pytest.mark.parametrize("penalty", [None, "gradient_penalty", "jacobian_penalty"])
@pytest.mark.parametrize("way", WAYS)
def test_the_best_weights_wherever_rows_come_from(way, penalty, tmp_path):
    """Each number is the least where w = 2, which is logged of the epoch after."""
    def fit(comm):
        net, stopping = one_weight(), EarlyStopping(penalty or "loss", patience=10)
        lr = schedules.Step(1e-4, 3, 3e3) if penalty == "gradient_penalty" else schedules.Step(0.25, 2, 8.0)
        save = Checkpoint(tmp_path / "best", stopping.monitor)
        weights = [8.0]
        look = lambda net, epoch, logs: weights.append(net.params[0])
        history = net.fit(**WAYS[way](np.array(ONE), np.array(ZERO), comm), optimizer=SGD(lr), epochs=5,
                          callbacks=[look, stopping, save], **{penalty: 1.0} if penalty else {})
        return net.params, history[stopping.monitor], stopping, weights

    results = all_of(2, fit) if "rank" in way else [fit(None)]
    params, numbers, stopping, weights = results[0]
    best = int(np.argmin(np.abs(weights)))
    assert 2 <= best == np.argmin(numbers) == stopping.best_epoch < 5
    assert all(found[0] == weights[best] for found in results) and MLP.load(tmp_path / "best").params == weights[best]


def test_a_stream_without_an_end_is_measured_by_as_many_batches():
    """Its epoch ends with a callback."""
    taken = []

    def batches():
        for k in itertools.count():
            taken.append(k)
            yield np.array(ONE), ZERO

    stopping = EarlyStopping("loss")
    net = one_weight()
    net.fit(None, None, SGD(0.25), epochs=3, batches=batches,
            callbacks=[LambdaCallback(on_batch_end=lambda net, batch, logs: batch == 1), stopping])
    assert taken == [0, 1, 0, 1] and stopping.best_epoch == 1 and net.params == 2


def test_batches_that_come_once_are_asked_for_once():
    net = one_weight()
    net.fit(None, None, SGD(0.25), batches=iter([(ONE, ZERO)]), epochs=1, callbacks=EarlyStopping("loss"))
    assert net.params == 4


@pytest.mark.parametrize("weighted", [False, True])
def test_the_penalty_of_windows_and_ranks_is_of_their_rows(weighted):
    weight = RNG.random(60) if weighted else None

    def fit(comm):
        net, found = MLP([5, 4, 1], activation="tanh", dtype="float64", random_state=0), []
        rows = slice(None) if comm is None else slice(0, 20) if comm.rank == 0 else slice(20, 60)

        def look(net, epoch, logs):
            of_rows = net.loss_and_grad(X, Y, weight, gradient_penalty=0.5)[0] - net.loss_and_grad(X, Y, weight)[0]
            found.append((of_present_weights("gradient_penalty", net, logs), of_rows))

        stopping = EarlyStopping("gradient_penalty")
        net.fit(X[rows], Y[rows], SGD(0.1), 3, 7, None if weight is None else weight[rows], comm=comm, window=16,
                gradient_penalty=0.5, callbacks=[look, stopping])
        return found

    for found in (fit(None), all_of(2, fit)[0]):
        np.testing.assert_allclose(*zip(*found), rtol=1e-9)


# penalty: lam/2 times the square of de/dx = 2 w^2, or of dx(1)/dx = w, at x = 1, y = 0
PENALTIES = {"gradient_penalty": lambda w: 0.5 * 4 * w**4, "jacobian_penalty": lambda w: 0.5 * w**2}


@pytest.mark.parametrize("name", PENALTIES)
def test_penalties_are_better_where_they_are_less(name, tmp_path):
    """And are of the weights that come back: each is logged of the weights that the epoch before left."""
    net = MLP([1, Dense(1, bias=False, init=np.array([[1.0]]))], dtype="float64")
    weights, stopping = [1.0], EarlyStopping(name, patience=2)
    history = net.fit(ONE, ZERO, SGD(schedules.Step(0.05, 3, 30.0)), epochs=9, **{name: 1.0},
                      callbacks=[lambda net, epoch, logs: weights.append(net.params[0]), stopping,
                                 Checkpoint(tmp_path / "best", name)])
    np.testing.assert_allclose(history[name], [PENALTIES[name](w) for w in weights[:-1]], rtol=1e-12)
    assert np.argmin(np.abs(weights)) == 3 == stopping.best_epoch and len(weights) == 7
    assert net.params == weights[3] == MLP.load(tmp_path / "best").params


@pytest.mark.parametrize("name", PENALTIES)
@pytest.mark.parametrize("weight", [None, RNG.random(60)], ids=["unweighted", "weighted"])
def test_penalties_of_the_present_weights_are_of_the_training_rows(name, weight):
    net, found = MLP([5, 4, 1], activation="tanh", dtype="float64", random_state=0), []
    rows, _ = hold_out(net._network.bind(X, Y, weight), None, 0.3, net._network.progress.seed, ALONE)
    of = (X[rows], Y[rows], None if weight is None else weight[rows])

    def look(net, epoch, logs):
        of_rows = net.loss_and_grad(*of, **{name: 0.5})[0] - net.loss_and_grad(*of)[0]
        found.append((of_present_weights(name, net, logs), of_rows))

    net.fit(X, Y, SGD(0.1), 3, 7, weight, callbacks=[look], validation_fraction=0.3, **{name: 0.5})
    np.testing.assert_allclose(*zip(*found), rtol=1e-9)  # of one output, whose projections are +1 and -1


def falls_and_jumps(epoch):
    return 0.01 if epoch < 36 else 2.0


@pytest.mark.parametrize("how", [{"alpha": 0.0}, {"alpha": 3.0, "l1": 0.5}, {"alpha": 0.1, "gradient_penalty": 0.2}],
                         ids=str)
def test_the_training_loss_of_estimators(how):
    """In steps of all rows each epoch logs the loss of the weights that the epoch before left."""
    model = MLPRegressor("squared_error", (8,), "tanh", solver="sgd", learning_rate=falls_and_jumps, momentum=0.0,
                         batch_size=60, max_iter=40, random_state=0, restore_best=True, warm_start=True, **how)
    model.fit(X, Y)
    assert np.argmin(model.loss_curve_) == 36 and model.loss_curve_[37] > model.loss_curve_[36]
    best = model.best_loss_
    assert best == model.loss_curve_[36]
    model.set_params(max_iter=1, learning_rate=lambda epoch: 1e-300).fit(X, Y)
    assert model.loss_ == pytest.approx(best, rel=1e-12)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("penalty", [0.0, 0.2])
def test_ranks_of_estimators_hold_the_best_weights(penalty, weighted):
    """Those of one fit to all rows, by its measure of the loss at the present weights."""
    weight = RNG.random(60) if weighted else None

    def fit(comm):
        rows = slice(None) if comm is None else slice(0, 20) if comm.rank == 0 else slice(20, 60)
        stopping = EarlyStopping("loss", patience=50)
        model = MLPRegressor("squared_error", (8,), "tanh", solver="sgd", learning_rate=falls_and_jumps, momentum=0.0,
                             batch_size=60, gradient_penalty=penalty, max_iter=40, random_state=0, shuffle=False,
                             callbacks=[stopping])
        model.fit(X[rows], Y[rows], None if weight is None else weight[rows], comm=comm)
        return model, vars(stopping).get("best_epoch")

    (one, wanted), ((several, best), _) = fit(None), all_of(2, fit)
    assert best == wanted < 40
    np.testing.assert_allclose(several.coefs_[0], one.coefs_[0], rtol=1e-9)


def test_callbacks_of_estimators_hold_the_same_weights():
    models = [MLPRegressor("squared_error", (8,), "tanh", solver="sgd", learning_rate=falls_and_jumps, momentum=0.0,
                           batch_size=60, gradient_penalty=0.2, max_iter=40, random_state=0, **how).fit(X, Y)
              for how in ({"restore_best": True}, {"callbacks": [EarlyStopping("loss", patience=50)]})]
    assert all((a == b).all() for a, b in zip(models[0].coefs_, models[1].coefs_))


# ---- scores that the rows cannot give


@pytest.mark.parametrize("model, X, y, rows", [
    (MLPRegressor(), X, Y, (X[:1], Y[:1])), (MLPRegressor(), X, Y, (X, Y, np.eye(len(X))[3])),
    (MLPRegressor(monitor="r2"), X, Y, (X[:1], Y[:1])),
    (MLPClassifier(monitor="roc_auc"), IRIS[:100], TWO, (IRIS[:9], TWO[:9])),
    (MLPAutoencoder((2,)), X, None, X[:1])], ids=["regressor", "one weight", "r2", "roc_auc", "autoencoder"])
@pytest.mark.filterwarnings("ignore:.*R.2 score", "ignore:Only one class")
def test_a_score_that_rows_cannot_give_is_an_error_before_training(model, X, y, rows):
    seen = []
    with pytest.raises(ValueError, match="monitor .* must be a finite number for the rows that are watched"):
        model.set_params(callbacks=[lambda *_: seen.append(1)]).fit(X, y, validation_data=rows)
    assert not seen


@pytest.mark.parametrize("monitor", ["roc_auc", "accuracy", "neg_log_loss"])
def test_a_scorer_of_other_estimators_is_an_error_that_names_the_monitor(monitor):
    with pytest.raises(ValueError, match=f"^monitor must be a scorer for such an estimator.* got '{monitor}'"):
        MLPRegressor(monitor=monitor).fit(X, Y, validation_data=(X, Y))


@pytest.mark.parametrize("metric, rows, weight, message", [
    ("r2", 1, None, "metrics r2 wants two rows at least, got 1"),
    ("r2", 2, [1, 0], "metrics r2 wants two rows at least, got 1"),
    ("auc", 9, None, "metrics auc wants rows that are of each class"),
    ("auc", 60, [1.0] * 50 + [0.0] * 10, "metrics auc wants rows that are of each class")])
def test_metrics_that_rows_cannot_give(metric, rows, weight, message):
    y = np.zeros(60) if metric == "auc" else Y
    y = np.where(np.arange(60) < 50, 0.0, 1.0) if metric == "auc" else y
    net = MLP([5, 1], loss="binary_cross_entropy" if metric == "auc" else "squared_error", random_state=0)
    before = net.params
    held = (X[:rows], y[:rows]) if weight is None else (X[:rows], y[:rows], weight)
    with pytest.raises(ValueError, match=message):
        net.fit(X, y, metrics=metric, validation_data=held)
    assert (net.params == before).all()


def test_weights_from_before_training_never_come_back():
    """A score that is none after the first epochs: those that were trained last stay."""
    scores = iter([0.5] + [math.nan] * 3)
    model = MLPRegressor(monitor=lambda est, X, y: next(scores), max_iter=3, random_state=0)
    model.fit(X, Y, validation_data=(X, Y))
    plain = MLPRegressor(max_iter=3, random_state=0).fit(X, Y)
    assert all((a == b).all() for a, b in zip(model.coefs_, plain.coefs_))


# ---- from fit to fit


def scripted(scores):
    return lambda est, X, y: next(scores)


def warm(**how):
    return MLPRegressor("squared_error", (4,), "tanh", max_iter=4, random_state=0, warm_start=True, **how)


def test_a_fit_that_goes_on_keeps_the_best_of_the_one_before():
    """The same rows and number: start, then four epochs, twice. The weights after the fifth score are the best ever."""
    scores = iter([0.0, 0.1, 0.2, 0.9, 0.3, 0.9, 0.4, 0.5, 0.6, 0.7])
    model = warm(monitor=scripted(scores)).fit(X, Y, validation_data=(X, Y))
    kept = [W.copy() for W in model.coefs_]
    model.fit(X, Y, validation_data=(X, Y))
    assert model.best_validation_score_ == 0.9 and model._no_improvement_count == 5
    assert model.validation_scores_ == [0.1, 0.2, 0.9, 0.3, 0.4, 0.5, 0.6, 0.7]
    assert all((a == b).all() for a, b in zip(kept, model.coefs_))


@pytest.mark.parametrize("change", ["rows", "monitor", "weights"])
def test_a_fresh_best_where_what_is_watched_changes(change):
    first, second = iter([0.0, 0.1, 0.2, 0.9, 0.3, 0.8, 0.4, 0.5, 0.6, 0.7]), iter([0.0, 0.4, 0.5, 0.6, 0.7])
    model = warm(monitor=scripted(first)).fit(X, Y, validation_data=(X, Y))
    rows = (X[:30], Y[:30]) if change == "rows" else (X, Y)
    if change == "monitor":
        model.set_params(monitor=scripted(second))
    model.fit(X, Y, validation_data=rows)
    assert model.best_validation_score_ == 0.7 and model._no_improvement_count == 0


@pytest.mark.parametrize("then", [{}, {"learning_rate_init": 1e-3}], ids=str)
def test_a_fit_after_one_that_patience_ended_waits_anew(then):
    model = warm(n_iter_no_change=2, tol=1e9).fit(X, Y)
    assert model.n_iter_ == 4 and model._no_improvement_count == 3
    model.set_params(tol=0.0, **then).fit(X, Y)
    assert model.n_iter_ == 4 and model._no_improvement_count == 0


def test_other_rows_are_another_training_loss():
    """Ten times the targets, a hundred times the loss: nothing of it is better than what was."""
    model = warm(n_iter_no_change=2).fit(X, Y)
    model.fit(X, 10 * Y)
    assert model.n_iter_ == 4 and model.best_loss_ == model.loss_curve_[-1]


def test_partial_fit_goes_on_with_other_rows():
    model = MLPRegressor("squared_error", (4,), random_state=0).partial_fit(X, Y)
    least = model.best_loss_
    model.partial_fit(X, 10 * Y)
    assert model.best_loss_ == least and model._no_improvement_count == 1


# ---- the adaptive rate


def test_after_a_cut_the_waiting_is_judged_by_where_training_stands():
    patience = Patience("loss", False)
    assert [patience.look(n) or patience.waited for n in (9, 1, 8, 7, 6)][2:] == [1, 2, 3]
    patience.begin_anew(6)
    assert [patience.look(n) or patience.waited for n in (5, 4, 5, 3)] == [0, 0, 1, 0]
    assert patience.best == 1  # still
    patience.begin_anew(math.nan)
    assert patience.look(8) is False and patience.waited == 0


def test_one_low_loss_does_not_make_the_rate_fall_for_ever():
    """The loss falls in each epoch after the second, in which the weights were made large."""
    rates = []

    def enlarge(net, epoch, logs):
        rates.append(logs["lr"])
        if epoch == 1:
            net.params = net.params + 5.0

    model = MLPRegressor(hidden_layer_sizes=(), solver="sgd", learning_rate="adaptive", learning_rate_init=0.01,
                         n_iter_no_change=3, tol=0.0, batch_size=60, max_iter=60, random_state=0, momentum=0.0,
                         callbacks=[enlarge])
    model.fit(X, Y)
    losses = model.loss_curve_
    assert losses[1:] == sorted(losses[1:], reverse=True) and losses[5] > losses[0]
    assert sorted(set(rates)) == [0.002, 0.01]
