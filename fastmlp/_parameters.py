"""The numbers that a network learns, and what training keeps for each of them.

They have three forms:

by layer    lists W and b of arrays, entry 0 None, as is that of a layer without;
padded      one array laid out as the engine's `core.P`, rows padded to whole vectors: the weights themselves, their
            gradient, an optimiser's state;
flat        one plain array in the order W(1), b(1), W(2), ..: of all weights, or, as p, of the free parameters. They
            are the same without ties; with ties all weights are E p, and gradients by p are E^T times those by all
            weights.
"""
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _core
from ._engine.requests import Step
from ._tied import Ties
from ._types import Floats, Integers, Shape
from .optim import Optimizer

ByLayer = list[NDArray[Any] | None]


def in_order(W: ByLayer, b: ByLayer) -> list[NDArray[Any]]:
    """The arrays of lists by layer in the order that flat ones have."""
    return [a for pair in zip(W, b) for a in pair if a is not None]


def flatten(W: ByLayer, b: ByLayer) -> NDArray[Any]:
    """Lists by layer as one flat array."""
    return np.concatenate([a.ravel() for a in in_order(W, b)])


def parameters_of(core: _core.Core, weight_shapes: list[Shape | None], ties: Ties | None) -> Parameters:
    """The parameters in an engine's network, whose W(l) have these shapes, with ties or without."""
    return Parameters(core, weight_shapes) if ties is None else TiedParameters(core, weight_shapes, ties)


class Parameters:
    """The parameters of a network without ties: p are all W and b.

    W, b: by layer, as tuples of views of the engine's weights. n: how many p has. tied: whether some of them stand in
    several places, or still.
    """

    tied = False

    def __init__(self, core: _core.Core, weight_shapes: list[Shape | None]) -> None:
        self.core, self._weight_shapes = core, weight_shapes
        self.W: tuple[Floats | Any, ...]
        self.b: tuple[Floats | Any, ...]
        self.W, self.b = map(tuple, self.by_layer(core.P))

    @property
    def n(self) -> int:
        return self.core.n_params

    # ---- between the forms

    def by_layer(self, padded: NDArray[Any]) -> tuple[ByLayer, ByLayer]:
        """(W, b): writable views of a padded array's parts, those of W(l) in its shape."""
        weights = [self.core.weight(l, padded) for l in range(1, len(self._weight_shapes))]
        biases = [self.core.bias(l, padded) for l in range(1, len(self._weight_shapes))]
        shaped = [None if W is None else W.reshape(shape)  # splits the rows, so it stays a view
                  for W, shape in zip(weights, self._weight_shapes[1:])]
        return [None, *shaped], [None, *biases]

    def take(self, padded: Floats) -> Floats:
        """What stands in the places of p in a padded array, as a flat copy."""
        return self.core.flat(padded)

    def put(self, p: Floats, padded: Floats) -> None:
        """Write p into its places in a padded array of an optimiser's state; `assign` is for the weights."""
        self._fill(p, padded)

    def all_weights(self) -> Floats:
        """All weights and biases as a flat copy, those that are tied or frozen too."""
        return self.core.flat(self.core.P)

    def _fill(self, flat: Floats, padded: Floats) -> None:
        """Write all weights and biases, flat, into a padded array."""
        for view in in_order(*self.by_layer(padded)):
            view[...] = flat[:view.size].reshape(view.shape)
            flat = flat[view.size:]

    # ---- the parameters themselves

    def values(self) -> Floats:
        """p, (n,), a copy."""
        return self.take(self.core.P)

    def assign(self, p: Floats) -> None:
        """Give the network the parameters p, (n,)."""
        self._fill(p, self.core.P)

    def start(self, W: ByLayer, b: ByLayer) -> None:
        """Give the network its first weights, by layer."""
        for views, values in zip(self.by_layer(self.core.P), (W, b)):
            for view, value in zip(views, values):
                if view is not None:
                    view[...] = value

    def resume(self, all_weights: Floats, p: Floats | None) -> None:
        """Give the network weights that were there before: all of them, flat, and with ties p too."""
        self._fill(all_weights, self.core.P)

    def require_finite(self) -> None:
        """ValueError that names the arrays where a weight is NaN or infinite."""
        if not _core.all_finite(self.core.P):
            bad = [f"{name}[{l}]" for name, arrays in (("W", self.W), ("b", self.b)) for l, a in enumerate(arrays)
                   if a is not None and not np.isfinite(a).all()]
            raise ValueError(f"weights must be finite, got NaN or infinity in {', '.join(bad)}")

    # ---- derivatives

    def gather(self, padded_gradient: Floats) -> Floats:
        """The gradient by p, (n,), from the padded one by all weights."""
        return self.core.flat(padded_gradient)

    def direction(self, v: Floats) -> Floats:
        """By how much all weights change where p changes by v: padded."""
        padded = self.core.like_params()
        self._fill(v, padded)
        return padded


