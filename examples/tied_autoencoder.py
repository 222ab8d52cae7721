"""An autoencoder whose decoder is its encoder transposed, against one with weights of its own, on handwritten
digits."""
import numpy as np
from sklearn.datasets import load_digits

from fastmlp import MLP, Adam, Dense, EarlyStopping, tie_transpose

X = (load_digits().data / 16).astype(np.float32)

for rows in (200, 1300):
    for name, ties in (("tied", [tie_transpose(1, 2)]), ("untied", [])):
        errors = []
        for seed in range(5):
            order = np.random.default_rng(seed).permutation(len(X))
            train, validation, test = order[:rows], order[1300:1500], order[1500:]
            net = MLP([64, Dense(24, "sigmoid"), Dense(64)], ties=ties, random_state=seed)
            net.fit(X[train], X[train], Adam(0.005), epochs=600, validation_data=(X[validation], X[validation]),
                    callbacks=[EarlyStopping(patience=30)])
            errors.append(net.evaluate(X[test], X[test]))
        print(f"{rows:5d} digits, {name:6s} {net.n_params:5,} parameters: squared error of held-out digits "
              f"{np.mean(errors):.3f} +- {np.std(errors):.3f}, five seeds")
