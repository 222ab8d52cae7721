"""The map E in W = E p, as arrays: the combined effect of the tie specs of ties.py on a network's weights."""
from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from . import _checks
from ._types import Floats, Integers, Shape
from .ties import SAME, Tie, TiedLayers, Whole


class Places:
    """The places of weights in the flat array of all weights, W(1), b(1), W(2), ..: index arrays with the shapes of W
    and b.

    W, b: by layer, None if a layer has none. n: the number of weights.
    """

    def __init__(self, weight_shapes: Sequence[Shape | None], bias_shapes: Sequence[Shape | None]) -> None:
        self.W: list[Integers | None] = [None]
        self.b: list[Integers | None] = [None]
        self.n = 0
        for shapes in zip(weight_shapes[1:], bias_shapes[1:]):
            for shape, arrays in zip(shapes, (self.W, self.b)):
                size = 0 if shape is None else int(np.prod(shape))
                arrays.append(None if shape is None else np.arange(self.n, self.n + size).reshape(shape))
                self.n += size

    def weights(self, l: int) -> Integers:
        return self._in_layer(self.W, l, "weights")

    def biases(self, l: int) -> Integers:
        return self._in_layer(self.b, l, "biases")

    def of(self, l: int, biases: bool) -> Integers:
        return self.biases(l) if biases else self.weights(l)

    def _in_layer(self, arrays: list[Integers | None], l: int, what: str) -> Integers:
        l = _checks.integer("the layer of a tie", l, 1, len(arrays) - 1)
        places = arrays[l]
        if places is None:
            raise ValueError(f"layer {l} of a tie has no {what}")
        return places

    def find(self, member: Any) -> int:
        """The place of a TiedGroup's member."""
        if not isinstance(member, (list, tuple, np.ndarray)) or len(member) < 2:
            raise TypeError(f"a tied member must be (l, i, j) or (l, None, j), got {_checks.described(member)}")
        try:
            l, *given = member
            bias = len(given) == 2 and given[0] is None
            index = tuple(_checks.integer("the index of a tied member", i, 0) for i in (given[1:] if bias else given))
        except TypeError as error:
            came = _checks.described(member)
            raise TypeError(f"a tied member must be (l, i, j) or (l, None, j), got {came}") from error
        places = self.of(l, bias)
        if len(index) != places.ndim or any(i >= n for i, n in zip(index, places.shape)):
            raise ValueError(f"tied member {member!r} must be inside of {'b' if bias else 'W'}({l}), whose shape is "
                             f"{places.shape}")
        return int(places[index])

    def name(self, place: int) -> str:
        """A place in the notation of members, (l, i, j) or (l, None, j)."""
        for l, pair in enumerate(zip(self.W, self.b)):
            for places, bias in zip(pair, (False, True)):
                if places is not None and places.size and places.flat[0] <= place <= places.flat[-1]:
                    index = np.unravel_index(place - places.flat[0], places.shape)
                    return f"({l}, {', '.join(['None'] * bias + [str(int(i)) for i in index])})"
        raise IndexError(place)


class Program(NamedTuple):
    """What the engine restores after each step, as places in padded arrays; the first arguments of Core.tie.

    home : the place of each group's parameter. begin : where each group's members begin in member and scale, then the
    end of the last. member, scale : weights that are copies, scale times the parameter. frozen : frozen weights.
    """

    home: Integers
    begin: Integers
    member: Integers
    scale: NDArray[np.float64]
    frozen: Integers


