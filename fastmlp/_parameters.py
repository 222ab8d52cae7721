"""The parameters of a network, and the optimiser's state for them.

They have three forms:

by layer    lists W and b of arrays; entry 0 is None, as is that of a layer without W or b;
padded      one array laid out as the engine's `core.P`, rows padded to whole vectors: the weights themselves, their
            gradient, an optimiser's state;
flat        one plain array in the order W(1), b(1), W(2), ..: of all weights, or, called p, of the free parameters.
            Without ties these are the same; with ties all weights are E p, and gradients by p are E^T times those by
            all weights.
"""
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _core
from ._engine.requests import Step
from ._tie_matrix import Ties
from ._types import Floats, Integers, Shape
from .optim import Optimizer

ByLayer = list[NDArray[Any] | None]


def in_order(W: ByLayer, b: ByLayer) -> list[NDArray[Any]]:
    """The arrays of W and b, by layer, in the order of the flat form."""
    return [a for pair in zip(W, b) for a in pair if a is not None]


def flatten(W: ByLayer, b: ByLayer) -> NDArray[Any]:
    """W and b, by layer, as one flat array."""
    return np.concatenate([a.ravel() for a in in_order(W, b)])


def parameters_of(core: _core.Core, weight_shapes: list[Shape | None], ties: Ties | None) -> Parameters:
    """The parameters of an engine's network, with or without ties. weight_shapes: of W(l)."""
    return Parameters(core, weight_shapes) if ties is None else TiedParameters(core, weight_shapes, ties)


class Parameters:
    """The parameters of a network without ties: p are all W and b.

    W, b: by layer, as tuples of views of the engine's weights. n: the size of p. tied: whether some weights are tied or
    frozen.
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
        shaped = [None if W is None else W.reshape(shape)  # only splits rows, so it is still a view
                  for W, shape in zip(weights, self._weight_shapes[1:])]
        return [None, *shaped], [None, *biases]

    def take(self, padded: Floats) -> Floats:
        """The elements of a padded array that belong to p, as a flat copy."""
        return self.core.flat(padded)

    def put(self, p: Floats, padded: Floats) -> None:
        """Write p to its places in a padded array of optimiser state; for weights use `assign`."""
        self._fill(p, padded)

    def all_weights(self) -> Floats:
        """All weights and biases, including tied and frozen ones, as a flat copy."""
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
        """Set the network's parameters to p, (n,)."""
        self._fill(p, self.core.P)

    def start(self, W: ByLayer, b: ByLayer) -> None:
        """Set the network's initial weights, by layer."""
        for views, values in zip(self.by_layer(self.core.P), (W, b)):
            for view, value in zip(views, values):
                if view is not None:
                    view[...] = value

    def resume(self, all_weights: Floats, p: Floats | None) -> None:
        """Restore weights: all of them, flat, and with ties also p."""
        self._fill(all_weights, self.core.P)

    def require_finite(self) -> None:
        """If a weight is NaN or infinite, raise a ValueError that names the arrays."""
        if not _core.all_finite(self.core.P):
            bad = [f"{name}[{l}]" for name, arrays in (("W", self.W), ("b", self.b)) for l, a in enumerate(arrays)
                   if a is not None and not np.isfinite(a).all()]
            raise ValueError(f"weights must be finite, got NaN or infinity in {', '.join(bad)}")

    # ---- derivatives

    def gather(self, padded_gradient: Floats) -> Floats:
        """The gradient by p, (n,), from the padded gradient by all weights."""
        return self.core.flat(padded_gradient)

    def direction(self, v: Floats) -> Floats:
        """The change of all weights if p changes by v, padded."""
        padded = self.core.like_params()
        self._fill(v, padded)
        return padded


class TiedParameters(Parameters):
    """The parameters of a network with ties: p are the free ones, in the order of their first places.

    A free parameter shared by several weights also has its own place in padded arrays; the weights are copies, which
    the engine updates after each step. `Ties` has a number q for each parameter, free or frozen.
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
        """The place of each element of p in padded arrays."""
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
        """Set all parameters to q: their own places, all weights, and the values at which the engine keeps frozen ones.

        still: the values of the frozen weights, from which scale times q may differ by rounding; None: scale times q.
        """
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
        q = np.zeros(len(self.ties.first), self.core.P.dtype)  # frozen parameters do not change
        q[self.ties.free] = v
        return super().direction(self.ties.spread(q))


class OptimizerState:
    """The optimiser's state, which a fit leaves for the next partial_fit.

    optimizer: its spec. slots: its arrays for the parameters, padded. powers: beta1^t, beta2^t and similar powers,
    (optimizer.n_powers,) float64. epoch: the number of epochs so far, by which schedules count.
    """

    def __init__(self, parameters: Parameters, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self._last: Step | None = None  # the last result of step_at
        self.slots = [parameters.core.like_params() for _ in range(optimizer.n_slots)]
        self.powers = np.array([1.0] * optimizer.n_powers)  # np.ones takes three times as long
        self.epoch = 0

    @classmethod
    def following(cls, previous: OptimizerState | None, parameters: Parameters, optimizer: Optimizer,
                  fresh: bool = False) -> OptimizerState:
        """The state to train with after a previous one, or None: if both optimisers are of the same kind, the previous
        state with the new optimiser's numbers; otherwise, or if fresh, a new one. ValueError if the optimiser's numbers
        are out of range in the weights' dtype."""
        known = previous is not None and previous.optimizer is optimizer
        if not known:  # otherwise it was checked before
            optimizer.check(parameters.core.dtype)
        if previous is None or fresh or previous.optimizer.step != optimizer.step:
            state = cls(parameters, optimizer)
            state._last = previous._last if previous is not None and known else None
            return state
        if not known:
            previous.optimizer, previous._last = optimizer, None
        return previous

    def step_at(self, rate: float) -> Step:
        """The optimiser's step at a learning rate; the last one is reused if the rate is the same."""
        if self._last is None or self._last.lr != rate:
            self._last = self.optimizer.at_rate(rate)
        return self._last

    def arrays(self) -> list[Floats]:
        """The arrays that a step changes besides the weights."""
        return [*self.slots, self.powers]

    def export(self, parameters: Parameters) -> dict[str, Any]:
        """The state as a dict of built-in objects, specs and plain arrays; the slots are flat, for p."""
        slots = [parameters.take(slot) for slot in self.slots]
        return {"optimizer": self.optimizer, "slots": slots, "powers": self.powers.copy(), "epoch": self.epoch}

    @classmethod
    def restore(cls, parameters: Parameters, exported: dict[str, Any]) -> OptimizerState:
        """The state from the result of export."""
        state = cls(parameters, exported["optimizer"])
        for slot, p in zip(state.slots, exported["slots"]):
            parameters.put(p, slot)
        state.powers[...], state.epoch = exported["powers"], exported["epoch"]
        return state
