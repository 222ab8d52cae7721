"""NumPy: preallocated buffers, out= wherever it exists; BLAS does the products, on one thread or on all, whichever is
faster."""
import contextlib

import numpy as np

from . import BETA1, BETA2, LR, Contestant, mean_loss

ONE, ALL = "BLAS on 1 thread", "BLAS on all threads"


def blas(threads=ALL):
    """BLAS on one thread for a while, or as it is."""
    if threads == ALL:
        return contextlib.nullcontext()
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, user_api="blas")


def relu_prime(x, out):
    np.greater(x, 0, out=out)


def tanh_prime(x, out):
    np.multiply(x, x, out=out)
    np.subtract(1, out, out=out)


ACTIVATIONS = {"relu": (lambda s, out: np.maximum(s, 0, out=out), relu_prime), "tanh": (np.tanh, tanh_prime)}


class NumPy(Contestant):
    def build(self):
        w = self.w
        if w.convs:
            raise NotImplementedError("no convolutions")
        self.ways = ((ONE, ALL),) if self.threads > 1 else ()
        self.p = [a for pair in w.weights(self.dtype) for a in pair]
        self.g, self.m, self.v, self.t1, self.t2 = ([np.zeros_like(a) for a in self.p] for _ in range(5))
        self.theta, self.prime = ACTIVATIONS[w.activation]
        self.s, self.d, self.t = {}, {}, 0
        self.rng, self.batch = np.random.default_rng(0), np.arange(w.batch)
        self.y = self.y if self.y.ndim > 1 or w.classes else self.y[:, None]
        self.order = np.arange(w.rows)
        self.Xs, self.ys = (np.empty_like(self.X), np.empty_like(self.y)) if self.shuffle else (self.X, self.y)

    def epoch(self):
        with blas(*self.way):
            if self.shuffle:
                self.rng.shuffle(self.order)
                np.take(self.X, self.order, axis=0, out=self.Xs, mode="clip")  # with "raise" NumPy makes a copy first
                np.take(self.y, self.order, axis=0, out=self.ys, mode="clip")
            for i in range(0, self.w.rows, self.w.batch):
                self.backward(*self.forward(self.Xs[i:i + self.w.batch]), self.ys[i:i + self.w.batch])
                self.step()

    def buffers(self, m):
        """For m rows: outputs by layer, deltas by layer; the first is the input, which has neither."""
        if m not in self.s:
            self.s[m], self.d[m] = ([None, *(np.empty((m, d), self.dtype) for d in self.w.sizes[1:])] for _ in range(2))
        return [*self.s[m]], self.d[m]

    def forward(self, X):
        x, d = self.buffers(len(X))
        x[0] = X
        for l in range(1, len(x)):
            np.matmul(x[l - 1], self.p[2 * l - 2], out=x[l])
            x[l] += self.p[2 * l - 1]
            if l < len(x) - 1:
                self.theta(x[l], out=x[l])
        if self.w.classes:
            x[-1] -= x[-1].max(axis=1, keepdims=True)
            np.exp(x[-1], out=x[-1])
            x[-1] /= x[-1].sum(axis=1, keepdims=True)
        return x, d

    def backward(self, x, d, y):
        m, L = len(y), len(x) - 1
        if self.w.classes:
            np.copyto(d[L], x[L])
            d[L][self.batch[:m], y] -= 1
        else:
            np.subtract(x[L], y, out=d[L])
            d[L] *= 2
        d[L] /= m
        for l in range(L, 0, -1):
            np.matmul(x[l - 1].T, d[l], out=self.g[2 * l - 2])
            np.sum(d[l], axis=0, out=self.g[2 * l - 1])
            if l > 1:
                np.matmul(d[l], self.p[2 * l - 2].T, out=d[l - 1])
                self.prime(x[l - 1], out=x[l - 1])
                d[l - 1] *= x[l - 1]

    def step(self):
        self.t += 1
        lr = LR * np.sqrt(1 - BETA2**self.t) / (1 - BETA1**self.t)
        for p, g, m, v, a, b in zip(self.p, self.g, self.m, self.v, self.t1, self.t2):
            m *= BETA1
            m += np.multiply(g, 1 - BETA1, out=a)
            v *= BETA2
            np.multiply(g, g, out=a)
            v += np.multiply(a, 1 - BETA2, out=a)
            np.sqrt(v, out=a)
            a += self.eps
            np.divide(m, a, out=b)
            p -= np.multiply(b, lr, out=b)

    def loss(self):
        return mean_loss(self.w, self.forward(self.X)[0][-1], self.y)

    def weights(self):
        return list(zip(self.p[::2], self.p[1::2]))

    def gradient(self):
        x, d = self.forward(self.X)
        difference = x[-1] - self.y
        self.backward(x, d, self.y)
        return np.vdot(difference, difference) / len(self.y), self.g

    def predict(self, X):
        with blas(*self.way):
            return self.forward(X)[0][-1]
