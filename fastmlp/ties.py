"""Ties: parameters that stand in several places, or stand still. W = E p takes the free parameters p to all weights and biases,
dp = E^T dW takes gradients back (a weight's gradient is the sum over its places).

L2, L1 and clipping act on p: a tied weight is penalised and counted once, as what it is in its first place, a weight or a
bias. There is one optimiser state for each element of p.
"""
from dataclasses import dataclass
from typing import Any

import numpy as np

from . import _checks

__all__ = ["TiedGroup", "TiedLayers", "TiedMap", "Frozen", "tie_transpose", "tie_layers", "tie_map"]
SAME = 1e-12  # relative: what two ties say of one weight may differ by rounding


@dataclass(frozen=True, eq=False)
class TiedGroup:
    """Members that are one parameter p: each is its scale times p, exactly.

    members : (l, i, j) for row i and column j of W(l), 0-based (of a convolution (l, *index)), or (l, None, j) for bias j.
    scales : a number not 0 for each member, default 1. At the start p is such that the first member, in the order of
        layers and rows, keeps its start.
    """

    members: Any
    scales: Any = None

    def edges(self, places):
        members = list(self.members)
        if not members:
            raise ValueError("TiedGroup must have at least one member, got none")
        at = np.array([places.find(member) for member in members])
        scales = np.ones(len(at)) if self.scales is None else np.asarray(self.scales, np.float64)
        if scales.shape != at.shape or not (np.isfinite(scales) & (scales != 0)).all():
            raise ValueError(f"scales of TiedGroup must be {len(at)} finite numbers, none 0, got {self.scales!r}")
        return np.full(len(at), at[0]), at, np.full(len(at), scales[0]), scales


@dataclass(frozen=True, eq=False)
class TiedLayers:
    """W(m) is W(l), or with `transposed` its transpose; with `biases`, b(m) is b(l) too, where there are any. What tie_layers and
    tie_transpose give."""

    l: int
    m: int
    transposed: bool = False
    biases: bool = False

    def edges(self, places):
        pairs = [(places.weights(self.l), places.weights(self.m))]
        if self.transposed:
            pairs = [(pairs[0][0].reshape(-1, pairs[0][0].shape[-1]).T, pairs[0][1].reshape(-1, pairs[0][1].shape[-1]))]
        if self.biases and (places.b[self.l] is not None or places.b[self.m] is not None):
            pairs.append((places.biases(self.l), places.biases(self.m)))
        for a, b in pairs:
            if a.shape != b.shape:
                raise ValueError(f"ties: layers {self.l} and {self.m} must fit, got shapes {a.shape}{' (transposed)' * self.transposed} "
                                 f"and {b.shape}")
        a, b = (np.concatenate([side.ravel() for side in sides]) for sides in zip(*pairs))
        return a, b, np.ones(len(a)), np.ones(len(a))


@dataclass(frozen=True, eq=False)
class TiedMap:
    """Weights of W(l), or with `biases` elements of b(l), with equal ids >= 0 are one parameter; -1 is free. What tie_map
    gives."""

    l: int
    ids: Any
    biases: bool = False

    def edges(self, places):
        at, ids = places.biases(self.l) if self.biases else places.weights(self.l), np.asarray(self.ids)
        if ids.shape != at.shape or ids.dtype.kind not in "iu":
            raise ValueError(f"ids of tie_map must be integers shaped like {'b' if self.biases else 'W'}({self.l}), {at.shape}, "
                             f"got {ids.dtype} {ids.shape}")
        if ids.min(initial=0) < -1:
            raise ValueError(f"ids of tie_map must be at least -1, got {ids.min()}")
        at, ids = at[ids >= 0], ids[ids >= 0]
        _, first, group = np.unique(ids, return_index=True, return_inverse=True)
        return at[first][group], at, np.ones(len(at)), np.ones(len(at))


@dataclass(frozen=True, eq=False)
class Frozen:
    """Weights that stay as they are.

    l : the layer. mask : booleans shaped like W(l), or like b(l) with `biases`; True stands still. value : a number, or an array
    shaped like the mask; None for what they start from.
    """

    l: int
    mask: Any
    value: Any = None
    biases: bool = False

    def frozen(self, places):
        """(places, values or NaN for what they start from)"""
        at = places.biases(self.l) if self.biases else places.weights(self.l)
        mask = np.asarray(self.mask)
        if mask.shape != at.shape or mask.dtype != bool:
            raise ValueError(f"mask of Frozen must be booleans shaped like {'b' if self.biases else 'W'}({self.l}), {at.shape}, "
                             f"got {mask.dtype} {mask.shape}")
        if self.value is None:
            return at[mask], np.full(int(mask.sum()), np.nan)
        value = np.asarray(self.value, np.float64)
        if value.shape not in ((), at.shape):
            raise ValueError(f"value of Frozen must be a number or an array of shape {at.shape}, got shape {value.shape}")
        if not np.isfinite(value).all():
            raise ValueError("value of Frozen must be finite, got NaN or infinity")
        return at[mask], np.broadcast_to(value, at.shape)[mask]


