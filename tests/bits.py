"""Trains small networks on exact data and hashes what comes out, to the bit.

    python tests/bits.py            print the hashes under every setting, as JSON
    python tests/bits.py --write    make tests/bits.json, the table that all machines are held to, anew

Data and weights are whole numbers over powers of two, made with integers alone, so that they are the same
everywhere; what differs is the engine's doing.
"""
import hashlib
import json
import sys
from pathlib import Path

import numpy as np
from scipy import sparse

import fastmlp
from fastmlp import (
    MLP,
    SGD,
    Adagrad,
    Adam,
    AdamW,
    AvgPool2D,
    Conv1D,
    Conv2D,
    Dense,
    Dropout,
    Lion,
    MaxPool1D,
    MaxPool2D,
    NAdam,
    RMSprop,
    _core,
)
from fastmlp._engine import runtime
from fastmlp.sensitivity import Attack

TABLE = Path(__file__).with_name("bits.json")

# name -> a spec, and what it is called with besides the rate: every step of the core's table; the twin takes them too
OPTIMIZERS = {
    "sgd": (SGD, {}),
    "momentum": (SGD, {"momentum": 0.75}),
    "nesterov": (SGD, {"momentum": 0.75, "nesterov": True}),
    "adam": (Adam, {}),
    "adamw": (AdamW, {"weight_decay": 1 / 8}),
    "nadam": (NAdam, {"momentum_decay": 1 / 32}),
    "rmsprop": (RMSprop, {"rho": 0.875}),
    "rmsprop_momentum": (RMSprop, {"rho": 0.875, "momentum": 0.75}),
    "adagrad": (Adagrad, {}),
    "lion": (Lion, {"weight_decay": 1 / 8}),
}

# What must not show in the bits: threads, rows a thread takes at a time, rows whose activations are held at once, and
# what scratch memory held before the call (two kinds of NaN, and large finite numbers).
SETTINGS = {
    "plain": {"n_threads": 1},
    **{f"n_threads={t}": {"n_threads": t} for t in (2, 3, 8)},
    **{f"block_rows={b}": {"n_threads": 1 + b % 2, "block_rows": b} for b in (1, 7, 32, 200)},
    **{f"chunk_rows={c}": {"n_threads": 1 + c % 2, "chunk_rows": c} for c in (5, 64)},
    **{f"scratch={fill.hex()}": {"n_threads": 2, "scratch": fill * 2**14}
       for fill in (b"\0\0\xc0\x7f", b"\xff", b"\x7e")},
}


def whole(seed, shape, low, high):
    """Integers low .. high, from splitmix64."""
    z = np.arange(1, np.prod(shape) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15) + np.uint64(seed << 32)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((z >> np.uint64(33)) % np.uint64(high - low + 1)).astype(np.int64).reshape(shape) + low


def targets(loss, n, d):
    name = loss[0] if isinstance(loss, tuple) else loss
    if name == "cross_entropy":
        return whole(2, n, 0, d - 1)
    if name == "poisson":
        return whole(2, (n, d), 0, 5)
    if name == "binary_cross_entropy":
        return whole(2, (n, d), 0, 16) / 16
    return whole(2, (n, d), -96, 96) / 64


def sixteenths(n, d):
    """Rows of probabilities."""
    y = np.eye(d)[whole(3, n, 0, d - 1)] * 11 + np.eye(d)[whole(4, n, 0, d - 1)] * 5
    return y / 16


def dense(sizes, activation, bias=True):
    return [sizes[0], *(Dense(d, activation, bias=bias) for d in sizes[1:-1]), Dense(sizes[-1], bias=bias)]


def in_last_columns(*n_values):
    """A function of X that puts categories into its last columns, as many values of each; one of them has others."""
    def put(X):
        X = X.copy()
        for k, n in enumerate(n_values):
            X[:, k - len(n_values)] = whole(6 + k, len(X), 0, n - 1 + (k > 0))
        return X
    return put


