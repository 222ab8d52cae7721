"""Losses: the core's by name, and users' own functions."""
import numpy as np

from . import _arrays, _checks, _core

__all__ = ["Loss"]


class Loss:
    """What a network minimises: the mean over rows of e(x(L), y), itself a sum over the outputs.

    spec: a name of the core's table, a pair (name, number) for huber's threshold or the quantile, or a callable
    loss(x, y) that gets blocks of rows x = x(L) and y, both (m, d(L)), and returns their values (m,) and derivatives
    de/dx (m, d(L)).
    """

    def __init__(self, spec):
        self.spec = spec
        self.function = spec if callable(spec) else None
        if self.function:
            self.name, self.kind, self.arg, self.link = None, 0, 0.0, _core.LINKS["identity"]
        else:
            self.name, self.arg = _checks.named("loss", spec, _core.LOSSES)
            self.kind, self.link, _ = _core.LOSSES[self.name]
            if self.name in ARGUMENTS and not ARGUMENTS[self.name][0](self.arg):
                raise ValueError(f"the number of loss {self.name!r} must be {ARGUMENTS[self.name][1]}, got {self.arg:g}")

    def rows(self, y, dtype):
        """The function as the core calls it: rows of the data and x -> values and derivatives, checked."""
        if self.function is None:
            return None

        def call(rows, x):
            result = self.function(x, _arrays.dense(y[rows]))
            if not isinstance(result, tuple) or len(result) != 2:
                raise TypeError(f"a loss function must return (values, derivatives), got {type(result).__name__}")
            value, grad = (np.array(a, dtype, order="C") for a in result)
            if value.shape != (len(x),) or grad.shape != x.shape:
                raise ValueError(f"a loss function must return values of shape ({len(x)},) and derivatives of shape "
                                 f"{x.shape}, got {value.shape} and {grad.shape}")
            return value, grad

        return call


ARGUMENTS = {
    "huber": (lambda a: a > 0, "above 0"),
    "quantile": (lambda a: 0 < a < 1, "between 0 and 1"),
}
