"""A float64 twin of the library in NumPy, written from the formulas: the tests' oracle.

s(l) = W(l)^T x(l-1) + b(l), x(l) = theta(s(l)); delta(L) = g'(x(L), y) theta'(s(L)),
delta(l) = [W(l+1) delta(l+1)] theta'(s(l)); de/dW(l) = x(l-1) delta(l)^T, de/db(l) = delta(l).
"""
import math
from types import SimpleNamespace

import numpy as np

# ---- activations: name -> (theta, theta'), functions of s and of the activation's argument

SELU_SCALE, SELU_ALPHA = 1.0507009873554804934, 1.6732632423543772848  # Klambauer et al. 2017


def sigmoid(s):
    e = np.exp(-np.abs(s))
    return np.where(s < 0, e, 1.0) / (1.0 + e)


def softplus(s):
    return np.logaddexp(0.0, s)


def elu(s, a=1.0):
    return np.where(s > 0, s, a * np.expm1(np.minimum(s, 0.0)))


def elu_prime(s, a=1.0):
    return np.where(s > 0, 1.0, a * np.exp(np.minimum(s, 0.0)))


def normal_cdf(s):
    return 0.5 * np.vectorize(math.erfc, otypes=[float])(-s / math.sqrt(2.0))


def normal_pdf(s):
    return np.exp(-0.5 * s * s) / math.sqrt(2.0 * math.pi)


ACTIVATIONS = {
    "identity": (lambda s: s, np.ones_like),
    "relu": (lambda s: np.maximum(s, 0.0), lambda s: (s > 0) * 1.0),
    "leaky_relu": (lambda s, a=0.01: np.where(s > 0, s, a * s), lambda s, a=0.01: np.where(s > 0, 1.0, a)),
    "elu": (elu, elu_prime),
    "selu": (lambda s: SELU_SCALE * elu(s, SELU_ALPHA), lambda s: SELU_SCALE * elu_prime(s, SELU_ALPHA)),
    "gelu": (lambda s: s * normal_cdf(s), lambda s: normal_cdf(s) + s * normal_pdf(s)),
    "silu": (lambda s: s * sigmoid(s), lambda s: sigmoid(s) * (1.0 + s * sigmoid(-s))),
    "mish": (lambda s: s * np.tanh(softplus(s)),
             lambda s: np.tanh(softplus(s)) + s * sigmoid(s) * (1.0 - np.tanh(softplus(s)) ** 2)),
    "softplus": (softplus, sigmoid),
    "tanh": (np.tanh, lambda s: 1.0 - np.tanh(s) ** 2),
    "sigmoid": (sigmoid, lambda s: sigmoid(s) * sigmoid(-s)),
    "softsign": (lambda s: s / (1.0 + np.abs(s)), lambda s: (1.0 + np.abs(s)) ** -2.0),
    "relu6": (lambda s: np.clip(s, 0.0, 6.0), lambda s: ((s > 0) & (s < 6)) * 1.0),
    "hard_swish": (lambda s: s * np.clip(s + 3.0, 0.0, 6.0) / 6.0,
                   lambda s: np.where(np.abs(s) < 3.0, (2.0 * s + 3.0) / 6.0, (s > 0) * 1.0)),
    "sin": (np.sin, np.cos),
    "cos": (np.cos, lambda s: -np.sin(s)),
}

# ---- losses: name -> (value per row (n,), derivative by x(L) (n, d(L))), functions of x(L), y and the loss's number


def log_softmax(x):
    x = x - x.max(axis=1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=1, keepdims=True))


def y_log_y(y):
    return y * np.log(np.where(y > 0, y, 1.0))


def over_outputs(value):
    """One output's loss -> the sum over a row's outputs."""
    return lambda x, y, *a: value(x, y, *a).sum(axis=1)


def quantile(x, y, levels=0.5):
    """Of each target as many outputs as there are levels, those of the first target first."""
    q = np.tile(np.ravel(levels), y.shape[1])
    short = np.repeat(y, np.size(levels), axis=1) - x
    return np.maximum(q * short, (q - 1.0) * short).sum(axis=1)


def quantile_prime(x, y, levels=0.5):
    q, y = np.tile(np.ravel(levels), y.shape[1]), np.repeat(y, np.size(levels), axis=1)
    return np.where(y > x, -q, np.where(y < x, 1.0 - q, 0.0))


def increasing(x, levels=0.5):
    """x of each target's first output, then each time softplus(x) more."""
    steps = x.reshape(len(x), -1, np.size(levels)).copy()
    steps[:, :, 1:] = softplus(steps[:, :, 1:])
    return np.cumsum(steps, axis=2).reshape(x.shape)


