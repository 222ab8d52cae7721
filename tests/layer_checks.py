"""What tests of single kinds of layers share: a network with rows, and the checks that each kind has to pass."""
import copy

import numpy as np
import pytest

import reference
from fastmlp import MLP, SGD
from test_twin import TOLERANCE, assert_near

NEAR = 0.01  # difference quotients look no further, lest theta' jumps within a step


def rows_for(net, rng, n=60):
    """(X, y) of a network's dtype."""
    return tuple(rng.standard_normal((n, d)).astype(net.dtype) for d in (net.d[0], net.d[-1]))


def problem(layers, rng, dtype="float64", n=60):
    """(a network whose parameters, also those that start from 0 or 1, all have values of their own, X, y)"""
    net = MLP(layers, dtype=dtype, random_state=0)
    net.params = net.params + 0.3 * rng.standard_normal(net.n_params)
    return net, *rows_for(net, rng, n)


def trained(net, p, X, y, sample_weight=None):
    """(the loss of a batch of all rows in training, from parameters p, its gradient: what a step of SGD takes off)"""
    one = copy.deepcopy(net)
    one.params = p
    one.fit(X, y, SGD(1.0), epochs=1, batch_size=None, sample_weight=sample_weight, shuffle=False, n_threads=1)
    return one.history["loss"][0], p - one.params


def assert_the_sweep_is_the_twins(net, X, y, times=10):
    """All that backprop gives, to so many times the tolerance of the network's dtype. Where X has NaN, as some
    categories are, so have copies of it among x."""
    near, clean = times * TOLERANCE[net.dtype.name], np.nan_to_num if np.isnan(X).any() else np.asarray
    found, wanted = net.backprop(X, y), reference.twin_of(net).backprop(X, y)
    assert found.loss == pytest.approx(wanted.loss, rel=near)
    assert_near(found.dX, wanted.dX, near)
    for l in range(1, len(net.d)):
        for part in ("x", "delta", "dW", "db"):
            a, b = getattr(found, part)[l], getattr(wanted, part)[l]
            assert (a is None) == (b is None)
            if a is not None:
                assert_near(clean(a), clean(b), near)


def assert_the_parameters_are_the_twins(net, twin, rtol, atol):
    for l in range(1, len(net.d)):
        for a, b in ((net.W[l], twin.W[l]), (net.b[l], twin.b[l])):
            if a is not None:
                np.testing.assert_allclose(a, b, rtol=rtol, atol=atol)


def assert_steps_are_the_twins(net, X, y, lr=0.01, rtol=1e-10, atol=1e-11):
    """Six steps with momentum, of which the last of each epoch has fewer rows."""
    twin, optimizer = reference.twin_of(net), reference.SGD(lr, momentum=0.9)
    net.fit(X, y, SGD(lr, momentum=0.9), epochs=2, batch_size=25, shuffle=False, n_threads=2)
    reference.train(twin, optimizer, X, y, epochs=2, batch=25)
    assert_the_parameters_are_the_twins(net, twin, rtol, atol)


def assert_the_jvp_is_the_jacobians(net, X, rng, atol=1e-12):
    J, V = net.jacobian(X), rng.standard_normal(X.shape)
    np.testing.assert_allclose(net.jvp(X, V), np.einsum("nkj,nj->nk", J, V), rtol=1e-11, atol=atol)
    return J


def summed(net, X):
    """backprop where the error is the sum of what layer 1 gives: layer 2, the last, adds that up, and de/dx(2) is 1."""
    net.W[2][...] = 1
    return net.backprop(X, net.predict(X) - 0.5)  # de/dx(2) = 2 (x - y)


def assert_decay_leaves_alone(layers, rng, *parameters):
    """l2 moves W of layer 2 and none of some parameters, functions of a network."""
    plain, heavy = (MLP(layers, random_state=0) for _ in range(2))
    X, y = rows_for(plain, rng, 30)
    for net, l2 in ((plain, 0.0), (heavy, 1.0)):
        net.fit(X, y, SGD(1e-3, l2=l2), epochs=1, batch_size=None)
    for parameter in parameters:
        np.testing.assert_array_equal(parameter(plain), parameter(heavy))
    assert (plain.W[2] != heavy.W[2]).all()


def assert_equal_to_pytorch(net, module, X, y):
    """A network of layer 1 and a Dense layer equals a module and a linear layer: outputs, de/dx(0), and the module's
    weight's and bias's gradients."""
    import torch

    rows = torch.tensor(X, requires_grad=True)
    out = module(rows) @ torch.tensor(net.W[2]) + torch.tensor(net.b[2])
    ((out - torch.tensor(y)) ** 2).sum(dim=1).mean().backward()
    found = net.backprop(X, y)
    gradients = [(found.dW[1], getattr(module, "weight", None)), (found.db[1], getattr(module, "bias", None))]
    for ours, theirs in ((found.x[2], out.detach()), (found.dX / len(X), rows.grad),
                         *((a, theirs.grad) for a, theirs in gradients if a is not None)):
        np.testing.assert_allclose(ours, theirs, rtol=1e-10, atol=1e-12)
