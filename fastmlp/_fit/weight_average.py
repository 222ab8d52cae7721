"""The exponential moving average of the weights."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from .._engine.requests import Average
from .._parameters import Parameters
from .._types import Floats


class RunningMean:
    """The mean of the weights after each step so far, in which step t of T has the weight decay^(T - t).

    The network holds its own weights while an epoch is trained, and this mean between epochs.
    """

    def __init__(self, parameters: Parameters, decay: float) -> None:
        self.parameters, self.decay = parameters, decay
        self.other = parameters.core.like_params()  # whichever the network does not hold: mean or weights
        self.power = np.ones(1)

    def as_asked_for(self) -> Average:
        """The mean in the form in which the engine updates it."""
        return Average(self.other, self.decay, self.power)

    def arrays(self) -> list[Floats]:
        """The arrays that a step changes."""
        return [self.other, self.power]

    @contextlib.contextmanager
    def weights_in_place(self) -> Iterator[None]:
        """Context in which the network holds its own weights; afterwards it holds their mean again."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()
            if self.parameters.tied:
                self.parameters.assign(self.parameters.values())  # tied weights are exact copies

    def _exchange(self) -> None:
        if self.power[0] < 1:  # otherwise no step was taken yet
            P = self.parameters.core.P
            P[...], self.other[...] = self.other, P.copy()