def tie_transpose(l, m):
    """W(m) is W(l)^T: a tied autoencoder's decoder."""
    return TiedLayers(l, m, transposed=True)


def tie_layers(l, m):
    """W(m) is W(l), and b(m) is b(l) unless both have none."""
    return TiedLayers(l, m, biases=True)


def tie_map(l, ids, biases=False):
    """Weights of W(l), or with `biases` elements of b(l), with equal ids >= 0 share one parameter; -1 is free."""
    return TiedMap(l, ids, biases)


class Places:
    """Where weights stand in one flat array of all of them, W(1), b(1), W(2), ..: arrays of numbers shaped like each."""

    def __init__(self, W, b):
        self.W, self.b, n = [None], [None], 0
        for shapes in zip(W[1:], b[1:]):
            for shape, kept in zip(shapes, (self.W, self.b)):
                size = 0 if shape is None else int(np.prod(shape))
                kept.append(None if shape is None else np.arange(n, n + size).reshape(shape))
                n += size
        self.n = n

    def weights(self, l):
        return self._of(self.W, l, "weights")

    def biases(self, l):
        return self._of(self.b, l, "biases")

    def _of(self, kept, l, what):
        l = _checks.integer("the layer of a tie", l, 1, len(kept) - 1)
        if kept[l] is None:
            raise ValueError(f"layer {l} of a tie has no {what}")
        return kept[l]

    def find(self, member):
        try:
            l, *index = member
            bias = len(index) == 2 and index[0] is None
            index = tuple(_checks.integer("the index of a tied member", i, 0) for i in (index[1:] if bias else index))
        except TypeError as error:
            raise TypeError(f"a tied member must be (l, i, j) or (l, None, j), got {member!r}") from error
        a = self.biases(l) if bias else self.weights(l)
        if len(index) != a.ndim or any(i >= n for i, n in zip(index, a.shape)):
            raise ValueError(f"tied member {member!r} must be inside of {'b' if bias else 'W'}({l}), whose shape is {a.shape}")
        return a[index]

    def name(self, at):
        """A place as a member is written."""
        for l, pair in enumerate(zip(self.W, self.b)):
            for a, bias in zip(pair, (False, True)):
                if a is not None and a.size and a.flat[0] <= at <= a.flat[-1]:
                    index = np.unravel_index(at - a.flat[0], a.shape)
                    return f"({l}, {', '.join(['None'] * bias + [str(int(i)) for i in index])})"
        raise IndexError(at)


