"""Mixup: train on rows mixed with other rows (Zhang, Cisse, Dauphin and Lopez-Paz 2018)."""
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .._network import Network
from .._types import Floats, Integers
from .options import Options

STEPS = 2**16  # shares are rounded to multiples of 1 / STEPS, since the last digits of pow differ between machines


def check(network: Network, options: Options) -> None:
    """ValueError if mixup is not possible for the network or the options."""
    if network.loss.function is not None:
        raise ValueError("mixup must be 0 where the loss is a function, which knows rows of y as they are")
    if network.tables:
        raise ValueError("mixup must be 0 for a network with categories, of which there is nothing in between")
    for name in ("comm", "batches"):
        if getattr(options, name) is not None:
            raise ValueError(f"mixup must be 0 where {name} is given, got {options.mixup:g}")


def drawn(rows: Integers, alpha: float, dtype: DTypeLike, *seed: Any) -> tuple[Integers, Floats]:
    """(the partner that is mixed into each row, a permutation of rows; the share that each row keeps, drawn from the
    distribution Beta(alpha, alpha)). The same seed gives the same result."""
    rng = np.random.default_rng(seed)
    share = np.rint(rng.beta(alpha, alpha, len(rows)) * STEPS) / STEPS
    return rows[rng.permutation(len(rows))], share.astype(dtype)
