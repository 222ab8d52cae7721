"""Members that train as one network: their layers stand side by side, so that a step is one pass over its rows, and
their losses are averaged. Each then becomes a network of its own, in which nothing is left of the others.

In TabM (Gorishniy, Kotelnikov and Babenko 2024, arXiv 2410.24210) a layer of a member is theta(s (W^T (r x)) + b): W is
one for all, r, s and b, numbers by unit, are its own (BatchEnsemble: Wen, Tran and Ba 2020). So it is a Dense layer of
the matrix diag(r) W diag(s). The last layer is the member's own. r begins with random signs before the first layer, by
which members differ, and with 1 before the others, as s does.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from .._types import Floats, Shape
from ..layers import AvgPool1D, Conv1D, Dense, Dropout, Layer, Scale, Theta
from ..losses import OfMembers
from ..model import MLP
from .ensemble import Part, Training
from .presets import Kind, Preset


class Copies(AvgPool1D):
    """`kernel` copies of x(l-1) side by side, divided by their number: means over windows of which each has x(l-1) in
    one place and nothing in the others."""

    kernel: int

    def window(self, shape: Shape) -> Shape:
        return AvgPool1D(self.kernel, 1, self.kernel - 1).window((1, *shape))

    def after(self, shape: Shape) -> Shape:
        return (self.kernel * shape[0],)


@dataclass(frozen=True, eq=False)
class Shared(Conv1D):
    """A Dense layer of `filters` units for each of the members, who stand side by side and have one W: a convolution
    that sees one of them at a time."""

    members: int = 1

    def _apart(self, shape: Shape) -> Shape:
        return self.members, shape[0] // self.members

    def window(self, shape: Shape) -> Shape:
        return super().window(self._apart(shape))

    def weights(self, shape: Shape) -> Shape:
        return super().weights(self._apart(shape))

    def after(self, shape: Shape) -> Shape:
        return (self.members * self.filters,)


@dataclass(frozen=True, eq=False)
class Affine(Scale):
    """theta(gamma x + beta), gamma and beta by unit."""

    activation: Theta = "identity"

    shift = True


def shared(preset: Preset, kind: Kind, n_features: int, n_outputs: int, members: int,
           rng: np.random.Generator) -> list[int | Layer]:
    """The layers of members that share their matrices, before training."""
    signs = rng.choice([-1.0, 1.0], members * n_features)
    layers: list[int | Layer] = [n_features, *[Dropout(kind.dropped)] * bool(kind.dropped), Copies(members)]
    factors: Layer = Scale(members * signs, lr_scale=members)  # of what Copies divided
    for units in kind.hidden:
        layers += [factors, Shared(units, 1, bias=False, init="he_normal", members=members),
                   Affine(activation=kind.activation), Dropout(preset.dropout)]
        factors = Scale()
    return [*layers, Dense(members * n_outputs, groups=members)]


def grouped(preset: Preset, kind: Kind, n_features: int, n_outputs: int, members: int,
            rng: np.random.Generator) -> list[int | Layer]:
    """The layers of members that share nothing but the features."""
    layers: list[int | Layer] = [n_features, *[Dropout(kind.dropped)] * bool(kind.dropped)]
    for i, units in enumerate(kind.hidden):
        layers += [Dense(members * units, kind.activation, init="he_normal", groups=members if i else 1),
                   Dropout(preset.dropout)]
    return [*layers, Dense(members * n_outputs, groups=members)]


# what estimators call a way to train as one -> the layers
WAYS: dict[str, Callable[..., list[int | Layer]]] = {"shared": shared, "grouped": grouped}


def train(way: str, training: Training, nets: Sequence[MLP], kind: Kind, part: Part,
          rng: np.random.Generator) -> list[int]:
    """Train networks of one kind as one on a Part, in one of WAYS; how many epochs each took."""
    n, one = len(nets), nets[0]
    layers = WAYS[way](training.preset, kind, one.d[0], one.d[-1], n, rng)
    whole = MLP(layers, loss=OfMembers(one.loss.spec, n), random_state=rng)
    epochs = training([whole], [kind], [part])
    for member, net in enumerate(nets):
        fill(net, whole, member)
    return epochs * n


def fill(net: MLP, whole: MLP, member: int) -> None:
    """Give a network the weights of a member, counted from 0."""
    dense = [l for l, layer in enumerate(net.layers, 1) if isinstance(layer, Dense)]
    for l, (W, b) in zip(dense, weights_of(whole, member), strict=True):
        net.W[l][...], net.b[l][...] = W, b


def weights_of(whole: MLP, member: int) -> Iterator[tuple[Floats, Floats]]:
    """(W, b) of each Dense layer of a member, float64."""
    members = whole.loss.members
    before: Any = 1.0  # what multiplies the rows of the next W

    def own(a: Any) -> Floats:
        return np.split(np.asarray(a, np.float64), members, axis=-1)[member]

    for layer, W, b in zip(whole.layers, whole.W[1:], whole.b[1:]):
        if isinstance(layer, Copies):
            before = before / members
        elif isinstance(layer, Shared):
            common = W[0].astype(np.float64)
        elif isinstance(layer, Affine):
            yield before * common * own(W), own(b)
            before = 1.0
        elif isinstance(layer, Scale):
            before = before * own(W)[:, None]
        elif isinstance(layer, Dense):
            yield W[member].astype(np.float64) if layer.groups > 1 else own(W), own(b)
