"""Ties: weights that share a parameter, and frozen weights.

W = E p maps the free parameters p to all weights and biases, dp = E^T dW maps gradients back: the gradient of a
parameter is the sum over its places. L2, L1 and clipping act on p: a tied weight is penalised and counted once, as a
weight or a bias according to its first place. There is one optimiser state for each element of p.
"""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from . import _arrays, _checks
from ._types import Floats, Integers

if TYPE_CHECKING:
    from ._tie_matrix import Places

__all__ = ["TiedGroup", "TiedLayers", "TiedMap", "Frozen", "tie_transpose", "tie_layers", "tie_map"]
SAME = 1e-12  # relative tolerance: values that two ties give for one weight may differ by rounding

Member = tuple[Any, ...]  # (l, i, j) or (l, None, j)


class Edges(NamedTuple):
    """Pairs of weights that share a parameter p: weight a is scale_a times p, weight b is scale_b times p."""

    a: Integers  # places
    b: Integers
    scale_a: Floats
    scale_b: Floats


class Whole(NamedTuple):
    """A layer, the follower, all of whose weights are those of another one, the leader."""

    leader: int
    follower: int
    transposed: bool
    biases: bool


class Tie:
    """The base class of tie specs."""

    def layers(self) -> set[int]:
        """The numbers of the layers that the tie concerns."""
        raise NotImplementedError

    def edges(self, places: Places) -> Edges | None:
        """The pairs of weights that it ties, None if it ties none. ValueError or TypeError if it does not fit the
        network."""
        return None

    def frozen(self, places: Places) -> tuple[Integers, Floats] | None:
        """(places, values) of the weights that it freezes, NaN for their initial values; or None."""
        return None


@dataclass(frozen=True, eq=False)
class TiedGroup(Tie):
    """Members that share one parameter p: each is exactly its scale times p.

    members : (l, i, j) for row i and column j of W(l), 0-based (for a convolution (l, *index)), or (l, None, j) for
    bias j. scales : a number for each member, default 1, from 1.2e-38 to 8.5e37, in float64 from 1.5e-154 to 6.7e153. p
        is initialised so that the first member, in the order of layers and rows, keeps its initial value.
    """

    members: Sequence[Member]
    scales: ArrayLike | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.members, (list, tuple)) and getattr(self.members, "ndim", 0) != 2:
            raise TypeError(f"members of TiedGroup must be a list of (l, i, j), got {_checks.described(self.members)}")

    def layers(self) -> set[int]:
        return {member[0] for member in self.members}

    def edges(self, places: Places) -> Edges:
        members = list(self.members)
        if not members:
            raise ValueError("TiedGroup must have at least one member, got none")
        at = np.array([places.find(member) for member in members])
        scales = np.ones(len(at))
        if self.scales is not None:
            scales = _arrays.numeric("scales of TiedGroup", self.scales, np.float64).astype(np.float64)
        if scales.shape != at.shape or not (np.isfinite(scales) & (scales != 0)).all():
            raise ValueError(f"scales of TiedGroup must be {len(at)} finite numbers, none 0, "
                             f"got {_checks.described(self.scales)}")
        return Edges(np.full(len(at), at[0]), at, np.full(len(at), scales[0]), scales)


@dataclass(frozen=True, eq=False)
class TiedLayers(Tie):
    """W(m) is W(l), or with `transposed` its transpose; with `biases`, b(m) is b(l) too, if there are any. Made by
    tie_layers and tie_transpose."""

    l: int
    m: int
    transposed: bool = False
    biases: bool = False

    def __post_init__(self) -> None:
        _checks.boolean("transposed of TiedLayers", self.transposed)
        _checks.boolean("biases of TiedLayers", self.biases)

    def layers(self) -> set[int]:
        return {self.l, self.m}

    def edges(self, places: Places) -> Edges:
        pairs = [(places.weights(self.l), places.weights(self.m))]
        if self.transposed:
            first, second = (W.reshape(-1, W.shape[-1]) for W in pairs[0])
            pairs = [(first.T, second)]
        if self.biases and (places.b[self.l] is not None or places.b[self.m] is not None):
            pairs.append((places.biases(self.l), places.biases(self.m)))
        for first, second in pairs:
            if first.shape != second.shape:
                raise ValueError(f"ties: layers {self.l} and {self.m} must fit, got shapes {first.shape}"
                                 f"{' (transposed)' * self.transposed} and {second.shape}")
        a, b = (np.concatenate([side.ravel() for side in sides]) for sides in zip(*pairs))
        return Edges(a, b, np.ones(len(a)), np.ones(len(a)))


