"""X and y by scikit-learn's rules."""
from sklearn.utils import validation

from .. import _arrays


def validate_data(estimator, X, y="no_validation", **options):
    """scikit-learn's validate_data. It asks scipy to convert sparse matrices, so what conversions believe comes first.

    ValueError where indices of a sparse matrix point outside of it.
    """
    return validation.validate_data(estimator, _arrays.sound("X", X), _arrays.sound("y", y), **options)
