"""Writes the files of the present formats: python tests/files/make.py. Old ones stay; tests load them all."""
import pickle
import warnings
from pathlib import Path

import numpy as np

from fastmlp import (
    MLP,
    Adam,
    Conv2D,
    Dense,
    Dropout,
    Frozen,
    MaxPool2D,
    MLPAutoencoder,
    MLPClassifier,
    MLPRegressor,
    TiedGroup,
    schedules,
    tie_layers,
)
from fastmlp.estimators._state import FORMAT

HERE = Path(__file__).parent


def estimators():
    """For each estimator its pickle, what it predicts, and its weights after one more partial_fit."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((40, 3)).round(3)
    labels = np.array(["no", "maybe", "yes"])[(X[:, 0] > 0) + (X[:, 1] > 0) * 1]
    for name, kind, use, y in (("classifier", MLPClassifier, "predict", labels),
                               ("regressor", MLPRegressor, "predict", X[:, 0] * X[:, 1]),
                               ("autoencoder", MLPAutoencoder, "transform", X)):
        model = kind(hidden_layer_sizes=(5, 4), activation="tanh", max_iter=20, random_state=0).fit(X, y)
        (HERE / f"{name}_{FORMAT}.pickle").write_bytes(pickle.dumps(model, protocol=4))
        predicted = getattr(model, use)(X)
        np.savez_compressed(HERE / f"{name}_{FORMAT}.npz", X=X, y=y, predicted=predicted,
                            coefs_after=model.partial_fit(X, y).coefs_[0])


def network():
    """A network with ties, convolutions, dropout and an optimiser's state: its pickle, the file that save writes, what
    it predicts, and its parameters and history after two more epochs."""
    rng = np.random.default_rng(1)
    X, y = (rng.integers(-128, 129, shape) / 64 for shape in ((45, 6, 6, 1), (45, 2)))
    ties = [TiedGroup([(1, 0, 0, 0, 0), (1, 2, 2, 0, 1)], scales=[1.0, -0.5]), tie_layers(5, 6),
            Frozen(7, rng.integers(0, 2, (8, 2)) == 0, 0.25)]
    net = MLP([(6, 6, 1), Conv2D(4, 3, "relu"), Dropout(0.25), MaxPool2D(2), Dense(8, ("elu", 0.5)), Dense(8, "tanh"),
               Dense(8, "tanh"), 2], loss=("huber", 0.5), ties=ties, random_state=2)
    net.fit(X, y, Adam(schedules.Cosine(0.01, 9), l2=1e-3), epochs=3, batch_size=16, validation_fraction=0.2)
    (HERE / "network_1.pickle").write_bytes(pickle.dumps(net, protocol=4))
    net.save(HERE / "network_1.fastmlp")
    predicted = net.predict(X)
    history = net.partial_fit(X, y, epochs=2, batch_size=16)
    np.savez_compressed(HERE / "network_1.npz", X=X, y=y, predicted=predicted, params_after=net.params,
                        loss_after=history["loss"])


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    estimators()
    network()
