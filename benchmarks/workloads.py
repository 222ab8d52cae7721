"""The eight workloads: shapes, data, and how many floating point operations a row takes."""
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Workload:
    rows: int
    sizes: tuple
    batch: int

    @property
    def flops(self):
        """Of one row: 2 for each weight forward, 2 for the delta sweep (not into the input), 2 for the gradient."""
        pairs = list(zip(self.sizes, self.sizes[1:]))
        return sum(6 * a * b for a, b in pairs) - 2 * pairs[0][0] * pairs[0][1]

    @property
    def classes(self):
        return self.sizes[-1] > 1

    def data(self, dtype):
        """Standard normal X; labels, or the product of two inputs."""
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.rows, self.sizes[0])).astype(dtype)
        return X, rng.integers(0, self.sizes[-1], self.rows) if self.classes else (X[:, 0] * X[:, 1]).astype(dtype)

    def weights(self, dtype):
        """He-normal weights, zero biases: where every contestant starts."""
        rng = np.random.default_rng(1)
        return [((rng.standard_normal((a, b)) * np.sqrt(2 / a)).astype(dtype), np.zeros(b, dtype))
                for a, b in zip(self.sizes, self.sizes[1:])]


WORKLOADS = {
    "xor-online": Workload(4000, (2, 2, 1), 1),
    "tiny-32": Workload(20640, (8, 32, 32, 1), 32),
    "housing-32": Workload(20640, (8, 64, 64, 1), 32),
    "housing-200": Workload(20640, (8, 64, 64, 1), 200),
    "digits-200": Workload(17970, (64, 100, 10), 200),
    "mnist-100": Workload(60000, (784, 100, 10), 200),
    "mnist-512": Workload(20000, (784, 512, 512, 10), 128),
    "wide": Workload(10000, (256, 1024, 1024, 10), 256),
}
