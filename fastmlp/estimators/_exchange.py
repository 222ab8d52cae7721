"""Conversion of MLPClassifier and MLPRegressor from and to scikit-learn's estimators of the same names."""
from __future__ import annotations

from typing import Any, Self

from .. import _lazy


class Exchange:
    """The methods of MLPClassifier and MLPRegressor for conversion from and to scikit-learn."""

    @classmethod
    def from_sklearn(cls, est: Any) -> Self:
        """Convert scikit-learn's fitted estimator of the same name: parameters, exactly the same weights, and curves.
        The solver's state is not converted: warm starts begin with a new one.

        TypeError if est is of another class; ValueError if it is not fitted.
        """
        return _lazy.load("export").from_sklearn(cls, est)

    def to_sklearn(self) -> Any:
        """Convert to scikit-learn's estimator of the same name, fitted, with copies of the weights.

        ValueError if parameters or values are in use that scikit-learn does not have, or if it is not fitted.
        """
        return _lazy.load("export").to_sklearn(self)
