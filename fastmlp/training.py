"""Names that files, copies and warning filters of earlier versions know; they are at home in _fit and _parameters."""
from ._fit.history import History
from ._fit.loop import DivergenceWarning
from ._parameters import OptimizerState as State

__all__ = ["History", "DivergenceWarning", "State"]
