"""The estimators that scikit-learn has too, from its and as its."""
from __future__ import annotations

from typing import Any, Self

from .. import _lazy


class Exchange:
    """What MLPClassifier and MLPRegressor have of that."""

    @classmethod
    def from_sklearn(cls, est: Any) -> Self:
        """scikit-learn's fitted estimator of the same name as one of ours: parameters, weights to the bit, what the fit
        logged. Its solver's state is not taken along: warm starts begin with a fresh one.

        TypeError where est is another; ValueError where it is not fitted.
        """
        return _lazy.load("export").from_sklearn(cls, est)

    def to_sklearn(self) -> Any:
        """This fitted estimator as scikit-learn's of the same name, with copies of the weights.

        ValueError where parameters that scikit-learn does not have, or values of others that it does not take, are in
        use, or it is not fitted.
        """
        return _lazy.load("export").to_sklearn(self)
