"""Networks as modules of PyTorch: the same outputs and gradients, and back to the bit."""
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

import fastmlp
from export_cases import KINDS, LOSSES, beginning_with, networks, of_kind, of_layers, of_loss
from fastmlp import MLP, Concat, Dense, Dropout, layers, schedules

torch = pytest.importorskip("torch")
nn = torch.nn
NEAR = {"float32": 1e-5, "float64": 1e-12}
dtypes = pytest.mark.parametrize("dtype", NEAR)
kinds = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)


def outputs(module, X):
    with torch.no_grad():
        return module(torch.from_numpy(X)).numpy()


@dtypes
@kinds
def test_the_same_outputs(kind, dtype):
    net, X = of_kind(kind, dtype=dtype)
    near = NEAR[dtype]
    for rows in (X, X.reshape(-1, *net.shapes[0])):
        np.testing.assert_allclose(outputs(net.to_torch(), rows), net.predict(X), rtol=near, atol=near)


@dtypes
@pytest.mark.parametrize("activation", fastmlp.activations())
def test_each_activation(activation, dtype):
    given = (activation, 0.3) if activation in ("elu", "leaky_relu") else activation
    net, X = of_layers([6, Dense(33, given), Dense(8, given), 4], dtype=dtype)
    X, near = np.concatenate([X, 9 * X]), NEAR[dtype]
    np.testing.assert_allclose(outputs(net.to_torch(), X), net.predict(X), rtol=near, atol=10 * near)


@dtypes
@pytest.mark.parametrize("loss", LOSSES, ids=str)
def test_each_link(loss, dtype):
    net, X = of_loss(loss, 5, dtype=dtype)
    near = NEAR[dtype]
    np.testing.assert_allclose(outputs(net.to_torch(), X), net.predict(X), rtol=near, atol=near)
    np.testing.assert_allclose(outputs(net.to_torch(link=False), X), net.forward(X).x[-1], rtol=near, atol=near)


@kinds
def test_the_same_gradients(kind):
    net, X = of_kind(kind, dtype="float64")
    y = np.random.default_rng(1).random((len(X), net.d[-1]))
    module, rows = net.to_torch(), torch.from_numpy(X).requires_grad_()
    (module(rows) - torch.from_numpy(y)).square().sum(1).mean().backward()
    np.testing.assert_allclose(rows.grad.numpy() * len(X), net.input_gradient(X, y), rtol=1e-9, atol=1e-11)
    gradient = MLP.from_torch(with_gradients(module), net.shapes[0] if len(net.shapes[0]) > 1 else net.d[0])
    np.testing.assert_allclose(gradient.params, net.loss_and_grad(X, y)[1], rtol=1e-9, atol=1e-11)


def with_gradients(module):
    """The module with its gradients in the place of its parameters."""
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(p.grad)
    return module


@dtypes
@kinds
def test_there_and_back_to_the_bit(kind, dtype):
    for loss in ("squared_error", "cross_entropy", "binary_cross_entropy", "poisson"):
        net, X = of_kind(kind, dtype=dtype, loss=loss)
        twin = MLP.from_torch(net.to_torch())
        assert twin.loss.spec == loss and twin.dtype == net.dtype
        np.testing.assert_array_equal(twin.params, net.params)
        np.testing.assert_array_equal(twin.predict(X), net.predict(X))


@given(networks())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_random_networks(drawn):
    net, X = drawn
    near = 20 * NEAR[net.dtype.name]  # deep ones amplify rounding
    found, wanted = outputs(net.to_torch(), X.reshape(-1, *net.shapes[0])), net.predict(X)
    np.testing.assert_allclose(found, wanted, rtol=near, atol=near * max(1, np.abs(wanted).max()))
    twin = MLP.from_torch(net.to_torch(), loss=net.loss.spec)
    assert twin.shapes == net.shapes and list(map(type, twin.layers)) == list(map(type, net.layers))
    np.testing.assert_array_equal(twin.params, net.params)
    np.testing.assert_array_equal(twin.predict(X), wanted)


@pytest.mark.parametrize("first", [layers.RMSNorm(scale=False), layers.GLU(), layers.Identity(), layers.PReLU(),
                                   Concat(layers.PReLU(), layers.Mixture("tanh")), layers.Waves(2)])
