"""A network of ours in PyTorch: the same layers, reading what they read, for rows of units."""
import math

import torch
from torch import nn


class Scale(nn.Module):
    def __init__(self, units):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(units))

    def forward(self, x):
        return self.weight * x


class Grouped(nn.Module):
    """A convolution over one position is a layer in groups."""

    def __init__(self, n_in, units, groups):
        super().__init__()
        self.conv = nn.Conv1d(n_in, units, 1, groups=groups)

    def forward(self, x):
        return self.conv(x[:, :, None])[:, :, 0]


class Mixture(nn.Module):
    def __init__(self, units, theta):
        super().__init__()
        self.weight, self.theta = nn.Parameter(torch.ones(units)), theta

    def forward(self, x):
        return torch.lerp(x, self.theta(x), self.weight)


class PiecewiseLinear(nn.Module):
    """An encoding by bins, of features that all have as many, and the layer that reads it."""

    def __init__(self, edges, units):
        super().__init__()
        begin, end = (torch.tensor(side, dtype=torch.float32) for side in zip(*((t[:-1], t[1:]) for t in edges)))
        for name, value in (("scale", 1 / (end - begin)), ("offset", -begin / (end - begin)),
                            ("low", torch.zeros_like(begin)), ("high", torch.ones_like(begin))):
            self.register_buffer(name, value)
        self.low[:, 0], self.high[:, -1] = -math.inf, math.inf
        self.linear = nn.Linear(begin.numel(), units)

    def forward(self, x):
        parts = torch.addcmul(self.offset, self.scale, x[:, :, None])
        return self.linear(parts.clamp(self.low, self.high).flatten(1))


class Sum(nn.Module):
    def forward(self, x, other):
        return x + other


class Join(nn.Module):
    def forward(self, x, other):
        return torch.cat([other, x], dim=1)


# kind -> the module for a spec and how many units it reads
MODULES = {
    "dense": lambda spec, n: nn.Linear(n, spec.units, spec.bias),
    "grouped": lambda spec, n: Grouped(n, spec.units, spec.groups),
    "layer_norm": lambda spec, n: nn.LayerNorm(n, spec.eps),
    "rms_norm": lambda spec, n: nn.RMSNorm(n, spec.eps),
    "batch_norm": lambda spec, n: nn.BatchNorm1d(n, spec.eps, spec.momentum),
    "scale": lambda spec, n: Scale(n),
    "prelu": lambda spec, n: nn.PReLU(n, spec.init),
    "mixture": lambda spec, n: Mixture(n, ACTIVATIONS[spec.theta]),
    "bins": lambda spec, n: PiecewiseLinear(spec.edges, spec.units),
    "identity": lambda spec, n: nn.Identity(),
    "sum": lambda spec, n: Sum(),
    "concat": lambda spec, n: Join(),
}
ACTIVATIONS = {"identity": nn.Identity(), "relu": nn.ReLU(), "tanh": nn.Tanh(), "mish": nn.Mish()}


class Twin(nn.Module):
    """Of an MLP, from weights of its own."""

    def __init__(self, net):
        super().__init__()
        self.reads = [spec.reads for spec in net.layers]
        units = [math.prod(net.shapes[l - spec.reads[0]]) for l, spec in enumerate(net.layers, 1)]
        self.kinds = nn.ModuleList(MODULES[spec.kind](spec, n) for spec, n in zip(net.layers, units))
        self.theta = [ACTIVATIONS[spec.activation] for spec in net.layers]

    def forward(self, X):
        x = [X]
        for kind, theta, reads in zip(self.kinds, self.theta, self.reads):
            x.append(theta(kind(*(x[-back] for back in reads))))
        return x[-1]
