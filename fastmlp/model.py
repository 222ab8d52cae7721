"""MLP: a multilayer perceptron."""
import copy
import json
import math
import numbers
import os
from dataclasses import replace
from types import SimpleNamespace

import numpy as np

from . import _check, _core, _document, _robust, io, sensitivity, training
from ._init import given, initial
from .layers import Dense, Dropout, input_shape
from .losses import Loss
from .summary import activation_name, summary
from .ties import Places, Ties

__all__ = ["MLP", "activations", "losses"]


MOST_UNITS = 2**31  # of a layer


def activations():
    """The names of the activations."""
    return list(_core.ACTIVATIONS)


def losses():
    """The names of the losses."""
    return list(_core.LOSSES)


class MLP:
    """A multilayer perceptron: s(l) = W(l)^T x(l-1) + b(l), x(l) = theta(s(l)), l = 1..L.

    Parameters
    ----------
    layers : list. The first entry is d(0), the number of inputs, or the shape of a map, (h, w, c) or
        (length, c), channels last. Each entry after it is an int, a Dense layer of that
        many units with the network's `activation` (the last one linear: the loss supplies its link), or a layer spec.
    activation : a name (`fastmlp.activations()`) or a pair (name, argument).
    loss : a name (`fastmlp.losses()`), a pair (name, number) for "huber" (threshold) and "quantile", or a callable
        loss(x, y) -> values (m,), derivatives (m, d(L)). The link of predictions is softmax for "cross_entropy",
        sigmoid for "binary_cross_entropy", exp for "poisson", else the identity.
    dtype : "float32" or "float64", of the weights and of all that is computed.
    init : how the weights of int layers start: a name of `fastmlp.initializers()`.
    random_state : None, an int, or a numpy Generator or RandomState: the weights' start and the order of the rows.
    ties : TiedGroup, Frozen, tie_transpose, tie_layers, tie_map: weights that share a parameter or stand still, see fastmlp.ties.

    Attributes
    ----------
    W, b : tuples by layer; entry 0 is None, as is that of a layer without. W[l] is a view (d(l-1), d(l)), b[l] a view
        (d(l),); of a convolution (kh, kw, c_in, c_out) and (c_out,). Writing into them changes the network; those of
        layers with tied or frozen weights are read-only, set `params` instead.
    shapes : the shapes of x(0) .. x(L) of one row; d their sizes. X may come as maps, (n, h, w, c), or (n, h, w) for one
        channel, or flat in C order; what is returned is flat, (n, d(l)).
    params : all W and b, layer by layer, as one flat array, with ties the free parameters, in the order of their first places;
        a copy, settable.
    n_params : their number.
    history : what the last fit and the partial_fits since it logged.
    """

    _n_threads = None  # of calls that do not say: an estimator's

    def __init__(self, layers, *, activation="relu", loss="squared_error", dtype="float32", init="glorot_uniform",
                 random_state=None, ties=()):
        self._dtype, self._loss = _dtype(dtype), Loss(loss)
        self._shapes, self._layers = map(tuple, _specs(layers, activation, init))
        self._d = tuple(math.prod(shape) for shape in self.shapes)
        if not isinstance(ties, (list, tuple)):
            raise TypeError(f"ties must be a list of ties, got {type(ties).__name__}")
        self.ties = tuple(ties)
        self._build()
        rng = _generator(random_state)
        starts = [self._start(l, rng) for l in range(1, len(self.d))]
        for l, (W, b) in enumerate(starts, 1):
            for view, start in zip(self._writable(l), (W, b)):
                if view is not None:
                    view[...] = start
        if self._ties:
            self._hold(self._ties.start(self._core.flat(self._core.P).astype(np.float64)))
        self._seed = int(rng.integers(2**63))
        self._epochs_ever = 0
        self._state = None
        self.history = training.History()

    def _build(self):
        """The compiled network, with zeros for weights."""
        places = [(self._wanted(l) if hasattr(y, "weights") else None, self.shapes[l][-1:] if y.bias else None)
                  for l, y in enumerate(self.layers, 1)]
        self._ties = Ties(self.ties, Places(*zip((None, None), *places))) if self.ties else None
        self._core = _core.Core(self.d, [self._row(y, shape) for y, shape in zip(self.layers, self.shapes)], (self.loss.kind, self.loss.arg),
                                self.loss.link, self.dtype, self._ties.tail() if self._ties else (0, 0))
        L = range(1, len(self.d))
        self._W, self._b = ((None, *arrays) for arrays in zip(*map(self._writable, L)))
        if self._ties:
            numbers = np.arange(self._core.P.size)
            self._program, self._homes = self._ties.program(self._flat(*self._unflatten(numbers)), self._core.tail())
            for l in self._ties.layers():
                for view in (self.W[l], self.b[l]):
                    if view is not None:
                        view.flags.writeable = False

    def _writable(self, l):
        """(W(l), b(l)) as views, of tied layers too."""
        return self._weight(l), self._core.bias(l)

    @staticmethod
    def _row(layer, shape):
        """A layer spec as the core takes it, after a layer of a shape."""
        name, arg = _check.named("activation", layer.activation, _core.ACTIVATIONS)
        return _core.KIND_NAMES[layer.kind], _core.ACTIVATIONS[name][0], getattr(layer, "rate", arg), layer.bias, \
            layer.window(shape) if hasattr(layer, "window") else ()

    def _weight(self, l, of=None):
        """W(l), or its part of what is laid out as the core's parameters, in its shape."""
        W = self._core.weight(l, of)
        return None if W is None else W.reshape(self._wanted(l))  # splits the rows, so it stays a view

    def _wanted(self, l):
        """The shape of W(l)."""
        return self.layers[l - 1].weights(self.shapes[l - 1])

    def _start(self, l, rng):
        y = self.layers[l - 1]
        if self.W[l] is None:
            return None, None
        W = initial(y.init, self._wanted(l), rng, f"init of layer {l}", self.dtype)
        return W, given(y.bias_init, self.shapes[l][-1:], f"bias_init of layer {l}", self.dtype) if y.bias else None

    # ---- what it is, for good

    dtype = property(lambda self: self._dtype)
    loss = property(lambda self: self._loss)
    layers = property(lambda self: self._layers)
    shapes = property(lambda self: self._shapes)
    d = property(lambda self: self._d)

    # ---- parameters

    @property
    def W(self):
        return self._W

    @property
    def b(self):
        return self._b

    @property
    def n_params(self):
        return int(self._ties.free.sum()) if self._ties else self._core.n_params

    @property
    def params(self):
        return self._taken(self._core.P)

    @params.setter
    def params(self, p):
        p = _check._numeric("params", p, self.dtype)
        if p.shape != (self.n_params,):
            raise ValueError(f"params must have shape ({self.n_params},), got {p.shape}")
        _check._finite("params", p, self.dtype)
        self._put(p, self._core.P)

    def _taken(self, of):
        """The parameters' part of what is laid out as the core's, flat."""
        return of[self._homes[self._ties.free]] if self._ties else self._core.flat(of)

    def _put(self, p, into):
        """Flat parameters into what is laid out as the core's: with ties into their weights as well where those are P."""
        if not self._ties:
            self._spread(p, *self._unflatten(into))
            return
        if into is self._core.P:
            q = into[self._homes]
            q[self._ties.free] = p
            self._hold(q)
        else:
            into[self._homes[self._ties.free]] = p

    def _hold(self, q):
        """Give the components of the ties their values q: all weights, the tied parameters' own places, what stands still."""
        with np.errstate(over="ignore"):  # refused below
            q = np.asarray(q, self.dtype)
        flat = self._ties.spread(q)
        _check._finite("ties: scale times parameter", flat, self.dtype)
        self._spread(flat, *self._unflatten(self._core.P))
        self._core.P[self._homes] = np.where(self._ties.free, q, flat[self._ties.first])
        *arrays, still = self._program
        self._core.tie(*arrays, flat[still].astype(np.float64), self._ties.whole)

    def _spread(self, p, W, b):
        """A flat array's parts into arrays by layer."""
        for a in self._arrays(W, b):
            a[...] = p[:a.size].reshape(a.shape)
            p = p[a.size:]

    @staticmethod
    def _arrays(W, b):
        return [a for pair in zip(W[1:], b[1:]) for a in pair if a is not None]

    def _flat(self, W, b):
        return np.concatenate([a.ravel() for a in self._arrays(W, b)])

    def _unflatten(self, G):
        """What is laid out as the core's parameters -> lists dW, db by layer."""
        L = range(1, len(self.d))
        return [None, *(self._weight(l, G) for l in L)], [None, *(self._core.bias(l, G) for l in L)]

    def _finite_weights(self):
        if not _core.all_finite(self._core.P):
            bad = [f"{name}[{l}]" for name, arrays in (("W", self.W), ("b", self.b)) for l, a in enumerate(arrays)
                   if a is not None and not np.isfinite(a).all()]
            raise ValueError(f"weights must be finite, got NaN or infinity in {', '.join(bad)}")

    # ---- data

    def _data(self, X, y=None, sample_weight=None, with_targets=True):
        """Users' arrays, checked and bound for the core."""
        X = _check.features(self._rows(X), self.d[0], self.dtype)
        if not with_targets:
            return _core.Data(X)
        n = X.shape[0]
        y = _check.targets(y, n, self.d[-1], self.loss.name, self.dtype)
        w = _check.weights(sample_weight, n, self.dtype)
        return _core.Data(X, y, w, self.loss.rows(y, self.dtype))

    def _rows(self, X):
        """Maps (n, h, w, c), or without a single channel, as flat rows; all else as it is."""
        shape = self.shapes[0]
        if len(shape) == 1 or hasattr(X, "tocsr"):
            return X
        X = np.asarray(X)
        if X.ndim > 2 and X.shape[1:] not in ((shape, shape[:-1]) if shape[-1] == 1 else (shape,)):
            raise ValueError(f"X must have shape {('n', *shape)} or (n, {self.d[0]}), got {X.shape}".replace("'n'", "n"))
        return X.reshape(len(X), self.d[0]) if X.ndim > 2 else X

    # ---- computing

    def forward(self, X):
        """The forward pass, all of it kept.

        X : (n, d(0)). Returns an object with lists `s`, `x` indexed by layer, of (n, d(l)) arrays; x[0] is the input,
        s[0] is None. x[L] is before the loss's link.
        """
        data = self._data(X, with_targets=False)
        self._finite_weights()
        with training.team_for(self, data.n, 1) as team:
            kept = self._core.sweep(data, False, team)
        return SimpleNamespace(s=kept["s"], x=kept["x"])

    def backprop(self, X, y, sample_weight=None):
        """Forward pass and delta sweep, all of it kept.

        X : (n, d(0)); y : (n,) or (n, d(L)); sample_weight : (n,) or None. Returns an object with `loss` (the weighted
        mean over rows), `s`, `x`, `delta` (lists by layer of (n, d(l)); delta is per row, de_i/ds), `dW`, `db` (lists
        by layer, gradients of `loss`) and `dX` (n, d(0)), per row, de_i/dx(0).
        """
        data = self._data(X, y, sample_weight)
        self._finite_weights()
        with training.team_for(self, data.n, 3) as team:
            kept = self._core.sweep(data, True, team)
        dW, db = self._unflatten(kept["G"])
        values = kept["values"].astype(np.float64)
        loss = float(values.mean() if sample_weight is None else np.average(values, weights=np.asarray(sample_weight)))
        delta = kept["delta"]
        return SimpleNamespace(loss=loss, s=kept["s"], x=kept["x"], delta=[None, *delta[1:]], dW=dW, db=db, dX=delta[0])

    def loss_and_grad(self, X, y, sample_weight=None, *, gradient_penalty=0.0, jacobian_penalty=0.0):
        """(mean loss, its gradient by `params`), for scipy.optimize and checks. Memory does not grow with the rows.

        gradient_penalty, jacobian_penalty : as in fit; part of the loss here. The projections of the second are the same in
        each call.
        """
        data = self._data(X, y, sample_weight)
        penalty = _robust.penalty(self, gradient_penalty=gradient_penalty, jacobian_penalty=jacobian_penalty)
        self._finite_weights()
        with training.team_for(self, data.n, 3) as team:
            total, G = self._core.gradient(data, team, penalty, self._seed)
        return total / data.weight_sum, self._gathered(G)

    def hvp(self, v, X, y, sample_weight=None):
        """The Hessian of the mean loss by `params` times v, (n_params,), in two sweeps (Pearlmutter 1994).

        v : (n_params,). The loss must be one of `fastmlp.losses()`.
        """
        if self.loss.function:
            raise ValueError("hvp needs second derivatives, which a function as the loss does not give")
        v = _check._numeric("v", v, self.dtype)
        if v.shape != (self.n_params,):
            raise ValueError(f"v must have shape ({self.n_params},), got {v.shape}")
        _check._finite("v", v, self.dtype)
        data = self._data(X, y, sample_weight)
        self._finite_weights()
        with training.team_for(self, data.n, 6) as team:
            return self._gathered(self._core.gradient(data, team, V=self._direction(v))[1])

    def _gathered(self, G):
        """The gradient by the parameters from what is laid out as the core's, by all weights."""
        gradient = self._core.flat(G)
        return self._ties.gather(gradient) if self._ties else gradient

    def _direction(self, v):
        """All weights' change along a change v of the parameters, laid out as the core's."""
        V = self._core.like_params()
        if self._ties:
            q = np.zeros(len(self._ties.first), self.dtype)  # what stands still stands still
            q[self._ties.free] = v
            v = self._ties.spread(q)
        self._spread(v, *self._unflatten(V))
        return V

    def predict(self, X):
        """What the loss's link gives, (n, d(L)): probabilities, means."""
        out = self._core.predict_small(X)
        if out is not None:
            return out
        data = self._data(X, with_targets=False)
        self._finite_weights()
        with training.team_for(self, data.n, 1) as team:
            return self._core.predict(data, team)

    def evaluate(self, X, y, sample_weight=None):
        """The mean loss."""
        data = self._data(X, y, sample_weight)
        self._finite_weights()
        with training.team_for(self, data.n, 1) as team:
            return self._core.evaluate(data, team) / data.weight_sum

    # ---- sensitivity to the input

    input_gradient = sensitivity.input_gradient
    jacobian = sensitivity.jacobian
    jvp = sensitivity.jvp
    vjp = sensitivity.vjp

    # ---- training

    def fit(self, X, y, optimizer=None, epochs=10, batch_size=32, sample_weight=None, validation_data=None, callbacks=(),
            shuffle=True, n_threads=None, verbose=0, validation_fraction=0.0, metrics=(),
            input_noise=0.0, gradient_penalty=0.0, jacobian_penalty=0.0, adversarial=None):
        """Train from the present weights with a fresh optimiser.

        X : (n, d(0)), dense of any real dtype and strides, or scipy sparse. y : (n,) or (n, d(L)), which may be
            scipy sparse too; for "cross_entropy" labels 0..d(L)-1 or rows of probabilities. Sparse rows are made dense
            a few at a time, but y as a whole for metrics.
        optimizer : SGD, Adam or AdamW; default SGD(0.01).
        epochs : how many times all rows are trained on.
        batch_size : rows a step; the last batch of an epoch may be smaller. None: all rows.
        sample_weight : (n,). Only ratios count: the gradient of a batch is that of the mean of w_i e_i over its rows,
            with w scaled to mean 1 over the data.
        validation_data : (X, y) or (X, y, sample_weight); its mean loss is logged after each epoch as "val_loss".
        callbacks : `Callback` objects, see fastmlp.callbacks, or functions of (net, epoch, logs) for the end of each
            epoch; a true result stops the fit.
        shuffle : a new order of the rows each epoch.
        n_threads : threads to use, or None for as many as pay off. Results do not depend on it.
        verbose : 1 shows a progress bar, or without a terminal a line an epoch.
        validation_fraction : the share of rows, drawn by the seed, to hold out for "val_loss" instead of validation_data.
        metrics : "accuracy", "r2", "mae", "auc", or functions of (y, prediction); logged after each epoch of the
            validation rows as "val_" and the name, or without validation of the training rows.
        input_noise : the standard deviation of normal noise that is added to X, anew in each epoch: it makes the network less
            sensitive to its input (Bishop 1995).
        gradient_penalty : lam, adds lam/2 times the (weighted) mean of ||de_i/dx_i(0)||^2 to what is minimised: double back
            propagation (Drucker and LeCun 1992). Its mean of each epoch is logged under this name. Where theta'' is 0 almost
            everywhere, as relu's, what the penalty does goes through W alone. Not with a function as the loss.
        jacobian_penalty : lam, the same for ||dx_i(L)/dx_i(0)||_F^2, of outputs before the loss's link, by one random projection
            of each row (Hoffman, Roberts and Yaida 2019).
        adversarial : a fastmlp.sensitivity.Attack: each batch is trained on, and penalties are taken, as the attack leaves it
            (Madry et al. 2018). Of gradient_penalty and jacobian_penalty one at most may be above 0.

        Returns the History: lists "loss" (mean over the epoch's rows, each at the weights before its batch's step),
        "lr", "val_loss" and the metrics by epoch. Where a loss is not finite the fit warns, stops, and the weights are those
        before the step that made it so.
        """
        return training.fit(self, X, y, training.Options(
            optimizer=optimizer, epochs=epochs, batch_size=batch_size, sample_weight=sample_weight,
            validation_data=validation_data, callbacks=callbacks, shuffle=shuffle, n_threads=n_threads, verbose=verbose,
            validation_fraction=validation_fraction, metrics=metrics, input_noise=input_noise,
            gradient_penalty=gradient_penalty, jacobian_penalty=jacobian_penalty, adversarial=adversarial), fresh=True)

    def partial_fit(self, X, y, optimizer=None, epochs=1, batch_size=32, sample_weight=None, validation_data=None,
                    callbacks=(), shuffle=True, n_threads=None, verbose=0, validation_fraction=0.0, metrics=(),
                    input_noise=0.0, gradient_penalty=0.0, jacobian_penalty=0.0, adversarial=None):
        """Go on with training: as fit, but the optimiser's state, the count of epochs and the random stream go on.

        optimizer : None for the present one. Another of the same kind goes on with the state; another kind starts anew.
        """
        return training.fit(self, X, y, training.Options(
            optimizer=optimizer, epochs=epochs, batch_size=batch_size, sample_weight=sample_weight,
            validation_data=validation_data, callbacks=callbacks, shuffle=shuffle, n_threads=n_threads, verbose=verbose,
            validation_fraction=validation_fraction, metrics=metrics, input_noise=input_noise,
            gradient_penalty=gradient_penalty, jacobian_penalty=jacobian_penalty, adversarial=adversarial), fresh=False)

    # ---- files

    def save(self, path):
        """Write the network to a file: specs, weights, the optimiser with its state, the random stream, the history.

        The format is safetensors, see fastmlp.io. The file is there whole or not at all. ValueError where the network
        holds functions of yours (a loss, a schedule), which no file can.
        """
        document, tensors = _document.of(self)
        io.write(path, json.dumps(document), tensors)

    @classmethod
    def load(cls, path):
        """The network that save wrote to a file. partial_fit goes on as if it had never stopped, to the bit.

        ValueError where the file is damaged, truncated, foreign or of a later format. Nothing in a file is run.
        """
        text, tensors = io.read(path)
        try:
            return _document.network(cls, json.loads(text), tensors)
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError, RecursionError) as error:
            raise ValueError(f"{os.fspath(path)!r} is not a network that fastmlp saved: {error}") from error

    def summary(self):
        """A table of the layers as a string: shapes, parameters, memory, operations a row. print(net.summary())"""
        return summary(self)

    # ---- copies

    def __getstate__(self):
        rebuilt = ("_core", "_W", "_b", "_state", "_ties", "_program", "_homes")
        state = {k: v for k, v in self.__dict__.items() if k not in rebuilt}
        state["history"] = copy.deepcopy(self.history)
        state["weights"] = self._core.flat(self._core.P)
        state["params"] = self.params if self._ties else None
        state["training"] = None if self._state is None else self._state.export(self)
        return state

    def __setstate__(self, state):
        weights, params, run = state["weights"], state["params"], state["training"]
        self.__dict__.update({k: v for k, v in state.items() if k not in ("weights", "params", "training")})
        self._build()
        self._resume(weights, params)
        self._state = None if run is None else training.State.restore(self, run)

    def _resume(self, weights, params):
        """All weights and the parameters as they were."""
        self._spread(weights, *self._unflatten(self._core.P))
        if self._ties:
            q = self._ties.start(weights)
            q[self._ties.free] = params
            self._hold(q)

    def __repr__(self):
        inner = ", ".join(f"{y.units} {activation_name(y.activation)}" if isinstance(y, Dense) else repr(y) for y in self.layers)
        first = self.d[0] if len(self.shapes[0]) == 1 else self.shapes[0]
        return f"MLP([{first}, {inner}], loss={self.loss.spec!r}, dtype={self.dtype.name!r}, n_params={self.n_params})"