def test_what_first_modules_do_not_tell(first):
    net, X = of_layers([6, first, 3])
    np.testing.assert_allclose(outputs(net.to_torch(), X), net.predict(X), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(MLP.from_torch(net.to_torch()).predict(X), net.predict(X))
@kinds
def test_whatever_comes_first(kind):
    for entries in beginning_with(kind):
        net, X = of_layers(entries, dtype="float64")
        module = net.to_torch()
        np.testing.assert_allclose(outputs(module, X), net.predict(X), rtol=1e-12, atol=1e-12)
        twin = MLP.from_torch(module)
        assert list(map(type, twin.layers)) == list(map(type, net.layers)) and twin.shapes == net.shapes
        np.testing.assert_array_equal(twin.params, net.params)
        np.testing.assert_array_equal(twin.predict(X), net.predict(X))


def test_a_rate_that_changes_is_the_first():
    module = MLP([4, Dropout(schedules.Cosine(0.5, 3)), 2]).to_torch()
    assert MLP.from_torch(module).layers[0].rate == 0.5


@pytest.mark.parametrize("activation", fastmlp.activations())
def test_activations_there_and_back(activation):
    given = (activation, 0.5) if activation in ("elu", "leaky_relu") else activation
    twin = MLP.from_torch(MLP([3, Dense(4, given), 2]).to_torch())
    assert twin.layers[0].activation == given


def test_a_module_of_pytorchs_own():
    torch.manual_seed(0)
    module = nn.Sequential(nn.Conv2d(2, 6, 3, padding=1), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.BatchNorm2d(6),
                           nn.Conv2d(6, 5, (2, 1), stride=(1, 2), padding="valid"), nn.GELU(), nn.Flatten(),
                           nn.Linear(2 * 5 * 2, 9), nn.LeakyReLU(0.25), nn.Dropout(0.1), nn.Linear(9, 3), nn.Softmax(1))
    module.eval()
    X = np.random.default_rng(0).standard_normal((20, 2, 6, 8)).astype(np.float32)
    net = MLP.from_torch(module, (6, 8, 2))
    assert net.loss.spec == "cross_entropy"
    np.testing.assert_allclose(net.predict(np.moveaxis(X, 1, -1)), outputs(module, X), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("between", [[], [nn.Dropout(0.5)], [nn.ReLU(), nn.Identity()]], ids=["", "dropout", "relu"])
@pytest.mark.parametrize("axes", [1, 2])
def test_maps_as_rows_with_channels_first(axes, between):
    convolution, size = (nn.Conv1d, nn.Conv2d)[axes - 1], (4, 3)[:axes]
    module = nn.Sequential(convolution(2, 5, 1), nn.Flatten(), *between, nn.Linear(5 * int(np.prod(size)), 3)).eval()
    X = np.random.default_rng(0).standard_normal((9, 2, *size)).astype(np.float32)
    net = MLP.from_torch(module, (*size, 2))
    np.testing.assert_allclose(net.predict(np.moveaxis(X, 1, -1)), outputs(module, X), rtol=1e-4, atol=1e-6)


def settled(module, shape):
    """A module in eval mode, in float64 and with numbers of its own everywhere, and 20 rows of a shape."""
    torch.manual_seed(0)
    module, X = module.double(), torch.randn(20, *shape, dtype=torch.float64)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn_like(p))
        for _ in range(3):
            module.train()(X)
    return module.eval(), X.numpy()


OF_ROWS = {  # modules of PyTorch's own that read rows of 4
    "LayerNorm": lambda: [nn.LayerNorm(4), nn.Linear(4, 6), nn.LayerNorm(6, eps=0.1), nn.Linear(6, 2)],
    "LayerNorm without beta": lambda: [nn.Linear(4, 6), nn.LayerNorm(6, bias=False), nn.Linear(6, 2)],
    "LayerNorm alone": lambda: [nn.LayerNorm((4,), elementwise_affine=False), nn.Linear(4, 2)],
    "RMSNorm": lambda: [nn.RMSNorm(4, eps=0.1), nn.Linear(4, 6), nn.RMSNorm(6), nn.Linear(6, 2)],
    "RMSNorm alone": lambda: [nn.RMSNorm(4, elementwise_affine=False), nn.Linear(4, 2)],
    "BatchNorm without affine": lambda: [nn.Linear(4, 6), nn.BatchNorm1d(6, affine=False), nn.Linear(6, 2)],
    "Dropout first": lambda: [nn.Dropout(0.3), nn.Identity(), nn.Linear(4, 2)],
    "PReLU first": lambda: [nn.PReLU(), nn.Linear(4, 2)],
    "ReLU first": lambda: [nn.ReLU(), nn.Linear(4, 2)],
    "two activations": lambda: [nn.Linear(4, 6), nn.Tanh(), nn.ELU(0.5), nn.Linear(6, 2)],
    "activation after BatchNorm": lambda: [nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2)],
    "activation after LayerNorm": lambda: [nn.Linear(4, 6), nn.LayerNorm(6), nn.GELU(), nn.Linear(6, 2)],
    "activation after Dropout": lambda: [nn.Linear(4, 6), nn.Dropout(0.3), nn.Mish(), nn.Linear(6, 2)],
    "activation after Identity": lambda: [nn.Linear(4, 6), nn.Identity(), nn.LeakyReLU(0.3), nn.Linear(6, 2)],
}
OF_MAPS = {  # and maps (2, 5, 4)
    "activation after BatchNorm": lambda: [nn.Conv2d(2, 3, 2), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten()],
    "activation after MaxPool": lambda: [nn.Conv2d(2, 3, 2), nn.MaxPool2d((1, 2), 1, (0, 1)), nn.SiLU(), nn.Flatten()],
    "activation after AvgPool": lambda: [nn.Conv2d(2, 3, 2), nn.AvgPool2d((1, 2), 1, (0, 1)), nn.Sigmoid(),
                                         nn.Flatten()],
    "activation after Flatten": lambda: [nn.Conv2d(2, 3, 2), nn.MaxPool2d(2), nn.Flatten(), nn.Tanh()],
    "activation after the mean": lambda: [nn.Conv2d(2, 3, 2), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Softplus()],
}


