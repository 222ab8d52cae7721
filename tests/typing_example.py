"""The public API as README uses it, for a type checker: `mypy --strict` must be content with this file. It runs too."""
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastmlp
from fastmlp import (
    MLP,
    SGD,
    Adam,
    AdamW,
    Callback,
    Conv2D,
    Dense,
    Dropout,
    EarlyStopping,
    Frozen,
    History,
    MaxPool2D,
    MLPAutoencoder,
    MLPClassifier,
    MLPRegressor,
    ProgressBar,
    TabularClassifier,
    TabularRegressor,
    TiedGroup,
    fit_many,
    schedules,
    sensitivity,
    tie_transpose,
)

Array = NDArray[np.float64]
rng = np.random.default_rng(0)
X: Array = rng.standard_normal((60, 8))
y: Array = X[:, 0] * X[:, 1]
labels = (y > 0).astype(int)


def train() -> History:
    net = MLP([8, 10, 2], activation="relu", loss="cross_entropy", random_state=0)
    history = net.fit(X, labels, optimizer=Adam(), epochs=3, batch_size=32)
    last: float = history["loss"][-1]
    winners = net.predict(X[:3]).argmax(axis=1)
    print(last, winners, net.summary(), net.n_params, net.d, net.dtype.name)
    return history


def train_longer() -> None:
    net = MLP([8, Dense(16, "tanh", init="glorot_normal"), Dense(8, ("elu", 0.5)), Dense(1)], loss=("huber", 0.5),
              dtype="float64")
    optimizer = SGD(schedules.Exponential(0.05, 0.98), momentum=0.9, nesterov=True, l2=1e-4, clip_norm=1.0)
    weight = np.ones(len(X))
    net.fit(X, y, optimizer, epochs=3, batch_size=20, sample_weight=weight, validation_data=(X, y))
    net.partial_fit(X, y, AdamW(0.01, weight_decay=0.1))


def keep(path: Path) -> MLP:
    net = MLP([8, 10, Dropout(0.3), 2], loss="cross_entropy", random_state=0)
    net.fit(X, labels, Adam(), epochs=3, validation_fraction=0.1, metrics=["accuracy"],
            callbacks=[EarlyStopping(patience=20), ProgressBar(), lambda net, epoch, logs: epoch > 5])
    net.save(path)
    return MLP.load(path)


class StopBelow(Callback):
    """A callback of a user's."""

    def __init__(self, loss: float) -> None:
        self.loss = loss

    def on_fit_begin(self, net: MLP, logs: dict[str, float]) -> None:
        self.least = float("inf")

    def on_epoch_end(self, net: MLP, epoch: int, logs: dict[str, float]) -> bool:
        self.least = min(self.least, logs["loss"])
        return self.least < self.loss


def names_and_sets() -> float:
    net = MLP([8, 10, 2], activation="swish", loss="log_loss", random_state=0)
    history = net.fit(X, labels, "adamw", epochs=2, callbacks=StopBelow(0.01), metrics={"F1": "f1_macro"},
                      validation_data={"train": (X, labels), "new": (X, labels, np.ones(len(X)))})
    net.partial_fit(X, labels, Adam(learning_rate=schedules.Cosine(0.01, 5)), metrics=["f1", score_of_mine])
    return history["new_F1"][-1] + net.score(X, labels)


def score_of_mine(y: NDArray[Any], prediction: NDArray[Any]) -> float:
    return float(prediction.max())


def own_loss(x: NDArray[Any], y: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    return ((x - y) ** 2).sum(axis=1), 2 * (x - y)


def tied() -> list[MLP]:
    mask = np.zeros((8, 4), bool)
    return [
        MLP([8, 4, 8], ties=[tie_transpose(1, 2)], loss=own_loss),
        MLP([2, 2, 1], ties=[TiedGroup([(1, 0, 1), (1, 1, 0)])]),
        MLP([8, 4, 1], ties=[Frozen(1, mask, 0.0)]),
        MLP([(8, 8, 1), Conv2D(6, 5, "relu"), MaxPool2D(2), 12, 10], loss="cross_entropy"),
    ]


def gradients() -> Callable[[Array], tuple[float, NDArray[Any]]]:
    net = MLP([8, Dense(2, "tanh"), Dense(1, "tanh")], dtype="float64", random_state=0)
    g = net.backprop(X, y)
    print(g.loss, g.delta[1], g.dW[2], g.dX)
    rows = net.input_gradient(X, y) + net.input_gradient(X, output=0) + net.jacobian(X)[:, 0]
    print(rows.shape, net.jvp(X, X).shape, net.vjp(X, net.predict(X)).shape, net.hvp(net.params, X, y).shape)
    net.W[1][...] *= 2
    net.b[1][...] = 0

    def objective(p: Array) -> tuple[float, NDArray[Any]]:
        net.params = p
        return net.loss_and_grad(X, y)

    return objective


def sensitive() -> str:
    net = MLP([8, 16, 1], random_state=0)
    net.fit(X, y, Adam(), gradient_penalty=0.1, input_noise=0.2, adversarial=sensitivity.Attack(eps=0.1))
    print(sensitivity.saliency(net, X, y).mean(axis=0), sensitivity.local_lipschitz(net, X).max())
    print(sensitivity.integrated_gradients(net, X), sensitivity.pgd(net, X, y, eps=0.1, clip=(-9, 9)))
    report = sensitivity.report(net, X, y, X, y, random_state=0)
    return report.verdict


def estimators() -> None:
    classifier = MLPClassifier(max_iter=5, random_state=0).fit(X, labels)
    regressor = MLPRegressor(max_iter=5, random_state=0).fit(X, y)
    print(classifier.predict_proba(X), regressor.score(X, y), classifier.transform(X, layer=0))
    coder = MLPAutoencoder((3,), max_iter=5).fit(X, X_val=X)
    print(coder.inverse_transform(coder.transform(X)), regressor.input_gradient(X), coder.partial_fit(X).score(X))


def tables() -> None:
    classifier = TabularClassifier("fast", n_members=1, max_iter=2, random_state=0).fit(X, labels)
    regressor = TabularRegressor("fast", max_iter=2, random_state=0).fit(X, y.ravel(), X_val=X, y_val=y.ravel())
    print(classifier.predict_proba(X), classifier.classes_, regressor.predict(X, return_std=True), regressor.n_iter_)
    print(fit_many([MLP([8, 1], random_state=seed) for seed in range(2)], X, y, epochs=2))


if __name__ == "__main__":
    print(fastmlp.__version__, fastmlp.instruction_set(), fastmlp.activations(), fastmlp.losses(),
          fastmlp.initializers())
    train()
    train_longer()
    with tempfile.TemporaryDirectory() as folder:
        print(keep(Path(folder) / "net.fastmlp"))
    print(*tied(), gradients()(np.zeros(21)), sensitive())
    print(names_and_sets())
    estimators()
    tables()
