"""Training in PyTorch and here: the same weights and running statistics, by every optimiser that both have and with
every kind of layer."""
import numpy as np
import pytest

from export_cases import KINDS, of_layers
from fastmlp import MLP, SGD, Adagrad, Adam, AdamW, BatchNorm, Conv2D, Dense, Dropout, NAdam, Residual, RMSprop, optim

torch = pytest.importorskip("torch")

MIXED = [(6, 5, 2), Conv2D(3, 3, "tanh"), BatchNorm(), Dense(9, "gelu"), Residual(Dense(7, "tanh"), 9), 4]
# spec -> PyTorch's class and what it is called with besides the rate; eps that do not count where it stands elsewhere
OPTIMIZERS = {
    SGD(0.02): ("SGD", {}),
    SGD(0.02, momentum=0.9): ("SGD", dict(momentum=0.9)),
    SGD(0.02, momentum=0.8, nesterov=True): ("SGD", dict(momentum=0.8, nesterov=True)),
    Adam(0.02, 0.8, 0.95, 1e-100): ("Adam", dict(betas=(0.8, 0.95), eps=1e-100)),
    AdamW(0.02, eps=1e-100, weight_decay=0.0): ("AdamW", dict(eps=1e-100, weight_decay=0.0)),
    NAdam(0.01): ("NAdam", {}),
    RMSprop(0.01, 0.9, 0.01, 0.7): ("RMSprop", dict(alpha=0.9, eps=0.01, momentum=0.7)),
    NAdam(0.02, 0.8, 0.95, 0.1, 0.1): ("NAdam", dict(betas=(0.8, 0.95), eps=0.1, momentum_decay=0.1)),
    Adagrad(0.05, 0.01): ("Adagrad", dict(eps=0.01)),
}
DECAYING = {  # of all that is learned there, here of weights alone
    SGD(0.05, momentum=0.9, nesterov=True, l2=0.01): ("SGD", dict(momentum=0.9, nesterov=True, weight_decay=0.01)),
    Adam(0.05, eps=1e-100, l2=0.01): ("Adam", dict(eps=1e-100, weight_decay=0.01)),
    AdamW(0.05, eps=1e-100, weight_decay=0.1): ("AdamW", dict(eps=1e-100, weight_decay=0.1)),
    NAdam(0.02, l2=0.01): ("NAdam", dict(weight_decay=0.01)),
    RMSprop(0.02, l2=0.01): ("RMSprop", dict(weight_decay=0.01)),
    Adagrad(0.1, 0.1, l2=0.01): ("Adagrad", dict(eps=0.1, weight_decay=0.01)),
}
NOT_THERE = {optim.Lion}


def trained_there(net, X, y, optimizer, batch_size, epochs):
    """The network after training in PyTorch, with rows in their order."""
    name, numbers = (OPTIMIZERS | DECAYING)[optimizer]
    module = net.to_torch(link=False).train()
    steps = getattr(torch.optim, name)(module.parameters(), lr=optimizer.lr, **numbers)
    for i in [*range(0, len(X), batch_size)] * epochs:
        steps.zero_grad()
        out = module(torch.from_numpy(X[i:i + batch_size]))
        (out - torch.from_numpy(y[i:i + batch_size])).square().sum(1).mean().backward()
        steps.step()
    return MLP.from_torch(module.eval(), net.shapes[0] if len(net.shapes[0]) > 1 else None)


def assert_trained_alike(entries, optimizer):
    net, X = of_layers(entries, dtype="float64")
    y = np.random.default_rng(1).standard_normal((len(X), net.d[-1]))
    before, theirs = net.params, trained_there(net, X, y, optimizer, 20, epochs=5)
    net.fit(X, y, optimizer, epochs=5, batch_size=20, shuffle=False)
    for found, wanted in zip(net._network.learned, theirs._network.learned):  # parameters, running statistics
        np.testing.assert_allclose(found, wanted, rtol=1e-10, atol=1e-10)
    assert np.abs(net.params - before).max() > 0.01
    np.testing.assert_allclose(net.predict(X), theirs.predict(X), rtol=1e-10, atol=1e-10)


@pytest.fixture(autouse=True)
def one_thread_in_float64():
    """For a product of NAdam's that PyTorch keeps in the default dtype; and other threads are not worth their start."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)
    torch.set_num_threads(threads)


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=str)
def test_optimisers(optimizer):
    assert_trained_alike(MIXED, optimizer)


@pytest.mark.parametrize("optimizer", DECAYING, ids=str)
def test_decays(optimizer):
    assert_trained_alike([7, Dense(40, "tanh", bias=False), Dense(3, bias=False)], optimizer)


def test_all_optimisers_are_compared():
    assert {type(optimizer) for optimizer in OPTIMIZERS} | NOT_THERE == {getattr(optim, n) for n in optim.__all__}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not Dropout], ids=lambda kind: kind.__name__)
def test_kinds_of_layers(kind):
    entries = [entry for entry in KINDS[kind] if not isinstance(entry, Dropout)]  # whose numbers are random
    assert_trained_alike(entries, SGD(0.02, momentum=0.9))
