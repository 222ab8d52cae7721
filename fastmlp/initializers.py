"""Initial weights: the initializers by name, and users' own values."""
from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from . import _arrays, _checks

# name -> variance of a weight between layers of n_in and n_out units. Glorot and Bengio 2010, He et al. 2015,
# LeCun et al. 1998.
VARIANCES: dict[str, Callable[[int, int], float]] = {
    "glorot": lambda n_in, n_out: 2.0 / (n_in + n_out),
    "he": lambda n_in, n_out: 2.0 / n_in,
    "lecun": lambda n_in, n_out: 1.0 / n_in,
}
# name -> draw with mean 0 and a given variance
DRAWS: dict[str, Callable[[np.random.Generator, float, tuple[int, ...]], NDArray[np.float64]]] = {
    "uniform": lambda rng, variance, shape: rng.uniform(-1.0, 1.0, shape) * np.sqrt(3.0 * variance),
    "normal": lambda rng, variance, shape: rng.standard_normal(shape) * np.sqrt(variance),
}
INITIALIZERS = tuple(f"{variance}_{draw}" for variance in VARIANCES for draw in DRAWS) + ("zeros",)


def initial(init: Any, shape: tuple[int, ...], rng: np.random.Generator, argument: str,
            dtype: np.dtype[Any], fans: tuple[int, int] | None = None) -> NDArray[np.float64]:
    """Initial weights of a shape (.., n_in, n_out), float64. The fans of a convolution are n_in and n_out times the
    size of its kernel.

    init: a name in INITIALIZERS, a pair as for `drawn`, or an array that is finite in dtype. Errors call it `argument`.
    fans: (fan_in, fan_out) if they are not those of the shape.
    """
    if is_pair(init):
        return drawn(init, shape, rng, argument, dtype)
    if isinstance(init, str):
        _checks.one_of(argument, init, INITIALIZERS)
        if init == "zeros":
            return np.zeros(shape)
        variance, draw = init.split("_")
        fan_in, fan_out = fans or (math.prod(shape[:-1]), math.prod(shape[:-2]) * shape[-1])
        return DRAWS[draw](rng, VARIANCES[variance](fan_in, fan_out), shape)
    return given(init, shape, argument, dtype)


def is_pair(init: Any) -> bool:
    """Whether init is a pair (name, number)."""
    return isinstance(init, tuple) and len(init) == 2 and isinstance(init[0], str)


def drawn(pair: tuple[str, float], shape: tuple[int, ...], rng: np.random.Generator, argument: str,
          dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """Random numbers of a shape, float64: ("normal", sigma) with mean 0 and standard deviation sigma, or ("uniform", a)
    from -a to a."""
    name, size = pair
    _checks.one_of(argument, name, DRAWS)
    size = _checks.number(f"the number of {argument} {name!r}", size, least=0, dtype=dtype)
    return DRAWS[name](rng, size * size / (3.0 if name == "uniform" else 1.0), shape)


def given(values: Any, shape: tuple[int, ...], argument: str, dtype: np.dtype[Any]) -> NDArray[np.float64]:
    """A user's array of a shape, or a single number for all elements, checked."""
    values = _arrays.numeric(argument, values, np.float64).astype(np.float64)
    if values.ndim and values.shape != shape:
        raise ValueError(f"{argument} must have shape {shape}, got {values.shape}")
    values = np.broadcast_to(values, shape)
    _arrays.finite(argument, values, dtype)
    return values
