"""Names for compatibility with files, pickles and warning filters of earlier versions; defined in _fit and _parameters.
"""
from ._fit.history import History
from ._fit.loop import DivergenceWarning
from ._parameters import OptimizerState as State

__all__ = ["History", "DivergenceWarning", "State"]
