"""One class a contestant: built for a workload, dtype and number of threads; epoch() trains once over the shuffled
rows in batches with Adam. relu units; softmax cross-entropy for classes, squared error otherwise."""
import time
import warnings

import numpy as np

LR, BETA1, BETA2, EPS = 1e-3, 0.9, 0.999, 1e-8


class FastMLP:
    def __init__(self, w, dtype, threads):
        import fastmlp

        self.X, self.y = w.data(dtype)
        self.net = fastmlp.MLP(list(w.sizes), loss="cross_entropy" if w.classes else "squared_error", dtype=dtype)
        for l, (W, b) in enumerate(w.weights(dtype), 1):
            self.net.W[l][...], self.net.b[l][...] = W, b
        # as users call it: one thread where that is asked for, else as many as pay off
        self.options = dict(optimizer=fastmlp.Adam(LR), batch_size=w.batch, n_threads=1 if threads == 1 else None)

    def epoch(self):
        self.net.partial_fit(self.X, self.y, **self.options)


class NumPy:
    """Preallocated buffers, out= wherever it exists; BLAS does the products."""

    def __init__(self, w, dtype, threads):
        self.X, self.y = w.data(dtype)
        self.w, self.p = w, [a for pair in w.weights(dtype) for a in pair]
        self.g, self.m, self.v, self.t1, self.t2 = ([np.zeros_like(a) for a in self.p] for _ in range(5))
        self.x = [np.empty((w.batch, d), dtype) for d in w.sizes]
        self.d = [np.empty((w.batch, d), dtype) for d in w.sizes]
        self.on = [np.empty((w.batch, d), bool) for d in w.sizes]
        self.y = self.y if w.classes else self.y[:, None]
        self.rng, self.t, self.rows = np.random.default_rng(0), 0, np.arange(w.batch)

    def epoch(self):
        order = self.rng.permutation(self.w.rows)
        for i in range(0, self.w.rows, self.w.batch):
            self.step(order[i:i + self.w.batch])

    def step(self, rows):
        m, L = len(rows), len(self.w.sizes) - 1
        x, d = [a[:m] for a in self.x], [a[:m] for a in self.d]
        np.take(self.X, rows, axis=0, out=x[0])
        for l in range(L):
            np.matmul(x[l], self.p[2 * l], out=x[l + 1])
            x[l + 1] += self.p[2 * l + 1]
            if l < L - 1:
                np.maximum(x[l + 1], 0, out=x[l + 1])
        if self.w.classes:
            np.subtract(x[L], x[L].max(axis=1, keepdims=True), out=d[L])
            np.exp(d[L], out=d[L])
            d[L] /= d[L].sum(axis=1, keepdims=True)
            d[L][self.rows[:m], self.y[rows]] -= 1
        else:
            np.subtract(x[L], self.y[rows], out=d[L])
            d[L] *= 2
        d[L] /= m
        for l in range(L, 0, -1):
            np.matmul(x[l - 1].T, d[l], out=self.g[2 * l - 2])
            np.sum(d[l], axis=0, out=self.g[2 * l - 1])
            if l > 1:
                np.matmul(d[l], self.p[2 * l - 2].T, out=d[l - 1])
                np.greater(x[l - 1], 0, out=self.on[l - 1][:m])
                d[l - 1] *= self.on[l - 1][:m]
        self.t += 1
        lr = LR * np.sqrt(1 - BETA2**self.t) / (1 - BETA1**self.t)
        for p, g, m_, v, a, b in zip(self.p, self.g, self.m, self.v, self.t1, self.t2):
            m_ *= BETA1
            m_ += np.multiply(g, 1 - BETA1, out=a)
            v *= BETA2
            np.multiply(g, g, out=a)
            v += np.multiply(a, 1 - BETA2, out=a)
            np.sqrt(v, out=a)
            a += EPS
            np.divide(m_, a, out=b)
            p -= np.multiply(b, lr, out=b)


