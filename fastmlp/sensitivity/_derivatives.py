"""How a network's outputs and its error depend on its input: the delta sweep, one layer further, de/dx(0) = W(1) delta(1).

Derivatives of outputs are at="logits", of x(L), before the loss's link, unless at="probabilities" asks for those of what
predict gives. Both are exact; of a saturated softmax the second vanish while the first say what the network looks at.
"""
import numpy as np

from .. import _check, _core, training

# link -> its Jacobian, of predictions p, times u
LINKS = {
    "identity": lambda p, u: u,
    "exp": lambda p, u: p * u,
    "sigmoid": lambda p, u: p * (1 - p) * u,
    "softmax": lambda p, u: p * (u - (p * u).sum(axis=1, keepdims=True)),
}
BLOCK_BYTES = 2**26  # of what is held at once besides the result


def blocks(n, row_bytes):
    """Slices of n rows, as many as fit into a block, one at least."""
    step = max(1, BLOCK_BYTES // row_bytes)
    return [slice(i, i + step) for i in range(0, n, step)]


def vjp(net, X, U, at="logits"):
    """sum_k u_k dx_k(L)/dx(0) of each row.

    X : (n, d(0)). U : (n, d(L)). Returns (n, d(0)). In one sweep, whatever d(L).
    """
    data = net._data(X, with_targets=False)
    _check.one_of("at", at, ("logits", "probabilities"))
    U = _directions("U", U, (data.n, net.d[-1]), net.dtype)
    net._finite_weights()
    with training.team_for(net, data.n, 2) as team:
        if at == "probabilities":
            U = np.ascontiguousarray(_through_link(net, data, team, U), net.dtype)
        return net._core.pull(data, team, U)[0]


def input_gradient(net, X, y=None, output=None, at="logits"):
    """de_i/dx_i(0), the sensitivity of each row's error to its input, or dx_k(L)/dx(0) for output k.

    X : (n, d(0)). y : targets, for the loss; or output : k, 0 .. d(L) - 1. Returns (n, d(0)).
    """
    if (y is None) == (output is None):
        raise ValueError("one of y, for the loss, and output, for a single output, must be given")
    if y is None:
        output = _check.integer("output", output, 0, net.d[-1] - 1)
        rows = X.shape[0] if hasattr(X, "shape") else len(X)
        return vjp(net, X, np.tile(np.eye(net.d[-1])[output], (rows, 1)), at)
    data = net._data(X, y)
    net._finite_weights()
    with training.team_for(net, data.n, 2) as team:
        return net._core.pull(data, team)[0]


def jacobian(net, X, at="logits"):
    """dx_k(L)/dx_j(0) of each row, (n, d(L), d(0)): one sweep for each output."""
    rows = X.shape[0] if hasattr(X, "shape") else len(X)
    J = np.empty((rows, net.d[-1], net.d[0]), net.dtype)
    for k in range(net.d[-1]):
        J[:, k] = input_gradient(net, X, output=k, at=at)
    return J


def jvp(net, X, V, at="logits"):
    """sum_j v_j dx(L)/dx_j(0) of each row.

    X : (n, d(0)). V : (n, d(0)). Returns (n, d(L)). In one sweep, whatever d(0).
    """
    data = net._data(X, with_targets=False)
    _check.one_of("at", at, ("logits", "probabilities"))
    V = _directions("V", V, (data.n, net.d[0]), net.dtype)
    net._finite_weights()
    with training.team_for(net, data.n, 2) as team:
        along = net._core.push(data, team, V)
        return _through_link(net, data, team, along) if at == "probabilities" else along


def _directions(name, a, shape, dtype):
    a = _check._numeric(name, a, dtype)
    if a.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {a.shape}")
    _check._finite(name, a, dtype)
    return np.ascontiguousarray(a, dtype)


def _through_link(net, data, team, u):
    """u, an array by rows and outputs, times the Jacobian of the link, which is symmetric."""
    link = next(name for name, number in _core.LINKS.items() if number == net.loss.link)
    return LINKS[link](net._core.predict(data, team), u)
