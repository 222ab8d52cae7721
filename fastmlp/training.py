"""Names by which files and copies of earlier versions know what now is in _fit."""
from ._fit.history import History
from ._fit.loop import DivergenceWarning
from ._fit.mlp import fit
from ._fit.options import Options
from ._fit.state import State
from ._threads import team_for

__all__ = ["History", "DivergenceWarning", "State"]