@dataclass(frozen=True, eq=False)
class TiedMap(Tie):
    """Weights of W(l), or with `biases` elements of b(l), with equal ids >= 0 share one parameter; -1 is not tied. Made
    by tie_map."""

    l: int
    ids: ArrayLike
    biases: bool = False

    def __post_init__(self) -> None:
        _checks.boolean("biases of TiedMap", self.biases)

    def layers(self) -> set[int]:
        return {self.l}

    def edges(self, places: Places) -> Edges:
        at, ids = places.of(self.l, self.biases), _arrays.as_array("ids of tie_map", self.ids)
        if ids.shape != at.shape or ids.dtype.kind not in "iu":
            raise ValueError(f"ids of tie_map must be integers shaped like {'b' if self.biases else 'W'}({self.l}), "
                             f"{at.shape}, got {ids.dtype} {ids.shape}")
        if ids.min(initial=0) < -1:
            raise ValueError(f"ids of tie_map must be at least -1, got {ids.min()}")
        at, ids = at[ids >= 0], ids[ids >= 0]
        _, first, group = np.unique(ids, return_index=True, return_inverse=True)
        return Edges(at[first][group], at, np.ones(len(at)), np.ones(len(at)))


@dataclass(frozen=True, eq=False)
class Frozen(Tie):
    """Frozen weights, which training does not change.

    l : the layer. mask : booleans shaped like W(l), or like b(l) with `biases`; True for frozen. value : a number, or
    an array shaped like the mask; None for the initial values.
    """

    l: int
    mask: ArrayLike
    value: ArrayLike | None = None
    biases: bool = False

    def __post_init__(self) -> None:
        _checks.boolean("biases of Frozen", self.biases)

    def layers(self) -> set[int]:
        return {self.l}

    def frozen(self, places: Places) -> tuple[Integers, Floats]:
        at, mask = places.of(self.l, self.biases), _arrays.as_array("mask of Frozen", self.mask)
        if mask.shape != at.shape or mask.dtype != bool:
            raise ValueError(f"mask of Frozen must be booleans shaped like {'b' if self.biases else 'W'}({self.l}), "
                             f"{at.shape}, got {mask.dtype} {mask.shape}")
        if self.value is None:
            return at[mask], np.full(int(mask.sum()), np.nan)
        value = _arrays.numeric("value of Frozen", self.value, np.float64).astype(np.float64)
        if value.shape not in ((), at.shape):
            raise ValueError(f"value of Frozen must be a number or an array of shape {at.shape}, "
                             f"got shape {value.shape}")
        if not np.isfinite(value).all():
            raise ValueError("value of Frozen must be finite, got NaN or infinity")
        return at[mask], np.broadcast_to(value, at.shape)[mask]


def tie_transpose(l: int, m: int) -> TiedLayers:
    """W(m) is W(l)^T: a tied autoencoder's decoder."""
    return TiedLayers(l, m, transposed=True)


def tie_layers(l: int, m: int) -> TiedLayers:
    """W(m) is W(l), and b(m) is b(l) unless both have none."""
    return TiedLayers(l, m, biases=True)


def tie_map(l: int, ids: ArrayLike, biases: bool = False) -> TiedMap:
    """Weights of W(l), or with `biases` elements of b(l), with equal ids >= 0 share one parameter; -1 is not tied."""
    return TiedMap(l, ids, biases)
