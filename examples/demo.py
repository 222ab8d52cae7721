"""Train on the 1797 handwritten digits that come with scikit-learn, and time a NumPy network of the same shape."""
import pathlib
import sys
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastmlp

sys.path.insert(0, str(pathlib.Path(__file__).parents[1] / "benchmarks"))
from contestants.with_numpy import NumPy  # noqa: E402
from workloads import Workload  # noqa: E402

SIZES, BATCH, EPOCHS = (64, 100, 10), 32, 50

X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split((X / 16).astype(np.float32), y, test_size=0.25, random_state=0,
                                                    stratify=y)
print(f"{len(X_train)} digits to train on, {len(X_test)} to test, a {'-'.join(map(str, SIZES))} network, batches of "
      f"{BATCH}, {EPOCHS} epochs of Adam, float32\n")

net = fastmlp.MLP(list(SIZES), loss="cross_entropy", random_state=0)


class Digits(Workload):
    """The same rows and the same first weights for the NumPy network."""

    def data(self, dtype):
        return X_train, y_train

    def weights(self, dtype):
        return [(W.copy(), b.copy()) for W, b in zip(net.W[1:], net.b[1:])]


numpy_net = NumPy(Digits(len(X_train), SIZES, BATCH, targets="classes"), "float32", 1)


def timed(train):
    began = time.perf_counter()
    train()
    return time.perf_counter() - began


ours = timed(lambda: net.fit(X_train, y_train, optimizer=fastmlp.Adam(), epochs=EPOCHS, batch_size=BATCH))
theirs = timed(lambda: [numpy_net.epoch() for _ in range(EPOCHS)])

for name, took, scores in (("fastmlp", ours, net.predict(X_test)), ("NumPy", theirs, numpy_net.predict(X_test))):
    accuracy = np.mean(scores.argmax(axis=1) == y_test)
    print(f"{name:8s} test accuracy {accuracy:.2%}   {took:7.3f} s   {EPOCHS * len(X_train) / took:12,.0f} rows/s")
print(f"\nfastmlp took 1/{theirs / ours:.1f} of the time ({fastmlp.instruction_set()}).")
