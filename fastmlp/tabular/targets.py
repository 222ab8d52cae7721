"""Transform regression targets for a network, and its outputs back to predictions.

Targets are standardised, optionally after a power transform (Yeo and Johnson 2000), which shortens the tail of a skewed
distribution. The network then predicts a mean on the transformed scale, whose inverse is not the mean of y. So the mean
is taken over the residuals of held-out rows: E[y] = mean over i of inverse(output + residual i), the smearing estimate
of Duan (1983).
"""
from __future__ import annotations

import numpy as np
from sklearn.preprocessing import PowerTransformer

from .._types import Floats

SMEARED = 200  # number of quantiles that represent the residuals
POINTS = 400  # number of points between which smeared means are interpolated
LARGEST = 1e300  # of y, so that differences are finite
SMALLEST = float(np.finfo(np.float64).tiny)  # of what is divided by
BEYOND = 0.25  # the points extend beyond the range of targets by this fraction of it on either side


class TargetScale:
    """y of one column <-> what the network learns, of mean 0 and standard deviation 1.

    transforms : whether to use a power transform.

    power : lambda of Yeo and Johnson, 1 for none. mean, scale : of the transformed y. least, most : of y in fit.
    residuals : of held-out rows, on the network's scale, (SMEARED,); none before `smear`. points, smeared :
    outputs, and the means of y there.
    """

    def __init__(self, transforms: bool = False) -> None:
        self.transforms = transforms

    def fit(self, y: Floats, weight: Floats | None = None) -> TargetScale:
        """y : (n,). weight : (n,), above 0, or None. ValueError if |y| is larger than LARGEST."""
        y = np.asarray(y, np.float64)
        self._take_range(float(y.min()), float(y.max()))
        self.centre, self.unit = _standard(y, weight)
        transformed = self._choose_power(y)
        self.mean, self.scale = _standard(transformed, weight)
        self._tabulate()
        return self

    def fit_moments(self, least: float, most: float, mean: float, deviation: float, points: Floats) -> TargetScale:
        """Fit to statistics of all y: the least and the largest; the mean and standard deviation (1 for a constant);
        and a sample of points, by which the power is chosen. ValueError if they are too large."""
        self._take_range(least, most)
        if not np.isfinite(deviation):
            raise ValueError(f"y must have a finite variance, got numbers from {least:g} to {most:g}")
        self.centre, self.unit = mean, deviation
        transformed = self._choose_power(points)
        self.mean, self.scale = (0.0, 1.0) if self.power == 1.0 else _standard(transformed, None)
        self._tabulate()
        return self

    def _take_range(self, least: float, most: float) -> None:
        """Store the range of y; there are no residuals yet."""
        if max(-least, most) > LARGEST:
            raise ValueError(f"y must be from -{LARGEST:g} to {LARGEST:g}, got {least:g} to {most:g}")
        self.least, self.most, self.residuals = least, most, np.zeros(1)

    def _choose_power(self, y: Floats) -> Floats:
        """Choose the power; returns y transformed by it."""
        standard = (y - self.centre) / self.unit
        self.power = 1.0
        if self.transforms and standard.any():
            power = PowerTransformer(standardize=False).fit(standard[:, None]).lambdas_[0]
            self.power = float(np.clip(power, 0.0, 2.0))  # beyond, the inverse is infinite at finite outputs
        return self._forward(standard)

    def transform(self, y: Floats) -> Floats:
        """y as targets of the network, (n,)."""
        return (self._forward((np.asarray(y, np.float64) - self.centre) / self.unit) - self.mean) / self.scale

    def inverse(self, outputs: Floats) -> Floats:
        """The inverse of transform, for outputs of any shape."""
        return self._backward(outputs * self.scale + self.mean) * self.unit + self.centre

    def smear(self, residuals: Floats) -> None:
        """Store the residuals of held-out rows, transform(y) - output, (m,)."""
        self.residuals = np.quantile(residuals, (np.arange(SMEARED) + 0.5) / SMEARED)
        self._tabulate()

    def _tabulate(self) -> None:
        """The smeared mean at points over the range of targets and beyond."""
        low, high = self.transform(np.array([self.least, self.most]))
        beyond = BEYOND * (high - low)
        self.points = np.linspace(low - beyond, high + beyond, POINTS)
        self.smeared = self.inverse(self.points[:, None] + self.residuals).mean(axis=1)

    def means(self, outputs: Floats, clip: bool = True) -> Floats:
        """The mean of y given the network's outputs, (n,). clip : to the range of y in fit."""
        y = self.inverse(outputs)
        if self.power != 1.0:
            y = np.interp(outputs, self.points, self.smeared)
        return np.clip(y, self.least, self.most) if clip else y

    def _forward(self, z: Floats) -> Floats:
        """Yeo and Johnson's transform."""
        if self.power == 1.0:
            return z
        out, p, up = np.empty_like(z), self.power, z >= 0
        out[up] = np.log1p(z[up]) if p == 0 else np.expm1(p * np.log1p(z[up])) / p
        out[~up] = -np.log1p(-z[~up]) if p == 2 else -np.expm1((2 - p) * np.log1p(-z[~up])) / (2 - p)
        return out

    def _backward(self, t: Floats) -> Floats:
        """Its inverse."""
        if self.power == 1.0:
            return t
        out, p, up = np.empty_like(t), self.power, t >= 0
        with np.errstate(over="ignore"):
            out[up] = np.expm1(t[up] if p == 0 else np.log1p(p * t[up]) / p)
            out[~up] = -np.expm1(-t[~up] if p == 2 else np.log1p(-(2 - p) * t[~up]) / (2 - p))
        return out


def unit_of(z: Floats) -> float:
    """A power of 2 just below the largest |z|. Divided by it, numbers are about 1 with the same mantissas, and their
    squares are finite."""
    return float(np.ldexp(1.0, int(np.frexp(np.abs(z).max(initial=0.0))[1]) - 1))


def _standard(z: Floats, weight: Floats | None) -> tuple[float, float]:
    """(mean, standard deviation), the latter 1 for a constant."""
    unit = unit_of(z)
    z = z / unit
    mean = float(np.average(z, weights=weight))
    spread = float(np.sqrt(np.average((z - mean) ** 2, weights=weight))) * unit
    return mean * unit, spread if spread >= SMALLEST else 1.0
