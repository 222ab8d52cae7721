"""JAX: the whole epoch is one compiled call, with a scan over the batches; weights and Adam's state are given up to it,
so that they are updated in place. Its choice is between rows that are put in order once an epoch and then sliced, and
rows gathered batch by batch."""
import jax
import jax.numpy as jnp
import numpy as np
import optax

from . import BETA1, BETA2, LR, Contestant

ACTIVATIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh}


def pooled(x):
    return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 2, 2, 1), (1, 2, 2, 1), "VALID")


def convolved(x, W):
    return jax.lax.conv_general_dilated(x, W, (1, 1), "VALID", dimension_numbers=("NHWC", "HWIO", "NHWC"))


class JAX(Contestant):
    ways = (("slices", "gathered"),)

    def build(self):
        w = self.w
        jax.config.update("jax_enable_x64", np.dtype(self.dtype) == np.float64)
        X = self.X.reshape(w.rows, *w.image) if w.convs else self.X
        y = self.y if w.classes else self.y.reshape(w.rows, -1)
        self.X, self.y, self.key = jnp.array(X), jnp.array(y), jax.random.key(0)
        self.p = [(jnp.array(W), jnp.array(b)) for W, b in w.weights(self.dtype)]
        self.adam = optax.adam(LR, BETA1, BETA2, self.eps)
        self.state = self.adam.init(self.p)
        self.runs = {way: jax.jit(run, donate_argnums=(0, 1))
                     for way, run in (("slices", self.slices), ("gathered", self.gathered))}
        self.value, self.value_and_grad = jax.jit(self.error), jax.jit(jax.value_and_grad(self.error))

    def error(self, p, x, y):
        kernels = len(self.w.convs)
        for W, b in p[:kernels]:
            x = pooled(jax.nn.relu(convolved(x, W) + b))
        x = x.reshape(len(x), -1)
        for W, b in p[kernels:-1]:
            x = ACTIVATIONS[self.w.activation](x @ W + b)
        x = x @ p[-1][0] + p[-1][1]
        if self.w.classes:
            return optax.softmax_cross_entropy_with_integer_labels(x, y).mean()
        return ((x - y) ** 2).sum(axis=1).mean()

    def step(self, carry, batch):
        p, state = carry
        updates, state = self.adam.update(jax.grad(self.error)(p, *batch), state, p)
        return (optax.apply_updates(p, updates), state), None

    def order(self, key):
        return jax.random.permutation(key, self.w.rows) if self.shuffle else jnp.arange(self.w.rows)

    def slices(self, p, state, key, X, y):
        if self.w.batch < self.w.rows:
            order = self.order(key)
            X, y = X[order], y[order]
        return self.scanned(p, state, X, y, self.step)

    def gathered(self, p, state, key, X, y):
        return self.scanned(p, state, self.order(key), None,
                            lambda carry, batch: self.step(carry, (X[batch[0]], y[batch[0]])))

    def scanned(self, p, state, X, y, step):
        """Whole batches in a scan, then what remains."""
        whole = self.w.rows // self.w.batch * self.w.batch
        batches = jax.tree.map(lambda a: a[:whole].reshape(-1, self.w.batch, *a.shape[1:]), (X, y))
        carry, _ = jax.lax.scan(step, (p, state), batches)
        if whole < self.w.rows:
            carry, _ = step(carry, jax.tree.map(lambda a: a[whole:], (X, y)))
        return carry

    def epoch(self):
        self.key, key = jax.random.split(self.key)
        self.p, self.state = jax.block_until_ready(self.runs[self.way[0]](self.p, self.state, key, self.X, self.y))

    def loss(self):
        return float(self.value(self.p, self.X, self.y))

    def weights(self):
        return [(np.asarray(W), np.asarray(b)) for W, b in self.p]

    def gradient(self):
        return jax.block_until_ready(self.value_and_grad(self.p, self.X, self.y))
