"""Rows that are mixed with other rows (Zhang, Cisse, Dauphin and Lopez-Paz 2018)."""
from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from .._network import Network
from .._types import Floats, Integers
from .options import Options

STEPS = 2**16  # shares are rounded to multiples of 1 / STEPS, since the last digits of pow differ between machines


def check(network: Network, options: Options) -> None:
    """ValueError where rows cannot be mixed."""
    if network.loss.function is not None:
        raise ValueError("mixup must be 0 where the loss is a function, which knows rows of y as they are")
    if network.tables:
        raise ValueError("mixup must be 0 for a network with categories, of which there is nothing in between")
    for name in ("comm", "batches"):
        if getattr(options, name) is not None:
            raise ValueError(f"mixup must be 0 where {name} is given, got {options.mixup:g}")


def drawn(rows: Integers, alpha: float, dtype: DTypeLike, *seed: Any) -> tuple[Integers, Floats]:
    """(for each of the rows that follow each other in an epoch another one of them, which is mixed into it, the share
    that it keeps, of the Beta distribution with both parameters alpha); the same for the same seed."""
    rng = np.random.default_rng(seed)
    share = np.rint(rng.beta(alpha, alpha, len(rows)) * STEPS) / STEPS
    return rows[rng.permutation(len(rows))], share.astype(dtype)
