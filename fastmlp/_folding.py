"""Fold layers that only scale and shift features, such as batch normalisation in prediction, into the weights of
neighbouring layers (MLP.folded)."""
from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from ._types import Shape
from .layers import Activation, BatchNorm, Conv2D, Dense, Dropout, Flatten, Identity, Layer, Scale, Shift

if TYPE_CHECKING:
    from .model import MLP

    Net = TypeVar("Net", bound=MLP)


@dataclass(eq=False)
class Node:
    """A layer whose sources may be replaced. W, b: float64, or None. shape: of x(l).

    factor, summand: by feature, for a layer that is to be folded: x(l) = factor x + summand.
    """

    number: int
    spec: Layer | None
    shape: Shape
    sources: list[Node] = field(default_factory=list)
    W: Any = None
    b: Any = None
    factor: Any = None
    summand: Any = None


def folded(net: Net) -> Net:
    """Implements MLP.folded."""
    nodes = nodes_of(net)
    for node in [node for node in nodes if node.factor is not None]:
        if fold(node, nodes):
            remove(node, nodes)
        else:
            keep(node, nodes)
    for node in [node for node in nodes if isinstance(node.spec, Activation)]:
        source = node.sources[0]
        if can_end_with(source) and readers_of(source, nodes) == [node]:
            source.spec = replace(source.spec, activation=node.spec.activation)  # type: ignore[type-var, union-attr]
            remove(node, nodes)
    return network_of(net, nodes)


def nodes_of(net: MLP) -> list[Node]:
    """The input and the layers."""
    nodes = [Node(0, None, net.shapes[0])]
    statistics = net._network.core.statistics.astype(np.float64)
    for l, (spec, shape) in enumerate(zip(net.layers, net.shapes[1:]), 1):
        W, b = (None if a is None else np.array(a, np.float64) for a in (net.W[l], net.b[l]))
        node = Node(l, spec, shape, [nodes[source] for source in spec.sources(l)], W, b)
        n = spec.n_statistics(node.sources[0].shape)
        own, statistics = statistics[:n], statistics[n:]
        if isinstance(spec, BatchNorm):
            mean, var = np.split(own, 2)
            node.factor = W / np.sqrt(var + spec.eps)
            node.summand = b - mean * node.factor
        elif isinstance(spec, (Scale, Shift)):
            node.factor = np.ones(shape[-1]) if W is None else W
            node.summand = np.zeros(shape[-1]) if b is None else b
        nodes.append(node)
    return nodes


def readers_of(node: Node, nodes: list[Node]) -> list[Node]:
    return [reader for reader in nodes if node in reader.sources]


def remove(node: Node, nodes: list[Node]) -> None:
    """Remove a layer: its readers read its source instead."""
    move_readers(node, node.sources[0], nodes)
    nodes.remove(node)


def move_readers(node: Node, to: Node, nodes: list[Node]) -> None:
    for reader in readers_of(node, nodes):
        reader.sources = [to if source is node else source for source in reader.sources]


def keep(node: Node, nodes: list[Node]) -> None:
    """Turn a layer that cannot be folded into a Scale and a Shift, or only one of them if that is enough."""
    factor, summand, shifts = node.factor, node.summand, node.summand.any()
    node.factor = node.summand = None
    if shifts and (factor != 1).any():
        shift = Node(node.number, Shift(), node.shape, [node], b=summand)
        move_readers(node, shift, nodes)
        nodes.insert(nodes.index(node) + 1, shift)
        shifts = False
    node.spec, node.W, node.b = (Shift(), None, summand) if shifts else (Scale(), factor, None)


def fold(node: Node, nodes: list[Node]) -> bool:
    """Move a layer's factors and summands into its source, or into all its readers; False if neither is possible."""
    source = node.sources[0]
    if can_end_with(source) and readers_of(source, nodes) == [node]:
        of_blocks = (len(source.W), 1, -1) if is_grouped(source) else -1
        source.W = source.W * node.factor.reshape(of_blocks)
        source.b = node.summand + (0 if source.b is None else source.b * node.factor)
        return True
    readers = final_readers(node, nodes)
    if not all(can_begin_with(reader, node) for reader in readers):
        return False
    for reader in readers:
        begin_with(reader, node)
    return True


def is_grouped(node: Node) -> bool:
    return isinstance(node.spec, Dense) and node.spec.groups > 1


def can_end_with(node: Node) -> bool:
    """Whether scaling and shifting a layer's output can be done by its own weights."""
    return isinstance(node.spec, (Dense, Conv2D)) and node.spec.activation == "identity"


def final_readers(node: Node, nodes: list[Node]) -> list[Node]:
    """The layers that read a layer's features, directly or through layers that pass them unchanged."""
    readers = []
    for reader in readers_of(node, nodes):
        passes = isinstance(reader.spec, (Dropout, Identity, Flatten))
        readers += final_readers(reader, nodes) if passes else [reader]
    return readers


def can_begin_with(reader: Node, node: Node) -> bool:
    """Whether scaling and shifting a layer's input can be done by its own weights. Not if it sees the zero padding of
    a map, which is not shifted."""
    if isinstance(reader.spec, Conv2D):
        return not node.summand.any() or not sees_padding(reader)
    return isinstance(reader.spec, Dense) or reader.factor is not None


def sees_padding(reader: Node) -> bool:
    assert isinstance(reader.spec, Conv2D)
    h, w, _, kh, kw, sh, sw, ph, pw, dh, dw, oh, ow = reader.spec.window(reader.sources[0].shape)
    return ph > 0 or pw > 0 or (oh - 1) * sh + (kh - 1) * dh >= h or (ow - 1) * sw + (kw - 1) * dw >= w


def begin_with(reader: Node, node: Node) -> None:
    """Move a layer's factors and summands into a reader's weights."""
    if reader.factor is not None:
        reader.summand = reader.summand + reader.factor * node.summand
        reader.factor = reader.factor * node.factor
        return
    W = reader.W
    if isinstance(reader.spec, Conv2D):  # or a Conv1D, whose window has one axis
        factor, summand, moved = node.factor, node.summand, "i,hio->o" if W.ndim == 3 else "i,hwio->o"
    else:
        n = W.size // W.shape[-1] // len(node.factor)  # positions
        factor, summand = (np.tile(a, n).reshape(W.shape[:-1]) for a in (node.factor, node.summand))
        moved = "gi,gio->go" if is_grouped(reader) else "i,io->o"
    reader.W = W * factor[..., None]
    reader.b = np.einsum(moved, summand, W).ravel() + (0 if reader.b is None else reader.b)


def network_of(net: Net, nodes: list[Node]) -> Net:
    """The network of the remaining nodes, the input first."""
    at = {id(node): l for l, node in enumerate(nodes)}
    specs: list[Any] = []
    for l, node in enumerate(nodes[1:], 1):
        spec: Any = node.spec
        if hasattr(spec, "back"):
            spec = replace(spec, back=l - at[id(node.sources[-1])])
        if isinstance(spec, (Dense, Conv2D)):
            spec = replace(spec, bias=node.b is not None, init="zeros", bias_init=0.0)
        specs.append(spec)
    shape = net.shapes[0]
    new = type(net)([shape if len(shape) > 1 else shape[0], *specs], loss=net.loss.spec, dtype=net.dtype)
    new._network.n_threads, new._network.classes = net._network.n_threads, net._network.classes
    new._network.parameters.start([node.W for node in nodes], [node.b for node in nodes])
    new._network.parameters.require_finite()
    return new
