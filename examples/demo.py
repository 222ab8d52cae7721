"""Train on the 1797 handwritten digits that come with scikit-learn, and time a NumPy network of the same shape."""
import time

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

import fastmlp

SIZES, BATCH, EPOCHS = (64, 100, 10), 32, 50
LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8  # of Adam


class NumPyNet:
    """Relu units and a softmax, trained with Adam on the cross-entropy; what can be done in place is."""

    def __init__(self, W, b):
        """W, b : lists of arrays by layer, which are trained in place."""
        self.W, self.b, self.params = W, b, [*W, *b]
        self.m, self.v, self.scratch = ([np.zeros_like(p) for p in self.params] for _ in range(3))
        self.t, self.rng = 0, np.random.default_rng(0)

    def forward(self, X):
        """x(0) .. x(L), the last of which are probabilities."""
        x = [X]
        for W, b in zip(self.W, self.b):
            x.append(x[-1] @ W)
            x[-1] += b
            if len(x) <= len(self.W):
                np.maximum(x[-1], 0, out=x[-1])
        x[-1] -= x[-1].max(axis=1, keepdims=True)
        np.exp(x[-1], out=x[-1])
        x[-1] /= x[-1].sum(axis=1, keepdims=True)
        return x

    def gradients(self, X, y):
        """de/dW(1) .. de/dW(L), de/db(1) .. de/db(L) of the mean over the rows."""
        x = self.forward(X)
        dW, db, delta = [], [], x[-1].copy()
        delta[np.arange(len(y)), y] -= 1
        delta /= len(y)
        for l in range(len(self.W), 0, -1):
            dW.insert(0, x[l - 1].T @ delta)
            db.insert(0, delta.sum(axis=0))
            if l > 1:
                delta = delta @ self.W[l - 1].T
                delta *= x[l - 1] > 0
        return [*dW, *db]

    def step(self, gradients):
        self.t += 1
        lr = LR * np.sqrt(1 - BETA2**self.t) / (1 - BETA1**self.t)
        for p, g, m, v, change in zip(self.params, gradients, self.m, self.v, self.scratch):
            m += (1 - BETA1) * (g - m)
            v += (1 - BETA2) * (g * g - v)
            np.sqrt(v, out=change)
            change += EPS
            np.divide(m, change, out=change)
            change *= lr
            p -= change

    def fit(self, X, y):
        for _ in range(EPOCHS):
            order = self.rng.permutation(len(X))
            X_epoch, y_epoch = X[order], y[order]
            for i in range(0, len(X), BATCH):
                self.step(self.gradients(X_epoch[i:i + BATCH], y_epoch[i:i + BATCH]))

    def predict(self, X):
        return self.forward(X)[-1]


def timed(train):
    began = time.perf_counter()
    train()
    return time.perf_counter() - began


X, y = load_digits(return_X_y=True)
X_train, X_test, y_train, y_test = train_test_split((X / 16).astype(np.float32), y, test_size=0.25, random_state=0,
                                                    stratify=y)
print(f"{len(X_train)} digits to train on, {len(X_test)} to test, a {'-'.join(map(str, SIZES))} network, batches of "
      f"{BATCH}, {EPOCHS} epochs of Adam, float32\n")

net = fastmlp.MLP(list(SIZES), loss="cross_entropy", random_state=0)
numpy_net = NumPyNet([W.copy() for W in net.W[1:]], [b.copy() for b in net.b[1:]])  # from the same weights
adam = fastmlp.Adam(LR, BETA1, BETA2, EPS)
ours = timed(lambda: net.fit(X_train, y_train, optimizer=adam, epochs=EPOCHS, batch_size=BATCH))
theirs = timed(lambda: numpy_net.fit(X_train, y_train))

for name, took, model in (("fastmlp", ours, net), ("NumPy", theirs, numpy_net)):
    accuracy = np.mean(model.predict(X_test).argmax(axis=1) == y_test)
    print(f"{name:8s} test accuracy {accuracy:.2%}   {took:7.3f} s   {EPOCHS * len(X_train) / took:12,.0f} rows/s")
print(f"\nfastmlp took 1/{theirs / ours:.1f} of the time ({fastmlp.instruction_set()}).")