def _dtype(dtype):
    try:
        known = None if dtype is None else np.dtype(dtype)  # None is float64 to NumPy
    except TypeError:
        known = None
    if known not in (np.float32, np.float64):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    return known


def _generator(random_state):
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31))
    if random_state is None or isinstance(random_state, (numbers.Integral, np.random.Generator)):
        if isinstance(random_state, numbers.Integral):
            _check.integer("random_state", random_state, 0)
        return np.random.default_rng(random_state)
    raise TypeError(f"random_state must be None, an int, or a numpy Generator or RandomState, got {random_state!r}")


def _specs(layers, activation, init):
    """The constructor's list -> shapes of x(0)..x(L) and one spec a layer, checked."""
    if isinstance(layers, (str, numbers.Integral)) or not hasattr(layers, "__len__"):
        raise TypeError(f"layers must be a list such as [64, 100, 10], got {layers!r}")
    if len(layers) < 2:
        raise ValueError(f"layers must have an input and at least one layer, got {list(layers)!r}")
    _check.named("activation", activation, _core.ACTIVATIONS)
    shapes, specs = [input_shape(layers[0])], []
    for l, entry in enumerate(layers[1:], 1):
        if isinstance(entry, numbers.Integral):
            entry = Dense(entry, activation if l < len(layers) - 1 else "identity", init=init)
        if isinstance(entry, Dense):
            _check.named(f"activation of layers[{l}]", entry.activation, _core.ACTIVATIONS)
            entry = replace(entry, units=_check.integer(f"units of layers[{l}]", entry.units, 1))
        elif isinstance(entry, Dropout):
            entry = Dropout(_check.number(f"rate of layers[{l}]", entry.rate, least=0, below=1))
        elif hasattr(entry, "window") and not isinstance(entry, type):
            _check.named(f"activation of layers[{l}]", entry.activation, _core.ACTIVATIONS)
        else:
            raise TypeError(f"layers[{l}] must be an int or a layer spec, got {entry!r}")
        _check.boolean(f"bias of layers[{l}]", entry.bias)
        try:
            shapes.append(entry.after(shapes[-1]))
            _check.integer("its units", math.prod(shapes[-1]), 1, MOST_UNITS)
        except ValueError as error:
            raise ValueError(f"layers[{l}]: {error}") from None
        specs.append(entry)
    if not isinstance(specs[-1], Dense):
        raise ValueError(f"the last of layers must be a Dense layer or an int, got {specs[-1]!r}")
    return shapes, specs