@pytest.mark.parametrize("name", OF_ROWS)
def test_modules_of_rows(name):
    module, X = settled(nn.Sequential(*OF_ROWS[name]()), (4,))
    np.testing.assert_allclose(MLP.from_torch(module).predict(X), outputs(module, X), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("name", OF_MAPS)
def test_modules_of_maps(name):
    layers, (d,) = OF_MAPS[name](), nn.Sequential(*OF_MAPS[name]())(torch.zeros(2, 2, 5, 4))[0].shape
    module, X = settled(nn.Sequential(*layers, nn.Linear(d, 2)), (2, 5, 4))
    net = MLP.from_torch(module, (5, 4, 2))
    np.testing.assert_allclose(net.predict(np.moveaxis(X, 1, -1)), outputs(module, X), rtol=1e-10, atol=1e-12)


def test_no_affine_stays_as_it_is():
    module, X = settled(nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6, affine=False), nn.Linear(6, 2)), (4,))
    net = MLP.from_torch(module)
    net.fit(X, X[:, :2], "adam", epochs=3)
    np.testing.assert_array_equal(net.W[2], np.ones(6))
    np.testing.assert_array_equal(net.b[2], np.zeros(6))


@pytest.mark.parametrize("between", [
    lambda: [], lambda: [nn.Dropout(0.3)], lambda: [nn.Identity()], lambda: [nn.BatchNorm1d(24), nn.Dropout(0.3)],
    lambda: [nn.Dropout(0.2), nn.LayerNorm(24), nn.PReLU(24), nn.PReLU()], lambda: [nn.RMSNorm(24)],
    lambda: [nn.BatchNorm1d(24, affine=False), nn.Flatten()]])
def test_what_stands_after_flatten_is_channels_first(between):
    layers = [nn.Conv2d(2, 2, 2), nn.Flatten(), *between(), nn.Linear(24, 3), nn.LayerNorm(3), nn.Linear(3, 2)]
    module, X = settled(nn.Sequential(*layers), (2, 5, 4))
    net = MLP.from_torch(module, (5, 4, 2))
    np.testing.assert_allclose(net.predict(np.moveaxis(X, 1, -1)), outputs(module, X), rtol=1e-11, atol=1e-12)