class ScikitLearn:
    """An epoch is what a fit of several costs over a fit of one."""

    EPOCHS = 2

    def __init__(self, w, dtype, threads):
        from sklearn.neural_network import MLPClassifier, MLPRegressor

        self.X, self.y = w.data(dtype)
        kind = MLPClassifier if w.classes else MLPRegressor
        self.make = lambda n: kind(hidden_layer_sizes=w.sizes[1:-1], batch_size=w.batch, max_iter=n, random_state=0,
                                   tol=0, n_iter_no_change=1000, learning_rate_init=LR, alpha=0)

    def seconds(self):
        times = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for n in (1, 1 + self.EPOCHS):
                began = time.perf_counter()
                self.make(n).fit(self.X, self.y)
                times.append(time.perf_counter() - began)
        return max(times[1] - times[0], 1e-9) / self.EPOCHS


class PyTorch:
    """Eager, preloaded tensors, the fused optimiser."""

    def __init__(self, w, dtype, threads):
        import torch

        torch.set_num_threads(threads)
        self.torch, self.w = torch, w
        X, y = w.data(dtype)
        self.X, self.y = torch.from_numpy(X), torch.from_numpy(y)
        layers = []
        for W, b in w.weights(dtype):
            linear = torch.nn.Linear(*W.shape, dtype=getattr(torch, np.dtype(dtype).name))
            linear.weight.data, linear.bias.data = torch.from_numpy(W.T.copy()), torch.from_numpy(b)
            layers += [linear, torch.nn.ReLU()]
        self.net = torch.nn.Sequential(*layers[:-1])
        self.loss = torch.nn.CrossEntropyLoss() if w.classes else lambda x, y: torch.nn.functional.mse_loss(x[:, 0], y)
        self.optimizer = torch.optim.Adam(self.net.parameters(), LR, fused=True)

    def epoch(self):
        order = self.torch.randperm(self.w.rows)
        for i in range(0, self.w.rows, self.w.batch):
            rows = order[i:i + self.w.batch]
            self.optimizer.zero_grad()
            self.loss(self.net(self.X[rows]), self.y[rows]).backward()
            self.optimizer.step()


class JAX:
    """jit with the whole epoch in one scan; the last, smaller batch is dropped. float32 only."""

    def __init__(self, w, dtype, threads):
        import jax
        import jax.numpy as jnp
        import optax

        if np.dtype(dtype) != np.float32:
            raise ImportError("float32 only")
        X, y = w.data(dtype)
        self.jax, self.X, self.y, self.key = jax, jnp.array(X), jnp.array(y), jax.random.key(0)
        self.p = [(jnp.array(W), jnp.array(b)) for W, b in w.weights(dtype)]
        optimizer = optax.adam(LR)
        self.state, batches = optimizer.init(self.p), w.rows // w.batch

        def loss(p, x, y):
            for W, b in p[:-1]:
                x = jax.nn.relu(x @ W + b)
            x = x @ p[-1][0] + p[-1][1]
            if w.classes:
                return optax.softmax_cross_entropy_with_integer_labels(x, y).mean()
            return ((x[:, 0] - y) ** 2).mean()

        @jax.jit
        def run(p, state, key, X, y):
            order = jax.random.permutation(key, w.rows)[:batches * w.batch].reshape(batches, w.batch)

            def step(carry, rows):
                p, state = carry
                updates, state = optimizer.update(jax.grad(loss)(p, X[rows], y[rows]), state, p)
                return (optax.apply_updates(p, updates), state), None

            return jax.lax.scan(step, (p, state), order)[0]

        self.run = run

    def epoch(self):
        self.key, key = self.jax.random.split(self.key)
        self.p, self.state = self.run(self.p, self.state, key, self.X, self.y)
        self.jax.block_until_ready(self.p)


CONTESTANTS = {"fastmlp": FastMLP, "numpy": NumPy, "scikit-learn": ScikitLearn, "pytorch": PyTorch, "jax": JAX}