class Case:
    """One network and how it is trained."""

    def __init__(self, layers, optimizer=SGD(1 / 16), loss="squared_error", rows=61, batch=16, epochs=3, X=None, y=None,
                 weighted=False, precision="full", **fit):
        self.layers, self.optimizer, self.loss = layers, optimizer, loss
        self.rows, self.batch, self.epochs = rows, batch, epochs
        self.X, self.y, self.weighted, self.precision = X, y, weighted, precision
        self.dtypes = ("float32", "float64") if precision == "full" else ("float32",)
        self.fit = fit

    def run(self, dtype, n_threads=1, block_rows=0, chunk_rows=0, scratch=None):
        """Hashes of the parameters after training, the history, the predictions, backprop and gradient."""
        net = MLP(self.layers, loss=self.loss, dtype=dtype, init="zeros", random_state=0, precision=self.precision)
        net._network.progress.seed = 1
        net._network.core.block_rows, net._network.core.chunk_rows = block_rows, chunk_rows
        for l, (W, b) in enumerate(zip(net.W, net.b)):
            if W is not None:
                W[...] = whole(l, W.shape, -64, 64) / (32 << (W.size // W.shape[-1]).bit_length() // 2)
            if b is not None:
                b[...] = whole(9 + l, b.shape, -32, 32) / 256
        n, d = self.rows, net._network.n_targets
        X = whole(1, (n, net.d[0]), -128, 128) / 64
        X = X.astype(dtype) if self.X is None else self.X(X)
        y = targets(self.loss, n, d) if self.y is None else self.y(n, d)
        w = whole(5, n, 0, 4) / 2 if self.weighted else None
        runtime.scratch_fill = scratch
        try:
            history = net.fit(X, y, self.optimizer, self.epochs, self.batch, sample_weight=w, n_threads=n_threads,
                              **self.fit)
            everything, forward = net.backprop(X, y, w), net.forward(X)
            loss, gradient = net.loss_and_grad(X, y, w)
            predictions = [net.predict(X), net.predict(X[:3]), net.evaluate(X, y, w)]
        finally:
            runtime.scratch_fill = None
        parts = {
            "params": [net.params],
            "loss": [history["loss"]],
            "predict": predictions + forward.s[1:] + forward.x[1:],
            "backprop": [everything.loss, everything.dX, *everything.s[1:], *everything.x[1:], *everything.delta[1:],
                         *everything.dW[1:], *everything.db[1:], loss, gradient],
        }
        return " ".join(digest(p) for p in parts.values())


def digest(arrays):
    h = hashlib.sha256()
    for a in (np.asarray(a) for a in arrays if a is not None):
        if not np.isfinite(a).all():
            raise FloatingPointError("NaN or infinity: its bits are nobody's promise, choose other numbers")
        h.update(np.ascontiguousarray(a, a.dtype.newbyteorder("<")).tobytes())
    return h.hexdigest()[:8]


WIDE = {"rows": 290, "batch": 128, "epochs": 1, "loss": "cross_entropy"}
DROPPED = [9, Dropout(0.25), Dense(20, "relu"), Dropout(0.5), Dense(33, "elu"), Dropout(0.125), Dense(3)]
BLOCK = fastmlp.Residual(Dense(20, "relu"), Dropout(0.25), Dense(12))
PROJECTED = fastmlp.Residual(Dense(17, "elu"), project=True)
GROUPED = Dense(96, "relu", groups=3)


def of_tables():
    """Every activation, loss and step of the core's tables."""
    yield from ((f"activation {a}", Case(dense([5, 17, 9, 3], a), Adam(1 / 64), batch=17)) for a in _core.ACTIVATIONS)
    yield from ((f"loss {e}", Case(dense([7, 12, 3], "tanh"), loss=e, weighted=True)) for e in _core.LOSSES)
    extras = {"": {}, " clipped": {"clip_norm": 0.125}, " l2 l1": {"l2": 1 / 32, "l1": 1 / 512},
              " clipped l2": {"clip_norm": 0.25, "l2": 1 / 64}}
    for name, (kind, numbers) in OPTIMIZERS.items():
        for extra, more in extras.items():
            step = kind(1 / 64, **numbers, **more)
            yield f"step {name}{extra}", Case(dense([6, 20, 4], "relu"), step, rows=150, batch=70)
            # too many weights for one vector step: tiles of gradient are stepped as they come
            yield f"step {name}{extra}, wider", Case(dense([50, 131, 70, 9], "relu"), step, rows=75, batch=33, epochs=2)


def of_shapes():
    """Widths, batches and outputs for which kernels have ways of their own."""
    # K blocks, packed panels, every width of a panel
    yield "wide", Case(dense([70, 300, 257, 10], "relu"), Adam(1 / 512), **WIDE)
    yield "wide clipped", Case(dense([70, 300, 257, 10], "gelu"), AdamW(1 / 512, clip_norm=0.5), **WIDE)
    yield "one output", Case(dense([64, 40, 1], "sigmoid"), Adam(1 / 64), "binary_cross_entropy", rows=200, batch=93)
    yield "one output, wide", Case(dense([300, 150, 1], "sigmoid"), Adam(1 / 64), rows=100, batch=41)
    yield "one output after pooling", Case([(8, 8, 1), Conv2D(5, 3, "relu"), MaxPool2D(2), 1], Adam(1 / 64))
    yield "many inputs, one output", Case(dense([700, 1], "relu"), SGD(1 / 1024, momentum=0.5))
    yield "few inputs, many outputs", Case(dense([2, 200], "relu"), SGD(1 / 64))
    yield "batches of one", Case(dense([2, 2, 1], "sigmoid"), batch=1)
    yield "no bias", Case(dense([5, 9, 3], "silu", bias=False), Adam(1 / 64))
    yield "arguments", Case([4, Dense(8, ("elu", 0.5)), Dense(3, ("leaky_relu", 0.25))], loss=("huber", 0.25))
    for loss in ("quantile", "ordered_quantile"):
        yield f"levels of {loss}", Case(dense([7, 12, 6], "tanh"), loss=(loss, (0.125, 0.5, 0.75)), weighted=True)
    yield "kind batch_norm, attacked", Case([9, fastmlp.BatchNorm(), Dense(20, "tanh"), fastmlp.BatchNorm(), 3],
                                            adversarial=Attack(1 / 8, max_iter=2, random_start=True), weighted=True)
    yield "probabilities", Case(dense([6, 8, 5], "elu"), loss="cross_entropy", y=sixteenths)


def of_maps_and_blocks():
    """Dropout, convolutions, sums."""
    yield "kind dropout", Case(DROPPED, Adam(1 / 64), rows=150, batch=70)
    yield "kind dropout, wider", Case([50, Dense(131, "relu"), Dropout(0.25), Dense(70, "tanh"), Dropout(0.5),
                                       Dense(9)], rows=75, batch=33)
    yield "kind conv", Case([(6, 5, 2), Conv2D(3, 3, "relu"), Dropout(0.25), Conv2D(17, 2, "tanh", padding="same"), 3],
                            Adam(1 / 64), rows=150, batch=70)
    yield "kind conv, wider", Case([(9, 9, 1), Conv2D(6, 3, "relu"), MaxPool2D(2, 1),
                                    Conv2D(40, (3, 2), "relu", stride=2, padding=1), 50, 3],
                                   Adam(1 / 64), rows=75, batch=33)
    yield "kind conv, one axis", Case([(20, 3), Conv1D(5, 3, "silu", dilation=2), MaxPool1D(2), 3],
                                      SGD(1 / 64, clip_norm=0.25), rows=75, batch=33)
    yield "kind sum", Case([9, Dense(12, "tanh"), BLOCK, PROJECTED, 3], Adam(1 / 64), rows=150, batch=70)
    inner = fastmlp.Residual(Dense(131, "relu"), Dense(131))
    nested = fastmlp.Residual(Dense(131, "relu"), inner)
    yield "kind sum, wider", Case([50, Dense(131, "relu"), nested, 9], Adam(1 / 64), rows=75, batch=33)
    yield "kind sum, maps", Case([(6, 5, 3), fastmlp.Residual(Conv2D(3, 3, "relu", padding="same")), MaxPool2D(2), 2],
                                 Adam(1 / 64), gradient_penalty=1 / 8, rows=75, batch=33)
    strided = fastmlp.Residual(Conv2D(17, 3, "relu", 2, "same"), Conv2D(17, 3, padding="same"), project=True)
    yield "kind conv, projection", Case([(6, 5, 3), strided, 2], Adam(1 / 64), gradient_penalty=1 / 8, rows=75,
                                        batch=33)


def of_columns_and_branches():
    """Categories, batch normalisation, identities, layers side by side, groups."""
    columns = fastmlp.Columns(3, [fastmlp.Embedding(7, 4), fastmlp.Embedding(40, 9, "zero")])
    small, large = {"X": in_last_columns(7, 40), "rows": 150, "batch": 70}, {"X": in_last_columns(60, 3000)}
    yield "kind columns", Case([columns, Dense(20, "tanh"), 3], Adam(1 / 64), gradient_penalty=1 / 8, **small)
    many = fastmlp.Columns(2, [fastmlp.Embedding(60, 5), fastmlp.Embedding(3000, 17, "zero")])
    for name, step in (("sgd", SGD(1 / 1024)), ("adagrad", Adagrad(1 / 64)), ("adam", Adam(1 / 64, l2=1 / 64))):
        yield f"kind columns, {name}", Case([many, Dense(131, "relu"), 9], step, rows=75, batch=33, **large)
    own = [fastmlp.Embedding(60, 5, lr_scale=0.5, decay=2), fastmlp.Embedding(3000, 17, "zero", lr_scale=2, decay=0.5)]
    for name, step in (("adagrad", Adagrad(1 / 64)), ("adam", Adam(1 / 64, l2=1 / 64))):
        yield f"kind columns, rates, {name}", Case([fastmlp.Columns(2, own), Dense(131, "relu"), 9], step, rows=75,
                                                   batch=33, **large)
    yield "kind columns, attacked", Case([columns, Dense(20, "tanh"), 3], SGD(1 / 256), input_noise=1 / 8,
                                         adversarial=Attack(1 / 4, 1 / 8, 2, 2, (-16.0, 16.0), True), **small)
    norm = fastmlp.BatchNorm()
    yield "kind batch_norm", Case([9, norm, Dense(20, "relu"), fastmlp.Residual(norm, Dense(20, "tanh")), 3],
                                  Adam(1 / 64, l2=1 / 8), rows=150, batch=70, weighted=True)
    yield "kind batch_norm, wider", Case([50, Dense(131, "relu"), norm, Dense(70, "tanh"), norm, 9], Adam(1 / 64),
                                         rows=75, batch=33)
    yield "kind batch_norm, maps", Case([(6, 5, 3), Conv2D(17, 2, "relu"), norm, MaxPool2D(2), norm, 2], Adam(1 / 64),
                                        rows=75, batch=33)
    yield "kind identity", Case([9, Dense(20, "tanh"), fastmlp.Identity(), 3], Adam(1 / 64), rows=150, batch=70)
    act = fastmlp.Activation
    yield "kind identity, activations", Case([9, act("tanh"), Dense(20), fastmlp.LayerNorm(), act("gelu"),
                                              fastmlp.Residual(act("relu"), Dense(20)), act(("elu", 0.5)), 3],
                                             Adam(1 / 64), gradient_penalty=1 / 8, rows=150, batch=70)
    yield "kind identity, activations of maps", Case([(6, 5, 3), Conv2D(17, 2), fastmlp.BatchNorm(), act("relu"),
                                                      MaxPool2D(2), act("silu"), 2], Adam(1 / 64), rows=75, batch=33)
    concat = fastmlp.Concat(Dense(12, "relu"), [Dense(20, "tanh"), Dense(5, "silu")], [])
    yield "kind concat", Case([9, concat, fastmlp.Concat([], Dense(17, "relu")), 3], Adam(1 / 64),
                              gradient_penalty=1 / 8, rows=150, batch=70)
    yield "kind concat, maps", Case([(6, 5, 3), fastmlp.Concat([], Conv2D(5, 3, "tanh", padding="same")), 2],
                                    Adam(1 / 64), rows=75, batch=33)
    yield "kind grouped", Case([9, Dense(12, "tanh", groups=3), Dense(20, "relu", groups=2), Dense(3)], Adam(1 / 64),
                               gradient_penalty=1 / 8, rows=150, batch=70)
    yield "kind grouped, wider", Case([50, Dense(192, "relu", groups=2), GROUPED, GROUPED, 9], Adam(1 / 64, l2=1 / 8),
                                      rows=75, batch=33)


def by_feature():
    """Factors, summands and normalisations of features, learned activations and gates."""
    scale, shift = fastmlp.Scale(), fastmlp.Shift()
    yield "kind scale", Case([9, scale, Dense(20, "tanh"), scale, Dense(70, "relu"), scale, 3], Adam(1 / 64, l2=1 / 8),
                             rows=150, batch=70, gradient_penalty=1 / 8)
    yield "kind shift", Case([9, shift, Dense(20, "tanh"), shift, Dense(70, "relu"), shift, 3], Adam(1 / 64, l2=1 / 8),
                             rows=150, batch=70, gradient_penalty=1 / 8)
    for kind, spec in (("layer_norm", fastmlp.LayerNorm), ("rms_norm", fastmlp.RMSNorm)):
        norm = spec()
        yield f"kind {kind}", Case([9, norm, Dense(20, "relu"), fastmlp.Residual(norm, Dense(20, "tanh")), 3],
                                   Adam(1 / 64, l2=1 / 8), rows=150, batch=70, weighted=True)
        yield f"kind {kind}, penalty", Case([9, norm, Dense(20, "silu"), spec(scale=False), 3], Adam(1 / 64),
                                            gradient_penalty=1 / 8, rows=75, batch=33)
        yield f"kind {kind}, wider", Case([50, Dense(131, "relu"), norm, Dense(70, "tanh"), norm, 9], Adam(1 / 64),
                                          rows=75, batch=33)
        yield f"kind {kind}, maps", Case([(6, 5, 3), norm, Conv2D(17, 2, "tanh"), norm, MaxPool2D(2), scale, shift, 2],
                                         Adam(1 / 64), rows=75, batch=33)
    mixed = [9, fastmlp.Mixture("silu", 0.5), Dense(20), fastmlp.Mixture("tanh"), Dense(70), fastmlp.Mixture("mish"), 3]
    yield "kind mixture", Case(mixed, Adam(1 / 64, l2=1 / 8), rows=150, batch=70, gradient_penalty=1 / 8)
    yield "kind mixture, maps", Case([(6, 5, 3), Conv2D(17, 2), fastmlp.Mixture("gelu"), MaxPool2D(2), 2],
                                     Adam(1 / 64), rows=75, batch=33)
    prelu = fastmlp.PReLU()
    yield "kind prelu", Case([9, prelu, Dense(20), prelu, Dense(70), prelu, 3], Adam(1 / 64, l2=1 / 8), rows=150,
                             batch=70, gradient_penalty=1 / 8)
    yield "kind glu", Case([10, fastmlp.GLU("tanh"), Dense(40), fastmlp.GLU("silu"), Dense(66), fastmlp.GLU(), 3],
                           Adam(1 / 64), rows=150, batch=70, gradient_penalty=1 / 8)
    yield "kind glu, maps", Case([(6, 5, 3), Conv2D(18, 2), fastmlp.GLU("gelu"), MaxPool2D(2), 2], Adam(1 / 64),
                                 rows=75, batch=33)


def of_numbers_and_windows():
    """Encodings of numbers, pools."""
    for phases in (False, True):
        name = "kind waves" + ", phases" * phases
        yield name, Case([9, fastmlp.Periodic(5, 0.25, phases=phases), Dense(20, "tanh"),
                          fastmlp.Periodic(16, 0.25, 3, "relu", phases), 3], Adam(1 / 64), rows=150, batch=70,
                         gradient_penalty=1 / 8)
    edges = [(np.arange(n) - n // 2) / 8 for n in (2, 3, 5, 9, 17, 33, 4, 10, 20)]
    binned = [9, fastmlp.PiecewiseLinear(edges, 20, "relu"), Dense(9, "tanh"), fastmlp.PiecewiseLinear(edges, 70), 3]
    yield "kind bins", Case(binned, Adam(1 / 64, l2=1 / 8), rows=150, batch=70, weighted=True)
    yield "kind bins, penalty", Case(binned, Adam(1 / 64), rows=150, batch=70, gradient_penalty=1 / 8)
    yield "kind bins, wider", Case([9, fastmlp.PiecewiseLinear(edges, 230, "relu"), Dense(70, "tanh"), 9],
                                   Adam(1 / 64, clip_norm=0.5), rows=75, batch=33)
    yield "kind max_pool", Case([(6, 7, 3), MaxPool2D(3, 2, padding=1), 5, 2])
    yield "convolutions with many parameters", Case([(16, 16, 1), Conv2D(8, 3, "relu"), MaxPool2D(2),
                                                     Conv2D(16, 3, "relu"), 60, 3],
                                                    Adam(1 / 64), rows=150, batch=70)
    yield "max_pool, windows apart", Case([(7, 6, 1), Conv2D(6, 2, "relu"), MaxPool2D(2),
                                           Conv2D(20, 2, "relu", padding=1), MaxPool2D((2, 1)), 2])
    yield "kind avg_pool", Case([(6, 7, 3), AvgPool2D(2, padding=1), 5, 2])


def with_penalties():
    """Penalties on the sensitivity to the input, and attacks."""
    penalised = {"rows": 150, "batch": 70, "weighted": True}
    for a in _core.ACTIVATIONS:
        yield f"penalty {a}", Case(dense([5, 17, 9, 3], a), Adam(1 / 64), batch=17, gradient_penalty=1 / 8)
    for e in _core.LOSSES:
        yield f"penalty {e}", Case(dense([7, 12, 3], "tanh"), loss=e, gradient_penalty=1 / 8, **penalised)
    yield "jacobian penalty", Case(DROPPED, Adam(1 / 64), jacobian_penalty=1 / 8, **penalised)
    yield "penalty kind conv", Case([(6, 5, 2), Conv2D(3, 3, "silu"), MaxPool2D(2), AvgPool2D(1, 2), 3], Adam(1 / 64),
                                    gradient_penalty=1 / 8, **penalised)
    norm = fastmlp.BatchNorm()
    for penalty in ("gradient_penalty", "jacobian_penalty"):
        yield f"{penalty} kind batch_norm", Case([9, norm, Dense(20, "tanh"), fastmlp.Residual(norm, Dense(20, "silu")),
                                                  norm, 3], Adam(1 / 64), **penalised, **{penalty: 1 / 8})
        yield f"{penalty} kind batch_norm, maps", Case([(6, 5, 3), Conv2D(17, 2, "relu"), norm, MaxPool2D(2), norm, 2],
                                                       Adam(1 / 64), rows=75, batch=33, **{penalty: 1 / 8})
    yield "penalty wide", Case(dense([70, 300, 257, 10], "relu"), Adam(1 / 512), gradient_penalty=1 / 8, **WIDE)
    for norm in (2, np.inf):
        yield f"adversarial {norm}", Case(dense([20, 40, 3], "tanh"), Adam(1 / 64), "cross_entropy", input_noise=1 / 8,
                                          rows=150, batch=70,
                                          adversarial=Attack(1 / 4, 1 / 8, 2, norm, (-16.0, 16.0), True))


def with_options():
    """Other options of fit, factors by layer, a loss in Python, many rows."""
    yield "ema", Case(dense([6, 20, 4], "relu"), Adam(1 / 64), ema=0.875, weighted=True)
    yield "ema, wider", Case([50, Dense(131, "relu"), Dense(70, "relu"), 9], Adam(1 / 64), rows=75, batch=33, ema=0.875)
    scaled = [50, Dense(131, "relu", lr_scale=0.5), Dense(70, "relu", decay=0.0), Dense(9, lr_scale=2.0, decay=4.0)]
    yield "factors by layer", Case([6, *scaled[1:]], AdamW(1 / 64, l2=1 / 64))
    yield "factors by layer, wider", Case(scaled, AdamW(1 / 64, l2=1 / 64), rows=75, batch=33)
    shrinking = [12, fastmlp.Scale(decay=1.0), Dense(20, bias_decay=0.5), fastmlp.Mixture("tanh", lr_scale=0.5),
                 fastmlp.LayerNorm(decay=0.5), fastmlp.Shift(decay=1.0), Dense(3, bias_lr_scale=0.25)]
    yield "factors of features and biases", Case(shrinking, AdamW(1 / 64, l2=1 / 64), rows=75, batch=33)
    yield "mixed", Case(dense([7, 12, 3], "tanh"), loss="cross_entropy", y=sixteenths, mixup=0.5, input_noise=1 / 8,
                        gradient_penalty=1 / 8, rows=150, batch=70)
    yield "mixed, wider", Case([50, Dense(131, "relu"), fastmlp.BatchNorm(), Dense(70, "relu"), 9], Adam(1 / 64),
                               rows=75, batch=33, mixup=0.5)
    yield "dropout by a schedule", Case([9, Dense(20, "relu"), Dropout(fastmlp.schedules.Step(0.5, 1, 0.5)), 3],
                                        SGD(1 / 16), jacobian_penalty=1 / 8)
    for e in ("cross_entropy", "binary_cross_entropy"):
        yield f"smoothed {e}", Case(dense([7, 12, 3], "tanh"), loss=e, label_smoothing=1 / 8, weighted=True)
    yield "python loss", Case(dense([6, 9, 2], "tanh"), loss=lambda x, y: (abs(x - y).max(axis=1), np.sign(x - y)),
                              weighted=True)
    yield "one full batch", Case(dense([3, 6, 2], "tanh"), rows=203, batch=None)
    yield "many rows", Case(dense([3, 6, 2], "relu"), rows=70001, batch=4096, epochs=1)


def with_rounding():
    """Operands rounded to bfloat16."""
    rounded = {"precision": "bfloat16"}
    yield "bfloat16", Case(dense([6, 40, 33, 4], "relu"), Adam(1 / 64), rows=150, batch=70, weighted=True, **rounded)
    yield "bfloat16, wide", Case(dense([70, 300, 257, 10], "gelu"), AdamW(1 / 512, clip_norm=0.5), **WIDE, **rounded)
    yield "bfloat16, one output", Case(dense([300, 150, 1], "sigmoid"), Adam(1 / 64), rows=100, batch=41, **rounded)
    yield "bfloat16, batches of one", Case(dense([2, 2, 1], "sigmoid"), batch=1, **rounded)
    yield "bfloat16, kind conv", Case([(9, 9, 1), Conv2D(6, 3, "relu"), MaxPool2D(2, 1),
                                       Conv2D(40, (3, 2), "relu", stride=2, padding=1), 50, 3],
                                      Adam(1 / 64), rows=75, batch=33, **rounded)
    yield "bfloat16, kind grouped", Case([50, Dense(192, "relu", groups=2), GROUPED, GROUPED, 9], Adam(1 / 64),
                                         rows=75, batch=70, **rounded)
    yield "bfloat16, kind sum", Case([9, Dense(12, "tanh"), BLOCK, PROJECTED, 3], Adam(1 / 64), rows=150, batch=70,
                                     **rounded)


def of_layouts():
    """Rows of X as they come."""
    yield "bytes", Case(dense([9, 8, 2], "relu"), SGD(1 / 8192), X=lambda X: (X * 16).astype(np.int8))
    yield "columns", Case(dense([9, 8, 2], "relu"), X=np.asfortranarray)
    yield "sparse", Case(dense([9, 8, 2], "relu"), X=lambda X: sparse.csr_array(np.where(X > 0.5, X, 0)))


def cases():
    """name -> Case."""
    for some in (of_tables, of_shapes, of_maps_and_blocks, of_columns_and_branches, by_feature, of_numbers_and_windows,
                 with_penalties, with_options, with_rounding, of_layouts):
        yield from some()


def order():
    """Of some of more rows than are shuffled as a whole."""
    rows = np.empty(20_000, np.int64)
    _core.shuffle(rows, 1, 2, 5_000_000, 10_000_001)
    return digest([rows])


def run(settings):
    return {"order": order()} | {f"{dtype} {name}": case.run(dtype, **settings) for name, case in cases()
                                 for dtype in case.dtypes}


if __name__ == "__main__":
    if sys.argv[1:] == ["--write"]:
        TABLE.write_text(json.dumps(run({}), indent=0) + "\n")
    else:
        json.dump({name: run(s) for name, s in SETTINGS.items()}, sys.stdout)
