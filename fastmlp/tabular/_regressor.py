"""TabularRegressor."""
from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from typing import Any

import numpy as np
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.validation import _check_y, check_consistent_length, check_is_fitted

from .. import _checks
from .._fit.options import Callbacks
from .._types import Floats, Integers
from ..estimators._input import numbers
from ._base import ATTRIBUTES, OUT_OF_FOLD, PARAMETERS, BaseTabular
from .columns import Column, n_rows
from .pieces import POINTS, Targets
from .targets import TargetScale, unit_of


class TabularRegressor(RegressorMixin, BaseTabular):
    __doc__ = f"""Predicts numbers from the rows of a table as it comes: several networks, trained side by side on
    encoded columns.

    Minimises the squared error.

    Parameters
    ----------
{PARAMETERS}
    clip : keep predictions to the range of y in fit. Default True.
    target_transform : "power": y is learned after the power transform of Yeo and Johnson (2000), so that what counts is
        nearer to the relative error, and intervals are wider where y is large; means are taken back without bias by
        Duan's (1983) smearing estimate. None, the default, has the smaller squared error on most tables.

    Attributes
    ----------
{ATTRIBUTES}
{OUT_OF_FOLD}
        Here (n_samples,).

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastmlp import TabularRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = TabularRegressor(preset="fast", random_state=0).fit(X, y)
    >>> low, high = model.predict_interval(X, alpha=0.1)
    """

    _parameter_constraints = {**BaseTabular._parameter_constraints, "clip": ["boolean"],
                              "target_transform": [StrOptions({"power"}), None]}
    _loss, _members_of = "squared_error", attrgetter("regressors", "regressing")

    def __init__(self, preset: str = "default", *, n_members: int | None = None, members: str = "separate",
                 bagging: str = "folds", categorical_features: Sequence[Any] | None = None,
                 max_iter: int | None = None, time_limit: float | None = None, random_state: Any = None,
                 n_threads: int | None = None, callbacks: Callbacks | None = None, clip: bool = True,
                 target_transform: str | None = None) -> None:
        self._set_parameters(locals())

    # ---- what y is

    def _read_y(self, y: Any, columns: list[Column]) -> Any:
        """y as float64, (n,)."""
        if y is None:
            raise ValueError(f"This {type(self).__name__} estimator requires y to be passed, but the target y is None.")
        with _checks.asking("y"):
            y = np.asarray(_check_y(numbers("y", y), y_numeric=True, estimator=self), np.float64)
            check_consistent_length(np.empty(n_rows(columns)), y)
        return y

    def _prepare_y(self, y: Any, columns: list[Column], reset: bool) -> Any:
        return self._read_y(y, columns)

    def _targets(self, y: Any, weight: Floats | None, reset: bool) -> Any:
        if reset:
            self._scale = TargetScale(self.target_transform == "power").fit(y, weight)
        return self._scale.transform(y).astype(np.float32)

    def _n_outputs(self) -> int:
        return 1

    def _weighted(self, y: Any, weight: Floats | None) -> Floats | None:
        return weight

    def _keep_held_out(self, outputs: Floats, times: Integers, targets: Any) -> Floats:
        held = times > 0
        self._keep_residuals(np.sort(targets[held] - outputs[held, 0]))
        return np.where(held, self._scale.means(outputs[:, 0], self.clip), np.nan)

    def _keep_residuals(self, found: Floats) -> None:
        self._residuals = found
        if len(found):
            self._scale.smear(found)

    # ---- tables in pieces

    def _look_at_y(self, y: Any, weight: Floats | None) -> Targets:
        return Targets.of(y, weight)

    def _learn_y(self, found: Targets, classes: Any = None) -> None:
        numbers = found.numbers
        self._scale = TargetScale(self.target_transform == "power").fit_moments(
            numbers.least, numbers.most, found.mean, found.deviation, numbers.points(POINTS))

    def _weighted_piece(self, y: Any, weight: Floats | None) -> Floats | None:
        return weight

    # ---- using

    def _predict_of(self, columns: list[Column]) -> Floats:
        return self._scale.means(self._outputs_of(columns)[..., 0].mean(axis=0), self.clip)

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """The predicted mean of y, (n_samples,). return_std : also return the standard deviation of the members'
        predictions, (n_samples,), as (means, deviations): their disagreement, not the spread of y."""
        _checks.boolean("return_std", return_std)
        outputs = self._outputs(X)[..., 0]
        mean = self._scale.means(outputs.mean(axis=0), self.clip)
        if not return_std:
            return mean
        of_members = self._scale.means(outputs.ravel(), self.clip).reshape(outputs.shape)
        unit = unit_of(of_members)
        return mean, (of_members / unit).std(axis=0) * unit

    def predict_interval(self, X: Any, alpha: float = 0.1) -> tuple[Floats, Floats]:
        """(low, high), (n_samples,) each: intervals that contain y with probability 1 - alpha.

        Their ends come from the residuals of the held-out rows, on the scale of the networks' targets: their quantiles
        alpha/2 and 1 - alpha/2, corrected for the finite number of rows (cross-conformal prediction, Vovk 2015).
        ValueError if no rows were held out, or too few for this alpha.
        """
        place = self._place_of(alpha)
        output = self._outputs(X)[..., 0].mean(axis=0)
        low, high = self._residuals[-1 - place], self._residuals[place]
        return self._scale.inverse(output + low), self._scale.inverse(output + high)

    def _place_of(self, alpha: float) -> int:
        """The index of the sorted residual that is exceeded with probability alpha/2."""
        check_is_fitted(self, "n_iter_by_member_")
        alpha = _checks.number("alpha", alpha, above=0, below=1)
        n = len(self._residuals)
        place = int(np.ceil((n + 1) * (1 - alpha / 2))) - 1
        if place >= n:
            raise ValueError(f"alpha must be at least {2 / (n + 1):.3g} for {n} rows that were held out in fit, got "
                             f"{alpha:g}")
        return place

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """R^2 on rows X (n_samples, n_features); y and sample_weight as in fit: see RegressorMixin.score."""
        return self._score(X, y, sample_weight)

    def _score_of(self, columns: list[Column], y: Any, sample_weight: Any) -> float:
        predicted = self._predict_of(columns)
        unit = unit_of(np.concatenate([y, predicted]))
        return r2_score(y / unit, predicted / unit, sample_weight=sample_weight)
