"""What a kind of layer costs: python benchmarks/run/layers.py --help

A step of training with Adam, with the layer and without it, all networks in one process by turns; ratios of the rounds'
times. After each of four Dense layers stands the layer in question; a Residual is around each. Groups are held against
one of their blocks alone, times their number; an encoding by bins, a layer of its own, against a Dense layer on the
encoding as columns. Where PyTorch is installed, it trains the same networks. threads: as many
as pay (n_threads=None) in the place of one. Writes layers.json and layers.md.
"""
import importlib.util

import numpy as np

import _path  # noqa: F401
from fastmlp import (
    MLP,
    Adam,
    BatchNorm,
    Concat,
    Dense,
    LayerNorm,
    Mixture,
    PiecewiseLinear,
    PReLU,
    Residual,
    RMSNorm,
    Scale,
)
from lib import machine, options, report, timing

ROWS, BATCH, DEPTH, GROUPS, OUTPUTS, RATE = 4096, 256, 4, 4, 10, 1e-3
FEATURES = 32  # that are encoded by bins
SIZES = {"256 units": 256, "64 units": 64}


def plain(d):
    return [d, *[Dense(d, "relu")] * DEPTH, OUTPUTS]


def block(d):
    return plain(d // GROUPS)


def with_layer(layer):
    return lambda d: [d, *[Dense(d, "relu"), layer] * DEPTH, OUTPUTS]


def residual(d):
    return [d, *[Residual(Dense(d, "relu"))] * DEPTH, OUTPUTS]


def halves(d):
    return [d, *[Concat(*[Dense(d // 2, "relu")] * 2)] * DEPTH, OUTPUTS]


def grouped(d):
    return [d, *[Dense(d, "relu", groups=GROUPS)] * DEPTH, OUTPUTS]


def with_linear(layer):
    return lambda d: [d, *[Dense(d), layer] * DEPTH, OUTPUTS]


def by_bins(bins):
    return lambda d: [FEATURES, PiecewiseLinear([np.linspace(-2, 2, bins + 1)] * FEATURES, d, "relu"), OUTPUTS]


def by_columns(bins):
    return lambda d: [FEATURES * bins, Dense(d, "relu"), OUTPUTS]


# kind, network by its units, what it is held against, how often that is counted, the goal at 256 units
KINDS = [
    ("LayerNorm", with_layer(LayerNorm()), plain, 1, 1.15),
    ("RMSNorm", with_layer(RMSNorm()), plain, 1, 1.15),
    ("BatchNorm", with_layer(BatchNorm()), plain, 1, 1.2),
    ("Scale", with_layer(Scale()), plain, 1, None),
    ("PReLU", with_linear(PReLU()), plain, 1, None),
    ("Mixture of mish", with_linear(Mixture("mish")), plain, 1, None),
    ("Residual", residual, plain, 1, 1.05),
    ("Concat of two halves", halves, plain, 1, None),
    (f"{GROUPS} groups", grouped, block, GROUPS, 1.2),
    ("16 bins", by_bins(16), by_columns(16), 1, None),
    ("48 bins", by_bins(48), by_columns(48), 1, None),
]


def epochs_of(network, d, threads):
    """A call that trains an epoch."""
    net, (X, y) = MLP(network(d), random_state=0), data_of(network, d)
    epoch = lambda: net.partial_fit(X, y, Adam(RATE), batch_size=BATCH, n_threads=threads)  # noqa: E731
    epoch()
    return epoch


def torch_epochs_of(network, d, threads):
    """The same by PyTorch, eager; None where it is not installed or has no such layer."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    from lib.torch_twin import MODULES, Twin

    if {layer.kind for layer in MLP(network(d)).layers} - {*MODULES}:
        return None
    net, (X, y) = Twin(MLP(network(d), random_state=0)), map(torch.from_numpy, data_of(network, d))
    adam = torch.optim.Adam(net.parameters(), RATE, fused=True)

    def epoch():
        torch.set_num_threads(threads or machine.cores())
        for rows in torch.randperm(ROWS).split(BATCH):
            adam.zero_grad()
            ((net(X[rows]) - y[rows]) ** 2).sum(dim=1).mean().backward()
            adam.step()

    epoch()
    return epoch


def data_of(network, d):
    rng = np.random.default_rng(0)
    return [rng.standard_normal((ROWS, n)).astype(np.float32) for n in (network(d)[0], OUTPUTS)]


def measure(d, threads, rounds):
    """A row for each kind: the seconds of each round with it, without it, and with it by PyTorch."""
    networks = {network for _, *pair, _, _ in KINDS for network in pair}
    calls = {network: epochs_of(network, d, threads) for network in networks}
    calls |= {("torch", network): torch_epochs_of(network, d, threads) for network in networks}
    taken = timing.compare({name: call for name, call in calls.items() if call is not None}, rounds)
    return [{"kind": kind, "these": taken[these], "those": [times * s for s in taken[those]], "goal": goal,
             "torch": taken.get(("torch", these))} for kind, these, those, times, goal in KINDS]


def main():
    args = options.parser(__doc__, 7, SIZES).parse_args()
    found = {"info": machine.describe(), "rows": []}
    for item in args.items:
        for threads in (1, None):
            name = item if threads else f"{item}, threads"
            found["rows"] += [{"item": name, **row} for row in measure(SIZES[item], threads, args.rounds)]
            print(name, flush=True)
    report.write(found, args.out, "layers")


if __name__ == "__main__":
    main()
