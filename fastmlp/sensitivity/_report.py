"""The error with noise on the input, local Lipschitz constants, and a report with a verdict from both."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike

from .. import _arrays, _checks, metrics
from .._types import Floats
from ..model import MLP
from ._attributions import saliency
from ._target import (
    MOST_DRAWS,
    Model,
    dense_rows,
    feature_names,
    naming,
    network,
    require_network,
    required,
    standard_deviations,
)

SIGMAS = (0.0, 0.05, 0.1, 0.2, 0.5, 1.0)  # noise of a report, in standard deviations of each feature
SMALL = 2  # index of the sigma that is used for verdicts
RISE = 1.5  # a loss has risen if it is more than this times as large
QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95, 1.0)
VERDICTS = {  # (test error has risen over training error, training error has risen with small noise)
    (False, False): "Steady: the network does on new rows as on those it has seen, and small noise on the input does "
                    "not matter to it",
    (False, True): "Sensitive: the network does on new rows as on those it has seen, but its accuracy needs an exact "
                   "input",
    (True, False): "Overfitted, though smooth: the network does worse on new rows, but not for being too sensitive to "
                   "its input",
    (True, True): "Fitted to noise: the network does worse on new rows, and small noise undoes what it has learned of "
                  "those it has seen",
}


@dataclass
class NoiseCurve:
    """The error with noise on the input: its mean over repeats and their standard deviation, one entry for each sigma.

    error is the network's loss; misclassified, 1 - accuracy, is None if the loss is not a cross-entropy.
    """

    sigmas: Floats
    error: Floats
    error_std: Floats
    misclassified: Floats | None
    misclassified_std: Floats | None


def noise_curve(model: Model, X: Any, y: Any, sigmas: ArrayLike, *, n_repeats: int = 10, scale: ArrayLike = 1.0,
                random_state: Any = None) -> NoiseCurve:
    """The error with normal noise of standard deviation sigma * scale on the input, for each of the sigmas.

    model : an MLP or a fitted estimator. X : (n, d(0)); y : the model's targets. sigmas : (m,), at least 0. scale : a
    number or one for each feature, such as X.std(axis=0). n_repeats : draws of noise; each is used for all sigmas, so
    that the curve is smooth.

    ValueError or TypeError for wrong arguments. Memory does not grow with the rows.
    """
    net, X, y = _with_targets(model, X, y)
    sigmas = _sigmas(sigmas, net.dtype)
    scale = standard_deviations("scale", scale, net)
    rng, n = _checks.generator(random_state), X.shape[0]
    n_repeats = _checks.integer("n_repeats", n_repeats, 1, MOST_DRAWS)
    sums = np.zeros((len(sigmas), n_repeats, 2))
    for r in range(n_repeats):
        for rows in _arrays.blocks(n, 3 * net.d[0] * net.dtype.itemsize):
            x = dense_rows(X, rows, net.dtype)
            noise = scale * rng.standard_normal(x.shape, net.dtype)
            noise[:, net._network.numeric:] = 0
            for s, sigma in enumerate(sigmas):
                sums[s, r] += _errors(net, x + sigma * noise, y[rows])
    (error, wrong), (error_std, wrong_std) = (sums / n).mean(axis=1).T, (sums / n).std(axis=1).T
    if not _classifies(net):
        wrong = wrong_std = None
    return NoiseCurve(sigmas.astype(float), error, error_std, wrong, wrong_std)


def local_lipschitz(model: Model, X: Any, at: str = "logits") -> Floats:
    """The spectral norm of each row's Jacobian dx(L)/dx(0), (n,): the largest change of the outputs per unit length of
    a small step of the input.

    model : an MLP or a fitted estimator. X : (n, d(0)). at : "logits", before the loss's link, or "probabilities". For
    a single output it is the norm of its gradient. Computed in float64 from the largest eigenvalue of J J^T or J^T J,
    in blocks of rows.
    """
    net, X, _ = network(model, X)
    norms = []
    for rows in _arrays.blocks(X.shape[0], (8 + net.dtype.itemsize) * net.d[0] * net.d[-1]):
        J = net.jacobian(X[rows], at).astype(float)
        step = max(1, 10**7 // min(net.d[0], net.d[-1]) ** 3)  # a hundredth of a second, without Ctrl-C
        for j in (J[i:i + step] for i in range(0, len(J), step)):
            gram = j @ j.mT if net.d[-1] <= net.d[0] else j.mT @ j
            norms.append(np.sqrt(np.maximum(np.linalg.eigvalsh(gram)[:, -1], 0)))
    return np.concatenate(norms)


@dataclass
class Report:
    """The result of report; print it.

    feature_names : (d(0),). gradient : mean |de/dx_j| over the test rows, (d(0),). spread : standard deviations of the
    features over the training rows, (d(0),). lipschitz : quantile -> local_lipschitz of the test rows. train_noise,
    test_noise : NoiseCurves, with sigmas in spreads, 0 the first.
    """

    feature_names: list[str]
    gradient: Floats
    spread: Floats
    lipschitz: dict[float, float]
    train_noise: NoiseCurve
    test_noise: NoiseCurve

    @property
    def train_error(self) -> float:
        """The network's loss on the training rows."""
        return float(self.train_noise.error[0])

    @property
    def test_error(self) -> float:
        """The network's loss on the test rows."""
        return float(self.test_noise.error[0])

    @property
    def gap(self) -> float:
        """Test error minus training error."""
        return self.test_error - self.train_error

    @property
    def verdict(self) -> str:
        """A sentence; `report` has the rule."""
        noisy = self.train_noise.error[SMALL]
        conclusion = VERDICTS[_risen(self.train_error, self.test_error), _risen(self.train_error, noisy)]
        return (f"{conclusion} (error {self.train_error:.3g} on the training rows, {noisy:.3g} with noise of "
                f"{SIGMAS[SMALL]:g} standard deviations; {self.test_error:.3g} on the test rows).")

    def __str__(self) -> str:
        largest = np.argsort(-self.gradient * self.spread, kind="stable")[:10]
        curves = self.train_noise, self.test_noise
        rows: list[tuple[Any, ...]] = [("", "train", "test"), ("error", self.train_error, self.test_error)]
        wrong = [curve.misclassified[0] for curve in curves if curve.misclassified is not None]
        if wrong:
            rows.append(("misclassified", *wrong))
        rows += [(f"error, noise {sigma:g} sd", *errors)
                 for sigma, *errors in zip(SIGMAS, *(curve.error for curve in curves)) if sigma]
        rows += [(), ("feature", "|de/dx|", "times sd")]
        rows += [(self.feature_names[j], self.gradient[j], self.gradient[j] * self.spread[j]) for j in largest]
        rows += [(), ("spectral norm of", "dx(L)/dx(0)")]
        rows += [(f"{q:.0%} of rows up to", norm) for q, norm in self.lipschitz.items()]
        width = max(21, *(len(self.feature_names[j]) for j in largest))
        return "\n".join([*(_line(row, width) for row in rows), "", self.verdict])


