"""The old name of _checks.py and _arrays.py. Temporary: goes with its last use in training.py, estimators/ and their like."""
from ._arrays import dense, features, finite as _finite, numeric as _numeric, plain as _plain, targets, weights  # noqa: F401
from ._checks import boolean, integer, named, number, one_of  # noqa: F401
