"""Exact derivatives of the compiled network: of the loss by the parameters, of the loss and the outputs by the input.

`MLP` has a method for each, whose docstring gives shapes of arguments and results; wrong arguments are a ValueError or
TypeError.
"""
from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np

from . import _arrays, _checks, _core, _robustness
from ._network import Network
from ._types import Floats

OUTPUTS = ("logits", "probabilities")  # x(L), before the loss's link, and the result of predict

Product = Callable[[Floats, Floats, int], Floats]


def _symmetric(product: Callable[[Floats, Floats], Floats]) -> tuple[Product, Product]:
    return (lambda p, u, _: product(p, u),) * 2


def _along_increments(p: Floats, u: Floats, each: int) -> Floats:
    """The Jacobian of the increasing link times u: each p is x of the first output plus softplus(x) of those after it,
    up to its own."""
    return np.cumsum(_slopes(p, each) * u.reshape(len(u), -1, each), axis=2).reshape(u.shape)


def _back_to_increments(p: Floats, u: Floats, each: int) -> Floats:
    above = np.cumsum(u.reshape(len(u), -1, each)[:, :, ::-1], axis=2)[:, :, ::-1]
    return (_slopes(p, each) * above).reshape(u.shape)


def _slopes(p: Floats, each: int) -> Floats:
    """The derivatives of the increments, (n, targets, each): 1 for the first, sigmoid(x) = 1 - e^-softplus(x) for the
    others."""
    slopes = np.ones((len(p), p.shape[1] // each, each), p.dtype)
    slopes[:, :, 1:] = -np.expm1(-np.diff(p.reshape(slopes.shape), axis=2))
    return slopes


# link -> functions of (predictions p, u, outputs for each target): its Jacobian at p times u, and its transpose times u
LINKS: dict[str, tuple[Product, Product]] = {
    "identity": _symmetric(lambda p, u: u),
    "exp": _symmetric(lambda p, u: p * u),
    "sigmoid": _symmetric(lambda p, u: p * (1 - p) * u),
    "softmax": _symmetric(lambda p, u: p * (u - (p * u).sum(axis=1, keepdims=True))),
    "increasing": (_along_increments, _back_to_increments),
}


# ---- by the parameters


def backprop(network: Network, X: Any, y: Any, sample_weight: Any) -> SimpleNamespace:
    data = network.bind(X, y, sample_weight)
    network.parameters.require_finite()
    with network.team(data.n, 3) as team:
        found = network.core.sweep(data, True, team)
    dW, db = network.parameters.by_layer(found["G"])
    values = found["values"].astype(np.float64)
    weights = None if sample_weight is None else np.asarray(sample_weight)
    loss = float(values.mean() if weights is None else np.average(values, weights=weights))
    dX, *delta = found["delta"]
    return SimpleNamespace(loss=loss, s=found["s"], x=found["x"], delta=[None, *delta], dW=dW, db=db, dX=dX)


def loss_and_gradient(network: Network, X: Any, y: Any, sample_weight: Any, **penalties: float) -> tuple[float, Floats]:
    data = network.bind(X, y, sample_weight)
    penalty = _robustness.penalty(network, **penalties)
    network.parameters.require_finite()
    with network.team(data.n, 3) as team:
        total, gradient = finite_or_nan(*network.core.gradient(data, team, penalty, network.progress.seed))
    return total / data.weight_sum, network.parameters.gather(gradient)


def finite_or_nan(total: float, derivative: Floats) -> tuple[float, Floats]:
    """(total, derivative), the derivative filled with NaN if the sum of losses, total, is not finite: the engine leaves
    zeros then, which an optimiser would take for a minimum."""
    if not np.isfinite(total):
        derivative.fill(np.nan)
    return total, derivative


def hessian_product(network: Network, v: Any, X: Any, y: Any, sample_weight: Any) -> Floats:
    if network.loss.function:
        raise ValueError("hvp needs second derivatives, which a function as the loss does not give")
    v = _arrays.shaped("v", v, (network.parameters.n,), network.dtype)
    data = network.bind(X, y, sample_weight)
    network.parameters.require_finite()
    with network.team(data.n, 6) as team:
        _, along = finite_or_nan(*network.core.gradient(data, team, V=network.parameters.direction(v)))
    return network.parameters.gather(along)


# ---- by the input: the delta sweep, one layer further, de/dx(0) = W(1) delta(1)


def input_gradient(network: Network, X: Any, y: Any, output: int | None, at: str) -> Floats:
    if (y is None) == (output is None):
        raise ValueError("one of y, for the loss, and output, for a single output, must be given")
    if y is None:
        output = _checks.integer("output", output, 0, network.d[-1] - 1)
        X = network.features(X)
        U = np.zeros((X.shape[0], network.d[-1]), network.dtype)
        U[:, output] = 1
        return vjp(network, X, U, at)
    data = network.bind(X, y)
    network.parameters.require_finite()
    with network.team(data.n, 2) as team:
        return network.core.pull(data, team)[0]


def jacobian(network: Network, X: Any, at: str) -> Floats:
    X = network.features(X)
    J = np.empty((X.shape[0], network.d[-1], network.d[0]), network.dtype)
    for part in _arrays.blocks(len(J), J[:1].nbytes):  # signals are not handled while memory is cleared
        for k in range(network.d[-1]):
            J[part, k] = input_gradient(network, X[part], None, k, at)
    return J


def vjp(network: Network, X: Any, U: Any, at: str) -> Floats:
    data = network.bind_inputs(X)
    _checks.one_of("at", at, OUTPUTS)
    U = _along("U", U, (data.n, network.d[-1]), network.dtype)
    network.parameters.require_finite()
    with network.team(data.n, 2) as team:
        if at == "probabilities":
            U = np.ascontiguousarray(_through_link(network, data, team, U, back=True), network.dtype)
        return network.core.pull(data, team, U)[0]


def jvp(network: Network, X: Any, V: Any, at: str) -> Floats:
    data = network.bind_inputs(X)
    _checks.one_of("at", at, OUTPUTS)
    V = _along("V", network.flat_rows(V, "V"), (data.n, network.d[0]), network.dtype)
    network.parameters.require_finite()
    with network.team(data.n, 2) as team:
        along = network.core.push(data, team, V)
        return _through_link(network, data, team, along) if at == "probabilities" else along


def _along(name: str, a: Any, shape: tuple[int, int], dtype: np.dtype[Any]) -> Floats:
    return np.ascontiguousarray(_arrays.shaped(name, _arrays.dense(a, name), shape, dtype), dtype)


def _through_link(network: Network, data: _core.Data, team: _core.Team, u: Floats, back: bool = False) -> Floats:
    """The Jacobian of the loss's link, or transposed, times u, (n, d(L))."""
    loss, p = network.loss, network.core.predict(data, team)
    of_a_member = -1, u.shape[1] // loss.members
    product = LINKS[loss.link_name][back]
    return product(p.reshape(of_a_member), u.reshape(of_a_member), loss.outputs_each).reshape(u.shape)