def ordered_quantile_prime(x, y, levels=0.5):
    g = quantile_prime(increasing(x, levels), y, levels).reshape(len(x), -1, np.size(levels))
    x = x.reshape(g.shape)
    slopes = np.concatenate([np.ones_like(x[:, :, :1]), sigmoid(x[:, :, 1:])], axis=2)
    return (slopes * np.cumsum(g[:, :, ::-1], axis=2)[:, :, ::-1]).reshape(len(x), -1)


LOSSES = {
    "squared_error": (over_outputs(lambda x, y: (x - y) ** 2), lambda x, y: 2.0 * (x - y)),
    "half_squared_error": (over_outputs(lambda x, y: 0.5 * (x - y) ** 2), lambda x, y: x - y),
    "absolute_error": (over_outputs(lambda x, y: np.abs(x - y)), lambda x, y: np.sign(x - y)),
    "huber": (over_outputs(lambda x, y, a=1.0: np.where(np.abs(x - y) <= a, 0.5 * (x - y) ** 2,
                                                        a * (np.abs(x - y) - 0.5 * a))),
              lambda x, y, a=1.0: np.clip(x - y, -a, a)),
    "quantile": (quantile, quantile_prime),
    "ordered_quantile": (lambda x, y, *levels: quantile(increasing(x, *levels), y, *levels), ordered_quantile_prime),
    "poisson": (over_outputs(lambda x, y: np.exp(x) - y + y_log_y(y) - y * x), lambda x, y: np.exp(x) - y),
    "binary_cross_entropy": (over_outputs(lambda x, y: softplus(x) - y * x), lambda x, y: sigmoid(x) - y),
    "cross_entropy": (over_outputs(lambda x, y: -y * log_softmax(x)),
                      lambda x, y: np.exp(log_softmax(x)) * y.sum(axis=1, keepdims=True) - y),
}

# ---- links: loss -> what makes x(L) a prediction, a function of that and the loss's number

LINKS = dict.fromkeys(LOSSES, lambda x, *_: x) | {
    "ordered_quantile": increasing,
    "poisson": np.exp,
    "binary_cross_entropy": sigmoid,
    "cross_entropy": lambda x: np.exp(log_softmax(x)),
}


# ---- layer kinds: forward(x, W) -> s before the bias; backward(x, s, delta, W) -> de/dx and, by row, de/dW


class Dense:
    def forward(self, x, W):
        return x @ W

    def backward(self, x, s, delta, W):
        return delta @ W.T, x[:, :, None] * delta[:, None, :]