class Ties:
    """E as arrays: weight e is scale[e] times q[component[e]]. A component is a set of weights that share a parameter;
    q has a number for each component, and p are the free ones among q.

    component, scale : by weight. first : the first place of each component. free : whether a component is in p.
    fixed : the value of a frozen component, NaN to keep its initial value.
    whole : layers that follow another one entirely and have no other ties; the engine copies them as a whole.
    bound : the components that have several weights, have a scale or are frozen, except those of whole layers. groups :
    the free ones among these, which have their own place in the engine's arrays. weights : for each group, whether it
    counts as a weight, otherwise as a bias.
    """

    def __init__(self, specs: Sequence[Tie], places: Places, dtype: DTypeLike) -> None:
        for spec in specs:
            if not isinstance(spec, Tie):
                raise TypeError("ties must be TiedGroup, Frozen, tie_transpose, tie_layers or tie_map, "
                                f"got {_checks.described(spec)}")
        self.places = places
        edges = [tied for tied in (spec.edges(places) for spec in specs) if tied is not None]
        a, b, scale_a, scale_b = (np.concatenate([tied[k] for tied in edges] + [[]]) for k in range(4))
        a, b = a.astype(np.int64), b.astype(np.int64)
        self.component, self.scale = self._components(a, b), np.full(places.n, np.nan)
        _, self.first = np.unique(self.component, return_index=True)
        self._set_scales(a, b, scale_a, scale_b, dtype)
        self.free, self.fixed = np.ones(len(self.first), bool), np.full(len(self.first), np.nan)
        for frozen in (spec.frozen(places) for spec in specs):
            if frozen is not None:
                self._freeze(*frozen)
        self.whole = whole_layers(specs)
        self.bound = self._bound()
        self.groups = self.bound[self.free[self.bound]]
        is_weight = np.zeros(places.n, bool)
        for W in places.W:
            if W is not None:
                is_weight[W] = True
        self.weights = is_weight[self.first[self.groups]]

    # ---- from the specs

    def _components(self, a: Integers, b: Integers) -> Integers:
        """The number of each weight's component; components are in the order of their first places."""
        from scipy.sparse import coo_array  # here, so that importing fastmlp imports no scipy
        from scipy.sparse.csgraph import connected_components

        n = self.places.n
        _, labels = connected_components(coo_array((np.ones(len(a)), (a, b)), shape=(n, n)), directed=False)
        _, first, labels = np.unique(labels, return_index=True, return_inverse=True)
        return np.argsort(np.argsort(first))[labels]

    def _set_scales(self, a: Integers, b: Integers, scale_a: Floats, scale_b: Floats, dtype: DTypeLike) -> None:
        """Compute scales outwards from each component's first place. ValueError if ties contradict each other, or if a
        scale is so large or small that weights or parameters would be out of range in the dtype."""
        scale = self.scale
        for at, declared in ((a, scale_a), (b, scale_b)):
            self._require_scales(at, declared, dtype)
        first = np.ones(self.places.n)
        first[b[::-1]], first[a[::-1]] = scale_b[::-1], scale_a[::-1]  # the first tie of a weight counts
        scale[self.first] = first[self.first]
        known = np.zeros(self.places.n, bool)
        known[self.first] = True
        while True:
            self._require_scales(np.flatnonzero(known), scale[known], dtype)
            if known.all():
                break
            for x, y, scale_x, scale_y in ((a, b, scale_a, scale_b), (b, a, scale_b, scale_a)):
                go = known[x] & ~known[y]
                found, of_x, of_y = scale[x[go]], scale_x[go], scale_y[go]
                scale[y[go]] = np.where(found == of_x, of_y, found * (of_y / of_x))
                known[y[go]] = True
        wrong = ~np.isclose(scale[a] * scale_b, scale[b] * scale_a, rtol=SAME, atol=0)
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            raise ValueError(f"ties: {self.places.name(a[k])} and {self.places.name(b[k])} are tied with the ratio "
                             f"{scale_b[k] / scale_a[k]:g} and by other ties with {scale[b[k]] / scale[a[k]]:g}")

    def _require_scales(self, at: Integers, scales: Floats, dtype: DTypeLike) -> None:
        """ValueError if the scale of a weight is too large or too small."""
        # the product of two is no less than the smallest float
        least = max(float(np.finfo(dtype).tiny), math.sqrt(np.finfo(float).tiny))
        wrong = ~((np.abs(scales) >= least) & (np.abs(scales) <= 1 / least))
        if wrong.any():
            k = int(np.flatnonzero(wrong)[0])
            raise ValueError(f"ties: scales must be between {least:.3g} and {1 / least:.3g} in {np.dtype(dtype).name}, "
                             f"got {scales[k]:g} for {self.places.name(at[k])}")

    def _freeze(self, at: Integers, value: Floats) -> None:
        """Freeze the components of weights at values, NaN for their initial values. ValueError if values conflict."""
        which, q = self.component[at], value / self.scale[at]
        self.free[which] = False
        before = self.fixed.copy()
        self.fixed[which] = np.where(np.isnan(q), self.fixed[which], q)
        others = np.stack([self.fixed[which], before[which]])
        differs = ~np.isnan(others) & ~np.isclose(others, q, rtol=SAME, atol=0)
        clash = ~np.isnan(q) & differs.any(axis=0)
        if clash.any():
            k = int(np.flatnonzero(clash)[0])
            raise ValueError(f"ties: {self.places.name(at[k])} is frozen at {value[k]:g} and tied to, or is, "
                             f"{self.places.name(self.first[which[k]])}, which is frozen at another value")

    def _bound(self) -> Integers:
        bound = (np.bincount(self.component) > 1) | (self.scale[self.first] != 1) | ~self.free
        for whole in self.whole:
            for places in (self.places.W[whole.leader], self.places.b[whole.leader] if whole.biases else None):
                if places is not None:
                    bound[self.component[places.ravel()]] = False
        return np.flatnonzero(bound)

    # ---- E

    def start(self, flat: Floats) -> NDArray[np.float64]:
        """q from all initial weights."""
        q = flat[self.first] / self.scale[self.first]
        return np.where(np.isnan(self.fixed), q, self.fixed)

    def spread(self, q: Floats) -> Floats:
        """E q: all weights."""
        with np.errstate(over="ignore"):  # what overflows becomes infinite, which _hold refuses
            return (self.scale * q[self.component]).astype(q.dtype)

    def gather(self, flat: Floats) -> Floats:
        """E^T: the gradient by p from that by all weights."""
        return np.bincount(self.component, self.scale * flat, len(self.first))[self.free].astype(flat.dtype)

    # ---- for the engine

    def tail(self) -> tuple[int, int]:
        """The number of groups: (those that count as weights, those that count as biases)."""
        n = int(self.weights.sum())
        return n, len(self.groups) - n

    def program(self, offsets: Integers, tail: tuple[int, int]) -> tuple[Program, Integers, Integers]:
        """(the Program for the engine; flat places of the frozen weights; the place of each q in padded arrays).

        offsets: of all weights in padded arrays. tail: where the parameters of groups begin there, weights and biases.
        """
        groups, homes = self.groups, offsets[self.first].copy()
        for kind, place in zip((True, False), tail):
            mine = groups[self.weights == kind]
            homes[mine] = place + np.arange(len(mine))
        order = np.argsort(self.component, kind="stable")
        first = np.append(np.searchsorted(self.component[order], groups), 0)
        counts = np.bincount(self.component)[groups]
        members = np.concatenate([order[b:b + n] for b, n in zip(first, counts)] + [[]]).astype(np.int64)
        begin = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
        frozen = np.flatnonzero(~self.free[self.component])
        return Program(homes[groups], begin, offsets[members], self.scale[members], offsets[frozen]), frozen, homes

    def layers(self) -> set[int]:
        """Numbers of the layers with tied or frozen weights."""
        bound = np.zeros(self.places.n, bool)
        bound[np.isin(self.component, self.bound)] = True
        tied = {l for l, pair in enumerate(zip(self.places.W, self.places.b)) for places in pair
                if places is not None and bound[places].any()}
        return tied | {l for whole in self.whole for l in (whole.leader, whole.follower)}


def whole_layers(specs: Sequence[Tie]) -> list[Whole]:
    """The layers that are tied as a whole, by one tie, and have no other ties."""
    layers = [spec.layers() for spec in specs]
    alone = [spec for k, spec in enumerate(specs) if isinstance(spec, TiedLayers) and spec.l != spec.m
             and not any(layers[k] & other for i, other in enumerate(layers) if i != k)]
    return [Whole(min(spec.l, spec.m), max(spec.l, spec.m), spec.transposed, spec.biases) for spec in alone]