class TiedParameters(Parameters):
    """The parameters of a network with ties: p are those that are free, each in the order of its first place.

    A free parameter that stands in several places has a place of its own in padded arrays besides; the weights are
    copies that the engine writes after each step. `Ties` has a number q for each parameter, free or frozen.
    """

    tied = True

    def __init__(self, core: _core.Core, weight_shapes: list[Shape | None], ties: Ties) -> None:
        super().__init__(core, weight_shapes)
        self.ties = ties
        offsets = flatten(*self.by_layer(np.arange(core.P.size)))
        self._program, self._frozen, self._homes = ties.program(offsets, core.tail())
        for l in ties.layers():
            for view in (self.W[l], self.b[l]):
                if view is not None:
                    view.flags.writeable = False

    @property
    def n(self) -> int:
        return int(self.ties.free.sum())

    @property
    def _free_homes(self) -> Integers:
        """Where each element of p stands in padded arrays."""
        return self._homes[self.ties.free]

    def take(self, padded: Floats) -> Floats:
        return padded[self._free_homes]

    def put(self, p: Floats, padded: Floats) -> None:
        padded[self._free_homes] = p

    def assign(self, p: Floats) -> None:
        q = self.core.P[self._homes]
        q[self.ties.free] = p
        self._hold(q, self._still)

    def start(self, W: ByLayer, b: ByLayer) -> None:
        super().start(W, b)
        self._hold(self.ties.start(self.all_weights().astype(np.float64)))

    def resume(self, all_weights: Floats, p: Floats | None) -> None:
        super().resume(all_weights, p)
        q = self.ties.start(all_weights)
        q[self.ties.free] = p
        self._hold(q, all_weights[self._frozen])

    def _hold(self, q: Floats, still: Floats | None = None) -> None:
        """Give all parameters the values q: their own places, all weights, and what the engine keeps as it is.

        still: the frozen weights, which scale times q may miss by rounding; None for scale times q."""
        core, ties, dtype = self.core, self.ties, self.core.P.dtype
        with np.errstate(over="ignore"):  # refused below
            q = np.asarray(q, dtype)
        weights = ties.spread(q)
        if still is not None:
            weights[self._frozen] = still
        _arrays.finite("ties: scale times parameter", weights, dtype)
        self._fill(weights, core.P)
        core.P[self._homes] = np.where(ties.free, q, weights[ties.first])
        self._still = weights[self._frozen]
        core.tie(*self._program, self._still.astype(np.float64), ties.whole)

    def gather(self, padded_gradient: Floats) -> Floats:
        return self.ties.gather(self.core.flat(padded_gradient))

    def direction(self, v: Floats) -> Floats:
        q = np.zeros(len(self.ties.first), self.core.P.dtype)  # what is frozen does not change
        q[self.ties.free] = v
        return super().direction(self.ties.spread(q))


class OptimizerState:
    """What a fit leaves for the next partial_fit.

    optimizer: its spec. slots: its arrays by parameter, padded. powers: beta1^t, beta2^t and what else falls from step
    to step, (optimizer.n_powers,) float64. epoch: how many epochs it has seen, which schedules count by.
    """

    def __init__(self, parameters: Parameters, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._last: Step | None = None  # that was asked for
        self.slots = [parameters.core.like_params() for _ in range(optimizer.n_slots)]
        self.powers = np.array([1.0] * optimizer.n_powers)  # np.ones takes three times as long
        self.epoch = 0

    @classmethod
    def following(cls, previous: OptimizerState | None, parameters: Parameters, optimizer: Optimizer,
                  fresh: bool = False) -> OptimizerState:
        """The state to train with after another, or after None: that one with the new optimiser's numbers where both
        are of the same kind, else, or where a fresh one is asked for, a fresh one. ValueError where the weights' dtype
        cannot hold the optimiser's numbers."""
        known = previous is not None and previous.optimizer is optimizer
        if not known:  # else it was checked when it came first
            optimizer.check(parameters.core.dtype)
        if previous is None or fresh or previous.optimizer.step != optimizer.step:
            state = cls(parameters, optimizer)
            state._last = previous._last if previous is not None and known else None
            return state
        if not known:
            previous.optimizer, previous._last = optimizer, None
        return previous

    def step_at(self, rate: float) -> Step:
        """The optimiser's step at a rate; the last one where that is the same."""
        if self._last is None or self._last.lr != rate:
            self._last = self.optimizer.at_rate(rate)
        return self._last

    def arrays(self) -> list[Floats]:
        """All that a step changes besides the weights."""
        return [*self.slots, self.powers]

    def export(self, parameters: Parameters) -> dict[str, Any]:
        """Builtins, specs and plain arrays: the slots are flat, of p."""
        slots = [parameters.take(slot) for slot in self.slots]
        return {"optimizer": self.optimizer, "slots": slots, "powers": self.powers.copy(), "epoch": self.epoch}

    @classmethod
    def restore(cls, parameters: Parameters, exported: dict[str, Any]) -> OptimizerState:
        """The state that was exported."""
        state = cls(parameters, exported["optimizer"])
        for slot, p in zip(state.slots, exported["slots"]):
            parameters.put(p, slot)
        state.powers[...], state.epoch = exported["powers"], exported["epoch"]
        return state