class Windowed:
    """A map of a shape (h, w, c), padded by ((above, below), (left, right)); loops over positions in the padded map."""

    fill = 0.0

    def __init__(self, shape, kernel, stride, padding=((0, 0), (0, 0)), dilation=(1, 1), channels=None):
        self.shape, self.kernel, self.padding, self.channels = shape, kernel, padding, channels or shape[-1]
        size = [n + sum(p) - d * (k - 1) for n, p, d, k in zip(shape, padding, dilation, kernel)]
        self.out = tuple(-(-n // s) for n, s in zip(size, stride))
        self.at = [(p, tuple(slice(i * s, i * s + d * (k - 1) + 1, d)
                             for i, s, d, k in zip(p, stride, dilation, kernel)))
                   for p in np.ndindex(*self.out)]

    def padded(self, x, fill):
        return np.pad(x.reshape(-1, *self.shape), ((0, 0), *self.padding, (0, 0)), constant_values=fill)

    def cut(self, dx):
        (a, _), (b, _) = self.padding
        return dx[:, a:a + self.shape[0], b:b + self.shape[1]].reshape(len(dx), -1)

    def forward(self, x, W):
        x, s = self.padded(x, self.fill), np.zeros((len(x), *self.out, self.channels))
        for (i, j), window in self.at:
            s[:, i, j] = self.see(x[(slice(None), *window)], W)
        return s.reshape(len(x), -1)

    def backward(self, x, s, delta, W):
        x, dW = self.padded(x, self.fill), None if W is None else np.zeros((len(x), *W.shape))
        dx, delta = np.zeros(x.shape), delta.reshape(len(x), *self.out, self.channels)
        for (i, j), window in self.at:
            patch, d = x[(slice(None), *window)], delta[:, i, j]
            dx[(slice(None), *window)] += self.spread(patch, d, W)
            if W is not None:
                dW += patch[..., None] * d[:, None, None, None, :]
        return self.cut(dx), dW


class Conv(Windowed):
    def see(self, patch, W):
        return np.einsum("nijc,ijco->no", patch, W)

    def spread(self, patch, d, W):
        return np.einsum("no,ijco->nijc", d, W)


class AvgPool(Windowed):
    def see(self, patch, W):
        return patch.mean(axis=(1, 2))

    def spread(self, patch, d, W):
        return np.ones_like(patch) * d[:, None, None, :] / math.prod(self.kernel)


class MaxPool(Windowed):
    fill = -np.inf

    def see(self, patch, W):
        return patch.max(axis=(1, 2))

    def spread(self, patch, d, W):
        flat = patch.reshape(len(patch), -1, self.channels)
        first = np.arange(flat.shape[1])[None, :, None] == flat.argmax(axis=1)[:, None, :]
        return (first * d[:, None, :]).reshape(patch.shape)


class Sum:
    """Of two layers."""

    def forward(self, x, other, W):
        return x + other

    def backward(self, x, s, delta, W):
        return (delta, delta), None


class Identity:
    def forward(self, x, W):
        return x

    def backward(self, x, s, delta, W):
        return delta, None


class Concat:
    """The second source, then the first: rows of numbers, of maps the channels at each position."""

    def __init__(self, positions=1):
        self.positions = positions

    def parts(self, x):
        return x.reshape(len(x), self.positions, -1)

    def forward(self, x, other, W):
        self.first = self.parts(other).shape[2]
        return np.concatenate([self.parts(other), self.parts(x)], axis=2).reshape(len(x), -1)

    def backward(self, x, s, delta, W):
        parts = np.split(self.parts(delta), [self.first], axis=2)
        return tuple(part.reshape(len(delta), -1) for part in parts[::-1]), None


class Scale:
    """By a factor for each of the n features at each position, or without W by none."""

    def scaled(self, x, W):
        return x if W is None else (x.reshape(-1, len(W)) * W).reshape(x.shape)

    forward = scaled

    def backward(self, x, s, delta, W):
        if W is None:
            return delta, None
        return self.scaled(delta, W), (x * delta).reshape(len(x), -1, len(W)).sum(axis=1)


class LayerNorm(Scale):
    """Of n features at each position, all of them without n."""

    def __init__(self, n=None, eps=1e-5):
        self.n, self.eps = n, eps

    def center(self, features):
        return features - features.mean(axis=-1, keepdims=True)

    def forward(self, x, W):
        features = self.center(x.reshape(len(x), -1, self.n or x.shape[1]))
        self.scale = 1 / np.sqrt((features ** 2).mean(axis=-1, keepdims=True) + self.eps)
        self.normal = features * self.scale
        return self.scaled(self.normal.reshape(x.shape), W)

    def backward(self, x, s, delta, W):
        g, each = super().backward(self.normal.reshape(x.shape), s, delta, W)
        g = g.reshape(self.normal.shape)
        dx = self.scale * (self.center(g) - self.normal * (g * self.normal).mean(axis=-1, keepdims=True))
        return dx.reshape(x.shape), each


class RMSNorm(LayerNorm):
    def center(self, features):
        return features


class Mixture:
    """(1 - W) x + W theta(x), by features: spec is theta, a name or (name, number)."""

    def __init__(self, spec):
        name, self.a = pair(spec)
        self.theta, self.prime = ACTIVATIONS[name]

    def share(self, x, W):
        """W's number for each unit."""
        return np.tile(W, x.shape[1] // len(W))

    def between(self, share, x, theta):
        return (1 - share) * x + share * theta

    def forward(self, x, W):
        return self.between(self.share(x, W), x, self.theta(x, *self.a))

    def backward(self, x, s, delta, W):
        back = delta * self.between(self.share(x, W), 1.0, self.prime(x, *self.a))
        each = delta * (self.between(1.0, x, self.theta(x, *self.a)) - self.between(0.0, x, self.theta(x, *self.a)))
        return back, each.reshape(len(x), -1, len(W)).sum(axis=1)


class PReLU(Mixture):
    """W x below 0, x above."""

    def __init__(self):
        super().__init__("relu")

    def between(self, share, x, theta):
        return share * x + (1 - share) * theta


class GLU:
    """Of n features at each position the first half, times theta of the second one."""

    def __init__(self, n, spec):
        name, self.a = pair(spec)
        self.n, (self.theta, self.prime) = n, ACTIVATIONS[name]

    def forward(self, x, W):
        b, c = np.split(x.reshape(len(x), -1, self.n), 2, axis=-1)
        return (b * self.theta(c, *self.a)).reshape(len(x), -1)

    def backward(self, x, s, delta, W):
        b, c = np.split(x.reshape(len(x), -1, self.n), 2, axis=-1)
        d = delta.reshape(b.shape)
        both = np.concatenate([d * self.theta(c, *self.a), d * b * self.prime(c, *self.a)], axis=-1)
        return both.reshape(x.shape), None


class Waves:
    """cos(2 pi x), and of what has sines sin(2 pi x) after it, of a group of units at a time."""

    def __init__(self, groups, sine):
        self.groups, self.sine = groups, sine

    def forward(self, x, W):
        angle = 2 * np.pi * x.reshape(len(x), self.groups, -1)
        waves = [np.cos(angle), np.sin(angle)][:1 + self.sine]
        return np.concatenate(waves, axis=-1).reshape(len(x), -1)

    def backward(self, x, s, delta, W):
        angle = 2 * np.pi * x.reshape(len(x), self.groups, -1)
        d = np.split(delta.reshape(len(x), self.groups, -1), 1 + self.sine, axis=-1)
        slopes = [-np.sin(angle), np.cos(angle)]
        return 2 * np.pi * sum(a * b for a, b in zip(slopes, d)).reshape(x.shape), None


class Bins:
    """A Dense layer on the encoding by bins as columns."""

    def __init__(self, edges):
        self.edges = [np.asarray(feature, np.float64) for feature in edges]

    def columns(self, x):
        """(the encoding (n, bins), its derivative, the feature of each column)"""
        values, slopes, features = [], [], []
        for i, t in enumerate(self.edges):
            for j in range(len(t) - 1):
                low = -np.inf if j == 0 else 0.0
                high = np.inf if j == len(t) - 2 else 1.0
                e = (x[:, i] - t[j]) / (t[j + 1] - t[j])
                values.append(np.clip(e, low, high))
                slopes.append(((e >= low) & (e < high)) / (t[j + 1] - t[j]))
                features.append(i)
        return np.stack(values, axis=1), np.stack(slopes, axis=1), np.array(features)

    def forward(self, x, W):
        return self.columns(x)[0] @ W

    def backward(self, x, s, delta, W):
        e, slopes, features = self.columns(x)
        back = np.zeros(x.shape)
        np.add.at(back.T, features, (delta @ W.T * slopes).T)
        return back, e[:, :, None] * delta[:, None, :]


class Grouped:
    """W (groups, d(l-1) / groups, d(l) / groups): the blocks."""

    def parts(self, x, W):
        return x.reshape(len(x), len(W), -1)

    def forward(self, x, W):
        return np.einsum("ngi,gij->ngj", self.parts(x, W), W).reshape(len(x), -1)

    def backward(self, x, s, delta, W):
        x, delta = self.parts(x, W), self.parts(delta, W)
        return np.einsum("ngj,gij->ngi", delta, W).reshape(len(x), -1), x[..., None] * delta[:, :, None, :]


class Columns:
    """Numbers, then for each of the last columns a row of its table. tables: their shapes, (values, units); W: all of
    them one after the other."""

    def __init__(self, numeric, tables):
        self.numeric, self.tables = numeric, tables

    def places(self, x):
        """For each table (whether rows of x have a row in it, the places in W of this)."""
        begin = 0
        for (n, units), c in zip(self.tables, x.T[x.shape[1] - len(self.tables):]):
            known = np.isin(c, np.arange(n))
            yield known, begin + np.where(known, c, 0).astype(int)[:, None] * units + np.arange(units)
            begin += n * units

    def forward(self, x, W):
        rows = [known[:, None] * W[places] for known, places in self.places(x)]
        return np.hstack([x[:, :self.numeric], *rows])

    def backward(self, x, s, delta, W):
        dx, dW, at = np.zeros_like(x), None if W is None else np.zeros((len(x), len(W))), self.numeric
        dx[:, :at] = delta[:, :at]
        for known, places in self.places(x):
            part = delta[:, at:at + places.shape[1]]
            dW[np.arange(len(x))[:, None], places] += known[:, None] * part
            at += places.shape[1]
        return dx, dW


class BatchNorm:
    """By running statistics. Of a training batch, of whose rows `shares` says how much each counts, by the batch's own,
    and derivatives go through these; the running ones move towards them."""

    shares = None

    def __init__(self, channels, eps=1e-5, momentum=0.1):
        self.channels, self.eps, self.momentum = channels, eps, momentum
        self.mean, self.var = np.zeros(channels), np.ones(channels)

    def columns(self, x):
        return x.reshape(len(x), -1, self.channels)

    def over_rows(self, columns):
        return self.shares @ columns.mean(axis=1)

    def settle(self, columns):
        """mean and var of a batch; the running var follows n / (n - 1) times the latter, n the places that count."""
        mean = self.over_rows(columns)
        var, n = self.over_rows((columns - mean) ** 2), np.count_nonzero(self.shares) * columns.shape[1]
        self.mean = (1 - self.momentum) * self.mean + self.momentum * mean
        self.var = (1 - self.momentum) * self.var + self.momentum * var * (n / (n - 1) if n > 1 else 1)
        return mean, var

    def forward(self, x, W):
        columns = self.columns(x)
        mean, var = (self.mean, self.var) if self.shares is None else self.settle(columns)
        self.scale = 1 / np.sqrt(var + self.eps)
        self.normal = (columns - mean) * self.scale
        return (self.normal * W).reshape(x.shape)

    def backward(self, x, s, delta, W):
        d = self.columns(delta)
        each = (d * self.normal).sum(axis=1)
        if self.shares is not None:
            d = d - self.over_rows(d) - self.normal * self.over_rows(d * self.normal)
        return (W * self.scale * d).reshape(x.shape), each


KINDS = {"dense": Dense, "grouped": Grouped, "identity": Identity, "sum": Sum, "concat": Concat, "columns": Columns,
         "dropout": Identity,   # as predictions have it
         "scale": Scale, "shift": Scale, "batch_norm": BatchNorm, "layer_norm": LayerNorm, "rms_norm": RMSNorm,
         "conv": Conv, "max_pool": MaxPool, "avg_pool": AvgPool, "mixture": Mixture, "prelu": PReLU, "glu": GLU,
         "waves": Waves, "bins": Bins}


class Network:
    """W, b : lists by layer, entry 0 None, as is that of a layer without.
    activations, loss : names, or pairs (name, number).
    kinds : an object of a class in KINDS by layer, or None where all layers are Dense.
    sources : tuples of the layers that each layer reads, or None where each reads the one before."""

    def __init__(self, W, b, activations, loss, kinds=None, sources=None):
        self.W, self.b = ([None if a is None else np.array(a, np.float64) for a in arrays] for arrays in (W, b))
        self.L = len(self.W) - 1
        self.theta = [None, *((*ACTIVATIONS[name], a) for name, a in map(pair, activations))]
        self.loss, self.a = pair(loss)
        self.kinds = [None, *(kinds or [Dense()] * self.L)]
        self.sources = [None, *(sources or [(l - 1,) for l in range(1, self.L + 1)])]
        self.batch_norms = [kind for kind in self.kinds if isinstance(kind, BatchNorm)]

    def forward(self, X):
        s, x = [None], [np.asarray(X, np.float64)]
        for l in range(1, self.L + 1):
            theta, _, a = self.theta[l]
            s.append(self.kinds[l].forward(*(x[i] for i in self.sources[l]), self.W[l]))
            if self.b[l] is not None:
                s[l] = (s[l].reshape(-1, len(self.b[l])) + self.b[l]).reshape(s[l].shape)
            x.append(theta(s[l], *a))
        return s, x

    def predict(self, X):
        return LINKS[self.loss](self.forward(X)[1][-1], *self.a)

    def values(self, X, y):
        """The loss of each row."""
        return self.losses(self.forward(X)[1][-1], y)

    def losses(self, x, y):
        """The same of outputs x(L)."""
        return LOSSES[self.loss][0](x, self.targets(y), *self.a)

    def targets(self, y):
        y = np.asarray(y)
        if self.loss == "cross_entropy" and y.ndim == 1:
            return np.eye(self.W[-1].shape[1])[y]
        return y.astype(np.float64).reshape(len(y), -1)

    def backprop(self, X, y, coefficients=None, training=False):
        """loss = sum of coefficients e_i, 1/n each unless given, and its dW, db; delta and dX per row, of e_i.
        training: as a batch, by whose rows batch normalisation goes as they count in the loss."""
        c = np.full(len(X), 1.0 / len(X)) if coefficients is None else np.asarray(coefficients, np.float64)
        for kind in self.batch_norms:
            kind.shares = c / c.sum() if training else None
        s, x = self.forward(X)
        dx = [*(np.zeros_like(a) for a in x[:-1]), LOSSES[self.loss][1](x[-1], self.targets(y), *self.a)]
        delta, dW, db = [[None] * (self.L + 1) for _ in range(3)]
        for l in range(self.L, 0, -1):
            _, theta_prime, a = self.theta[l]
            delta[l] = dx[l] * theta_prime(s[l], *a)
            back, each = self.kinds[l].backward(x[self.sources[l][0]], s[l], delta[l], self.W[l])
            for i, part in zip(self.sources[l], back if isinstance(back, tuple) else (back,)):
                dx[i] = dx[i] + part
            dW[l] = None if self.W[l] is None else np.tensordot(c, each, 1)
            db[l] = None if self.b[l] is None else (c @ delta[l]).reshape(-1, len(self.b[l])).sum(axis=0)
        return SimpleNamespace(loss=c @ self.losses(x[-1], y), s=s, x=x, delta=delta, dW=dW, db=db, dX=dx[0])

    def train(self, X, y, optimizer, epochs, batch_size, sample_weight=None):
        """Epochs without shuffling. A batch's gradient is that of the mean of w_i e_i over its rows, w of mean 1 over
        the data."""
        X, y = np.asarray(X), np.asarray(y)
        w = np.ones(len(X)) if sample_weight is None else sample_weight / np.mean(sample_weight)
        layers = range(1, self.L + 1)
        biases = [l for l in layers if self.b[l] is not None]
        for _ in range(epochs):
            for i in range(0, len(X), batch_size):
                rows = slice(i, i + batch_size)
                g = self.backprop(X[rows], y[rows], w[rows] / len(X[rows]), training=True)
                optimizer.step([self.W[l] for l in layers] + [self.b[l] for l in biases],
                               [g.dW[l] for l in layers] + [g.db[l] for l in biases],
                               [True] * self.L + [False] * len(biases))


def twin_of(net, find_kind=None):
    """The twin of a network of the library. find_kind: what gives that of a layer after one of a shape, or None for
    kind_of."""
    sources = [layer.sources(l) for l, layer in enumerate(net.layers, 1)]
    kinds = [(find_kind or kind_of)(layer, net.shapes[first]) for layer, (first, *_) in zip(net.layers, sources)]
    W = [None, *(w[None] if layer.kind == "conv" and w.ndim == 3 else w for layer, w in zip(net.layers, net.W[1:]))]
    twin = Network(W, net.b, [layer.activation for layer in net.layers], net.loss.spec, kinds, sources)
    statistics = net._network.core.statistics.astype(np.float64)
    for norm in twin.batch_norms:
        norm.mean, norm.var, statistics = np.split(statistics, [norm.channels, 2 * norm.channels])
    return twin


def kind_of(layer, shape):
    """The twin of a layer after one of a shape."""
    kind = KINDS[layer.kind]
    if layer.kind == "batch_norm":
        return kind(shape[-1], layer.eps, layer.momentum)
    if layer.kind in ("layer_norm", "rms_norm"):
        return kind(shape[-1], layer.eps)
    if layer.kind == "concat":
        return kind(math.prod(shape[:-1]))
    if layer.kind == "columns":
        return kind(layer.numeric, [table.shape for table in layer.categories])
    if layer.kind == "mixture":
        return kind(layer.theta)
    if layer.kind == "glu":
        return kind(shape[-1], layer.theta)
    if layer.kind == "waves":
        return kind(layer.groups, layer.sine)
    if layer.kind == "bins":
        return kind(layer.edges)
    if not hasattr(layer, "window"):
        return kind()
    h, w, c, kh, kw, sh, sw, ph, pw, dh, dw, oh, ow = layer.window(shape)
    padding = ((ph, max(0, (oh - 1) * sh + (kh - 1) * dh + 1 - h - ph)),
               (pw, max(0, (ow - 1) * sw + (kw - 1) * dw + 1 - w - pw)))
    return kind((h, w, c), (kh, kw), (sh, sw), padding, (dh, dw), getattr(layer, "filters", None))


# ---- products of operands in bfloat16, to the bit: float32 sums as fastmlp/kernels/bfloat16.inc defines them


def bfloat16(x):
    """x, float32, to the nearest number of 8 bits, ties to even; subnormal numbers are 0."""
    x = np.asarray(x, np.float32)
    exponent = np.frexp(x.astype(np.float64))[1]
    unit = np.ldexp(1.0, exponent - 8)
    with np.errstate(over="ignore"):
        rounded = (np.rint(x.astype(np.float64) / unit) * unit).astype(np.float32)     # np.rint takes ties to even
    return np.where(np.abs(x) < np.finfo(np.float32).tiny, np.copysign(np.float32(0), x), rounded)


def fused(a, b, c):
    """a b + c rounded once, for float32 a and b of 8 bits: their product is exact in float64. The sum is rounded to odd
    there, so that rounding it again makes no difference (Boldo and Melquiond 2008)."""
    p, c = a.astype(np.float64) * b, c.astype(np.float64)
    s = p + c
    error = (p - (s - (s - p))) + (c - (s - p))
    even = s.view(np.int64) & 1 == 0
    return np.where(even & (error != 0), np.nextafter(s, np.copysign(np.inf, error)), s).astype(np.float32)


def bfloat16_product(A, B, C):
    """C (M, N) + A (M, K) B (K, N), float32: in each 32 k one chain over the even and one over the odd k."""
    A, B = bfloat16(A), bfloat16(B)
    for begin in range(0, A.shape[1], 32):
        even, odd = np.zeros(C.shape, np.float32), np.zeros(C.shape, np.float32)
        for k in range(begin, min(begin + 32, A.shape[1]), 2):
            even = fused(A[:, k, None], B[k], even)
        for k in range(begin + 1, min(begin + 32, A.shape[1]), 2):
            odd = fused(A[:, k, None], B[k], odd)
        C = C + (even + odd)
    return C


def with_categories(net, X):
    """X with some value of its own in each column that a network takes for categories; NaN in some rows where that may
    be."""
    X, tables = np.array(X), net._network.tables
    for column, (n, unknown) in enumerate(tables, net._network.numeric):
        X[:, column] = np.arange(len(X)) * (column + 1) % n
        if unknown:
            X[::5, column] = np.nan
    return X


def pair(spec):
    """A name or (name, number) -> name, numbers."""
    return (spec, ()) if isinstance(spec, str) else (spec[0], spec[1:])


# ---- optimisers: one step in place of a list of arrays


class SGD:
    """u <- momentum u - lr g; w <- w + u, with nesterov w <- w + momentum u - lr g."""

    def __init__(self, lr, momentum=0.0, nesterov=False, l2=0.0, l1=0.0, clip_norm=None):
        self.lr, self.momentum, self.nesterov = lr, momentum, nesterov
        self.l2, self.l1, self.clip_norm = l2, l1, clip_norm
        self.u = None

    def step(self, params, grads, penalised):
        self.u = self.u or [np.zeros_like(p) for p in params]
        for p, g, u in zip(params, total_gradient(self, params, grads, penalised), self.u):
            u[...] = self.momentum * u - self.lr * g
            p += self.momentum * u - self.lr * g if self.nesterov else u


class Adam:
    """m, v the running means of g and g^2; w <- w - lr sqrt(1 - beta2^t) / (1 - beta1^t) m / (sqrt(v) + eps)."""

    def __init__(self, lr, beta1=0.9, beta2=0.999, eps=1e-8, l2=0.0, l1=0.0, clip_norm=None, weight_decay=0.0):
        self.lr, self.beta1, self.beta2, self.eps, self.weight_decay = lr, beta1, beta2, eps, weight_decay
        self.l2, self.l1, self.clip_norm = l2, l1, clip_norm
        self.m = self.v = None
        self.t = 0

    def step(self, params, grads, penalised):
        self.m, self.v = (a or [np.zeros_like(p) for p in params] for a in (self.m, self.v))
        self.t += 1
        lr = self.lr * math.sqrt(1.0 - self.beta2**self.t) / (1.0 - self.beta1**self.t)
        gradients = total_gradient(self, params, grads, penalised)
        for p, g, m, v, decays in zip(params, gradients, self.m, self.v, penalised):
            m[...] = self.beta1 * m + (1.0 - self.beta1) * g
            v[...] = self.beta2 * v + (1.0 - self.beta2) * g * g
            p -= lr * m / (np.sqrt(v) + self.eps) + decays * self.lr * self.weight_decay * p


class NAdam:
    """m, v as Adam's; mu(t) = beta1 (1 - 0.96^(t momentum_decay) / 2), M(t) the product of mu(1) .. mu(t);
    w <- w - lr (mu(t+1) m / (1 - M(t+1)) + (1 - mu(t)) g / (1 - M(t))) / (sqrt(v / (1 - beta2^t)) + eps)."""

    def __init__(self, lr, beta1=0.9, beta2=0.999, eps=1e-8, momentum_decay=0.004, l2=0.0, l1=0.0, clip_norm=None):
        self.lr, self.beta1, self.beta2, self.eps, self.momentum_decay = lr, beta1, beta2, eps, momentum_decay
        self.l2, self.l1, self.clip_norm = l2, l1, clip_norm
        self.m = self.v = None
        self.t, self.product = 0, 1.0

    def mu(self, t):
        return self.beta1 * (1.0 - 0.5 * 0.96 ** (t * self.momentum_decay))

    def step(self, params, grads, penalised):
        self.m, self.v = (a or [np.zeros_like(p) for p in params] for a in (self.m, self.v))
        self.t += 1
        mu, ahead = self.mu(self.t), self.mu(self.t + 1)
        self.product *= mu
        for p, g, m, v in zip(params, total_gradient(self, params, grads, penalised), self.m, self.v):
            m[...] = self.beta1 * m + (1.0 - self.beta1) * g
            v[...] = self.beta2 * v + (1.0 - self.beta2) * g * g
            mean = ahead * m / (1.0 - self.product * ahead) + (1.0 - mu) * g / (1.0 - self.product)
            p -= self.lr * mean / (np.sqrt(v / (1.0 - self.beta2**self.t)) + self.eps)


class RMSprop:
    """v the running mean of g^2; u <- momentum u + g / (sqrt(v) + eps); w <- w - lr u."""

    def __init__(self, lr, rho=0.99, eps=1e-8, momentum=0.0, l2=0.0, l1=0.0, clip_norm=None):
        self.lr, self.rho, self.eps, self.momentum = lr, rho, eps, momentum
        self.l2, self.l1, self.clip_norm = l2, l1, clip_norm
        self.v = self.u = None

    def step(self, params, grads, penalised):
        self.v, self.u = (a or [np.zeros_like(p) for p in params] for a in (self.v, self.u))
        for p, g, v, u in zip(params, total_gradient(self, params, grads, penalised), self.v, self.u):
            v[...] = self.rho * v + (1.0 - self.rho) * g * g
            u[...] = self.momentum * u + g / (np.sqrt(v) + self.eps)
            p -= self.lr * u


class Adagrad:
    """v the sum of g^2; w <- w - lr g / (sqrt(v) + eps)."""

    def __init__(self, lr, eps=1e-10, l2=0.0, l1=0.0, clip_norm=None):
        self.lr, self.eps, self.l2, self.l1, self.clip_norm = lr, eps, l2, l1, clip_norm
        self.v = None

    def step(self, params, grads, penalised):
        self.v = self.v or [np.zeros_like(p) for p in params]
        for p, g, v in zip(params, total_gradient(self, params, grads, penalised), self.v):
            v += g * g
            p -= self.lr * g / (np.sqrt(v) + self.eps)


class Lion:
    """w <- (1 - lr weight_decay) w - lr sign(beta1 m + (1 - beta1) g); m the running mean of g, by beta2."""

    def __init__(self, lr, beta1=0.9, beta2=0.99, weight_decay=0.0, l2=0.0, l1=0.0, clip_norm=None):
        self.lr, self.beta1, self.beta2, self.weight_decay = lr, beta1, beta2, weight_decay
        self.l2, self.l1, self.clip_norm = l2, l1, clip_norm
        self.m = None

    def step(self, params, grads, penalised):
        self.m = self.m or [np.zeros_like(p) for p in params]
        for p, g, m, decays in zip(params, total_gradient(self, params, grads, penalised), self.m, penalised):
            direction = np.sign(self.beta1 * m + (1.0 - self.beta1) * g)
            m[...] = self.beta2 * m + (1.0 - self.beta2) * g
            p -= self.lr * direction + decays * self.lr * self.weight_decay * p


def train(net, optimizer, X, y, epochs, batch):
    """Train a Network on rows in their order, none of its parameters penalised."""
    for _ in range(epochs):
        for i in range(0, len(X), batch):
            g = net.backprop(X[i:i + batch], y[i:i + batch], training=True)
            pairs = [(a, da) for arrays, grads in ((net.W, g.dW), (net.b, g.db))
                     for a, da in zip(arrays, grads) if a is not None]
            optimizer.step([a for a, _ in pairs], [da for _, da in pairs], [False] * len(pairs))


def total_gradient(optimizer, params, grads, penalised):
    """grads clipped to the norm clip_norm, then + l2 w + l1 sign(w) for weights."""
    norm = math.sqrt(sum((g * g).sum() for g in grads))
    scale = optimizer.clip_norm / norm if optimizer.clip_norm and norm > optimizer.clip_norm else 1.0
    return [scale * g + (optimizer.l2 * p + optimizer.l1 * np.sign(p) if penalty else 0.0)
            for p, g, penalty in zip(params, grads, penalised)]


# spec's name -> class
OPTIMIZERS = {name: kind for name, kind in [*globals().items()] if hasattr(kind, "step")} | {"AdamW": Adam}
