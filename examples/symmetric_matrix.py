"""A symmetric matrix by ties: fit the quadratic form x^T A x / 2, whose gradient A x is a linear layer with A = A^T."""
import numpy as np

from fastmlp import MLP, SGD, Dense, tie_map

n, rows = 12, 40
rng = np.random.default_rng(0)
A = rng.standard_normal((n, n))
A = (A + A.T) / 2
X = rng.standard_normal((rows, n))
Y = X @ A + 0.5 * rng.standard_normal((rows, n))   # noisy gradients

i, j = np.indices((n, n))
for name, ties in (("symmetric", [tie_map(1, np.minimum(i, j) * n + np.maximum(i, j))]), ("free", [])):
    net = MLP([n, Dense(n, bias=False)], dtype="float64", ties=ties, random_state=0)
    net.fit(X, Y, SGD(0.02, momentum=0.9), epochs=2000, batch_size=None)
    W = net.W[1]
    print(f"{name:9s} {net.n_params:4d} parameters, |W - A| = {np.linalg.norm(W - A):.3f}, |W - W^T| = "
          f"{np.linalg.norm(W - W.T):.3g}")
