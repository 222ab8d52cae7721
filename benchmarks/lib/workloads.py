"""What is trained: shapes, data, starting weights, and how many floating point operations a row takes."""
import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Workload:
    """A dense network of sizes d(0)..d(L) and the rows it is trained on, in batches. Hidden units have `activation`,
    the last are linear. With `convs`, (channels, window) each, an `image` (h, w, c) goes through convolutions of relu
    units, each followed by maximum pooling of 2 x 2, before it reaches the dense layers."""

    rows: int
    sizes: tuple
    batch: int
    activation: str = "relu"
    targets: str = "product"
    image: tuple = ()
    convs: tuple = ()

    @property
    def classes(self):
        return self.targets == "classes"

    @property
    def shapes(self):
        """Of the weights, the kernels (h, w, c_in, c_out) first."""
        channels = [*self.image[2:], *(c for c, _ in self.convs)]
        kernels = [(k, k, c, after) for c, (after, k) in zip(channels, self.convs)]
        return [*kernels, *zip(self.sizes, self.sizes[1:])]

    @property
    def uses(self):
        """Multiply-adds of one row forward, layer by layer."""
        uses, side = [], self.image[0] if self.image else 0
        for shape in self.shapes:
            positions = 1
            if len(shape) == 4:
                side = side - shape[0] + 1
                positions, side = side**2, side // 2
            uses.append(positions * math.prod(shape))
        return uses

    @property
    def flops(self):
        """Of one row: 2 for each use of a weight forward, 2 for the delta sweep (not into the input), 2 for the
        gradient."""
        return 6 * sum(self.uses) - 2 * self.uses[0]

    def data(self, dtype):
        """Standard normal X and what `targets` makes of it."""
        rng = np.random.default_rng(0)
        X = rng.standard_normal((self.rows, math.prod(self.image) if self.image else self.sizes[0])).astype(dtype)
        return X, TARGETS[self.targets](X, self.sizes[-1], rng)

    def weights(self, dtype):
        """Normal weights that keep the variance (He et al. 2015 for relu), zero biases: where every contestant
        starts."""
        rng = np.random.default_rng(1)
        gain = 2 if self.activation == "relu" else 1
        return [((rng.standard_normal(s) * np.sqrt(gain / math.prod(s[:-1]))).astype(dtype), np.zeros(s[-1], dtype))
                for s in self.shapes]


def exponential(X, outputs, rng):
    """The exponential of the matrix that a row holds."""
    from scipy.linalg import expm

    side = math.isqrt(outputs)
    return expm(X.reshape(-1, side, side) / 2).reshape(len(X), outputs).astype(X.dtype)


TARGETS = {
    "classes": lambda X, outputs, rng: rng.integers(0, outputs, len(X)),
    "product": lambda X, outputs, rng: X[:, 0] * X[:, 1],
    "normal": lambda X, outputs, rng: rng.standard_normal((len(X), outputs)).astype(X.dtype),
    "exponential": exponential,
}

# training speed
TRAINED = {
    "xor-online": Workload(4000, (2, 2, 1), 1),
    "tiny-32": Workload(20640, (8, 32, 32, 1), 32),
    "housing-32": Workload(20640, (8, 64, 64, 1), 32),
    "housing-200": Workload(20640, (8, 64, 64, 1), 200),
    "digits-200": Workload(17970, (64, 100, 10), 200, targets="classes"),
    "mnist-100": Workload(60000, (784, 100, 10), 200, targets="classes"),
    "mnist-512": Workload(20000, (784, 512, 512, 10), 128, targets="classes"),
    "wide": Workload(10000, (256, 1024, 1024, 10), 256, targets="classes"),
    "lenet-5": Workload(3200, (256, 120, 84, 10), 64, targets="classes", image=(28, 28, 1), convs=((6, 5), (16, 5))),
}
DENSE = [name for name, w in TRAINED.items() if not w.convs]
# those for which others have published figures
PUBLISHED = {
    "matrix-exponential": Workload(10_000, (4, 32, 16, 4), 10_000, "tanh", "exponential"),
    "higgs-shaped": Workload(10_000, (28, 300, 300, 300, 300, 300, 1), 100, "tanh"),
    "gradient-200": Workload(200, (24, 8, 2), 200, "tanh", "normal"),
}
# whose predictions are timed; rows do not matter
PREDICTED = {"digits": Workload(1000, (64, 100, 10), 200, targets="classes")}

WORKLOADS = {**TRAINED, **PUBLISHED, **PREDICTED}
