"""A locally connected layer falls out of Frozen: like a convolution each unit sees a window, unlike it each has weights
of its own."""
import numpy as np
from sklearn.datasets import load_digits

from fastmlp import MLP, Adam, Conv2D, Dense

X, y = load_digits(return_X_y=True)
X = (X / 16).astype(np.float32)
train, test = slice(0, 1300), slice(1300, None)

window = Conv2D(4, 3, "relu")                                  # 4 units at each of 6 x 6 places of the 8 x 8 digit
dense, (_, outside, *_) = window.as_dense((8, 8, 1), layer=1)  # the ties share the kernel; `outside` is a Frozen of 0
start = Dense(dense.units, "relu", init=np.where(outside.mask, 0,
                                                 np.random.default_rng(0).normal(0, 1 / 3, outside.mask.shape)))
contestants = {
    "convolution": MLP([(8, 8, 1), window, 10], loss="cross_entropy", random_state=0),
    "locally connected": MLP([64, start, 10], loss="cross_entropy", random_state=0, ties=[outside]),
    "fully connected": MLP([64, dense.units, 10], loss="cross_entropy", random_state=0),
}
for name, net in contestants.items():
    net.fit(X[train], y[train], Adam(0.002), epochs=30)
    right = np.mean(net.predict(X[test]).argmax(axis=1) == y[test])
    print(f"{name:18s} {net.n_params:6,} parameters, {right:.1%} of {len(y[test])} held-out digits right")
assert not contestants["locally connected"].W[1][outside.mask].any()
