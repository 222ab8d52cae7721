"""A Siamese pair by ties: two halves of one layer look at two digits with the same weights, a third layer says whether
they differ."""
import numpy as np
from sklearn.datasets import load_digits

from fastmlp import MLP, Adam, Dense, Frozen, tie_map

UNITS = 40
X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
rng = np.random.default_rng(0)


def pairs(rows, n):
    """Two digits side by side, and whether they are of different classes: half of them are."""
    first = rng.choice(rows, n)
    second = np.array([rng.choice(rows[(y[rows] == y[i]) == same]) for i, same in zip(first, rng.random(n) < 0.5)])
    return np.hstack([X[first], X[second]]), (y[first] != y[second]) * 1.0


P, different = pairs(np.arange(1300), 8000)
Q, truth = pairs(np.arange(1300, len(X)), 2000)

# W(1) = [[A, 0], [0, A]], b(1) = (a, a): the halves share A by ids and the rest is frozen at 0
ids = np.arange(64 * UNITS).reshape(64, UNITS)
none = np.full_like(ids, -1)
twins = [tie_map(1, np.block([[ids, none], [none, ids]])), tie_map(1, np.tile(np.arange(UNITS), 2), biases=True),
         Frozen(1, np.kron(1 - np.eye(2), np.ones((64, UNITS))) > 0, 0.0)]
for name, ties in (("Siamese", twins), ("untied", [])):
    net = MLP([128, Dense(2 * UNITS, "tanh"), Dense(64, "relu"), 1], loss="binary_cross_entropy", ties=ties,
              random_state=0)
    net.fit(P, different, Adam(0.002), epochs=30)
    right = np.mean((net.predict(Q)[:, 0] > 0.5) == truth)
    print(f"{name:8s} {net.n_params:6,} parameters, {right:.1%} of {len(Q)} pairs of held-out digits right")
