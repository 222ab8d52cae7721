"""Writes the estimators' files of the present format: python tests/files/make.py. Old ones stay; tests load them
all."""
import pickle
import warnings
from pathlib import Path

import numpy as np

from fastmlp import MLPAutoencoder, MLPClassifier, MLPRegressor
from fastmlp.estimators._base import FORMAT

HERE = Path(__file__).parent
warnings.simplefilter("ignore")
rng = np.random.default_rng(0)
X = rng.standard_normal((40, 3)).round(3)
for name, kind, use, y in (("classifier", MLPClassifier, "predict",
                            np.array(["no", "maybe", "yes"])[(X[:, 0] > 0) + (X[:, 1] > 0) * 1]),
                           ("regressor", MLPRegressor, "predict", X[:, 0] * X[:, 1]),
                           ("autoencoder", MLPAutoencoder, "transform", X)):
    model = kind(hidden_layer_sizes=(5, 4), activation="tanh", max_iter=20, random_state=0).fit(X, y)
    (HERE / f"{name}_{FORMAT}.pickle").write_bytes(pickle.dumps(model, protocol=4))
    predicted = getattr(model, use)(X)
    np.savez_compressed(HERE / f"{name}_{FORMAT}.npz", X=X, y=y, predicted=predicted,
                        coefs_after=model.partial_fit(X, y).coefs_[0])