def _line(row: Sequence[Any], width: int) -> str:
    """A name and numbers or words as a line, the name padded to `width`; "" for an empty row."""
    if not row:
        return ""
    name, *cells = row
    text = [f"{cell:>13}" if isinstance(cell, str) else f"{cell:>13.4g}" for cell in cells]
    return str(name).ljust(width) + "".join(text)


def report(model: Model, X_train: Any, y_train: Any, X_test: Any, y_test: Any, *, at: str = "logits",
           n_repeats: int = 10, random_state: Any = None) -> Report:
    """Report how sensitive a model is to its input, and whether that is harmful.

    model : an MLP or a fitted estimator; the data are its training rows and rows that it has not seen. at : the outputs
    for spectral norms, "logits" or "probabilities". n_repeats, random_state : of the noise, whose standard deviation is
    0.05, 0.1, 0.2, 0.5 and 1 times that of each feature in X_train. ValueError or TypeError for wrong arguments.

    The verdict depends on two questions. Is the test error more than 1.5 times the training error? Then the network is
    worse on new rows. Does noise of 0.1 standard deviations raise the training error to more than 1.5 times? Then it is
    too sensitive. If neither, the model is steady; if both, it is fitted to noise.
    """
    require_network(model)
    names = feature_names(model)
    with naming("X_train, y_train"):
        net, X, y = _with_targets(model, X_train, y_train)
    with naming("X_test, y_test"):
        _, X_new, y_new = _with_targets(model, X_test, y_test)
    rng, spread = _checks.generator(random_state), _spread(X)
    train, test = (noise_curve(net, *rows, SIGMAS, scale=spread, n_repeats=n_repeats, random_state=rng)
                   for rows in ((X, y), (X_new, y_new)))
    norms = np.quantile(local_lipschitz(net, X_new, at), QUANTILES)
    return Report([f"x{j}" for j in range(net.d[0])] if names is None else [str(name) for name in names],
                  saliency(net, X_new, y_new).mean(axis=0, dtype=float), spread,
                  dict(zip(QUANTILES, norms.tolist())), train, test)


def _risen(a: float, b: float) -> bool:
    return bool(b - a > (RISE - 1) * abs(a))


def _classifies(net: MLP) -> bool:
    """Whether the network classifies, so that predictions are right or wrong."""
    return net.loss.name in ("cross_entropy", "binary_cross_entropy")


def _errors(net: MLP, X: Floats, y: Any) -> tuple[float, float]:
    """(loss, number of rows misclassified), sums over rows."""
    data = net._network.bind(X, y)
    with net._network.team(data.n, 1) as team:
        total, prediction = net._network.core.evaluate_and_predict(data, team)
    wrong = 1 - metrics.METRICS["accuracy"](_arrays.dense(y, "y"), prediction, None) if _classifies(net) else 0.0
    return total, data.n * wrong


def _with_targets(model: Model, X: Any, y: Any) -> tuple[MLP, Any, Any]:
    net, X, y = network(model, X, required(y))
    net._network.parameters.require_finite()
    return net, X, y


def _sigmas(given: Any, dtype: DTypeLike) -> Floats:
    a = _arrays.as_array("sigmas", given)
    if a.dtype.kind not in "iuf":
        raise TypeError(f"sigmas must be numbers, got an array of {a.dtype}")
    if a.ndim != 1 or not len(a):
        raise ValueError(f"sigmas must have shape (m,), with m at least 1, got {a.shape}")
    if not (np.isfinite(a).all() and a.min() >= 0):
        raise ValueError(f"sigmas must be finite and at least 0, got {_checks.described(given)}")
    return a.astype(dtype)


def _spread(X: Any) -> Floats:
    """The standard deviation of each column."""
    n, slices = X.shape[0], _arrays.blocks(X.shape[0], 8 * X.shape[1])
    mean = sum(dense_rows(X, rows, float).sum(axis=0) for rows in slices) / n
    return np.sqrt(sum(((dense_rows(X, rows, float) - mean) ** 2).sum(axis=0) for rows in slices) / n)
