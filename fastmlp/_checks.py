"""Checks of the numbers, names and switches that users pass; `_arrays.py` checks their arrays.

Each error names the argument, what came and what was wanted.
"""
from __future__ import annotations

import math
import numbers
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

# the commonest type first: isinstance of an abstract class takes a microsecond
INTEGRAL, REAL = (int, numbers.Integral), (float, int, numbers.Real)


def one_of(argument: str, value: Any, known: Collection[str]) -> Any:
    """value, which must be one of the known names."""
    if value not in known:
        raise ValueError(f"{argument} must be one of {', '.join(sorted(known))}, got {value!r}")
    return value


def integer(argument: str, value: Any, least: int, most: int | None = None) -> int:
    """value as an int of at least `least`, and at most `most`."""
    if isinstance(value, bool) or not isinstance(value, INTEGRAL):
        raise TypeError(f"{argument} must be an integer, got {value!r}")
    value = int(value)
    if value < least:
        raise ValueError(f"{argument} must be at least {least}, got {value}")
    if most is not None and value > most:
        raise ValueError(f"{argument} must be at most {most}, got {value}")
    return value


def number(argument: str, value: Any, least: float | None = None, below: float | None = None,
           above: float | None = None, most: float | None = None) -> float:
    """value as a finite float with least <= value <= most, above < value < below."""
    if isinstance(value, bool) or not isinstance(value, REAL):
        raise TypeError(f"{argument} must be a number, got {value!r}")
    try:
        x = float(value)
    except OverflowError:
        x = math.inf
    if not (math.isfinite(x) and (least is None or x >= least) and (above is None or x > above)
            and (below is None or x < below) and (most is None or x <= most)):
        limits = {"at least": least, "above": above, "below": below, "at most": most}
        wanted = "".join(f", {word} {limit:g}" for word, limit in limits.items() if limit is not None)
        raise ValueError(f"{argument} must be finite{wanted}, got {x:g}")
    return x


def named(argument: str, value: Any, table: Mapping[str, Any]) -> tuple[str, float]:
    """(name, number) of a name in one of the engine's tables, or of a pair (name, number) where it takes a number.

    table: name -> row, whose last entry is the number that the name alone means, 0 where it takes none.
    """
    name, *extra = value if isinstance(value, tuple) and len(value) == 2 else (value,)
    if not isinstance(name, str):
        raise TypeError(f"{argument} must be a name or a pair (name, number), got {value!r}")
    default = table[one_of(argument, name, table)][-1]
    if extra and not default:
        raise ValueError(f"{argument} {name!r} takes no number, got {value!r}")
    return name, number(f"the number of {argument}", *extra) if extra else default


def boolean(argument: str, value: Any) -> None:
    """TypeError unless value is a bool, Python's or NumPy's."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{argument} must be True or False, got {value!r}")


def floating(dtype: Any) -> np.dtype[Any]:
    """dtype as NumPy's float32 or float64."""
    known: np.dtype[Any] | None
    try:
        known = None if dtype is None else np.dtype(dtype)  # None means float64 to NumPy
    except TypeError:
        known = None
    if known is None or known not in (np.float32, np.float64):
        raise ValueError(f"dtype must be 'float32' or 'float64', got {dtype!r}")
    return known


def generator(random_state: Any) -> np.random.Generator:
    """The generator that a random_state stands for: None, an int, or a numpy Generator or RandomState."""
    if isinstance(random_state, np.random.RandomState):
        return np.random.default_rng(random_state.randint(2**31))
    if isinstance(random_state, numbers.Integral):
        return np.random.default_rng(integer("random_state", random_state, 0))
    if random_state is None or isinstance(random_state, np.random.Generator):
        return np.random.default_rng(random_state)
    raise TypeError("random_state must be None, an int, or a numpy Generator or RandomState, "
                    f"got {random_state!r}")
