"""Types of the estimators' parameters."""
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Activations = str | Sequence[str | tuple[str, float]]
LearningRate = str | Callable[[int], float]  # a name, or a function (epoch) -> rate
Seed = int | np.random.RandomState | None
Monitored = str | Callable[..., Any] | None  # the parameter monitor
