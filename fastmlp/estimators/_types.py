"""Types of the estimators' parameters."""
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Activations = str | Sequence[str | tuple[str, float]]
LearningRate = str | Callable[[int], float]  # the second: the rate of an epoch
Seed = int | np.random.RandomState | None
Monitored = str | Callable[..., Any] | None  # by patience
