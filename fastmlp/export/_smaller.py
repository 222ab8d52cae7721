"""Networks with simpler weights, pruned or quantized, and the effect on predictions."""
from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .. import _checks
from .._parameters import flatten
from .._types import Floats

if TYPE_CHECKING:
    from ..model import MLP


class Smaller(NamedTuple):
    """A network with simpler weights.

    network: the network itself. zeros: the fraction of its weights that are 0. largest, mean: the largest and the mean
    absolute difference between its predictions and the original's, on the given rows; None without rows.
    """

    network: MLP
    zeros: float
    largest: float | None
    mean: float | None


def pruned(net: MLP, threshold: Any, X: Any) -> Smaller:
    """Implements MLP.pruned."""
    least = _checks.number("threshold", threshold, least=0, dtype=net.dtype)
    return simpler(net, lambda W: np.where(np.abs(W) <= least, 0, W), X)


def quantized(net: MLP, kind: Any, X: Any) -> Smaller:
    """Implements MLP.quantized."""
    return simpler(net, KINDS[_checks.one_of("kind", kind, KINDS)], X)


def simpler(net: MLP, simple: Callable[[Floats], Floats], X: Any) -> Smaller:
    """A copy of a network with a function applied to its weight matrices."""
    before = None if X is None else net.predict(X)
    net._network.parameters.require_finite()
    twin = untied(net) if net.ties else copy.deepcopy(net)
    matrices = [M for layer, W in zip(twin.layers, twin.W[1:]) if W is not None for M in layer.matrices(W)]
    for W in matrices:
        W[...] = simple(np.array(W))
    zeros: float = sum(int(np.count_nonzero(W == 0)) for W in matrices) / max(1, sum(W.size for W in matrices))
    if before is None:
        return Smaller(twin, zeros, None, None)
    difference = np.abs(twin.predict(X) - before)
    return Smaller(twin, zeros, float(difference.max()), float(difference.mean()))


def untied(net: MLP) -> MLP:
    """A copy of a network for predictions, without ties, so that its weights can be changed one by one."""
    shape = net.shapes[0]
    twin = type(net)([shape if len(shape) > 1 else shape[0], *net.layers], loss=net.loss.spec, dtype=net.dtype,
                     precision=net.precision)
    twin._network.n_threads, twin._network.classes = net._network.n_threads, net._network.classes
    twin._network.parameters.resume(flatten([*net.W], [*net.b]), None)
    twin._network.core.statistics[...] = net._network.core.statistics
    return twin


# ---- ways to quantise


def int8(W: Floats) -> tuple[Floats, Floats]:
    """(integers -127 .. 127, a factor for each unit, or each filter of a convolution), whose product approximates W."""
    largest = np.abs(W).max(axis=tuple(range(W.ndim - 1)))
    factor = np.where(largest > 0, largest / 127, 1).astype(W.dtype)
    return np.rint(W / factor), factor


def bfloat16(W: Floats) -> Floats:
    """W rounded to bfloat16, the upper 16 bits of a float32; ties to even."""
    bits = W.astype(np.float32).view(np.uint32).astype(np.uint64)
    rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16 << 16
    return rounded.astype(np.uint32).view(np.float32).astype(W.dtype)


KINDS: dict[str, Callable[[Floats], Floats]] = {"int8": lambda W: np.multiply(*int8(W)), "bfloat16": bfloat16}
