"""The exponential moving average of the weights."""
from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np

from .._engine.requests import Average
from .._parameters import Parameters
from .._types import Floats


class RunningMean:
    """The mean of the weights after each step so far, those of older steps counted less: of step t by decay^(T - t).

    While an epoch is trained the network holds its weights, between epochs their mean.
    """

    def __init__(self, parameters: Parameters, decay: float) -> None:
        self.parameters, self.decay = parameters, decay
        self.other = parameters.core.like_params()  # the mean while an epoch is trained, the weights between
        self.power = np.ones(1)

    def as_asked_for(self) -> Average:
        """The mean as the engine moves it."""
        return Average(self.other, self.decay, self.power)

    def arrays(self) -> list[Floats]:
        """All that a step changes."""
        return [self.other, self.power]

    @contextlib.contextmanager
    def weights_in_place(self) -> Iterator[None]:
        """The network holds its weights within, and afterwards their mean."""
        self._exchange()
        try:
            yield
        finally:
            self._exchange()
            if self.parameters.tied:
                self.parameters.assign(self.parameters.values())  # tied weights are exact copies

    def _exchange(self) -> None:
        if self.power[0] < 1:  # else there was no step yet
            P = self.parameters.core.P
            P[...], self.other[...] = self.other, P.copy()
