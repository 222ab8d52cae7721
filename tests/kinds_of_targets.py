"""Rows with targets of each kind, for tests of fits that several processes share."""
import numpy as np

RNG = np.random.default_rng(0)
N, D = 120, 5
X = RNG.standard_normal((N, D))
TEXT = np.array(["north", "east", "south"])[np.argmax(X[:, :3] + 0.3 * RNG.standard_normal((N, 3)), axis=1)]
TWO = (X[:, 0] > 0).astype(int)
SEVERAL = (X[:, :3] > 0).astype(int)
NUMBER = X[:, 0] - X[:, 1] * X[:, 2]
NUMBERS = np.column_stack([NUMBER, X[:, 3]])
WEIGHT = RNG.uniform(0.5, 2, N)
CLOSE = dict(rtol=1e-10, atol=1e-11)