def test_quantiles_there_and_back():
    """A module knows how many there are, not which."""
    net = MLP([3, 4, 6], loss=("ordered_quantile", (0.1, 0.5, 0.9)), random_state=0)
    module, X = net.to_torch(), np.random.default_rng(0).standard_normal((20, 3)).astype(np.float32)
    np.testing.assert_array_equal(MLP.from_torch(module, loss=net.loss.spec).predict(X), net.predict(X))
    with pytest.raises(ValueError, match="loss must be given for a module that ends with Increasing"):
        MLP.from_torch(module)
    with pytest.raises(ValueError, match="loss must have as many quantiles as the module"):
        MLP.from_torch(module, loss=("ordered_quantile", (0.1, 0.9)))


def test_the_loss_decides_what_a_sigmoid_is():
    module = nn.Sequential(nn.Linear(3, 2), nn.Sigmoid())
    assert MLP.from_torch(module).layers[-1].activation == "identity"
    net = MLP.from_torch(module, loss="squared_error")
    assert net.layers[-1].activation == "sigmoid" and net.loss.spec == "squared_error"
    X = np.ones((1, 3), np.float32)
    np.testing.assert_allclose(net.predict(X), outputs(module, X), rtol=1e-6)


@pytest.mark.parametrize("module, said", [
    (nn.Sequential(nn.Linear(3, 3), nn.LSTM(3, 3)), "LSTM"),
    (nn.Sequential(nn.Linear(3, 3), nn.GELU("tanh")), "approximate"),
    (nn.Sequential(nn.Conv2d(2, 2, 1, groups=2), nn.Flatten(), nn.Linear(2, 2)), "groups"),
    (nn.Sequential(nn.Conv2d(2, 2, 1), nn.Flatten(), nn.Linear(2, 2)), "input_shape"),
    (nn.Sequential(nn.Linear(3, 3), nn.Linear(4, 3)), "3 inputs, .* got one for 4"),
    (nn.Sequential(nn.Linear(4, 3).half()), "float16"),
    (nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 3).double()), "float32"),
    (nn.Sequential(), "module"),
    (nn.Sequential(nn.Linear(3, 3), nn.Dropout2d()), "nn.Dropout in its place"),
    (nn.Sequential(nn.LSTM(3, 3)), "LSTM"),
    (nn.Sequential(nn.GLU(), nn.Linear(3, 3)), "input_shape .* how many features"),
    (nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3, momentum=None), nn.Linear(3, 3)), "momentum, got None"),
    (nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(4), nn.Linear(3, 3)), r"normalized_shape \(4,\)"),
])
def test_what_cannot_be(module, said):
    with pytest.raises(ValueError, match=said):
        MLP.from_torch(module)


@pytest.mark.parametrize("module, said", [
    (nn.Sequential(nn.Flatten(), nn.GLU(), nn.Linear(20, 2)), "between Flatten and the next Linear, got GLU"),
    (nn.Sequential(nn.LayerNorm((2, 5, 4)), nn.Flatten(), nn.Linear(40, 2)), "units of a row"),
])
def test_what_cannot_be_of_maps(module, said):
    with pytest.raises(ValueError, match=said):
        MLP.from_torch(module, (5, 4, 2))


def test_wrong_kinds():
    with pytest.raises(TypeError, match="module"):
        MLP.from_torch(3)
    with pytest.raises(TypeError, match="link"):
        MLP([2, 1]).to_torch(link=1)


def test_training_goes_on_in_pytorch():
    net, X = of_layers([6, Dense(9, "tanh"), Dropout(0.2), layers.BatchNorm(), 4])
    module = net.to_torch()
    assert not module.training
    before = net.params
    optimizer = torch.optim.SGD(module.parameters(), 0.1)
    module.train()(torch.from_numpy(X)).sum().backward()
    optimizer.step()
    np.testing.assert_array_equal(net.params, before)  # copies
    assert not np.array_equal(MLP.from_torch(module).params, before)
