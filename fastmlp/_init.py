"""How weights start."""
import math

import numpy as np

from ._check import _finite, one_of

# name -> variance of a weight between layers of n_in and n_out units. Glorot and Bengio 2010, He et al. 2015,
# LeCun et al. 1998.
VARIANCES = {
    "glorot": lambda n_in, n_out: 2.0 / (n_in + n_out),
    "he": lambda n_in, n_out: 2.0 / n_in,
    "lecun": lambda n_in, n_out: 1.0 / n_in,
}
# name -> draw with mean 0 and a given variance
DRAWS = {
    "uniform": lambda rng, variance, shape: rng.uniform(-1.0, 1.0, shape) * np.sqrt(3.0 * variance),
    "normal": lambda rng, variance, shape: rng.standard_normal(shape) * np.sqrt(variance),
}
INITIALIZERS = tuple(f"{variance}_{draw}" for variance in VARIANCES for draw in DRAWS) + ("zeros",)


def initial(init, shape, rng, argument, dtype):
    """Weights of a shape (.., n_in, n_out), float64: the fans of a convolution are n_in and n_out times its kernel.

    init: a name in INITIALIZERS or an array."""
    if isinstance(init, str):
        one_of(argument, init, INITIALIZERS)
        if init == "zeros":
            return np.zeros(shape)
        variance, draw = init.split("_")
        return DRAWS[draw](rng, VARIANCES[variance](math.prod(shape[:-1]), math.prod(shape[:-2]) * shape[-1]), shape)
    return given(init, shape, argument, dtype)


def given(values, shape, argument, dtype):
    """A user's own array, or a number, checked."""
    try:
        values = np.asarray(values, np.float64)
    except (TypeError, ValueError) as error:
        raise TypeError(f"{argument} must be a name or an array of shape {shape}, got {type(values).__name__}") from error
    if values.ndim and values.shape != shape:
        raise ValueError(f"{argument} must have shape {shape}, got {values.shape}")
    values = np.broadcast_to(values, shape)
    _finite(argument, values, dtype)
    return values