class Ties:
    """E as arrays: weight e is scale[e] times q[component[e]]; p are the q that are free.

    first : each component's first place. free : whether it is in p. fixed : the value of what is not, NaN as it starts.
    whole : (leader, follower, transposed, biases) of layers that follow another entirely and have no other ties.
    bound : the components with several places, or a scale, or that stand still, without those of whole layers. groups : those of
    them that are free, and so have a place of their own in P; weights : whether each counts as a weight, else as a bias.
    """

    def __init__(self, specs, places):
        for spec in specs:
            if not hasattr(spec, "edges") and not hasattr(spec, "frozen"):
                raise TypeError(f"ties must be TiedGroup, Frozen, tie_transpose, tie_layers or tie_map, got {spec!r}")
        self.places = places
        edges = [spec.edges(places) for spec in specs if hasattr(spec, "edges")]
        a, b, sa, sb = (np.concatenate([e[k] for e in edges] + [[]]) for k in range(4))
        a, b = a.astype(np.int64), b.astype(np.int64)
        self.component, self.scale = self._components(a, b), np.full(places.n, np.nan)
        _, self.first = np.unique(self.component, return_index=True)
        self._scale(a, b, sa, sb)
        self.free, self.fixed = np.ones(len(self.first), bool), np.full(len(self.first), np.nan)
        for spec in specs:
            if hasattr(spec, "frozen"):
                self._freeze(*spec.frozen(places))
        self.whole = _whole(specs)
        self.bound = self._bound()
        self.groups = self.bound[self.free[self.bound]]
        weight = np.zeros(places.n, bool)
        for W in places.W:
            if W is not None:
                weight[W] = True
        self.weights = weight[self.first[self.groups]]

    def _components(self, a, b):
        """The number of each weight's component, in the order of their first places."""
        from scipy.sparse import coo_array
        from scipy.sparse.csgraph import connected_components

        n = self.places.n
        _, labels = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(n, n)), directed=False)
        _, first, labels = np.unique(labels, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[labels]

    def _scale(self, a, b, sa, sb):
        """Scales from each component's first place outwards; a contradiction is an error."""
        declared = np.ones(self.places.n)
        declared[b[::-1]], declared[a[::-1]] = sb[::-1], sa[::-1]  # the first tie counts
        self.scale[self.first] = declared[self.first]
        while np.isnan(self.scale).any():
            for i, j, si, sj in ((a, b, sa, sb), (b, a, sb, sa)):
                go = ~np.isnan(self.scale[i]) & np.isnan(self.scale[j])
                known = self.scale[i[go]]
                self.scale[j[go]] = np.where(known == si[go], sj[go], known * (sj[go] / si[go]))
        wrong = ~np.isclose(self.scale[a] * sb, self.scale[b] * sa, rtol=SAME, atol=0)
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            raise ValueError(f"ties: {self.places.name(a[k])} and {self.places.name(b[k])} are tied with the ratio {sb[k] / sa[k]:g} and "
                             f"by other ties with {self.scale[b[k]] / self.scale[a[k]]:g}")

    def _freeze(self, at, value):
        which, q = self.component[at], value / self.scale[at]
        self.free[which] = False
        before = self.fixed.copy()
        self.fixed[which] = np.where(np.isnan(q), self.fixed[which], q)
        others = np.stack([self.fixed[which], before[which]])
        clash = ~np.isnan(q) & (~np.isnan(others) & ~np.isclose(others, q, rtol=SAME, atol=0)).any(axis=0)
        if clash.any():
            k = int(np.flatnonzero(clash)[0])
            raise ValueError(f"ties: {self.places.name(at[k])} is frozen at {value[k]:g} and tied to, or is, "
                             f"{self.places.name(self.first[which[k]])}, which is frozen at another value")

    def start(self, flat):
        """q from all weights as they start."""
        q = flat[self.first] / self.scale[self.first]
        return np.where(np.isnan(self.fixed), q, self.fixed)

    def spread(self, q):
        """E q: all weights."""
        with np.errstate(over="ignore"):  # infinite then
            return (self.scale * q[self.component]).astype(q.dtype)

    def gather(self, flat):
        """E^T: the gradient by p from that by all weights."""
        return np.bincount(self.component, self.scale * flat, len(self.first))[self.free].astype(flat.dtype)

    def program(self, offsets, tail):
        """Arrays for Core.tie, but for the values of what stands still, and the place in P of each q. offsets: of all weights
        in P. tail: where parameters of groups have their places in P, those that count as weights and as biases."""
        groups, places = self.groups, offsets[self.first].copy()
        for kind, begin in zip((True, False), tail):
            mine = groups[self.weights == kind]
            places[mine] = begin + np.arange(len(mine))
        order = np.argsort(self.component, kind="stable")
        begin = np.append(np.searchsorted(self.component[order], groups), 0)
        count = np.bincount(self.component)[groups]
        members = np.concatenate([order[b:b + n] for b, n in zip(begin, count)] + [[]]).astype(np.int64)
        begin = np.concatenate([[0], np.cumsum(count)]).astype(np.int64)
        still = np.flatnonzero(~self.free[self.component])
        return (places[groups], begin, offsets[members], self.scale[members], offsets[still], still), places

    def tail(self):
        """How many parameters have a place of their own: (that count as weights, as biases)."""
        n = int(self.weights.sum())
        return n, len(self.groups) - n

    def layers(self):
        """Numbers of the layers with tied or frozen weights."""
        at = np.zeros(self.places.n, bool)
        at[np.isin(self.component, self.bound)] = True
        tied = {l for l, pair in enumerate(zip(self.places.W, self.places.b)) for a in pair if a is not None and at[a].any()}
        return tied | {l for pair in self.whole for l in pair[:2]}

    def _bound(self):
        several = (np.bincount(self.component) > 1) | (self.scale[self.first] != 1) | ~self.free
        for leader, _, _, biases in self.whole:
            for a in (self.places.W[leader], self.places.b[leader] if biases else None):
                if a is not None:
                    several[self.component[a.ravel()]] = False
        return np.flatnonzero(several)


def _whole(specs):
    """(leader, follower, transposed, biases) of the layers that are tied as a whole, once, and to nothing else."""
    layers = [{spec.l, spec.m} if isinstance(spec, TiedLayers) else {spec.l} if hasattr(spec, "l") else {member[0] for member in spec.members}
              for spec in specs]
    alone = [spec for k, spec in enumerate(specs) if isinstance(spec, TiedLayers) and spec.l != spec.m
             and not any(layers[k] & other for i, other in enumerate(layers) if i != k)]
    return [(min(spec.l, spec.m), max(spec.l, spec.m), spec.transposed, spec.biases) for spec in alone]
