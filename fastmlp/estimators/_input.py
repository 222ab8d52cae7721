"""X, y and sample weights by scikit-learn's rules.

scikit-learn has scipy convert sparse matrices, which believes their indices, and asks users' objects for anything. Both
comes here first.
"""
from sklearn.utils import validation

from .. import _arrays, _checks

NONE = "no_validation"  # scikit-learn's word for a y that there is not


def asked(argument, a):
    """a, of which scikit-learn may be asked for anything. ValueError where indices of a sparse matrix point outside of
    it, or where it has not two dimensions."""
    if _arrays.is_sparse(a) and a.ndim != 2:
        raise ValueError(f"{argument} must be a sparse matrix of two dimensions, got {a.ndim}")
    return _arrays.sound(argument, a)


def validate_data(estimator, X, y=NONE, **options):
    """scikit-learn's validate_data."""
    with _checks.asking("X" if y is None or isinstance(y, str) and y == NONE else "X and y"):
        return validation.validate_data(estimator, asked("X", X), asked("y", y), **options)


def validate_weight(sample_weight, X, dtype=None):
    """sample_weight as (n_samples,) of a dtype, or that of X where that is a float."""
    with _checks.asking("sample_weight"):
        return validation._check_sample_weight(sample_weight, X, dtype=dtype)
